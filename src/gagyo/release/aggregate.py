"""What would leave a hospital: a Measure is made only by the makers here, which count the people behind every value.

A measure holds its values and, beside them, the *cells*: how many people stand behind each value, how many of the
cohort do not, and how much the largest contributions weigh. The gate rules on the cells; methods never do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

Kind = Literal["count", "total", "joint", "cells", "bins", "grouped", "times", "scalar", "compared", "left"]
"""How the gate looks at a measure:

count   the values are themselves numbers of people, each ruled alone
total   sums over people, each ruled alone
joint   numbers that only mean something together (a fit): one bad cell withholds all
cells   a table of counts, last axis the groups; suppression is completed so that margins do not give a cell away
bins    counts by tree, bin and class; halves of a bin stand or fall together, and with what they are halves of
grouped bins by group, each with its own people behind its count
times   exits by interval (first axis), its parts, group, and event or not; the parts of one stand or fall together
scalar  a statistic of one hospital's own people (AUC, slope); never summed
compared  no values: people whom sums over several cohorts leave; a few of them keep back all that comes with it
left    no values: of bins or times, the people in them whom counts of several cohorts leave; a few keep them shut
"""


BINNED: tuple[Kind, ...] = ("bins", "grouped")
"""Trees of halves, in the order of `halves.py`."""


@dataclass(frozen=True)
class Spread:
    """Per dominated sum: the sum of absolute contributions and the two largest (an upper bound is enough)."""

    total: Floats
    largest: Floats
    second: Floats

    @property
    def unsettled(self) -> NDArray[np.intp]:
        """Which sums a person may make up most of; of bounds, those of which the exact spread has to be known."""
        return np.flatnonzero(self.total - self.largest - self.second < self.largest)

    @property
    def settled(self) -> bool:
        """Whether nobody makes up most of any; of bounds, that the exact spread need not be known."""
        return not len(self.unsettled)


NO_SPREAD = Spread(np.zeros(0), np.zeros(0), np.zeros(0))
NOBODY = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Measure:
    """Values that would leave, and what the gate needs to rule on them.

    values: any shape, float64. scale: power of two that one person's contribution never exceeds in size (broadcasts to
    `values`); it depends on the plan alone. people, others, structural: cells; the shape of `values` unless `kind` is
    joint or compared, where they are a flat list of every cell that the values could give away, or left. own: groups
    that are within this hospital, and that the sum over hospitals could give away all the same; they are ruled on here
    and go nowhere.
    """

    kind: Kind
    values: Floats
    scale: Floats
    people: Counts
    others: Counts
    structural: NDArray[np.bool_]
    spread: Spread = NO_SPREAD
    own: Counts = field(default_factory=lambda: NOBODY)


Aggregate = Mapping[str, Measure]


def power_of_two(bound: ArrayLike) -> Floats:
    """The least power of two at or over |bound|; 1 where bound is 0."""
    size = np.abs(np.asarray(bound, dtype=np.float64))
    mantissa, exponent = np.frexp(np.where(size > 0, size, 1.0))
    return np.ldexp(1.0, np.where(mantissa == 0.5, exponent - 1, exponent)).astype(np.float64)


def spread_of(contributions: Floats) -> Spread:
    """The exact spread of each column of `contributions` (n, m)."""
    n, m = contributions.shape
    rows = max(1, BLOCK // max(1, m))
    return together(m, (_spread(np.abs(contributions[start : start + rows])) for start in range(0, n, rows)))


def together(width: int, parts: Iterable[Spread]) -> Spread:
    """The spread of `width` columns over the people of all parts, none of whom is in two of them."""
    total, largest, second = np.zeros(width), np.zeros(width), np.zeros(width)
    for one in parts:
        total = total + one.total
        second = np.maximum(np.minimum(largest, one.largest), np.maximum(second, one.second))
        largest = np.maximum(largest, one.largest)
    return Spread(total, largest, second)


def side_by_side(*spreads: Spread) -> Spread:
    """The spreads of several sums, one sum after the other."""
    names = ("total", "largest", "second")
    return Spread(*(np.concatenate([getattr(one, name) for one in spreads]) for name in names))


def _spread(size: Floats) -> Spread:
    """The spread of columns of sizes (some rows at least), which are overwritten."""
    total = size.sum(axis=0)
    at = size.argmax(axis=0), np.arange(size.shape[1])
    largest = size[at]
    size[at] = 0.0
    return Spread(total, largest, size.max(axis=0))


BLOCK = 1 << 17
"""Numbers that are looked at together: as many as stay in a processor's cache."""


def count(among: NDArray[np.bool_], cohort: int | None = None) -> Measure:
    """How many people: `among` is (n,) or (n, m) for m numbers at once."""
    columns = _columns(among)
    people = columns.sum(axis=0, dtype=np.int64)
    size = among.shape[0] if cohort is None else cohort
    return Measure("count", people.astype(np.float64), np.ones(1), people, size - people, np.zeros(people.shape, bool))


def everybody(people: int) -> Measure:
    """How many people there are: `count` of all of them, without looking at each."""
    others, never = np.zeros(1, np.int64), np.zeros(1, bool)
    return Measure("count", np.full(1, float(people)), np.ones(1), np.full(1, people), others, never)


def _columns(x: NDArray[Any]) -> NDArray[Any]:
    """(n,) as (n, 1), also where nobody is there."""
    return x[:, None] if x.ndim == 1 else x


def exclusions(people: Counts, of: int | None = None) -> Measure:
    """Numbers of people in which nobody at all is no secret: that nobody was left out says nothing of anyone."""
    others = np.zeros_like(people) if of is None else of - people
    return Measure("count", people.astype(np.float64), np.ones(1), people, others, np.ones(people.shape, bool))


def total(
    contributions: Floats, bound: ArrayLike, among: NDArray[np.bool_] | None = None, spread: Spread | None = None
) -> Measure:
    """The sum of each column of `contributions`, (n,) or (n, m), over the people in `among` (all, if None).

    bound: the most that one person can contribute in size, by column; from the plan, never from the data.
    """
    x = _columns(contributions)
    chosen = np.ones(x.shape, bool) if among is None else np.broadcast_to(_columns(among), x.shape)
    x = np.where(chosen, x, 0.0)
    people = chosen.sum(axis=0, dtype=np.int64)
    width = x.shape[1]
    return Measure(
        "total",
        x.sum(axis=0),
        np.broadcast_to(power_of_two(bound), (width,)),
        people,
        x.shape[0] - people,
        np.zeros(width, bool),
        spread_of(x) if spread is None else spread,
    )


def expected(probabilities: Floats) -> Measure:
    """The sums of probabilities, (n,) or (n, m), ruled as the head counts that they are where all are 0 or 1.

    The people behind a sum are the whole persons that it comes to, or that it leaves, whichever are fewer.
    """
    sums = total(probabilities, 1.0)
    size = probabilities.shape[0]
    people = np.floor(np.minimum(sums.values, size - sums.values)).astype(np.int64)
    return replace(sums, people=people, others=size - people)


def joint(values: Floats, bound: ArrayLike, cells: Measure, spread: Spread, own: Counts = NOBODY) -> Measure:
    """Numbers of one fit (score, information, deviance, or several fits stacked), ruled together.

    values: any shape; bound broadcasts to it. cells: a `count` or `crossed` measure of every head count that the
    values could give away. spread: over absolute score contributions and the diagonal of the information. own: people
    of groups within the hospital, beside those of the cells.
    """
    scale = np.broadcast_to(power_of_two(bound), values.shape)
    flat = (cells.people.ravel(), cells.others.ravel(), cells.structural.ravel())
    whole = side_by_side(spread, cells.spread)
    return Measure("joint", values, scale, *flat, whole, np.concatenate([cells.own, own]))


def crossed(
    indicators: Floats,
    exclusive: NDArray[np.bool_] | None = None,
    implies: NDArray[np.bool_] | None = None,
    exhaustive: NDArray[np.bool_] | None = None,
) -> Measure:
    """Every two-way cell of 0/1 columns (n, q), complements included: what X'X of indicator columns gives away.

    exclusive: (q, q), True where two columns are levels of one variable, so that they never meet (a structural zero).
    implies: (q, q), True at [j, k] where whoever has j has k too: a product and its factor, so that j is never alone.
    exhaustive: (q, q), True where two columns are the only two levels of a variable, so that nobody has neither.
    The cells are, for each pair j < k: both, j alone, k alone, neither; and for each column: with, without.
    """
    n, q = indicators.shape
    gram = np.rint(indicators.T @ indicators).astype(np.int64)
    having = np.diag(gram)
    rows, columns = np.triu_indices(q, 1)
    both = gram[rows, columns]
    never = np.zeros(rows.size, bool) if exclusive is None else exclusive[rows, columns]
    alone_j, alone_k = having[rows] - both, having[columns] - both
    neither = n - both - alone_j - alone_k
    people = np.concatenate([[n], having, n - having, both, alone_j, alone_k, neither])
    free = np.zeros(1 + 2 * q, bool)
    # Structural zeros follow from the plan: levels of one variable, products in factors. Other empty cells are real.
    known = np.zeros(rows.size, bool)
    within_k, within_j = (known, known) if implies is None else (implies[rows, columns], implies[columns, rows])
    nobody = known if exhaustive is None else exhaustive[rows, columns]
    structural = np.concatenate([free, never, within_k, within_j, nobody])
    return Measure("count", people.astype(np.float64), np.ones(1), people, n - people, structural)


def few_or_none(people: Counts) -> Measure:
    """Cells that may hold nobody or at least k people, whatever the others are."""
    none = np.zeros_like(people)
    return Measure("count", people.astype(np.float64), np.ones(1), people, none, np.ones(people.shape, bool))


def behind(people: Counts) -> Measure:
    """Cells that hold at least k people, whatever the others are: who made up a sum of outcomes."""
    return Measure(
        "count", people.astype(np.float64), np.ones(1), people, np.zeros_like(people), np.zeros(people.shape, bool)
    )


def compared(people: Counts, over: Counts = NOBODY) -> Measure:
    """Numbers of people whom the sums of an answer, and those of earlier answers, leave: nobody, or at least k.

    over: how many people, at the least, a sum that follows from all of these is over: at least k.
    """
    return replace(joined(few_or_none(people), behind(over)), kind="compared", values=np.zeros(0))


def left(people: Counts) -> Measure:
    """People whom counts of earlier cohorts leave in bins or times, (cohorts, *their shape): nobody, or at least k."""
    return replace(few_or_none(people), kind="left", values=np.zeros(0))


def own_table(table: ArrayLike) -> Counts:
    """Cells of a hospital's own table, for `own`, where the sum gives the table away: k people in each.

    An empty cell counts as one person: that nobody of a group has a trait says of each of them that they lack it.
    """
    return np.maximum(np.asarray(table, dtype=np.int64).ravel(), 1)


def joined(*measures: Measure) -> Measure:
    """Head counts of several measures as one list of cells, their groups within this hospital, and their spreads."""
    lists = ("people", "others", "structural", "own")
    people, others, structural, own = (np.concatenate([getattr(m, name).ravel() for m in measures]) for name in lists)
    found = Measure(measures[0].kind, people.astype(np.float64), measures[0].scale, people, others, structural)
    return replace(found, own=own, spread=side_by_side(*(one.spread for one in measures)))


def cells(table: ArrayLike, cohort: int, structural: NDArray[np.bool_] | None = None) -> Measure:
    """A table of counts, shape (levels, groups): suppression is completed along both margins."""
    people = np.asarray(table, dtype=np.int64)
    never = np.zeros(people.shape, bool) if structural is None else structural
    return Measure("cells", people.astype(np.float64), np.ones(1), people, cohort - people, never)


def bins(table: ArrayLike, cohort: int, empty: NDArray[np.bool_] | None = None) -> Measure:
    """Counts by tree, half and class, in the order of `halves.py`.

    empty: (trees, bins), which bins may be open with nobody in them; all of them, if None.
    """
    by_class = np.asarray(table, dtype=np.int64)
    people = np.broadcast_to(by_class.sum(axis=-1, keepdims=True), by_class.shape).astype(np.int64)
    may = np.ones(by_class.shape[:-1], bool) if empty is None else empty
    return _binned("bins", by_class, people, cohort, may)


def grouped_bins(table: ArrayLike, cohort: int, empty: NDArray[np.bool_]) -> Measure:
    """Counts by tree, bin and group, as `bins`, but with the people of each group behind its own count alone.

    empty: (trees, bins), which bins may be open with nobody of a group.
    """
    people = np.asarray(table, dtype=np.int64)
    return _binned("grouped", people, people, cohort, empty)


def imputed_bins(table: ArrayLike, cohort: int, empty: NDArray[np.bool_]) -> Measure:
    """Counts by tree, half, completed data set and class, (trees, halves, sets, 2), as `bins` of two classes a set.

    A half is open where its people are enough in every set.
    """
    counts = np.asarray(table, dtype=np.int64)
    people = np.broadcast_to(counts.sum(axis=-1, keepdims=True), counts.shape)
    flat = (*counts.shape[:2], -1)
    return _binned("bins", counts.reshape(flat), people.reshape(flat), cohort, empty)


def _binned(kind: Kind, table: Counts, people: Counts, cohort: int, empty: NDArray[np.bool_]) -> Measure:
    may = np.broadcast_to(empty[..., None], table.shape)
    return Measure(kind, table.astype(np.float64), np.ones(1), people, cohort - people, may)


def exits(table: ArrayLike, cohort: int) -> Measure:
    """Numbers that leave observation, shape (intervals, parts, groups, kinds): without an event, and with each."""
    by_class = np.asarray(table, dtype=np.int64)
    people = np.broadcast_to(by_class.sum(axis=-1, keepdims=True), by_class.shape).astype(np.int64)
    none = np.zeros(by_class.shape, bool)
    return Measure("times", by_class.astype(np.float64), np.ones(1), people, cohort - people, none)


def scalar(value: ArrayLike, people: ArrayLike, spread: Spread = NO_SPREAD) -> Measure:
    """Statistics of one hospital's own patients; `people` is the smaller class (or group) that each rests on.

    spread: of each value, where people's influences on it are known: it may not be one person's.
    """
    values = np.atleast_1d(np.asarray(value, dtype=np.float64))
    behind = np.broadcast_to(np.asarray(people, dtype=np.int64), values.shape).copy()
    none = np.zeros(values.shape, bool)
    return Measure("scalar", values, np.ones(1), behind, np.zeros_like(behind), none, spread)


def reshape(measure: Measure, shape: tuple[int, ...]) -> Measure:
    """The same measure with its values (and cells, unless joint) in another shape."""
    changed: dict[str, Any] = {"values": measure.values.reshape(shape)}
    if measure.kind != "joint":
        for name in ("people", "others", "structural"):
            changed[name] = np.broadcast_to(getattr(measure, name), measure.values.shape).reshape(shape)
    return replace(measure, scale=np.broadcast_to(measure.scale, measure.values.shape).reshape(shape), **changed)
