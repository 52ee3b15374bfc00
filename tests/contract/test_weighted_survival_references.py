"""Times to an event under propensity weights at four hospitals behind real doors equal what R's survival computed."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.result import Result
from gagyo.site.site_file import Policy
from tests.contract.data import GOLDEN, hospitals, study
from tests.hospitals import SITES, house

TIGHT = 1e-8
FIVE = {site: Policy(minimum_people=5) for site in SITES}
DATA = {"cancer": "rotterdam", "lung": "lung"}


@cache
def cases() -> dict[str, Any]:
    """What R computed (tests/golden/r/weighted_survival.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "weighted_survival.json").read_text())["cases"]
    return found


def line(name: str, case: dict[str, Any], errors: str) -> str:
    """An analysis of a study file."""
    more = [f"{key}: {case[key]}" for key in ("time", "estimand", "ties", "hospitals")]
    more += ["stabilised: true"] if case["stabilised"] else []
    more += [f"propensity_within: [{case['low']}, {case['high']}]"] if case["low"] > 0 else []
    more += [f"largest_weight: {case['largest']}"] if case["largest"] else []
    head = f'{{method: weighting, cohort: all, formula: "{case["formula"]}", outcome: {case["event"]}'
    return f"  {name}_{errors}: {head}, errors: {errors}, {', '.join(more)}}}\n"


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Every case with both errors, one study a data set."""
    out = {}
    for data, file in DATA.items():
        mine = {name: one for name, one in cases().items() if one["data"] == data}
        lines = [line(name, one, errors) for name, one in mine.items() for errors in ("estimated", "given")]
        out[data] = house(tmp_path_factory.mktemp(data), study(file, "".join(lines)), hospitals(file), FIVE).run()
        assert out[data].stopped == {}
    return out


def found(fits: dict[str, Run], name: str, errors: str) -> tuple[Result, Any]:
    case = cases()[name]
    return fits[case["data"]].results[f"{name}_{errors}"], case


@pytest.mark.parametrize("errors", ["estimated", "given"])
@pytest.mark.parametrize("name", cases())
def test_hazard_ratios_and_errors(fits: dict[str, Run], name: str, errors: str) -> None:
    result, case = found(fits, name, errors)
    one = result.estimate("hazard_ratio")
    assert result.people == case["people"]
    assert one.value is not None
    np.testing.assert_allclose([np.log(one.value), one.standard_error], [case["log_ratio"], case[errors]], rtol=TIGHT)
    limits = case["log_ratio"] + case[errors] * np.array([-1.959963984540054, 1.959963984540054])
    np.testing.assert_allclose([one.lower, one.upper], np.exp(limits), rtol=TIGHT)


@pytest.mark.parametrize("name", cases())
def test_events_and_weighted_events(fits: dict[str, Run], name: str) -> None:
    result, case = found(fits, name, "estimated")
    rows = result.table("weighted_groups").rows[::-1]  # R has the treated first
    assert [row[4] for row in rows] == case["events"]
    np.testing.assert_allclose([row[5] for row in rows], case["weighted_events"], rtol=TIGHT)


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
    ],
)
def test_what_does_not_fit_the_study(more: str, codes: list[str]) -> None:
    head = '  a: {method: weighting, cohort: all, formula: "hormon ~ age", estimand: ate'
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(study("rotterdam", f"{head}, {more}}}\n")))
    assert [one.code for one in fault.value.findings] == codes
