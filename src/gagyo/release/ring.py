"""The ring Z_2^128 in which hospitals add: exact, order-free fixed point in two 64-bit limbs.

A value v with scale s (a power of two from the plan) is held as round(v / s * 2^64) modulo 2^128, so sums do not depend
on their order and are exact to 2^-64 of the scale. Limbs are an array (n, 2) of uint64, the low limb first. Head counts
are whole and small: one entry holds four of them side by side, and their sums never reach from one into the next.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gagyo.release.aggregate import Counts, Floats

Limbs = NDArray[np.uint64]
TWO64 = 2.0**64
ABREAST = 4
"""Head counts in one entry of the ring, 32 bits each."""


def fits(values: Floats, scale: Floats, sites: int) -> NDArray[np.bool_]:
    """Which values can be summed over so many hospitals without overflow: |v| < 2^62 / sites after scaling."""
    return np.isfinite(values) & (np.abs(values) < scale * (2.0**62 / max(sites, 1)))


def encode(values: Floats, scale: Floats) -> Limbs:
    """Values (n,) as limbs (n, 2). The caller has checked `fits`."""
    size = np.abs(values) / scale
    high = np.floor(size)
    low = np.rint((size - high) * TWO64)
    carry = low >= TWO64
    limbs = np.empty((values.size, 2), np.uint64)
    limbs[:, 0] = np.where(carry, 0.0, low).astype(np.uint64)
    limbs[:, 1] = (high + carry).astype(np.uint64)
    # Sign last: 1 - 1e-5 as a fraction would already have lost what 1e-5 holds.
    return np.where((values < 0)[:, None], negate(limbs), limbs)


def decode(limbs: Limbs, scale: Floats) -> Floats:
    """Limbs (n, 2) as float64 values (n,)."""
    negative = limbs[:, 1].view(np.int64) < 0
    size = np.where(negative[:, None], negate(limbs), limbs)
    magnitude = size[:, 1].astype(np.float64) + size[:, 0].astype(np.float64) / TWO64
    return np.asarray(np.where(negative, -magnitude, magnitude) * scale, dtype=np.float64)


def heads_fit(heads: Counts, sites: int) -> bool:
    """Whether head counts can be summed over so many hospitals in 32 bits each."""
    return bool((np.abs(heads) < _raised_by(sites)).all())


def _raised_by(sites: int) -> int:
    """What each hospital adds to a head count: one hospital's part may be below zero, an entry's quarter may not."""
    return 2**31 // max(sites, 1)


def encode_heads(heads: Counts, sites: int) -> Limbs:
    """Head counts (n,) as limbs (entries, 2), for a sum over so many hospitals. The caller has checked `heads_fit`."""
    quarters = np.zeros(entries_of(heads.size) * ABREAST, "<u4")
    quarters[: heads.size] = heads + _raised_by(sites)
    return from_bytes(quarters.tobytes())


def decode_heads(limbs: Limbs, heads: int, sites: int) -> Counts:
    """The first `heads` head counts of limbs (entries, 2) that are the sum over so many hospitals."""
    quarters = np.frombuffer(limbs.astype("<u8").tobytes(), "<u4")[:heads]
    return quarters.astype(np.int64) - sites * _raised_by(sites)


def entries_of(heads: int) -> int:
    """How many entries of the ring hold so many head counts."""
    return -(-heads // ABREAST)


def is_block(found: object, entries: int) -> bool:
    """Whether something that came from elsewhere is so many limbs."""
    return isinstance(found, np.ndarray) and found.dtype == np.uint64 and found.shape == (entries, 2)


def add(left: Limbs, right: Limbs) -> Limbs:
    """The sum modulo 2^128."""
    out = np.empty_like(left)
    np.add(left[:, 0], right[:, 0], out=out[:, 0])
    carry = out[:, 0] < right[:, 0]
    out[:, 1] = left[:, 1] + right[:, 1] + carry
    return out


def negate(limbs: Limbs) -> Limbs:
    """The additive inverse modulo 2^128."""
    out = ~limbs
    out[:, 0] += np.uint64(1)
    out[:, 1] += out[:, 0] == 0
    return out


def subtract(left: Limbs, right: Limbs) -> Limbs:
    """The difference modulo 2^128."""
    return add(left, negate(right))


def from_bytes(stream: bytes) -> Limbs:
    """Limbs of a key stream, 16 bytes each."""
    return np.frombuffer(stream, dtype="<u8").astype(np.uint64).reshape(-1, 2)
