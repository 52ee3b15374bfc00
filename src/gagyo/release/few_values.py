"""Columns declared as measurements that hold only a few values at a hospital: counted as the traits that they are.

How many people have each of three values follows from how many people there are, their sum and their sum of squares;
how many have one of them and a trait, from a product. So a column that holds at most `FEW` values here is ruled by its
people of each value, whatever it was declared to be: nobody or k, over all hospitals. The plan does not know the
values, so each has one of `PLACES` places, the same at every hospital; values of one hospital that share a place are
ruled there as well (`own`). A hospital that has more values counts everybody in each place: no sum over hospitals is
then made of a few values. A column of many values can still be zero, say, for nearly all who have a trait: so those who
are not are counted beside each trait and each other column, whatever they hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from gagyo.release.aggregate import NOBODY, Counts, Floats, Measure, few_or_none, joined

Ends = tuple[float, float]
Bools = NDArray[np.bool_]
Chosen = slice | Bools | Counts
"""Some of the rows: a slice, whether each is among them, or their places."""

FEW = 3
"""Values whose counts follow from the number of people, the sum and the sum of squares."""
PLACES = 7
"""Places of values. Prime, so that codes such as 1, 2, 3 and doses such as 50, 100, 200 have each a place;
no more, since the cells of each travel with every round.
"""
MOST_CELLS = 1 << 12
"""Combinations with measured columns that are counted over all hospitals; of more, each hospital rules on its own."""
MANY = 4096
"""Rows that show that a column is a measurement; to look at a million would cost as much as a round."""
SETTLED = MANY // 4
"""A head count above this among the first MANY passes every rule, whatever the other rows hold."""


@dataclass(frozen=True)
class Measured:
    """A column (n,) that is declared as a measurement, the ends of its range, and its values (m,) where they are few.

    Few or many is a matter of all people here: of three of them nobody holds more than three values.
    """

    x: Floats
    ends: Ends
    values: Floats | None
    made: bool = False
    """A product or spline: that it is zero for many is how it is made."""

    @classmethod
    def of(cls, x: Floats, ends: Ends) -> Measured:
        """With its values, where there are at most `FEW`; missing ones are none."""
        if len(_distinct(x[:MANY])) > FEW:
            return cls(x, ends, None)
        values = _distinct(x)
        return cls(x, ends, values if len(values) <= FEW else None)

    @classmethod
    def made_of(cls, parts: Sequence[Measured], x: Floats, ends: Ends) -> Measured:
        """A product or spline of other columns and traits: of few values where all these are."""
        return cls(x, ends, None if any(one.values is None for one in parts) else _distinct(x), made=True)

    @cached_property
    def middle(self) -> float:
        """The mean; 0 where nobody has a value."""
        mean = float(self.x.mean()) if len(self.x) else 0.0
        return float(np.nan_to_num(np.nansum(self.x) / max((~np.isnan(self.x)).sum(), 1))) if np.isnan(mean) else mean

    def away(self, at: Chosen) -> Floats:
        """How far those at some places are from the mean; 0 of a missing value."""
        size = np.abs(self.x[at] - self.middle)
        return np.nan_to_num(size, copy=False)

    @cached_property
    def first_away(self) -> Floats:
        """How far the first MANY people are from the mean."""
        return self.away(slice(MANY))

    def apart(self, at: Chosen, parts: Bools, power: int) -> Floats:
        """How far in all the people of each part (at, s) are from any centre at least, without the mean of all.

        Two are as far from it together as they are from each other, or half as far where distances are squared.
        """
        x = self.x[at]
        whole = len(x) - len(x) % 2
        distance = np.nan_to_num(np.abs(x[:whole:2] - x[1:whole:2]), copy=False)
        return np.asarray((distance if power == 1 else distance**2 / 2) @ (parts[:whole:2] & parts[1:whole:2]))

    @property
    def width(self) -> float:
        """How wide the declared range is: from no mean is anybody farther."""
        return self.ends[1] - self.ends[0]

    @property
    def reach(self) -> float:
        """How far from the mean the declared range goes: nobody is farther."""
        return max(self.ends[1] - self.middle, self.middle - self.ends[0])

    @cached_property
    def farthest(self) -> float:
        """The greatest distance from the mean."""
        ends = np.fmax.reduce(self.x, initial=self.middle), np.fmin.reduce(self.x, initial=self.middle)
        return float(max(ends[0] - self.middle, self.middle - ends[1]))

    def holding(self, chosen: Chosen = slice(None)) -> Bools:
        """Which of the chosen people hold each of the few values (chosen, m)."""
        values = np.zeros(0) if self.values is None else self.values
        return np.asarray(self.x[chosen][:, None] == values)

    def at_place(self, place: int, chosen: Chosen = slice(None)) -> Bools:
        """Which of the chosen people hold one of the few values at a place; all, where there are more values."""
        x = self.x[chosen]
        if self.values is None:
            return np.ones(len(x), bool)
        return np.asarray(np.isin(x, self.values[_places(self.values) == place]))


def _distinct(x: Floats) -> Floats:
    found = np.unique(x)
    return np.asarray(found[~np.isnan(found)])


def _places(values: Floats) -> Counts:
    """The place of each value: whole numbers in turn, others by their bits."""
    whole = values == np.rint(values)
    bits = (values.view(np.uint64) % np.uint64(PLACES)).astype(np.int64)
    return np.where(whole, np.mod(values, PLACES).astype(np.int64), bits)


def supported(columns: Sequence[Measured], chosen: Chosen = slice(None)) -> Measure:
    """Cells of columns that are no counts by declaration but may be by their values, over the chosen people.

    For each column: how many people are not at zero, not at the least, not at the greatest value of its range; and of
    few values, how many hold each. Where that is a few, the column's sum is theirs. Nobody at all is no secret: a
    constant column says nothing.
    """
    everyone = np.ones((len(columns[0].x[chosen]) if columns else 0, 1), bool)
    return _with_values(away(columns, chosen), columns, chosen, everyone)


def away(columns: Sequence[Measured], chosen: Chosen = slice(None)) -> Counts:
    """For each column how many people are not at zero, not at the least, not at the greatest value of its range."""
    first = _first(columns, chosen)
    counts = [_many(one.x, value, first, chosen) for one in columns for value in (0.0, *one.ends)]
    return np.array(counts, dtype=np.int64)


def _first(columns: Sequence[Measured], chosen: Chosen) -> Counts:
    """The places of the first MANY of the chosen rows."""
    return np.arange(len(columns[0].x))[chosen][:MANY] if columns else NOBODY


def _many(x: Floats, value: float, first: Counts, chosen: Chosen) -> int:
    """How many of the chosen rows are not at a value; or how many of the first, where that settles every rule."""
    found = int((x[first] != value).sum())
    return found if found > SETTLED else int((x[chosen] != value).sum())


def supported_beside(traits: Bools, columns: Sequence[Measured], chosen: Chosen = slice(None)) -> Measure:
    """Of those with and of those without each trait (chosen, q), how many hold each of few values: nobody, or k.

    And of any values that were measured, how many are away from the usual one and from the greatest: a product with the
    trait is theirs.
    """
    sides = np.concatenate([traits, ~traits], axis=1)
    beside = [one for one in columns if not one.made and sides.shape[1]]
    return _with_values(_away_beside(sides, beside, chosen), columns, chosen, sides)


def _away_beside(sides: Bools, columns: list[Measured], chosen: Chosen) -> Counts:
    """For each column how many on each side (chosen, s) are away from its usual value, and from its greatest.

    Of the first MANY, where that settles every rule already.
    """
    if not columns:
        return np.zeros(0, np.int64)
    first = _first(columns, chosen)
    at = np.column_stack([usual for one in columns for usual in _usual(one, first)])
    found = np.rint((~at).T.astype(np.float64) @ sides[:MANY]).astype(np.int64)
    if len(first) < len(sides):
        for n in np.flatnonzero((found <= SETTLED).any(axis=1)):
            usual = _usual(columns[n // 2], chosen)[n % 2]
            few = found[n] <= SETTLED
            found[n, few] = sides[:, few].sum(axis=0) - sides[np.ix_(usual, few)].sum(axis=0)
    return found.ravel()


def _usual(column: Measured, chosen: Chosen) -> tuple[Bools, Bools]:
    """Who is at the value that many may share: zero, or the least where that is not in the range; and at the greatest.

    A sum of products follows for columns counted from any value, so that those at it add nothing.
    """
    low, high = column.ends
    x = column.x[chosen]
    return np.asarray(x == (0.0 if low <= 0 <= high else low)), np.asarray(x == high)


def both(columns: Sequence[Measured], chosen: Chosen = slice(None), times: int = 1) -> Measure:
    """Of each two columns of few values, how many people hold each two of them: nobody, or k.

    And of any two, how many are away from the usual value of both, and from the greatest. times: of how many parts of
    the people this is counted.
    """
    pooled = comb(len(columns), 2) * PLACES**2 * times <= MOST_CELLS
    # Of many columns nearly every pair holds many values, and its cells at this hospital would be none.
    counted = columns if pooled else [one for one in columns if one.values is not None]
    nobody = np.zeros((len(counted[0].x[chosen]) if counted else 0, 0), bool)
    there = few_or_none(_away_from_both([one for one in columns if not one.made], chosen))
    return joined(there, *(_table(nobody, pair, chosen, pooled) for pair in combinations(counted, 2)))


def _away_from_both(columns: Sequence[Measured], chosen: Chosen) -> Counts:
    """For each two columns how many people are away from the usual value of both, and from the greatest of both.

    Of the first MANY, where that settles every rule already.
    """
    one, two = np.triu_indices(len(columns), 1)
    first = _first(columns, chosen)
    counts = [np.zeros(0, np.int64)]
    for which in (0, 1) if len(one) else ():
        away = (~np.column_stack([_usual(column, first)[which] for column in columns])).astype(np.float32)
        found = np.rint(away.T @ away).astype(np.int64)[one, two]
        few = np.flatnonzero((found <= SETTLED) & (len(first) == MANY))
        whole = {n: ~_usual(columns[n], chosen)[which] for n in {*one[few], *two[few]}}
        for pair in few:
            found[pair] = (whole[one[pair]] & whole[two[pair]]).sum()
        counts.append(found)
    return np.concatenate(counts)


def _with_values(people: Counts, columns: Sequence[Measured], chosen: Chosen, sides: Bools) -> Measure:
    """Head counts, and how many on each side (chosen, s) hold each of few values: nobody, or k."""
    tables, own = [people], [NOBODY]
    for one in columns:
        if one.values is None:
            tables.append(np.full(PLACES * sides.shape[1], len(sides), np.int64))
        else:
            counts = _crossed(one.holding(chosen), sides)
            tables.append(_by_place(one.values, counts))
            own.append(counts[_shared(one)].ravel())
    return replace(few_or_none(np.concatenate(tables)), own=np.concatenate(own))


def _by_place(values: Floats, counts: Counts) -> Counts:
    """The people of values (m, s) by the places of these (PLACES * s,)."""
    table = np.zeros((PLACES, counts.shape[1]), np.int64)
    np.add.at(table, _places(values), counts)
    return table.ravel()


def _shared(column: Measured) -> Bools:
    """Which values (m,) of a column share their place with another one here."""
    places = _places(np.zeros(0) if column.values is None else column.values)
    return np.asarray(np.bincount(places, minlength=PLACES)[places] > 1)


def _crossed(a: Bools, b: Bools) -> Counts:
    """How many people are in each column of `a` (n, q) and of `b` (n, r) at once, (q, r)."""
    return np.rint(a.T.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)


def combined(traits: Bools, columns: Sequence[Measured], chosen: Chosen = slice(None)) -> Measure:
    """How many people have each combination of traits (chosen, q) and of few values: nobody, or k.

    Iterates of a fit are equations in these where no column has many values.
    """
    cells = (1 << traits.shape[1]) * PLACES ** len(columns)
    return _table(traits, columns, chosen, not columns or cells <= MOST_CELLS)


def _table(traits: Bools, columns: Sequence[Measured], chosen: Chosen, pooled: bool) -> Measure:
    """The people of each combination: over all hospitals, and here where values share a place or `pooled` is false."""
    size = (1 << traits.shape[1]) * PLACES ** len(columns) if pooled else 0
    if any(one.values is None for one in columns):
        return few_or_none(np.full(size, len(traits), np.int64))
    codes = traits.astype(np.int64) @ (1 << np.arange(traits.shape[1]))
    for one in columns:
        codes = codes * PLACES + _places(one.x[chosen])
    table = few_or_none(np.bincount(codes, minlength=size).astype(np.int64) if pooled else NOBODY)
    if pooled and not any(_shared(one).any() for one in columns):
        return table
    every = np.concatenate([traits, *(one.holding(chosen) for one in columns)], axis=1)
    return replace(table, own=np.unique(every, axis=0, return_counts=True)[1].astype(np.int64))
