"""Messages between the coordinator and a hospital: each way to forge one has its own refusal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gagyo.canonical import canonical
from gagyo.errors import Tampered
from gagyo.exchange.envelope import Keys, seal
from gagyo.federation import message as messages
from gagyo.federation.message import LABEL, Message, read, write
from gagyo.federation.packing import pack, unpack

COORDINATOR, HOSPITAL, OTHER = Keys.make(), Keys.make(), Keys.make()
NOW = 1_800_000_000.0
SAID = Message(
    *("request", "lead", "seoul", "study", {"values": np.arange(3.0)}, "sha256:plan", "sha256:request"),
    *(("seoul", "busan", "beijing"), 1, int(NOW) + 60),
)


def refusal(sealed: bytes, receivers: tuple[Keys, ...] = (HOSPITAL,), now: float = NOW) -> str:
    with pytest.raises(Tampered) as told:
        read(sealed, receivers, COORDINATOR.public, now)
    return told.value.findings[0].code


def resealed(change: object, to: Keys = HOSPITAL, signer: Keys = COORDINATOR, sign: bool = True) -> bytes:
    """A message whose head somebody changed, signed anew or with the old signature."""
    outer = unpack(HOSPITAL.unseal(write(SAID, COORDINATOR, HOSPITAL.public), LABEL))
    outer["head"].update(change)  # type: ignore[call-overload]
    if sign:
        outer["signature"] = signer.sign(canonical(outer["head"]))
    return seal(pack(outer), to.public, LABEL)


def test_a_message_is_read_as_it_was_written() -> None:
    got = read(write(SAID, COORDINATOR, HOSPITAL.public), (OTHER, HOSPITAL), COORDINATOR.public, NOW)
    assert np.array_equal(got.body["values"], np.arange(3.0))
    assert replace(got, body={}) == replace(SAID, body={})


def test_each_forgery_has_its_own_refusal() -> None:
    whole = write(SAID, COORDINATOR, HOSPITAL.public)
    assert refusal(whole[:-1]) == "bad_envelope"
    assert refusal(whole[:20]) == "bad_envelope"
    assert refusal(write(SAID, COORDINATOR, OTHER.public)) == "bad_envelope"
    assert refusal(seal(whole, HOSPITAL.public, LABEL)) == "bad_wire"
    assert refusal(write(SAID, OTHER, HOSPITAL.public)) == "bad_signature"
    assert refusal(whole, now=NOW + 61) == "expired_message"
    # A hospital passes a coordinator's message on to another, sealed anew: the signature names the first one's key.
    assert refusal(resealed({}, to=OTHER), receivers=(OTHER,)) == "other_recipient_key"
    assert refusal(resealed({"version": "2"})) == "other_wire"
    assert refusal(resealed({"kind": "program"})) == "bad_wire"
    assert refusal(resealed({"attempt": True})) == "bad_wire"
    assert refusal(resealed({"more": 1})) == "bad_wire"
    assert refusal(resealed({"body": "sha256:0"})) == "bad_signature"


@pytest.mark.parametrize("name", [name for name in messages.HEAD if name != "kind"])
def test_nothing_of_the_head_can_be_exchanged(name: str) -> None:
    other: object = {"roster": ["seoul"], "attempt": 2, "expires": int(NOW) + 99}.get(name, "another")
    assert refusal(resealed({name: other}, sign=False)) == "bad_signature"


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_noise_sealed_to_a_hospital_is_refused(noise: bytes) -> None:
    assert refusal(seal(noise, HOSPITAL.public, LABEL)) == "bad_wire"
    assert refusal(noise) == "bad_envelope"
