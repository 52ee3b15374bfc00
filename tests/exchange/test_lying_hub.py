"""A hub that answers with valid signatures and anything inside: a client refuses it by name and never hangs."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gagyo.errors import ExchangeFault
from gagyo.exchange import relay
from gagyo.exchange.client import Client
from gagyo.exchange.envelope import Keys
from gagyo.exchange.letter import chunk_digest, letter_id
from gagyo.exchange.line import Reply
from gagyo.exchange.membership import Membership
from gagyo.exchange.records import record_of


class Liar:
    """A line whose hub answers everything with one body."""

    clock_offset = 0.0

    def __init__(self, body: bytes) -> None:
        self.body, self.calls = body, 0

    def call(self, *given: Any, **named: Any) -> Reply:
        self.calls += 1
        return Reply(200, self.body)

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture(scope="module")
def client() -> Client:
    keys = Keys.make()
    return Client(Membership("seoul", "KR", "site", "https://127.0.0.1:1", "hub", Keys.make().public, keys))


def told(client: Client, record: object) -> Client:
    client._line = Liar(json.dumps(record).encode())  # type: ignore[assignment]
    return client


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
TEXTS = st.text(max_size=12) | st.just("0" * 64) | st.just("QUJD") | JSON
LETTER = st.fixed_dictionaries(
    {},
    optional={name: TEXTS for name in ("id", "sender", "recipient", "study", "body")}
    | {"size": JSON | st.just(0), "chunks": JSON | st.lists(st.just("0" * 64), max_size=2)},
)
MEMBER = st.fixed_dictionaries(
    {},
    optional={name: TEXTS for name in ("name", "country", "role", "state")}
    | {"keys": JSON | st.just({"signing": "0" * 64, "sealing": "0" * 64}), "until": JSON, "seen": JSON},
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON | st.fixed_dictionaries({"letters": JSON | st.lists(LETTER, max_size=2)}))
def test_any_box_is_refused_or_holds_nothing(client: Client, record: object) -> None:
    try:
        taken = told(client, record).receive(0)
    except ExchangeFault as fault:
        # pytest.raises does not fit: some of these answers are a box with nothing in it.
        found = fault.code
        if found not in ("hub_forged", "malformed"):
            raise
        return
    assert taken == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON | st.fixed_dictionaries({"members": JSON | st.lists(MEMBER, max_size=2)}))
def test_any_directory_is_refused_or_read(client: Client, record: object) -> None:
    try:
        found = told(client, record).directory()
    except ExchangeFault as fault:
        if fault.code not in ("hub_forged", "malformed"):
            raise
        return
    assert all(isinstance(one.until, int) for one in found.values())


def test_a_letter_under_another_id_sender_or_study_is_refused(client: Client) -> None:
    body = b"sealed"
    name = letter_id("lead", "seoul", "s", [chunk_digest(body)])
    good = {"id": name, "sender": "lead", "recipient": "seoul", "study": "s", "size": 6}
    good["body"] = base64.b64encode(body).decode()
    assert [one.body for one in told(client, {"letters": [good]}).receive(0)] == [body]
    for change in ({"sender": "other"}, {"study": "t"}, {"id": "0" * 64}, {"body": "QUJD"}):
        with pytest.raises(ExchangeFault) as fault:
            told(client, {"letters": [good | change]}).receive(0)
        assert fault.value.code == "hub_forged"


def test_a_hub_that_loses_every_chunk_is_given_up(client: Client) -> None:
    body = b"x" * (2 << 20)
    liar = told(client, {"missing": [chunk_digest(body[: 1 << 20])]})._line
    with pytest.raises(ExchangeFault) as fault:
        client.send("lead", "s", body)
    assert fault.value.code == "hub_fault"
    assert liar.calls < 40  # type: ignore[attr-defined]


@settings(max_examples=200, deadline=None)
@given(JSON | LETTER)
def test_any_letter_of_a_partner_is_refused_or_named_by_its_content(record: Any) -> None:
    try:
        letter = relay._letter(record)
    except ExchangeFault as fault:
        if fault.code != "hub_forged":
            raise
        return
    assert letter.id == letter_id(letter.sender, letter.recipient, letter.study, letter.chunks)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_malformed(body: bytes) -> None:
    try:
        assert isinstance(record_of(body), dict)
    except ExchangeFault as fault:
        if fault.code != "malformed":
            raise
