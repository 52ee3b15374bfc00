"""The vectors of docs/reference/wire.md are what is written and read."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.exchange.envelope import Keys
from gagyo.federation import message as messages
from gagyo.federation.packing import MAGIC, pack, unpack
from gagyo.protocol.request import Summand
from gagyo.release import ring
from gagyo.release.masks import own_mask, pair_masks

PAGES = Path(__file__).parents[2] / "docs"
PAGE = (PAGES / "reference" / "wire.md").read_text(encoding="utf-8")
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


def test_masks_are_made_as_the_page_says() -> None:
    """By hand: HKDF over the label, then ChaCha20's stream; a pair's mask cancels between the two."""
    parts = [Summand("p", "s", ("a", "b", "c"), 0, name) for name in "ab"]
    label = b'["p","s",["a","b","c"],0,"people"'
    own = _stream(bytes(32), b"gagyo mask 1 own " + label + b',"a"]', 32)
    assert own == own_mask(bytes(32), parts[0], "people", 2).astype("<u8").tobytes()
    assert f"`{own.hex()}`" in PAGE
    secrets = {"b": bytes([1] * 32), "c": bytes([2] * 32)}
    streams = [
        _stream(secrets[name], b"gagyo mask 1 pair " + label + b',"a","%s"]' % name.encode(), 32) for name in "bc"
    ]
    total = [sum(int.from_bytes(one[at : at + 16], "little") for one in streams) % 2**128 for at in (0, 16)]
    found = pair_masks(secrets, parts[0], "people", 2)
    assert [int(low) + (int(high) << 64) for low, high in found] == total
    theirs = pair_masks({"a": secrets["b"], "c": bytes(32)}, replace(parts[1], roster=("a", "b")), "people", 2)
    ours = pair_masks({"b": secrets["b"]}, replace(parts[0], roster=("a", "b")), "people", 2)
    assert not ring.add(ours, theirs).any()


def _stream(secret: bytes, info: bytes, size: int) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    key = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(secret)
    return Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor().update(bytes(size))


def test_the_sum_of_the_explanation_is_what_its_lines_print(capsys: pytest.CaptureFixture[str]) -> None:
    page = (PAGES / "explanation" / "secure-sum.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(.*?)```", page, re.S)
    exec(lines, {})
    assert capsys.readouterr().out.strip() == "[7419.5]"
