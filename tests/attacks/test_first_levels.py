"""Attacks on the first level of a category, which has no column: its people are everyone less those of the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.federation.rows import Rows as Inside
from gagyo.methods._gee_cells import cluster_cells
from gagyo.methods._glm_cells import _with_outcome
from gagyo.methods._mixed_cells import Clusters, block_cells, cluster_people, hospital_people
from gagyo.methods._target_trial_cells import _with_traits
from gagyo.methods._weighting_cells import own_cells
from gagyo.protocol.study import Study
from gagyo.release.case import few_there
from tests.attacks.test_imputation import asked_and_opened
from tests.contract.data import HEAD, boolean, category, divide, number
from tests.hospitals import house

VARIABLES = "\n".join([number("x", -10, 10), number("y", -10, 10), category("stage", ("i", "ii", "iii")), boolean("d")])
MODELS = {
    "linear": "method: linear, formula: 'y ~ x + stage + d'",
    "logistic": "method: logistic, formula: 'd ~ x + stage'",
    "firth": "method: firth, formula: 'd ~ x + stage'",
}


def drawn(few: int) -> dict[str, np.ndarray]:
    """People of whom a few are at the first stage and have d; of each other stage and d there are some hundred."""
    random = np.random.default_rng(1)
    data = {"x": np.clip(random.normal(size=800), -3, 3), "stage": random.integers(0, 3, 800).astype(float)}
    data["d"] = (random.random(800) < 0.4).astype(float)
    data["d"][np.flatnonzero((data["stage"] == 0) & (data["d"] == 1))[few:]] = 0.0
    return data | {"y": data["x"] + random.normal(size=800)}


def test_without_the_gate_they_are_counted_to_the_last_one() -> None:
    study = Study.parse(HEAD % (10, VARIABLES, f"  a: {{{MODELS['linear']}, cohort: all}}\n"))
    there = divide(drawn(3), np.arange(800) % 4)
    inside = {name: Inside(name, study.variables, one.columns, one.persons, "k 0") for name, one in there.items()}
    opened = {ask.step.name: got for ask, got in asked_and_opened(study, inside)}
    means = opened["linear.means"]["sums"]
    upper = list(zip(*np.triu_indices(6), strict=True))
    products = dict(zip(upper, opened["linear.products"]["products"], strict=True))
    # Columns: intercept, x, two stages, d. About the means a product is its number less what independence gives.
    with_d = means[4]
    of_others = [products[stage, 4] + means[stage] * with_d / 800 for stage in (2, 3)]
    np.testing.assert_allclose(with_d - sum(of_others), 3, atol=1e-8)


@pytest.mark.parametrize("few", [3, 40])
@pytest.mark.parametrize("name", MODELS)
def test_a_trait_of_few_at_the_first_level_stays(tmp_path: Path, name: str, few: int) -> None:
    text = HEAD % (10, VARIABLES, f"  a: {{{MODELS[name]}, cohort: all}}\n")
    going = house(tmp_path, text, divide(drawn(few), np.arange(800) % 4)).run()
    found = [one.code for one in going.stopped["a"].findings] if going.stopped else []
    assert found in (["withheld_fit"], ["answer_withheld"]) if few < 10 else found == []


FOLDS = {"whole": "folds: 0, penalty: 0.1", "folds": "folds: 4"}
PRODUCTS = "\n".join(
    [number("x", -10, 10), number("y", -10, 10), category("g", ("a", "b", "c")), *(boolean(one) for one in "hd")]
)


def crossed(few: int) -> dict[str, np.ndarray]:
    """People of whom a few are at the first level of g, have h and have d; of each other combination there are many."""
    random = np.random.default_rng(2)
    data = {"x": np.clip(random.normal(size=1200), -3, 3), "g": random.integers(0, 3, 1200).astype(float)}
    data |= {one: (random.random(1200) < 0.5).astype(float) for one in "hd"}
    data["d"][np.flatnonzero((data["g"] == 0) & (data["h"] == 1) & (data["d"] == 1))[few:]] = 0.0
    return data | {"y": data["x"] + random.normal(size=1200)}


@pytest.mark.parametrize("few", [3, 40])
@pytest.mark.parametrize("model", ["linear, formula: 'y ~ x + g * h + d'", "logistic, formula: 'd ~ x + g * h'"])
def test_a_trait_of_few_at_the_first_levels_of_a_product_stays(tmp_path: Path, model: str, few: int) -> None:
    """Attack: who has h and d, less those of them at the other levels of g, which the product's columns count."""
    text = HEAD % (10, PRODUCTS, f"  a: {{method: {model}, cohort: all}}\n")
    going = house(tmp_path, text, divide(crossed(few), np.arange(1200) % 4)).run()
    found = [one.code for one in going.stopped["a"].findings] if going.stopped else []
    assert found in (["withheld_fit"], ["answer_withheld"]) if few < 10 else found == []


@pytest.mark.parametrize("people", [28, 240])
def test_a_fold_with_few_at_a_first_level_stays(tmp_path: Path, people: int) -> None:
    """Attack: everyone's sums less the training people's are a fold's, in which seven of 28 are at the first stage."""
    data = drawn(400)
    for d in (0, 1):
        there = np.flatnonzero((data["stage"] == 0) & (data["d"] == d))
        data["stage"][there[people // 2 :]] = 1.0
    fit = "method: penalised, cohort: all, formula: 'd ~ x + stage', family: binomial, values: 4"
    text = HEAD % (10, VARIABLES, "".join(f"  {one}: {{{fit}, {more}}}\n" for one, more in FOLDS.items()))
    going = house(tmp_path, text, divide(data, np.arange(800) % 4)).run()
    assert "whole" in going.results
    found = [one.code for one in going.stopped["folds"].findings] if going.stopped else []
    assert found in (["withheld_fit"], ["answer_withheld"]) if people < 40 else found == []


OWN: dict[str, Callable[[Inside], Any]] = {
    "weighting": lambda rows: own_cells(rows, rows.formula("d ~ x + stage"), "y", "own"),
    "mixed": lambda rows: block_cells(rows, rows.formula("y ~ x + stage"), []).people,
    "mixed, hospitals apart": lambda rows: hospital_people(rows, rows.formula("y ~ x + stage")),
    "mixed, clusters": lambda rows: cluster_people(rows, rows.formula("y ~ x + stage"), Clusters(rows, "ward")),
    "gee": lambda rows: cluster_cells(rows, rows.formula("d ~ x + stage"), "binomial", "ward"),
}


@pytest.mark.parametrize("people", [3, 30])
@pytest.mark.parametrize("name", OWN)
def test_few_at_a_hospitals_first_level_are_cells_of_its_own(name: str, people: int) -> None:
    """With an effect of its own a hospital adds fractions of its table, in which each level stands; so does a ward."""
    data = drawn(400)
    data["stage"][np.flatnonzero(data["stage"] == 0)[people:]] = 1.0
    # All who are left at the first stage are in one ward, and half of them have d.
    left = np.flatnonzero(data["stage"] == 0)
    data |= {"ward": np.where(data["stage"] == 0, 1.0, np.arange(800) % 2)}
    data["d"][left] = np.arange(people) % 2
    declared = "\n".join([VARIABLES, number("ward", 0, 9)])
    variables = Study.parse(HEAD % (10, declared, f"  a: {{{MODELS['linear']}, cohort: all}}\n")).variables
    rows = Inside("seoul", variables, data, [b"%d" % one for one in range(800)])
    counts = np.ravel(OWN[name](rows))
    assert people in counts
    assert few_there(counts, 10).any() == (people < 10)


@pytest.mark.parametrize("few", [3, 15])
def test_few_of_a_cluster_at_the_first_level_who_have_the_outcome_are_a_cell(few: int) -> None:
    """Thirty of a ward are at the first stage; its residuals, less those of the other stages, count who has d."""
    data = drawn(400)
    data["stage"][np.flatnonzero(data["stage"] == 0)[30:]] = 1.0
    data["d"][np.flatnonzero(data["stage"] == 0)] = np.arange(30) < few
    data |= {"ward": np.where(data["stage"] == 0, 1.0, np.arange(800) % 2)}
    declared = "\n".join([VARIABLES, number("ward", 0, 9)])
    variables = Study.parse(HEAD % (10, declared, f"  a: {{{MODELS['linear']}, cohort: all}}\n")).variables
    rows = Inside("seoul", variables, data, [b"%d" % one for one in range(800)])
    counts = cluster_cells(rows, rows.formula("d ~ x + stage"), "binomial", "ward")
    assert few_there(counts, 10).any() == (few < 10)


@pytest.mark.parametrize("people", [3, 30])
def test_few_at_a_first_level_who_start_or_leave_in_an_interval_are_a_cell(people: int) -> None:
    """A target trial opens sums over who starts in each interval, and who is censored there."""
    data = drawn(400)
    data["stage"][np.flatnonzero(data["stage"] == 0)[people:]] = 1.0
    variables = Study.parse(HEAD % (10, VARIABLES, f"  a: {{{MODELS['linear']}, cohort: all}}\n")).variables
    rows = Inside("seoul", variables, data, [b"%d" % one for one in range(800)])
    cells = _with_traits(rows, rows.formula("d ~ x + stage"), np.ones(800, bool))
    assert people in cells.people
    assert few_there(cells.people, 10).any() == (people < 10)


@pytest.mark.parametrize("few", [3, 40])
def test_events_of_few_at_the_first_level_stay(tmp_path: Path, few: int) -> None:
    """Attack: all events less those of the other levels are the first level's, of whom three had any."""
    data = drawn(400)
    data["n"] = np.asarray(np.random.default_rng(4).poisson(1.0, 800), np.float64)
    data["n"][np.flatnonzero((data["stage"] == 0) & (data["n"] > 0))[few:]] = 0.0
    declared = "\n".join([VARIABLES, number("n", 0, 99)])
    fit = "method: glm, cohort: all, family: poisson, formula: 'n ~ x + stage'"
    going = house(tmp_path, HEAD % (10, declared, f"  a: {{{fit}}}\n"), divide(data, np.arange(800) % 4)).run()
    found = [one.code for one in going.stopped["a"].findings] if going.stopped else []
    assert found in (["withheld_fit"], ["answer_withheld"]) if few < 10 else found == []


@pytest.mark.parametrize("people", [3, 30])
def test_events_of_the_first_level_are_a_cell_of_a_count(people: int) -> None:
    """Other rules may refuse the same study; this one counts who of the first level had any event."""
    data = drawn(400)
    data["n"] = np.asarray(np.random.default_rng(4).poisson(1.0, 800), np.float64)
    data["n"][np.flatnonzero((data["stage"] == 0) & (data["n"] > 0))[people:]] = 0.0
    declared = "\n".join([VARIABLES, number("n", 0, 99)])
    variables = Study.parse(HEAD % (10, declared, f"  a: {{{MODELS['linear']}, cohort: all}}\n")).variables
    rows = Inside("seoul", variables, data, [b"%d" % one for one in range(800)])
    levels, _ = _with_outcome(rows, rows.formula("n ~ x + stage"))
    assert levels.people[-1] == people
    assert few_there(levels.people, 10).any() == (people < 10)
