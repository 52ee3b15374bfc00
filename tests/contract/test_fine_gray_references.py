"""Fine and Gray's model at four hospitals equals what R's cmprsk and survival computed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from gagyo.coordinator.planning import check
from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.site.policy import Policy
from gagyo.statistics import cox
from gagyo.statistics import fine_gray as kernel
from tests.contract.data import GOLDEN, columns, hospitals, study
from tests.contract.ended import Ended, ended
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
def fits(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Every case in one study."""
    lines = [line(name, one["formula"], one["event"]) for name, one in golden()["fits"].items()]
    run = ended(tmp_path_factory.mktemp("mgus"), study("mgus", "".join(lines)), hospitals("mgus"), FIVE)
    assert run.stopped == {}
    return run


@pytest.mark.parametrize("reference", ["crr", "finegray"])
@pytest.mark.parametrize("name", CASES)
def test_coefficients_and_errors(fits: Ended, name: str, reference: str) -> None:
    result, case = fits.results[name], golden()["fits"][name]
    wanted = case[reference]
    np.testing.assert_allclose([one.value for one in result.estimates], wanted["coefficients"], rtol=TIGHT)
    (row,) = result.table("subdistribution_model").rows
    np.testing.assert_allclose(row[5], wanted["log_likelihood"][1], rtol=TIGHT)
    if reference == "crr":
        np.testing.assert_allclose([one.standard_error for one in result.estimates], wanted["errors"], rtol=TIGHT)


@pytest.mark.parametrize("name", CASES)
def test_how_observation_ended(fits: Ended, name: str) -> None:
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


# Predicted cumulative incidence.

PROFILES = {
    "one": "{decades: 6, female: true, hgb: 14, mspike: 0.5}",
    "two": "{decades: 8, female: false, hgb: 10.5, mspike: 2}",
}
"""As in tests/golden/r/fine_gray.R."""


def asking(times: str, profiles: Mapping[str, str] = PROFILES) -> str:
    """The options that ask for predictions."""
    return f", times: {times}, profiles: {{{', '.join(f'{name}: {one}' for name, one in profiles.items())}}}"


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Both events, each with predictions, on one grid."""
    right = "decades + female + hgb + mspike"
    lines = [line(event, f"ending ~ {right}", event, asking("[24, 60, 120, 180]")) for event in golden()["predicted"]]
    run = ended(tmp_path_factory.mktemp("predicted"), study("mgus", "".join(lines)), hospitals("mgus"), FIVE)
    assert run.stopped == {}
    return run


@pytest.mark.parametrize("event", golden()["predicted"])
def test_predicted_incidence_is_that_of_survfit(predictions: Ended, event: str) -> None:
    wanted, result = golden()["predicted"][event], predictions.results[event]
    names = [f"incidence.{profile}.{time}" for profile in PROFILES for time in wanted["times"]]
    np.testing.assert_allclose([result.estimate(one).value for one in names], wanted["incidence"], rtol=TIGHT)
    assert [one.name for one in result.estimates][4:] == names
    rows = result.table("predicted_incidence").rows
    np.testing.assert_allclose([row[2] for row in rows], wanted["incidence"], rtol=TIGHT)
    assert [row[1] for row in rows] == 2 * wanted["times"]
    assert rows[0][0].to("ko") == "decades 값 6, female 값: 예, hgb 값 14, mspike 값 0.5"
    first, second = result.curve("predicted_incidence").series
    assert first.x == second.x == (0.0, *wanted["times"])
    assert first.y == (0.0, *(row[2] for row in rows[:4]))
    assert result.lossless


@pytest.mark.parametrize("event", golden()["predicted"])
def test_tables_and_figures_name_the_event_and_tell_proportions(predictions: Ended, event: str) -> None:
    """As `cumulative_incidence` tells them; in a report of two events nobody takes one for the other."""
    result = predictions.results[event]
    titles = [result.table(name).title for name in ("subdistribution_ratios", "predicted_incidence")]
    assert all(event in title.to("en") for title in (*titles, result.curve("predicted_incidence").title))
    assert result.table("predicted_incidence").columns[2].format == "number"


def test_the_fit_is_the_same_with_and_without_predictions(predictions: Ended, fits: Ended) -> None:
    with_them, without = predictions.results["malignancy"], fits.results["malignancy"]
    assert with_them.estimates[:4] == without.estimates
    assert with_them.tables[:2] == without.tables


def test_where_a_hospital_observes_too_few_nothing_is_told(tmp_path: Path) -> None:
    """At one hospital everybody leaves by 100 months: what its hazard would be later is not known."""
    people = hospitals("mgus")
    late = people["busan"].columns["months"] > 100
    people["busan"].columns["months"] = np.minimum(people["busan"].columns["months"], 100.0)
    people["busan"].columns["ending"] = np.where(late, 0.0, people["busan"].columns["ending"])
    text = study("mgus", line("a", "ending ~ decades + hgb", "death", asking("[24, 60, 96, 150]", SHORT)))
    result = house(tmp_path, text, people, FIVE).run().results["a"]
    assert result.curve("predicted_incidence").series[0].x == (0.0, 24.0, 60.0, 96.0)
    notes = [one.key for one in result.table("predicted_incidence").notes]
    assert notes == ["finegray.prediction", "finegray.until", "finegray.not_told"]


SHORT = {"one": "{decades: 7, hgb: 12}"}


def test_a_study_without_times_has_a_grid_as_fine_as_people_allow(tmp_path: Path) -> None:
    text = study("mgus", line("a", "ending ~ decades + hgb", "death", asking("[]", SHORT)), 10)
    result = house(tmp_path, text, hospitals("mgus")).run().results["a"]
    (curve,) = result.curve("predicted_incidence").series
    assert len(curve.x) > 20
    assert all(a <= b for a, b in pairwise(curve.y))
    mgus = columns("mgus")
    counts = np.histogram(mgus["months"][mgus["ending"] == 2], np.array(curve.x) + 1e-9)[0]
    assert not ((counts > 0) & (counts < 10)).any()
    assert [a < b for a, b in pairwise(curve.y)] == (counts > 0).tolist()


@pytest.mark.parametrize(
    ("profile", "found"),
    [
        ("{decades: 7}", "hgb: –"),
        ("{decades: 7, hgb: 12, mspike: 1}", "mspike: 1.0"),
        ("{decades: 70, hgb: 12}", "decades: 70.0"),
        ("{decades: old, hgb: true}", "decades: old, hgb: True"),
    ],
)
def test_a_profile_has_a_value_of_each_predictor_and_of_nothing_else(profile: str, found: str) -> None:
    text = study("mgus", line("a", "ending ~ decades + hgb", "death", asking("[24]", {"one": profile})))
    (fault,) = check(Study.parse(text))
    assert (fault.code, fault.values["found"]) == ("fine_gray_profile", found)
    assert fault.place.path == "analyses.a.profiles.one"


def test_levels_and_yes_are_read_as_declared() -> None:
    right = {"one": "{female: true, size: middling}"}
    assert (
        check(Study.parse(study("mgus", line("a", "ending ~ female + C(size)", "death", asking("[24]", right))))) == []
    )
    wrong = {"one": "{female: 1, size: huge}"}
    (fault,) = check(Study.parse(study("mgus", line("a", "ending ~ female + C(size)", "death", asking("[24]", wrong)))))
    assert fault.values["found"] == "female: 1.0, size: huge"


def test_times_without_people_to_predict_for_are_no_question() -> None:
    (fault,) = check(Study.parse(study("mgus", line("a", "ending ~ decades", "death", ", times: [24]"))))
    assert fault.code == "fine_gray_times"
