"""HTTP message signatures: the published vectors, the vector of docs/reference/exchange.md, and any other bytes."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gagyo.errors import ExchangeFault, Tampered
from gagyo.exchange import signatures
from gagyo.exchange.envelope import PublicKeys

# RFC 9421, appendix B.1.4: the Ed25519 test key; B.2.6: a signature by it.
PRIVATE = base64.urlsafe_b64decode("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU=")
PUBLIC = base64.urlsafe_b64decode("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs=").hex()
KEY = Ed25519PrivateKey.from_private_bytes(PRIVATE)
B26 = (
    ('"date"', "Tue, 20 Apr 2021 02:07:55 GMT"),
    ('"@method"', "POST"),
    ('"@path"', "/foo"),
    ('"@authority"', "example.com"),
    ('"content-type"', "application/json"),
    ('"content-length"', "18"),
)
B26_COVERED = '("date" "@method" "@path" "@authority" "content-type" "content-length")'
B26_PARAMS = f'{B26_COVERED};created=1618884473;keyid="test-key-ed25519"'
B26_SIGNATURE = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="


def test_the_vector_of_rfc_9421_b_2_6() -> None:
    base = signatures.signature_base(B26, B26_PARAMS)
    assert base64.b64encode(KEY.sign(base)).decode() == B26_SIGNATURE
    PublicKeys(PUBLIC, "").verify(base64.b64decode(B26_SIGNATURE), base)


def test_the_digest_of_rfc_9530_appendix_d() -> None:
    assert (
        signatures.content_digest(b'{"hello": "world"}\n') == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    )


def vector() -> dict[str, str]:
    """A call as docs/reference/exchange.md prints it."""
    digest = signatures.content_digest(b"sealed")
    components = signatures.call_components("POST", "/v1/letters", "recipient=seoul&study=s", digest)
    return signatures.sign(KEY.sign, components, "lead", 1764000000, "AAECAwQFBgcICQoLDA0ODxAR")


def answer_vector() -> dict[str, str]:
    """The hub's answer to that call."""
    called = vector()["signature"].removeprefix("gagyo=")
    components = signatures.answer_components(201, signatures.content_digest(b"{}"), called)
    return signatures.sign(KEY.sign, components, "hub-kr", 1764000001, "EhMUFRYXGBkaGxwdHh8gISIj")


def test_a_signature_reads_back() -> None:
    signed = vector()
    read = signatures.read(signed["signature-input"], signed["signature"], signatures.CALL)
    assert (read.created, read.nonce, read.keyid) == (1764000000, "AAECAwQFBgcICQoLDA0ODxAR", "lead")
    digest = signatures.content_digest(b"sealed")
    components = signatures.call_components("POST", "/v1/letters", "recipient=seoul&study=s", digest)
    PublicKeys(PUBLIC, "").verify(read.signature, signatures.signature_base(components, read.params))


@pytest.mark.parametrize("place", range(4))
def test_every_covered_part_counts(place: int) -> None:
    signed = vector()
    read = signatures.read(signed["signature-input"], signed["signature"], signatures.CALL)
    values = ["POST", "/v1/letters", "recipient=seoul&study=s", signatures.content_digest(b"sealed")]
    values[place] = values[place] + "x"
    base = signatures.signature_base(signatures.call_components(*values), read.params)
    with pytest.raises(Tampered):
        PublicKeys(PUBLIC, "").verify(read.signature, base)


def test_an_answer_belongs_to_one_call() -> None:
    signed = answer_vector()
    read = signatures.read(signed["signature-input"], signed["signature"], signatures.ANSWER)
    digest = signatures.content_digest(b"{}")
    mine = signatures.answer_components(201, digest, vector()["signature"].removeprefix("gagyo="))
    PublicKeys(PUBLIC, "").verify(read.signature, signatures.signature_base(mine, read.params))
    other = signatures.answer_components(201, digest, ":" + "A" * 86 + "==:")
    with pytest.raises(Tampered):
        PublicKeys(PUBLIC, "").verify(read.signature, signatures.signature_base(other, read.params))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("gagyo-exchange-1", "gagyo-exchange-2", "other_version"),
        (' "@query"', "", "malformed"),
        ('"@method" "@path"', '"@path" "@method"', "malformed"),
        ("created=", "created=-", "malformed"),
        ("ed25519", "hmac-sha256", "malformed"),
        (';nonce="AAECAwQFBgcICQoLDA0ODxAR"', "", "malformed"),
        ("gagyo=", "sig1=", "malformed"),
    ],
)
def test_any_other_form_is_refused(old: str, new: str, code: str) -> None:
    signed = vector()
    changed = signed["signature-input"].replace(old, new)
    assert changed != signed["signature-input"]
    with pytest.raises(ExchangeFault) as refused:
        signatures.read(changed, signed["signature"], signatures.CALL)
    assert refused.value.code == code


@given(st.text(max_size=300), st.text(max_size=120))
def test_any_text_is_refused_and_none_crashes(first: str, second: str) -> None:
    with pytest.raises(ExchangeFault):
        signatures.read(first, second, signatures.CALL)
    with pytest.raises(ExchangeFault):
        signatures.digest_of(first)


@given(st.data())
def test_a_changed_header_is_refused_or_says_the_same(data: st.DataObject) -> None:
    signed = vector()
    name = data.draw(st.sampled_from(sorted(signed)))
    text = signed[name]
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.characters(codec="latin-1")) + text[place + 1 :]
    headers = signed | {name: changed}
    try:
        read = signatures.read(headers["signature-input"], headers["signature"], signatures.CALL)
        digest = signatures.content_digest(b"sealed")
        components = signatures.call_components("POST", "/v1/letters", "recipient=seoul&study=s", digest)
        PublicKeys(PUBLIC, "").verify(read.signature, signatures.signature_base(components, read.params))
    except (ExchangeFault, Tampered):
        return
    same = signatures.read(signed["signature-input"], signed["signature"], signatures.CALL)
    assert read == same, "only the unused bits of the last base64 digit may differ"


def test_the_digest_of_a_header_is_the_digest_of_the_body() -> None:
    assert signatures.digest_of(signatures.content_digest(b"x")) == hashlib.sha256(b"x").digest()
