"""How much one person makes up of a sum: exact, however many people there are and however their rows lie in memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gagyo.release.aggregate import BLOCK, spread_of, together


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("people", "columns"), [(1, 3), (2, 1), (BLOCK + 1, 1), (BLOCK // 3 + 7, 5), (3, BLOCK + 1)])
def test_total_and_the_two_largest_are_those_of_sorting(people: int, columns: int, order: str) -> None:
    values = np.asarray(np.random.default_rng(people).normal(size=(people, columns)), order=order)
    before, found = values.copy(), spread_of(values)
    size = np.sort(np.abs(values), axis=0)
    assert np.allclose(found.total, size.sum(axis=0), rtol=1e-12)
    assert np.array_equal(found.largest, size[-1])
    assert np.array_equal(found.second, size[-2] if people > 1 else np.zeros(columns))
    assert np.array_equal(values, before), "contributions stay as they are"


def test_nobody_makes_up_nothing() -> None:
    for found in (spread_of(np.zeros((0, 2))), together(2, ())):
        assert [found.total.tolist(), found.largest.tolist(), found.second.tolist()] == [[0, 0]] * 3


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30), st.integers(1, 29))
def test_it_does_not_depend_on_how_people_are_divided(values: list[float], at: int) -> None:
    column = np.array(values)[:, None]
    whole, parts = spread_of(column), together(1, (spread_of(column[:at]), spread_of(column[at:])))
    assert np.allclose(whole.total, parts.total)
    assert (whole.largest, whole.second) == (parts.largest, parts.second)
