"""Parts of the people whose sums follow: nobody may make up most of what a part has of a measurement.

The product of a 0/1 column and a measurement is the sum over those who have the trait; all people's sums less those of
the training people are a fold's. That nobody makes up most of everybody's sum says nothing of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gagyo.release.aggregate import NO_SPREAD, Counts, Floats, Spread, side_by_side
from gagyo.release.few_values import MANY, Bools, Chosen, Measured

OTHERS = 10
"""A part holds as many people over all hospitals, if it holds anybody. Those of them who are elsewhere count as people
here do on average, since what they have is not known here."""

SHARES = 2
"""Of a part that is dealt out, or chosen by what people lack, so many times as many are elsewhere: at two hospitals."""

HOSPITALS = 3
"""The fewest that a sum is over."""


def spread_in_parts(
    columns: Sequence[Measured], parts: Bools, chosen: Chosen = slice(None), squares: bool = False
) -> Spread:
    """How far the people of each part (chosen, s) are from the mean of everybody here, in each column of many values.

    The distance is what sums about any centre tell. Only of parts and columns in which somebody may make up most of it.
    squares: sums of squares of the part follow as well; of a trait those do not.
    """
    if not columns or not parts.any():
        return NO_SPREAD
    at, plain = np.arange(len(columns[0].x))[chosen], [one for one in columns if one.values is None and not one.made]
    people, power = parts.sum(axis=0, dtype=np.int64), 2 if squares else 1
    found = (spread for one in plain for spread in _in_column(one, parts, people, at, power))
    return side_by_side(NO_SPREAD, *found)


def _in_column(column: Measured, parts: Bools, people: Counts, at: Counts, power: int) -> Iterator[Spread]:
    """at: the places of those whom `parts` is about. Of the first MANY, where that settles it already."""
    if not _unsettled(people, column.apart(at[:MANY], parts[:MANY], power), column.width**power).any():
        return
    first = _raised(column.first_away, power)
    elsewhere = np.maximum(OTHERS - people, (power - 1) * SHARES * people) * float(first.mean())
    known = (first if len(at) == len(column.x) else _raised(column.away(at[:MANY]), power)) @ parts[:MANY]
    if not _unsettled(people, elsewhere + known, column.reach**power).any():
        return
    for which in np.flatnonzero(_unsettled(people, elsewhere + known, column.farthest**power)):
        away = np.sort(_raised(column.away(at[parts[:, which]]), power))
        largest, second = away[-1:], away[-2:-1] if len(away) > 1 else np.zeros(1)
        yield Spread(away.sum(keepdims=True) + elsewhere[which], largest, second)


def _unsettled(people: Counts, total: Floats, largest: float) -> Bools:
    """In which parts with anybody one person may make up most of a total, if nobody is farther away than `largest`."""
    return np.asarray((people > 0) & (total - 2 * largest < largest))


def _raised(size: Floats, power: int) -> Floats:
    return size if power == 1 else size**power


def spread_apart(size: Floats, hospitals: int) -> Spread:
    """How far people (n,) are set apart: in all, the farthest of them, and the next, who are as many as make k - 1 with
    that one: that two or three are, and all others by next to nothing, is as if these were alone. None where nobody is.

    hospitals: at so many people are as here; those who are missing to a part of k are as these on average, and of as
    many more, who are elsewhere, as the fourth part of these who are set apart least.
    """
    some = np.sort(size[size > 0])[::-1]
    if not len(some):
        return NO_SPREAD
    most = np.repeat(some[:OTHERS], hospitals)[: OTHERS - 1]
    missing = OTHERS - hospitals * len(some)
    elsewhere = max(missing, 0) * float(some.mean()) + min(max(missing + OTHERS, 0), OTHERS) * some[3 * len(some) // 4]
    sums = hospitals * some.sum() + elsewhere, most[0], most[1:].sum()
    return Spread(*(np.array([float(one)]) for one in sums))


def spread_of_two(size: Floats, sides: Bools) -> Spread:
    """`spread_apart` of those on both of each two sides (n, s), and on each, as far as somebody may be most of it."""
    whole = sides.astype(np.float64)
    sums = whole.T @ (size[:, None] * whole)
    unsettled = (sums > 0) & (sums < OTHERS * size.max(initial=0.0))
    pairs = (sides[:, a] & sides[:, b] for a, b in np.argwhere(np.triu(unsettled)))
    return side_by_side(NO_SPREAD, *(spread_apart(size[both], hospitals=1) for both in pairs))
