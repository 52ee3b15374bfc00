"""Attacks by a model of competing events: a few people's competing event, or a level that a few of them have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from tests.contract.data import HEAD, boolean, category, divide, number
from tests.hospitals import house

VARIABLES = [number("x", -10, 10), number("t", 0, 4000), category("ending", ("none", "ill", "dead")), boolean("g")]
BOTH = (
    '  fine: {method: fine_gray, cohort: all, formula: "ending ~ x + g", time: t, event: ill}\n'
    '  other: {method: fine_gray, cohort: all, formula: "ending ~ x", time: t, event: dead}\n'
)


def ran(folder: Path, dead: int, both: int) -> Run:
    """400 people; `dead` of them have the competing event first, and `both` of those the trait."""
    random = np.random.default_rng(7)
    c = np.where(np.arange(400) % 3 == 0, 1.0, 0.0)
    g = (np.arange(400) // 4 % 2).astype(float)
    who = np.flatnonzero(c == 0)[:dead]
    c[who], g[who] = 2.0, (np.arange(dead) < both).astype(float)
    data = {
        "x": np.clip(random.normal(size=400), -9, 9),
        "t": np.ceil(random.exponential(300, 400)),
        "ending": c,
        "g": g,
    }
    data["t"] = np.clip(data["t"], 1, 3999)
    return house(folder, HEAD % (10, "\n".join(VARIABLES), BOTH), divide(data, np.arange(400) % 4)).run()


@pytest.mark.parametrize("dead", [1, 4, 9])
def test_a_few_competing_events_are_not_fitted(tmp_path: Path, dead: int) -> None:
    """Less a Cox model of the event, the score would be those few people's columns."""
    run = ran(tmp_path, dead, dead)
    assert sorted(run.stopped) == ["fine", "other"]


@pytest.mark.parametrize("both", [3, 27])
def test_a_trait_of_a_few_with_the_competing_event_is_not_fitted(tmp_path: Path, both: int) -> None:
    run = ran(tmp_path, 30, both)
    assert sorted(run.stopped) == ["fine"]


def test_an_ordinary_study_of_competing_events_passes(tmp_path: Path) -> None:
    run = ran(tmp_path, 60, 30)
    assert run.stopped == {}
    assert run.results["fine"].table("subdistribution_model").rows[0][:4] == (400, 134, 60, 206)
