"""Generalised linear models at four hospitals equal what R computed on pooled rows."""

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
from tests.contract.data import GOLDEN, HEAD, boolean, category, divide, hospitals, number, study
from tests.contract.ended import Ended, ended
from tests.hospitals import house

TIGHT = 1e-8


@cache
def cases() -> dict[str, Any]:
    """What R computed (tests/golden/r/glm.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "glm.json").read_text())["cases"]
    return found


def line(name: str, case: dict[str, Any], robust: str) -> str:
    more = "".join(f", {key}: {case[key]}" for key in ("exposure", "offset") if case[key])
    return (
        f'  {name}_{robust.lower()}: {{method: glm, cohort: all, formula: "{case["formula"]}", '
        f"family: {case['family']}, link: {case['link']}, robust: {robust}{more}}}\n"
    )


SOME = [
    (name, robust)
    for name, case in cases().items()
    for robust in (("none", "HC0") if case["offset"] else ("none", "HC0", "HC1"))
]


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Every case, run once."""
    out = {}
    for data in ("pima", "births"):
        lines = [line(name, cases()[name], robust) for name, robust in SOME if cases()[name]["data"] == data]
        out[data] = ended(tmp_path_factory.mktemp(data), study(data, "".join(lines)), hospitals(data))
    return out


def found(fits: dict[str, Ended], name: str, robust: str = "none") -> tuple[Result, Any]:
    case = cases()[name]
    run = fits[case["data"]]
    assert run.stopped == {}
    return run.results[f"{name}_{robust.lower()}"], case


@pytest.mark.parametrize(("name", "robust"), SOME)
def test_coefficients_and_errors(fits: dict[str, Ended], name: str, robust: str) -> None:
    result, case = found(fits, name, robust)
    assert result.people == case["people"]
    np.testing.assert_allclose([one.value for one in result.estimates], case["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], case[robust], rtol=TIGHT)


@pytest.mark.parametrize("name", cases())
def test_p_values_and_the_test_of_the_model(fits: dict[str, Ended], name: str) -> None:
    result, case = found(fits, name)
    np.testing.assert_allclose([one.p for one in result.estimates], case["p"], rtol=1e-6)
    table = result.table("model_test")
    told = dict(zip([column.name for column in table.columns], table.rows[0], strict=True))
    statistic = next(told[name] for name in ("f", "chi_square", "wald") if name in told)
    np.testing.assert_allclose([statistic, told["p"]], case["test"], rtol=1e-6)
    assert told["degrees_of_freedom"] == case["df"]
    if case["family"] in ("gamma", "gaussian"):
        np.testing.assert_allclose(told["deviance"], case["deviance"], rtol=TIGHT)
    else:
        np.testing.assert_allclose(told["log_likelihood"], case["log_likelihood"], rtol=TIGHT)
    if "dispersion" in told:
        np.testing.assert_allclose(told["dispersion"], case["pearson"], rtol=TIGHT)


def test_a_yes_no_outcome_has_risk_ratios_and_asks_for_robust_errors(fits: dict[str, Ended]) -> None:
    plain, case = found(fits, "risk")
    robust, _ = found(fits, "risk", "HC0")
    assert [one.key for one in plain.notes] == ["glm.risk_needs_robust"]
    assert robust.notes == ()
    table = robust.table("coefficients")
    assert table.columns[3].label.key == "glm.risk_ratio"
    np.testing.assert_allclose(table.rows[1][3].value, np.exp(case["coefficients"][1]), rtol=TIGHT)


def test_counts_that_vary_more_than_poissons_are_said_to(fits: dict[str, Ended]) -> None:
    assert [one.key for one in found(fits, "counts")[0].notes] == ["glm.overdispersed"]


# What the gate does not let out.

FEW = HEAD % (
    5,
    "\n".join([number("x", -10, 10), number("n", 0, 500), category("g", ("a", "b")), boolean("d"), boolean("e")]),
    "%s",
)
POISSON = '  a: {method: glm, cohort: all, formula: "n ~ %s", family: poisson}\n'


def counts(seed: int = 1, people: int = 480) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    x = np.clip(random.normal(size=people), -4, 4)
    g = (np.arange(people) % 9 == 0).astype(float)
    return {
        "x": x,
        "n": random.poisson(np.exp(0.3 * x)).astype(float),
        "g": g,
        "d": (x > 0).astype(float),
        "e": (x < 1).astype(float),
    }


def answer(folder: Path, right: str, data: dict[str, np.ndarray]) -> Run:
    return house(folder, FEW % (POISSON % right), divide(data, np.arange(len(data["x"])) // 2 % 4)).run()


def test_ordinary_counts_are_fitted(tmp_path: Path) -> None:
    import statsmodels.api as sm

    data = counts()
    run = answer(tmp_path, "x + C(g)", data)
    assert run.stopped == {}
    X = sm.add_constant(np.column_stack([data["x"], data["g"]]))
    fit = sm.GLM(data["n"], X, family=sm.families.Poisson()).fit(tol=1e-14, tol_criterion="params")
    np.testing.assert_allclose([one.value for one in run.results["a"].estimates], fit.params, rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in run.results["a"].estimates], fit.bse, rtol=TIGHT)


def test_a_link_that_fits_badly_ends_too(tmp_path: Path) -> None:
    """Fisher scoring alone leaves nearly half of the way each round here, and was stopped after 30."""
    import statsmodels.api as sm

    random = np.random.default_rng(3)
    x = np.clip(random.normal(size=2000), -4, 4)
    d = np.arange(2000) % 3 == 0
    e = random.random(2000) < np.exp(-np.exp(-(2.5 * x + d + 1)))  # log-log, where complementary log-log is fitted
    data = {"x": x, "d": d.astype(float), "e": e.astype(float), "n": np.zeros(2000), "g": np.zeros(2000)}
    fitted = '  a: {method: glm, cohort: all, formula: "e ~ x + d", family: binomial, link: cloglog}\n'
    run = house(tmp_path, FEW % fitted, divide(data, np.arange(2000) // 2 % 4)).run()
    assert run.stopped == {}
    link = sm.families.Binomial(sm.families.links.CLogLog())
    X = sm.add_constant(np.column_stack([x, d]))
    fit = sm.GLM(data["e"], X, family=link).fit(tol=1e-14, tol_criterion="params", maxiter=1000)
    np.testing.assert_allclose([one.value for one in run.results["a"].estimates], fit.params, rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in run.results["a"].estimates], fit.bse, rtol=TIGHT)
    assert run.results["a"].rounds < 20


def withheld(run: Ended) -> bool:
    codes = [one.code for one in run.stopped["a"].findings]
    return run.results == {} and set(codes) <= {"answer_withheld", "withheld_fit"}, codes


def test_a_count_that_outweighs_all_others_of_its_hospital_stays(tmp_path: Path) -> None:
    """Attack: the score of the intercept is the sum of counts, which is nearly the one's."""
    data = counts()
    data["n"][data["n"] > 1] = 1.0
    data["n"][[0, 1]] = 500.0, 450.0  # two people of one hospital are nearly its whole sum
    assert withheld(answer(tmp_path, "x", data))


def test_a_level_in_which_few_have_any_event_stays(tmp_path: Path) -> None:
    """Attack: sixty people are behind a level's score, and what two of them had is all that it holds."""
    data = counts()
    inside = np.flatnonzero(data["g"] == 1)
    data["n"][inside] = 0.0
    data["n"][inside[[3, 4]]] = 2.0
    assert withheld(answer(tmp_path, "x + C(g)", data))
    assert answer(tmp_path / "without", "x", data).stopped == {}


def test_a_combination_of_few_people_stays(tmp_path: Path) -> None:
    """Attack: the information of a Poisson fit weighs each combination of traits otherwise in every round."""
    data = counts()
    three = np.arange(480)[:, None] // [1, 2, 4] % 2
    data["g"], data["d"], data["e"] = three.T.astype(float)
    assert answer(tmp_path / "many", "C(g) + d + e", data).stopped == {}
    all_three = np.flatnonzero(three.all(axis=1))
    data["e"][all_three[3:]] = 0.0  # each pair of traits has sixty people or none too few; all three have three people
    assert all(np.sum((data[a] == 1) & (data[b] == 1)) >= 5 for a, b in (("g", "d"), ("g", "e"), ("d", "e")))
    assert withheld(answer(tmp_path, "C(g) + d + e", data))


def test_an_outcome_that_outweighs_its_combination_stays(tmp_path: Path) -> None:
    """Attack: a gamma's score weighs outcomes by combination of traits otherwise in each round, so that each sum of
    outcomes by combination follows; one of eight people has nearly all of one.
    """
    random, where = np.random.default_rng(5), np.arange(480) % 4
    data = counts() | {"n": random.uniform(50, 150, 480)}
    data["g"], data["d"] = (np.arange(480) // 4 % 3 == 0).astype(float), (random.random(480) < 0.5).astype(float)
    text = FEW.replace("range: [0, 500]", "range: [1, 500]")
    text = text % '  a: {method: glm, cohort: all, formula: "n ~ C(g) + d", family: gamma}\n'
    assert house(tmp_path, text, divide(data, where)).run().stopped == {}
    inside = np.flatnonzero((where == 0) & (data["g"] == 1) & (data["d"] == 1))
    data["d"][inside[8:]] = 0.0
    data["n"][inside[:8]] = [500.0, *[1.0] * 7]
    assert withheld(house(tmp_path / "one", text, divide(data, where)).run())


@pytest.mark.parametrize("factor", [1.0, 30.0])
def test_a_steep_slope_is_found_by_halved_steps(factor: float) -> None:
    """From the null model a whole step overshoots, and the likelihood says so. Without gate: far out few weigh much."""
    import statsmodels.api as sm

    from tests.contract.ended import rehearsed

    random = np.random.default_rng(4)
    x = (np.arange(480) % 97 == 0) + 0.1 * np.clip(random.normal(size=480), -1, 1)
    data = counts() | {"x": x / factor, "n": np.minimum(random.poisson(np.exp(-4 + 9 * x)), 500).astype(float)}
    result = rehearsed(FEW % (POISSON % "x"), divide(data, np.arange(480) % 4))["a"]
    fit = sm.GLM(data["n"], sm.add_constant(x), family=sm.families.Poisson()).fit(tol=1e-14, tol_criterion="params")
    one, wanted = result.estimate("x"), factor * np.array([fit.params[1], fit.bse[1]])
    np.testing.assert_allclose([one.value, one.standard_error], wanted, rtol=TIGHT)


def test_separated_outcomes_are_named_or_withheld(tmp_path: Path) -> None:
    x = np.random.default_rng(2).normal(size=400)
    data = counts(people=400) | {"x": x, "d": (x > 0).astype(float)}
    text = FEW % '  a: {method: glm, cohort: all, formula: "d ~ x", family: binomial, link: probit}\n'
    run = house(tmp_path, text, divide(data, np.arange(400) % 4)).run()
    assert [one.code for one in run.stopped["a"].findings] == ["separation"]


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ('formula: "n ~ x", family: binomial, link: probit', {"glm_outcome"}),
        ('formula: "x ~ n", family: poisson', {"glm_outcome"}),
        ('formula: "n ~ x", family: gamma', {"glm_outcome"}),
        ('formula: "d ~ x", family: binomial', {"glm_link"}),
        ('formula: "n ~ x", family: poisson, link: probit', {"glm_link"}),
        ('formula: "n ~ x", family: poisson, exposure: x', {"glm_exposure"}),
        ('formula: "n ~ x", family: poisson, exposure: years', {"glm_exposure"}),
        ('formula: "n ~ x", family: poisson, offset: x', {"glm_offset"}),
        ('formula: "d ~ e", family: binomial, link: logit, offset: n', {"glm_offset"}),
        ('formula: "n ~ x", family: poisson, offset: d', {"glm_offset"}),
        ('formula: "n ~ x", family: poisson, offset: score', {"glm_offset"}),
        ('formula: "n ~ d", family: poisson, exposure: years, offset: x', {"glm_exposure", "glm_offset"}),
        ('formula: "x ~ n", family: gamma, link: cloglog, exposure: d', {"glm_outcome", "glm_link", "glm_exposure"}),
    ],
)
def test_what_does_not_fit_together_is_said_at_once(more: str, codes: set[str]) -> None:
    with pytest.raises(FileFault) as caught:
        Line(Study.parse(FEW % f"  a: {{method: glm, cohort: all, {more}}}\n"))
    assert {one.code for one in caught.value.findings} == codes


def test_beside_a_given_score_alone_the_intercept_is_an_odds_ratio_and_nothing_is_tested(tmp_path: Path) -> None:
    """Calibration in the large, by statsmodels."""
    import statsmodels.api as sm

    rng = np.random.default_rng(4)
    score = np.clip(rng.normal(-0.5, 1, 400), -6, 6)
    d = (rng.random(400) < 1 / (1 + np.exp(-score - 0.3))).astype(float)
    line = '  a: {method: glm, cohort: all, formula: "d ~ 1", family: binomial, link: logit, offset: score}\n'
    text = HEAD % (10, "\n".join([number("score", -6, 6), boolean("d")]), line)
    result = house(tmp_path, text, divide({"score": score, "d": d}, np.arange(400) % 4)).run().results["a"]
    expected = sm.GLM(d, np.ones((400, 1)), family=sm.families.Binomial(), offset=score).fit(tol=1e-14)
    ((_, coefficient, error, ratio, p),) = result.table("coefficients").rows
    np.testing.assert_allclose([coefficient, error, p], [expected.params[0], expected.bse[0], expected.pvalues[0]])
    np.testing.assert_allclose([ratio.lower, ratio.upper], np.exp(expected.conf_int()[0]))
    assert [one.name for one in result.tables] == ["coefficients"]
