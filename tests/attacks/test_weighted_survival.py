"""Attacks on times to an event under weights: chosen hazards and directions, a few events, one heavy person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.methods import weighting
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
}


@pytest.mark.parametrize("step", CHOSEN)
def test_what_would_single_people_out_cannot_be_chosen(tmp_path: Path, step: str) -> None:
    """At a huge hazard ratio the last treated person at risk is the whole risk set; a direction weighs one column."""
    one, honest = stopped_at(tmp_path, step)
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


STUDIES = 16
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
    text = f'  a: {{method: weighting, cohort: all, formula: "hormon ~ {" + ".join(chosen)}", {more}}}\n'
    share = random.dirichlet(np.full(4, 30.0)) * 0.3 + 0.175
    where = random.choice(4, len(data["age"]), p=share / share.sum())
    run = house(tmp_path, study("rotterdam", text, 10), divide(data, where)).run()
    assert run.stopped == {}
