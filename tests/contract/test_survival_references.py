"""Survival methods at four hospitals equal what R's survival package computed on pooled rows."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.methods import kaplan_meier
from gagyo.result import Result
from gagyo.site.policy import Policy
from gagyo.text import LANGUAGES
from tests.contract.data import GOLDEN, hospitals, study
from tests.contract.ended import Ended, ended
from tests.hospitals import SITES, house

TIGHT = 1e-8
FIVE = {site: Policy(minimum_people=5) for site in SITES}


@cache
def golden() -> dict[str, Any]:
    """What R computed (tests/golden/r/survival.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "survival.json").read_text())
    return found


CASES = list(golden()["cox"])


def cox_line(name: str, case: dict[str, Any], robust: bool, transform: str) -> str:
    """An analysis of a study file for a case of R's."""
    entry = ", entry: entry" if case["entry"] else ""
    strata = f", strata: {case['strata']}" if case["strata"] else ""
    return (
        f'  {name}: {{method: cox, cohort: all, formula: "{case["formula"]}", time: time{entry}{strata}, '
        f"ties: {case['ties']}, robust: {str(robust).lower()}, proportional: {transform}}}\n"
    )


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Every case, with the model's and with robust errors, in one study."""
    lines = [
        cox_line(f"{name}_{kind}", case, kind == "robust", "identity")
        for name, case in golden()["cox"].items()
        for kind in ("model", "robust")
    ]
    text = study("lung", "".join(lines)).replace("[0, 2000]", "[0.0, 2000]")
    return ended(tmp_path_factory.mktemp("lung"), text, hospitals("lung"), FIVE)


def found(fits: Ended, name: str, kind: str = "model") -> tuple[Result, dict[str, Any]]:
    assert fits.stopped == {}
    return fits.results[f"{name}_{kind}"], golden()["cox"][name]


@pytest.mark.parametrize("name", CASES)
def test_coefficients_and_errors(fits: Ended, name: str) -> None:
    result, case = found(fits, name)
    assert result.people == case["people"] == 225
    np.testing.assert_allclose([one.value for one in result.estimates], case["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], case["errors"], rtol=TIGHT)


@pytest.mark.parametrize("name", CASES)
def test_robust_errors(fits: Ended, name: str) -> None:
    result, case = found(fits, name, "robust")
    np.testing.assert_allclose([one.standard_error for one in result.estimates], case["robust"], rtol=TIGHT)


@pytest.mark.parametrize("name", CASES)
def test_likelihood_and_its_ratio(fits: Ended, name: str) -> None:
    result, case = found(fits, name)
    (row,) = result.table("hazard_model").rows
    none, fitted = case["log_likelihood"]
    assert row[1] == case["events"]
    np.testing.assert_allclose(row[3], fitted, rtol=TIGHT)
    np.testing.assert_allclose(row[4], 2 * (fitted - none), rtol=1e-7)


def zph(result: Result) -> np.ndarray:
    return np.array([row[1:] for row in result.table("proportional_hazards").rows], dtype=float)


@pytest.mark.parametrize("name", CASES)
def test_proportional_hazards_as_cox_zph(fits: Ended, name: str) -> None:
    result, case = found(fits, name)
    np.testing.assert_allclose(zph(result), np.array(case["zph_identity"], dtype=float), rtol=1e-7)


def test_proportional_hazards_against_log_time(tmp_path: Path) -> None:
    case = golden()["cox"]["efron"]
    text = study("lung", cox_line("a", case, False, "log")).replace(
        "time: {type: number, range: [0, 2000]", "time: {type: number, range: [1, 2000]"
    )
    result = house(tmp_path, text, hospitals("lung"), FIVE).run().results["a"]
    np.testing.assert_allclose(zph(result), np.array(case["zph_log"], dtype=float), rtol=1e-7)


# Log-rank tests.


def log_rank(name: str, more: str) -> str:
    return f"  {name}: {{method: log_rank, cohort: all, time: time, event: died, {more}}}\n"


FLEMING = "weight: fleming_harrington, rho: "


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The tests of R's, within hospitals on exact times and pooled on a grid."""
    grid = f"by: female, compare: pooled, times: {golden()['grid']['cuts'][:-1]}"
    lines = [
        log_rank("plain", "by: female"),
        log_rank("half", f"by: female, {FLEMING}0.5"),
        log_rank("peto", f"by: female, {FLEMING}1"),
        log_rank("three", "by: ecog"),
        log_rank("grid_plain", grid),
        log_rank("grid_peto", f"{grid}, {FLEMING}1"),
    ]
    run = ended(tmp_path_factory.mktemp("tests"), study("lung", "".join(lines)), hospitals("lung"), FIVE)
    assert run.stopped == {}
    return run


def check_test(result: Result, wanted: dict[str, Any]) -> None:
    rows = result.table("log_rank").rows
    np.testing.assert_allclose([row[2] for row in rows], wanted["observed"], rtol=TIGHT)
    np.testing.assert_allclose([row[3] for row in rows], wanted["expected"], rtol=TIGHT)
    np.testing.assert_allclose(result.estimate("chi_square").value, wanted["chi"], rtol=TIGHT)


@pytest.mark.parametrize("name", list(golden()["log_rank"]))
def test_log_rank_within_hospitals(compared: Ended, name: str) -> None:
    check_test(compared.results[name], golden()["log_rank"][name])


@pytest.mark.parametrize("name", ["plain", "peto"])
def test_log_rank_on_a_grid(compared: Ended, name: str) -> None:
    check_test(compared.results[f"grid_{name}"], golden()["grid"]["log_rank"][name])


def test_a_weighted_test_names_its_weights_beside_its_numbers(compared: Ended) -> None:
    plain, half = (compared.results[name].table("log_rank") for name in ("plain", "half"))
    assert plain.notes == ()
    said = [note.to(language) for note in half.notes for language in LANGUAGES]
    assert all("ρ = 0.5" in one and "γ = 0" in one for one in said)
    assert len(set(said)) == len(LANGUAGES)


# Curves and restricted means on a grid.


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Curves and means by sex on R's grid, and on the grid that the minimum of people allows."""
    by = "cohort: all, time: time, event: died, by: female"
    times = golden()["grid"]["cuts"][:-1]
    lines = [
        f"  given: {{method: kaplan_meier, {by}, times: {times}}}\n",
        f"  mean: {{method: restricted_mean, {by}, tau: 450, times: {times[:-1]}}}\n",
    ]
    text = study("lung", "".join(lines)).replace("time: {type: number", "time: {type: integer")
    run = ended(tmp_path_factory.mktemp("curves"), text, hospitals("lung"), FIVE)
    assert run.stopped == {}
    assert run.results["given"].table("medians").rows[0][1:3] == (135, 109)
    return run


@pytest.fixture(scope="module")
def fine(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Curves of all, by sex and by performance on the grid that the minimum of people allows: one grid for all."""
    common = "method: kaplan_meier, cohort: all, time: time, event: died"
    lines = [f"  a: {{{common}}}\n", f"  b: {{{common}, by: female}}\n", f"  c: {{{common}, by: ecog}}\n"]
    text = study("lung", "".join(lines)).replace("time: {type: number", "time: {type: integer")
    run = ended(tmp_path_factory.mktemp("fine"), text, hospitals("lung"), FIVE)
    assert run.stopped == {}
    return run


def test_all_curves_of_a_cohort_stand_on_one_grid(fine: Ended) -> None:
    """Else two curves' times together would bound the exits of a few."""
    curves = {name: result.curve("survival").series for name, result in fine.results.items()}
    edges = {name: {x for series in found for x in series.x} for name, found in curves.items()}
    assert edges["b"] <= edges["a"]
    assert edges["c"] <= edges["a"]
    assert len(edges["a"]) >= 5


SEXES = [("0", "male"), ("1", "female")]


@pytest.mark.parametrize(("group", "sex"), SEXES)
def test_curves_on_a_grid(curves: Ended, group: str, sex: str) -> None:
    wanted, result = golden()["grid"][sex], curves.results["given"]
    for k, cut in enumerate(golden()["grid"]["cuts"][:-1]):
        one = result.estimate(f"{group}.survival.{cut}")
        found = [one.value, one.standard_error, one.lower, one.upper]
        np.testing.assert_allclose(found, [wanted[w][k] for w in ("survival", "error", "lower", "upper")], rtol=TIGHT)


@pytest.mark.parametrize(("group", "sex"), SEXES)
def test_the_ungridded_curve_is_within_the_bounds(curves: Ended, group: str, sex: str) -> None:
    exact = golden()["grid"]["ungridded"][f"female={group}"]
    rows = [
        row
        for row in curves.results["given"].table("survival_at").rows
        if row[0].to("en").endswith(("no", "yes")[int(group)])
    ]
    assert len(rows) == 5
    for row, value in zip(rows, exact, strict=False):
        assert row[5] - 1e-12 <= value <= row[6] + 1e-12
        assert abs(row[4].value - value) < 0.01


@pytest.mark.parametrize(("group", "sex"), SEXES)
def test_medians_lie_where_the_exact_ones_do(curves: Ended, fine: Ended, group: str, sex: str) -> None:
    wanted = golden()["grid"]["medians"][int(group)]
    for result in (curves.results["given"], fine.results["b"]):
        row = result.table("medians").rows[int(group)]
        low, high = (float(row[4].values[end]) for end in ("low", "high"))
        assert low <= wanted[0] <= high
        assert low <= result.estimate(f"{group}.median").value <= high
    median = fine.results["b"].estimate(f"{group}.median").value
    assert abs(median - wanted[0]) < 30


@pytest.mark.parametrize(("group", "sex"), SEXES)
def test_restricted_means(curves: Ended, group: str, sex: str) -> None:
    wanted, one = golden()["grid"]["rmst"][sex], curves.results["mean"].estimate(f"{group}.mean")
    np.testing.assert_allclose(one.value, wanted["mean"], rtol=TIGHT)
    np.testing.assert_allclose(one.standard_error, wanted["error"], rtol=1e-7)


# Cox models with one baseline hazard, on a grid.


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_one_baseline_hazard_on_a_grid(tmp_path: Path, ties: str) -> None:
    wanted, times = golden()["grid"]["cox"][ties], golden()["grid"]["cox_cuts"][:-1]
    line = (
        '  a: {method: cox, cohort: all, formula: "died ~ age + female + karno", time: time, hospitals: pooled, '
        f"ties: {ties}, times: {times}}}\n"
    )
    run = house(tmp_path, study("lung", line), hospitals("lung"), FIVE).run()
    assert run.stopped == {}
    result = run.results["a"]
    fitted = [one for one in result.estimates if one.standard_error is not None]
    np.testing.assert_allclose([one.value for one in fitted], wanted["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in fitted], wanted["errors"], rtol=TIGHT)
    hazards = [one.value for one in result.estimates if one.name.startswith("baseline.")]
    np.testing.assert_allclose(hazards, wanted["hazard"], rtol=TIGHT)
    (row,) = result.table("hazard_model").rows
    np.testing.assert_allclose(row[3], wanted["log_likelihood"][1], rtol=TIGHT)
    np.testing.assert_allclose(row[4], 2 * np.diff(wanted["log_likelihood"])[0], rtol=1e-7)


# Competing events.


@pytest.fixture(scope="module")
def causes(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The incidence of two causes of death on intervals as times of their own, and on the grid."""
    common = "method: cumulative_incidence, cohort: all, cause: cause"
    times = golden()["grid"]["cuts"][:-1]
    lines = f"  single: {{{common}, time: interval}}\n  grid: {{{common}, time: time, times: {times}}}\n"
    text = study("lung", lines).replace("interval: {type: number", "interval: {type: integer")
    run = ended(tmp_path_factory.mktemp("causes"), text, hospitals("lung"), FIVE)
    assert run.stopped == {}
    return run


@pytest.mark.parametrize(("cause", "name"), [(0, "able"), (1, "unable")])
def test_incidence_of_single_times_equals_survfit(causes: Ended, cause: int, name: str) -> None:
    wanted = golden()["causes"]
    for k in range(6):
        one = causes.results["single"].estimate(f"all.{name}.{k + 1}")
        np.testing.assert_allclose(one.value, wanted["single"][k][cause], rtol=TIGHT)
        np.testing.assert_allclose(one.standard_error, wanted["errors"][k][cause], rtol=1e-7)


def test_figures_say_what_their_bands_are(curves: Ended, causes: Ended) -> None:
    for result in (curves.results["given"], causes.results["single"]):
        for curve in result.curves:
            assert "survival.bands" in [note.key for note in curve.notes]


@pytest.mark.parametrize(("cause", "name"), [(0, "able"), (1, "unable")])
def test_incidence_on_a_grid(causes: Ended, cause: int, name: str) -> None:
    wanted = golden()["causes"]
    rows = [row for row in causes.results["grid"].table("incidence_at").rows if row[0].text.en == name]
    assert len(rows) == 5
    for k, row in enumerate(rows):
        value = causes.results["grid"].estimate(f"all.{name}.{golden()['grid']['cuts'][k]}").value
        np.testing.assert_allclose(value, wanted["grid"][k][cause], rtol=TIGHT)
        assert row[6] - 1e-12 <= wanted["exact"][k][cause] <= row[7] + 1e-12
        assert row[7] - row[6] < 0.1


def test_medians_of_a_column_and_their_ends_have_one_number_of_decimals() -> None:
    nan, inf = float("nan"), float("inf")
    for medians, digits in (
        ([(2.44, 1.9, 3.31), (11.5, 10.25, inf)], 1),
        ([(310.0, 285.0, 363.0), (426.0, 345.0, inf)], 0),
        ([(310.26, 308.5, 311.75), (nan, 345.125, nan)], 1),
        ([(1.5, 1.0, 2.0)], 1),
        ([(nan, nan, nan)], 0),
    ):
        assert kaplan_meier._digits(medians) == digits
