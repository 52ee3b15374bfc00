"""Splines whose knots the hospitals find: near R's quantiles, and given the knots the fits are those of R's rms."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from gagyo.coordinator.planning import check
from gagyo.errors import FileFault
from gagyo.federation.in_memory import converse
from gagyo.federation.line import Line
from gagyo.federation.local import method_module
from gagyo.federation.rows import Rows
from gagyo.methods._knots import Placed, told
from gagyo.protocol.study import Study
from gagyo.report.numbers import shown
from gagyo.result import Result
from gagyo.statistics.knots import Knot
from tests.contract.data import GOLDEN, columns, divide, hospitals, study
from tests.contract.ended import Ended, ended
from tests.hospitals import house

TIGHT = 1e-8
WHOLE = ("age", "glu", "nodes")
"""Columns of whole numbers, whose quantiles can be told exactly."""


@cache
def cases() -> dict[str, Any]:
    """What R computed (tests/golden/r/knots.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "knots.json").read_text())["cases"]
    return found


def whole(text: str) -> str:
    """A study with whole numbers declared as such."""
    for name in WHOLE:
        text = text.replace(f"  {name}: {{type: number", f"  {name}: {{type: integer")
    return text


def line(name: str, case: dict[str, Any]) -> str:
    more = f", {case['more']}" if case["more"] else ""
    return f'  {name}: {{method: {case["method"]}, cohort: all, formula: "{case["formula"]}"{more}}}\n'


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Every case, run once."""
    out = {}
    for data in ("pima", "rotterdam"):
        lines = "".join(line(name, case) for name, case in cases().items() if case["data"] == data)
        out[data] = ended(tmp_path_factory.mktemp(data), whole(study(data, lines, 10)), hospitals(data))
        assert out[data].stopped == {}
    return out


def found(runs: dict[str, Ended], name: str) -> tuple[Result, dict[str, Any]]:
    case = cases()[name]
    return runs[case["data"]].results[name], case


def knots(result: Result) -> np.ndarray:
    """Knot, least and most of every row of the table."""
    return np.array([row[2:5] for row in result.table("knots").rows], dtype=np.float64)


@pytest.mark.parametrize("name", cases())
def test_coefficients_and_errors(runs: dict[str, Ended], name: str) -> None:
    result, case = found(runs, name)
    assert list(knots(result)[:, 0]) == [at for several in case["knots"].values() for at in several]
    np.testing.assert_allclose([one.value for one in result.estimates], case["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], case["errors"], rtol=TIGHT)
    assert result.lossless


@pytest.mark.parametrize("name", cases())
def test_curves_and_tests_of_splines_that_stand_alone(runs: dict[str, Ended], name: str) -> None:
    """The Wald (of `ols` F) tests and the contrasts of rms; of a variable in a product there are none."""
    result, case = found(runs, name)
    assert [one.name for one in result.curves] == [f"spline_{variable}" for variable in case["splines"]]
    assert ("splines" in [table.name for table in result.tables]) is bool(case["splines"])
    for number, (variable, of_r) in enumerate(case["splines"].items()):
        rows = result.table("splines").rows[2 * number : 2 * number + 2]
        assert [row[3] for row in rows] == of_r["freedom"]
        np.testing.assert_allclose([row[2] for row in rows], of_r["statistic"], rtol=TIGHT)
        # R's p values are one less a distribution function, which ends at 1e-16.
        np.testing.assert_allclose([row[4] for row in rows], of_r["p"], rtol=1e-7, atol=1e-14)
        _, fitted, marks = result.curve(f"spline_{variable}").series
        assert marks.x == tuple(case["knots"][variable])
        np.testing.assert_allclose(marks.y, of_r["difference"], rtol=TIGHT, atol=1e-12)
        at = [fitted.x.index(knot) for knot in marks.x]
        reach = stats.t.ppf(0.975, result.people - len(result.estimates)) if name == "linear" else stats.norm.ppf(0.975)
        for limits, way in ((fitted.lower, -reach), (fitted.upper, reach)):
            ends = np.array(of_r["difference"]) + way * np.array(of_r["error"])
            np.testing.assert_allclose([limits[one] for one in at], ends, rtol=TIGHT, atol=1e-12)


def test_what_a_curve_is_said_to_be(runs: dict[str, Ended]) -> None:
    said = {name: found(runs, name)[0].curves for name in cases()}
    assert said["linear"][0].y.to("en") == "Difference: bp"
    assert {name: curves[0].y.key for name, curves in said.items() if name not in ("linear", "logistic")} == {
        "poisson": "splines.log_rate_ratio",
        "cox": "splines.log_hazard_ratio",
        "probit": "splines.probit",
        "logit": "splines.log_odds_ratio",
    }
    assert {
        table.columns[2].label.key
        for name in cases()
        for table in found(runs, name)[0].tables
        if table.name == "splines"
    } == {
        "regression.f",
        "splines.wald",
    }


@pytest.mark.parametrize("name", cases())
def test_quantiles_of_r_lie_within_the_bounds_and_equal_knots_called_exact(runs: dict[str, Ended], name: str) -> None:
    result, case = found(runs, name)
    table, quantiles = knots(result), [at for several in case["quantiles"].values() for at in several]
    exact = table[:, 1] == table[:, 2]
    np.testing.assert_allclose(table[exact, 0], np.array(quantiles)[exact], rtol=1e-12)
    for (knot, least, most), quantile in zip(table, quantiles, strict=True):
        assert least <= knot <= most
        assert least - 1e-12 <= quantile <= most + 1e-12
    said = [row[5].key for row in result.table("knots").rows]
    assert said == ["knots.exact" if one else "knots.edge" for one in exact]


def test_bounds_that_differ_are_printed_so(runs: dict[str, Ended]) -> None:
    """Also where they differ by less than the knots' reach would show."""
    run = runs["pima"]
    result = next(iter(run.results.values()))
    close = tuple(Knot(share, at, at - 2e-4, at + 3e-4) for share, at in ((0.1, 20.0), (0.5, 50.0), (0.9, 90.0)))
    table = told(replace(result, tables=()), Placed({"age": close}, 1), run.study).table("knots")
    _, least, most = table.columns[2:5]
    printed = [(shown(row[3], least), shown(row[4], most)) for row in table.rows]
    assert all(low != high for low, high in printed)


def test_some_knots_are_exact_and_some_are_not(runs: dict[str, Ended]) -> None:
    tables = [knots(found(runs, name)[0]) for name in cases()]
    exact = np.concatenate([one[:, 1] == one[:, 2] for one in tables])
    assert exact.sum() >= 15
    assert (~exact).sum() >= 5


def test_a_model_is_told_with_its_knots(runs: dict[str, Ended]) -> None:
    result, _ = found(runs, "linear")
    assert result.equation is not None
    assert result.equation.formula == "bp ~ rcs(bmi, 25, 33, 42) + rcs(age, 21, 25, 33, 55.5)"
    assert [one.key for one in result.methods_text].count("knots.text") == 1
    assert result.rounds > 10


METHODS = {
    "linear": ("bp ~ rcs(glu, 4) + bmi", "robust: HC1"),
    "logistic": ("diabetic ~ rcs(glu, 4) * bmi", "marginal_effects: true, likelihood_ratio: true"),
    "glm": ("npreg ~ rcs(glu, 4) + bmi", "family: negative_binomial, marginal_effects: true"),
    "cox": ("diabetic ~ rcs(glu, 4) + bmi", "time: skin, robust: true"),
    "fine_gray": ("ageband ~ rcs(glu, 4) + diabetic", "time: skin, event: middle"),
    "firth": ("diabetic ~ rcs(glu, 4) + bmi", "intervals: wald"),
    "gee": ("npreg ~ rcs(glu, 4)", "family: gaussian, cluster: ageband"),
    "mixed": ("bp ~ rcs(glu, 4) + bmi", "cluster: ageband"),
    "mixed_logistic": ("diabetic ~ rcs(glu, 4)", "cluster: ageband"),
    "penalised": ("bp ~ rcs(glu, 4) + bmi", "family: gaussian, folds: 5"),
    "categorical": ("ageband ~ rcs(glu, 4) + bmi", "model: ordinal"),
}
"""Every method that finds knots, with a formula and its further options."""


def analysis(method: str, spline: str) -> str:
    formula, more = METHODS[method]
    return f'  a: {{method: {method}, cohort: all, formula: "{formula.replace("rcs(glu, 4)", spline)}", {more}}}\n'


def rehearsed(text: str) -> Result:
    one = Study.parse(whole(study("pima", text)))
    there = {
        name: Rows(name, one.variables, part.columns, part.persons, "contract")
        for name, part in hospitals("pima").items()
    }
    method = method_module(one.analyses["a"].method).Method.read(one.analyses["a"], one)
    return converse(method.combine({}), there)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_fits_as_if_the_knots_had_been_stated(method: str) -> None:
    searched = rehearsed(analysis(method, "rcs(glu, 4)"))
    at = ", ".join(f"{row[2]}" for row in searched.table("knots").rows)
    stated = rehearsed(analysis(method, f"rcs(glu, {at})"))
    assert searched.estimates == stated.estimates
    assert [one for one in searched.tables if one.name != "knots"] == list(stated.tables)
    assert searched.equation == stated.equation
    assert searched.rounds > stated.rounds


def test_a_validation_has_the_knots_of_its_model(tmp_path: Path) -> None:
    text = '  m: {method: logistic, cohort: all, formula: "diabetic ~ %s + bmi"}\n'
    text += "  v: {method: validate, model: m, folds: 5}\n"
    searched, stated = (
        house(tmp_path / name, whole(study("pima", text % spline, 10)), hospitals("pima")).run()
        for name, spline in (("a", "rcs(glu, 4)"), ("b", "rcs(glu, 79.5, 103.5, 127.5, 183.5)"))
    )
    assert searched.stopped == {}
    assert searched.results["v"] == stated.results["v"]


# What a study is told before it runs.


def faults(text: str) -> list[str]:
    """The findings of a study, each with the code and the entry where it stands."""
    try:
        one = Study.parse(whole(study("pima", text)))
    except FileFault as fault:
        return [f"{one.code} {one.place.path}" for one in fault.findings]
    return [f"{one.code} {one.place.path}" for one in check(one)]


def test_a_plan_says_what_finding_knots_sends() -> None:
    one = Study.parse(study("pima", analysis("cox", "rcs(glu, 4)")))
    sent = [dict(each) for each in Line(one).sends["a"]]
    assert [each["step"] for each in sent][:3] == ["cox.present", "cox.value_bins", "cox.people"]
    stated = Study.parse(study("pima", analysis("cox", "rcs(glu, 80, 100, 120, 150)")))
    assert [dict(each) for each in Line(stated).sends["a"]] == sent[2:]


@pytest.mark.parametrize("spline", ["rcs(glu, 2)", "rcs(glu, 8)", "rcs(glu, 4.5)", "rcs(glu, 90)"])
def test_a_number_of_knots_that_has_no_percentiles_is_refused(spline: str) -> None:
    assert faults(analysis("linear", spline)) == ["formula_knots_number analyses.a.formula"]


@pytest.mark.parametrize(
    "line",
    [
        'method: meta, formula: "diabetic ~ rcs(glu, 4)", terms: [glu]',
        'method: imputation, formula: "bp ~ rcs(glu, 4)", model: linear, impute: [bmi], auxiliary: [bmi]',
        'method: weighting, formula: "diabetic ~ rcs(glu, 4)", estimand: ate, outcome: bp',
        'method: standardisation, formula: "bp ~ rcs(glu, 4)", treatment: diabetic, estimator: g_formula',
    ],
)
def test_a_method_that_looks_for_no_knots_says_so(line: str) -> None:
    assert faults(f"  a: {{{line}, cohort: all}}\n") == ["formula_unplaced analyses.a.formula"]


def test_a_variable_is_not_counted_in_cells_of_two_kinds() -> None:
    curve = "  k: {method: kaplan_meier, cohort: all, time: glu, event: diabetic}\n"
    assert faults(analysis("linear", "rcs(glu, 4)") + curve) == ["values_two_grids analyses.a.formula"]
    bend = '  m: {method: logistic, cohort: all, formula: "diabetic ~ glu"}\n'
    bend += "  v: {method: validate, model: m, nonlinearity: true}\n"
    assert faults(analysis("linear", "rcs(glu, 4)") + bend) == ["values_two_grids analyses.a.formula"]
    assert faults(analysis("linear", "rcs(glu, 4)") + bend.replace("~ glu", "~ rcs(glu, 4)")) == []


def test_knots_at_one_value_are_told_apart_from_knots(tmp_path: Path) -> None:
    """Most people are at one value: the quantiles are the same, and the study says what to do."""
    data = dict(columns("pima"))
    data["npreg"] = np.where(np.arange(len(data["npreg"])) % 10 < 8, 1.0, data["npreg"])
    text = '  a: {method: linear, cohort: all, formula: "bp ~ rcs(npreg, 4)"}\n'
    for kind in ("number", "integer"):
        said = study("pima", text, 10).replace("  npreg: {type: number", f"  npreg: {{type: {kind}")
        run = house(tmp_path / kind, said, divide(data, np.arange(len(data["npreg"])) % 4)).run()
        assert run.stopped["a"].findings[0].code == "knots_tied"
        assert run.stopped["a"].findings[0].values["variable"] == "npreg"
