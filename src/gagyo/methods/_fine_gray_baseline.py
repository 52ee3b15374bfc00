"""The mean baseline of Fine and Gray's model over the hospitals, at the ends of a grid of times, and who is predicted.

Each hospital has a baseline subdistribution hazard of its own, on its exact times. What is opened is their mean,
weighted by people: no hospital's hazard, and nothing at a time that is not the end of an interval with no event or k of
them, and no other exit or k; nor after a time at which some hospital has fewer than k people under observation, which
is asked first.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gagyo.errors import Stopped
from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.local import Name, Numbers, Whole, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods._fine_gray_sets import MODEL, cells_of, risk_sets_of
from gagyo.methods._survival.agreed import Grid
from gagyo.methods._survival.one_baseline import TRIES
from gagyo.methods._survival.telling import NO_YES
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import Aggregate, Floats, count, few_or_none, joined, joint, spread_of
from gagyo.release.aggregate import exits as measured
from gagyo.statistics import fine_gray as kernel
from gagyo.text import Text, join

Value = float | bool | str


LARGEST = 1024.0
"""The greatest cumulative hazard that the ring's scale allows; at a tenth of it the incidence is one in all figures."""

AGREED: dict[str, Any] = {"edges": Numbers((None,), 0, 1e12)}


@local("fine_gray", time=Name(), **AGREED, least=Whole(1, 1_000_000))
def observed(rows: Rows, time: str, edges: Floats, least: int) -> Aggregate:
    """At the end of each interval the hospital's people, all of them, where `least` are still observed; else 0 (K)."""
    left = rows.n - np.searchsorted(np.sort(rows[time]), edges[1:], side="right")
    everyone = np.ones((rows.n, 1))
    return {
        "people": joint(np.where(left >= least, float(rows.n), 0.0), 1.0, count(everyone == 1), spread_of(everyone))
    }


@local("fine_gray", **MODEL, **AGREED, centre=Numbers((None,), -1e12, 1e12))
def baseline(
    rows: Rows, formula: str, time: str, event: int, coefficients: Floats, edges: Floats, centre: Floats
) -> Aggregate:
    """People times the cumulative baseline hazard of columns at `centre`, at the end of each interval (K)."""
    parsed, sets = rows.formula(formula), risk_sets_of(rows, formula, time, event)
    fitted = kernel.evaluate(sets, coefficients)
    rise = fitted.hazards * np.exp((centre - sets.centre) @ coefficients)
    hazard = np.append(0.0, np.cumsum(rise))[np.searchsorted(sets.times, edges[1:], side="right")]
    table = exits_of(rows, parsed, time, event, edges)
    cells = joined(cells_of(rows, parsed), few_or_none(table.ravel()))
    # Of each person with the event before the last end, what they add to the hazard there.
    each = np.repeat(rise / np.maximum(sets.deaths, 1), sets.deaths) * (np.repeat(sets.times, sets.deaths) <= edges[-1])
    fit = joint(rows.n * hazard, LARGEST, cells, spread_of(each[:, None]))
    return {"exits": measured(table, rows.n), "fit": fit}


def exits_of(rows: Rows, formula: Formula, time: str, event: int, edges: Floats) -> Any:
    """(1, K + 1, 1, 2) who leave in each interval and after the last, otherwise and with the event."""
    interval = np.searchsorted(edges[1:], rows[time], side="left")
    code = 2 * interval + (rows[formula.outcome] == event)
    return np.bincount(code, minlength=2 * len(edges)).reshape(1, -1, 1, 2)


@dataclass(frozen=True)
class Baseline:
    """The mean cumulative hazard (K + 1,) at `edges` (K + 1,) from zero, for `centre` (p,)."""

    edges: Floats
    hazard: Floats
    centre: Floats

    def incidence(self, columns: Floats, coefficients: Floats) -> Floats:
        """(K + 1, m) the cumulative incidence of people with columns (m, p)."""
        ratio = np.exp((columns - self.centre) @ np.nan_to_num(coefficients))
        return np.asarray(-np.expm1(-self.hazard[:, None] * ratio))


@dataclass(frozen=True)
class Sought:
    """What a baseline is asked for: the model by its arguments, the grid, the columns it is for, everyone, and k."""

    named: Mapping[str, Any]
    grid: Grid
    centre: Floats
    people: int
    least: int

    def find(self, coefficients: Floats) -> Generator[Ask, Pooled, Baseline]:
        """The baseline on the finest grid whose sums are opened: a hospital may ask for more people than the study."""
        for times in TRIES:
            try:
                edges = yield from self._observed(self._of_event().coarser(times * self.least).edges)
                arguments = {**self.named, "coefficients": np.nan_to_num(coefficients), "edges": edges}
                answer = yield Ask(baseline, {**arguments, "centre": self.centre}, doing="fitting")
            except Stopped:
                continue
            if answer.whole("fit") and len(edges) > 1:
                return Baseline(edges, np.append(0.0, answer["fit"] / self.people), self.centre)
        raise Stopped(Finding("withheld_fit"))

    def _observed(self, edges: Floats) -> Generator[Ask, Pooled, Floats]:
        """The edges until which every hospital observes enough people.

        Later ones are never asked about: a sum over the hospitals that still observe would be of fewer of them, at last
        of one.
        """
        arguments = {"time": self.named["time"], "edges": edges, "least": self.least}
        answer = yield Ask(observed, arguments, doing="counting")
        return edges[: 1 + int(np.cumprod(answer["people"] == self.people).sum())]

    def _of_event(self) -> Grid:
        """The grid with its exits told apart by this event alone."""
        mine = self.grid.exits[:, :, self.named["event"]]
        return replace(self.grid, exits=np.stack([self.grid.exits.sum(axis=2) - mine, mine], axis=2))


# ── profiles: whose incidence is predicted ────────────────────────────────────────────────────────────────────────


def profile_faults(
    profiles: Mapping[str, Mapping[str, Value]], formula: Formula, analysis: Analysis, study: Study
) -> Iterator[Finding]:
    """A finding for each profile that lacks a predictor's value, names another variable, or gives no value of it."""
    for name, values in profiles.items():
        wrong = [f"{one}: {value}" for one, value in values.items() if not _fits(one, value, formula, study)]
        lacking = [one for one in formula.predictors if one not in values]
        if wrong or lacking:
            expected = "; ".join(_expected(study.variables[one]) for one in formula.predictors)
            found = ", ".join([*wrong, *(f"{one}: –" for one in lacking)])
            told = {"name": name, "found": found, "expected": expected}
            yield Finding("fine_gray_profile", place=analysis.place(f"profiles.{name}"), values=told)


def _fits(name: str, value: Value, formula: Formula, study: Study) -> bool:
    return name in formula.predictors and _number(study.variables[name], value) is not None


def _number(variable: Variable, value: Value) -> float | None:
    """A value as the number that a hospital's column holds; None where it is none of the variable."""
    if variable.type == "category":
        levels = [level.name for level in variable.levels]
        return float(levels.index(value)) if isinstance(value, str) and value in levels else None
    if variable.type == "boolean" or isinstance(value, bool):
        return float(value) if variable.type == "boolean" and isinstance(value, bool) else None
    low, high = variable.bounds
    fits = not isinstance(value, str) and low <= value <= high and (variable.type != "integer" or value == int(value))
    return float(value) if fits else None


def _expected(variable: Variable) -> str:
    if variable.type == "category":
        return f"{variable.name}: {' / '.join(level.name for level in variable.levels)}"
    if variable.type == "boolean":
        return f"{variable.name}: true / false"
    return f"{variable.name}: {variable.bounds[0]:g} … {variable.bounds[1]:g}"


def columns_of(profiles: Mapping[str, Mapping[str, Value]], formula: Formula, study: Study) -> Floats:
    """The columns of the model (m, p) of each profile."""
    values = {
        name: np.array([_number(study.variables[name], one[name]) for one in profiles.values()], dtype=np.float64)
        for name in formula.predictors
    }
    return formula.design(values)[:, 1:]


def profile_label(profile: Mapping[str, Value], formula: Formula, study: Study) -> Text:
    """What a profile is, by the names that people read: Age 60, Female: yes."""
    parts = (_said(study.variables[name], profile[name]) for name in formula.predictors)
    return join(", ", *parts)


def _said(variable: Variable, value: Value) -> Text:
    if variable.type == "category":
        level = next(one for one in variable.levels if one.name == value)
        return join(": ", variable.label, level.label)
    if variable.type == "boolean":
        return join(": ", variable.label, NO_YES[int(value)])
    return join(" ", variable.label, Text(f"{value:g}"))
