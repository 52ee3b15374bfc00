"""Attacks by two variables that are the same for all but a few people, each in a model of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.attacks.test_hostile import told
from tests.contract.data import HEAD, boolean, category, divide, number
from tests.hospitals import house

SIZE = 400
VARIABLES = "\n".join(
    [
        *(number(name, 0, 200) for name in ("x", "v", "w", "given")),
        *(boolean(name) for name in ("t", "wider", "none", "y")),
        category("g", ("a", "b", "c")),
    ]
)


def people(few: int) -> dict[str, np.ndarray]:
    """Of a few people variables differ that are the same for all others."""
    random = np.random.default_rng(7)
    t = (random.random(SIZE) < 0.4).astype(float)
    first = np.flatnonzero(t == 0)[:few]
    wider, given, w = t.copy(), random.normal(100, 10, SIZE), random.normal(50, 10, SIZE)
    wider[first] = 1.0
    planned = given.copy()
    planned[first] += 7.0
    data = {"x": random.normal(60, 12, SIZE), "v": planned, "w": w, "given": given, "t": t, "wider": wider}
    g = np.where(wider == 1, 2.0, random.integers(0, 2, SIZE))
    return data | {"none": 1 - wider, "y": (random.random(SIZE) < 0.5).astype(float), "g": g}


def stopped(folder: Path, few: int, *analyses: str) -> list[str]:
    lines = "".join(f"  a{at}: {{cohort: all, {one}}}\n" for at, one in enumerate(analyses))
    run = house(folder, HEAD % (10, VARIABLES, lines), divide(people(few), np.arange(SIZE) % 4)).run()
    assert not any(told(run, name) for name in run.stopped), "nothing was opened"
    return list(run.stopped)


TWO: Mapping[str, tuple[str, str]] = {
    "a wider trait": ("method: linear, formula: 'w ~ x + t'", "method: linear, formula: 'w ~ x + wider'"),
    "its contrary": ("method: linear, formula: 'w ~ x + t'", "method: logistic, formula: 'y ~ x + none'"),
    "a level": ("method: linear, formula: 'w ~ x + t'", "method: linear, formula: 'w ~ x + C(g)'"),
    "a measurement": ("method: linear, formula: 'v ~ x'", "method: linear, formula: 'given ~ x'"),
}


def test_without_the_rule_two_sums_differ_by_one_persons_value() -> None:
    data = people(1)
    who = np.flatnonzero(data["t"] == 0)[0]
    assert data["x"] @ data["wider"] - data["x"] @ data["t"] == pytest.approx(data["x"][who], rel=1e-9)


@pytest.mark.parametrize(("name", "few"), [*((name, 1) for name in TWO), ("a level", 15), ("a measurement", 15)])
def test_models_with_variables_that_differ_for_a_few_are_not_both_told(tmp_path: Path, name: str, few: int) -> None:
    assert stopped(tmp_path, few, *TWO[name]) == (["a1"] if few < 10 else [])


def test_both_in_one_line_are_not_told_either(tmp_path: Path) -> None:
    assert stopped(tmp_path, 3, "method: linear, formula: 'w ~ v + given'") == ["a0"]


def test_a_table_that_counts_both_is_told(tmp_path: Path) -> None:
    assert (
        stopped(tmp_path, 3, "method: describe, variables: [t, x, w], by: y", "method: linear, formula: 'w ~ wider'")
        == []
    )
