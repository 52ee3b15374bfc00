"""Generalised estimating equations against geepack, clubSandwich and statsmodels, and what stays of small clusters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from gagyo.coordinator.run import Run
from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.result import Result
from tests.contract.data import GOLDEN, HEAD, boolean, label, number
from tests.contract.ended import rehearsed
from tests.contract.test_mixed_references import divided, table
from tests.hospitals import SITES, house

TIGHT = 1e-8
VARIABLES = "\n".join(
    [
        number("lang", 0, 70),
        number("count", 0, 70),
        number("verbal", -12, 12),
        number("ses", 0, 60),
        number("weight", 0.1, 8),
        number("share", 0.1, 8),
        boolean("comb"),
        boolean("pass"),
        f"  class: {{type: integer, range: [0, 200], label: {label('class')}}}",
        f"  half: {{type: integer, range: [0, 10], label: {label('half')}}}",
    ]
)


@cache
def golden() -> dict[str, Any]:
    """What R computed (tests/golden/r/gee.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "gee.json").read_text())
    return found


def pupils() -> dict[str, np.ndarray]:
    data = table("pupils")
    return data | {
        "pass": (data["lang"] >= 42).astype(float),
        "count": np.rint(data["lang"]),
        "half": (data["class"] > 30).astype(float),
        "weight": 0.5 + data["ses"] / 40 + data["class"] % 3 / 2,
        "share": 1 + data["class"] % 5 / 2,
    }


def text(more: str) -> str:
    return HEAD % (5, VARIABLES, f"  a: {{method: gee, cohort: all, {more}}}\n")


def solved(more: str, data: Mapping[str, np.ndarray] | None = None) -> Result:
    """Without a gate: classes of twenty have too few of some kind for it."""
    return rehearsed(text(more), divided(pupils() if data is None else data, SITES))["a"]


def numbers(result: Result) -> np.ndarray:
    return np.array([[one.value, one.standard_error] for one in result.estimates])


def told(result: Result) -> dict[str, Any]:
    found = result.table("working")
    return dict(zip([column.name for column in found.columns], found.rows[0], strict=True))


def line(case: dict[str, Any], more: str) -> str:
    return f'formula: "{case["formula"]}", family: {case["family"]}, {more}'


@pytest.mark.parametrize("name", golden()["cases"])
def test_coefficients_and_errors(name: str) -> None:
    case = golden()["cases"][name]
    weights = f", weights: {case['weights']}" if case["weights"] else ""
    result = solved(line(case, f"cluster: class, correlation: {case['correlation']}, denominator: N{weights}"))
    np.testing.assert_allclose(numbers(result), np.transpose([case["coefficients"], case["errors"]]), rtol=TIGHT)
    working = told(result)
    assert (working["people"], working["clusters"]) == (case["people"], case["clusters"])
    np.testing.assert_allclose(working["dispersion"], case["dispersion"], rtol=TIGHT)
    if case["correlation"] == "exchangeable":
        np.testing.assert_allclose(working["alpha"], case["alpha"], rtol=TIGHT)


@pytest.mark.parametrize("name", golden()["hospitals"])
def test_few_hospitals_as_clusters_have_clubsandwichs_errors_and_freedom(name: str) -> None:
    case = golden()["hospitals"][name]
    result = solved(line(case, "correlation: independence"))
    np.testing.assert_allclose(numbers(result), np.transpose([case["coefficients"], case["errors"]]), rtol=TIGHT)
    freedom = [row[3] for row in result.table("coefficients").rows]
    np.testing.assert_allclose(freedom, case["freedom"], rtol=1e-7)
    assert result.methods_text[-1].key == "gee.errors_CR2"


@pytest.mark.parametrize(("family", "outcome"), [("gaussian", "lang"), ("binomial", "pass"), ("poisson", "count")])
@pytest.mark.parametrize("errors", ["sandwich", "mancl_derouen"])
def test_statsmodels_says_the_same(family: str, outcome: str, errors: str) -> None:
    import statsmodels.api as sm

    data = pupils()
    groups = data["hospital"] * 1000 + data["class"]
    X = sm.add_constant(np.column_stack([data["verbal"], data["ses"]]))
    kind = {"gaussian": sm.families.Gaussian, "binomial": sm.families.Binomial, "poisson": sm.families.Poisson}[family]
    model = sm.GEE(data[outcome], X, groups=groups, family=kind(), cov_struct=sm.cov_struct.Exchangeable())
    fit = model.fit(
        maxiter=500, ctol=1e-10, params_niter=1, cov_type="robust" if errors == "sandwich" else "bias_reduced"
    )
    result = solved(f'formula: "{outcome} ~ verbal + ses", family: {family}, cluster: class, errors: {errors}')
    np.testing.assert_allclose(numbers(result), np.transpose([fit.params, fit.bse]), rtol=TIGHT)
    np.testing.assert_allclose(told(result)["alpha"], model.cov_struct.dep_params, rtol=TIGHT)


def test_corrections_of_an_exchangeable_model_are_those_of_whole_matrices() -> None:
    """CR2 and its degrees of freedom from matrices of all people, roots and all, without a sum over clusters."""
    data = pupils()
    result = solved('formula: "pass ~ verbal + ses", family: binomial, cluster: class, errors: CR2')
    X = np.column_stack([np.ones(len(data["ses"])), data["verbal"], data["ses"]])
    mu = special.expit(X @ [one.value for one in result.estimates])
    deviation, alpha = np.sqrt(mu * (1 - mu)), told(result)["alpha"]
    groups = data["hospital"] * 1000 + data["class"]
    R = np.where(groups[:, None] == groups, alpha, 0.0)
    np.fill_diagonal(R, 1.0)
    theta, U = R * np.outer(deviation, deviation), X * (deviation**2)[:, None]
    M = np.linalg.inv(U.T @ np.linalg.solve(theta, U))
    middle, columns = np.zeros((3, 3)), []
    for group in np.unique(groups):
        inside = np.flatnonzero(groups == group)
        own, of = theta[np.ix_(inside, inside)], U[inside]
        C = np.linalg.cholesky(own)
        A = C @ _symmetric_power(C.T @ (own - of @ M @ of.T) @ C, -0.5) @ C.T
        left = np.linalg.solve(own, of)
        u = left.T @ A @ (data["pass"] - mu)[inside]
        middle += np.outer(u, u)
        whole = np.zeros((len(mu), 3))
        whole[inside] = A @ left @ M
        columns.append(whole - np.linalg.solve(theta, U @ M @ (U.T @ whole)))
    half = np.linalg.cholesky(theta).T
    np.testing.assert_allclose(numbers(result)[:, 1], np.sqrt(np.diag(M @ middle @ M)), rtol=TIGHT)
    for j in range(3):
        P = half @ np.column_stack([one[:, j] for one in columns])
        G = P.T @ P
        freedom = result.table("coefficients").rows[j][3]
        np.testing.assert_allclose(freedom, np.trace(G) ** 2 / (G**2).sum(), rtol=1e-7)


def _symmetric_power(matrix: np.ndarray, power: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * values**power) @ vectors.T)


def test_of_independent_people_alone_it_is_whites_sandwich() -> None:
    """A cluster of one each: HC0 of a linear model."""
    data = {key: column[:180] for key, column in pupils().items()}
    data["class"] = np.arange(180.0)
    result = solved('formula: "lang ~ verbal", family: gaussian, cluster: class, correlation: independence', data)
    X = np.column_stack([np.ones(180), data["verbal"]])
    rest = data["lang"] - X @ np.linalg.lstsq(X, data["lang"], rcond=None)[0]
    M = np.linalg.inv(X.T @ X)
    variance = M @ (X * rest[:, None] ** 2).T @ X @ M
    np.testing.assert_allclose(numbers(result)[:, 1], np.sqrt(np.diag(variance)), rtol=TIGHT)


WEIGHED = 'formula: "lang ~ verbal + comb", family: gaussian, cluster: class, weights: weight'


def test_the_unit_of_weights_does_not_matter_and_weights_of_one_are_none() -> None:
    data = pupils()
    small, large = (solved(WEIGHED, data | {"weight": unit * data["weight"]}) for unit in (0.5, 2.0))
    np.testing.assert_allclose(numbers(small), numbers(large), rtol=1e-9)
    for name in ("dispersion", "alpha"):
        np.testing.assert_allclose(told(small)[name], told(large)[name], rtol=1e-9)
    ones, plain = solved(WEIGHED, data | {"weight": np.ones(len(data["ses"]))}), solved(WEIGHED.partition(", we")[0])
    np.testing.assert_allclose(numbers(ones), numbers(plain), rtol=1e-9)
    assert [one.values["found"] for one in small.methods_text if one.key == "gee.text_weights"] == ["weight"]
    assert "weight" in Line(Study.parse(text(WEIGHED))).methods["a"].complete, "whoever lacks one is left out"
    assert "gee.text_weights" not in [one.key for one in plain.methods_text]


# What the gate lets out, and what it does not.

WARDS = 'formula: "lang ~ verbal + ses", family: gaussian, cluster: class'
HALVES = 'formula: "pass ~ verbal + ses + comb", family: binomial, cluster: half'


def answer(folder: Path, more: str, data: Mapping[str, np.ndarray]) -> Run:
    return house(folder, text(more), divided(data, SITES)).run()


def codes(run: Run) -> set[str]:
    assert run.results == {}
    return {one.code for one in run.stopped["a"].findings}


@pytest.fixture
def mixed_up() -> dict[str, np.ndarray]:
    """Pupils of whom every other has the trait, in each class."""
    data = pupils()
    return data | {"comb": (np.arange(len(data["comb"])) % 2).astype(float)}


@pytest.mark.parametrize(
    "more",
    [WARDS, HALVES, WARDS.replace(", cluster: class", ""), HALVES.replace("half", "''"), WARDS + ", weights: share"],
)
def test_ordinary_clusters_pass_and_change_nothing(tmp_path: Path, mixed_up: dict[str, np.ndarray], more: str) -> None:
    run = answer(tmp_path, more, mixed_up)
    assert run.stopped == {}
    np.testing.assert_allclose(numbers(run.results["a"]), numbers(solved(more, mixed_up)), rtol=1e-9)


@pytest.mark.parametrize("correlation", ["independence", "exchangeable"])
def test_a_small_cluster_stays(tmp_path: Path, correlation: str) -> None:
    """Attack: the middle of a sandwich is a sum of squares of clusters' own sums, and a correlation weighs clusters by
    their size otherwise in each round; a ward of four patients is the only one of its size.
    """
    data = pupils()
    four = np.flatnonzero(data["hospital"] == 2)[:4]
    data = data | {"class": data["class"].copy()}
    data["class"][four] = 199
    assert codes(answer(tmp_path, f"{WARDS}, correlation: {correlation}", data)) == {"answer_withheld"}


def test_the_sum_of_a_small_cluster_follows_from_a_sandwich() -> None:
    """What the rule is for: whoever knows the other clusters has the one ward's sum from the standard error told."""
    data = pupils()
    data["class"] = np.where(np.arange(len(data["class"])) < 4, 199.0, data["class"])
    one = solved('formula: "lang ~ 1", family: gaussian, cluster: class, correlation: independence', data).estimates[0]
    rest, groups, n = data["lang"] - one.value, data["hospital"] * 1000 + data["class"], len(data["lang"])
    others = sum(rest[groups == group].sum() ** 2 for group in np.unique(groups) if group != groups[0])
    found = np.sqrt((one.standard_error * n) ** 2 - others)
    assert found == pytest.approx(abs(rest[:4].sum()), rel=1e-6)


def test_a_cluster_in_which_few_have_the_outcome_stays(tmp_path: Path, mixed_up: dict[str, np.ndarray]) -> None:
    there = np.flatnonzero((mixed_up["half"] == 1) & (mixed_up["hospital"] == 0))
    mixed_up["pass"][there] = 0.0
    mixed_up["pass"][there[:3]] = 1.0
    assert codes(answer(tmp_path, HALVES, mixed_up)) == {"answer_withheld"}


def test_a_cluster_in_which_all_have_the_outcome_stays(tmp_path: Path, mixed_up: dict[str, np.ndarray]) -> None:
    mixed_up["pass"][(mixed_up["half"] == 1) & (mixed_up["hospital"] == 0)] = 1.0
    assert codes(answer(tmp_path, HALVES, mixed_up)) == {"answer_withheld"}


def test_a_trait_of_which_few_in_a_hospital_have_the_outcome_stays(
    tmp_path: Path, mixed_up: dict[str, np.ndarray]
) -> None:
    """Attack: a hospital is a cluster, and its sum of residuals of those with a trait counts its cases."""
    there = np.flatnonzero((mixed_up["comb"] == 1) & (mixed_up["hospital"] == 0))
    mixed_up["pass"][there] = 0.0
    mixed_up["pass"][there[:3]] = 1.0
    assert codes(answer(tmp_path, HALVES.replace("half", "''"), mixed_up)) == {"answer_withheld"}


def test_a_value_that_is_nearly_a_clusters_whole_sum_stays(tmp_path: Path) -> None:
    data = pupils() | {"ses": np.full(len(table("pupils")["ses"]), 10.0)}
    data["ses"][::2] = 20.0
    there = np.flatnonzero((data["class"] == data["class"][0]) & (data["hospital"] == data["hospital"][0]))
    assert answer(tmp_path, WARDS, data).stopped == {}
    data["ses"][there] = 0.1
    data["ses"][there[0]] = 60.0
    assert codes(answer(tmp_path / "one", WARDS, data)) == {"answer_withheld"}


def test_people_less_alike_than_can_be_have_no_exchangeable_correlation() -> None:
    from gagyo.errors import Stopped

    data = pupils() | {"lang": table("pupils")["lang"].copy()}
    for site in range(4):  # every hospital has the same mean, as exactly as nobody does by chance
        data["lang"][data["hospital"] == site] -= data["lang"][data["hospital"] == site].mean() - 40
    with pytest.raises(Stopped) as caught:
        solved('formula: "lang ~ verbal", family: gaussian, correlation: exchangeable', data)
    assert [one.code for one in caught.value.findings] == ["gee_correlation"]


def test_people_without_anyone_beside_them_have_no_correlation() -> None:
    from gagyo.errors import Stopped

    data = {key: column[:180] for key, column in pupils().items()}
    data["class"] = np.arange(180.0)
    with pytest.raises(Stopped) as caught:
        solved(WARDS, data)
    assert [one.code for one in caught.value.findings] == ["gee_pairs"]


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ('formula: "pass ~ ses", family: gaussian', {"glm_outcome"}),
        ('formula: "lang ~ ses", family: binomial', {"glm_outcome"}),
        ('formula: "verbal ~ ses", family: poisson', {"glm_outcome"}),
        ('formula: "lang ~ ses", family: gaussian, cluster: verbal', {"mixed_cluster"}),
        ('formula: "lang ~ ses", family: gaussian, weights: share', {"gee_weights"}),
        ('formula: "lang ~ ses", family: gaussian, cluster: class, errors: CR2, weights: share', {"gee_weights"}),
        ('formula: "lang ~ ses", family: gaussian, cluster: class, weights: verbal', {"weights_variable"}),
        ('formula: "lang ~ ses", family: gaussian, cluster: class, weights: class', {"weights_variable"}),
        ('formula: "lang ~ class", family: binomial, cluster: class', {"glm_outcome", "mixed_cluster"}),
    ],
)
def test_what_does_not_fit_together_is_said_at_once(more: str, wanted: set[str]) -> None:
    with pytest.raises(FileFault) as caught:
        Line(Study.parse(text(more)))
    assert {one.code for one in caught.value.findings} == wanted


def test_traits_alone_have_clusters_too() -> None:
    """A design without any measurement, which has no values to count in a cluster."""
    data = pupils() | {"comb": (np.arange(len(table("pupils")["comb"])) % 2).astype(float)}
    result = solved('formula: "pass ~ comb", family: binomial, cluster: class, correlation: independence', data)
    share = [data["pass"][data["comb"] == level].mean() for level in (0, 1)]
    odds = np.log(np.array(share) / (1 - np.array(share)))
    np.testing.assert_allclose([one.value for one in result.estimates], [odds[0], odds[1] - odds[0]], rtol=TIGHT)
