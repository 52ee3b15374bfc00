"""Attacks by two plans whose ends of intervals, cells, scores and subgroups lie a person apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from gagyo.canonical import canonical
from gagyo.coordinator.planning import make_plan
from gagyo.coordinator.run import Run
from gagyo.coordinator.verify import verify
from gagyo.exchange.envelope import Keys
from gagyo.protocol.request import Request
from gagyo.protocol.study import Study
from gagyo.release.decision import Answer
from gagyo.result import Interval
from gagyo.runtime.embedded import Embedded
from gagyo.runtime.journal import Journal
from gagyo.site.ends import End, _made, _on_scale, _set
from gagyo.site.scores_told import SCORES
from tests.attacks.test_amended import Years
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import Rows, house
from tests.unit.test_run_and_verify import audit, finished

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
    return {"t": t, "u": t, "x": x, "b": random.normal(25, 4, SIZE), "y": y, "s": np.arange(SIZE) % 8 < 4.0}


def text(analyses: Mapping[str, str], cohorts: Mapping[str, str] | None = None, time: str = "t") -> str:
    days = number(time, 0, 4000).replace("type: number", "type: integer")
    variables = "\n".join([days, number("x", 0, 120), number("b", 0, 100), boolean("y"), boolean("s")])
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


@pytest.mark.parametrize("there", [0, 39, 40])
def test_times_of_two_plans_leave_nobody_or_enough_at_each_hospital(tmp_path: Path, there: int) -> None:
    """Of forty people ten are at each hospital; of thirty-nine, nine at one. The second plan's time gives way."""
    years = asked_for(tmp_path, there)
    assert list(told(years.run(text({"a": curve(200, DAY - 1)})))) == [200, DAY - 1]
    assert list(told(years.run(text({"a": curve(200, DAY)})))) == ([200] if there == 39 else [200, DAY])


def test_times_of_two_plans_leave_nobody_or_enough_of_each_group(tmp_path: Path) -> None:
    """Ten people of each hospital leave on the day, of whom five are of a group."""
    years = asked_for(tmp_path, 40)
    by = [curve(200, day) + ", by: s" for day in (DAY - 1, DAY)]
    assert [{*told(years.run(text({"a": one})))} for one in by] == [{200, DAY - 1}, {200}]


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


def test_people_of_another_cohort_do_not_count(tmp_path: Path) -> None:
    """Who left on the day is sixty-three, and the other plan was of those under sixty."""
    years = asked_for(tmp_path)
    assert years.run(text({"a": curve(DAY - 1, cohort="young")}, {"young": "x < 60"})).stopped == {}
    assert list(told(years.run(text({"a": curve(DAY)})))) == [DAY]


def test_a_run_in_which_a_time_gave_way_is_verified(tmp_path: Path) -> None:
    for day in (DAY - 1, DAY):
        one = house(tmp_path, text({"a": curve(200, day)}), divide(drawn(), np.arange(SIZE) % 4))
        record = finished(tmp_path, one)
        assert f"all.survival.{day}" in str(record) or day == DAY
        for site in one.sites.values():
            site.close()
        if day < DAY:
            (tmp_path / "journal.jsonl").unlink()
            (tmp_path / "plan.json").unlink()
    assert f"all.survival.{DAY}" not in str(record)
    assert verify(tmp_path, audit(tmp_path)).analyses == 1


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

VALIDATED = (
    "method: validate, cohort: all, equation: {outcome: y, formula: 'y ~ x + b', "
    "coefficients: {Intercept: %s, x: %s, b: %s}}, threshold: {value: %s}, subgroups: [{variable: x, cuts: [%s]}]"
)


def test_thresholds_and_subgroups_of_two_plans_leave_nobody_or_enough(tmp_path: Path) -> None:
    """One person lies between two thresholds, and one between subgroups cut at 63.9 and at 64, whose outcome and score
    the sums would tell, also where the second equation is one times two: the rest of its validation is told.
    """
    data, open_ = drawn(), []
    years = Years(tmp_path, divide(data, np.arange(SIZE) % 4))
    scores = np.sort(-4 + 0.06 * data["x"] + 0.01 * data["b"])
    place = int(np.searchsorted(scores, special.logit(0.3)))
    for times, cut in ((1, 63.9), (2, 64)):
        threshold = special.expit(times * scores[place + times : place + times + 2].mean())
        run = years.run(text({"a": VALIDATED % (-4 * times, 0.06 * times, 0.01 * times, threshold, cut)}))
        assert run.stopped == {}
        (accurate,), (under, _) = (run.results["a"].table(name).rows for name in ("thresholds", "subgroups"))
        open_.append((isinstance(accurate[2], Interval), isinstance(under[4], Interval)))
    assert open_ == [(True, True), (False, False)]


def test_scores_by_models_of_folds_are_the_same_only_by_the_same_models() -> None:
    study = Study.parse(text({"a": curve(1)}))
    asked = {"formula": "y ~ x", "coefficients": np.array([[1.0, 2], [3, 4]]), "layout": np.array([1.0, 1, 0])}
    asked["sets"] = np.array([[0.0, 0, 0], [1, 0, 0]])
    other = {**asked, "coefficients": np.array([[1.0, 2], [3, 5]])}
    for which, expected in ((0, 1), (1, 0)):
        now = _made(asked, study.variables) | {"set": _set(asked, which)}
        for said, size in ((asked, 1), (other, expected)):
            of = canonical(_made(said, study.variables) | {"set": _set(said, which)}).decode()
            assert _on_scale(End("", "", SCORES, of, "", np.array([1.5])), now, study.variables).size == size


# Two plans at a time.


class Meanwhile:
    """A runtime that runs another plan to its end when a question of a step was shared, before it is opened."""

    name = "embedded"

    def __init__(self, inner: Embedded, step: str, other: Callable[[Embedded], None]) -> None:
        self.inner, self.step, self.other = inner, step, other
        self.asked = ""

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        if requests[0].step == "open.values" and self.asked.endswith(self.step):
            self.step = "none"
            self.other(self.inner)
        self.asked = self.asked if requests[0].step.startswith("open") else requests[0].step
        return self.inner.ask(requests)


@pytest.mark.parametrize("step", ["exits", "subgroup"])
def test_what_another_plan_opens_between_a_share_and_its_opening_counts(tmp_path: Path, step: str) -> None:
    """Attack: questions of two plans are shared before either is opened."""
    validated = [VALIDATED % (-4, 0.06, 0.01, 0.3, cut) for cut in (63.9, 64)]
    first, then = validated if step == "subgroup" else (curve(200, DAY - 1), curve(200, DAY))

    def run_first(runtime: Embedded) -> None:
        coordinator = Keys.open(tmp_path / "coordinator.keys")
        publics = {name: site.keys.public for name, site in one.sites.items()}
        plan = make_plan(Study.parse(text({"a": first})), {"coordinator": coordinator.public, **publics})
        for site in one.sites.values():
            site.approve(plan)
        run = Run(plan, Journal(tmp_path / "other.jsonl", coordinator, runtime))
        assert all(not run.stopped for _ in run)
        assert list(run.results) == ["a"]

    hospitals = divide(drawn(), np.arange(SIZE) % 4)
    one = house(tmp_path, text({"a": then}), hospitals, wrap=lambda inner: Meanwhile(inner, step, run_first))
    run = one.run()
    if step == "exits":
        assert list(told(run)) == [200]
    else:
        assert run.stopped == {}
        assert not isinstance(run.results["a"].table("subgroups").rows[0][4], Interval)
