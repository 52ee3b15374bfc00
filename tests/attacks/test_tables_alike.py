"""Attacks by tables of two variables that are nearly the same: the few by whom they differ are in one cell less."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from tests.attacks.test_hostile import told
from tests.contract.data import HEAD, boolean, category, divide, number
from tests.hospitals import house

SIZE = 400
VARIABLES = "\n".join(
    [
        *(number(name, 0, 400) for name in ("x", "v", "given", "lab", "lab2")),
        *(boolean(name) for name in ("t", "wider", "y")),
        category("g", ("a", "b", "c")),
    ]
)


def people(few: int) -> dict[str, np.ndarray]:
    """Of a few people, all dead, a trait and a dose differ, and who has a value of two that are the same."""
    random = np.random.default_rng(7)
    data = {name: (random.random(SIZE) < 0.5).astype(float) for name in ("t", "y")}
    data |= {name: random.normal(100, 10, SIZE) for name in ("x", "v", "lab", "lab2")}
    some = np.flatnonzero((data["t"] == 0) & (data["y"] == 1))[:few]
    data["wider"], data["given"] = data["t"].copy(), data["v"].copy()
    data["wider"][some], data["given"][some] = 1.0, 140.0 + np.arange(few)
    data["g"] = np.where(data["wider"] == 1, 2.0, random.integers(0, 2, SIZE))
    data["lab"][300:] = np.nan
    data["lab2"] = data["lab"].copy()
    data["lab2"][some] = np.nan
    return data


def asked(folder: Path, few: int, *analyses: str) -> Run:
    lines = "".join(f"  a{at}: {{cohort: all, {one}}}\n" for at, one in enumerate(analyses))
    return house(folder, HEAD % (10, VARIABLES, lines), divide(people(few), np.arange(SIZE) % 4)).run()


def opened(run: Run, name: str) -> dict[str, bool]:
    """By variable and kind, whether anything was opened of the dead at its first level, or of their values."""
    found = {key: ~np.isnan(one[key]) for one in told(run, name) for key in one.values if "." in key}
    return {key: bool((one[0] if one.ndim == 2 else one)[-1]) for key, one in found.items() if one.size}


TABLE = "method: describe, by: y, variables: [%s]"


def test_without_the_rule_a_table_tells_whether_the_one_has_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gagyo.site.compared.tables_between", lambda *_: {})
    (first, _) = told(asked(tmp_path, 1, TABLE % "t, wider, v, given"), "a0")
    np.testing.assert_array_equal(first["wider.cells"][1] - first["t.cells"][1], [0, 1])
    assert first["given.sum"][1] - first["v.sum"][1] == pytest.approx(140 - people(1)["v"][last(1)])


def last(few: int) -> int:
    data = people(few)
    return int(np.flatnonzero(data["wider"] != data["t"])[-1])


@pytest.mark.parametrize("few", [9, 10])
def test_of_two_that_are_nearly_the_same_the_first_is_told(tmp_path: Path, few: int) -> None:
    names = ("t", "wider", "g", "v", "given", "lab", "lab2", "x")
    found = opened(asked(tmp_path, few, TABLE % ", ".join(names)), "a0")
    shut = {key for key, there in found.items() if not there}
    some = {"wider.cells", "g.cells", "given.sum", "given.squares", "lab2.sum", "lab2.squares"}
    assert shut == (some if few < 10 else set())


ORDERS = {
    "two tables": (TABLE % "t", TABLE % "wider", "wider.cells"),
    "groups the other way": ("method: describe, by: t, variables: [y]", TABLE % "wider", "wider.cells"),
    "a comparison": (
        "method: compare, by: y, variables: [t]",
        "method: compare, by: y, variables: [wider]",
        "wider.cells",
    ),
    "groups of the wider": (TABLE % "t", "method: describe, by: wider, variables: [y]", "y.cells"),
    "a model": ("method: logistic, formula: 'y ~ x + wider'", TABLE % "t", "t.cells"),
    "a mean": ("method: linear, formula: 'v ~ x'", "method: describe, variables: [given]", "given.sum"),
    "a mean, then by group": ("method: linear, formula: 'v ~ x'", TABLE % "given", "given.sum"),
    "quantiles": ("method: quantiles, variables: [v]", "method: quantiles, variables: [given]", "given.present"),
}


@pytest.mark.parametrize("name", ORDERS)
def test_of_two_analyses_the_cell_of_the_later_one_stays_shut(tmp_path: Path, name: str) -> None:
    *analyses, cell = ORDERS[name]
    run = asked(tmp_path, 3, *analyses)
    assert "a1" in run.stopped or opened(run, "a1")[cell] is False
    assert "a0" not in run.stopped


AFTER = {
    "traits by group": (TABLE % "t", "method: logistic, formula: 'y ~ x + wider'", True),
    "means": ("method: describe, variables: [v]", "method: linear, formula: 'given ~ x'", True),
    "counts alone": ("method: describe, variables: [t]", "method: logistic, formula: 'y ~ x + wider'", False),
    "other groups": ("method: describe, by: g, variables: [t]", "method: logistic, formula: 'y ~ x + wider'", False),
}


@pytest.mark.parametrize("name", AFTER)
def test_of_a_model_after_a_table_nothing_is_told(tmp_path: Path, name: str) -> None:
    table, model, withheld = AFTER[name]
    run = asked(tmp_path, 3, table, model)
    assert list(run.stopped) == (["a1"] if withheld else [])
