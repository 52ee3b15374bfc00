"""Attacks on thresholds, subgroups and folds of imputed data: two data sets differ by the few whose values are drawn.

Whoever lacks nothing has the same score in every data set. What is counted in one and not in another is about those who
lack a value; where that is one person, the class whose count moves is this person's outcome.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gagyo.federation.line import Line
from gagyo.methods._validation.imputed_cuts import moving
from gagyo.protocol.study import Study
from gagyo.result import Interval, Result, Withheld
from tests.attacks.test_foreseen import validated
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import Rows, house

VARIABLES = "\n".join([number("x", -10, 10), number("v", -50, 50), number("y", 0, 1), boolean("s"), boolean("d")])
IMPUTED = (
    '  a: {method: imputation, purpose: prediction, cohort: all, formula: "d ~ x + v", model: logistic, impute: [v],'
    " times: 12, sweeps: 1}\n"
)
EQUATION = 'equation: {outcome: d, formula: "d ~ x + v", coefficients: {Intercept: 0, x: 5, v: 0.5}}'
SIZE = 1200


def text(*designs: str) -> str:
    """A validation of a given equation on imputed data, or of the model where folds are asked for."""
    of = "model: a" if any("folds" in one for one in designs) else f"imputation: a, {EQUATION}"
    return HEAD % (10, VARIABLES, f"{IMPUTED}  b: {{method: validate, cohort: all, {of}, {', '.join(designs)}}}\n")


def people(near: np.ndarray, women: int | None = None) -> dict[str, Rows]:
    """Four hospitals. Of the 300 who lack v some have scores `near`, all others' are far from 0 on either side.

    women: how many of those who lack v have the trait s, of the others half; if None, half of all.
    """
    random = np.random.default_rng(2)
    x = random.normal(size=SIZE)
    lacks = np.arange(SIZE) < 300
    x[lacks] = np.where(np.arange(300) % 2, 1, -1) * (1.2 + 0.2 * random.random(300))
    x[: len(near)] = near
    v = random.normal(size=SIZE)
    d = (random.random(SIZE) < 1 / (1 + np.exp(-1.5 * x))).astype(float)
    s = random.permutation(np.arange(SIZE) % 2).astype(float)
    if women is not None:
        s[lacks] = random.permutation(np.arange(300) < women)
    v[lacks] = np.nan
    y = np.where(np.arange(SIZE) < len(near), 0.5, random.random(SIZE))
    return divide({"x": x, "v": v, "y": y, "s": s, "d": d}, random.permutation(np.arange(SIZE) % 4))


def told(result: Result, threshold: int = 0) -> bool:
    """Whether accuracy at a threshold was opened."""
    row = result.table("thresholds").rows[threshold]
    assert all(isinstance(cell, Interval) for cell in row[2:]) or set(row[2:]) == {Withheld("withheld")}
    return isinstance(row[2], Interval)


# Thresholds.


@pytest.mark.parametrize(("near", "opens"), [(0, True), (1, False), (6, False), (60, True)])
def test_a_threshold_that_a_few_cross_is_withheld(tmp_path: Path, near: int, opens: bool) -> None:
    """The count that moves with them from one data set to the next is of those who have the outcome, or of the rest."""
    result = validated(tmp_path, text("threshold: {value: 0.5}"), people(np.zeros(near)))
    assert told(result) == opens


def test_a_person_who_moves_seldom_does_not_hide_one_who_moves_often() -> None:
    """Who is over the threshold in half of the sets is told by a variance that many rare moves do not blur."""
    often = np.arange(20)[:, None] % 2 == 0
    seldom = np.arange(20)[:, None] == np.arange(9)
    assert moving(np.column_stack([often, seldom])) == 2
    assert moving(np.tile(often, 10)) == 10
    assert moving(seldom) == 1
    assert moving(np.ones((20, 5), bool)) == moving(np.zeros((20, 0), bool)) == 0


def test_few_of_those_who_lack_a_value_are_in_no_cell(tmp_path: Path) -> None:
    """Many lack nothing there: the count of complete people, which another analysis may tell, leaves the few."""
    study = text("threshold: [{value: 0.9}, {value: 0.99}]").replace("v: 0.5}", "v: 0.05}")
    for number_there, opens in ((0, True), (5, False), (30, True)):
        result = validated(tmp_path / str(number_there), study, people(np.full(number_there, 0.7)))
        assert (told(result, 0) and told(result, 1)) == opens


def test_a_decision_curve_has_no_finer_cells(tmp_path: Path) -> None:
    result = validated(
        tmp_path, text("threshold: {value: 0.5}", "decision: [0.45, 0.48, 0.5, 0.52, 0.55]"), people(np.zeros(1))
    )
    assert not told(result)
    assert all(0.5 not in curve.series[0].x for curve in result.curves)


def test_another_cohort_that_counts_the_same_scores_hides_nobody(tmp_path: Path) -> None:
    """Who is left between two cohorts is counted beside those who move, not in their place."""
    whole = text("threshold: {value: 0.5}")
    again = whole.partition("analyses:\n")[2].replace("  a:", "  c:").replace("  b:", "  e:")
    again = again.replace("cohort: all", "cohort: most").replace("imputation: a,", "imputation: c,")
    study = whole.replace("  all: {}\n", '  all: {}\n  most: {where: "y < 0.6"}\n') + again
    for near, opens in ((1, False), (60, True)):
        going = house(tmp_path / str(near), study, people(np.zeros(near))).run()
        assert going.stopped == {}
        assert [told(going.results[name]) for name in ("b", "e")] == [opens] * 2


def test_a_subgroup_that_ends_a_little_beside_a_threshold_shuts_it(tmp_path: Path) -> None:
    """Of an equation that all but one variable makes up: those between x = 0.01 and a risk of a half are a few."""
    for cut, opens in ((0.01, False), (0.5, True)):
        study = text("threshold: {value: 0.5}", f"subgroups: [{{variable: x, cuts: [{cut}]}}]")
        result = validated(tmp_path / str(cut), study.replace("v: 0.5}", "v: 0.0001}"), people(np.zeros(0)))
        assert told(result) == opens


# Subgroups.


@pytest.mark.parametrize(("women", "opens"), [(0, True), (4, False), (296, False), (100, True)])
def test_a_group_of_few_who_lack_a_value_is_withheld(tmp_path: Path, women: int, opens: bool) -> None:
    """Expected cases of a group differ from one data set to the next by those of it whose values are drawn."""
    result = validated(tmp_path, text("subgroups: [s]"), people(np.zeros(0), women))
    rows = result.table("subgroups").rows
    assert all(isinstance(row[3], Interval) == opens for row in rows)


# Folds.


@pytest.mark.parametrize(("women", "opens"), [(42, False), (150, True)])
def test_a_fold_of_few_who_lack_a_value_and_have_a_trait_is_withheld(tmp_path: Path, women: int, opens: bool) -> None:
    """Everyone's sums less those of the people outside a fold are the fold's, and in one a few women lack v."""
    study = text("folds: 4").replace("d ~ x + v", "d ~ x + v + s")
    result = validated(tmp_path, study, people(np.zeros(0), women))
    row = result.table("performance").rows[1]
    assert isinstance(row[1], Interval) == opens


def test_the_chains_of_folds_count_with_the_others() -> None:
    """How many chains tell of the same people says from when on every pattern of missing values is ruled on."""
    for designs, swept in (("folds: 0", 12), ("folds: 4", 60), ("threshold: {value: 0.5}", 12)):
        line = Line(Study.parse(text(designs)))
        assert line.methods["a"].spec.swept == swept


def test_an_ordinary_study_has_all_designs(tmp_path: Path) -> None:
    """Two thousand people at four unequal hospitals; a fifth lack one predictor, a tenth another, a few both."""
    random, size = np.random.default_rng(3), 2000
    s, x = (random.random(size) < 0.5).astype(float), random.normal(size=size)
    v, w = x + random.normal(size=size), random.normal(size=size) - x
    d = (random.random(size) < 1 / (1 + np.exp(1 - 0.8 * x - 0.5 * v + 0.3 * s))).astype(float)
    v[random.random(size) < 0.2], w[random.random(size) < 0.1] = np.nan, np.nan
    there = divide({"x": x, "v": v, "w": w, "s": s, "d": d}, np.minimum(random.geometric(0.45, size) - 1, 3))
    variables = "\n".join([*(number(name, -50, 50) for name in "xvw"), boolean("s"), boolean("d")])
    study = HEAD % (
        10,
        variables,
        '  a: {method: imputation, purpose: prediction, cohort: all, formula: "d ~ x + s + v + w", model: logistic,'
        " impute: [v, w], times: 5, sweeps: 2}\n"
        "  b: {method: validate, cohort: all, model: a, folds: 4, threshold: [{value: 0.2}, {value: 0.4}],"
        " decision: [0.1, 0.2, 0.3, 0.4, 0.5], subgroups: [s]}\n",
    )
    result = validated(tmp_path, study, there)
    assert all(isinstance(row[1], Interval) for row in result.table("performance").rows)
    assert told(result, 0)
    assert told(result, 1)
    assert len(result.curves[0].series[0].x) > 2
    assert all(isinstance(row[3], Interval) for row in result.table("subgroups").rows)
