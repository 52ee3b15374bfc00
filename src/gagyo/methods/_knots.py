"""Finds the knots of splines before a fit, and tells where they stand: `rcs(age, 4)` gets four knots of everyone's.

Knots are quantiles of everyone's values (Harrell, Regression Modeling Strategies, 2nd ed., table 2.3), from people in
cells of at least k on the lattice that all studies share. With them written into it, the formula is an argument of all
further questions, and each hospital follows how it came about: a coordinator cannot put knots of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Protocol, TypeVar

import numpy as np

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.local import LocalStep
from gagyo.finding import Finding
from gagyo.methods._labels import with_unit
from gagyo.methods._quantiles_told import digits_of, percent
from gagyo.methods._value_cells import Values
from gagyo.methods._values import Asked, two_grids
from gagyo.protocol import formula as formulas
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.terms import Unplaced
from gagyo.result import Cell, Column, Result, Table, Words
from gagyo.statistics.calibration import QUANTILES
from gagyo.statistics.knots import Knot, knot, tied, wanted


class Fitting(Protocol):
    """A method that fits a formula."""

    @property
    def formula(self) -> Formula: ...

    @property
    def study(self) -> Study: ...


M = TypeVar("M", bound=Fitting)
Combine = Callable[[M, Mapping[str, Result]], Conversation]


@dataclass(frozen=True)
class Placed:
    """The knots by variable, and how many questions found them."""

    knots: Mapping[str, tuple[Knot, ...]]
    rounds: int

    def of(self, formula: Formula) -> Formula:
        """The formula with the knots in it."""
        return formula.placed({name: [one.value for one in found] for name, found in self.knots.items()})


def parse(text: str, analysis: Analysis, study: Study) -> Formula:
    """A formula whose splines may be without knots.

    Raises:
        FileFault: also where another analysis of the same people counts a spline's variable in cells of its own.
    """
    formula = formulas.parse(text, study.variables, unplaced=True)
    place = analysis.place("formula")
    check_none(fault for one in formula.unplaced for fault in two_grids(one.name, analysis, study, place))
    return formula


@dataclass(frozen=True)
class Knots:
    """A method's own two steps, by which it finds knots: `present_step` and `bins_step`."""

    present: LocalStep
    bins: LocalStep

    def asked(self, method: Fitting) -> Asked:
        """What the descents ask: of everyone, never by group."""
        return Asked(self.present, self.bins, method.study, "", tuple(one.name for one in method.formula.unplaced))

    def sent(self, sends: Callable[[M], tuple[Sends, ...]]) -> Callable[[M], tuple[Sends, ...]]:
        """Around a method's `sends`: what finding the knots sends comes first."""

        @wraps(sends)
        def all_sends(method: M) -> tuple[Sends, ...]:
            first = self.asked(method).sends() if method.formula.unplaced else ()
            return (*first, *sends(method))

        return all_sends

    def first(self, combine: Combine[M]) -> Combine[M]:
        """Around a method's `combine`: knots for the splines without any, and at the end a table of them."""

        @wraps(combine)
        def combined(method: M, earlier: Mapping[str, Result]) -> Conversation:
            if not method.formula.unplaced:
                return (yield from combine(method, earlier))
            placed = yield from find(self.asked(method), method.formula.unplaced)
            given: Any = method
            result = yield from combine(replace(given, formula=placed.of(method.formula)), earlier)
            return told(result, placed, method.study)

        return combined


def find(asked: Asked, splines: Sequence[Unplaced]) -> Generator[Ask, Pooled, Placed]:
    """Close in on the quantiles of all splines together.

    Raises:
        Stopped: the knots of a spline cannot be told apart.
    """
    least = asked.study.release.minimum_people
    _, people = yield from asked.begin()
    values = asked.everyone(people)
    for one in splines:
        if one.name not in values:
            raise _tied(one, [])
        several = (wanted(int(people[one.name][0]), share, least) for share in QUANTILES[one.number])
        values[one.name].ranks = [tuple(dict.fromkeys(rank for ranks in several for rank in ranks))]
    rounds = 1 + (yield from asked.descend(values))
    found = {}
    for one in splines:
        found[one.name] = _of(one, values[one.name])
    return Placed(found, rounds)


def _of(one: Unplaced, values: Values) -> tuple[Knot, ...]:
    """The knots of a spline, from its variable's cells."""
    shares = QUANTILES[one.number] if values.opened else ()
    found = [each for share in shares if (each := knot(values.binned(), share)) is not None]
    if len(found) < one.number or tied(found):
        raise _tied(one, found)
    return tuple(found)


def _tied(one: Unplaced, found: Sequence[Knot]) -> Stopped:
    places = ", ".join(f"{each.value:.6g}" for each in found) or "–"
    return Stopped(Finding("knots_tied", values={"found": places, "variable": one.name, "number": one.number}))


def told(result: Result, placed: Placed, study: Study) -> Result:
    """The result with a table of the knots, and how they were found."""
    return replace(
        result,
        rounds=result.rounds + placed.rounds,
        tables=(*result.tables, _table(placed.knots, study)),
        methods_text=(*result.methods_text, Words("knots.text")),
    )


def _table(knots: Mapping[str, tuple[Knot, ...]], study: Study) -> Table:
    columns = (
        Column("variable", Words("describe.variable"), "text"),
        Column("percentile", Words("knots.percentile"), "text"),
        Column("knot", Words("knots.knot"), "number", _digits(knots)),
        Column("least", Words("knots.least"), "number", _digits(knots)),
        Column("most", Words("knots.most"), "number", _digits(knots)),
        Column("stands", Words("knots.stands"), "text"),
    )
    rows = tuple(
        _row(with_unit(study.variables[name]) if first == 0 else None, one)
        for name, found in knots.items()
        for first, one in enumerate(found)
    )
    inexact = any(not one.exact for found in knots.values() for one in found)
    return Table("knots", Words("knots.title"), columns, rows, notes=(Words("knots.note"),) if inexact else ())


def _row(label: Words | None, one: Knot) -> tuple[Cell, ...]:
    stands = Words("knots.exact" if one.exact else "knots.edge")
    return (label, Words("knots.share", {"percent": percent(one.share)}), one.value, one.lower, one.upper, stands)


def _digits(knots: Mapping[str, tuple[Knot, ...]]) -> int:
    """Decimal places that show a thousandth of the knots' reach, and how far apart the bounds of a knot are."""
    reach = min(found[-1].value - found[0].value for found in knots.values())
    apart = (one.upper - one.lower for found in knots.values() for one in found if one.upper > one.lower)
    return int(np.clip(digits_of(min((reach / 100, *apart))), 0, 6))
