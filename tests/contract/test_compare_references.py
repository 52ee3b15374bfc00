"""Comparisons of groups at four hospitals behind real doors equal R's tests of the pooled rows."""

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
from gagyo.site.policy import Policy
from gagyo.statistics import comparisons
from gagyo.statistics.multiplicity import adjusted
from tests.contract.data import GOLDEN, HEAD, boolean, columns, divide, hospitals, number, study
from tests.hospitals import SITES, house

TIGHT = 1e-8


@cache
def reference() -> dict[str, Any]:
    """What R computed (tests/golden/r/compare.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "compare.json").read_text())
    return found


PIMA = """  two: {method: compare, cohort: all, variables: [glu, bmi, ageband], by: diabetic, adjust: holm}
  plain: {method: compare, cohort: all, variables: [glu, bmi, ageband], by: diabetic, equal_variances: true}
  many: {method: compare, cohort: all, variables: [glu, bmi, diabetic], by: ageband, trend: true}
  equal: {method: compare, cohort: all, variables: [glu, bmi], by: ageband, equal_variances: true}
"""
BIRTHS = """  two: {method: compare, cohort: all, variables: [low], by: smoke, stratified: true, homogeneity: true}
  plain: {method: compare, cohort: all, variables: [low], by: smoke, stratified: true, continuity: false}
  exact: {method: compare, cohort: all, variables: [low], by: smoke, exact: true}
  pairs: {method: compare, cohort: all, variables: [low], by: smoke, paired: true}
  pairs_plain: {method: compare, cohort: all, variables: [low], by: smoke, paired: true, continuity: false}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Every comparison, run once. Some cells hold seven of a hospital's births: the policies let out groups of five."""
    out, policies = {}, {site: Policy(minimum_people=5) for site in SITES}
    for data, text in (("pima", PIMA), ("births", BIRTHS)):
        out[data] = house(tmp_path_factory.mktemp(data), study(data, text), hospitals(data), policies).run()
        assert out[data].stopped == {}
    return out


def check_test(result: Result, name: str, wanted: dict[str, Any]) -> None:
    one = result.estimate(name)
    np.testing.assert_allclose([one.value, one.p], [wanted["statistic"], wanted["p"]], rtol=TIGHT)


@pytest.mark.parametrize(("analysis", "kind"), [("two", "welch"), ("plain", "student")])
@pytest.mark.parametrize("name", ["glu", "bmi"])
def test_tests_between_two_groups(runs: dict[str, Run], analysis: str, kind: str, name: str) -> None:
    result, wanted = runs["pima"].results[analysis], reference()[kind][name]
    check_test(result, f"{name}.statistic", wanted)
    effect = result.estimate(f"{name}.difference")
    np.testing.assert_allclose(
        [effect.value, effect.standard_error], [wanted["difference"], wanted["error"]], rtol=TIGHT
    )
    np.testing.assert_allclose([effect.lower, effect.upper], wanted["interval"], rtol=TIGHT)
    (row,) = [row for row in result.table("group_tests").rows if row[0].to("en") == name]
    np.testing.assert_allclose(row[3], wanted["freedom"], rtol=TIGHT)


def test_degrees_of_freedom_of_a_denominator_stand_only_beside_an_f(runs: dict[str, Run]) -> None:
    names = {
        key: [one.name for one in runs["pima"].results[key].table("group_tests").columns] for key in ("two", "many")
    }
    assert "below" in names["many"]
    assert "below" not in names["two"]
    rows = {row[0].to("en"): row[3] for row in runs["pima"].results["two"].table("group_tests").rows}
    assert isinstance(rows["ageband"], int)
    assert not isinstance(rows["glu"], int)


@pytest.mark.parametrize(("analysis", "kind"), [("many", "welch"), ("equal", "equal")])
@pytest.mark.parametrize("name", ["glu", "bmi"])
def test_analysis_of_variance(runs: dict[str, Run], analysis: str, kind: str, name: str) -> None:
    result, wanted = runs["pima"].results[analysis], reference()["many"][kind][name]
    check_test(result, f"{name}.statistic", wanted)
    (row,) = [row for row in result.table("group_tests").rows if row[0].to("en") == name]
    np.testing.assert_allclose(row[3:5], wanted["freedom"], rtol=TIGHT)


def test_chi_square_with_yates_correction_where_it_belongs(runs: dict[str, Run]) -> None:
    chi = reference()["chi"]
    check_test(runs["pima"].results["two"], "ageband.statistic", chi["corrected"]["ageband"])
    check_test(runs["births"].results["two"], "low.statistic", chi["corrected"]["smoke"])
    check_test(runs["births"].results["plain"], "low.statistic", chi["plain"]["smoke"])


def test_trend(runs: dict[str, Run]) -> None:
    check_test(runs["pima"].results["many"], "diabetic.trend", reference()["trend"])


def test_effects_of_two_by_two_are_those_of_r_and_statsmodels(runs: dict[str, Run]) -> None:
    from statsmodels.stats.contingency_tables import Table2x2

    result, wanted = runs["births"].results["plain"], reference()["risk"]
    one = result.estimate("low.risk_difference")
    np.testing.assert_allclose(one.value, wanted["difference"], rtol=TIGHT)
    np.testing.assert_allclose([one.lower, one.upper], wanted["interval"], rtol=TIGHT)
    data = columns("births")
    counts = [[int(((data["smoke"] == s) & (data["low"] == y)).sum()) for y in (1, 0)] for s in (1, 0)]
    table = Table2x2(np.array(counts))
    for name, value, error, interval in (
        ("odds_ratio", table.oddsratio, table.log_oddsratio_se, table.oddsratio_confint()),
        ("risk_ratio", table.riskratio, table.log_riskratio_se, table.riskratio_confint()),
    ):
        found = result.estimate(f"low.{name}")
        np.testing.assert_allclose([found.value, found.standard_error], [value, error], rtol=TIGHT)
        np.testing.assert_allclose([found.lower, found.upper], interval, rtol=TIGHT)


@pytest.mark.parametrize(("analysis", "kind"), [("two", "corrected"), ("plain", "plain")])
def test_odds_ratio_within_hospitals(runs: dict[str, Run], analysis: str, kind: str) -> None:
    result, wanted = runs["births"].results[analysis], reference()["strata"][kind]
    check_test(result, "low.mantel_haenszel_chi_square", wanted)
    one = result.estimate("low.mantel_haenszel")
    np.testing.assert_allclose(one.value, wanted["odds"], rtol=TIGHT)
    np.testing.assert_allclose([one.lower, one.upper], wanted["interval"], rtol=TIGHT)


def test_one_odds_ratio_in_all_hospitals_is_tested_as_by_metafor(runs: dict[str, Run]) -> None:
    check_test(runs["births"].results["two"], "low.breslow_day", reference()["alike"])
    assert not [one for one in runs["births"].results["plain"].estimates if one.name == "low.breslow_day"]
    (row,) = runs["births"].results["two"].table("group_strata").rows
    np.testing.assert_allclose(row[-1], reference()["alike"]["p"], rtol=TIGHT)


def test_fishers_exact_test(runs: dict[str, Run]) -> None:
    """R finds the odds ratio and its limits by a search to 1e-4; the equation that they solve is checked beside."""
    from scipy.stats import nchypergeom_fisher

    result, wanted = runs["births"].results["exact"], reference()["exact"]
    np.testing.assert_allclose(result.estimate("low.statistic").p, wanted["p"], rtol=TIGHT)
    one = result.estimate("low.conditional_odds_ratio")
    np.testing.assert_allclose([one.value, one.lower, one.upper], [wanted["odds"], *wanted["interval"]], rtol=2e-4)
    data = columns("births")
    both = int(((data["smoke"] == 1) & (data["low"] == 1)).sum())
    people, smokers, low = len(data["low"]), int(data["smoke"].sum()), int(data["low"].sum())
    np.testing.assert_allclose(nchypergeom_fisher(people, smokers, low, one.value).mean(), both, rtol=TIGHT)
    np.testing.assert_allclose(nchypergeom_fisher(people, smokers, low, one.lower).sf(both - 1), 0.025, rtol=1e-6)
    np.testing.assert_allclose(nchypergeom_fisher(people, smokers, low, one.upper).cdf(both), 0.025, rtol=1e-6)


@pytest.mark.parametrize(("analysis", "kind"), [("pairs", "corrected"), ("pairs_plain", "plain")])
def test_two_variables_of_the_same_people(runs: dict[str, Run], analysis: str, kind: str) -> None:
    check_test(runs["births"].results[analysis], "low.statistic", reference()["pairs"][kind])


@pytest.mark.parametrize("how", ["holm", "hochberg", "benjamini_hochberg"])
def test_adjustments_are_those_of_r(how: Any) -> None:
    p = np.array(reference()["p"])
    np.testing.assert_allclose(adjusted(p, how), reference()["adjust"][how], rtol=1e-12)
    with_unknown = adjusted(np.insert(p, 2, np.nan), how)
    np.testing.assert_allclose(np.delete(with_unknown, 2), reference()["adjust"][how], rtol=1e-12)
    assert np.isnan(with_unknown[2])


def test_adjusted_values_stand_beside_the_tests(runs: dict[str, Run]) -> None:
    result = runs["pima"].results["two"]
    names = ("glu", "bmi", "ageband")
    plain = np.array([result.estimate(f"{name}.statistic").p for name in names])
    found = [result.estimate(f"{name}.p_adjusted").value for name in names]
    np.testing.assert_allclose(found, adjusted(plain, "holm"), rtol=1e-12)
    assert [row[-1] for row in result.table("group_tests").rows] == found


def test_a_table_with_a_small_cell_is_withheld_and_others_are_not(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    data = {"x": random.normal(size=400), "d": (np.arange(400) % 3 == 0).astype(float), "e": np.zeros(400)}
    data["e"][[0, 3, 7]] = 1.0
    text = HEAD % (
        5,
        "\n".join([number("x", -10, 10), boolean("d"), boolean("e")]),
        ANALYSIS % "[x, e], by: d",
    )
    result = house(tmp_path, text, divide(data, np.arange(400) % 4)).run().results["a"]
    assert result.estimate("e.statistic").value is None
    assert not [one for one in result.estimates if one.name.startswith("e.") and one.value is not None]
    assert result.estimate("x.statistic").value is not None
    within = text.replace("by: d", "by: d, stratified: true")
    run = house(tmp_path / "within", within, divide(data, np.arange(400) % 4)).run()
    assert run.results["a"].estimates == result.estimates
    assert [table.name for table in run.results["a"].tables] == [table.name for table in result.tables]
    assert run.results["a"].notes[-1].to("en").startswith("Comparison within hospitals: withheld.")


def test_groups_without_spread_or_people_have_no_test() -> None:
    n, mean, none = np.array([10.0, 12.0, 9.0]), np.array([1.0, 2.0, 3.0]), np.zeros(3)
    assert np.isnan(comparisons.one_way(n, mean, none, equal=False).p)
    assert np.isnan(comparisons.one_way(n, mean, none, equal=True).p)
    assert np.isnan(comparisons.t_test(n[:2], mean[:2], none[:2], equal=False)[0].p)
    assert np.isnan(comparisons.chi_square(np.array([[5.0, 7.0], [0.0, 0.0]]), correct=True)[0].p)
    assert "odds_ratio" not in comparisons.two_by_two(np.array([[5.0, 7.0], [0.0, 6.0]]))


ANALYSIS = "  a: {method: compare, cohort: all, variables: %s}\n"


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ("[x, y], by: d", {"compare_unknown"}),
        ("[], by: d", {"compare_variables"}),
        ("[x, d], by: d", {"compare_variables"}),
        ("[d], by: x", {"compare_by"}),
        ("[x], by: d, stratified: true", {"compare_option"}),
        ("[d], by: e, homogeneity: true", {"compare_option"}),
        ("[x], by: d, exact: true, paired: true", {"compare_option"}),
        ("[x, z], by: d, trend: true, stratified: true", {"compare_unknown", "compare_option"}),
    ],
)
def test_what_does_not_fit_together_is_said_at_once(more: str, codes: set[str]) -> None:
    text = HEAD % (5, "\n".join([number("x", -10, 10), boolean("d"), boolean("e")]), ANALYSIS % more)
    with pytest.raises(FileFault) as caught:
        Line(Study.parse(text))
    assert {one.code for one in caught.value.findings} == codes
