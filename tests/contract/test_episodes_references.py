"""Covariates that change in time at four hospitals equal what R computed on pooled episodes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.result import Result
from gagyo.site.policy import Policy
from tests.contract.data import GOLDEN, hospitals, label, study
from tests.contract.ended import Ended, ended
from tests.hospitals import SITES, house

TIGHT = 1e-8
CHANGES = f"{{transplant: {{at: waited, label: {label('transplant')}}}}}"
RELAPSES = f"{{relapse: {{at: relapsing, label: {label('relapse')}}}}}"
FIVE = dict.fromkeys(SITES, Policy(minimum_people=5))


@cache
def golden() -> dict[str, Any]:
    """What R computed (tests/golden/r/episodes.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "episodes.json").read_text())
    return found


CASES = list(golden()["cox"])
ILL = [name for name in CASES if name.startswith("relapses")]


def line(name: str, formula: str, more: str = "", changes: str = CHANGES) -> str:
    return f'  {name}: {{method: cox, cohort: all, formula: "{formula}", time: days, changes: {changes}{more}}}\n'


def one(name: str, case: dict[str, Any], kind: str, changes: str) -> str:
    entry = ", entry: came" if case["entry"] else ""
    robust = str(kind == "robust").lower()
    return line(f"{name}_{kind}", case["formula"], f", ties: {case['ties']}, robust: {robust}{entry}", changes)


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Every case of the Stanford patients, with the model's and with robust errors, in one study."""
    return ran(
        tmp_path_factory.mktemp("transplants"), "transplants", [name for name in CASES if name not in ILL], CHANGES
    )


@pytest.fixture(scope="module")
def relapsed(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The same of the patients of Rotterdam."""
    return ran(tmp_path_factory.mktemp("relapse"), "relapse", ILL, RELAPSES)


def ran(folder: Path, data: str, names: list[str], changes: str) -> Run:
    lines = [one(name, golden()["cox"][name], kind, changes) for name in names for kind in ("model", "robust")]
    run = ended(folder, study(data, "".join(lines)), hospitals(data), FIVE)
    assert run.stopped == {}
    return run


def found(fits: Ended, name: str, kind: str = "model") -> tuple[Result, dict[str, Any]]:
    return fits.results[f"{name}_{kind}"], golden()["cox"][name]


@pytest.mark.parametrize("name", CASES)
def test_coefficients_and_errors(fits: Ended, relapsed: Ended, name: str) -> None:
    result, case = found(fits if name not in ILL else relapsed, name)
    assert result.people == case["people"]
    np.testing.assert_allclose([one.value for one in result.estimates], case["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], case["errors"], rtol=TIGHT)


@pytest.mark.parametrize("name", CASES)
def test_robust_errors_are_of_people_and_not_of_episodes(fits: Ended, relapsed: Ended, name: str) -> None:
    result, case = found(fits if name not in ILL else relapsed, name, "robust")
    np.testing.assert_allclose([one.standard_error for one in result.estimates], case["robust"], rtol=TIGHT)


@pytest.mark.parametrize("name", CASES)
def test_likelihood_and_proportional_hazards(fits: Ended, relapsed: Ended, name: str) -> None:
    result, case = found(fits if name not in ILL else relapsed, name)
    (row,) = result.table("hazard_model").rows
    assert row[1] == case["events"]
    np.testing.assert_allclose(row[3], case["log_likelihood"][1], rtol=TIGHT)
    np.testing.assert_allclose(row[4], 2 * np.diff(case["log_likelihood"])[0], rtol=1e-7)
    tests = np.array([row[1:] for row in result.table("proportional_hazards").rows], dtype=float)
    np.testing.assert_allclose(tests, np.array(case["zph"], dtype=float), rtol=1e-7)


def test_the_study_of_the_how_to_runs(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "follow-a-covariate-that-changes.md"
    text = page.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    going = house(tmp_path, text, hospitals("relapse")).run()
    assert going.stopped == {}
    result = going.results["death"]
    assert result.people == 1546
    assert [one.name for one in result.estimates] == ["age", "hormon", "nodes", "relapse", "nodes:relapse"]
    said = [note.to("en") for note in result.notes]
    assert any(note.startswith("Relapsed: no until “Time from surgery to relapse”") for note in said)


def test_immortal_time_would_have_made_a_benefit(fits: Ended) -> None:
    """The textbook's point: known from the start, a transplant seems to save lives."""
    naive = golden()["immortal"][2]
    assert naive < -1.5
    assert abs(fits.results["efron_model"].estimate("transplant").value) < 0.2
