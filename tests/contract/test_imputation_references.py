"""Multiple imputation against the same draws on the pooled rows (exactly), and against R's mice (in distribution)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gagyo.result import Result
from gagyo.statistics import rubin
from tests.contract.data import GOLDEN, NUMBERS, columns, divide, study
from tests.contract.ended import drawn, rehearsed
from tests.contract.imputation_pooled import Asked, People, fits
from tests.hospitals import Rows, house

Secrets = Mapping[str, bytes] | None
RANGES = NUMBERS["pima"]
BOTH = Asked("glu", ["bmi", "diabetic", "age"], ["bmi", "diabetic"], RANGES, times=6, sweeps=3)
CHAINS = 60
"""Enough to see a model that is not R's, and few enough for a test."""
CASES = {
    "numbers": Asked("glu", ["bmi", "skin", "age"], ["bmi", "skin"], RANGES, times=8, sweeps=3),
    "yes or no": BOTH,
    "one level for all": replace(BOTH, own=False),
    "auxiliary": replace(BOTH, predictors=["bmi", "age"], impute=["bmi", "skin"], auxiliary=["skin", "npreg"], seed=7),
    "logistic": Asked("diabetic", ["glu", "bmi", "age"], ["bmi"], RANGES, ["skin"], logistic=True, times=5, sweeps=2),
}


def line(asked: Asked) -> str:
    """The analysis as a study writes it."""
    told = {
        "model": "logistic" if asked.logistic else "linear",
        "formula": f'"{asked.outcome} ~ {" + ".join(asked.predictors)}"',
        "impute": f"[{', '.join(asked.impute)}]",
        "auxiliary": f"[{', '.join(asked.auxiliary)}]",
        "times": asked.times,
        "sweeps": asked.sweeps,
        "hospitals": "own" if asked.own else "pooled",
        "seed": asked.seed,
    }
    said = ", ".join(f"{key}: {value}" for key, value in told.items())
    return f"  a: {{method: imputation, cohort: all, {said}}}\n"


def women(asked: Asked, name: str = "pima_missing") -> dict[str, np.ndarray]:
    """Real women with values deleted at random (tests/golden/r/imputation.R); those without a needed one left out."""
    found = {key: column.copy() for key, column in columns(name).items()}
    needed = {asked.outcome, *asked.predictors, *asked.auxiliary} - set(asked.impute)
    keep = np.logical_and.reduce([~np.isnan(found[name]) for name in needed])
    return {key: column[keep] for key, column in found.items()}


def at_hospitals(data: Mapping[str, np.ndarray], where: np.ndarray) -> dict[str, Rows]:
    return divide({key: column for key, column in data.items() if key != "hospital"}, where)


def everyone(people: Mapping[str, Rows], secrets: Secrets = None) -> People:
    """All hospitals' people in one place."""
    first = next(iter(people.values()))
    together = {key: np.concatenate([one.columns[key] for one in people.values()]) for key in first.columns}
    sites = np.concatenate([[name] * len(one.persons) for name, one in people.items()])
    return People(together, sites, [person for one in people.values() for person in one.persons], secrets or {})


def of_women(asked: Asked, people: Mapping[str, Rows], name: str = "pima") -> Result:
    """The result without doors, gate or ring."""
    return rehearsed(study(name, line(asked)), people)["a"]


def check_equal(result: Result, asked: Asked, people: Mapping[str, Rows], secrets: Secrets = None) -> None:
    values, variances, imputed = fits(asked, everyone(people, secrets))
    wanted = rubin.pool(values, variances, len(everyone(people).persons) - values.shape[1])
    np.testing.assert_allclose([one.value for one in result.estimates], wanted.value, rtol=1e-8)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], wanted.error, rtol=1e-8)
    told = result.table("missing").rows
    np.testing.assert_allclose([row[5] for row in told], imputed.mean(axis=0), rtol=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_coefficients_are_those_of_the_same_draws_on_pooled_rows(tmp_path: Path, name: str) -> None:
    asked = CASES[name]
    data = women(asked)
    people = at_hospitals(data, data["hospital"])
    going, secrets = drawn(tmp_path, study("pima", line(asked)), people, doors=asked is BOTH)
    assert going.stopped == {}
    check_equal(going.results["a"], asked, people, secrets)


@settings(max_examples=10, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), shares=st.lists(st.floats(0.05, 1), min_size=4, max_size=4), own=st.booleans())
def test_however_people_are_divided_it_is_the_same_as_on_pooled_rows(seed: int, shares: list[float], own: bool) -> None:
    asked = replace(BOTH, times=3, sweeps=2, own=own)
    where = np.searchsorted(np.cumsum(shares)[:3] / np.sum(shares), np.random.default_rng(seed).random(532))
    people = at_hospitals(women(asked), where)
    check_equal(of_women(asked, people), asked, people)


R = ["numbers", "mixed", "logistic"]


@pytest.mark.parametrize("name", R)
def test_in_distribution_it_is_r_mice(name: str) -> None:
    """Many chains of both: their means agree within Monte-Carlo error, their variances within theirs."""
    r = golden()["cases"][name]
    outcome, _, right = r["formula"].partition(" ~ ")
    asked = Asked(outcome, right.split(" + "), r["impute"], RANGES, logistic=name == "logistic", times=CHAINS, sweeps=3)
    data = women(asked)
    people = at_hospitals(data, data["hospital"])
    result = of_women(asked, people)
    assert result.people == r["people"]
    between = np.array(r["b"])
    error = np.sqrt(between * (1 / r["m"] + 1 / asked.times))
    value = np.array([one.value for one in result.estimates])
    assert np.all(np.abs(value - r["estimate"]) < 4 * error), (value - r["estimate"]) / error
    variance = np.array([one.standard_error for one in result.estimates]) ** 2
    within, ours = np.array(r["ubar"]), np.array([row[3] for row in result.table("uncertainty").rows])
    # The variance between so many chains has a relative error of sqrt(2 / (chains - 1)); R's has 400; four of these.
    more, far = 1 + 1 / CHAINS, 4 * np.sqrt(2 / (CHAINS - 1))
    assert np.all(np.abs(variance / (within + more * between) - 1) < far * between / within + 0.03)
    assert np.all(np.abs(ours * within / between / more - 1) < np.hypot(far, 4 * np.sqrt(2 / 399)) + 0.05), ours


def golden() -> dict[str, Any]:
    """What R's mice imputed and pooled (tests/golden/r/imputation.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "imputation.json").read_text())
    return found


def test_the_study_of_the_how_to_runs(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "impute-missing-values.md"
    text = page.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    data = columns("pima_missing")
    going = house(tmp_path, text, at_hospitals(data, data["hospital"])).run()
    assert going.stopped == {}
    result = going.results["imputed"]
    assert result.people == 532
    assert [row[2] for row in result.table("missing").rows] == [
        np.isnan(data[name]).sum() for name in ("bmi", "diabetic")
    ]
