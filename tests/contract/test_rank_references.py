"""Rank tests at four hospitals behind real doors equal R's on the pooled rows, where every cell holds one value."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from gagyo.coordinator.run import Run
from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.result import Withheld
from gagyo.site.policy import Policy
from tests.contract.data import GOLDEN, HEAD, LEVELS, boolean, category, columns, divide, number
from tests.hospitals import SITES, house

TIGHT = 1e-8
NAMES = ("decade", "sugar", "mass")


@cache
def reference() -> dict[str, Any]:
    """What R computed (tests/golden/r/ranks.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "ranks.json").read_text())
    return found


@cache
def people() -> dict[str, np.ndarray]:
    """The columns that R made."""
    data = columns("pima")
    made = {"decade": np.minimum(data["age"] // 10, 5), "sugar": np.clip(data["glu"] // 20, 4, 8)}
    made |= {"sweet": np.minimum(made["sugar"], 6), "mass": np.clip(data["bmi"] // 5, 5, 7)}
    return made | {name: data[name] for name in ("bmi", "glu", "ageband", "diabetic")}


LINES = [number(name, 0, 10).replace("number", "integer") for name in (*NAMES, "sweet")]
LINES += [number("bmi", 10, 80), number("glu", 0, 250), category("ageband", LEVELS["ageband"]), boolean("diabetic")]
TEXT = """  two: {method: rank_tests, cohort: all, variables: [decade, sugar, mass], by: diabetic, adjust: holm}
  plain: {method: rank_tests, cohort: all, variables: [decade, sugar, mass], by: diabetic, continuity: false}
  many: {method: rank_tests, cohort: all, variables: [sugar, mass], by: ageband}
  rho: {method: rank_tests, cohort: all, variables: [decade, sweet, sugar], beside: mass}
  cells: {method: rank_tests, cohort: all, variables: [glu, bmi], by: diabetic}
  near: {method: rank_tests, cohort: all, variables: [glu], beside: bmi}
"""
STRATA = "  strata: {method: rank_tests, cohort: all, variables: [mass, bmi], by: diabetic, stratified: true}\n"


@pytest.fixture(scope="module")
def pima(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every analysis, run once."""
    text = HEAD % (10, "\n".join(LINES), TEXT)
    run = house(tmp_path_factory.mktemp("pima"), text, divide(people(), np.arange(532) % 4)).run()
    assert run.stopped == {}
    return run


@pytest.mark.parametrize(("analysis", "kind"), [("two", "corrected"), ("plain", "plain")])
@pytest.mark.parametrize("name", NAMES)
def test_mann_whitney(pima: Run, analysis: str, kind: str, name: str) -> None:
    one, wanted = pima.results[analysis].estimate(f"{name}.statistic"), reference()[kind][name]
    np.testing.assert_allclose([one.value, one.p], [wanted["statistic"], wanted["p"]], rtol=TIGHT)
    value, least, most = (
        pima.results[analysis].estimate(f"{name}.superiority{end}").value for end in ("", ".least", ".most")
    )
    assert value == least == most
    np.testing.assert_allclose(value, wanted["statistic"] / (177 * 355), rtol=TIGHT)


@pytest.mark.parametrize("name", ["sugar", "mass"])
def test_kruskal_wallis(pima: Run, name: str) -> None:
    one, wanted = pima.results["many"].estimate(f"{name}.statistic"), reference()["many"][name]
    np.testing.assert_allclose([one.value, one.p], [wanted["statistic"], wanted["p"]], rtol=TIGHT)


@pytest.mark.parametrize("name", ["decade", "sweet"])
def test_spearman(pima: Run, name: str) -> None:
    one, wanted = pima.results["rho"].estimate(f"{name}.spearman"), reference()["rho"][name]
    np.testing.assert_allclose([one.value, one.p], [wanted["rho"], wanted["p"]], rtol=TIGHT)


def test_a_correlation_whose_table_has_a_small_cell_is_withheld(pima: Run) -> None:
    data = people()
    table = np.histogram2d(data["sugar"], data["mass"], [range(4, 10), range(5, 9)])[0]
    assert 0 < table.min() < 10
    assert pima.results["rho"].estimate("sugar.spearman").value is None


@pytest.fixture(scope="module")
def within(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Within hospitals, where five women of a hospital share a value of mass and are ill: five are let out."""
    policies = {site: Policy(minimum_people=5) for site in SITES}
    rows = divide(people(), np.arange(532) % 4)
    return house(tmp_path_factory.mktemp("within"), HEAD % (5, "\n".join(LINES), STRATA), rows, policies).run()


@pytest.mark.parametrize("name", ["mass", "bmi"])
def test_van_elteren_ranks_exact_values_within_hospitals(within: Run, name: str) -> None:
    one, wanted = within.results["strata"].estimate(f"{name}.van_elteren"), reference()["strata"][name]
    np.testing.assert_allclose([one.value, one.p], [wanted["statistic"], wanted["p"]], rtol=TIGHT)


@pytest.mark.parametrize("name", ["glu", "bmi"])
def test_bounds_hold_the_probability_of_the_values_themselves(pima: Run, name: str) -> None:
    data = people()
    ill = data["diabetic"] == 1
    u = stats.mannwhitneyu(data[name][ill], data[name][~ill]).statistic / (ill.sum() * (~ill).sum())
    value, least, most = (
        pima.results["cells"].estimate(f"{name}.superiority{end}").value for end in ("", ".least", ".most")
    )
    assert least < value < most
    assert least <= u <= most
    assert most - least < 0.2


def test_a_correlation_on_cells_is_near_that_of_the_values(pima: Run) -> None:
    found = pima.results["near"].estimate("glu.spearman").value
    wanted = stats.spearmanr(people()["glu"], people()["bmi"]).statistic
    assert abs(found - wanted) < 0.01
    (row,) = pima.results["near"].table("rank_correlations").rows
    assert row[1] == len(people()["glu"])
    assert row[4].to("en") == "rounded to cells"


@pytest.mark.parametrize("analysis", ["two", "plain", "many", "rho", "cells", "near"])
def test_it_is_lossless_where_every_cell_holds_one_value(pima: Run, analysis: str) -> None:
    assert pima.results[analysis].lossless is (analysis in ("two", "plain", "many"))


def test_ranks_within_hospitals_are_not_lossless_on_cells(within: Run) -> None:
    assert not within.results["strata"].lossless


def test_adjusted_p_values_stand_beside(pima: Run) -> None:
    p = np.sort([pima.results["two"].estimate(f"{name}.statistic").p for name in NAMES])
    found = np.sort([pima.results["two"].estimate(f"{name}.p_adjusted").value for name in NAMES])
    np.testing.assert_allclose(found, np.maximum.accumulate(p * [3, 2, 1]), rtol=1e-12)


@pytest.mark.parametrize("few", [4, 0])
def test_a_sum_of_products_does_not_tell_a_small_cell_of_two_variables(tmp_path: Path, few: int) -> None:
    """Two variables of two values: one sum of products is their table, and with it a cell of four people."""
    x = (np.arange(400) % 2).astype(float)
    y = x.copy()
    y[:few] = 1 - y[:few]
    if not few:
        y[::4] = 1 - y[::4]
    lines = [number(name, 0, 1).replace("number", "integer") for name in ("x", "y")]
    text = HEAD % (10, "\n".join(lines), "  a: {method: rank_tests, cohort: all, variables: [x], beside: y}\n")
    run = house(tmp_path, text, divide({"x": x, "y": y}, np.arange(400) // 2 % 4)).run()
    assert run.stopped == {}
    (row,) = run.results["a"].table("rank_correlations").rows
    assert isinstance(row[2], Withheld) is bool(few)


ANALYSIS = "  a: {method: rank_tests, cohort: all, %s}\n"


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ("variables: [x, q], by: d", {"describe_unknown"}),
        ("variables: [x]", {"rank_nothing"}),
        ("variables: [x], beside: x", {"rank_nothing"}),
        ("variables: [x], by: z", {"describe_by"}),
        ("variables: [d], beside: x, stratified: true", {"values_kind", "rank_stratified"}),
    ],
)
def test_what_does_not_fit_together_is_said_at_once(more: str, codes: set[str]) -> None:
    text = HEAD % (5, "\n".join([number("x", -10, 10), number("z", -10, 10), boolean("d")]), ANALYSIS % more)
    with pytest.raises(FileFault) as caught:
        Line(Study.parse(text))
    assert {one.code for one in caught.value.findings} == codes
