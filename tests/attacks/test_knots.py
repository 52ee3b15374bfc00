"""Attacks on the knots that hospitals find: chosen knots, extremes, cells of a few; and ordinary studies that pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.errors import FileFault, Stopped
from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.method import read_method
from gagyo.federation.rows import Rows
from gagyo.protocol.study import Study
from gagyo.release.case import Case
from gagyo.release.decision import Release
from gagyo.release.halves import nested
from gagyo.result import Result
from gagyo.statistics.calibration import QUANTILES, spline_basis
from tests.attacks import test_ordinary_studies as ordinary
from tests.attacks.test_door import refused, stopped_at
from tests.attacks.test_quantiles import K, _pooled, between, skewed
from tests.contract.data import HEAD, boolean, divide, number

FIT = '  fit: {method: linear, cohort: all, formula: "radius ~ rcs(texture, 4)"}\n'
Columns = Mapping[str, np.ndarray]


def test_knots_that_a_coordinator_chose_are_refused(tmp_path: Path) -> None:
    """Knots on both sides of one person's value would leave that person alone between them."""
    one, (honest, *_) = stopped_at(tmp_path, "linear.means", FIT)
    text = honest.arguments["formula"]
    first, *others = text.partition("rcs(texture, ")[2].removesuffix(")").split(", ")
    assert len(others) == 3
    for formula in (
        text.replace(first, f"{float(first) + 1e-6!r}"),
        text.replace(first, others[0]).replace(others[0], f"{float(others[0]) + 0.01!r}", 1),
        text.replace(f"{first}, ", ""),
        "radius ~ rcs(texture, 4)",
        "radius ~ texture",
    ):
        refused(one.sites["seoul"], replace(honest, arguments={**honest.arguments, "formula": formula}), "not_derived")
    assert one.sites["seoul"].answer(honest).outcome == "released"


def test_a_coordinator_cannot_choose_where_people_are_counted(tmp_path: Path) -> None:
    one, (honest, *_) = stopped_at(tmp_path, "linear.value_bins", FIT)
    edges = honest.arguments["edges"].copy()
    edges[:, 1] += 0.125
    for name, value in {"edges": edges, "variables": ["radius"], "by": "malignant"}.items():
        refused(one.sites["seoul"], replace(honest, arguments={**honest.arguments, name: value}), "not_derived")


def test_a_hospital_computes_nothing_with_a_spline_that_has_no_knots() -> None:
    one = study("a: {method: linear, cohort: all, formula: 'y ~ rcs(x, 4)'}")
    rows = Rows("seoul", one.variables, {"x": np.arange(5.0), "y": np.arange(5.0)}, [b"p"] * 5)
    with pytest.raises(FileFault):
        rows.formula("y ~ rcs(x, 4)")


# What the counts and the knots together tell.


def study(analyses: str, kind: str = "number", high: float = 1000) -> Study:
    variables = [number("x", 0, high), number("y", -10, 10), boolean("g"), boolean("h")]
    text = HEAD % (K, "\n".join(variables), f"  {analyses}\n")
    return Study.parse(text.replace("x: {type: number", f"x: {{type: {kind}"))


def seen(one: Study, data: Columns) -> tuple[np.ndarray, list[Result]]:
    """All places of x at which a coordinator knows how many people are below, knots too; and the results."""
    there = [
        Rows(name, one.variables, part.columns, part.persons)
        for name, part in divide(data, np.arange(len(data["x"])) % 4).items()
    ]
    places: set[float] = set()
    results = []
    for analysis in one.analyses.values():
        talk, answer = read_method(analysis, one).combine({}), None
        while True:
            try:
                ask = talk.send(answer)
            except StopIteration as end:
                results.append(end.value)
                break
            assert isinstance(ask, Ask)
            answer = _pooled(ask, there, K)
            if "bins" in answer.values and not ask.arguments["by"]:
                places |= _opened(ask, answer)
    # Who is at a knot is on its lower side: a place just over it divides people as the spline does.
    at = {np.nextafter(row[2], np.inf) for result in results for row in _knots(result)}
    return np.array(sorted(places | at)), results


def _opened(ask: Ask, answer: Pooled) -> set[float]:
    bins = nested(ask.arguments["edges"]).reshape(-1, 3)
    tables = answer["bins"].reshape(len(bins), 2, -1)
    return {end for ends, table in zip(bins, tables, strict=True) if not np.isnan(table).any() for end in ends}


def _knots(result: Result) -> list[Any]:
    return [row for table in result.tables if table.name == "knots" for row in table.rows]


def uneven(seed: int, whole: bool) -> dict[str, np.ndarray]:
    """Skewed values with outliers, rounded so that some are shared, and an outcome that bends with them."""
    data = skewed(seed)
    # No value is at a place where a cell may end: who is there would be on the other side of a knot.
    x = np.round(data["x"]) if whole else data["x"] + 0.03
    return {**data, "x": x, "y": np.sin(x / 60) + np.random.default_rng(seed + 100).normal(size=len(x))}


LINE = "{method: linear, cohort: all, formula: 'y ~ %s'}"
ASKED = (
    "a: " + LINE % "rcs(x, 3)",
    "b: " + LINE % "g * rcs(x, 4)",
    "c: " + LINE % "rcs(x, 5) + h",
    "d: " + LINE % "rcs(x, 7)",
    "q: {method: quantiles, cohort: all, variables: [x], quantiles: [0.1, 0.33, 0.5], histogram: true}",
)


@pytest.mark.parametrize("kind", ["number", "integer"])
@pytest.mark.parametrize("seed", range(4))
def test_no_cell_between_counts_and_knots_of_any_number_holds_a_few_people(seed: int, kind: str) -> None:
    """Differencing: splines of three, four, five and seven knots and quantiles of the same people, laid together."""
    data = uneven(seed, kind == "integer")
    places, results = seen(study("\n  ".join(ASKED), kind), data)
    assert [len(_knots(one)) for one in results] == [3, 4, 5, 7, 0]
    inside = between(data["x"], places)
    assert not ((inside > 0) & (inside < K)).any()
    assert places.size > 25


@pytest.mark.parametrize("kind", ["number", "integer"])
@pytest.mark.parametrize("people", [60, 130, 600])
def test_the_outermost_knots_leave_k_people_beyond_them(people: int, kind: str) -> None:
    """Of 60 people the 5th percentile is the third's: no knot is within the least or the greatest ten."""
    stopped = []
    for seed in range(4):
        data = {name: column[:people] for name, column in uneven(seed, kind == "integer").items()}
        ordered = np.sort(data["x"])
        try:
            _, (result,) = seen(study(ASKED[1].replace("g * ", ""), kind), data)
        except Stopped as why:
            stopped.append(why.findings[0].code)
            continue
        first, *_, last = _knots(result)
        assert ordered[K - 1] <= first[2]
        assert last[2] <= ordered[-K]
        assert first[3] <= np.quantile(data["x"], 0.05) <= first[4]
        assert last[3] <= np.quantile(data["x"], 0.95) <= last[4]
    assert set(stopped) <= {"knots_tied"}
    assert len(stopped) <= (3 if people == 60 else 0)


# Ordinary studies.


class Searching(ordinary.Gated):
    """As other studies are ruled; but that some halves of cells stay shut is how a descent ends."""

    def _rule(self, ask: Ask, scope: Any, aggregate: Any, people: int, who: str) -> Release:
        if not ask.step.name.endswith(".value_bins"):
            return super()._rule(ask, scope, aggregate, people, who)
        size, hospitals = len(self.study.variables), len(self.hospitals)
        case = Case(scope, aggregate, people, size, ordinary.LIMITS, hospitals=hospitals, spending=self.spending)
        decision = ordinary.GATE.rule(case)
        assert isinstance(decision, Release), f"{ask.step.name} at {who} ({scope}): {decision.rules}"
        return decision


def curved(drawn: ordinary.Drawn, knots: int) -> ordinary.Drawn | None:
    """An ordinary study whose first predictor is a spline; None where it is no longer well-posed.

    Nobody's value is that of a tenth of all, and in no column of the spline do two people hold most of a hospital's sum
    of squares.
    """
    first = next((one for one in drawn.predictors if one != "C(level)"), "")
    if not first:
        return None
    x = drawn.columns[first]
    basis = spline_basis(x, np.quantile(x, QUANTILES[knots]))
    columns = [column - column.mean() for column in basis.T]
    if np.unique(x, return_counts=True)[1].max() > len(x) / 10 or any(_heavy(one, drawn.where) for one in columns):
        return None
    head, _, formula = drawn.text.rpartition(" ~ ")
    terms = [f"rcs({first}, {knots})" if one == first else one for one in formula.rstrip('"}\n').split(" + ")]
    return replace(drawn, text=f'{head} ~ {" + ".join(terms)}"}}\n')


def _heavy(column: np.ndarray, where: np.ndarray) -> bool:
    return any(ordinary._two_hold_most(column[where == one] ** 2) for one in np.unique(where))


def test_no_ordinary_study_with_a_spline_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordinary, "Gated", Searching)
    models = [one for one in ordinary.studies()[0] if one.method != "describe"]
    found = [study for number, one in enumerate(models) if (study := curved(one, 3 + number % 3)) is not None]
    assert len(found) >= 30
    for one in found[:30]:
        ordinary.run(one)
