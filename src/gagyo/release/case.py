"""What a rule looks at: one aggregate in one scope, and what has left before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from gagyo.release.aggregate import BINNED, Aggregate, Counts, Measure
from gagyo.release.halves import shut_with_halves
from gagyo.release.limits import Limits

Scope = Literal["each", "share", "pooled"]
"""each: a hospital's own values, shown as they are. share: its clear values before they are masked. pooled: the sum."""


@dataclass(frozen=True)
class Overlap:
    """How a cohort relates to those answered before: the smallest non-empty difference, and the smallest atom."""

    difference: int | None = None
    atom: int | None = None


@dataclass(frozen=True)
class Spending:
    """What was opened before, by channel: numbers, and the fits whose parameters are already counted."""

    each: int = 0
    pooled: int = 0
    fits: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Before:
    """Numbers opened about the same people under other plans, and how many columns they and this one are about."""

    numbers: int = 0
    columns: int = 0


@dataclass(frozen=True)
class Case:
    """One ruling's facts. `people` is the cohort's size in this scope, `columns` the number of study variables.

    weighed_apart: whether another plan weighed the same people, and all but a few of them alike. step: whether an
    equation counts who is over a value. asked_from: people of a bin from which a descent asks for its halves; twice the
    minimum, if None.
    """

    scope: Scope
    aggregate: Aggregate
    people: int
    columns: int
    limits: Limits
    hospitals: int = 1
    fit: str = ""
    parameters: int | None = None
    fits_at_once: int = 1
    every_round: bool = False
    overlap: Overlap = field(default_factory=Overlap)
    spending: Spending = field(default_factory=Spending)
    before: Before = field(default_factory=Before)
    weighed_apart: bool = False
    step: bool = False
    asked_from: int | None = None

    @property
    def per_fit(self) -> float:
        """The free parameters of one of the fits that a request carries."""
        return (self.parameters or 0) / self.fits_at_once

    @property
    def numbers(self) -> int:
        """How many numbers this release spends: of a fit those of its first round, once, or the values themselves.

        Not its parameters alone: an information of many products of columns is so many moments of people's values, and
        some dozen formulas' of enough columns tell everybody's. Of fits at once, all of one formula, one counts so.
        Where the arguments of a fit are not derived, its rounds are no iterates, and every number counts.
        """
        values = sum(self._would_open(name) for name in self.aggregate)
        if self.parameters is None or self.every_round:
            return values
        return 0 if self.fit in self.spending.fits else max(self.parameters, -(-values // self.fits_at_once))

    def _would_open(self, name: str) -> int:
        """How many values of a measure there are, without those of bins that are asked for ahead and stay shut."""
        size, kind = self.aggregate[name].values.size, self.aggregate[name].kind
        if kind not in BINNED or self.scope != "pooled":
            return size
        shut = shut_bins(self, name)
        return size - size // shut.size * int(np.count_nonzero(shut))


@dataclass(frozen=True)
class Breach:
    """Entries of a measure that may not leave: `entries` in the shape of its values. `measure` "" means all of them."""

    code: str
    measure: str = ""
    entries: NDArray[np.bool_] | None = None


class Rule(Protocol):
    """One rule, one file: yields what it forbids; says nothing where all is well."""

    def __call__(self, case: Case) -> Iterator[Breach]: ...


def few_there(people: Counts, least: int) -> NDArray[np.bool_]:
    """Whether a group has people, and too few."""
    return np.atleast_1d(((people > 0) & (people < least)).any())


def too_few(people: NDArray[np.int64], structural: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """Which cells hold fewer than `least` people, structural zeros apart."""
    return np.asarray((people < least) & ~(structural & (people == 0)))


def left_few(case: Case, name: str) -> NDArray[np.bool_]:
    """In which bins, times or cells of a measure counts of earlier cohorts or variables leave a few people, or ends of
    other plans do at some hospital.
    """
    shape, beside = case.aggregate[name].values.shape, case.aggregate.get(f"{name} left")
    few = np.zeros(shape, bool)
    if beside is not None:
        few |= ((beside.people > 0) & (beside.people < case.limits.minimum_people)).any(axis=0)
    before = case.aggregate.get(f"{name} before")
    if before is not None:
        few |= before.people.reshape(*before.people.shape, *[1] * (len(shape) - before.people.ndim)) > 0
    return few


def shut_bins(case: Case, name: str) -> NDArray[np.bool_]:
    """Which bins (trees, bins) of a sum stay shut: with few people, or few who are left; and what goes with those.

    Of a bin with fewer than 2k people, k of the study, a descent asks for no halves when it asks for one halving at a
    time. Looking ahead opens none either: it closes in on nobody's value further, and spends nothing where nobody is.
    """
    measure, least = case.aggregate[name], case.limits.minimum_people
    small = too_few(measure.people, measure.structural, least)
    together = measure.people.sum(axis=2) if measure.kind == "grouped" else measure.people.max(axis=2)
    return shut_with_halves(small | left_few(case, name), together < (case.asked_from or 2 * least))


def by_entry(case: Case, code: str, bad: Mapping[str, NDArray[np.bool_]]) -> Iterator[Breach]:
    """Breaches for flagged cells: entry by entry, or the whole measure where its numbers stand together."""
    for name, cells in bad.items():
        if np.any(cells):
            measure = case.aggregate[name]
            entries = np.ones(measure.values.shape, bool) if measure.kind == "joint" else spread_over(measure, cells)
            yield Breach(code, name, entries)


def spread_over(measure: Measure, cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells in the shape of the measure's values."""
    return np.broadcast_to(cells, measure.values.shape).copy()
