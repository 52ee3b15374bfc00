"""Which cells of a descent hold a wanted rank, against the definition; a cut that failed is not tried twice."""

from __future__ import annotations

import numpy as np
import pytest

from gagyo.methods._descent import Leaf
from gagyo.methods._value_cells import Values
from gagyo.protocol.variables import Variable
from gagyo.text import Text

AGE = Variable("age", "integer", Text("Age", "나이", "年龄"), range=(0, 120))


@pytest.mark.parametrize("seed", range(20))
def test_the_cells_that_hold_a_rank(seed: int) -> None:
    random = np.random.default_rng(seed)
    counts = random.integers(0, 30, (8, 2)).astype(float)
    one = Values.of(AGE, counts.sum(axis=0), 10)
    one.leaves = [Leaf(8.0 * i, 8.0 * (i + 1), tuple(row)) for i, row in enumerate(counts)]
    shut = random.integers(0, 8)
    one.leaves[shut] = Leaf(8.0 * shut, 8.0 * (shut + 1))
    counts[shut] = 0
    one.ranks = [[0, 1, *random.integers(1, 200, 5).tolist()] for _ in range(2)]
    until = counts.cumsum(axis=0)
    held = {
        i
        for i in range(8)
        for group, ranks in enumerate(one.ranks)
        for rank in ranks
        if until[i, group] - counts[i, group] < rank <= until[i, group]
    }
    assert {i for i in one.ranked() if i < 8} == held


def test_a_cut_that_failed_gives_way_to_the_next_until_there_are_enough_tries() -> None:
    one = Values.of(AGE, np.array([300.0]), 10)
    tried = []
    while (cut := one.next_cut(one.leaves[0])) is not None:
        assert one.next_cut(one.leaves[0]) == cut
        tried.append(cut)
        one.failed(0, cut)
    assert len(tried) == len(set(tried)) > 1
    assert one.cuts(one.leaves) == [None]
