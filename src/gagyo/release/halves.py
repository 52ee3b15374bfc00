"""How a measure of bins is laid out: trees of halves, each pair after the bin that it divides; and what stays shut.

Halves 0 and 1 are those of the bin that a question is about, 2 i + 2 and 2 i + 3 those of half i. A question gives the
ends of the parts of the last level; between them every bin, its cut and its halves follow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def nested(ends: Floats) -> Floats:
    """The bins (m, 2^levels - 1, 3) that are halved, (low, cut, high): each one asked about, its halves, theirs.

    ends: (m, 2^levels + 1). The halves of bin i are bins 2i + 1 and 2i + 2.
    """
    parts = ends.shape[1] - 1
    widths = [parts >> level for level in range(parts.bit_length() - 1)]
    levels = [np.stack([ends[:, :-1:w], ends[:, w // 2 :: w], ends[:, w::w]], axis=-1) for w in widths]
    return np.concatenate(levels, axis=1)


def halved(ends: Floats, filled: Floats | None = None) -> Bools:
    """Which halves (m, halves) may be open with nobody in them: those of bins that are divided at all.

    filled: (m, bins), 1 of bins of which neither half may be.
    """
    low, cut, high = np.moveaxis(nested(ends), -1, 0)
    divided = (low < cut) & (cut < high)
    return np.repeat(divided if filled is None else divided & (filled == 0), 2, axis=1)


def shut_with_halves(small: Bools, undivided: Bools | None = None) -> Bools:
    """Which halves (trees, halves) stay shut, of cells (trees, halves, classes) that are small.

    Both of a pair with a small cell; and with a half that stays shut its own halves, whose sum it is. undivided:
    (trees, halves), halves of which the halves stay shut, although they may be open themselves.
    """
    pairs = np.asarray(small.any(axis=2).reshape(len(small), -1, 2).any(axis=2))
    if undivided is not None:
        pairs[:, 1:] |= undivided[:, : pairs.shape[1] - 1]
    start, width = 1, 2
    while start < pairs.shape[1]:
        above = pairs[:, start - width // 2 : start]
        pairs[:, start : start + width] |= np.repeat(above, 2, axis=1)
        start, width = start + width, 2 * width
    return np.repeat(pairs, 2, axis=1)
