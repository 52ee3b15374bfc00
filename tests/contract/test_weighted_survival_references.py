"""Times to an event under propensity weights at four hospitals equal what R's survival computed."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.result import Result
from gagyo.site.policy import Policy
from gagyo.statistics.life_table import LifeTable
from gagyo.statistics.weighted_life_table import WeightedLifeTable
from tests.contract.data import GOLDEN, every_case, hospitals, study
from tests.contract.ended import Ended, ended
from tests.hospitals import SITES, house

TIGHT = 1e-8
FIVE = {site: Policy(minimum_people=5) for site in SITES}


@cache
def golden() -> dict[str, Any]:
    """What R computed (tests/golden/r/weighted_survival.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "weighted_survival.json").read_text())
    return found


def cases() -> dict[str, Any]:
    """Hazard ratios."""
    return dict(golden()["cases"])


def line(name: str, case: dict[str, Any], errors: str) -> str:
    """An analysis of a study file."""
    more = [f"{key}: {case[key]}" for key in ("time", "estimand", "ties", "hospitals")]
    more += ["stabilised: true"] if case["stabilised"] else []
    more += [f"propensity_within: [{case['low']}, {case['high']}]"] if case["low"] > 0 else []
    more += [f"largest_weight: {case['largest']}"] if case["largest"] else []
    head = f'{{method: weighting, cohort: all, formula: "{case["formula"]}", outcome: {case["event"]}'
    return f"  {name}_{errors}: {head}, errors: {errors}, {', '.join(more)}}}\n"


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Every case with both errors."""

    def both(name: str, case: dict[str, Any]) -> str:
        return line(name, case, "estimated") + line(name, case, "given")

    return every_case(tmp_path_factory.mktemp, cases(), both, {"cancer": "rotterdam"})


def found(fits: dict[str, Ended], name: str, errors: str) -> tuple[Result, Any]:
    case = cases()[name]
    return fits[name].results[f"{name}_{errors}"], case


@pytest.mark.parametrize("errors", ["estimated", "given"])
@pytest.mark.parametrize("name", cases())
def test_hazard_ratios_and_errors(fits: dict[str, Ended], name: str, errors: str) -> None:
    result, case = found(fits, name, errors)
    one = result.estimate("hazard_ratio")
    assert result.people == case["people"]
    assert one.value is not None
    np.testing.assert_allclose([np.log(one.value), one.standard_error], [case["log_ratio"], case[errors]], rtol=TIGHT)
    limits = case["log_ratio"] + case[errors] * np.array([-1.959963984540054, 1.959963984540054])
    np.testing.assert_allclose([one.lower, one.upper], np.exp(limits), rtol=TIGHT)


@pytest.mark.parametrize("name", cases())
def test_events_and_weighted_events(fits: dict[str, Ended], name: str) -> None:
    result, case = found(fits, name, "estimated")
    rows = result.table("weighted_groups").rows[::-1]  # R has the treated first
    assert [row[4] for row in rows] == case["events"]
    np.testing.assert_allclose([row[5] for row in rows], case["weighted_events"], rtol=TIGHT)


# Curves.


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Every case of curves, a study each."""
    out = {}
    for name, one in golden()["curves"].items():
        head = f'{{method: weighting, cohort: all, formula: "{one["formula"]}", outcome: {one["event"]}'
        more = f"time: {one['time']}, estimand: {one['estimand']}, curves: true, tau: {one['tau']}"
        more += f", propensity_within: [{one['low']}, {one['high']}]"
        text = study("rotterdam", f"  {name}: {head}, {more}, times: {one['edges']}, at: {one['edges']}}}\n")
        out[name] = ended(tmp_path_factory.mktemp(name), text, hospitals("rotterdam"), FIVE)
        assert out[name].stopped == {}
    return out


@pytest.mark.parametrize("name", golden()["curves"])
def test_curves_and_their_errors(drawn: dict[str, Ended], name: str) -> None:
    result, case = drawn[name].results[name], golden()["curves"][name]
    for series, group in zip(result.curve("weighted_survival").series, ("untreated", "treated"), strict=True):
        wanted = case["curves"][group]
        assert series.x == (0, *case["edges"])
        np.testing.assert_allclose(series.y[1:], wanted["survival"], rtol=TIGHT)
        np.testing.assert_allclose(series.lower[1:], wanted["lower"], rtol=TIGHT)
        np.testing.assert_allclose(series.upper[1:], wanted["upper"], rtol=TIGHT)
        told = [result.estimate(f"risk.{group}.{edge}") for edge in case["edges"]]
        np.testing.assert_allclose([one.value for one in told], 1 - np.array(wanted["survival"]), rtol=TIGHT)
        np.testing.assert_allclose([one.standard_error for one in told], wanted["error"], rtol=TIGHT)
        np.testing.assert_allclose([one.lower for one in told], 1 - np.array(wanted["upper"]), rtol=TIGHT)


@pytest.mark.parametrize("name", golden()["curves"])
def test_differences_of_risks_and_restricted_means(drawn: dict[str, Ended], name: str) -> None:
    result, case = drawn[name].results[name], golden()["curves"][name]
    one, other = (case["curves"][group] for group in ("treated", "untreated"))
    for j, edge in enumerate(case["edges"]):
        found = result.estimate(f"risk_difference.{edge}")
        np.testing.assert_allclose(found.value, other["survival"][j] - one["survival"][j], rtol=TIGHT)
        np.testing.assert_allclose(found.standard_error, np.hypot(one["error"][j], other["error"][j]), rtol=TIGHT)
    for group, wanted in (("treated", one), ("untreated", other)):
        mean = result.estimate(f"restricted_mean.{group}")
        np.testing.assert_allclose(
            [mean.value, mean.standard_error], [wanted["mean"], wanted["mean_error"]], rtol=TIGHT
        )
    difference = result.estimate("restricted_mean.difference")
    np.testing.assert_allclose(difference.value, one["mean"] - other["mean"], rtol=TIGHT)
    error = np.hypot(one["mean_error"], other["mean_error"])
    np.testing.assert_allclose(difference.standard_error, error, rtol=TIGHT)


def test_single_times_are_survfits_own_curve() -> None:
    """Every month its own interval: no weight is halved, and the mean is under steps."""
    case = golden()["exact"]
    time, event, weight = (np.array(case[name], float) for name in ("time", "event", "weight"))
    edges = np.append(0.0, case["edges"])
    at = np.minimum(np.searchsorted(edges[1:], time), len(edges) - 1)
    cell = 2 * at + event.astype(int)
    table = [np.bincount(cell, one, minlength=2 * len(edges)).reshape(-1, 2).T for one in (weight, weight**2)]
    whole = WeightedLifeTable.of(np.append(edges, np.inf), *table, np.ones(len(edges), bool))
    np.testing.assert_allclose(whole.survival[1 : len(edges)], case["survival"], rtol=TIGHT)
    np.testing.assert_allclose(whole.error[1 : len(edges)], case["error"], rtol=TIGHT)
    np.testing.assert_allclose(whole.band[0][1 : len(edges)], case["lower"], rtol=TIGHT)
    np.testing.assert_allclose(whole.mean(case["tau"]), [case["mean"], case["mean_error"]], rtol=TIGHT)


def test_with_weights_of_one_the_survival_is_kaplan_and_meiers() -> None:
    counts = np.array([[3.0, 5.0, 0.0, 7.0], [6.0, 0.0, 8.0, 9.0]])
    edges, single = np.array([0.0, 10, 20, 30, 45]), np.array([False, False, True, False])
    weighted = WeightedLifeTable.of(edges, counts, counts, single)
    plain = LifeTable(edges, weighted.at_risk, counts[1], counts[0], single)
    np.testing.assert_array_equal(weighted.survival, plain.survival)
    np.testing.assert_array_equal(weighted.bounds, plain.bounds)
    # Greenwood's variance is the jackknife's where nobody is censored before.
    whole = np.array([np.zeros(4), counts[1]])
    table = WeightedLifeTable.of(edges, whole, whole, single)
    np.testing.assert_allclose(
        table.error[1:4], LifeTable(edges, table.at_risk, counts[1], np.zeros(4), single).error[1:4], rtol=1e-12
    )


@pytest.mark.parametrize(
    ("more", "note", "curves"),
    [
        ("tau: 7000, at: [1826]", "weighting.no_means", 1),
        ("times: [7200], at: [7200]", "weighting.no_curves", 0),
    ],
)
def test_what_curves_cannot_tell_leaves_the_hazard_ratio(
    tmp_path_factory: pytest.TempPathFactory, more: str, note: str, curves: int
) -> None:
    head = '{method: weighting, cohort: all, formula: "hormon ~ age + nodes", outcome: died, estimand: ato, time: days'
    text = study("rotterdam", f"  with: {head}, curves: true, {more}}}\n  without: {head}}}\n")
    run = ended(tmp_path_factory.mktemp("beyond"), text, hospitals("rotterdam"))
    assert run.stopped == {}
    told, plain = (run.results[name] for name in ("with", "without"))
    assert told.estimate("hazard_ratio") == plain.estimate("hazard_ratio")
    assert note in [one.key for one in told.notes]
    if note == "weighting.no_means":
        # What a tau may be at most is where the curve that is drawn ends.
        last = max(point for series in told.curves[0].series for point in series.x)
        assert [one.values["expected"] for one in told.notes if one.key == note] == [f"{last:g}"]
    assert len(told.curves) - len(plain.curves) == curves
    assert not [one for one in told.estimates if one.name.startswith("restricted_mean")]


def test_balance_is_that_of_the_same_weights_without_a_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    head = '{method: weighting, cohort: all, formula: "hormon ~ age + nodes", outcome: died, estimand: ate'
    text = study("rotterdam", f"  with: {head}, time: days}}\n  without: {head}}}\n")
    run = house(tmp_path_factory.mktemp("balance"), text, hospitals("rotterdam")).run()
    timed, plain = (run.results[name] for name in ("with", "without"))
    assert timed.table("balance").rows == plain.table("balance").rows
    assert timed.table("weighted_hospitals").rows == plain.table("weighted_hospitals").rows
    assert timed.table("propensity").rows == plain.table("propensity").rows


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ("outcome: age, time: days", ["weighting_outcome", "survival_kind"]),
        ("outcome: months, time: died", ["survival_kind", "survival_kind"]),
        ("outcome: died, time: nowhere", ["describe_unknown"]),
        ("outcome: died, ties: breslow, errors: given", ["weighting_time", "weighting_time"]),
        ("outcome: died, curves: true, tau: 9", ["weighting_time", "weighting_curves"]),
        ("outcome: died, time: days, at: [9], times: [9]", ["weighting_curves", "weighting_curves"]),
        ("outcome: died, time: days, curves: true, tau: 9000", ["tau_beyond_range"]),
    ],
)
def test_what_does_not_fit_the_study(more: str, codes: list[str]) -> None:
    head = '  a: {method: weighting, cohort: all, formula: "hormon ~ age", estimand: ate'
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(study("rotterdam", f"{head}, {more}}}\n")))
    assert [one.code for one in fault.value.findings] == codes
