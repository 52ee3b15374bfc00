"""Random numbers that anyone can make again: uniforms from SHA-256 of a text, others from these by their quantiles.

The number j (from 0) of a text t is the first 53 bits of SHA-256(t + " " + j), plus a half, times 2^-53: between 0 and
1, and never either. It is written down rather than left to a library's generator, because a hospital's own copy, a
later version and a reader with another language must come to the same number.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def bits_of(text: str) -> int:
    """The first 64 bits of SHA-256 of a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def uniform_of(bits: NDArray[np.uint64]) -> Floats:
    """64-bit numbers as numbers between 0 and 1, by their first 53 bits; never 0, never 1."""
    return np.asarray(((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)


def uniforms(text: str, number: int) -> Floats:
    """The first `number` uniforms of a text."""
    return uniform_of(np.array([bits_of(f"{text} {j}") for j in range(number)], np.uint64))


def normals(text: str, number: int) -> Floats:
    """Standard normals by inversion."""
    from scipy import special  # only here and below: services and commands that draw nothing start without it

    return np.asarray(special.ndtri(uniforms(text, number)))


def chi_square(text: str, freedom: float) -> float:
    """One chi-square by inversion."""
    from scipy import special

    return float(2 * special.gammaincinv(freedom / 2, uniforms(text, 1)[0]))
