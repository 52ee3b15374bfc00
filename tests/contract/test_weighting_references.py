"""Weighted comparisons at four hospitals equal what R's equations give on pooled rows."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gagyo.coordinator.run import Run
from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.methods._balance import Covariate, unbalanced
from gagyo.protocol.study import Study
from gagyo.protocol.variables import Level, Variable
from gagyo.result import Result
from gagyo.text import Text
from tests.contract.data import GOLDEN, HEAD, boolean, columns, divide, every_case, hospitals, number, study
from tests.contract.ended import Ended, rehearsed
from tests.contract.test_methods import numbers
from tests.hospitals import house

TIGHT = 1e-8
NOTHING = 1e-12
"""A difference that is zero but for rounding."""


@cache
def cases() -> dict[str, Any]:
    """What R computed (tests/golden/r/weighting.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "weighting.json").read_text())["cases"]
    return found


def line(name: str, case: dict[str, Any]) -> str:
    more = f", hospitals: {case['hospitals']}"
    if case["stabilised"]:
        more += ", stabilised: true"
    if case["low"] > 0 or case["high"] < 1:
        more += f", propensity_within: [{case['low']}, {case['high']}]"
    if case["largest"]:
        more += f", largest_weight: {case['largest']}"
    return (
        f'  {name}: {{method: weighting, cohort: all, formula: "{case["formula"]}", '
        f"outcome: {case['outcome']}, estimand: {case['estimand']}{more}}}\n"
    )


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Every case, run once."""
    return every_case(tmp_path_factory.mktemp, cases(), line)


def found(fits: dict[str, Ended], name: str) -> tuple[Result, Any]:
    case = cases()[name]
    return fits[name].results[name], case


def values(result: Result, *names: str) -> list[float | None]:
    return [result.estimate(name).value for name in names]


def test_r_had_the_same_hospitals() -> None:
    with (GOLDEN / "data" / "sites.csv").open(encoding="utf-8") as file:
        given = {(one["data"], int(one["person"])): int(one["site"]) for one in csv.DictReader(file)}
    for data in ("births", "pima"):
        mine = {int(p[1:]): i for i, rows in enumerate(hospitals(data).values()) for p in rows.persons}
        assert mine == {person: site for (name, person), site in given.items() if name == data}


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


@pytest.mark.parametrize("name", cases())
def test_the_propensity_model(fits: dict[str, Ended], name: str) -> None:
    result, case = found(fits, name)
    shown = [one for one in result.estimates if one.name.startswith("propensity.")]
    np.testing.assert_allclose([one.value for one in shown], case["propensity"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in shown], case["propensity_errors"], rtol=TIGHT)


@pytest.mark.parametrize("name", cases())
def test_balance_before_and_after(fits: dict[str, Ended], name: str) -> None:
    result, case = found(fits, name)
    for when in ("before", "after"):
        mine = values(result, *(f"{column}.smd_{when}" for column in case["columns"]))
        np.testing.assert_allclose(np.array(mine, float), case[when], rtol=TIGHT, atol=NOTHING)
        measured = [j for j, column in enumerate(case["columns"]) if "." not in column]
        mine = values(result, *(f"{case['columns'][j]}.variance_ratio_{when}" for j in measured))
        np.testing.assert_allclose(np.array(mine, float), [case[f"ratio_{when}"][j] for j in measured], rtol=TIGHT)


@pytest.mark.parametrize("name", cases())
def test_effective_numbers_in_all_and_by_hospital(fits: dict[str, Ended], name: str) -> None:
    result, case = found(fits, name)
    mine = values(result, "effective.treated", "effective.untreated")
    np.testing.assert_allclose(np.array(mine, float), case["effective"], rtol=TIGHT)
    rows = result.table("weighted_hospitals").rows
    for row, (treated, untreated) in zip(rows, case["by_site"], strict=True):
        for people, size, wanted in ((row[1], row[2], untreated), (row[3], row[4], treated)):
            assert people >= 10
            np.testing.assert_allclose(size, wanted, rtol=TIGHT)


@pytest.mark.parametrize("name", [name for name, case in cases().items() if case["estimand"] == "ato"])
def test_overlap_weights_leave_no_difference_of_any_mean(fits: dict[str, Ended], name: str) -> None:
    """Li, Morgan and Zaslavsky (2018), theorem 3: the score equations are the balance of the covariates."""
    result, case = found(fits, name)
    assert all(abs(float(value or 0)) < 1e-9 for value in values(result, *(f"{c}.smd_after" for c in case["columns"])))
    assert max(map(abs, case["before"])) > 0.05


def test_points_are_those_of_statsmodels_weighted_regression(fits: dict[str, Ended]) -> None:
    data, site = columns("births"), np.empty(189)
    for number_, rows in enumerate(hospitals("births").values()):
        site[[int(person[1:]) for person in rows.persons]] = number_
    X = np.column_stack([data["age"], data["lwt"], *(site == one for one in range(4))]).astype(float)
    score = sm.Logit(data["smoke"], X).fit(disp=False, tol=1e-12, method="newton").predict()
    weight = np.where(data["smoke"] == 1, 1 / score, 1 / (1 - score))
    fit = sm.WLS(data["low"], sm.add_constant(data["smoke"]), weights=weight).fit()
    np.testing.assert_allclose(values(found(fits, "low_ate")[0], "difference"), fit.params[1:], rtol=TIGHT)


@pytest.mark.parametrize("name", ["pressure_ato", "low_att"])
def test_the_bins_of_scores_hold_everybody_and_none_holds_a_few(fits: dict[str, Ended], name: str) -> None:
    result, case = found(fits, name)
    rows = result.table("overlap").rows
    assert len(rows) > 2
    assert sum(row[2] + row[3] for row in rows) == case["people"]
    assert all(count == 0 or count >= 5 for row in rows for count in row[2:])
    assert [row[0] for row in rows[1:]] == [row[1] for row in rows[:-1]]


def test_it_is_the_same_where_there_is_no_gate(fits: dict[str, Ended]) -> None:
    """Also where bins of scores end, which the gate decides where there is one."""
    names = [name for name, case in cases().items() if case["data"] == "pima"]
    for name in names:
        inside = rehearsed(study("pima", line(name, cases()[name])), hospitals("pima"))
        gated = fits[name].results[name]
        np.testing.assert_allclose(numbers(gated), numbers(inside[name]), rtol=1e-9, atol=NOTHING)
        assert gated.table("overlap").rows == inside[name].table("overlap").rows


POOLED = {
    "weighting": 'formula: "diabetic ~ bmi + age", outcome: bp, estimand: att',
    "standardisation": 'formula: "bp ~ bmi", treatment: diabetic, estimator: aipw, propensity: "diabetic ~ bmi + age"',
}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), shares=st.lists(st.floats(0.02, 1), min_size=4, max_size=4))
@pytest.mark.parametrize("method", POOLED)
def test_with_one_intercept_it_does_not_depend_on_how_people_are_divided(
    method: str, seed: int, shares: list[float]
) -> None:
    data = columns("pima")
    text = study("pima", f"  a: {{method: {method}, cohort: all, {POOLED[method]}, hospitals: pooled}}\n")
    where = np.searchsorted(np.cumsum(shares)[:3] / np.sum(shares), np.random.default_rng(seed).random(532))
    divided, together = (rehearsed(text, divide(data, one))["a"] for one in (where, 0 * where))
    np.testing.assert_allclose(numbers(divided), numbers(together), rtol=1e-8, atol=NOTHING)


# What a study file may not ask.

FAULTS = {
    "weighting_formula": 'formula: "bmi ~ glu", outcome: skin, estimand: ate',
    "weighting_outcome": 'formula: "diabetic ~ glu", outcome: glu, estimand: ate',
    "weighting_balance": 'formula: "diabetic ~ glu", outcome: skin, estimand: ate, balance: [skin]',
    "weighting_stabilised": 'formula: "diabetic ~ glu", outcome: skin, estimand: att, stabilised: true',
    "weighting_bounds": 'formula: "diabetic ~ glu", outcome: skin, estimand: ate, propensity_within: [0.9, 0.1]',
}


@pytest.mark.parametrize("code", FAULTS)
def test_what_does_not_fit_is_said(code: str) -> None:
    text = study("pima", f"  a: {{method: weighting, cohort: all, {FAULTS[code]}}}\n")
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(text))
    assert [one.code for one in fault.value.findings] == [code]


def test_all_faults_are_told_at_once() -> None:
    bad = 'formula: "bmi ~ glu - 1", outcome: none, estimand: ato, stabilised: true, largest_weight: -1, balance: [x]'
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(study("pima", f"  a: {{method: weighting, cohort: all, {bad}}}\n")))
    assert {one.code for one in fault.value.findings} == set(FAULTS)


# Data that are not ordinary.

WHO = "\n".join([number("x", -10, 10), number("z", -10, 10), number("y", -100, 100), boolean("t"), boolean("d")])


def people(size: int = 800, seed: int = 5) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    x = np.clip(random.normal(size=size), -4, 4)
    t = (random.random(size) < 1 / (1 + np.exp(-0.6 * x))).astype(float)
    d = (random.random(size) < 0.4).astype(float)
    return {"x": x, "z": 0.0 * x, "t": t, "d": d, "y": np.clip(x + 2 * t + random.normal(size=size), -90, 90)}


def analysis(formula: str, more: str = "") -> str:
    return HEAD % (
        10,
        WHO,
        f'  a: {{method: weighting, cohort: all, formula: "{formula}", outcome: y, estimand: ate{more}}}\n',
    )


def run(folder: Path, text: str, data: dict[str, np.ndarray], where: np.ndarray | None = None) -> Run:
    turn = np.arange(len(data["x"])) % 4 if where is None else where
    return house(folder, text, divide(data, turn)).run()


def test_what_hospitals_intercepts_determine_is_left_out_as_r_does(tmp_path: Path) -> None:
    """A column that is constant within every hospital, and one that another determines."""
    data = people()
    data["y2"] = 0.1 + 0.3 * (np.arange(800) % 4)  # whose mean within a hospital is not quite its value
    data["z"] = 2 * data["x"]
    text = analysis("t ~ x + z + y2").replace("variables:\n", "variables:\n" + number("y2", 0, 7) + "\n", 1)
    result = run(tmp_path / "more", text, data).results["a"]
    plain = run(tmp_path / "less", analysis("t ~ x"), data).results["a"]
    without_ring = rehearsed(text, divide(data, np.arange(800) % 4))["a"]
    np.testing.assert_allclose(numbers(without_ring), numbers(result), rtol=1e-9, atol=NOTHING)
    assert result.notes[-1].values["found"] == "z, y2"
    for name in ("difference", "mean.treated"):
        mine, wanted = result.estimate(name), plain.estimate(name)
        np.testing.assert_allclose([mine.value, mine.standard_error], [wanted.value, wanted.standard_error], rtol=1e-9)


def test_a_treatment_that_is_determined_is_said(tmp_path: Path) -> None:
    data = people()
    data["t"] = (data["x"] > 0).astype(float)
    going = run(tmp_path, analysis("t ~ x"), data)
    assert going.stopped["a"].findings[0].code in ("separation", "answer_withheld")


def test_far_from_zero_and_in_large_units_it_is_the_same(tmp_path: Path) -> None:
    data = people()
    plain = run(tmp_path / "plain", analysis("t ~ x"), data).results["a"].estimate("difference")
    far = {**data, "x": 1e6 + data["x"]}
    text = analysis("t ~ x").replace("range: [-10, 10]", "range: [999990, 1000010]", 1)
    moved = run(tmp_path / "far", text, far).results["a"].estimate("difference")
    np.testing.assert_allclose([moved.value, moved.standard_error], [plain.value, plain.standard_error], rtol=1e-8)


def test_what_is_left_unbalanced_is_said(tmp_path: Path) -> None:
    data = people()
    result = run(tmp_path, analysis("t ~ d", ", balance: [x]"), data).results["a"]
    note = next(one for one in result.notes if one.key == "weighting.unbalanced")
    assert note.values["found"] == "x"


def test_levels_left_unbalanced_are_said_by_their_labels() -> None:
    def text(word: str) -> Text:
        return Text(word, f"{word} 한", f"{word} 中")

    levels = tuple(Level(name, text(name)) for name in ("small", "large"))
    size = Variable("size", "category", text("Tumour size"), levels=levels)
    note = unbalanced("weighting.unbalanced", [Covariate(size, 1)], 0.1)
    assert note.values["found"] == "size.large"
    assert "Tumour size: large" in note.to("en")
    assert "Tumour size 한: large 한" in note.to("ko")
    assert "Tumour size 中：large 中" in note.to("zh")
