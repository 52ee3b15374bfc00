"""Repeated measurements against R's nlme and lme4 on patients' bilirubin over two years, and what must not matter."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.coordinator.folder import finish, open_folder
from gagyo.coordinator.planning import check
from gagyo.errors import FileFault, Stopped
from gagyo.federation.in_memory import converse
from gagyo.federation.line import Line
from gagyo.federation.rows import Rows as Inside
from gagyo.protocol.study import Study
from gagyo.report import render
from gagyo.result import Result
from gagyo.text import LANGUAGES, translate
from tests.contract.data import GOLDEN, HEAD, boolean, divide, label, number
from tests.contract.ended import ended
from tests.hospitals import SITES, Rows, house

EIGHT = (*SITES, "daegu", "gwangju", "shanghai", "wuhan")
MONTHS = (0, 6, 12, 24)
VARIABLES = "\n".join(
    [
        number("age", 0, 100),
        *(number(f"bilirubin_{month}", -3, 5) for month in MONTHS),
        boolean("treated"),
        boolean("female"),
    ]
)
TIGHT = 1e-10


@cache
def cases() -> dict[str, Any]:
    """What R computed (tests/golden/r/repeated.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "repeated.json").read_text())["cases"]
    return found


@cache
def table() -> dict[str, np.ndarray]:
    with (GOLDEN / "data" / "cholangitis.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return {key: np.array([float("nan" if line[key] == "NA" else line[key]) for line in lines]) for key in lines[0]}


def measured(months: tuple[int, ...] = MONTHS) -> str:
    visits = ", ".join(f"bilirubin_{month}: {month}" for month in months)
    words = "{en: Bilirubin (log), ko: 빌리루빈(로그), zh: 胆红素（对数）}"
    return f"measured: {{name: bilirubin, label: {words}, visits: {{{visits}}}}}, time_unit: mo"


def line(case: Mapping[str, Any], more: str = "", months: tuple[int, ...] = MONTHS) -> str:
    chosen = ", ".join(f"{name}: {case[name]}" for name in ("covariance", "hospital", "estimation"))
    return f'  a: {{method: repeated, cohort: all, formula: "{case["formula"]}", {measured(months)}, {chosen}{more}}}\n'


def text(lines: str, sites: tuple[str, ...] = SITES, minimum: int = 5) -> str:
    return (HEAD % (minimum, VARIABLES, lines)).replace(", ".join(SITES), ", ".join(sites))


def rehearsed(lines: str, where: np.ndarray, sites: tuple[str, ...] = SITES) -> Result:
    """The result without the gate: a few people of these have patterns of visits of their own."""
    study = Study.parse(text(lines, sites))
    people = {name: column for name, column in table().items() if name != "hospital"}
    rows = {
        site: Inside(
            site,
            study.variables,
            {name: column[where == place] for name, column in people.items()},
            [b"p%d" % one for one in np.flatnonzero(where == place)],
        )
        for place, site in enumerate(sites)
    }
    return converse(Line(study).methods["a"].combine({}), rows)


@cache
def found(name: str) -> Result:
    case = cases()[name]
    sites = EIGHT if case["hospital"] == "random" else SITES
    return rehearsed(line(case), table()["hospital"] % len(sites), sites)


def wanted(result: Result, case: Mapping[str, Any], key: str) -> list[float]:
    """R's numbers of the terms that are told: fixed intercepts of hospitals are not."""
    names = {"(Intercept)": "Intercept"} | {f"visit{month}": f"visit[bilirubin_{month}]" for month in MONTHS}
    told = [":".join(names.get(part, part) for part in term.split(":")) for term in case["terms"]]
    by_name = dict(zip(told, case[key], strict=True))
    effects = [one.name for one in result.estimates if one.name in by_name]
    assert len(effects) == len(result.table("fixed_effects").rows) >= 4
    return [by_name[one] for one in effects]


@pytest.mark.parametrize("name", cases())
def test_fixed_effects_and_errors(name: str) -> None:
    result, case = found(name), cases()[name]
    told = result.estimates[: len(result.table("fixed_effects").rows)]
    assert result.people == 312
    np.testing.assert_allclose([one.value for one in told], wanted(result, case, "coefficients"), rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in told], wanted(result, case, "errors"), rtol=TIGHT)


@pytest.mark.parametrize("name", cases())
def test_variances_and_likelihood(name: str) -> None:
    result, case = found(name), cases()[name]
    told = {one.name: one.value for one in result.estimates}
    if case["covariance"] == "unstructured":
        pairs = [(a, b) for a in range(4) for b in range(a, 4)]
        names = [f"covariance.bilirubin_{MONTHS[a]}.bilirubin_{MONTHS[b]}" for a, b in pairs]
    elif case["covariance"] == "ar1":
        names = ["variance.residual", "rho"]
    else:
        slope = ["covariance.person.time", "variance.time"] if case["covariance"] == "slope" else []
        names = ["variance.person", *slope, "variance.residual"]
    names += ["variance.hospital"] if case["hospital"] == "random" else []
    np.testing.assert_allclose([told[one] for one in names], case["parameters"], rtol=TIGHT)
    row = result.table("model").rows[0]
    assert row[1] == case["measurements"]
    np.testing.assert_allclose(row[-1], case["log_likelihood"], rtol=TIGHT)


@pytest.mark.parametrize("name", cases())
def test_satterthwaites_degrees_of_freedom(name: str) -> None:
    """R's Hessian is by differences of the exact score; lmerTest's own figures are fewer still."""
    result, case = found(name), cases()[name]
    told = [row[3] for row in result.table("fixed_effects").rows]
    np.testing.assert_allclose(told, wanted(result, case, "df"), rtol=2e-7)
    if case.get("lmer_df"):
        np.testing.assert_allclose(told, wanted(result, case, "lmer_df"), rtol=1e-3)


def test_hospitals_and_how_people_are_divided_do_not_matter() -> None:
    """Of unlike sizes, one empty, one without anybody at the last visit: where hospitals have no effect."""
    once = found("unstructured_none_reml")
    where = np.searchsorted([0.1, 0.5, 0.9], np.random.default_rng(3).random(312))
    where[where == 3] = 2
    where[np.isnan(table()["bilirubin_24"])] = 1
    again = rehearsed(line(cases()["unstructured_none_reml"]), where)
    numbers = [[one.value, one.standard_error] for one in once.estimates if one.standard_error is not None]
    other = [[one.value, one.standard_error] for one in again.estimates if one.standard_error is not None]
    np.testing.assert_allclose(other, numbers, rtol=1e-8)


def means(case: Mapping[str, Any], compare: str = ", compare: treated") -> Result:
    return rehearsed(line(case, compare), table()["hospital"] % 4)


@pytest.mark.parametrize("name", ["unstructured_none_reml", "unstructured_fixed_reml", "slope_none_reml"])
def test_differences_of_adjusted_means_are_combinations_of_coefficients(name: str) -> None:
    case = cases()[name]
    result = means(case)
    told = {one.name: one.value for one in result.estimates}
    for month in MONTHS:
        if case["covariance"] == "slope":
            more = told["treated:time"] * month
        else:
            more = told[f"treated:visit[bilirubin_{month}]"] if month else 0.0
        np.testing.assert_allclose(told[f"difference[bilirubin_{month}]"], told["treated"] + more, rtol=1e-9)
        sides = [told[f"mean[treated={side}, bilirubin_{month}]"] for side in ("true", "false")]
        np.testing.assert_allclose(sides[0] - sides[1], told[f"difference[bilirubin_{month}]"], rtol=1e-9)


def test_adjusted_means_are_those_of_people_with_mean_covariates() -> None:
    case = cases()["unstructured_none_reml"]
    told = {one.name: one for one in means(case, "").estimates}
    share = {name: table()[name].mean() for name in ("age", "female", "treated")}
    base = told["Intercept"].value + sum(told[name].value * mean for name, mean in share.items())
    at = "visit[bilirubin_24]"
    later = base + told[at].value + told["treated:" + at].value * share["treated"]
    np.testing.assert_allclose(told["mean[bilirubin_0]"].value, base, rtol=1e-9)
    np.testing.assert_allclose(told["mean[bilirubin_24]"].value, later, rtol=1e-9)


def test_adjusted_means_do_not_depend_on_which_of_aliased_columns_is_left_out() -> None:
    case = cases()["unstructured_none_reml"]
    one, other = (
        means(case | {"formula": f"bilirubin ~ age + treated * {right}"}) for right in ("visit", "visit + time")
    )
    assert other.estimate("time").value is None
    for result in (one, other):
        assert len(result.curve("course").series) == 2
        assert result.curve("course").y.to("en") == "Bilirubin (log), adjusted mean", "the axis says what was measured"
    told = [[each.value, each.standard_error] for each in one.estimates if each.name.startswith(("mean", "differ"))]
    again = [[each.value, each.standard_error] for each in other.estimates if each.name.startswith(("mean", "differ"))]
    np.testing.assert_allclose(again, told, rtol=1e-8)


@pytest.mark.parametrize("incomplete", ["keep", "leave_out"])
def test_the_report_says_who_missed_visits_is_kept(tmp_path: Path, incomplete: str) -> None:
    lines = line(cases()["intercept_none_reml"], f", incomplete: {incomplete}", months=(0, 12))
    people = {name: column for name, column in table().items() if name != "hospital"}
    one = house(tmp_path, text(lines), divide(people, table()["hospital"] % 4))
    open_folder(tmp_path, one.plan)
    going = one.run()
    ledgers = {name: site.ledger.path for name, site in one.sites.items()}
    record = finish(tmp_path, going, "embedded", one.journal.answers, ledgers)
    for language in LANGUAGES:
        page = render(record, language)
        assert (translate("report.limit.missed_visits", language) in page) == (incomplete == "keep")
        assert translate("repeated.figure", language) in page
        assert re.findall(r'class="tick"[^>]*>(\d+)</text>', page)[-2:] == ["0", "12"], "the axis has the visits"


def test_an_adjusted_mean_of_a_group_that_nobody_tells_apart_is_not_told() -> None:
    """Where all who are treated are at one hospital, and no others, its intercept takes the difference."""
    case = cases()["unstructured_fixed_reml"] | {"formula": "bilirubin ~ age + treated + visit"}
    result = rehearsed(line(case, ", compare: treated"), table()["treated"].astype(int))
    assert result.estimate("treated").value is None
    assert result.estimate("difference[bilirubin_0]").value is None
    assert result.curves == ()


def test_an_adjusted_mean_without_covariates_of_complete_people_is_the_mean(tmp_path: Path) -> None:
    """Through the gate: with a covariance for each two visits and nobody missing, least squares at each visit."""
    case = {"formula": "bilirubin ~ visit", "covariance": "unstructured", "hospital": "none", "estimation": "REML"}
    people = {name: column for name, column in table().items() if name != "hospital"}
    run = ended(tmp_path, text(line(case, ", incomplete: leave_out")), divide(people, table()["hospital"] % 4))
    assert run.stopped == {}
    there = np.array([people[f"bilirubin_{month}"] for month in MONTHS])
    there = there[:, ~np.isnan(there).any(axis=0)]
    result = run.results["a"]
    assert result.people == there.shape[1] == 188
    assert "repeated.complete" in [one.key for one in result.notes]
    told = [result.estimate(f"mean[bilirubin_{month}]") for month in MONTHS]
    np.testing.assert_allclose([one.value for one in told], there.mean(axis=1), rtol=TIGHT)
    covariance = np.cov(there)
    np.testing.assert_allclose([one.standard_error for one in told], np.sqrt(np.diag(covariance) / 188), rtol=TIGHT)
    between = [result.estimate(f"covariance.bilirubin_0.bilirubin_{month}").value for month in MONTHS]
    np.testing.assert_allclose(between, covariance[0], rtol=TIGHT)


@pytest.mark.parametrize("hospital", ["none", "fixed"])
def test_through_the_gate_it_is_the_same(tmp_path: Path, hospital: str) -> None:
    case = cases()["intercept_none_reml"] | {"hospital": hospital, "formula": "bilirubin ~ age + visit"}
    lines = line(case, months=(0, 12))
    people = {name: column for name, column in table().items() if name != "hospital"}
    run = ended(tmp_path, text(lines), divide(people, table()["hospital"] % 4))
    assert run.stopped == {}
    one, other = run.results["a"].estimates, rehearsed(lines, table()["hospital"] % 4).estimates
    assert [each.name for each in one] == [each.name for each in other]
    np.testing.assert_allclose([each.value for each in one], [each.value for each in other], rtol=1e-9)
    assert [row[-1] for row in run.results["a"].table("visit_patterns").rows] == [246, 66]


@pytest.mark.parametrize("missing", [0, 4])
def test_hospitals_at_random_through_the_gate_are_the_same_and_five_must_answer(tmp_path: Path, missing: int) -> None:
    case = cases()["intercept_random_reml"] | {"formula": "bilirubin ~ age + visit", "hospital": "auto"}
    lines = line(case, ", incomplete: leave_out", months=(0, 12))
    where = table()["hospital"].astype(int)
    people = {name: column for name, column in table().items() if name != "hospital"}
    few = (where >= 8 - missing) & (np.arange(312) % 6 != 0)
    there = {
        site: Rows(
            {name: column[(where == place) & ~few] for name, column in people.items()},
            [b"p%d" % one for one in np.flatnonzero((where == place) & ~few)],
        )
        for place, site in enumerate(EIGHT)
    }
    study = text(lines, EIGHT, minimum=10).replace("variables:\n", f"may_go_on_without: {missing}\nvariables:\n", 1)
    run = house(tmp_path, study, there).run()
    if missing:
        assert [one.code for one in run.stopped["a"].findings] == ["mixed_few"]
        return
    one, other = run.results["a"].estimates, rehearsed(lines, where, EIGHT).estimates
    assert [each.name for each in one] == [each.name for each in other]
    assert "variance.hospital" in [each.name for each in one]
    np.testing.assert_allclose([each.value for each in one], [each.value for each in other], rtol=1e-9)


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"bilirubin ~ age": "age ~ female"}, {"repeated_formula"}),
        ({"age + treated * visit": "age"}, {"repeated_formula"}),
        ({"age + treated * visit": "bilirubin_0 + visit"}, {"repeated_formula"}),
        ({"age + treated * visit": "age + visit - 1"}, {"repeated_formula"}),
        ({"hospital: none": "hospital: random", ", x}": ", compare: age}"}, {"repeated_hospitals", "repeated_compare"}),
        ({", x}": ", compare: female}"}, {"repeated_compare"}),
        ({"name: bilirubin,": "name: age,", "bilirubin ~": "age ~"}, {"repeated_name"}),
        ({"bilirubin_6: 6, bilirubin_12: 12, ": ""}, {"repeated_slope"}),
        ({", bilirubin_6: 6, bilirubin_12: 12, bilirubin_24: 24": ""}, {"repeated_single"}),
        ({"bilirubin_6: 6": "bilirubin_6: 0"}, {"repeated_times"}),
        ({"bilirubin_6: 6": "nothing: 6", "time_unit: mo": "time_unit: moon"}, {"unknown_variable", "repeated_unit"}),
        ({"bilirubin_6: 6": "female: 6"}, {"repeated_type"}),
    ],
)
def test_what_does_not_fit_together_is_said_at_once(changed: Mapping[str, str], wrong: set[str]) -> None:
    given = {"formula": "bilirubin ~ age + treated * visit", "covariance": "slope", "hospital": "none"}
    lines = line(given | {"estimation": "ML"}, ", x")
    for old, new in changed.items():
        assert old in lines
        lines = lines.replace(old, new)
    with pytest.raises(FileFault) as caught:
        Line(Study.parse(text(lines.replace(", x}", "}"))))
    assert {one.code for one in caught.value.findings} == wrong


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("age + visit", "age + vsit", {"unknown_variable"}),
        ("bilirubin_0: 0, ", "", {"repeated_single"}),
        ("bilirubin_0: 0", "bilirubin_0: early", {"wrong_type"}),
        ("hospital: none", "hospital: nine, covariance: ar2", {"not_one_of"}),
    ],
)
def test_the_check_of_a_file_knows_visit_and_time(old: str, new: str, wrong: set[str]) -> None:
    case = {"formula": "bilirubin ~ age + visit", "covariance": "intercept", "hospital": "none", "estimation": "ML"}
    lines = line(case, months=(0, 12)).replace("covariance: intercept, ", "")
    assert check(Study.parse(text(lines))) == []
    assert {one.code for one in check(Study.parse(text(lines.replace(old, new))))} == wrong


def test_a_visit_that_another_analysis_needs_of_everyone_has_a_cohort_of_its_own() -> None:
    case = cases()["slope_none_reml"]
    other = '  b: {method: linear, cohort: all, formula: "bilirubin_24 ~ age"}\n'
    with pytest.raises(FileFault) as caught:
        Line(Study.parse(text(line(case) + other)))
    assert [one.code for one in caught.value.findings] == ["visit_is_needed"]
    Line(Study.parse(text(line(case, ", incomplete: leave_out") + other)))


def test_values_that_repeat_have_no_likelihood_with_a_maximum() -> None:
    data = {name: column.copy() for name, column in table().items()}
    for month in MONTHS[1:]:
        data[f"bilirubin_{month}"] = data["bilirubin_0"]
    study = Study.parse(text(line(cases()["intercept_none_reml"])))
    rows = Inside("seoul", study.variables, data, [b"p%d" % one for one in range(312)])
    with pytest.raises(Stopped) as caught:
        converse(Line(study).methods["a"].combine({}), {"seoul": rows})
    assert [one.code for one in caught.value.findings] == ["repeated_not_settled"]


def test_a_person_who_does_not_differ_is_a_singular_fit() -> None:
    """Without a variance between people the fit is least squares, and says that it is singular."""
    values, data = np.random.default_rng(4).normal(size=(312, 4)), dict(table())
    values -= 0.8 * values.mean(axis=1, keepdims=True)
    for month, drawn in zip(MONTHS, values.T, strict=True):
        data[f"bilirubin_{month}"] = np.where(np.isnan(data[f"bilirubin_{month}"]), np.nan, drawn)
    study = Study.parse(text(line(cases()["intercept_none_reml"] | {"formula": "bilirubin ~ age + time"})))
    rows = Inside("seoul", study.variables, data, [b"p%d" % one for one in range(312)])
    result = converse(Line(study).methods["a"].combine({}), {"seoul": rows})
    y = np.concatenate([data[f"bilirubin_{month}"] for month in MONTHS])
    X = np.column_stack([np.ones(len(y)), np.tile(data["age"], 4), np.repeat(np.array(MONTHS, float), 312)])
    there = ~np.isnan(y)
    slopes = np.linalg.lstsq(X[there], y[there], rcond=None)[0]
    assert result.estimate("variance.person").value == 0
    assert "mixed.singular" in [one.key for one in result.notes]
    np.testing.assert_allclose([result.estimate(one).value for one in ("Intercept", "age", "time")], slopes, rtol=1e-9)


FORMULAS = (
    "bilirubin ~ age:time",
    "bilirubin ~ age:visit + female",
    "bilirubin ~ ageband:visit + age",
    "bilirubin ~ ageband * time + ageband:visit",
    "bilirubin ~ rcs(age, 40, 50, 60) * time + treated:female:visit",
    "bilirubin ~ age + rcs(time, 0, 6, 24) * treated",
)


@pytest.mark.parametrize("formula", FORMULAS)
def test_effects_are_least_squares_under_the_covariance_that_is_told(formula: str) -> None:
    """Of measurements one below the other, whose design is made as any design is: products of whatever kind."""
    case = cases()["unstructured_none_reml"] | {"formula": formula}
    levels = ", ".join(f"{name}: {label(name)}" for name in ("low", "middle", "high"))
    group = f"  ageband: {{type: category, label: {label('ageband')}, levels: {{{levels}}}}}"
    study = Study.parse(text(line(case)).replace("cohorts:", f"{group}\ncohorts:"))
    method: Any = Line(study).methods["a"]
    people = table() | {"ageband": np.digitize(table()["age"], [45.0, 55.0]).astype(float)}
    rows = Inside("seoul", study.variables, people, [b"p%d" % one for one in range(312)])
    result = converse(method.combine({}), {"seoul": rows})
    told = {one.name: one for one in result.estimates}
    long = {name: np.repeat(column, 4) for name, column in people.items()}
    long |= {"visit": np.tile(np.arange(4.0), 312), "time": np.tile(np.array(MONTHS, float), 312)}
    y = np.array([people[f"bilirubin_{month}"] for month in MONTHS]).T.ravel()
    X = method.design.formula.design(long)
    between = {(a, b): told[f"covariance.bilirubin_{a}.bilirubin_{b}"].value for a in MONTHS for b in MONTHS if a <= b}
    V = np.array([[between[min(a, b), max(a, b)] for b in MONTHS] for a in MONTHS])
    whole, there = np.kron(np.eye(312), V), ~np.isnan(y)
    inverse = np.linalg.inv(whole[np.ix_(there, there)])
    names = [one.name for one in method.design.columns]
    kept = [j for j, name in enumerate(names) if told[name].value is not None]
    assert len(kept) == np.linalg.matrix_rank(X[there])
    X = X[np.ix_(there, kept)]
    error = np.linalg.inv(X.T @ inverse @ X)
    found = [[told[names[j]].value, told[names[j]].standard_error] for j in kept]
    wanted = np.column_stack([error @ X.T @ inverse @ y[there], np.sqrt(np.diag(error))])
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-9)
