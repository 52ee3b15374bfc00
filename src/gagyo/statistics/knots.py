"""Where the knots of a spline stand: at quantiles of people who are counted in cells.

A quantile is R's type 7. Where its order statistics lie in cells of one value, the knot is the quantile. Elsewhere it
is an end of a cell: the nearest to where the quantile would be if people were even over the cell, and in the outermost
cells the inner end; of a cell too narrow to matter, the lower end. So no knot divides a cell, and the people between
two knots are those of whole cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gagyo.statistics.quantiles import Binned, Place, ranks

APART = 1e-6
"""Neighbouring knots are further apart than this share of their range: closer ones would be one to a fit."""
NARROW = 1e-4
"""A cell that is no wider, as a share of all values, is one value's that many have; mostly its lower end."""


@dataclass(frozen=True)
class Knot:
    """A knot at the quantile of a share; the quantile and the knot are from `lower` to `upper`, its cell's ends."""

    share: float
    value: float
    lower: float
    upper: float

    @property
    def exact(self) -> bool:
        """Whether the knot is the quantile itself."""
        return self.lower == self.upper


def wanted(people: int, share: float, least: int) -> tuple[int, ...]:
    """The order statistics of a quantile; of one with fewer than `least` people beyond it, the first that has them."""
    if people < 2 * least:
        return ()
    first, further = ranks(people, share)
    both = (first, first + 1) if further else (first,)
    return tuple(dict.fromkeys(int(np.clip(rank, least, people - least + 1)) for rank in both))


def knot(binned: Binned, share: float) -> Knot | None:
    """The knot of a share; None where all people are in one cell."""
    first, further = ranks(binned.people, share)
    cells = [binned.order_statistic(rank) for rank in ((first, first + 1) if further else (first,))]
    place = binned.quantile(share)
    if all(one.exact for one in cells):
        return Knot(share, place.value, place.value, place.value)
    between = 0.5 if binned.whole else 0.0  # whole numbers end half way to the next
    lower, upper = min(one.lower for one in cells) - between, max(one.upper for one in cells) + between
    inner = [end for end in _ends(cells, between) if binned.least[0] < end < binned.greatest[-1]]
    if not inner:
        return None
    if place.tail:
        return Knot(share, min(inner) if place.tail < 0 else max(inner), lower, upper)
    narrow = upper - lower <= NARROW * (binned.greatest[-1] - binned.least[0])
    return Knot(share, min(inner) if narrow else min(inner, key=lambda end: abs(end - place.value)), lower, upper)


def _ends(cells: Sequence[Place], between: float) -> list[float]:
    return [end for one in cells for end in (one.lower - between, one.upper + between)]


def tied(knots: Sequence[Knot]) -> bool:
    """Whether two neighbours cannot be told apart: at one value, or at quantiles that lie in one cell."""
    values = np.array([one.value for one in knots])
    near = bool(np.diff(values).min() <= APART * (values[-1] - values[0]))
    return near or any(not a.exact and (a.lower, a.upper) == (b.lower, b.upper) for a, b in pairwise(knots))
