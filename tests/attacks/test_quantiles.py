"""Attacks on counts of values: extremes, small cells, a value of one person, and two studies that differ by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.federation import rows as federation
from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.method import read_method
from gagyo.methods._descent import Leaf
from gagyo.methods._value_cells import Grouped, Values
from gagyo.protocol.study import Study
from gagyo.release.aggregate import grouped_bins
from gagyo.release.case import Case
from gagyo.release.decision import Release
from gagyo.release.gate import Gate
from gagyo.release.halves import nested
from gagyo.release.limits import Limits
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import house

K = 10
Columns = Mapping[str, np.ndarray]


def study(analysis: str, low: float = 0, high: float = 1000, kind: str = "number", least: int = K) -> Study:
    text = HEAD % (least, "\n".join([number("x", low, high), boolean("g"), boolean("h")]), analysis)
    return Study.parse(text.replace("x: {type: number", f"x: {{type: {kind}"))


def opened(one: Study, data: Columns) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """All that a coordinator sees of x: by question, the groups' variable, bins (m, 3) and counts (m, 2, groups)."""
    there = [
        federation.Rows(name, one.variables, part.columns, part.persons)
        for name, part in divide(data, np.arange(len(data["x"])) % 4).items()
    ]
    for analysis in one.analyses.values():
        talk = read_method(analysis, one).combine({})
        answer: Any = None
        while True:
            try:
                ask = talk.send(answer)
            except StopIteration:
                break
            assert isinstance(ask, Ask)
            answer = _pooled(ask, there, one.release.minimum_people)
            if "bins" in answer.values:
                bins = nested(ask.arguments["edges"]).reshape(-1, 3)
                yield ask.arguments["by"], bins, answer["bins"].reshape(len(bins), 2, -1)


def _pooled(ask: Ask, there: Sequence[federation.Rows], least: int) -> Pooled:
    """The sum as the gate opens it."""
    from dataclasses import replace

    answers = [ask.step(rows, **ask.arguments) for rows in there]
    summed = {
        name: replace(
            first,
            **{
                part: np.sum([getattr(one[name], part) for one in answers], axis=0)
                for part in ("values", "people", "others")
            },
        )
        for name, first in answers[0].items()
    }
    people = sum(rows.n for rows in there)
    ruling = Gate().rule(Case("pooled", summed, people, 50, Limits(minimum_people=least), hospitals=4))
    assert isinstance(ruling, Release)
    shut = {name: np.broadcast_to(ruling.withheld[name], one.values.shape) for name, one in summed.items()}
    values = {name: np.where(shut[name], np.nan, one.values) for name, one in summed.items()}
    return Pooled(values, shut, sites=("a",))


def cuts(one: Study, data: Columns, by: str = "") -> np.ndarray:
    """Every place at which the coordinator knows how many people are below it."""
    found = {
        end
        for mine, edges, counts in opened(one, data)
        if mine == by
        for ends, table in zip(edges, counts, strict=True)
        if not np.isnan(table).any()
        for end in ends
    }
    return np.array(sorted(found))


def between(values: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """People between neighbouring places."""
    return np.diff(np.searchsorted(np.sort(values), ends, side="left"))


def skewed(seed: int, people: int = 600) -> dict[str, np.ndarray]:
    """A skewed measurement with outliers, and two yes/no variables of which one goes with it."""
    random = np.random.default_rng(seed)
    x = np.clip(np.round(random.lognormal(4, 0.8, people), 1), 0, 999)
    x[:3] = (950.7, 960.2, 970.9)
    return {"x": x, "g": (random.random(people) < 0.3).astype(float), "h": (x > np.median(x)).astype(float)}


SHARES = "quantiles: [0.1, 0.25, 0.5, 0.75, 0.9]"
ALL = f"  a: {{method: quantiles, cohort: all, variables: [x], by: g, histogram: true, {SHARES}}}\n"


@pytest.mark.parametrize("seed", range(6))
def test_no_cell_that_follows_from_what_is_opened_holds_a_few_people(seed: int) -> None:
    data = skewed(seed)
    everyone = between(data["x"], cuts(study(ALL), data))
    assert everyone.size > 8
    assert not ((everyone > 0) & (everyone < K)).any()
    ends = cuts(study(ALL), data, "g")
    for group in (0, 1):
        inside = between(data["x"][data["g"] == group], ends)
        assert not ((inside > 0) & (inside < K)).any()


@pytest.mark.parametrize("seed", range(6))
def test_an_outlier_is_hidden_among_k_people(seed: int) -> None:
    """Of 970.9, far from all others, no more is known than that it is in the cell of at least k people that ends it."""
    data = skewed(seed)
    ends = cuts(study(ALL), data)
    last = between(data["x"], ends).nonzero()[0][-1]
    assert between(data["x"], ends)[last] >= K
    assert ends[last] <= np.sort(data["x"])[-K]
    assert ends[last + 1] == 1024


@pytest.mark.parametrize("seed", range(6))
def test_the_greatest_value_of_a_group_is_not_closed_in_on(seed: int) -> None:
    """Two people of a group are at 200.3, none beyond. Cuts at 224, 208, 204, ... would have nobody of it above."""
    random = np.random.default_rng(seed)
    many = np.round(random.uniform(0, 1000, 4000), 1)
    few = np.concatenate([random.uniform(2, 126, 60), random.uniform(129, 180, 30), np.full(2, 200.3)])
    data = {"x": np.concatenate([few, many]), "g": np.repeat([1.0, 0.0], [92, 4000]), "h": np.zeros(4092)}
    ends = cuts(study(ALL), data, "g")
    assert ends[ends > 200.3].min() == 256
    assert cuts(study(ALL), data).size > 30, "everyone's cells are finer, so that it could"


def test_a_value_that_one_person_has_is_never_a_cell() -> None:
    x = np.concatenate([np.full(300, 50.0), np.full(300, 52.0), [51.0]])
    data = {"x": x, "g": (np.arange(601) % 2).astype(float), "h": np.zeros(601)}
    ends = cuts(study(ALL, kind="integer"), data)
    inside = between(x, ends)
    assert not ((inside > 0) & (inside < K)).any()
    assert not {51.0, 52.0} <= set(ends)


@pytest.mark.parametrize("seed", range(6))
def test_two_studies_of_other_grids_quantiles_groups_and_ranges_share_their_cells(seed: int) -> None:
    """Differencing: below 100 less below 101 would be one person. Whatever is asked, cells end at the same places."""
    data = skewed(seed)
    line = "  a: {method: quantiles, cohort: all, variables: [x], %s}\n"
    asked = [
        study(line % "edges: {x: [100, 200, 300]}"),
        study(line % "edges: {x: [101, 201, 301]}, quantiles: [0.4]"),
        study(line % "histogram: true", high=5000),
        study(line % "by: h, quantiles: [0.3, 0.6]", low=-50),
        study(line % "by: g, quantiles: [0.2, 0.8]", high=1023),
    ]
    ranked = "  a: {method: rank_tests, cohort: all, variables: [x], by: g}\n"
    asked.append(study(ranked))
    together = np.unique(np.concatenate([cuts(one, data) for one in asked]))
    inside = between(data["x"], together)
    assert not ((inside > 0) & (inside < K)).any()
    same = [
        study(ranked),
        *(study(line % more) for more in ("by: g, quantiles: [0.2, 0.8]", "by: g, quantiles: [0.5]", "by: g")),
    ]
    together = np.unique(np.concatenate([cuts(one, data, "g") for one in same]))
    for group in (0, 1):
        inside = between(data["x"][data["g"] == group], together)
        assert not ((inside > 0) & (inside < K)).any()


def test_the_gate_itself_shuts_a_group_of_few_and_a_half_that_must_be_filled() -> None:
    table = np.array([[[40, 12], [60, 3]], [[40, 12], [60, 0]], [[40, 12], [60, 15]]])

    def rule(empty: bool) -> list[bool]:
        measure = grouped_bins(table, 400, np.full((3, 2), empty))
        ruling = Gate().rule(Case("pooled", {"bins": measure}, 400, 50, Limits(), hospitals=4))
        assert isinstance(ruling, Release)
        return [bool(one) for one in ruling.withheld["bins"][..., 0].ravel()]

    assert rule(True) == [True, True, False, False, False, False]
    assert rule(False) == [True, True, True, True, False, False]


def test_behind_real_doors_a_group_of_few_is_never_told(tmp_path: Path) -> None:
    data = skewed(1)
    data["g"] = (np.arange(600) < 7).astype(float)
    text = HEAD % (K, "\n".join([number("x", 0, 1000), boolean("g"), boolean("h")]), ALL)
    run = house(tmp_path, text, divide(data, np.arange(600) % 4)).run()
    result = run.results["a"]
    assert [one for one in result.estimates if one.name.startswith("x.q")]
    assert not [one for one in result.estimates if one.name.startswith(("x.0", "x.1"))]


def test_cells_of_groups_are_cut_in_one_order_however_much_of_everyones_is_known() -> None:
    """An analysis that knows a deeper cut on one side must not try it before another would: their cells would cross."""
    variable = study(ALL).variables["x"]
    everyone = Values.of(variable, np.array([400.0]), K)
    everyone.leaves = [Leaf(0, 256, (100.0,), 2), Leaf(256, 512, (100.0,), 2), Leaf(512, 1024, (200.0,), 1)]
    everyone.depths = {512.0: 1, 256.0: 2}
    part = Grouped.under(everyone, np.array([250.0, 150.0]))
    assert list(part.candidates(part.leaves[0])) == [512]
    everyone.leaves[2:] = [Leaf(512, 768, (100.0,), 2), Leaf(768, 1024, (100.0,), 2)]
    everyone.depths[768.0] = 2
    assert list(part.candidates(part.leaves[0])) == [512, 256, 768]
