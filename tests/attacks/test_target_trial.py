"""Attacks on an emulated trial: both arms share people, whom their differences show; chosen arguments; heavy clones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.federation.rows import Rows
from gagyo.methods import target_trial
from gagyo.protocol.study import Study
from gagyo.runtime.embedded import Embedded
from gagyo.statistics.target_trial import Histories
from tests.attacks.test_amended import Years
from tests.attacks.test_door import Stolen, Wiretap, refused
from tests.attacks.test_weighting import ruled_out
from tests.contract.data import divide, study
from tests.hospitals import House, house

ANALYSIS = (
    "  a: {method: target_trial, cohort: all, time: days, event: died, start: start, grace: 90, horizon: 360,"
    ' adjust: "%s", hospitals: %s}\n'
)
WHERE = np.arange(1600) % 4
"""Four hospitals of 400."""


def people(seed: int = 1, size: int = 1600) -> dict[str, np.ndarray]:
    """Ordinary people: every history belongs to many."""
    rng = np.random.default_rng(seed)
    severe = (rng.random(size) < 0.5).astype(float)
    age = rng.normal(60, 8, size).clip(30, 90)
    dies, lost = rng.exponential(500, size), rng.uniform(20, 800, size)
    days = np.ceil(np.minimum(dies, lost))
    start = np.ceil(rng.exponential(120 * np.exp(0.3 * severe), size))
    start = np.where(start <= days, start, np.nan)
    return {"days": days, "died": (dies <= lost).astype(float), "start": start, "age": age, "severe": severe}


def text(adjust: str = "age + severe", hospitals: str = "own") -> str:
    return study("grafts", ANALYSIS % (adjust, hospitals), 10)


def histories(data: dict[str, np.ndarray]) -> Histories:
    return Histories.of(data["days"], data["died"] == 1, data["start"], np.array([90.0, 360]), 1)


def moved_away(data: dict[str, np.ndarray], chosen: np.ndarray, left: int) -> dict[str, np.ndarray]:
    """All but the first few of the chosen go on living, past the horizon."""
    gone = np.flatnonzero(chosen)[left:]
    data["days"][gone], data["died"][gone] = 700.0, 0.0
    return data


def started_and_died(data: dict[str, np.ndarray]) -> np.ndarray:
    """Who started and then died within the grace period: the difference of both arms' events in it."""
    one = histories(data)
    return np.asarray(one.within & (one.leaves == 0) & one.event)


def test_without_the_gate_both_arms_together_count_a_few_people() -> None:
    data = moved_away(people(), started_and_died(people()), 3)
    parsed = Study.parse(text())
    rows = Rows("seoul", parsed.variables, data, [b"p"] * 1600, "x")
    who = {"formula": "died ~ age + severe", "hospitals": "own", "time": "days", "start": "start"}
    how = {**who, "edges": np.array([90.0, 360]), "grace": 1, "coefficients": np.array([-0.01, 0.2])}
    sums = target_trial.arms(rows, **how, largest=np.array([1e12]), least=10)["arms"].values[:16].reshape(2, 4, 2)
    assert sums[0, 1, 0] - sums[1, 1, 0] == 3


@pytest.mark.parametrize(("left", "out"), [(3, True), (9, True), (24, False)])
def test_those_few_are_withheld(tmp_path: Path, left: int, out: bool) -> None:
    data = moved_away(people(), started_and_died(people()), left)
    assert started_and_died(data).sum() == left
    run = house(tmp_path, text("age"), divide(data, WHERE)).run()
    assert ("a" in run.stopped) == out


@pytest.mark.parametrize(("few", "out"), [(7, True), (40, False)])
def test_who_left_alike_with_a_trait_is_no_few(tmp_path: Path, few: int, out: bool) -> None:
    data = people()
    ends = np.flatnonzero(started_and_died(data))
    data["severe"][ends] = 1.0
    data["severe"][ends[: min(few, len(ends) // 2)]] = 0.0
    run = house(tmp_path, text("age + severe"), divide(data, WHERE)).run()
    assert ("a" in run.stopped) == out


@pytest.mark.parametrize(("hospitals", "out"), [("own", True), ("pooled", False)])
def test_with_an_intercept_of_its_own_a_hospital_shows_no_few_of_its_own(
    tmp_path: Path, hospitals: str, out: bool
) -> None:
    data = people()
    here = np.flatnonzero((WHERE == 0) & histories(data).within & (data["died"] == 1))
    data["start"][here[4:]] = np.nan
    run = house(tmp_path, text("age", hospitals), divide(data, WHERE)).run()
    assert ("a" in run.stopped) == out


@pytest.mark.parametrize(("left", "grid"), [(4, [90, 360]), (30, [45, 90, 360])])
def test_a_few_who_started_early_and_left_later_give_a_time_up(tmp_path: Path, left: int, grid: list[int]) -> None:
    """Those who started by 45 days and died between 45 and 90: no end and no start alone is of a few people."""
    data = people(size=4800)
    early = (data["start"] <= 45) & (data["days"] > 45) & (data["days"] <= 90) & (data["died"] == 1)
    assert early.sum() >= 30
    data = moved_away(data, early, left)
    finer = text("age").replace("horizon: 360", "horizon: 360, times: [45]")
    run = house(tmp_path, finer, divide(data, np.arange(4800) % 4)).run()
    assert [row[0] for row in run.results["a"].table("trial_intervals").rows] == grid


def stopped_at(folder: Path, step: str) -> tuple[House, Any]:
    """A house whose run stands right before a step, and the honest request for it."""
    tap: list[Wiretap] = []

    def wrap(inner: Embedded) -> Wiretap:
        tap.append(Wiretap(inner))
        tap[0].until = step
        return tap[0]

    one = house(folder, text("age"), divide(people(), WHERE), wrap=wrap)
    with pytest.raises(Stolen):
        one.run()
    return one, next(request for request in tap[0].seen if request.step == step and request.site == "seoul")


CHOSEN = {
    "target_trial.histories_table": {"edges": np.array([30.0, 360]), "time": "age"},
    "target_trial.starting": {"coefficients": np.array([40.0]), "grace": 2},
    "target_trial.arms": {"coefficients": np.array([9.0]), "edges": np.array([89.0, 360]), "least": 400},
    "target_trial.slopes": {"hazards": np.array([[0.0, 1.0], [0.0, 0.0]])},
    "target_trial.errors": {"directions": np.full((4, 1), 1e6), "largest": np.array([1.0])},
}


@pytest.mark.parametrize("step", CHOSEN)
def test_what_would_single_people_out_cannot_be_chosen(tmp_path: Path, step: str) -> None:
    one, honest = stopped_at(tmp_path, step)
    for name, value in CHOSEN[step].items():
        refused(one.sites["seoul"], replace(honest, arguments={**honest.arguments, name: value}), "not_derived")
    assert one.sites["seoul"].answer(honest).outcome == "released"


@pytest.mark.parametrize(("slope", "out"), [(0.01, False), (0.25, True)])
@pytest.mark.parametrize("step", ["arms", "slopes", "errors"])
def test_a_clone_that_outweighs_everyone_stays(step: str, slope: float, out: bool) -> None:
    """Started against all odds, at 30 years of age where the others are 60."""
    data = people()
    data["age"] = np.where(np.arange(1600) == np.flatnonzero(histories(data).within)[0], 20.0, data["age"])
    parsed = Study.parse(text("age", "pooled"))
    rows = Rows("seoul", parsed.variables, data, [b"p"] * 1600, "x")
    how: dict[str, Any] = {"formula": "died ~ age", "hospitals": "pooled", "time": "days", "start": "start"}
    how |= {"edges": np.array([90.0, 360]), "grace": 1, "coefficients": np.array([0.0, slope]), "least": 12}
    more: dict[str, Any] = {"hazards": np.full((2, 2), 0.1)} if step != "arms" else {}
    more |= {"directions": np.zeros((4, 2))} if step == "errors" else {}
    found = getattr(target_trial, step)(rows, **how, **more, largest=np.array([1e12]))
    assert ruled_out(found, 1600) == out
    if out:
        bounded = getattr(target_trial, step)(rows, **how, **more, largest=np.array([3.0]))
        assert not ruled_out(bounded, 1600)


@pytest.mark.parametrize(("grace", "few", "out"), [(91, 1, True), (130, 40, False)])
def test_two_plans_with_other_grace_periods_do_not_enclose_a_few(
    tmp_path: Path, grace: int, few: int, out: bool
) -> None:
    """Attack: one person starts on day 91. Under a grace period of 90 days, and one of 91 in another plan, the numbers
    of those who started and died differ by that person.
    """
    data = people()
    data["start"][(data["start"] > 90) & (data["start"] <= 91)] = np.nan
    data["days"][data["days"] == 91] = 92.0
    data["start"][np.flatnonzero(data["days"] > 130)[:few]] = 91.0 if few == 1 else 120.0
    years = Years(tmp_path, divide(data, WHERE))
    first = text("age")
    assert years.stopped(first) == []
    assert years.stopped(first.replace("grace: 90", f"grace: {grace}")) == (["a"] if out else [])
