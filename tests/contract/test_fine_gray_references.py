"""Fine and Gray's model at four hospitals behind real doors equals what R's cmprsk and survival computed."""

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
from gagyo.site.site_file import Policy
from gagyo.statistics import cox
from gagyo.statistics import fine_gray as kernel
from tests.contract.data import GOLDEN, columns, hospitals, study
from tests.hospitals import SITES, house

TIGHT = 1e-8
FIVE = {site: Policy(minimum_people=5) for site in SITES}


@cache
def golden() -> dict[str, Any]:
    """What R computed (tests/golden/r/fine_gray.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "fine_gray.json").read_text())
    return found


CASES = list(golden()["fits"])


def line(name: str, formula: str, event: str, more: str = "") -> str:
    """An analysis of a study file."""
    return f'  {name}: {{method: fine_gray, cohort: all, formula: "{formula}", time: months, event: {event}{more}}}\n'


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every case in one study."""
    lines = [line(name, one["formula"], one["event"]) for name, one in golden()["fits"].items()]
    run = house(tmp_path_factory.mktemp("mgus"), study("mgus", "".join(lines)), hospitals("mgus"), FIVE).run()
    assert run.stopped == {}
    return run


@pytest.mark.parametrize("reference", ["crr", "finegray"])
@pytest.mark.parametrize("name", CASES)
def test_coefficients_and_errors(fits: Run, name: str, reference: str) -> None:
    result, case = fits.results[name], golden()["fits"][name]
    wanted = case[reference]
    np.testing.assert_allclose([one.value for one in result.estimates], wanted["coefficients"], rtol=TIGHT)
    (row,) = result.table("subdistribution_model").rows
    np.testing.assert_allclose(row[5], wanted["log_likelihood"][1], rtol=TIGHT)
    if reference == "crr":
        np.testing.assert_allclose([one.standard_error for one in result.estimates], wanted["errors"], rtol=TIGHT)


@pytest.mark.parametrize("name", CASES)
def test_how_observation_ended(fits: Run, name: str) -> None:
    case, (row,) = golden()["fits"][name], fits.results[name].table("subdistribution_model").rows
    ended = [case["people"], case["events"], case["competing"]]
    assert list(row[:4]) == [*ended, ended[0] - ended[1] - ended[2]]


def test_the_wald_test_of_one_column_is_its_own(tmp_path: Path) -> None:
    text = study("mgus", line("a", "ending ~ mspike", "malignancy"))
    result = house(tmp_path, text, hospitals("mgus"), FIVE).run().results["a"]
    (one,), (row,) = result.estimates, result.table("subdistribution_model").rows
    np.testing.assert_allclose(row[6], (one.value / one.standard_error) ** 2, rtol=1e-12)
    np.testing.assert_allclose([row[8], one.p], stats.chi2.sf(row[6], 1), rtol=1e-9)


def fitted(people: dict[str, np.ndarray], beta: np.ndarray) -> kernel.Fitted:
    X = np.column_stack([people[name] for name in ("decades", "female", "hgb", "mspike")])
    return kernel.evaluate(kernel.risk_sets(X, people["months"], people["ending"] == 1, people["ending"] == 2), beta)


def test_residuals_with_known_censoring_are_those_of_coxph() -> None:
    """Lin and Wei's errors of the weighted rows, which leave out that the censoring was estimated."""
    case, mgus = golden()["fits"]["malignancy"], columns("mgus")
    beta = np.array(case["crr"]["coefficients"])
    parts = [fitted({k: v[mgus["hospital"] == h] for k, v in mgus.items()}, beta) for h in range(4)]
    bread = np.linalg.inv(np.sum([one.information for one in parts], axis=0))
    u = np.concatenate([one.residuals for one in parts])
    np.testing.assert_allclose(np.sqrt(np.diag(bread @ u.T @ u @ bread)), case["finegray"]["known"], rtol=TIGHT)


def test_without_competing_events_it_is_a_cox_model() -> None:
    mgus = columns("mgus")
    people = {**mgus, "ending": np.minimum(mgus["ending"], 1)}
    X = np.column_stack([mgus[name] for name in ("decades", "female", "hgb", "mspike")])
    beta = np.array([0.2, -0.3, 0.1, 0.4])
    found = fitted(people, beta)
    wanted = cox.evaluate(cox.risk_sets(X, mgus["months"], people["ending"] == 1), beta, "breslow")
    for name in ("score", "information", "likelihood"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-9)
    assert not found.of_censoring.any()


@pytest.mark.parametrize(
    ("formula", "event", "more", "codes"),
    [
        ("female ~ hgb", "yes", "", ["fine_gray_outcome"]),
        ("hgb ~ female", "x", "", ["fine_gray_outcome"]),
        ("ending ~ hgb", "alive", ", per: {age: 10}", ["fine_gray_event", "per_unknown"]),
        ("ending ~ hgb - 1", "relapse", "", ["cox_intercept", "fine_gray_event"]),
    ],
)
def test_what_does_not_fit_the_study(formula: str, event: str, more: str, codes: list[str]) -> None:
    text = study("mgus", line("a", formula, f'"{event}"', more))
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(text))
    assert [one.code for one in fault.value.findings] == codes
