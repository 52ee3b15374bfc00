"""Cox models with one baseline hazard: robust errors, strata, late entry and changes equal R's survival package."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from gagyo.result import Result
from gagyo.site.policy import Policy
from gagyo.text import LANGUAGES
from tests.contract.data import GOLDEN, hospitals, study
from tests.contract.ended import Ended, ended
from tests.hospitals import SITES

TIGHT = 1e-8
FIVE = {site: Policy(minimum_people=5) for site in SITES}


@cache
def golden() -> dict[str, Any]:
    """What R computed (tests/golden/r/cox_common.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "cox_common.json").read_text())["cases"]
    return found


CASES = list(golden())


def line(case: dict[str, Any], robust: bool) -> str:
    """An analysis of a study file for a case of R's."""
    more = "".join(f", {option}: {case[option]}" for option in ("entry", "strata") if case[option])
    if case["change"]:
        label = ", ".join(f"{language}: {case['change']}" for language in LANGUAGES)
        more += f", changes: {{{case['change']}: {{at: {case['changes_at']}, label: {{{label}}}}}}}"
    head = f'  a: {{method: cox, cohort: all, hospitals: pooled, formula: "{case["formula"]}", time: {case["time"]}'
    return f"{head}{more}, ties: {case['ties']}, times: {case['cuts']}, robust: {str(robust).lower()}}}\n"


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], Ended]:
    """Every case, with the model's and with robust errors."""
    out = {}
    for name, case in golden().items():
        for robust in (False, True):
            folder = tmp_path_factory.mktemp(name)
            text = study(case["data"], line(case, robust))
            out[name, robust] = ended(folder, text, hospitals(case["data"]), FIVE, doors=name == "ages" and robust)
    return out


def found(fits: dict[tuple[str, bool], Ended], name: str, robust: bool = False) -> tuple[Result, dict[str, Any]]:
    assert fits[name, robust].stopped == {}
    return fits[name, robust].results["a"], golden()[name]


def of_model(result: Result) -> list[Any]:
    return [one for one in result.estimates if one.standard_error is not None]


@pytest.mark.parametrize("name", CASES)
def test_coefficients_and_errors(fits: dict[tuple[str, bool], Ended], name: str) -> None:
    result, case = found(fits, name)
    assert result.people == case["people"]
    np.testing.assert_allclose([one.value for one in of_model(result)], case["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in of_model(result)], case["errors"], rtol=TIGHT)


@pytest.mark.parametrize("name", CASES)
def test_robust_errors(fits: dict[tuple[str, bool], Ended], name: str) -> None:
    result, case = found(fits, name, robust=True)
    np.testing.assert_allclose([one.value for one in of_model(result)], case["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in of_model(result)], case["robust"], rtol=TIGHT)


@pytest.mark.parametrize("name", CASES)
def test_likelihood_and_its_ratio(fits: dict[tuple[str, bool], Ended], name: str) -> None:
    result, case = found(fits, name)
    (row,) = result.table("hazard_model").rows
    none, fitted = case["log_likelihood"]
    assert row[1] == case["events"]
    np.testing.assert_allclose(row[3], fitted, rtol=TIGHT)
    np.testing.assert_allclose(row[4], 2 * (fitted - none), rtol=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_baseline_hazards(fits: dict[tuple[str, bool], Ended], name: str) -> None:
    """Of each stratum at the end of each interval; the declared times are those of the grid."""
    result, case = found(fits, name)
    there = {one.name: one.value for one in result.estimates if one.name.startswith("baseline.")}
    levels = case.get("level") or [""] * len(case["at"])
    for time, level, hazard in zip(case["at"], levels, case["hazard"], strict=True):
        end = f"{time:g}" if time in case["cuts"] else f"{max(float(one.rpartition('.')[2]) for one in there):g}"
        one = ".".join(part for part in ("baseline", level, end) if part)
        np.testing.assert_allclose(there[one], hazard, rtol=TIGHT)


def test_a_report_says_what_the_fit_was(fits: dict[tuple[str, bool], Ended]) -> None:
    for name, key in (("strata", "strata_of_all"), ("entry", "truncated_on_a_grid"), ("change", "episodes_on_a_grid")):
        result, _ = found(fits, name, robust=True)
        keys = [one.key for one in result.methods_text]
        assert f"survival.{key}" in keys
        assert "survival.errors_robust" in keys
        for language in LANGUAGES:
            assert all(one.to(language) for one in result.methods_text)
