"""Logistic mixed models against lme4's glmer, and what the gate keeps of clusters and hospitals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from gagyo.errors import FileFault, Stopped
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.result import Interval, Result
from gagyo.statistics import laplace
from gagyo.statistics.distributions import normal_quantile
from gagyo.statistics.laplace import Grouped
from tests.contract.data import GOLDEN, HEAD, boolean, label, number
from tests.contract.ended import Ended, ended, rehearsed
from tests.contract.test_mixed_references import EIGHT, divided, table
from tests.hospitals import SITES, house

TIGHT = 1e-8
VARIABLES = "\n".join(
    [
        number("verbal", -12, 12),
        number("ses", 0, 60),
        *(boolean(name) for name in ("comb", "pass")),
        *(f"  {n}: {{type: integer, range: [0, 200], label: {label(n)}}}" for n in ("class", "half")),
    ]
)
HERDS = "\n".join(
    [*map(boolean, ("ill", "late", "third", "fourth")), number("herd", 0, 20).replace("number", "integer")]
)


@cache
def cases() -> dict[str, Any]:
    """What R computed (tests/golden/r/mixed_logistic.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "mixed_logistic.json").read_text())["cases"]
    return found


@cache
def people(name: str) -> dict[str, np.ndarray]:
    """A data set of the cases, one row a person (or an animal)."""
    if name != "cbpp":
        data = table("pupils" if name == "lots" else name)
        hospital = (np.arange(len(data["lang"])) + 1) % 8 if name == "lots" else data["hospital"]
        return data | {"pass": (data["lang"] >= 42).astype(float), "hospital": hospital}
    herds = table("cbpp")
    rows = np.repeat(np.arange(len(herds["herd"])), herds["size"].astype(int))
    within = np.concatenate([np.arange(size) for size in herds["size"]])
    period, herd = herds["period"][rows], herds["herd"][rows]
    traits = {"late": period > 1, "third": period == 3, "fourth": period == 4}
    return {
        "herd": herd,
        "hospital": herd % 4,
        "ill": (within < herds["incidence"][rows]).astype(float),
        **{key: one.astype(float) for key, one in traits.items()},
    }


def text(more: str, sites: tuple[str, ...], minimum: int = 5) -> str:
    line = f"  a: {{method: mixed_logistic, cohort: all, {more}}}\n"
    return (HEAD % (minimum, HERDS if "herd" in more else VARIABLES, line)).replace(", ".join(SITES), ", ".join(sites))


def sites_of(data: str) -> tuple[str, ...]:
    return EIGHT if data in ("classes", "lots") else SITES


@cache
def solved(name: str) -> Result:
    """Without a gate: herds are too small for it."""
    case = cases()[name]
    more = f'formula: "{case["formula"]}"' + (f", cluster: {case['cluster']}" if case["cluster"] else "")
    sites = sites_of(case["data"])
    return rehearsed(text(more, sites), divided(people(case["data"]), sites))["a"]


def wanted(case: Mapping[str, Any], key: str) -> dict[str, float]:
    """R's numbers of what is told: the hospitals' own intercepts are not."""
    names = [name.replace("(Intercept)", "Intercept") for name in case["terms"]]
    told = dict(zip(names, case[key], strict=True))
    return {
        name: one
        for name, one in told.items()
        if case["cluster"] == "" or name in case["formula"] or name == "deviation"
    }


def design(name: str) -> tuple[Grouped, np.ndarray]:
    """The pooled people of a case with R's columns, in the order of its terms, and their clusters."""
    case = cases()[name]
    data = people(case["data"])
    outcome = case["formula"].split(" ~ ")[0]
    columns = [np.ones(len(data[outcome]))]
    columns += [
        (data["hospital"] == int(term.removeprefix("hospital"))) if term.startswith("hospital") else data[term]
        for term in case["terms"][2:]
    ]
    codes = data["hospital"] * 1000 + (data[case["cluster"]] if case["cluster"] else 0)
    _, place = np.unique(codes, return_inverse=True)
    return Grouped(data[outcome], place, int(place.max()) + 1), np.column_stack(columns).astype(float)


@pytest.mark.parametrize("name", cases())
def test_the_deviance_is_glmers_at_its_own_optimum(name: str) -> None:
    case, (grouped, X) = cases()[name], design(name)
    at = np.array(case["found"])
    told = laplace.tell(grouped, X, X @ at[1:], float(at[0]))
    np.testing.assert_allclose(-2 * told.likelihood, case["deviance"], rtol=1e-10)


@pytest.mark.parametrize("name", cases())
def test_coefficients_and_errors(name: str) -> None:
    result, case = solved(name), cases()[name]
    assert result.people == case["people"]
    for key, attribute in (("optimum", "value"), ("errors", "standard_error")):
        expected = wanted(case, key)
        told = {one.name: getattr(one, attribute) for one in result.estimates if one.name in expected}
        assert told.keys() == expected.keys()
        if case["singular"]:
            assert told.pop("deviation") == (0.0 if attribute == "value" else None)
            expected.pop("deviation")
        # By numbers R's derivatives have some eight figures; from glmer's search to there are five.
        np.testing.assert_allclose([told[one] for one in expected], list(expected.values()), rtol=TIGHT)


@pytest.mark.parametrize("name", cases())
def test_no_slope_is_left_and_no_deviance_is_less(name: str) -> None:
    """Beyond R's own figures: at the optimum told, whole and pooled, with the hospitals' intercepts as columns."""
    result, case, (grouped, X) = solved(name), cases()[name], design(name)
    told = {one.name: one.value for one in result.estimates}
    at = np.array([told.get(one.replace("(Intercept)", "Intercept"), 0.0) for one in case["terms"]])
    own = [j for j, one in enumerate(case["terms"][1:]) if one.replace("(Intercept)", "Intercept") not in told]
    for _ in range(20 if own else 0):
        seen = laplace.tell(grouped, X, X @ at[1:], at[0])
        at[1:][own] -= np.linalg.solve(seen.hessian[np.ix_(own, own)], seen.gradient[own])
    found = laplace.tell(grouped, X, X @ at[1:], at[0])
    unit = np.sqrt(np.abs(np.diag(found.hessian)))
    np.testing.assert_allclose(found.gradient / unit, 0, atol=TIGHT)
    np.testing.assert_allclose(result.table("model").rows[0][-3], found.likelihood, rtol=1e-12)
    assert -2 * found.likelihood <= case["deviance"] * (1 + 1e-12)


@pytest.mark.parametrize("name", cases())
def test_the_variance_is_tested_against_the_model_without_it(name: str) -> None:
    result, case = solved(name), cases()[name]
    chi, p = result.table("model").rows[0][-2:]
    np.testing.assert_allclose(chi, case["without"] - case["least"], rtol=TIGHT, atol=1e-7)
    np.testing.assert_allclose(p, special.erfc(np.sqrt(chi / 2)) / 2 if chi else 1.0, rtol=1e-10)
    assert ("mixed.logistic_singular" in [one.key for one in result.notes]) == case["singular"]


def test_what_follows_from_the_deviation() -> None:
    result = solved("wards")
    one = {name: result.estimate(name) for name in ("deviation", "variance", "icc", "median_odds_ratio")}
    d = one["deviation"].value
    assert one["variance"].value == d**2
    assert one["icc"].value == d**2 / (d**2 + np.pi**2 / 3)
    assert one["median_odds_ratio"].value == pytest.approx(np.exp(0.9538726 * d), rel=1e-6)
    reach = float(normal_quantile(0.975)) * one["deviation"].standard_error / d
    np.testing.assert_allclose([one["variance"].lower, one["variance"].upper], d**2 * np.exp([-2 * reach, 2 * reach]))
    assert isinstance(result.table("variances").rows[0][1], Interval)


def test_few_hospitals_without_clusters_are_columns_of_a_logistic_fit() -> None:
    import statsmodels.api as sm

    data = people("pupils")
    result = rehearsed(text('formula: "pass ~ verbal + ses"', SITES), divided(data, SITES))["a"]
    dummies = data["hospital"][:, None] == np.arange(4)
    fit = sm.Logit(data["pass"], np.column_stack([data["verbal"], data["ses"], dummies])).fit(disp=0, tol=1e-14)
    told = [result.estimate(name) for name in ("verbal", "ses")]
    np.testing.assert_allclose([one.value for one in told], fit.params[:2], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in told], fit.bse[:2], rtol=TIGHT)
    np.testing.assert_allclose(result.table("model").rows[0][-1], fit.llf, rtol=1e-10)
    assert [one.name for one in result.tables] == ["coefficients", "model"]


def test_a_column_that_is_constant_in_each_hospital_is_aliased() -> None:
    data = people("pupils")
    data = data | {"ses": 17.3 + 1.1 * data["hospital"]}  # whose mean is not it to the last figure
    more = 'formula: "pass ~ verbal + ses", cluster: class'
    result = rehearsed(text(more, SITES), divided(data, SITES))["a"]
    assert [one.name for one in result.estimates if one.value is None] == ["ses"]
    assert result.notes[0].key == "regression.aliased"


def test_a_hospital_in_which_nobody_has_the_outcome_tells_nothing() -> None:
    data = dict(people("pupils"))
    kept = data["hospital"] > 0
    more = text('formula: "pass ~ verbal + ses", cluster: class', SITES)
    without = rehearsed(more, divided({k: v[kept] for k, v in data.items()}, SITES))["a"]
    data["pass"] = np.where(kept, data["pass"], 0.0)
    one = rehearsed(more, divided(data, SITES))["a"]
    for name in ("verbal", "ses", "deviation"):
        np.testing.assert_allclose(one.estimate(name).value, without.estimate(name).value, rtol=TIGHT)


# What the gate does not let out.


def codes(run: Ended) -> set[str]:
    assert run.results == {}
    return {one.code for one in run.stopped["a"].findings}


WARDS = 'formula: "pass ~ verbal + comb", cluster: half'


def halves() -> dict[str, np.ndarray]:
    """Pupils in two wards a hospital, some sixty each, of whom every other has `comb`."""
    data = people("pupils")
    return data | {
        "half": (data["class"] > 30).astype(float),
        "comb": (np.arange(len(data["lang"])) % 2).astype(float),
        "pass": ((data["lang"] + np.arange(len(data["lang"])) % 7) >= 46).astype(float),
    }


def ward_of(data: Mapping[str, np.ndarray]) -> np.ndarray:
    """The people of one ward."""
    return np.flatnonzero((data["hospital"] == 2) & (data["half"] == 1))


def test_an_ordinary_study_of_wards_passes_with_the_numbers_of_the_rehearsal(tmp_path: Path) -> None:
    run = ended(tmp_path, text(WARDS, SITES), divided(halves(), SITES))
    assert run.stopped == {}
    expected = rehearsed(text(WARDS, SITES), divided(halves(), SITES))["a"]
    told = [(one.value, one.standard_error or 0) for one in run.results["a"].estimates]
    np.testing.assert_allclose(told, [(one.value, one.standard_error or 0) for one in expected.estimates], rtol=1e-9)
    assert run.results["a"].rounds < 15


def test_an_ordinary_study_of_hospitals_passes(tmp_path: Path) -> None:
    more, data = 'formula: "pass ~ verbal + comb"', halves() | {"hospital": people("lots")["hospital"]}
    run = ended(tmp_path, text(more, EIGHT), divided(data, EIGHT))
    assert run.stopped == {}
    assert run.results["a"].methods_text[0].key == "mixed.logistic_text_random"


def test_a_cluster_comes_out_of_sums_at_several_deviations() -> None:
    """Attack: at coefficients of zero and different deviations, clusters of one size with one number of outcomes give
    one value; the sums of three rounds are equations enough for how many there are of each: here, that one ward of
    eight has none.
    """
    sizes, outcomes = [8, 8, 30, 31], [0, 3, 12, 17]
    place = np.repeat(np.arange(4), sizes)
    y = np.concatenate([np.arange(n) < k for n, k in zip(sizes, outcomes, strict=True)]).astype(float)

    def opened(places: np.ndarray, outcome: np.ndarray, clusters: int) -> np.ndarray:
        grouped, one = Grouped(outcome, places, clusters), np.ones((len(outcome), 1))
        return np.array([laplace.tell(grouped, one, 0 * outcome, d).likelihood for d in (0.0, 0.5, 1.0, 1.5)])

    seen = opened(place, y, 4)
    alone = {
        (n, k): opened(np.zeros(n, np.intp), (np.arange(n) < k).astype(float), 1)
        for n in (8, 30, 31)
        for k in range(n + 1)
    }
    found = [
        (a, b, c, d)
        for a in range(9)
        for b in range(a, 9)
        for c in range(31)
        for d in range(32)
        if np.abs(alone[8, a] + alone[8, b] + alone[30, c] + alone[31, d] - seen).max() < 1e-9
    ]
    sides = [{min(k, n - k) for k, n in zip(one, sizes, strict=True)} for one in found]
    assert found
    assert all(0 in one for one in sides), "that a ward of eight has all alike follows from the sums"


@pytest.mark.parametrize("few", [0, 4])
def test_a_ward_in_which_few_or_none_have_the_outcome_stays(tmp_path: Path, few: int) -> None:
    data = halves()
    data["pass"][ward_of(data)] = 0.0
    data["pass"][ward_of(data)[:few]] = 1.0
    assert codes(house(tmp_path, text(WARDS, SITES), divided(data, SITES)).run()) == {"answer_withheld"}


def test_a_small_ward_stays(tmp_path: Path) -> None:
    data = halves()
    data["half"][ward_of(data)[:4]] = 3.0
    assert codes(house(tmp_path, text(WARDS, SITES), divided(data, SITES)).run()) == {"answer_withheld"}


def test_a_trait_that_few_of_a_ward_have_stays(tmp_path: Path) -> None:
    data = halves()
    data["comb"][ward_of(data)] = 0.0
    data["comb"][ward_of(data)[:3]] = 1.0
    assert codes(house(tmp_path, text(WARDS, SITES), divided(data, SITES)).run()) == {"answer_withheld"}


@pytest.mark.parametrize("hospital", ["random", "fixed"])
def test_a_hospital_in_which_few_have_the_outcome_stays(tmp_path: Path, hospital: str) -> None:
    """Attack: a hospital is one cluster of its own size, so that its sums follow as a ward's do."""
    more = f'formula: "pass ~ verbal + comb", hospital: {hospital}'
    data = halves() | {"hospital": people("lots")["hospital"]}
    there = np.flatnonzero(data["hospital"] == 3)
    data["pass"][there] = 0.0
    data["pass"][there[:4]] = 1.0
    assert codes(house(tmp_path, text(more, EIGHT), divided(data, EIGHT)).run()) == {"answer_withheld"}


def test_a_value_that_is_nearly_a_wards_whole_sum_stays(tmp_path: Path) -> None:
    data = halves() | {"ses": np.full(len(halves()["pass"]), 10.0)}
    data["ses"][::2] = 20.0
    more = 'formula: "pass ~ ses", cluster: half'
    data["ses"][ward_of(data)] = 0.01
    data["ses"][ward_of(data)[0]] = 60.0
    assert codes(house(tmp_path, text(more, SITES), divided(data, SITES)).run()) == {"answer_withheld"}


def test_five_hospitals_must_answer(tmp_path: Path) -> None:
    data = halves() | {"hospital": people("lots")["hospital"]}
    keep = (data["hospital"] < 4) | (np.arange(len(data["pass"])) % 60 == 0)
    data = {name: column[keep] for name, column in data.items()}
    study = text('formula: "pass ~ verbal"', EIGHT).replace("variables:\n", "may_go_on_without: 4\nvariables:\n", 1)
    assert codes(house(tmp_path, study, divided(data, EIGHT)).run()) == {"mixed_few"}


def test_separated_data_are_said_to_be_so() -> None:
    data = halves()
    data["comb"] = data["pass"].copy()
    with pytest.raises(Stopped) as caught:
        rehearsed(text(WARDS, SITES), divided(data, SITES))
    assert {one.code for one in caught.value.findings} == {"separation"}


@pytest.mark.parametrize(
    ("more", "sites", "wrong"),
    [
        ('formula: "verbal ~ ses"', EIGHT, {"mixed_logistic_formula"}),
        ('formula: "pass ~ ses - 1"', EIGHT, {"mixed_logistic_formula"}),
        ('formula: "pass ~ ses", cluster: verbal', EIGHT, {"mixed_cluster"}),
        ('formula: "pass ~ ses", hospital: random', SITES, {"mixed_hospitals"}),
        ('formula: "pass ~ ses", hospital: random, cluster: class', EIGHT, {"mixed_hospitals"}),
        (
            'formula: "ses ~ verbal", hospital: random, cluster: no',
            SITES,
            {"mixed_logistic_formula", "mixed_cluster", "mixed_hospitals"},
        ),
    ],
)
def test_what_does_not_fit_together_is_said_at_once(more: str, sites: tuple[str, ...], wrong: set[str]) -> None:
    with pytest.raises(FileFault) as caught:
        Line(Study.parse(text(more, sites)))
    assert {one.code for one in caught.value.findings} == wrong
