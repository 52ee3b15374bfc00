"""HTTP message signatures (RFC 9421, Ed25519) with content digests (RFC 9530) for calls and for their answers."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gagyo.errors import ExchangeFault

TAG = "gagyo-exchange-1"
WINDOW = 120
"""Seconds that a signature's time may differ from the hub's clock."""
CALL = ("@method", "@path", "@query", "content-digest")
ANSWER = ("@status", "content-digest", '"signature";req;key="gagyo"')

_INPUT = re.compile(
    r"gagyo=(?P<params>\((?P<names>[^()]{1,200})\);created=(?P<created>\d{1,12})"
    r';nonce="(?P<nonce>[A-Za-z0-9_-]{16,64})";keyid="(?P<keyid>[A-Za-z0-9_.-]{1,64})"'
    r';alg="ed25519";tag="(?P<tag>[a-z0-9-]{1,40})")'
)
_SIGNATURE = re.compile(r"gagyo=:([A-Za-z0-9+/]{86}==):")
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


@dataclass(frozen=True)
class Signed:
    """A signature's parameters as they stood in its header, and the signature."""

    params: str
    names: str
    created: int
    nonce: str
    keyid: str
    signature: bytes


def content_digest(body: bytes) -> str:
    """The Content-Digest header of a body (RFC 9530, SHA-256)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def digest_of(header: str) -> bytes:
    """The 32 bytes that a Content-Digest header names; ExchangeFault `malformed` where it has another form."""
    found = _DIGEST.fullmatch(header)
    if found is None:
        raise ExchangeFault.of("malformed", found="Content-Digest")
    return base64.b64decode(found[1])


def signature_base(components: Sequence[tuple[str, str]], params: str) -> bytes:
    """The bytes that are signed (RFC 9421, section 2.5); a component's name is given quoted, with its parameters."""
    lines = [f"{name}: {value}" for name, value in components]
    return "\n".join([*lines, f'"@signature-params": {params}']).encode()


def call_components(method: str, path: str, query: str, digest: str) -> list[tuple[str, str]]:
    """What a call's signature covers; `query` without its question mark."""
    values = (method, path, f"?{query}", digest)
    return [(f'"{name}"', value) for name, value in zip(CALL, values, strict=True)]


def answer_components(status: int, digest: str, call_signature: str) -> list[tuple[str, str]]:
    """What an answer's signature covers: also the signature of the call, so that no answer fits another call."""
    values = (str(status), digest, call_signature)
    return [(_quoted(name), value) for name, value in zip(ANSWER, values, strict=True)]


def _quoted(name: str) -> str:
    return name if name.startswith('"') else f'"{name}"'


def sign(
    sign_bytes: Callable[[bytes], bytes],
    components: Sequence[tuple[str, str]],
    keyid: str,
    created: int,
    nonce: str = "",
) -> dict[str, str]:
    """The headers Signature-Input and Signature, with a fresh nonce unless one is given (for test vectors)."""
    covered = " ".join(name for name, _ in components)
    once = nonce or secrets.token_urlsafe(18)
    params = f'({covered});created={created};nonce="{once}";keyid="{keyid}";alg="ed25519";tag="{TAG}"'
    signature = base64.b64encode(sign_bytes(signature_base(components, params))).decode()
    return {"signature-input": f"gagyo={params}", "signature": f"gagyo=:{signature}:"}


def read(input_header: str, signature_header: str, covered: Sequence[str]) -> Signed:
    """The parameters of a signature over exactly `covered`; ExchangeFault `malformed` for any other form."""
    found, signature = _INPUT.fullmatch(input_header), _SIGNATURE.fullmatch(signature_header)
    if found is None or signature is None:
        raise ExchangeFault.of("malformed", found="Signature-Input")
    if found["tag"] != TAG:
        raise ExchangeFault.of("other_version", found=found["tag"], expected=TAG)
    if found["names"] != " ".join(_quoted(name) for name in covered):
        raise ExchangeFault.of("malformed", found="Signature-Input")
    try:
        raw = base64.b64decode(signature[1], validate=True)
    except binascii.Error:
        raise ExchangeFault.of("malformed", found="Signature") from None
    return Signed(found["params"], found["names"], int(found["created"]), found["nonce"], found["keyid"], raw)
