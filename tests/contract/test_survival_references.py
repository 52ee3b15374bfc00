"""Survival methods at four hospitals behind real doors equal what R's survival package computed on pooled rows."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.result import Result
from gagyo.site.site_file import Policy
from tests.contract.data import GOLDEN, hospitals, study
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
def fits(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every case, with the model's and with robust errors, in one study."""
    lines = [
        cox_line(f"{name}_{kind}", case, kind == "robust", "identity")
        for name, case in golden()["cox"].items()
        for kind in ("model", "robust")
    ]
    text = study("lung", "".join(lines)).replace("[0, 2000]", "[0.0, 2000]")
    return house(tmp_path_factory.mktemp("lung"), text, hospitals("lung"), FIVE).run()


def found(fits: Run, name: str, kind: str = "model") -> tuple[Result, dict[str, Any]]:
    assert fits.stopped == {}
    return fits.results[f"{name}_{kind}"], golden()["cox"][name]


@pytest.mark.parametrize("name", CASES)
def test_coefficients_and_errors(fits: Run, name: str) -> None:
    result, case = found(fits, name)
    assert result.people == case["people"] == 225
    np.testing.assert_allclose([one.value for one in result.estimates], case["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], case["errors"], rtol=TIGHT)


@pytest.mark.parametrize("name", CASES)
def test_robust_errors(fits: Run, name: str) -> None:
    result, case = found(fits, name, "robust")
    np.testing.assert_allclose([one.standard_error for one in result.estimates], case["robust"], rtol=TIGHT)


@pytest.mark.parametrize("name", CASES)
def test_likelihood_and_its_ratio(fits: Run, name: str) -> None:
    result, case = found(fits, name)
    (row,) = result.table("model_test").rows
    none, fitted = case["log_likelihood"]
    assert row[1] == case["events"]
    np.testing.assert_allclose(row[3], fitted, rtol=TIGHT)
    np.testing.assert_allclose(row[4], 2 * (fitted - none), rtol=1e-7)


def zph(result: Result) -> np.ndarray:
    return np.array([row[1:] for row in result.table("proportional_hazards").rows], dtype=float)


@pytest.mark.parametrize("name", CASES)
def test_proportional_hazards_as_cox_zph(fits: Run, name: str) -> None:
    result, case = found(fits, name)
    np.testing.assert_allclose(zph(result), np.array(case["zph_identity"], dtype=float), rtol=1e-7)


def test_proportional_hazards_against_log_time(tmp_path: Path) -> None:
    case = golden()["cox"]["efron"]
    text = study("lung", cox_line("a", case, False, "log")).replace(
        "time: {type: number, range: [0, 2000]", "time: {type: number, range: [1, 2000]"
    )
    result = house(tmp_path, text, hospitals("lung"), FIVE).run().results["a"]
    np.testing.assert_allclose(zph(result), np.array(case["zph_log"], dtype=float), rtol=1e-7)
