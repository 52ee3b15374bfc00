"""The masks of the secure sum: pairwise ones that cancel over the roster, and one of each hospital's own.

Pairwise: HKDF of the two hospitals' X25519 secret, bound to plan, statement, roster, attempt and block. Own: the same
from the hospital's secret alone. That of the values is opened, entry by entry, only after the pooled rules passed; that
of the people is opened to the other hospitals, whole, as its key.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gagyo.canonical import canonical
from gagyo.protocol.request import Summand
from gagyo.release import ring
from gagyo.release.ring import Limbs

KEY = 32
"""Bytes of a mask's key."""


def _key(secret: bytes, label: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=KEY, salt=None, info=b"gagyo mask 1" + label).derive(secret)


def mask_of(key: bytes, entries: int) -> Limbs:
    """The mask of a key: ChaCha20's stream, 16 bytes an entry. ValueError where the key has not KEY bytes."""
    # A key serves one label once, so a constant nonce is safe.
    cipher = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor()
    return ring.from_bytes(cipher.update(bytes(16 * entries)))


def _label(summand: Summand, block: str, *pair: str) -> bytes:
    about = _about(summand.plan, summand.statement, tuple(summand.roster), summand.attempt, block)
    return b",".join([about, *map(canonical, pair)]) + b"]"


@lru_cache(maxsize=256)
def _about(plan: str, statement: str, roster: tuple[str, ...], attempt: int, block: str) -> bytes:
    """The canonical list of all that every pair's label begins with, still open at its end."""
    return canonical([plan, statement, roster, attempt, block])[:-1]


def own_key(secret: bytes, summand: Summand, block: str) -> bytes:
    """The key of this hospital's own mask of one block of one statement: it opens that mask, and no other."""
    return _key(secret, b" own " + _label(summand, block, summand.site))


def own_mask(secret: bytes, summand: Summand, block: str, entries: int) -> Limbs:
    """The mask that only this hospital can make, of its private key, for one block of one statement."""
    return mask_of(own_key(secret, summand, block), entries)


def pair_masks(secrets: Mapping[str, bytes], summand: Summand, block: str, entries: int) -> Limbs:
    """The sum of this hospital's masks with every other: added by the first name, subtracted by the second.

    secrets: by other hospital, the X25519 secret that both have.
    """
    total = ring.from_bytes(bytes(16 * entries))
    for other in summand.roster:
        if other == summand.site:
            continue
        first, second = sorted((summand.site, other))
        mask = mask_of(_key(secrets[other], b" pair " + _label(summand, block, first, second)), entries)
        total = ring.add(total, mask) if summand.site == first else ring.subtract(total, mask)
    return total
