"""Bounds of who makes up most of a sum: they never settle what the exact spread would not."""

from __future__ import annotations

import numpy as np
import pytest

from gagyo.methods._products import spread_within
from gagyo.release.aggregate import spread_of


@pytest.mark.parametrize("seed", range(20))
def test_what_the_bounds_settle_the_exact_spread_settles(seed: int) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(200, 6)) ** 2
    x[0] *= random.choice([1, 30, 1000], size=6)  # somebody who makes up much, or most, of some sums
    exact, asked = spread_of(x), []

    def columns(some: np.ndarray) -> list[np.ndarray]:
        asked.extend(some)
        return [x[:80, some], x[80:, some]]

    found = spread_within(0.9 * x.sum(axis=0), 1.5 * x.max(axis=0), columns)
    assert set(found.unsettled) == set(exact.unsettled) <= set(asked)
    for name in ("total", "largest", "second"):
        np.testing.assert_allclose(getattr(found, name)[asked], getattr(exact, name)[asked], rtol=1e-12)


def test_a_sum_of_nothing_is_nobodys() -> None:
    found = spread_within(np.zeros(1), np.ones(1), lambda some: [np.zeros((5, len(some)))])
    assert (found.total[0], found.largest[0]) == (0.0, 0.0)
