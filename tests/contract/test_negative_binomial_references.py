"""Negative binomial regression equals MASS and statsmodels on pooled rows; what stays inside."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.result import Result
from tests.contract.data import GOLDEN, HEAD, boolean, columns, divide, hospitals, number, study
from tests.contract.ended import Ended, ended
from tests.hospitals import house

TIGHT = 1e-8


@cache
def cases() -> dict[str, Any]:
    """What R computed (tests/golden/r/negative_binomial.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "negative_binomial.json").read_text())["cases"]
    return found


def line(name: str, case: dict[str, Any], robust: str) -> str:
    more = "".join(f", {key}: {case[key]}" for key in ("exposure", "offset") if case[key])
    return (
        f'  {name}_{robust.lower()}: {{method: glm, cohort: all, formula: "{case["formula"]}", '
        f"family: negative_binomial, robust: {robust}{more}}}\n"
    )


SOME = [
    (name, robust)
    for robust in ("none", "HC0", "HC1", "HC2", "HC3")
    for name, case in cases().items()
    if robust in ("none", "HC0") or not case["offset"]
]


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """Every case, run once; a study asks for one power of leverages only."""
    results: dict[str, Result] = {}
    for kind in (("none", "HC0", "HC1"), ("HC2",), ("HC3",)):
        lines = [line(name, cases()[name], robust) for name, robust in SOME if robust in kind]
        run = ended(tmp_path_factory.mktemp("pima"), study("pima", "".join(lines)), hospitals("pima"))
        assert run.stopped == {}
        results |= run.results
    return results


def told(result: Any, table: str) -> dict[str, Any]:
    found = result.table(table)
    return dict(zip([column.name for column in found.columns], found.rows[0], strict=True))


@pytest.mark.parametrize(("name", "robust"), SOME)
def test_coefficients_and_errors(fits: dict[str, Result], name: str, robust: str) -> None:
    result, case = fits[f"{name}_{robust.lower()}"], cases()[name]
    assert result.people == case["people"]
    np.testing.assert_allclose([one.value for one in result.estimates], case["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], case[robust], rtol=TIGHT)


@pytest.mark.parametrize("name", cases())
def test_theta_and_the_tests(fits: dict[str, Result], name: str) -> None:
    result, case = fits[f"{name}_none"], cases()[name]
    theta, model = told(result, "overdispersion"), told(result, "model_test")
    np.testing.assert_allclose(theta["theta"], case["theta"], rtol=TIGHT)
    np.testing.assert_allclose(theta["standard_error"], case["theta_error"], rtol=TIGHT)
    np.testing.assert_allclose([theta["chi_square"], theta["p"]], case["against_poisson"], rtol=1e-7)
    np.testing.assert_allclose(model["log_likelihood"], case["log_likelihood"], rtol=TIGHT)
    np.testing.assert_allclose(model["wald"], case["wald"], rtol=TIGHT)


def test_statsmodels_says_the_same(fits: dict[str, Result]) -> None:
    import statsmodels.api as sm

    data = columns("pima")
    X = sm.add_constant(np.column_stack([data["age"], data["bmi"], data["diabetic"]]))
    fit = sm.NegativeBinomial(data["npreg"], X).fit(method="newton", tol=1e-14, maxiter=200, disp=False)
    result = fits["measured_none"]
    np.testing.assert_allclose([one.value for one in result.estimates], fit.params[:-1], rtol=TIGHT)
    np.testing.assert_allclose(told(result, "overdispersion")["theta"], 1 / fit.params[-1], rtol=TIGHT)


# What the gate does not let out, and what cannot be fitted.

FEW = HEAD % (5, "\n".join([number("x", -10, 10), number("n", 0, 500), number("z", 0, 1), boolean("d")]), "%s")
MODEL = '  a: {method: glm, cohort: all, formula: "n ~ %s", family: negative_binomial}\n'


def counts(theta: float = 1.5, people: int = 480) -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    x = np.clip(random.normal(size=people), -4, 4)
    n = random.poisson(np.exp(0.5 + 0.3 * x) * random.gamma(theta, 1 / theta, people)).astype(float)
    z = (random.random(people) < 0.5).astype(float)
    return {"x": x, "n": n, "z": z, "d": z}


def answer(folder: Path, right: str, data: dict[str, np.ndarray]) -> Run:
    return house(folder, FEW % (MODEL % right), divide(data, np.arange(len(data["x"])) % 4)).run()


def withheld(run: Ended) -> bool:
    codes = {one.code for one in run.stopped["a"].findings}
    return run.results == {} and codes <= {"answer_withheld", "withheld_fit"}


def test_ordinary_counts_are_fitted(tmp_path: Path) -> None:
    assert answer(tmp_path, "x + d", counts()).stopped == {}


def test_sums_over_few_unlike_predictors_stay(tmp_path: Path) -> None:
    """Attack: a yes/no column declared as a measurement. Two means are known, and each round's digamma sum at another
    theta is an equation in how many people have each count.
    """
    assert withheld(answer(tmp_path, "z", counts()))


def test_the_histogram_follows_where_predictors_are_few() -> None:
    """What the rule is for: sums at the thetas of a fit, a whole number each, give back who has how many."""
    from gagyo.statistics.families import negative_binomial

    n = np.repeat([0.0, 1.0, 2.0, 17.0], [300, 120, 59, 1])
    eta, thetas = np.full(n.size, np.log(n.mean())), (1.0, 0.7, 0.62)
    opened = [negative_binomial(n, eta, theta)[1].first.sum() for theta in thetas]
    values = np.array([0.0, 1.0, 2.0, 17.0])
    each = [negative_binomial(values, eta[:4], theta)[1].first for theta in thetas]
    found = np.linalg.solve(np.vstack([np.ones(4), *each]), [n.size, *opened])
    np.testing.assert_allclose(found, [300, 120, 59, 1], atol=1e-6)


def test_a_count_that_outweighs_all_others_of_its_hospital_stays(tmp_path: Path) -> None:
    data = counts()
    data["n"] = np.minimum(data["n"], 1.0)
    data["n"][[0, 4]] = 500.0, 450.0
    assert withheld(answer(tmp_path, "x", data))


def test_counts_that_vary_less_than_poissons_have_no_theta(tmp_path: Path) -> None:
    data = counts()
    data["n"] = np.rint(np.exp(1 + 0.3 * data["x"]))
    run = answer(tmp_path, "x", data)
    assert [one.code for one in run.stopped["a"].findings] == ["no_overdispersion"]


@pytest.mark.parametrize(("theta", "slope"), [(0.3, 1.0), (8.0, 2.0)])
def test_far_from_its_start_the_maximum_is_found(theta: float, slope: float) -> None:
    import statsmodels.api as sm

    from tests.contract.ended import rehearsed

    random, data = np.random.default_rng(8), counts()
    mean = np.exp(-1 + slope * data["x"]) * random.gamma(theta, 1 / theta, 480)
    data["n"] = np.minimum(random.poisson(mean), 500).astype(float)
    result = rehearsed(FEW % (MODEL % "x"), divide(data, np.arange(480) % 4))["a"]
    start = [*(one.value for one in result.estimates), 1 / told(result, "overdispersion")["theta"]]
    fit = sm.NegativeBinomial(data["n"], sm.add_constant(data["x"])).fit(
        start_params=[-1, slope, 1 / theta], method="newton", tol=1e-14, maxiter=200, disp=False
    )
    np.testing.assert_allclose(start, fit.params, rtol=TIGHT)


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ('formula: "n ~ d"', {"glm_measured"}),
        ('formula: "d ~ x"', {"glm_outcome"}),
        ('formula: "x ~ n"', {"glm_outcome"}),
        ('formula: "n ~ d", link: probit, exposure: x', {"glm_link", "glm_exposure"}),
    ],
)
def test_what_does_not_fit_together_is_said_at_once(more: str, codes: set[str]) -> None:
    with pytest.raises(FileFault) as caught:
        Line(Study.parse(FEW % f"  a: {{method: glm, cohort: all, family: negative_binomial, {more}}}\n"))
    assert {one.code for one in caught.value.findings} == codes
