"""Attacks by two variables that are the same for all but a few people, each in a model of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.protocol.study import Study
from gagyo.release.aggregate import NOBODY
from gagyo.site.alike import unlike_cells
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


PARTS = "  old: {where: 'x >= 66'}\n  most: {where: 'x < 66'}\n"
THREE = {name: "method: linear, formula: 'w ~ x + %s', cohort: %s" for name in ("all", "old", "most")}
THREE = {name: one % ("wider" if name == "most" else "t", name) for name, one in THREE.items()}


def parted(folder: Path, few: int) -> Run:
    """Everyone by a trait, those of 66 and more by it, and the others by a wider one."""
    data = people(few)
    data["x"][data["wider"] != data["t"]] = 50.0
    lines = "".join(f"  {name}: {{{one}}}\n" for name, one in THREE.items())
    text = (HEAD % (10, VARIABLES, lines)).replace("  all: {}\n", "  all: {}\n" + PARTS)
    return house(folder, text, divide(data, np.arange(SIZE) % 4)).run()


def test_without_the_rule_a_third_cohort_leaves_the_one_by_whom_two_traits_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gagyo.site.compared.unlike_cells", lambda *_: NOBODY)
    run = parted(tmp_path, 1)
    sums = {name: of_trait(run, name) for name in THREE}
    data = people(1)
    who = np.flatnonzero(data["wider"] != data["t"])[0]
    found = sums["most"] - (sums["all"] - sums["old"])
    assert found == pytest.approx([1, 50.0, data["w"][who]], rel=1e-9)


def of_trait(run: Run, name: str) -> np.ndarray:
    """How many have the trait, and the sums of x and w over them: from products about opened means."""
    first, second = told(run, name)[:2]
    n, mean = first["people"][0], first["sums"] / first["people"][0]
    about = np.zeros((4, 4))
    about[np.triu_indices(4)] = second["products"]
    sums = about[[1, 2], [2, 3]] + n * mean[2] * mean[[1, 3]]
    return np.array([n * mean[2], *sums])


@pytest.mark.parametrize("few", [1, 15])
def test_two_traits_that_differ_by_a_few_are_not_told_of_two_cohorts_either(tmp_path: Path, few: int) -> None:
    assert list(parted(tmp_path, few).stopped) == (["most"] if few < 10 else [])


def test_two_traits_of_cohorts_that_share_a_few_people_are_told(tmp_path: Path) -> None:
    """Nothing leaves the five who are in both."""
    data = people(15)
    data["v"][:] = np.arange(SIZE)
    where = "  one: {where: 'v < 180'}\n  two: {where: 'v >= 175'}\n"
    lines = "".join(f"  {name}: {{{THREE['all'].replace('all', name)}}}\n" for name in ("one", "two"))
    variables = VARIABLES.replace(number("v", 0, 200), number("v", 0, 500))
    text = HEAD % (10, variables, lines.replace("+ t', cohort: two", "+ wider', cohort: two"))
    text = text.replace("  all: {}\n", where)
    assert house(tmp_path, text, divide(data, np.arange(SIZE) % 4)).run().stopped == {}


def test_of_many_people_the_few_are_counted_and_of_many_only_that_they_are_many() -> None:
    random, size = np.random.default_rng(3), 50_000
    x, rare = random.normal(60, 12, size), (random.random(size) < 0.01).astype(float)
    data = {"x": x, "v": x.copy(), "w": random.normal(50, 10, size), "t": rare, "wider": rare.copy(), "y": 1 - rare}
    last = np.flatnonzero(rare == 0)[-3:]  # far behind those who are looked at first
    data["v"][-3:], data["wider"][last], data["y"][last] = 0.0, 1.0, 0.0
    variables = Study.parse(HEAD % (10, VARIABLES, "  a: {method: linear, cohort: all, formula: 'w ~ x'}\n")).variables

    def cells(one: str, other: str, who: np.ndarray) -> list[int]:
        return [int(cell) for cell in unlike_cells(((one, other),), data, variables, who)]

    everyone = np.ones(size, bool)
    assert cells("x", "v", everyone) == [3]
    assert cells("t", "wider", everyone) == [3, size - 3]
    assert cells("y", "t", everyone) == [size - 3, 3]
    assert min(cells("x", "w", everyone)) >= 256
    everyone[-3:] = False
    assert cells("x", "v", everyone) == [0]
