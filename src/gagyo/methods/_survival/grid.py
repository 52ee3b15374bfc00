"""A grid of times, agreed by a descent on the secure sum: an interval is halved until a part would hold too few exits.

An interval is a time after its low edge, up to and with its high edge; the first holds time zero too. All analyses of a
study on one cohort and time have one grid, for all groups of any of them: two grids together would make intervals of a
few. Declared times come first; one that would leave 1 to k-1 exits of any group in a part gives way.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.errors import Stopped
from gagyo.federation.ask import Ask, Pooled, Sends
from gagyo.federation.local import LocalStep, Name, Names, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods._survival.agreed import Grid
from gagyo.methods._survival.times import groups_of
from gagyo.methods._validation.present import everyone
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.variables import Variable, levels_of
from gagyo.release.aggregate import Aggregate, Floats
from gagyo.release.aggregate import exits as measured

DEEPEST = 20
"""Halvings of the declared range: a day in nearly 3,000 years."""

PARTS = (1 / 2, 1 / 4, 3 / 4, 3 / 8, 5 / 8)
"""Where an interval is cut, one after the other."""

ON_GRIDS = ("cumulative_incidence", "kaplan_meier", "restricted_mean")
"""Methods that stand on a grid; so do a pooled log-rank test, a pooled Cox model, and curves of others."""

MANY = 16
"""Parts of an interval that holds very many: fewer rounds."""

MOST = 2_000
"""Intervals of a grid: finer ones would not be seen in a figure."""

FEWEST_DAYS = 2**20
"""Ranges of whole numbers under this are counted time by time, without sorting."""


def exits(rows: Rows, time: str, event: str, by: list[str], edges: Floats) -> Aggregate:
    """How many leave in the parts of intervals (low, ..., high), by group, without an event and with each.

    event: a boolean, or a category whose first level is none. by: the groups' variables, one after the other; "" is
    everyone together.
    """
    found = _counted(rows, time, event, tuple(by))
    flat = found.until(edges.ravel()).reshape(*edges.shape, *found.shape)
    return {"exits": measured(np.diff(flat, axis=1), rows.n), **everyone(rows)}


def counted(rows: Rows, time: str, event: str, by: str) -> NDArray[np.int64]:
    """(T, groups, 2) who leave at each distinct time of the hospital, for steps whose sums show no time."""
    return np.diff(_counted(rows, time, event, (by,)).left, axis=0)


def _counted(rows: Rows, time: str, event: str, by: tuple[str, ...]) -> _Counted:
    found: _Counted = rows.kept(("exits", time, event, by), lambda: _Counted.of(rows, time, event, by))
    return found


def exit_step(method: str) -> LocalStep:
    """`exits` as a step of a method."""
    return local(method, time=Name(), event=Name(), by=Names(), edges=Numbers((None, None), 0, 1e12))(exits)


@dataclass(frozen=True)
class _Counted:
    """Numbers that left by each distinct time: times (T,), left (T + 1, groups, 2)."""

    times: Floats
    left: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.left.shape[1:]

    @classmethod
    def of(cls, rows: Rows, time: str, event: str, by: tuple[str, ...]) -> _Counted:
        times, number = _distinct(rows[time], rows.variables[time])
        tables, kinds = [], levels_of(rows.variables[event])
        for one in by:
            classes = kinds * groups_of(rows.variables, one)
            kind = rows[event] + kinds * rows[one] if one else rows[event]
            table = np.bincount(number * classes + kind.astype(np.int64), minlength=len(times) * classes)
            tables.append(table.reshape(len(times), classes // kinds, kinds))
        whole = np.concatenate(tables, axis=1)
        return cls(times, np.cumsum(np.pad(whole, ((1, 0), (0, 0), (0, 0))), axis=0))

    def until(self, edges: Floats) -> NDArray[np.int64]:
        """(len(edges), groups, 2) who left by each edge; nobody left before time zero."""
        return np.asarray(self.left[np.where(edges > 0, np.searchsorted(self.times, edges, side="right"), 0)])


def _distinct(x: Floats, variable: Variable) -> tuple[Floats, NDArray[np.int64]]:
    """Times in order, and the number of each person's; whole numbers are their own numbers."""
    if variable.type == "integer" and variable.bounds[1] < FEWEST_DAYS:
        return np.arange(variable.bounds[1] + 1), x.astype(np.int64)
    times, number = np.unique(x, return_inverse=True)
    return times, number.astype(np.int64)


@dataclass(frozen=True)
class Leaf:
    """An interval: counts (groups, 2) without and with the event, None where never opened.

    narrow: dividing it into many parts failed; tried: how many single cuts failed. people: who leave in it, of all
    groups, and of the smallest group of which anybody does.
    """

    low: float
    high: float
    counts: Floats | None = None
    depth: int = 0
    narrow: bool = False
    tried: int = 0
    people: float = 0.0
    fewest: float = 0.0


@dataclass(frozen=True)
class Asked:
    """What a descent asks about: the step, its variables, the declared times, and the study's minimum of people.

    own: which of all groups are the analysis's. only: halve at the declared times and nowhere else.
    """

    step: LocalStep
    time: Variable
    event: str
    own: slice
    by: tuple[str, ...]
    cuts: tuple[float, ...]
    only: bool
    least: int

    @classmethod
    def of(cls, step: LocalStep, study: Study, cohort: str, time: str, event: str, by: str) -> Asked:
        """What an analysis asks about: the groups of all analyses on its cohort and time, of which some are its own."""
        alike = list(on_one_grid(study, cohort, time))
        groups = tuple(sorted({str(one.get("by", "")) for one in alike} | {by}))
        start = sum(groups_of(study.variables, one) for one in groups[: groups.index(by)])
        own = slice(start, start + groups_of(study.variables, by))
        cuts = {cut for one in alike for cut in _cuts(one)}
        only = any(one.get("times") for one in alike)
        least = study.release.minimum_people
        return cls(step, study.variables[time], event, own, groups, tuple(sorted(cuts)), only, least)

    @property
    def most(self) -> int:
        """How many intervals there can be."""
        return len(self.cuts) + 1 if self.only else MOST

    @property
    def unit(self) -> float:
        """The least distance of two times; 0 where there is none."""
        return 1.0 if self.time.type == "integer" else 0.0

    def question(self, edges: Floats) -> Ask:
        """The question for intervals (m, parts + 1)."""
        names: Mapping[str, Any] = {"time": self.time.name, "event": self.event, "by": list(self.by)}
        return Ask(self.step, {**names, "edges": edges}, doing="counting_exits", common=True)


def on_one_grid(study: Study, cohort: str, time: str) -> Iterator[Mapping[str, Any]]:
    """The options of every analysis that stands on a grid of a cohort's times."""
    for one in study.analyses.values():
        options = one.options
        if one.cohort == cohort and options.get("time") == time and _gridded(one):
            curves = {"by": str(options.get("formula")).partition("~")[0].strip()} if one.method == "weighting" else {}
            strata = {"by": options.get("strata", "")} if one.method == "cox" else {}
            yield {**options, **curves, **strata}


def gridded(study: Study, time: str) -> list[str]:
    """The analyses, of whatever people, that stand on a grid of a time."""
    return [one.name for one in study.analyses.values() if one.options.get("time") == time and _gridded(one)]


def _gridded(one: Analysis) -> bool:
    if one.method == "weighting":
        return bool(one.options.get("curves"))
    if one.method == "target_trial":
        return False  # its intervals are its own, and no other analysis of a study may have a grid of its time
    if one.method == "fine_gray":
        return bool(one.options.get("profiles"))
    return one.method in ON_GRIDS or "pooled" in (one.options.get("compare"), one.options.get("hospitals"))


def _cuts(options: Mapping[str, Any]) -> list[float]:
    tau = [options["tau"]] if options.get("tau") else []
    return [float(one) for one in (*options.get("times", ()), *options.get("at", ()), *tau)]


def agree(asked: Asked) -> Generator[Ask, Pooled, Grid]:
    """The grid of a descent.

    Raises:
        Stopped: not even two intervals hold enough exits.
    """
    grown = _Grown(asked, [Leaf(0.0, asked.time.bounds[1])], asked.cuts)
    rounds, pooled = 0, None
    while wanted := grown.wanted():
        edges = _padded([[grown.leaves[i].low, *inner, grown.leaves[i].high] for i, inner in wanted])
        pooled = yield asked.question(edges)
        rounds += 1
        grown.divide([i for i, _ in wanted], edges, pooled["exits"])
    if pooled is None or grown.leaves[0].counts is None:
        raise Stopped(Finding("grid_too_few", values={"expected": asked.least}))
    people = int(pooled["people"][0]) if not np.isnan(pooled["people"]).any() else 0
    return grown.grid(pooled.sites, people, rounds)


def _padded(rows: list[list[float]]) -> Floats:
    """Edges as one array: shorter rows end with parts of no width, in which nobody leaves."""
    widest = max(map(len, rows))
    return np.array([row + row[-1:] * (widest - len(row)) for row in rows])


@dataclass
class _Grown:
    """The leaves of a descent, in order, and the declared times that have not given way."""

    asked: Asked
    leaves: list[Leaf]
    cuts: tuple[float, ...] = field(default=())

    def wanted(self) -> list[tuple[int, list[float]]]:
        """The intervals to divide next, and where their parts meet: first those that fall into many parts at once."""
        if len(self.leaves) >= MOST:
            return []
        can = [(i, inner) for i, leaf in enumerate(self.leaves) if self._can(leaf) and (inner := self._inner(leaf))]
        return [(i, inner) for i, inner in can if len(inner) > 1] or can

    def _can(self, leaf: Leaf) -> bool:
        full = leaf.counts is None or leaf.people >= 2 * self.asked.least
        return full and leaf.high - leaf.low > self.asked.unit

    def _inner(self, leaf: Leaf) -> list[float]:
        """All declared times in an interval, or many times even ones; where that failed, one; none where it is done."""
        declared = [cut for cut in self.cuts if leaf.low < cut < leaf.high]
        if declared:
            return [declared[len(declared) // 2]] if leaf.narrow else declared
        if self.asked.only or leaf.depth >= DEEPEST:
            return []
        if not leaf.narrow and self._full(leaf):
            return self._between(leaf, [part / MANY for part in range(1, MANY)])
        return self._between(leaf, PARTS)[leaf.tried :][:1]

    def _full(self, leaf: Leaf) -> bool:
        """Whether every group has so many exits that MANY parts will hardly have too few."""
        return leaf.counts is not None and leaf.fewest >= 8 * MANY * self.asked.least

    def _between(self, leaf: Leaf, parts: Sequence[float]) -> list[float]:
        cuts = [leaf.low + part * (leaf.high - leaf.low) for part in parts]
        if self.asked.unit:
            cuts = list(dict.fromkeys(float(math.floor(cut)) for cut in cuts))
        return [cut for cut in cuts if leaf.low < cut < leaf.high]

    def divide(self, numbers: Sequence[int], edges: Floats, exits: Floats) -> None:
        """Take in what was opened of the parts (intervals, parts, groups, 2) of some intervals between their edges."""
        leaving = exits.sum(axis=3)
        # The gate's own answer where a hospital is stricter, and the same rule where there is no gate.
        few = (leaving > 0) & (leaving < self.asked.least)
        shut = np.isnan(exits).any(axis=(1, 2, 3)) | few.any(axis=(1, 2))
        everyone = leaving.sum(axis=2).tolist()
        fewest = np.where(leaving > 0, leaving, np.inf).min(axis=2).tolist()
        for at, index in reversed(list(enumerate(numbers))):
            leaf, ends = self.leaves[index], edges[at].tolist()
            if shut[at]:
                self.leaves[index] = self._failed(leaf, ends)
                continue
            depth = leaf.depth + (0 if ends[1] in self.cuts else exits.shape[1].bit_length() - 1)
            each = zip(ends[:-1], ends[1:], exits[at], everyone[at], fewest[at], strict=True)
            self.leaves[index : index + 1] = [
                Leaf(low, high, part, depth, people=people, fewest=least)
                for low, high, part, people, least in each
                if low < high
            ]

    def _failed(self, leaf: Leaf, ends: Sequence[float]) -> Leaf:
        """What to try next where a part would hold too few: fewer parts, or another time."""
        if len(self._inner(leaf)) > 1:
            return replace(leaf, narrow=True)
        if ends[1] in self.cuts:
            self.cuts = tuple(one for one in self.cuts if one != ends[1])
            return leaf
        return replace(leaf, tried=leaf.tried + 1)

    def grid(self, sites: tuple[str, ...], people: int, rounds: int) -> Grid:
        """The leaves as a grid, without the empty ones at the end."""
        leaves: Sequence[Leaf] = self.leaves
        while len(leaves) > 1 and leaves[-1].counts is not None and not leaves[-1].counts.any():
            leaves = leaves[:-1]
        edges = np.array([leaves[0].low, *(leaf.high for leaf in leaves)])
        counts = np.array([leaf.counts for leaf in leaves], dtype=np.float64)
        single = np.diff(edges) <= self.asked.unit
        return Grid(edges, counts[:, self.asked.own], single, sites, people, rounds)


def sends(asked: Asked, variables: Mapping[str, Variable]) -> Sends:
    """What a descent sends, for the plan: every interval once, in at most as many rounds as it can halve."""
    groups = sum(groups_of(variables, one) for one in asked.by)
    halvings = int(np.ceil(np.log2(max(asked.time.bounds[1] - asked.time.bounds[0], 2)))) if asked.unit else DEEPEST
    deep = 0 if asked.only else min(halvings, DEEPEST)
    return Sends(
        asked.step.name,
        2 * asked.most * groups * levels_of(variables[asked.event]) + 1,
        # Declared times that do not fit together are asked for once together, and then each by itself.
        len(PARTS) * deep + 2 * len(asked.cuts),
    )
