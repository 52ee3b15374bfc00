"""Linear mixed models against R's lme4 and lmerTest on pupils in classes, and what the gate keeps of small clusters."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.result import Result
from gagyo.site.policy import Policy
from tests.contract.data import GOLDEN, HEAD, boolean, label, number, shared
from tests.contract.ended import Ended, ended
from tests.hospitals import SITES, Rows, house

EIGHT = (*SITES, "daegu", "gwangju", "shanghai", "wuhan")
TIGHT = 1e-8


@cache
def cases() -> dict[str, Any]:
    """What R computed (tests/golden/r/mixed.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "mixed.json").read_text())["cases"]
    return found


@cache
def table(name: str) -> dict[str, np.ndarray]:
    """The columns of a data file, which many tests share and none may change."""
    with (GOLDEN / "data" / f"{name}.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return {key: shared([float(line[key]) for line in lines]) for key in lines[0]}


def divided(data: Mapping[str, np.ndarray], sites: tuple[str, ...]) -> dict[str, Rows]:
    """People at the hospital that `hospital` numbers."""
    where = data["hospital"].astype(int)
    return {
        site: Rows(
            {name: column[where == at] for name, column in data.items() if name != "hospital"},
            [f"p{person}".encode() for person in np.flatnonzero(where == at)],
        )
        for at, site in enumerate(sites)
    }


VARIABLES = "\n".join(
    [
        number("lang", 0, 70),
        number("verbal", -12, 12),
        number("ses", 0, 60),
        boolean("comb"),
        f"  class: {{type: integer, range: [0, 200], label: {label('class')}}}",
    ]
)


def text(line: str, sites: tuple[str, ...] = SITES, variables: str = VARIABLES, minimum: int = 5) -> str:
    return (HEAD % (minimum, variables, line)).replace(", ".join(SITES), ", ".join(sites))


def line(case: Mapping[str, Any], name: str = "a") -> str:
    more = f", cluster: {case['cluster']}" if case["cluster"] else f", slopes: [{', '.join(case['slopes'])}]"
    fit = f'formula: "{case["formula"]}", estimation: {case["estimation"]}{more}'
    return f"  {name}: {{method: mixed, cohort: all, {fit}}}\n"


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Every case, run once."""
    out = {}
    for data, sites in (("classes", EIGHT), ("pupils", SITES)):
        lines = [line(case, name) for name, case in cases().items() if case["data"] == data]
        people = divided(table(data), sites)
        out[data] = ended(tmp_path_factory.mktemp(data), text("".join(lines), sites), people)
        assert out[data].stopped == {}
    return out


def found(fits: dict[str, Ended], name: str) -> tuple[Result, Any, float]:
    """The result, R's, and how far R's own can be trusted: a singular fit's optimum is not polished."""
    case = cases()[name]
    return fits[case["data"]].results[name], case, 2e-6 if case["singular"] else TIGHT


def wanted(result: Result, case: Mapping[str, Any], key: str) -> list[float]:
    """R's numbers of the terms that are told: the hospitals' own intercepts are not."""
    names = [one.name for one in result.estimates if not one.name.startswith(("variance", "covariance"))]
    by_name = dict(zip([term.replace("(Intercept)", "Intercept") for term in case["terms"]], case[key], strict=True))
    return [by_name[name] for name in names]


@pytest.mark.parametrize("name", cases())
def test_fixed_effects_and_errors(fits: dict[str, Ended], name: str) -> None:
    result, case, tight = found(fits, name)
    told = [one for one in result.estimates if one.standard_error is not None]
    assert result.people == case["people"]
    np.testing.assert_allclose([one.value for one in told], wanted(result, case, "coefficients"), rtol=tight)
    np.testing.assert_allclose([one.standard_error for one in told], wanted(result, case, "errors"), rtol=tight)


@pytest.mark.parametrize("name", cases())
def test_variances_and_likelihood(fits: dict[str, Ended], name: str) -> None:
    result, case, tight = found(fits, name)
    told = [one.value for one in result.estimates if one.name.startswith(("variance", "covariance"))]
    expected = [*case["variances"], case["sigma2"]] if isinstance(case["variances"], list) else None
    expected = expected or [case["variances"], case["sigma2"]]
    np.testing.assert_allclose(told, expected, rtol=50 * tight if case["singular"] else 5 * tight)
    row = result.table("model").rows[0]
    np.testing.assert_allclose(row[-1], case["log_likelihood"], rtol=1e-10)


def dense(case: Mapping[str, Any], told: np.ndarray) -> np.ndarray:
    """Fisher's scoring step of the variances from those told, by whole matrices V (n, n): none where they are right."""
    data = table(case["data"])
    of = [np.ones(len(data["lang"])), *(data[name] for name in case["slopes"])]
    same = data["hospital"][:, None] == data["hospital"]
    if case["cluster"]:
        same &= data["class"][:, None] == data["class"]
    pairs = [(i, j) for j in range(len(of)) for i in range(j, len(of))]
    pairs = [(0, 0), (1, 0), (1, 1)] if len(of) == 2 else pairs
    parts = [same * (np.outer(of[i], of[j]) + (np.outer(of[j], of[i]) if i != j else 0)) for i, j in pairs]
    parts.append(np.eye(len(of[0])))
    V = np.linalg.inv(sum(size * part for size, part in zip(told, parts, strict=True)))
    X = np.column_stack([np.ones(len(of[0])), data["verbal"], data["ses"]])
    if case["cluster"]:
        X = np.column_stack([X[:, 1:], data["comb"], *(data["hospital"] == at for at in range(4))])
    P = V - V @ X @ np.linalg.solve(X.T @ V @ X, X.T @ V)
    traced = P if case["estimation"] == "REML" else V
    score = [data["lang"] @ P @ one @ P @ data["lang"] - np.sum(traced * one) for one in parts]
    left = [traced @ one for one in parts]
    information = [[np.sum(a * b.T) for b in left] for a in left]
    return np.asarray(np.linalg.solve(information, score))


@pytest.mark.parametrize("name", [name for name in cases() if not cases()[name]["singular"]])
def test_no_step_is_left_by_the_dense_equations(fits: dict[str, Ended], name: str) -> None:
    """Beyond lme4's own figures: its deviance is differentiated by numbers."""
    result, case, _ = found(fits, name)
    told = np.array([one.value for one in result.estimates if one.name.startswith(("variance", "covariance"))])
    np.testing.assert_allclose(dense(case, told) / told, 0, atol=TIGHT)


@pytest.mark.parametrize("name", [name for name in cases() if not cases()[name]["singular"]])
def test_satterthwaites_degrees_of_freedom(fits: dict[str, Ended], name: str) -> None:
    """lmerTest differentiates by numbers, and says no more than five figures."""
    result, case, _ = found(fits, name)
    told = [row[3] for row in result.table("fixed_effects").rows]
    np.testing.assert_allclose(told, wanted(result, case, "df"), rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in cases() if cases()[name]["data"] == "classes"])
def test_each_hospitals_deviation(fits: dict[str, Ended], name: str) -> None:
    result, case, tight = found(fits, name)
    told = np.array([[cell.value for cell in row[1:]] for row in result.table("deviations").rows])
    np.testing.assert_allclose(told, np.reshape(case["modes"], told.shape), rtol=100 * tight, atol=100 * tight)


def test_a_singular_fit_says_so(fits: dict[str, Ended]) -> None:
    for name, case in cases().items():
        keys = [one.key for one in found(fits, name)[0].notes]
        assert ("mixed.singular" in keys) == case["singular"], name


def test_few_hospitals_have_fixed_intercepts_and_least_squares(tmp_path: Path) -> None:
    import statsmodels.api as sm

    data = table("pupils")
    plain = '  a: {method: mixed, cohort: all, formula: "lang ~ verbal + ses"}\n'
    result = house(tmp_path, text(plain), divided(data, SITES)).run().results["a"]
    dummies = data["hospital"][:, None] == np.arange(4)
    fit = sm.OLS(data["lang"], np.column_stack([data["verbal"], data["ses"], dummies])).fit()
    told = [result.estimate(name) for name in ("verbal", "ses")]
    np.testing.assert_allclose([one.value for one in told], fit.params[:2], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in told], fit.bse[:2], rtol=TIGHT)
    np.testing.assert_allclose([one.p for one in told], fit.pvalues[:2], rtol=1e-6)
    np.testing.assert_allclose(result.estimate("variance.residual").value, fit.scale, rtol=TIGHT)
    assert "mixed.own_intercepts" in [one.key for one in result.notes], "without them it is no equation, and says so"


def test_a_column_that_is_constant_in_each_hospital_is_aliased_by_fixed_ones(tmp_path: Path) -> None:
    data = table("pupils") | {"comb": (table("pupils")["hospital"] > 1).astype(float)}
    plain = '  a: {method: mixed, cohort: all, formula: "lang ~ verbal + comb", cluster: class}\n'
    result = house(tmp_path, text(plain), divided(data, SITES)).run().results["a"]
    assert [one.name for one in result.estimates if one.value is None] == ["comb"]
    assert result.estimate("verbal").value is not None


# What the gate does not let out.


def codes(run: Ended) -> set[str]:
    assert run.results == {}
    return {one.code for one in run.stopped["a"].findings}


WARDS = '  a: {method: mixed, cohort: all, formula: "lang ~ verbal + ses", cluster: class}\n'


def test_a_small_cluster_stays(tmp_path: Path) -> None:
    """Attack: each variance ratio weighs clusters by their size otherwise. As the rounds go by there are equations
    enough in the sums of the clusters of one size, and a ward of four patients is the only one of its size.
    """
    data = table("pupils")
    four = np.flatnonzero(data["hospital"] == 2)[:4]
    assert house(tmp_path, text(WARDS), divided(data, SITES)).run().stopped == {}
    data = data | {"class": data["class"].copy()}
    data["class"][four] = 199
    assert codes(house(tmp_path / "small", text(WARDS), divided(data, SITES)).run()) == {"answer_withheld"}


def test_a_level_that_few_of_a_cluster_have_stays(tmp_path: Path) -> None:
    data = table("pupils") | {"comb": (np.arange(len(table("pupils")["comb"])) % 2).astype(float)}
    line = WARDS.replace("ses", "comb")
    assert house(tmp_path, text(line), divided(data, SITES)).run().stopped == {}
    there = np.flatnonzero((data["class"] == data["class"][0]) & (data["hospital"] == data["hospital"][0]))
    data["comb"][there] = 0.0
    data["comb"][there[:3]] = 1.0
    assert codes(house(tmp_path / "few", text(line), divided(data, SITES)).run()) == {"answer_withheld"}


def test_a_value_that_is_nearly_a_clusters_whole_sum_stays(tmp_path: Path) -> None:
    data = table("pupils") | {"ses": np.full(len(table("pupils")["ses"]), 10.0)}
    data["ses"][::2] = 20.0
    there = np.flatnonzero((data["class"] == data["class"][0]) & (data["hospital"] == data["hospital"][0]))
    assert house(tmp_path, text(WARDS), divided(data, SITES)).run().stopped == {}
    data["ses"][there] = 0.1
    data["ses"][there[0]] = 60.0
    assert codes(house(tmp_path / "one", text(WARDS), divided(data, SITES)).run()) == {"answer_withheld"}


FIXED = '  a: {method: mixed, cohort: all, formula: "lang ~ verbal + comb"}\n'


def test_a_trait_that_few_of_a_hospital_have_stays(tmp_path: Path) -> None:
    """Attack: the sum over hospitals of the trait's number less its square over the hospital's people. Denominators are
    known and unlike, so that each hospital's number follows by its remainder, though the trait is common in all.
    """
    data = table("pupils") | {"comb": (np.arange(len(table("pupils")["comb"])) % 2).astype(float)}
    people = np.bincount(data["hospital"].astype(int))
    there = np.flatnonzero(data["hospital"] == 2)
    few = {**data, "comb": data["comb"].copy()}
    few["comb"][there] = 0.0
    few["comb"][there[:3]] = 1.0
    having = np.array([few["comb"][few["hospital"] == site].sum() for site in range(4)])
    opened = sum(Fraction(int(a)) - Fraction(int(a) ** 2, int(n)) for a, n in zip(having, people, strict=True))
    alike = [
        number
        for number in range(int(people[2]) // 2)
        if (opened - Fraction(number * int(people[2] - number), int(people[2]))).denominator % int(people[2])
    ]
    assert 3 in alike
    assert len(alike) < people[2] // 4, "the remainder leaves few numbers that the hospital can have"
    assert house(tmp_path, text(FIXED), divided(data, SITES)).run().stopped == {}
    assert codes(house(tmp_path / "few", text(FIXED), divided(few, SITES)).run()) == {"answer_withheld"}


OWN = '  a: {method: mixed, cohort: all, formula: "lang ~ verbal + ses + comb", slopes: [comb]}\n'


def mixed_classes() -> dict[str, np.ndarray]:
    """Half of each hospital has `comb`."""
    data = dict(table("classes"))
    return data | {"comb": (np.arange(len(data["lang"])) % 2).astype(float)}


@pytest.mark.parametrize(
    "line",
    [OWN, OWN.replace("slopes: [comb]", "hospital: random"), OWN.replace("[comb]", "[comb, verbal]")],
)
def test_a_hospitals_own_sums_need_its_own_people(tmp_path: Path, line: str) -> None:
    """Attack: what the secure sum would hide is one hospital's here, so that its own cells count."""
    data, five = mixed_classes(), {site: Policy(minimum_people=5) for site in EIGHT}
    first = house(tmp_path, text(line, EIGHT), divided(data, EIGHT), five).run()
    assert first.stopped == {}
    there = np.flatnonzero(data["hospital"] == 3)
    data["comb"][there] = 0.0
    data["comb"][there[:4]] = 1.0
    assert codes(house(tmp_path / "few", text(line, EIGHT), divided(data, EIGHT), five).run()) == {"withheld_fit"}


def test_a_measurement_that_few_with_the_slope_have_stays(tmp_path: Path) -> None:
    """Attack: products with a 0/1 slope are sums over those who have it, of whom three have any of another column."""
    data, five = mixed_classes(), {site: Policy(minimum_people=5) for site in EIGHT}
    there = np.flatnonzero((data["hospital"] == 3) & (data["comb"] == 1))
    data["ses"] = data["ses"].copy()
    data["ses"][there] = 0.0
    data["ses"][there[:3]] = 20.0
    plain = OWN.replace("slopes: [comb]", "hospital: random")
    assert house(tmp_path / "plain", text(plain, EIGHT), divided(data, EIGHT), five).run().stopped == {}
    assert codes(house(tmp_path, text(OWN, EIGHT), divided(data, EIGHT), five).run()) == {"withheld_fit"}


def test_a_value_that_is_nearly_a_hospitals_own_sum_stays(tmp_path: Path) -> None:
    data = mixed_classes()
    there = np.flatnonzero(data["hospital"] == 3)
    data["ses"] = data["ses"].copy()
    data["ses"][there] = 0.1
    data["ses"][there[0]] = 60.0
    assert codes(house(tmp_path, text(OWN, EIGHT), divided(data, EIGHT)).run()) == {"answer_withheld"}


def test_five_hospitals_must_answer(tmp_path: Path) -> None:
    data = dict(table("classes"))
    keep = (data["hospital"] < 4) | (np.arange(len(data["lang"])) % 12 == 0)
    data = {name: column[keep] for name, column in data.items()}
    line = '  a: {method: mixed, cohort: all, formula: "lang ~ verbal"}\n'
    study = text(line, EIGHT).replace("variables:\n", "may_go_on_without: 4\nvariables:\n", 1)
    assert codes(house(tmp_path, study, divided(data, EIGHT)).run()) == {"mixed_few"}


@pytest.mark.parametrize(
    ("more", "sites", "wrong"),
    [
        ('formula: "comb ~ ses"', EIGHT, {"mixed_formula"}),
        ('formula: "lang ~ ses - 1"', EIGHT, {"mixed_formula"}),
        ('formula: "lang ~ ses", slopes: [verbal]', EIGHT, {"mixed_slopes"}),
        ('formula: "lang ~ ses + verbal + comb", slopes: [ses, verbal, comb]', EIGHT, {"mixed_slopes"}),
        ('formula: "lang ~ ses", cluster: verbal', EIGHT, {"mixed_cluster"}),
        ('formula: "lang ~ ses", slopes: [ses]', SITES, {"mixed_hospitals"}),
        ('formula: "lang ~ ses", hospital: random', SITES, {"mixed_hospitals"}),
        ('formula: "lang ~ ses", hospital: random, cluster: class', EIGHT, {"mixed_hospitals"}),
        (
            'formula: "comb ~ ses", slopes: [no], cluster: no',
            SITES,
            {"mixed_formula", "mixed_slopes", "mixed_cluster", "mixed_hospitals"},
        ),
    ],
)
def test_what_does_not_fit_together_is_said_at_once(more: str, sites: tuple[str, ...], wrong: set[str]) -> None:
    with pytest.raises(FileFault) as caught:
        Line(Study.parse(text(f"  a: {{method: mixed, cohort: all, {more}}}\n", sites)))
    assert {one.code for one in caught.value.findings} == wrong
