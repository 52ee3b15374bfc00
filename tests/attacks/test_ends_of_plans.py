"""Attacks by two plans whose ends of intervals, cells, scores and subgroups lie a person apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from gagyo.coordinator.run import Run
from gagyo.result import Interval
from tests.attacks.test_amended import Years
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import Rows

SIZE = 400
DAY = 366


def drawn(there: int = 1, on: float = DAY) -> dict[str, np.ndarray]:
    """So many people leave on a day, with the event, a quarter of them at each hospital; nobody a week beside it."""
    random = np.random.default_rng(4)
    t = random.integers(1, 900, SIZE).astype(float)
    t[abs(t - on) < 8] = 20
    t[:there] = on
    x = random.normal(60, 12, SIZE).clip(18, 99).round(1)
    x[(x >= 63.5) & (x < 64)] = 70
    x[:there] = 63.9
    y = (random.random(SIZE) < special.expit((x - 60) / 15)).astype(float)
    y[:there] = 1
    return {"t": t, "u": t, "x": x, "b": random.normal(25, 4, SIZE), "y": y}


def text(analyses: Mapping[str, str], cohorts: Mapping[str, str] | None = None, time: str = "t") -> str:
    days = number(time, 0, 4000).replace("type: number", "type: integer")
    variables = "\n".join([days, number("x", 0, 120), number("b", 0, 100), boolean("y")])
    lines = "".join(f"  {name}: {{{one}}}\n" for name, one in analyses.items())
    where = "".join(f"  {name}: {{where: '{one}'}}\n" for name, one in (cohorts or {}).items())
    return (HEAD % (10, variables, lines)).replace("  all: {}\n", "  all: {}\n" + where)


def curve(*times: int, time: str = "t", cohort: str = "all") -> str:
    return f"method: kaplan_meier, cohort: {cohort}, time: {time}, event: y, times: {list(times)}"


def asked_for(folder: Path, there: int = 1, on: float = DAY) -> Years:
    return Years(folder, divide(drawn(there, on), np.arange(SIZE) % 4))


def off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gagyo.site.steps.against", lambda *_: {})


def told(run: Run) -> dict[float, tuple[int, int]]:
    """By time that a curve tells of, how many were left, and how many had had the event."""
    assert run.stopped == {}
    return {row[1]: row[2:4] for row in run.results["a"].table("survival_at").rows}


def test_without_the_rule_two_curves_tell_that_somebody_who_left_on_a_day_had_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    off(monkeypatch)
    years = asked_for(tmp_path)
    before, after = (told(years.run(text({"a": curve(200, day)})))[day] for day in (DAY - 1, DAY))
    assert np.subtract(after, before).tolist() == [-1, 1]


@pytest.mark.parametrize("there", [0, 1, 39, 40])
def test_times_of_two_plans_leave_nobody_or_enough_at_each_hospital(tmp_path: Path, there: int) -> None:
    """Of forty people ten are at each hospital; of thirty-nine, nine at one. The second plan's time gives way."""
    years = asked_for(tmp_path, there)
    assert list(told(years.run(text({"a": curve(200, DAY - 1)})))) == [200, DAY - 1]
    assert list(told(years.run(text({"a": curve(200, DAY)})))) == ([200] if there in (1, 39) else [200, DAY])


FIRST: dict[str, dict[str, Any]] = {
    "quantiles": {"analyses": {"a": "method: quantiles, cohort: all, variables: [t], quantiles: [0.5]"}},
    "another name": {"analyses": {"a": curve(511, 767, time="u")}, "time": "u"},
    "a cohort": {
        "analyses": {"a": "method: describe, cohort: early, variables: [b]"},
        "cohorts": {"early": "t < 512"},
    },
    "a curve of some": {"analyses": {"a": curve(511, cohort="some")}, "cohorts": {"some": "x < 64"}},
}


@pytest.mark.parametrize("name", FIRST)
def test_whatever_divided_people_by_the_same_values_counts(tmp_path: Path, name: str) -> None:
    years = asked_for(tmp_path, 1, on=512)
    assert years.run(text(**FIRST[name])).stopped == {}
    assert list(told(years.run(text({"a": curve(512, 767)})))) == [767]


def test_a_curve_s_times_count_for_cells_of_values(tmp_path: Path) -> None:
    """A cell ends under 512, and the curve's interval with that day, on which one person left."""
    years = asked_for(tmp_path, 1, on=512)
    assert told(years.run(text({"a": curve(512)})))
    run = years.run(text({"a": "method: quantiles, cohort: all, variables: [t], edges: {t: [512]}, quantiles: [0.5]"}))
    assert run.stopped == {}
    assert "512" not in [row[0].values["value"] for row in run.results["a"].table("histogram_t").rows]


def test_the_same_plan_again_tells_the_same(tmp_path: Path) -> None:
    """Curves of everyone and of some end a few people of a hospital apart, which over all hospitals are enough."""
    analyses = {"a": curve(*range(120, 840, 120)), "b": curve(*range(180, 840, 120), cohort="some")}
    years = asked_for(tmp_path)
    runs = [years.run(text(analyses, {"some": "x < 60"}).replace("en: b", f"en: {label}")) for label in "bB"]
    first, again = ([run.results[name].curves[0].series[0].x for name in analyses] for run in runs)
    assert first == again
    assert min(map(len, first)) >= 4


def test_the_coordinator_does_not_learn_which_hospital_is_against_a_cut(tmp_path: Path) -> None:
    years = asked_for(tmp_path)
    years.run(text({"a": curve(200, DAY - 1)}))
    run = years.run(text({"a": curve(200, DAY)}))
    opened = [one.payload["opened"].tobytes() for one in run.answers if "opened" in one.payload]
    assert len(opened) % 4 == 0
    assert all(len(set(opened[at : at + 4])) == 1 for at in range(0, len(opened), 4))


def test_people_who_came_since_are_counted_with_nobody(tmp_path: Path) -> None:
    """A registry that has grown is asked of the same times, and of the day beside one of them."""
    years = asked_for(tmp_path)
    assert list(told(years.run(text({"a": curve(200, DAY - 1)})))) == [200, DAY - 1]
    more = divide(drawn(0), np.arange(SIZE) % 4)
    for site, one in years._hospitals.items():
        columns = {name: np.concatenate([column, more[site].columns[name]]) for name, column in one.columns.items()}
        years._hospitals[site] = Rows(columns, [*one.persons, *(b"new " + person for person in more[site].persons)])
    again = text({"a": curve(200, DAY - 1)}).replace("en: b", "en: B")
    assert list(told(years.run(again))) == [200, DAY - 1]
    assert list(told(years.run(text({"a": curve(200, DAY)})))) == [200]


# Validations of an equation.

EQUATION = "{outcome: y, formula: 'y ~ x + b', coefficients: {Intercept: -4.0, x: 0.06, b: 0.01}}"
VALIDATED = (
    f"method: validate, cohort: all, equation: {EQUATION}, "
    "threshold: {value: %s}, subgroups: [{variable: x, cuts: [%s]}]"
)


def test_thresholds_and_subgroups_of_two_plans_leave_nobody_or_enough(tmp_path: Path) -> None:
    """One person lies between two thresholds, and one between subgroups cut at 63.9 and at 64, whose outcome and score
    the sums would tell: the rest of the second validation is told.
    """
    data = drawn()
    years = Years(tmp_path, divide(data, np.arange(SIZE) % 4))
    scores = np.sort(special.expit(-4 + 0.06 * data["x"] + 0.01 * data["b"]))
    place = int(np.searchsorted(scores, 0.3))
    open_ = []
    for turn, cut in enumerate((63.9, 64)):
        run = years.run(text({"a": VALIDATED % (scores[place + turn : place + turn + 2].mean(), cut)}))
        assert run.stopped == {}
        (accurate,), (under, _) = (run.results["a"].table(name).rows for name in ("thresholds", "subgroups"))
        open_.append((isinstance(accurate[2], Interval), isinstance(under[4], Interval)))
    assert open_ == [(True, True), (False, False)]
