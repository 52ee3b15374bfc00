"""Attacks by two ways to treat tied events: what they differ by is the few people who had the event at one time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.methods._survival.times import tied
from tests.attacks.test_hostile import told
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import house

SIZE = 320
VARIABLES = "\n".join([number("x", 0, 200), number("time", 0, 5000), *(boolean(name) for name in ("t", "d", "s"))])
COX = "method: cox, formula: 'd ~ x + t', time: time, proportional: none"
WAYS = {
    "first": COX + ", ties: efron",
    "again": COX + ", ties: efron, robust: true",
    "breslow": COX + ", ties: breslow",
    "test": "method: log_rank, time: time, event: d, by: t",
    "weighted": "method: log_rank, time: time, event: d, by: t, weight: gehan",
}


def people(pairs: int) -> dict[str, np.ndarray]:
    """Pairs of people who had the event at one time, all at one hospital."""
    random = np.random.default_rng(2)
    data = {"x": random.normal(60, 10, SIZE), "time": 1 + random.exponential(300, SIZE)}
    data |= {name: (random.random(SIZE) < 0.5).astype(float) for name in ("t", "d", "s")}
    events = np.flatnonzero((data["d"] == 1) & (np.arange(SIZE) % 4 == 1))
    data["time"][events[: 2 * pairs : 2]] = data["time"][events[1 : 2 * pairs : 2]]
    return data


def asked(folder: Path, pairs: int, ways: Mapping[str, str]) -> Run:
    lines = "".join(f"  {name}: {{cohort: all, {one}}}\n" for name, one in ways.items())
    return house(folder, HEAD % (10, VARIABLES, lines), divide(people(pairs), np.arange(SIZE) % 4)).run()


def test_without_the_rule_two_ways_tell_how_old_the_two_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gagyo.site.compared.ties_between", lambda *_: {})
    run, data = asked(tmp_path, 1, {name: WAYS[name] for name in ("first", "breslow")}), people(1)
    first, breslow = (next(one["fit"] for one in told(run, name) if "fit" in one.values) for name in run.results)
    events = np.flatnonzero((data["d"] == 1) & (np.arange(SIZE) % 4 == 1))[:2]
    at_risk = (data["time"] >= data["time"][events[0]]) & (np.arange(SIZE) % 4 == 1)
    n = 1 / (1 - np.exp(breslow[-1] - first[-1]))
    assert n == pytest.approx(at_risk.sum())
    less = (n - 1) * (first[0] - breslow[0])
    assert data["x"][at_risk].mean() + less == pytest.approx(data["x"][events].mean())


@pytest.mark.parametrize(("pairs", "stopped"), [(0, []), (4, ["breslow", "test"]), (5, [])])
def test_ties_of_a_few_are_treated_in_one_way(tmp_path: Path, pairs: int, stopped: list[str]) -> None:
    run = asked(tmp_path, pairs, WAYS)
    assert list(run.stopped) == stopped
    assert not any("fit" in one.values for name in stopped for one in told(run, name))
    assert not told(run, "test") or "test" not in stopped


def test_beside_a_test_a_cox_model_takes_breslows_ties_where_few_are_tied(tmp_path: Path) -> None:
    """An ordinary study of a few hundred people has both; a model that asks for Efron's by name is withheld."""
    ways = {"model": COX, "test": WAYS["test"], "named": WAYS["first"], "later": COX}
    run = asked(tmp_path / "few", 4, ways)
    assert list(run.stopped) == ["named"]
    alone = asked(tmp_path / "alone", 4, {"model": WAYS["breslow"]})
    for name in ("model", "later"):
        assert run.results[name].estimates == alone.results["model"].estimates
        keys = [one.key for one in (*run.results[name].notes, *run.results[name].methods_text)]
        assert "survival.ties_of_few" in keys
        assert "survival.ties_breslow" in keys
    many = asked(tmp_path / "many", 5, {name: ways[name] for name in ("model", "test")}).results["model"]
    assert "survival.ties_efron" in [one.key for one in many.methods_text]
    assert many.estimates != alone.results["model"].estimates


def test_only_events_of_one_stratum_are_tied() -> None:
    time, event = np.array([3.0, 3.0, 3.0, 4.0, 4.0, 5.0]), np.array([1, 1, 1, 1, 0, 1]) == 1
    assert tied(time, event, None) == 3
    assert tied(time, event, np.array([0.0, 1, 1, 0, 0, 0])) == 2
    assert tied(time, event & (np.arange(6) > 1), None) == 0
