"""The gate lets ordinary emulated trials through: 20 random studies of more than a thousand people.

They differ in size, hazards, confounding, grace period and covariates, and are not picked by what the gate says. A grid
that has too few of some history gives way to a coarser one; at most one study in ten is withheld whole.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.contract.data import divide, study
from tests.hospitals import house

STUDIES = 20


@cache
def drawn(seed: int) -> tuple[str, dict[str, np.ndarray], np.ndarray]:
    """A study, its people and their hospitals."""
    rng = np.random.default_rng(1000 + seed)
    size = int(rng.integers(1200, 3600))
    severe = (rng.random(size) < rng.uniform(0.3, 0.6)).astype(float)
    age = rng.normal(60, 9, size).clip(20, 95)
    hazard = np.exp(-rng.uniform(5.8, 6.8) + 0.03 * (age - 60) + rng.uniform(0, 0.7) * severe)
    dies, lost = rng.exponential(1 / hazard), rng.uniform(60, 900, size)
    starts = rng.exponential(np.exp(rng.uniform(4, 5) + rng.uniform(-0.02, 0.02) * (age - 60) + 0.4 * severe))
    days = np.ceil(np.minimum(np.minimum(dies, lost), 900))
    start = np.ceil(starts)
    start = np.where(start <= days, start, np.nan)
    grace = int(rng.choice([60, 90, 120]))
    adjust = rng.choice(["age", "age + severe"])
    times = "[180, 270]" if seed % 2 else "[]"
    hospitals = "own" if seed % 3 else "pooled"
    analysis = (
        f"  a: {{method: target_trial, cohort: all, time: days, event: died, start: start, grace: {grace},"
        f' horizon: 360, times: {times}, adjust: "{adjust}", hospitals: {hospitals}}}\n'
    )
    data = {"days": days, "died": (dies <= days).astype(float), "start": start, "age": age, "severe": severe}
    return study("grafts", analysis, 10), data, rng.integers(0, 4, size)


@pytest.fixture(scope="module")
def grids(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[float]]:
    """The grid on which each study was let out; none of one that was not."""
    out = {}
    for seed in range(STUDIES):
        text, data, where = drawn(seed)
        run = house(Path(tmp_path_factory.mktemp(f"trial{seed}")), text, divide(data, where)).run()
        rows = run.results["a"].table("trial_intervals").rows if "a" in run.results else ()
        out[seed] = [float(str(row[0])) for row in rows]
    return out


def test_nearly_all_are_let_out(grids: dict[int, list[float]]) -> None:
    assert sum(len(grid) > 0 for grid in grids.values()) >= 18


def test_most_declared_grids_are_kept_whole(grids: dict[int, list[float]]) -> None:
    declared = [seed for seed in grids if seed % 2]
    assert sum(len(grids[seed]) == 4 for seed in declared) >= 6


@pytest.mark.parametrize("seed", [3, 11, 13])
def test_times_within_the_grace_period_that_few_leave_cost_none_after_it(tmp_path: Path, seed: int) -> None:
    """Whether the hospitals withhold their own tables of the finest grid (11, 13), or all of them the sum (3)."""
    text, data, where = drawn(seed)
    run = house(tmp_path, text.replace("[180, 270]", "[2, 180, 270]"), divide(data, where)).run()
    assert run.stopped == {}
    rows = run.results["a"].table("trial_intervals").rows
    assert [row[0] for row in rows][1:] == [180, 270, 360]
    assert [note.values["found"] for note in run.results["a"].notes if note.key == "trial.gave_way"] == ["2"]
