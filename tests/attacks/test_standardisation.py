"""Attacks on standardised means: chosen arguments, and the tables of each group at a hospital and in all."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.methods import standardisation
from gagyo.runtime.embedded import Embedded
from tests.attacks.test_door import Stolen, Wiretap, refused
from tests.attacks.test_weighting import drawn, parts, ruled_out
from tests.contract.data import HEAD, boolean, divide, hospitals, number, study
from tests.hospitals import house

WOMEN = study(
    "pima",
    '  a: {method: standardisation, cohort: all, formula: "bp ~ bmi", treatment: diabetic, estimator: g_formula}\n',
    10,
)
TEXT = HEAD % (
    10,
    "\n".join([number("x", -10, 10), number("y", -100, 100), boolean("t"), boolean("s"), boolean("d")]),
    '  a: {method: standardisation, cohort: all, formula: "%s", treatment: t, estimator: %s}\n',
)
AIPW = 'aipw, propensity: "t ~ x"'
CHOSEN = {"coefficients": np.array([[900.0], [900.0]]), "directions": np.array([[1e9], [0.0]]), "centre": np.zeros(2)}


def asked(formula: str, own: str = "own", propensity: str = "") -> dict[str, Any]:
    return {"formula": formula, "treatment": "t", "propensity": propensity, "hospitals": own}


@pytest.mark.parametrize("name", CHOSEN)
def test_what_a_sum_of_squares_is_taken_of_cannot_be_chosen(tmp_path: Path, name: str) -> None:
    """A huge direction makes it one column's; a huge coefficient makes predictions a mark of who is beyond a line."""
    tap: list[Wiretap] = []

    def wrap(inner: Embedded) -> Wiretap:
        tap.append(Wiretap(inner))
        tap[0].until = "standardisation.errors"
        return tap[0]

    one = house(tmp_path, WOMEN, hospitals("pima"), wrap=wrap)
    with pytest.raises(Stolen):
        one.run()
    honest = next(request for request in tap[0].seen if request.step == tap[0].until and request.site == "seoul")
    refused(one.sites["seoul"], replace(honest, arguments={**honest.arguments, name: CHOSEN[name]}), "not_derived")
    assert one.sites["seoul"].answer(honest).outcome == "released"


def test_a_trait_of_four_treated_people_at_a_hospital_follows_from_the_sums_so_that_it_adds_nothing() -> None:
    """At coefficients of zero the squares are the sum of n_x p (1 - p), p the group's risk at each hospital.

    Where these risks are known otherwise, the rest are whole numbers, of which one set fits.
    """
    data, where = drawn(), np.repeat([0, 1, 2], [211, 263, 326])
    treated = data["t"] == 1
    data["s"][(where == 2) & treated] = 0.0
    data["s"][np.flatnonzero((where == 2) & treated)[:4]] = 1.0
    there = parts(data, where, TEXT % ("d ~ s", "g_formula"))
    question = {**asked("d ~ s"), "coefficients": np.zeros((2, 1))}
    squares = sum(standardisation.outcomes(rows, **question)["fit"].values[2] for rows in there)
    risks = np.array([rows["d"][rows["t"] == 1].mean() for rows in there])
    weight, sizes = risks * (1 - risks), [int((rows["t"] == 1).sum()) for rows in there]
    having = int(data["s"][treated].sum())
    found = [
        having - first - second
        for first, second in product(range(sizes[0] + 1), range(sizes[1] + 1))
        if abs(weight @ [first, second, having - first - second] - squares) < 1e-9
    ]
    assert found == [4], "the attack finds the four"
    for formula in ("d ~ s", "d ~ s + x"):
        question = {**asked(formula), "coefficients": np.zeros((2, formula.count("+") + 1))}
        out = [ruled_out(standardisation.outcomes(rows, **question), rows.n) for rows in there]
        assert out == [False, False, True]


@pytest.mark.parametrize(("few", "out"), [(0, True), (9, True), (10, False)])
def test_treated_people_with_the_outcome_are_nobodys_few_at_any_hospital(few: int, out: bool) -> None:
    data = drawn(400)
    data["t"], data["d"] = np.repeat([1.0, 0.0], 200), np.tile([0.0, 1.0], 200)
    data["d"][:200] = 0.0
    data["d"][:few] = 1.0
    (rows,) = parts(data, np.zeros(400, int), TEXT % ("d ~ x", "g_formula"))
    assert ruled_out(standardisation.groups(rows, **asked("d ~ x")), rows.n) == out
    assert not ruled_out(standardisation.groups(rows, **asked("d ~ x", "pooled")), rows.n), "in a sum it may be few"


@pytest.mark.parametrize("estimator", ["g_formula", AIPW])
@pytest.mark.parametrize(("few", "out"), [(9, True), (40, False)])
def test_treated_people_with_a_trait_are_no_few_over_all_hospitals(
    tmp_path: Path, estimator: str, few: int, out: bool
) -> None:
    """The score of the model of the treated is over them alone: those with the trait are nine, of one hospital."""
    data, where = drawn(), np.arange(800) % 4
    data["s"][data["t"] == 1] = 0.0
    data["s"][np.flatnonzero((data["t"] == 1) & (where == 0))[:few]] = 1.0
    text = TEXT % ("y ~ x + s", f"{estimator}, hospitals: pooled")
    assert ("a" in house(tmp_path, text, divide(data, where)).run().stopped) == out


def test_a_propensity_model_s_cells_are_ruled_on_too() -> None:
    """Four people of a hospital have a trait that the propensity model alone knows."""
    data = drawn(400)
    data["s"] = (np.arange(400) < 4).astype(float)
    (rows,) = parts(data, np.zeros(400, int), TEXT % ("y ~ x", 'aipw, propensity: "t ~ x + s"'))
    assert not ruled_out(standardisation.groups(rows, **asked("y ~ x")), rows.n)
    assert ruled_out(standardisation.groups(rows, **asked("y ~ x", "own", "t ~ x + s")), rows.n)


@pytest.mark.parametrize(("highest", "out"), [(90.0, True), (1.0, False)])
def test_squares_that_one_person_makes_up_stay(highest: float, out: bool) -> None:
    """Everyone's part of the errors holds their own residual; one far from all others would be the sum."""
    data = drawn(400)
    data["y"] = data["y"] / 10
    data["y"][7] = highest
    (rows,) = parts(data, np.zeros(400, int), TEXT % ("y ~ x", "g_formula"))
    at = {"coefficients": np.zeros((2, 1)), "centre": np.zeros(2), "directions": np.zeros((2, 1))}
    how = {**asked("y ~ x"), **at, "scores": np.zeros(0), "bounds": np.array([0.0, 1.0])}
    assert ruled_out(standardisation.errors(rows, **how), rows.n) == out


def test_a_person_whose_weight_outweighs_all_others_stays(tmp_path: Path) -> None:
    data = drawn()
    data["t"] = (data["x"] + 0.6 * np.random.default_rng(2).normal(size=800) > 0.4).astype(float)
    first = np.flatnonzero(data["t"] == 1)[0]
    data["x"][first], data["y"][first] = -4.0, 60.0
    where = np.arange(800) % 4
    assert "a" in house(tmp_path / "all", TEXT % ("y ~ x", AIPW), divide(data, where)).run().stopped
    calm = {**data, "y": np.where(np.arange(800) == first, -12.0, data["y"])}
    bounded = TEXT % ("y ~ x", AIPW + ", propensity_within: [0.1, 0.9]")
    assert house(tmp_path / "bounded", bounded, divide(calm, where)).run().stopped == {}
