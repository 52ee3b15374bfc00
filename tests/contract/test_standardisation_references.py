"""Standardised means at four hospitals behind real doors equal what R's equations give on pooled rows."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.result import Result
from tests.contract.data import GOLDEN, HEAD, boolean, columns, divide, every_case, hospitals, number, study
from tests.contract.ended import Ended
from tests.hospitals import house

TIGHT = 1e-8


@cache
def cases() -> dict[str, Any]:
    """What R computed (tests/golden/r/standardisation.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "standardisation.json").read_text())["cases"]
    return found


def line(name: str, case: dict[str, Any]) -> str:
    more = f", hospitals: {case['hospitals']}"
    if case["estimator"] == "aipw":
        more += f', propensity: "{case["propensity"]}"'
    if case["low"] > 0:
        more += f", propensity_within: [{case['low']}, {case['high']}]"
    return (
        f'  {name}: {{method: standardisation, cohort: all, formula: "{case["formula"]}", '
        f"treatment: {case['treatment']}, estimator: {case['estimator']}{more}}}\n"
    )


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Every case, run once."""
    return every_case(tmp_path_factory.mktemp, cases(), line)


def found(fits: dict[str, Ended], name: str) -> tuple[Result, Any]:
    case = cases()[name]
    return fits[name].results[name], case


@pytest.mark.parametrize("name", cases())
def test_effects_and_errors(fits: dict[str, Ended], name: str) -> None:
    result, case = found(fits, name)
    assert result.people == case["people"]
    for effect, (value, error) in case["effects"].items():
        one = result.estimate(effect)
        np.testing.assert_allclose([one.value, one.standard_error], [value, error], rtol=TIGHT)
    shown = [result.estimate(f"mean.{group}") for group in ("treated", "untreated")]
    np.testing.assert_allclose([one.value for one in shown], case["means"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in shown], case["errors"], rtol=TIGHT)


@pytest.mark.parametrize("group", ["treated", "untreated"])
@pytest.mark.parametrize("name", cases())
def test_the_outcome_models(fits: dict[str, Ended], name: str, group: str) -> None:
    result, case = found(fits, name)
    shown = [one for one in result.estimates if one.name.startswith(f"outcome.{group}.")]
    np.testing.assert_allclose([one.value for one in shown], np.atleast_1d(case[group]), rtol=TIGHT)
    errors = np.atleast_1d(case[f"{group}_errors"])
    np.testing.assert_allclose([one.standard_error for one in shown], errors, rtol=TIGHT)


def test_predictions_are_those_of_statsmodels(fits: dict[str, Ended]) -> None:
    data, site = columns("births"), np.empty(189)
    for place, rows in enumerate(hospitals("births").values()):
        site[[int(person[1:]) for person in rows.persons]] = place
    X = np.column_stack([data["age"], *(site == one for one in range(4))]).astype(float)
    means = []
    for arm in (1, 0):
        among = data["smoke"] == arm
        fit = sm.Logit(data["low"][among], X[among]).fit(disp=False, method="newton", tol=1e-12)
        means.append(fit.predict(X).mean())
    result, _ = found(fits, "low_g")
    np.testing.assert_allclose(result.estimate("difference").value, means[0] - means[1], rtol=TIGHT)


# What a study file may not ask.

FAULTS = {
    "standardisation_formula": 'formula: "bp ~ diabetic", treatment: diabetic, estimator: g_formula',
    "standardisation_treatment": 'formula: "bp ~ glu", treatment: ageband, estimator: g_formula',
    "standardisation_estimator": 'formula: "bp ~ glu", treatment: diabetic, estimator: aipw',
    "weighting_formula": 'formula: "bp ~ glu", treatment: diabetic, estimator: aipw, propensity: "skin ~ bmi"',
    "weighting_bounds": 'formula: "bp ~ glu", treatment: diabetic, estimator: g_formula, propensity_within: [0.1, 0.9]',
}


@pytest.mark.parametrize("code", FAULTS)
def test_what_does_not_fit_is_said(code: str) -> None:
    text = study("pima", f"  a: {{method: standardisation, cohort: all, {FAULTS[code]}}}\n")
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(text))
    assert [one.code for one in fault.value.findings] == [code]


# Where one of two models is wrong.

WHO = "\n".join([number("x", -10, 10), number("z", -10, 10), number("y", -100, 100), boolean("t"), boolean("d")])


def people(size: int = 4000, seed: int = 5) -> dict[str, np.ndarray]:
    """The outcome rises with x squared, which z holds; treatment depends on it too. The effect is 2."""
    random = np.random.default_rng(seed)
    x = np.clip(random.normal(size=size), -3, 3)
    t = (random.random(size) < 1 / (1 + np.exp(0.7 - 0.7 * x**2))).astype(float)
    y = 3 * x**2 + 2 * t + random.normal(size=size)
    return {"x": x, "z": x**2 - 1, "t": t, "d": (random.random(size) < 0.3).astype(float), "y": y}


def effect(folder: Path, formula: str, propensity: str) -> tuple[float, float]:
    more = f', estimator: aipw, propensity: "{propensity}"' if propensity else ", estimator: g_formula"
    text = HEAD % (
        10,
        WHO,
        f'  a: {{method: standardisation, cohort: all, formula: "{formula}", treatment: t{more}}}\n',
    )
    going = house(folder, text, divide(people(), np.arange(4000) % 4)).run()
    assert going.stopped == {}
    one = going.results["a"].estimate("difference")
    assert one.value is not None
    assert one.standard_error is not None
    return one.value, one.standard_error


@pytest.mark.parametrize(("formula", "propensity"), [("y ~ x", "t ~ x + z"), ("y ~ x + z", "t ~ x")])
def test_either_model_may_be_wrong(tmp_path: Path, formula: str, propensity: str) -> None:
    value, error = effect(tmp_path, formula, propensity)
    assert abs(value - 2) < 3 * error < 0.5


def test_the_g_formula_needs_its_model(tmp_path: Path) -> None:
    wrong, error = effect(tmp_path / "wrong", "y ~ x", "")
    assert abs(wrong - 2) > 5 * error
    right, error = effect(tmp_path / "right", "y ~ x + z", "")
    assert abs(right - 2) < 3 * error


@pytest.mark.parametrize("hospitals_", ["own", "pooled"])
def test_columns_that_others_determine_are_left_out(tmp_path: Path, hospitals_: str) -> None:
    data = people(800)
    data["z"] = 2 * data["x"]
    head = (
        '  a: {method: standardisation, cohort: all, formula: "y ~ %s", treatment: t, estimator: g_formula, hospitals: '
    )
    found_ = []
    for name, terms in (("more", "x + z"), ("less", "x")):
        text = HEAD % (10, WHO, head % terms + f"{hospitals_}}}\n")
        result = house(tmp_path / name, text, divide(data, np.arange(800) % 4)).run().results["a"]
        one = result.estimate("difference")
        found_.append([one.value, one.standard_error])
    np.testing.assert_allclose(found_[0], found_[1], rtol=1e-9)
