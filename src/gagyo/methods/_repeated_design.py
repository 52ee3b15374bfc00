"""How repeated measurements are laid out: a formula with `visit` and `time`, as columns of people and of visits.

A file has one row a person and a variable for each visit's value. A term of the formula is a product of what is known
of the person and of what is known of the visit, so that a person's design is known from one row of columns of the first
kind; the visits' columns are from the plan alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, FiniteFloat

from gagyo.federation.rows import Rows
from gagyo.methods._survival.episodes import Labels
from gagyo.protocol import formula as formulas
from gagyo.protocol.formula import Formula
from gagyo.protocol.terms import Category, DesignColumn, Factor, Term, number_text
from gagyo.protocol.ucum import shown
from gagyo.protocol.variables import Level, Variable
from gagyo.release.aggregate import Floats
from gagyo.statistics.repeated import Layout
from gagyo.text import LANGUAGES, Text, translate

Bools = NDArray[np.bool_]
VISIT, TIME = "visit", "time"
OCCASIONS = (VISIT, TIME)
"""What a formula may have besides variables: the visit as a category, the first its reference; and its time."""


class Measured(BaseModel):
    """The outcome: one name for the variables that hold its value at each visit."""

    model_config = ConfigDict(extra="forbid")

    name: str
    """What the formula calls the outcome."""
    label: Labels
    """What it is called in a report."""
    visits: dict[str, FiniteFloat]
    """By variable that holds its value at a visit, the time of that visit."""

    @property
    def names(self) -> tuple[str, ...]:
        """The variables in the order of their times."""
        return tuple(sorted(self.visits, key=lambda name: self.visits[name]))

    @property
    def times(self) -> Floats:
        """(T,) rising."""
        return np.array([self.visits[name] for name in self.names])


def declared(
    variables: Mapping[str, Variable], name: str, label: Text, visits: Sequence[str], times: Floats, unit: str = ""
) -> dict[str, Variable]:
    """The variables with the outcome, the visit and the time among them, so that formulas and tables know them."""
    there = [variables[one] for one in visits]
    ends = (min(one.bounds[0] for one in there), max(one.bounds[1] for one in there))
    levels = tuple(Level(one, Text(number_text(time))) for one, time in zip(visits, times, strict=True))
    return {
        **variables,
        name: Variable(name, "number", label, there[0].unit, ends),
        VISIT: Variable(VISIT, "category", _occasion("repeated.visit", unit), levels=levels),
        TIME: Variable(TIME, "number", _occasion("repeated.time", unit), unit, (times[0], times[-1])),
    }


def _occasion(key: str, unit: str) -> Text:
    """What a visit or its time is called, with the unit of time behind it."""
    said = shown(unit) if unit else None
    return Text(
        *(
            translate("repeated.with_unit", language, label=translate(key, language), unit=said.to(language))
            if said
            else translate(key, language)
            for language in LANGUAGES
        )
    )


@dataclass(frozen=True)
class Design:
    """A formula's columns, each a product of a person's column and a visit's.

    people: the formula of the persons' columns, the intercept first. layout: which of them, and times what at each
    visit. names, visits: of the design's columns, and of the variables of the visits.
    """

    formula: Formula
    people: Formula
    layout: Layout
    columns: tuple[DesignColumn, ...]
    visits: tuple[str, ...]
    times: Floats

    @classmethod
    def of(cls, text: str, variables: Mapping[str, Variable], visits: Sequence[str], times: Floats) -> Design:
        """The design of a formula over `declared` variables; FileFault where it is none."""
        formula = formulas.parse(text, variables)
        people = _of_people(formula, visits[0], variables)
        names = [column.name for column in people.columns(variables)]
        values = {VISIT: np.arange(len(times), dtype=np.float64), TIME: times}
        of, at = [0], [np.ones(len(times))]
        for term in formula.terms:
            for pick in term.picks():
                known = [(factor, which) for factor, which in zip(term.factors, pick, strict=True) if _is_known(factor)]
                of.append(names.index(_name(known, variables)))
                at.append(_at_visits(term, pick, values))
        layout = Layout(np.array(of), np.array(at))
        return cls(formula, people, layout, formula.columns(variables), tuple(visits), times)

    @cached_property
    def patterns(self) -> tuple[tuple[int, ...], ...]:
        """Which visits people may have been measured at: all of them first, then fewer; never none."""
        every = range(len(self.visits))
        return tuple(kept for size in reversed(every) for kept in combinations(every, size + 1))

    def centred(self) -> Bools:
        """Which columns of people (q,) may be centred: what is taken away is made up by columns of visits alone."""
        of, at = self.layout.of, self.layout.at
        alone = at[of == 0]
        out = np.ones(self.people.width, bool)
        for column, visits in zip(of, at, strict=True):
            rest = visits - np.linalg.lstsq(alone.T, visits, rcond=None)[0] @ alone
            out[column] &= bool(np.abs(rest).max() <= 1e-9 * np.abs(visits).max(initial=1.0))
        out[0] = False
        return out


def _of_people(formula: Formula, outcome: str, variables: Mapping[str, Variable]) -> Formula:
    """The formula of what is known of people; of a category that is shown in two ways, the one with more levels."""
    terms: dict[frozenset[str], Term] = {}
    for term in formula.terms:
        known = tuple(factor for factor in term.factors if _is_known(factor))
        key = frozenset(str(factor) for factor in known)
        if known:
            terms[key] = _wider(terms[key], known) if key in terms else Term(known)
    width = 1 + sum(len(term.columns(variables)) for term in terms.values())
    return Formula(outcome, f"{formula.text} | {outcome}", tuple(terms.values()), True, width)


def _wider(one: Term, factors: Sequence[Factor]) -> Term:
    shown_first = {str(factor): factor.first for factor in factors if isinstance(factor, Category)}
    return Term(
        tuple(
            replace(factor, first=min(factor.first, shown_first[str(factor)]))
            if isinstance(factor, Category)
            else factor
            for factor in one.factors
        )
    )


def _is_known(factor: Factor) -> bool:
    return factor.name not in OCCASIONS


def _name(known: Sequence[tuple[Factor, int]], variables: Mapping[str, Variable]) -> str:
    """The name of a column of people."""
    names = [factor.columns(variables)[which].name for factor, which in known]
    return ":".join(names) or "Intercept"


def _at_visits(term: Term, pick: Sequence[int], values: Mapping[str, Floats]) -> Floats:
    out, part = np.ones(len(values[TIME])), np.empty(len(values[TIME]))
    for factor, which in zip(term.factors, pick, strict=True):
        if not _is_known(factor):
            factor.fill(which, values, part)
            out *= part
    return out


@dataclass(frozen=True)
class Laid:
    """The people of a hospital, and who was measured at which visits."""

    rows: Rows
    design: Design

    @classmethod
    def of(cls, rows: Rows, formula: str, name: str, visits: Sequence[str], times: Floats) -> Laid:
        """As a formula lays them out; kept for the next round."""

        def make() -> Laid:
            variables = declared(rows.variables, name, Text(name), visits, times)
            return cls(rows, Design.of(formula, variables, visits, times))

        laid: Laid = rows.kept(("laid", formula, name, tuple(visits), times.tobytes()), make)
        return laid

    @property
    def columns(self) -> Floats:
        """What is known of each person (n, q)."""
        return self.rows.design(self.design.people)

    @property
    def outcomes(self) -> Floats:
        """What was measured of each person (n, T), NaN where it was not."""
        return np.column_stack([self.rows[one] for one in self.design.visits])

    def having(self, pattern: Sequence[int]) -> Bools:
        """Who was measured at just these visits (n,)."""

        def make() -> NDArray[np.int64]:
            return (~np.isnan(self.outcomes)).astype(np.int64) @ (1 << np.arange(len(self.design.visits)))

        codes: NDArray[np.int64] = self.rows.kept(("pattern of visits", self.design.visits), make)
        return np.asarray(codes == sum(1 << visit for visit in pattern))
