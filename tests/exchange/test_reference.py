"""docs/reference/exchange.md: its vectors are computed again, its tables compared with the code."""

from __future__ import annotations

import re
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gagyo.exchange import signatures
from gagyo.exchange.calls import CALLS
from gagyo.exchange.enrolment import fingerprint, proofs
from gagyo.exchange.envelope import Keys
from gagyo.exchange.letter import chunk_digest, letter_id
from gagyo.exchange.refusals import STATUS
from tests.exchange.test_signatures import KEY, answer_vector, vector

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "exchange.md").read_text(encoding="utf-8")


def test_the_address() -> None:
    chunk = chunk_digest(b"sealed")
    assert f"`{chunk}`" in PAGE
    assert f"`{letter_id('lead', 'seoul', 's', [chunk])}`" in PAGE


def test_the_signatures() -> None:
    call, answer = vector(), answer_vector()
    digest = signatures.content_digest(b"sealed")
    components = signatures.call_components("POST", "/v1/letters", "recipient=seoul&study=s", digest)
    back = signatures.answer_components(201, signatures.content_digest(b"{}"), call["signature"].removeprefix("gagyo="))
    for signed, covered in ((call, components), (answer, back)):
        params = signed["signature-input"].removeprefix("gagyo=")
        assert signatures.signature_base(covered, params).decode() in PAGE
        assert f"Signature: {signed['signature']}\n" in PAGE


def test_the_enrolment() -> None:
    own = Keys(KEY, X25519PrivateKey.from_private_bytes(bytes(range(32))))
    hub = Keys(KEY, X25519PrivateKey.from_private_bytes(bytes(range(32, 64))))
    record = proofs("seoul", own, hub.public, "secret")
    for name in ("signing", "sealing", "possession", "signature"):
        assert re.search(rf"^{name} +{record[name]}$", PAGE, re.M)
    assert re.search(rf"^hub sealing +{hub.public.sealing}$", PAGE, re.M)
    assert re.search(rf"^fingerprint +{fingerprint(own.public)}$", PAGE, re.M)


def test_every_call_and_every_refusal_is_on_the_page() -> None:
    calls = re.findall(r"^\| `(\w+) (/v1/\w+)", PAGE, re.M)
    assert set(calls) == {*CALLS, ("GET", "/v1/health")}
    said = {
        code: status
        for line in re.findall(r"^\| ([\d, ]+) \| (`.*) \|$", PAGE, re.M)
        for code in re.findall(r"`([a-z_]+)`", line[1])
        for status in [line[0]]
    }
    assert set(said) == set(STATUS)
    assert all(str(STATUS[code]) in status for code, status in said.items())
