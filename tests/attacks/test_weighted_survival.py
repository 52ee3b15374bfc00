"""Attacks on times to an event under weights: chosen hazards, directions and times, a few events, one heavy person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.methods import weighting
from gagyo.release.case import Case
from gagyo.release.decision import Release
from gagyo.release.gate import Gate
from gagyo.release.limits import Limits
from gagyo.runtime.embedded import Embedded
from tests.attacks.test_door import Stolen, Wiretap, refused
from tests.attacks.test_weighting import asked, parts, ruled_out
from tests.contract.data import HEAD, boolean, columns, divide, hospitals, number, study
from tests.hospitals import House, house

DEATHS = (
    '  a: {method: weighting, cohort: all, formula: "hormon ~ age + nodes + chemo", outcome: died, time: days,'
    " estimand: ate%s}\n"
)
TEXT = HEAD % (
    10,
    "\n".join([number("x", -10, 10), number("t", 0, 5000), boolean("a"), boolean("d")]),
    '  a: {method: weighting, cohort: all, formula: "a ~ x", outcome: d, time: t, hospitals: pooled,'
    " estimand: ate%s}\n",
)


def stopped_at(folder: Path, step: str, more: str = "") -> tuple[House, Any]:
    """A house of real women whose run stands right before a step, and the honest request for it."""
    tap: list[Wiretap] = []

    def wrap(inner: Embedded) -> Wiretap:
        tap.append(Wiretap(inner))
        tap[0].until = step
        return tap[0]

    one = house(folder, study("rotterdam", DEATHS % more, 10), hospitals("rotterdam"), wrap=wrap)
    with pytest.raises(Stolen):
        one.run()
    return one, next(request for request in tap[0].seen if request.step == step and request.site == "seoul")


def drawn(size: int = 800, seed: int = 1) -> dict[str, np.ndarray]:
    """People of whom some are treated (a) and some die (d) at times t that follow from x."""
    random = np.random.default_rng(seed)
    x = np.clip(random.normal(size=size), -4, 4)
    a, d = (np.asarray(random.random(size) < share, float) for share in (0.45, 0.4))
    return {"x": x, "t": np.clip(np.ceil(random.exponential(900 * np.exp(-0.3 * x))), 1, 4900), "a": a, "d": d}


CHOSEN = {
    "weighting.hazard": {"log_ratio": np.array([60.0]), "time": "nodes", "ties": 1},
    "weighting.hazard_slopes": {"log_ratio": np.array([-60.0]), "centres": np.full((2, 3), 40.0)},
    "weighting.hazard_errors": {"directions": np.array([0.0, 1e6, 0.0, 0.0]), "estimated": 0},
    "weighting.weighted_exits": {"edges": np.array([0.0, 900.0, 901.0, 8000.0]), "least": 1},
}
CURVES = ", propensity_within: [0.05, 0.95], curves: true"


@pytest.mark.parametrize("step", CHOSEN)
def test_what_would_single_people_out_cannot_be_chosen(tmp_path: Path, step: str) -> None:
    """At a huge hazard ratio the last treated person at risk is the whole risk set; a direction weighs one column."""
    one, honest = stopped_at(tmp_path, step, CURVES if "exits" in step else "")
    for name, value in CHOSEN[step].items():
        refused(one.sites["seoul"], replace(honest, arguments={**honest.arguments, name: value}), "not_derived")
    assert one.sites["seoul"].answer(honest).outcome == "released"


@pytest.mark.parametrize(("few", "out"), [(9, True), (24, False)])
def test_events_of_the_treated_are_no_few_over_all_hospitals(tmp_path: Path, few: int, out: bool) -> None:
    data = drawn()
    treated = np.flatnonzero(data["a"] == 1)
    data["d"][treated] = 0.0
    data["d"][treated[np.argsort(np.arange(len(treated)) % 4, kind="stable")][:: len(treated) // few][:few]] = 1.0
    assert data["d"][treated].sum() == few
    where = np.arange(800) % 4
    where[treated[data["d"][treated] == 1]] = np.arange(few) % 4
    run = house(tmp_path, TEXT % "", divide(data, where)).run()
    assert ("a" in run.stopped) == out


def beside(slope: float, **person: float) -> tuple[Any, dict[str, Any]]:
    """A hospital's rows with one treated person far off, where treatment follows x with a slope; and the question."""
    data = drawn()
    who = int(np.flatnonzero(data["a"] == 1)[0])
    for name, value in {"x": -4.0, **person}.items():
        data[name][who] = value
    (rows,) = parts(data, np.zeros(800, int), TEXT % "")
    return rows, {
        **asked("a ~ x", "d", "pooled"),
        **{"scheme": ["ate"], "share": np.array([0.45]), "bounds": np.array([0.0, 1.0, 1e12])},
        **{"coefficients": np.array([0.0, slope]), "time": "t", "ties": 0, "log_ratio": np.array([0.1])},
    }


@pytest.mark.parametrize(("slope", "out"), [(0.3, False), (3.0, True)])
def test_a_person_who_is_most_of_the_risk_sets_stays(slope: float, out: bool) -> None:
    """Treated against all odds and alive to the end: most of the events that the weights make are expected of them."""
    rows, how = beside(slope, t=4999.0, d=0.0)
    assert ruled_out(weighting.hazard(rows, **how), rows.n) == out
    within = {**how, "bounds": np.array([0.1, 0.9, 1e12])}
    assert not ruled_out(weighting.hazard(rows, **within), rows.n)


@pytest.mark.parametrize(("slope", "out"), [(0.3, False), (1.6, True)])
def test_a_person_whose_square_is_the_error_stays(slope: float, out: bool) -> None:
    """Treated against the odds and the first to die: no most of the score, but of the sum of squares."""
    rows, how = beside(slope, t=1.0, d=1.0)
    assert not ruled_out(weighting.hazard(rows, **how), rows.n)
    squares = weighting.hazard_errors(rows, **how, estimated=0, directions=np.zeros(3))
    assert ruled_out(squares, rows.n) == out


@pytest.mark.parametrize(("slope", "out"), [(0.1, False), (0.7, True)])
def test_a_person_whom_the_scores_slope_follows_stays(slope: float, out: bool) -> None:
    rows, how = beside(slope, t=1.0, d=1.0, x=-9.0)
    found = weighting.hazard_slopes(rows, **how, centres=np.zeros((2, 0)))
    assert ruled_out(found, rows.n) == out


# Curves.


def by_cell(data: Mapping[str, np.ndarray], edges: np.ndarray, treated: str, time: str, event: str) -> np.ndarray:
    """How many leave in each interval, of each group, without and with the event."""
    at = np.minimum(np.searchsorted(edges[1:], data[time]), len(edges) - 2)
    cell = 4 * at + 2 * (data[treated] == 1) + (data[event] == 1)
    return np.bincount(cell.astype(int), minlength=4 * (len(edges) - 1))


def test_no_sum_of_weights_is_of_a_few(tmp_path: Path) -> None:
    """On the grid of exits an interval of ten holds one event: the merged one has nobody or ten of each."""
    _, honest = stopped_at(tmp_path, "weighting.weighted_exits", CURVES)
    data, edges = columns("rotterdam"), honest.arguments["edges"]
    counts = by_cell(data, edges, "hormon", "days", "died")
    assert len(edges) > 4
    assert not ((counts > 0) & (counts < 10)).any()
    finer = by_cell(data, np.sort(np.append(edges, (edges[1] + edges[2]) / 2)), "hormon", "days", "died")
    assert ((finer > 0) & (finer < 10)).any(), "no finer than that"


def cut(data: Mapping[str, np.ndarray], edges: list[float], formula: str = "a ~ x", **more: Any) -> tuple[Any, Any]:
    """A hospital's rows, and what they would send of an interval."""
    (rows,) = parts(data, np.zeros(len(data["t"]), int), TEXT % "")
    how: dict[str, Any] = {
        **asked(formula, "d", "pooled"),
        **{"scheme": ["ate"], "share": np.array([0.45]), "bounds": np.array([0.0, 1.0, 1e12])},
        **{"coefficients": np.array([0.0, 0.3]), "time": "t", "edges": np.array(edges), "least": 10, **more},
    }
    return rows, weighting.weighted_exits(rows, **how)


def test_an_interval_with_a_few_events_is_not_opened() -> None:
    """Ten leave in it and nine of them die: the sum over all others would tell the weight of the tenth."""
    data = drawn()
    data["t"] = np.where(np.arange(800) < 400, 100.0, 300.0)
    for treated in (0, 1):
        early = np.flatnonzero((data["a"] == treated) & (data["t"] == 100))
        data["d"][early] = 0.0
        data["d"][early[: 9 if treated else 40]] = 1.0
    for more, out in ((0, True), (1, False)):
        data["d"][np.flatnonzero((data["a"] == 1) & (data["t"] == 100))[: 9 + more]] = 1.0
        rows, found = cut(data, [0.0, 200.0, 5000.0])
        ruling = Gate().rule(Case("pooled", found, rows.n, 5, Limits(), hospitals=4))
        assert isinstance(ruling, Release)
        assert bool(ruling.withheld["fit"].all()) == out


@pytest.mark.parametrize(("slope", "out"), [(0.3, False), (1.4, True)])
def test_a_person_who_would_outweigh_nine_others_stays(slope: float, out: bool) -> None:
    """An eighth of the group's weight at the most, which sums over everyone let pass; but most of an interval's."""
    data = drawn()
    data["x"][np.flatnonzero(data["a"] == 1)[0]] = -4.0
    rows, found = cut(data, [0.0, 800.0, 5000.0], coefficients=np.array([0.0, slope]))
    assert ruled_out(found, rows.n) == out
    how = {**asked("a ~ x", "d", "pooled"), "scheme": ["ate"], "share": np.array([0.45])}
    more = {"bounds": np.array([0.0, 1.0, 1e12]), "coefficients": np.array([0.0, slope]), "means": np.zeros((2, 0))}
    assert not ruled_out(weighting.weighted(rows, **how, **more), rows.n)


def test_weights_of_traits_alone_tell_how_many_there_are_of_each() -> None:
    """A weight is one of two known numbers: the sum over ten people says how many have the trait, here one."""
    data = drawn()
    data["x"] = np.asarray(np.random.default_rng(3).random(800) < 0.5, float)
    data["t"] = np.where(np.arange(800) < 400, 100.0, 300.0)
    early = np.flatnonzero((data["a"] == 1) & (data["d"] == 1) & (data["t"] == 100))
    data["x"][early] = 0.0
    data["x"][early[0]] = 1.0
    rows, found = cut(data, [0.0, 200.0, 5000.0])
    without, having = 2.0, 1 + np.exp(-0.3)
    sums = found["fit"].values[:, 0, 1, 1]
    assert round((sums[0] - without * len(early)) / (having - without)) == 1
    assert ruled_out(found, rows.n)
    data["x"] += np.arange(800) / 1e3  # a measurement: nobody knows the weights
    rows, found = cut(data, [0.0, 200.0, 5000.0])
    assert not ruled_out(found, rows.n)


# What must pass.

STUDIES = 8
CONFOUNDERS = ("age", "nodes", "chemo", "grade3", "C(tumour)")


@pytest.mark.parametrize("number_", range(STUDIES))
def test_ordinary_studies_pass(tmp_path: Path, number_: int) -> None:
    """Random questions of 1,546 real women, 250 or more at a hospital."""
    random, data = np.random.default_rng(number_), columns("rotterdam")
    chosen = dict.fromkeys([str(random.choice(["age", "nodes"])), *random.choice(CONFOUNDERS, random.integers(1, 4))])
    time, event = (("days", "died"), ("months", "died"), ("until", "relapsed"))[random.integers(3)]
    estimand, ties, errors = (
        random.choice(one) for one in (["ate", "att", "ato"], ["efron", "breslow"], ["estimated", "given"])
    )
    more = f"outcome: {event}, time: {time}, estimand: {estimand}, ties: {ties}, errors: {errors}"
    more += f"{CURVES}, at: [1000]" if number_ % 2 else ""
    text = f'  a: {{method: weighting, cohort: all, formula: "hormon ~ {" + ".join(chosen)}", {more}}}\n'
    share = random.dirichlet(np.full(4, 30.0)) * 0.3 + 0.175
    where = random.choice(4, len(data["age"]), p=share / share.sum())
    run = house(tmp_path, study("rotterdam", text, 10), divide(data, where)).run()
    assert run.stopped == {}
