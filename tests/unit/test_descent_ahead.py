"""A question of a descent looks ahead: the same is opened as by one halving at a time, in fewer rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gagyo.methods import _overlap
from gagyo.methods._descent import Descent, Wanted, descend, halves_of
from gagyo.methods._validation.descent import EDGE, Grown, Tree
from gagyo.methods._value_cells import Values
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import Measure, bins, everybody, grouped_bins
from gagyo.release.case import Case
from gagyo.release.decision import Release
from gagyo.release.gate import Gate
from gagyo.release.halves import halved, nested
from gagyo.release.limits import Limits
from gagyo.text import Text

K = 10
RANDOM = np.random.default_rng(11)
SKEWED = np.sort(RANDOM.gamma(0.7, 2.0, 4_000))
CASES = np.sort(RANDOM.gamma(2.0, 2.0, 900))
VALUE = Variable("x", "number", Text("x", "x", "x"), range=(0, 64))


def tree(**more: Any) -> Grown:
    centre, deviation = float(SKEWED.mean()), float(SKEWED.std())
    return Grown.of(Tree(-EDGE, EDGE, centre, deviation, people=4_900, **more))


def values() -> Values:
    one = Values.of(VALUE, np.array([float(len(SKEWED)), float(len(CASES))]), K)
    one.ranks = ([400, 2_000, 3_600], [90, 450, 810])
    return one


def overlapping() -> _overlap.Overlap:
    return _overlap.Overlap.begin(K)


def grown(one: Descent, classes: list[NDArray[np.float64]]) -> tuple[int, int]:
    """Questions, and numbers that the gate lets out, until a descent ends."""
    rounds = opened = 0

    def ask(which: NDArray[np.intp], edges: NDArray[np.float64]) -> Any:
        return edges

    talk: Any = descend([one], K, ask)
    answer: Any = None
    while True:
        try:
            edges = talk.send(answer)
        except StopIteration:
            return rounds, opened
        assert np.isfinite(edges).all()
        filled = None
        if isinstance(one, Values | _overlap.Overlap):
            places = nested(edges)[..., [0, 2]].tolist()
            filled = np.array([[float(one.filled(*ends)) for ends in row] for row in places])
        table = halves_of(lambda _: classes, np.zeros(len(edges)), edges)
        case = _case((bins if isinstance(one, Grown) else grouped_bins)(table, 4_900, halved(edges, filled)))
        ruling = Gate().rule(case)
        assert isinstance(ruling, Release)
        out = int((~ruling.withheld["bins"]).sum())
        assert case.numbers == out + 1
        rounds, opened = rounds + 1, opened + out
        answer = ruling.values


def _case(measure: Measure) -> Case:
    return Case("pooled", {"bins": measure, "people": everybody(4_900)}, 4_900, 50, Limits(), hospitals=4)


@pytest.mark.parametrize(
    ("begin", "scale", "fewer", "more"),
    [
        (tree, 1.0, 0.3, 1.0),
        (lambda: tree(cuts=(0.5, 3.0, 3.01, 60.0)), 1.0, 0.7, 1.4),
        (lambda: tree(quantiles=(0.1, 0.9)), 1.0, 0.7, 1.7),
        (values, 1.0, 0.85, 1.7),
        (overlapping, 1 / 64, 0.7, 2.0),
    ],
)
def test_looking_ahead_opens_the_same_in_fewer_rounds(
    begin: Callable[[], Any], scale: float, fewer: float, more: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes = [SKEWED * scale, CASES * scale]
    ahead = begin()
    rounds, opened = grown(ahead, classes)
    monkeypatch.setattr(Descent, "capacity", lambda self, bins: 1)
    singly = begin()
    many, one_by_one = grown(singly, classes)
    assert [leaf[:5] for leaf in ahead.leaves] == [leaf[:5] for leaf in singly.leaves]
    assert rounds <= fewer * many
    assert one_by_one <= opened <= more * one_by_one


def test_parts_that_are_not_divided_stay_shut_and_count_as_no_numbers() -> None:
    ends = np.array([[0.0, 1.0, 2.0, 2.0, 2.0]])  # the lower half is halved, the upper one is not
    assert nested(ends).tolist() == [[[0.0, 2.0, 2.0], [0.0, 1.0, 2.0], [2.0, 2.0, 2.0]]]
    ends = np.array([[0.0, 0.5, 1.0, 2.0, 2.0]])
    table = halves_of(lambda _: [np.repeat([0.2, 0.7, 1.5], 40)], np.zeros(1), ends)
    assert table[0, :, 0].tolist() == [80, 40, 40, 40, 40, 0]
    case = _case(grouped_bins(table, 120, halved(ends)))
    ruling = Gate().rule(case)
    assert isinstance(ruling, Release)
    assert ruling.withheld["bins"][0, :, 0].tolist() == [False] * 4 + [True] * 2
    assert case.numbers == 5


def test_scores_of_few_values_open_no_more_than_one_halving_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of yes/no variables: most halves are empty, and their halves say nothing."""
    classes = [np.floor(SKEWED), np.floor(CASES)]
    ahead, opened = tree(), grown(tree(), classes)[1]
    grown(ahead, classes)
    monkeypatch.setattr(Descent, "capacity", lambda self, bins: 1)
    singly = tree()
    assert opened == grown(singly, classes)[1] < 1_000
    assert [leaf[:5] for leaf in ahead.leaves] == [leaf[:5] for leaf in singly.leaves]


@pytest.mark.parametrize(
    ("measure", "shut"),
    [
        (bins([[[6, 6], [20, 20], [12, 0], [0, 0], [20, 20], [0, 0]]], 52), [2, 3]),
        (bins([[[0, 0], [20, 20], [0, 0], [0, 0], [20, 20], [0, 0]]], 40), [2, 3]),
        (grouped_bins([[[12, 0], [12, 12], [12, 0], [0, 0], [12, 0], [0, 12]]], 36, np.ones((1, 6), bool)), [2, 3]),
    ],
)
def test_halves_of_fewer_than_twice_the_minimum_are_not_divided(measure: Measure, shut: list[int]) -> None:
    ruling = Gate().rule(_case(measure))
    assert isinstance(ruling, Release)
    assert np.flatnonzero(ruling.withheld["bins"].all(axis=(0, 2))).tolist() == shut


def test_a_hospital_with_a_greater_minimum_divides_what_the_study_asks_for() -> None:
    measure = bins([[[13, 12], [20, 20], [13, 12], [0, 0], [20, 20], [0, 0]]], 65)
    case = replace(_case(measure), limits=Limits(minimum_people=20), asked_from=20)
    ruling = Gate().rule(case)
    assert isinstance(ruling, Release)
    assert not ruling.withheld["bins"].any()


def test_far_out_where_the_curve_is_flat_a_bin_is_not_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its middle is no finite number, and no hospital answers a question about one."""
    monkeypatch.setattr(Descent, "capacity", lambda self, bins: 1)
    one = Grown.of(Tree(-EDGE, EDGE, 0.0, 0.1, cuts=(4.0,)))
    assert grown(one, [np.repeat([0.0, 0.1, 5.0], 400)])[0] > 1
    assert [leaf.people for leaf in one.leaves if leaf.low >= 4.0] == [400]


def test_a_question_looks_no_further_than_parts_hold_enough() -> None:
    """Hospitals see head counts before they rule on them: of 500 people they see those of 32 parts, not of 64."""
    one = tree_of(500)
    assert len(set(one.parts(Wanted(0, 0, 0.0, 1), K, one.ahead - 1))) == 32 + 1


def test_a_question_has_no_room_for_parts_that_nobody_divides() -> None:
    """500 people fill 32 parts; a question that had room for 512 would send sixteen times as much, all of it empty."""
    question: Any = next(descend([tree_of(500), tree_of(100)], K, lambda which, edges: edges))
    assert question.shape == (2, 32 + 1)
    assert len(set(question[1])) == 8 + 1


def tree_of(people: int) -> Grown:
    return Grown.of(Tree(-EDGE, EDGE, 0.0, 1.0, people=people))
