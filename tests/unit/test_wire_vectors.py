"""The vectors of docs/reference/wire.md are what is written and read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.exchange.envelope import Keys
from gagyo.federation import message as messages
from gagyo.federation.packing import MAGIC, pack, unpack

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "wire.md").read_text(encoding="utf-8")
RECORDS: list[Any] = [{}, {"a": np.array([1.5, -2.0])}, {"b": b"\x00\xff", "n": None}]
VECTORS = [bytes.fromhex(text) for text in re.findall(r"`(474147594f00010a[0-9a-f]+)`", PAGE)]


@pytest.mark.parametrize(("record", "vector"), list(zip(RECORDS, VECTORS, strict=True)))
def test_a_record_has_these_bytes(record: Any, vector: bytes) -> None:
    assert pack(record) == vector
    assert pack(unpack(vector)) == vector


def test_the_page_names_the_magic_the_kinds_and_the_fields() -> None:
    assert MAGIC.hex(" ") in PAGE
    assert all(f"`{kind}`" in PAGE for kind in messages.KINDS)
    assert all(f"`{name}`" in PAGE for name in (*messages.HEAD, "version", "to", "body"))


def test_a_message_is_sealed_as_the_page_says() -> None:
    """Unsealed by hand, with nothing of the package but its form."""
    import hashlib
    import json

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    sender, receiver = Keys.make(), Keys.make()
    said = messages.Message("state", "seoul", "lead", "sha256:s", {"state": "waiting"}, expires=2**33)
    sealed = messages.write(said, sender, receiver.public)
    fresh = sealed[:32]
    shared = receiver.sealing.exchange(X25519PublicKey.from_public_bytes(fresh))
    key = HKDF(algorithm=hashes.SHA256(), length=32, salt=fresh, info=b"gagyo seal 1").derive(shared)
    opened = ChaCha20Poly1305(key).decrypt(bytes(12), sealed[32:], b"gagyo message 1")
    size = int.from_bytes(opened[8:12], "little")
    header, rest = json.loads(opened[12 : 12 + size]), opened[12 + size :]
    body, signature = rest[: header["body"]["n"]], rest[header["body"]["n"] :]
    head = json.dumps(header["head"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(sender.public.signing)).verify(signature, head)
    assert header["head"]["body"] == "sha256:" + hashlib.sha256(body).hexdigest()
    assert header["head"]["to"] == receiver.public.sealing
    assert body[12:] == b'{"state":"waiting"}'
