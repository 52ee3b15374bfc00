"""Emulated target trials at four hospitals equal R's clones; immortal time has no place in them."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gagyo.errors import DataFault, FileFault
from gagyo.federation import rows as federation
from gagyo.federation.in_memory import converse
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.report.numbers import shown
from gagyo.result import Interval, Result, Words
from gagyo.site.policy import Policy
from gagyo.statistics.target_trial import STARTS, WAITS, Histories, clone_weights
from gagyo.text import LANGUAGES
from tests.contract.data import GOLDEN, columns, divide, hospitals, study
from tests.contract.ended import ended
from tests.hospitals import SITES, house

TIGHT = 1e-8
ERRORS = 1e-8
"""R's derivatives are differences of the sixth order, good to about 1e-10."""
NAMES = ("start", "wait")
FIVE = {site: Policy(minimum_people=5) for site in SITES}


@cache
def golden() -> dict[str, Any]:
    """What R computed (tests/golden/r/target_trial.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "target_trial.json").read_text())["cases"]
    return found


def line(case: dict[str, Any]) -> str:
    """A case as an analysis of a study file."""
    times = [end for end in case["ends"] if end not in (case["grace"], case["ends"][-1])]
    largest = f", largest_weight: {case['largest']}" if case["largest"] else ""
    return (
        f"  a: {{method: target_trial, cohort: all, time: days, event: died, start: start, grace: {case['grace']},"
        f' horizon: {case["ends"][-1]}, times: {times}, adjust: "{case["adjust"]}", hospitals: {case["hospitals"]}'
        f"{largest}}}\n"
    )


def rehearsed(name: str, text: str, where: np.ndarray | None = None) -> Result:
    """The result without doors, on a data set divided as it says, or otherwise."""
    parsed = Study.parse(text)
    data = columns(name)
    where = data["hospital"] if where is None else where
    inside = {
        site: federation.Rows(site, parsed.variables, one.columns, one.persons, "x")
        for site, one in divide({key: x for key, x in data.items() if key != "hospital"}, where).items()
    }
    return converse(Line(parsed).methods["a"].combine({}), inside)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """Every case; the first of many people behind real doors, where its grid is as fine as the gate lets it be."""
    out: dict[str, Result] = {}
    for name, case in golden().items():
        text = study(case["data"], line(case), 5)
        if case["data"] == "heart":  # a hundred people: too few for the gate
            out[name] = rehearsed("heart", text)
            continue
        first = all(golden()[one]["data"] == "heart" for one in out)
        run = ended(tmp_path_factory.mktemp(name), text, hospitals(case["data"]), FIVE, doors=first)
        assert run.stopped == {}
        out[name] = run.results["a"]
    return out


@pytest.mark.parametrize("name", golden())
def test_risks_and_their_errors(results: dict[str, Result], name: str) -> None:
    result, case = results[name], golden()[name]
    assert result.people == case["people"]
    table, shown = result.table("trial_intervals"), np.array(case["ends"]) > 0
    assert [row[0] for row in table.rows] == case["ends"]
    for a, arm in enumerate(NAMES):
        survival = result.curve("trial_survival").series[a]
        wanted, error = np.array(case["risks"][arm])[shown], np.array(case["risk_errors"][arm])[shown]
        np.testing.assert_allclose(survival.y[1:], 1 - wanted, rtol=TIGHT)
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = 1.959963984540054 * error / np.abs((1 - wanted) * np.log(1 - wanted))
        lower = np.where(wanted > 0, (1 - wanted) ** np.exp(reach), 1.0)
        np.testing.assert_allclose(survival.lower[1:], lower, rtol=ERRORS)
        one = result.estimate(f"risk.{arm}")
        np.testing.assert_allclose([one.value, one.standard_error], [wanted[-1], error[-1]], rtol=ERRORS)


@pytest.mark.parametrize("name", golden())
def test_differences_ratios_and_restricted_means(results: dict[str, Result], name: str) -> None:
    result, case = results[name], golden()[name]
    difference, ratio = result.estimate("risk_difference"), result.estimate("risk_ratio")
    assert ratio.value is not None
    np.testing.assert_allclose(difference.value, case["difference"], rtol=TIGHT, atol=1e-10)
    np.testing.assert_allclose(difference.standard_error, case["difference_error"], rtol=ERRORS)
    np.testing.assert_allclose(
        [ratio.value, ratio.standard_error], [np.exp(case["log_ratio"]), case["log_ratio_error"]], rtol=ERRORS
    )
    told = [result.estimate(f"mean.{arm}") for arm in NAMES] + [result.estimate("mean_difference")]
    (row,) = result.table("trial_means").rows
    assert row[1] == Interval(told[2].value or 0, told[2].lower or 0, told[2].upper or 0)
    said = shown(row[1], result.table("trial_means").columns[1])
    assert not re.search(r"\d\d\.\d\d", said), said  # of some ten days a hundredth tells nothing
    np.testing.assert_allclose([one.value for one in told], case["means"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in told], case["mean_errors"], rtol=ERRORS)


@pytest.mark.parametrize("name", golden())
def test_numbers_at_risk_effective_numbers_balance_and_the_model(results: dict[str, Result], name: str) -> None:
    result, case = results[name], golden()[name]
    rows = result.table("trial_intervals").rows
    for a, arm in enumerate(NAMES):
        assert [row[1 + 4 * a] for row in rows] == case["at_risk"][arm]
        np.testing.assert_allclose([row[3 + 4 * a] for row in rows], case["effective"][arm], rtol=TIGHT)
    for row, wanted in zip(result.table("trial_balance").rows, case["balance"], strict=True):
        np.testing.assert_allclose([row[2], row[3]], wanted, rtol=TIGHT)
    sixteenths = np.array(case["bands"])
    bins = result.table("trial_weights").rows
    assert len(bins) > 1
    for row in bins:
        low, high = (round(16 * float(str(end))) for end in row[:2])
        assert list(row[3:]) == sixteenths[low:high].sum(axis=0).tolist()
    if "*" in case["adjust"]:
        return  # R's product is of columns about other middles
    model = [result.estimate(f"starting.{term}") for term in case["terms"]]
    np.testing.assert_allclose([one.value for one in model], case["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in model], case["coefficient_errors"], rtol=TIGHT)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_how_people_are_divided_does_not_matter_without_intercepts_of_hospitals(seed: int) -> None:
    case = golden()["heart_zero"]
    text, size = study("heart", line(case), 10), case["people"]
    one = rehearsed("heart", text, np.random.default_rng(seed).integers(0, 4, size))
    whole = rehearsed("heart", text, np.zeros(size))
    values = [np.array([[e.value, e.standard_error] for e in r.estimates], float) for r in (one, whole)]
    np.testing.assert_allclose(*values, rtol=1e-9, atol=1e-11)


def test_two_treatments_of_one_study_are_not_taken_for_each_other() -> None:
    data = {**made_without_effect(size=3000)}
    data["start2"] = np.where(data["start"] <= data["days"] / 2, data["start"], np.nan)
    text = study("grafts", ANALYSIS + ANALYSIS.replace("  a:", "  b:").replace("start: start", "start: start2"), 10)
    declared = "  start2: {type: number, range: [0, 6000], label: {en: s, ko: s, zh: s}}"
    parsed = Study.parse(text.replace("  age:", f"{declared}\n  age:"))
    methods = Line(parsed).methods
    rows = [federation.Rows("seoul", parsed.variables, data, [b"p"] * 3000, "x") for _ in range(2)]
    alone = converse(methods["b"].combine({}), {"seoul": rows[0]})
    converse(methods["a"].combine({}), {"seoul": rows[1]})
    assert converse(methods["b"].combine({}), {"seoul": rows[1]}).estimates == alone.estimates


# Immortal time.


def made_without_effect(seed: int = 5, size: int = 40_000) -> dict[str, np.ndarray]:
    """People whom the treatment neither helps nor harms; who is ill starts later and dies sooner."""
    rng = np.random.default_rng(seed)
    severe = (rng.random(size) < 0.4).astype(float)
    age = rng.normal(60, 8, size).clip(30, 90)
    hazard = np.exp(-6.5 + 0.05 * (age - 60) + 0.8 * severe)
    dies = rng.exponential(1 / hazard)
    starts = rng.exponential(np.exp(4.5 + 0.05 * (age - 60) + 0.6 * severe))
    lost = rng.uniform(200, 900, size)
    days = np.minimum(np.minimum(dies, lost), 720)
    start = np.where(starts <= days, starts, np.nan)
    return {"days": days, "died": (dies <= days).astype(float), "start": start, "age": age, "severe": severe}


ANALYSIS = (
    "  a: {method: target_trial, cohort: all, time: days, event: died, start: start, grace: 90, horizon: 360,"
    ' times: [30, 60, 150, 210, 270], adjust: "age + severe"}\n'
)


def test_without_an_effect_the_naive_comparison_is_badly_wrong_and_the_emulated_trial_is_not() -> None:
    data = made_without_effect()
    parsed = Study.parse(study("grafts", ANALYSIS, 10))
    rows = federation.Rows("seoul", parsed.variables, data, [b"p"] * len(data["days"]), "x")
    result = converse(Line(parsed).methods["a"].combine({}), {"seoul": rows})
    dead = (data["died"] == 1) & (data["days"] <= 360)
    known = dead | (data["days"] > 360)
    ever = ~np.isnan(data["start"])
    naive = dead[known & ever].mean() - dead[known & ~ever].mean()
    assert naive < -0.4, "who lives long enough to start is immortal until then"
    one = result.estimate("risk_difference")
    assert one.value is not None
    assert one.standard_error is not None
    assert one.standard_error < 0.01
    assert abs(one.value) < 3 * one.standard_error


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 4), st.booleans())
def test_what_happens_later_does_not_change_what_a_clone_adds_before(seed: int, at: int, listed: bool) -> None:
    """Everything after an interval's end is drawn anew: clones, events, departures and weights up to it stay."""
    rng = np.random.default_rng(seed)
    edges, grace = np.array([0.0, 20, 40, 70, 100] if listed else [10.0, 20, 40, 70, 100]), 3
    size, now = 50, edges[at]

    def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        days = np.ceil(rng.exponential(60, size))
        start = np.ceil(rng.exponential(40, size))
        return days, rng.random(size) < 0.7, np.where(start <= days, start, np.nan)

    days, event, start = drawn()
    later_days, later_event, later_start = drawn()
    later_days, later_start = later_days + now, later_start + now
    goes_on = days > now
    begun = start <= now
    other_days = np.where(goes_on, later_days, days)
    other_event = np.where(goes_on, later_event, event)
    other_start = np.where(begun | ~goes_on, start, np.where(later_start <= other_days, later_start, np.nan))
    eta = rng.normal(-1, 0.5, size)[:, None]
    told = []
    for each in ((days, event, start), (other_days, other_event, other_start)):
        people = Histories.of(*each, edges, grace)
        for strategy in (STARTS, WAITS):
            here, ends, lost = (part[:, : at + 1] for part in people.clones(strategy))
            weight = clone_weights(people, strategy, np.broadcast_to(eta, (size, grace)), np.inf).weight[:, : at + 1]
            told.append(np.stack([weight * part for part in (here, ends, lost)]))
    np.testing.assert_array_equal(told[0], told[2])
    np.testing.assert_array_equal(told[1], told[3])


def test_everyone_is_followed_under_both_strategies_from_time_zero() -> None:
    data = made_without_effect(size=500)
    people = Histories.of(data["days"], data["died"] == 1, data["start"], np.array([30.0, 90, 360]), 2)
    for strategy in (STARTS, WAITS):
        here, ends, lost = people.clones(strategy)
        assert here[:, 0].all()
        assert ((ends | lost) <= here).all()
        assert (here[:, 1:] <= here[:, :-1]).all()
    # Who dies before a start counts under both; who dies after one does not under waiting.
    early = (data["days"] <= 30) & (data["died"] == 1)
    both = people.clones(STARTS)[1][:, 0], people.clones(WAITS)[1][:, 0]
    np.testing.assert_array_equal(both[0], early)
    np.testing.assert_array_equal(both[1], early & np.isnan(data["start"]))


# What does not fit.


def faults(more: str, head: str = "", where: str = "") -> list[str]:
    text = study("grafts", f"  a: {{method: target_trial, cohort: all, {more}}}\n{head}", 10)
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(text.replace("  all: {}", f'  all: {{where: "{where}"}}') if where else text))
    return [one.code for one in fault.value.findings]


FINE = 'time: days, event: died, start: start, grace: 90, horizon: 360, adjust: "age"'


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        (FINE.replace("start: start", "start: nowhere"), ["describe_unknown"]),
        (FINE.replace("start: start", "start: severe"), ["trial_start"]),
        (FINE.replace("start: start", "start: days"), ["trial_start"]),
        (FINE.replace("event: died", "event: age"), ["survival_kind"]),
        (FINE.replace("grace: 90", "grace: 400"), ["trial_grace"]),
        (FINE + ", times: [30, 400]", ["trial_times"]),
        (FINE.replace('"age"', '"age + start"'), ["trial_adjust"]),
        (FINE.replace('"age"', '"0 + age"'), ["trial_adjust"]),
    ],
)
def test_a_protocol_that_does_not_fit(more: str, codes: list[str]) -> None:
    assert faults(more) == codes


@pytest.mark.parametrize("where", ["start <= 90", "days > 30", "died"])
def test_eligibility_may_not_use_what_is_known_later(where: str) -> None:
    assert faults(FINE, where=where) == ["trial_eligibility"]


def test_one_protocol_and_one_grid_a_study() -> None:
    other = f"  b: {{method: target_trial, cohort: all, {FINE.replace('90', '60')}}}\n"
    assert faults(FINE, other) == ["trial_one_protocol"]
    assert faults(FINE, "  c: {method: kaplan_meier, cohort: all, time: days, event: died}\n") == ["trial_two_grids"]


def test_another_analysis_may_not_need_a_start_of_everyone() -> None:
    assert faults(FINE, '  b: {method: linear, cohort: all, formula: "age ~ start"}\n') == ["start_is_needed"]


@pytest.mark.parametrize(("start", "code"), [(5000.0, "trial_start_late"), (0.0, "trial_start_zero")])
def test_a_start_that_cannot_be(start: float, code: str) -> None:
    parsed = Study.parse(study("grafts", ANALYSIS, 10))
    data = made_without_effect(size=500)
    data["start"][0] = start
    rows = federation.Rows("seoul", parsed.variables, data, [b"p"] * 500, "x")
    with pytest.raises(DataFault) as fault:
        converse(Line(parsed).methods["a"].combine({}), {"seoul": rows})
    assert [one.code for one in fault.value.findings] == [code]


def test_who_never_started_stays_in_the_analysis(results: dict[str, Result]) -> None:
    data = columns("grafts")
    assert np.isnan(data["start"]).sum() > 100
    assert results["grafts_own"].people == len(data["start"])


def test_the_study_of_the_how_to_runs_and_tells_its_protocol(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "emulate-a-target-trial.md"
    text = page.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    run = house(tmp_path, text, hospitals("grafts")).run()
    result = run.results["early"]
    assert [row[0] for row in result.table("trial_intervals").rows] == [90, 180, 360]
    table = result.table("trial_protocol")
    assert len(table.rows) == 7
    for language in LANGUAGES:
        told = [cell.to(language) for row in table.rows for cell in row if isinstance(cell, Words)]
        assert len(told) == 21
        assert "age >= 18" in told[1]


@pytest.mark.parametrize(
    ("times", "tried"),
    [
        ("[30, 60, 180, 270]", [[30, 60, 90, 180, 270, 360], [90, 180, 270, 360], [90, 360]]),
        ("[30, 120, 180, 240, 300]", [[30, 90, 120, 180, 240, 300, 360], [90, 180, 300, 360], [90, 360]]),
        ("[180, 270]", [[90, 180, 270, 360], [90, 270, 360], [90, 360]]),
        ("[30, 60]", [[30, 60, 90, 360], [60, 90, 360], [90, 360]]),
        ("[]", [[90, 360]]),
    ],
)
def test_grids_that_are_tried_leave_times_within_the_grace_period_out_first(times: str, tried: list[list[int]]) -> None:
    head = "{method: target_trial, cohort: all, time: days, event: died, start: start, grace: 90, horizon: 360"
    text = study("grafts", f'  a: {head}, times: {times}, adjust: "age"}}\n')
    method = Line(Study.parse(text)).methods["a"]
    assert [one.tolist() for one in method.grids] == tried
