"""Attacks by a model of competing events: a few people's event, a level that a few have, a hazard of a few."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.federation.ask import Ask
from gagyo.federation.rows import Rows
from gagyo.methods.fine_gray import baseline, observed
from gagyo.protocol.study import Study
from gagyo.runtime.embedded import Embedded
from tests.attacks.test_door import Stolen, Wiretap, refused
from tests.attacks.test_quantiles import _pooled
from tests.contract.data import HEAD, boolean, category, divide, number
from tests.hospitals import house

VARIABLES = [number("x", -10, 10), number("t", 0, 4000), category("ending", ("none", "ill", "dead")), boolean("g")]
BOTH = (
    '  fine: {method: fine_gray, cohort: all, formula: "ending ~ x + g", time: t, event: ill}\n'
    '  other: {method: fine_gray, cohort: all, formula: "ending ~ x", time: t, event: dead}\n'
)


def ran(folder: Path, dead: int, both: int) -> Run:
    """400 people; `dead` of them have the competing event first, and `both` of those the trait."""
    random = np.random.default_rng(7)
    c = np.where(np.arange(400) % 3 == 0, 1.0, 0.0)
    g = (np.arange(400) // 4 % 2).astype(float)
    who = np.flatnonzero(c == 0)[:dead]
    c[who], g[who] = 2.0, (np.arange(dead) < both).astype(float)
    data = {
        "x": np.clip(random.normal(size=400), -9, 9),
        "t": np.ceil(random.exponential(300, 400)),
        "ending": c,
        "g": g,
    }
    data["t"] = np.clip(data["t"], 1, 3999)
    return house(folder, HEAD % (10, "\n".join(VARIABLES), BOTH), divide(data, np.arange(400) % 4)).run()


@pytest.mark.parametrize("dead", [1, 4, 9])
def test_a_few_competing_events_are_not_fitted(tmp_path: Path, dead: int) -> None:
    """Less a Cox model of the event, the score would be those few people's columns."""
    run = ran(tmp_path, dead, dead)
    assert sorted(run.stopped) == ["fine", "other"]


@pytest.mark.parametrize("both", [3, 27])
def test_a_trait_of_a_few_with_the_competing_event_is_not_fitted(tmp_path: Path, both: int) -> None:
    run = ran(tmp_path, 30, both)
    assert sorted(run.stopped) == ["fine"]


def test_an_ordinary_study_of_competing_events_passes(tmp_path: Path) -> None:
    run = ran(tmp_path, 60, 30)
    assert run.stopped == {}
    assert run.results["fine"].table("subdistribution_model").rows[0][:4] == (400, 134, 60, 206)


# Predicted incidence.

ONE = "profiles: {p: {x: 0, g: true}}"
PREDICTED = (
    f'  fine: {{method: fine_gray, cohort: all, formula: "ending ~ x + g", time: t, event: ill, {ONE}}}\n'
    f'  other: {{method: fine_gray, cohort: all, formula: "ending ~ x + g", time: t, event: dead, {ONE}}}\n'
)


def people(seed: int, size: int = 800) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "x": np.clip(random.normal(size=size), -9, 9),
        "t": np.clip(np.ceil(random.exponential(300, size)), 1, 3999),
        "ending": random.choice([0.0, 1.0, 2.0], size, p=[0.5, 0.3, 0.2]),
        "g": (random.random(size) < 0.5).astype(float),
    }


@pytest.mark.parametrize("seed", range(3))
def test_between_two_times_that_are_told_are_no_events_or_k_and_no_others_or_k(tmp_path: Path, seed: int) -> None:
    """Else the hazard's step would be a few people's, and their risk set with it."""
    data = people(seed)
    run = house(tmp_path, HEAD % (10, "\n".join(VARIABLES), PREDICTED), divide(data, np.arange(800) % 4)).run()
    assert run.stopped == {}
    for name, level in (("fine", 1.0), ("other", 2.0)):
        (curve,) = run.results[name].curve("predicted_incidence").series
        assert len(curve.x) > 8
        for among in (data["ending"] == level, data["ending"] != level):
            inside = np.histogram(data["t"][among], np.array(curve.x) + 1e-9)[0]
            assert not ((inside > 0) & (inside < 10)).any()


def test_a_coordinator_cannot_choose_where_the_hazard_is_opened(tmp_path: Path) -> None:
    tap: list[Wiretap] = []

    def wrap(inner: Embedded) -> Wiretap:
        tap.append(Wiretap(inner))
        tap[0].until = "fine_gray.baseline"
        return tap[0]

    text = HEAD % (10, "\n".join(VARIABLES), PREDICTED)
    one = house(tmp_path, text, divide(people(0), np.arange(800) % 4), wrap=wrap)
    with pytest.raises(Stolen):
        one.run()
    honest = next(request for request in tap[0].seen if request.step == "fine_gray.baseline")
    edges = honest.arguments["edges"]
    chosen = {"edges": np.sort(np.append(edges, edges[1] + 1)), "centre": honest.arguments["centre"] + 1}
    chosen |= {"time": "x", "coefficients": honest.arguments["coefficients"] + 1}
    for name, value in chosen.items():
        refused(one.sites["seoul"], replace(honest, arguments={**honest.arguments, name: value}), "not_derived")
    assert one.sites["seoul"].answer(honest).outcome == "released"


def test_where_one_hospital_observes_few_no_sum_of_the_others_is_opened(tmp_path: Path) -> None:
    """Three of four stop early: later sums would be the fourth's own hazard, step by step."""
    data = people(4)
    where, ends = np.arange(800) % 4, (150.0, 200.0, 250.0, 3999.0)
    data["t"] = np.minimum(data["t"], np.array(ends)[where])
    tap: list[Wiretap] = []

    def wrap(inner: Embedded) -> Wiretap:
        tap.append(Wiretap(inner))
        return tap[0]

    run = house(tmp_path, HEAD % (10, "\n".join(VARIABLES), PREDICTED), divide(data, where), wrap=wrap).run()
    assert run.stopped == {}
    asked = [one.arguments["edges"] for one in tap[0].seen if one.step == "fine_gray.baseline"]
    assert asked
    assert max(edges[-1] for edges in asked) < 150
    (curve,) = run.results["fine"].curve("predicted_incidence").series
    assert len(curve.x) > 3


def test_a_hospital_tells_its_people_until_fewer_than_k_are_left() -> None:
    data = people(4, 200)
    one = Study.parse(HEAD % (10, "\n".join(VARIABLES), PREDICTED))
    rows = Rows("seoul", one.variables, data, [b"p%d" % number for number in range(200)])
    ordered = np.sort(data["t"])
    edges = np.array([0.0, 50.0, 100.0, ordered[-11], ordered[-10], 3999.0])
    assert ordered[-11] < ordered[-10]
    assert observed(rows, time="t", edges=edges, least=10)["people"].values.tolist() == [200, 200, 200, 0, 0]


def test_the_gate_shuts_hazards_at_the_ends_of_an_interval_with_a_few_events() -> None:
    """Of fifteen who leave in it three have the event: what the hazard rises by would be theirs."""
    data = people(5)
    order = np.argsort(data["t"], kind="stable")
    data["t"][order] = np.arange(1.0, 801.0)
    data["ending"][order[100:115]] = np.where(np.arange(15) < 3, 1.0, 0.0)
    one = Study.parse(HEAD % (10, "\n".join(VARIABLES), PREDICTED))
    there = [
        Rows(name, one.variables, part.columns, part.persons) for name, part in divide(data, np.arange(800) % 4).items()
    ]
    named = {"formula": "ending ~ x + g", "time": "t", "event": 1, "coefficients": np.array([0.1, -0.2])}
    shut = {}
    for edges in ([0, 100, 300, 500, 800], [0, 100, 115, 300, 500, 800]):
        arguments = {**named, "edges": np.array(edges, float), "centre": np.zeros(2)}
        shut[len(edges)] = np.isnan(_pooled(Ask(baseline, arguments), there, 10)["fit"]).all()
    assert shut == {5: False, 6: True}
