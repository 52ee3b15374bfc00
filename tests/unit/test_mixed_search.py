"""The search for the variances of a mixed model: where it ends on the edge though the deviance falls inwards."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics.mixed import Block, Likelihood, by_hospital, climbed, on_edge, optimum

Floats = NDArray[np.float64]
EIGHT, EACH = 8, 40


def drawn(deviation: float) -> tuple[Floats, list[Block], Likelihood]:
    """[X y]'[X y] of eight hospitals whose intercepts differ by this deviation, and each one's own products."""
    random = np.random.default_rng(5)
    total, blocks = np.zeros((3, 3)), []
    for _ in range(EIGHT):
        X = np.column_stack([np.ones(EACH), random.normal(size=EACH)])
        rest = random.normal(size=EACH)
        y = X @ [1.0, 0.5] + deviation * random.normal() + rest - rest.mean()
        both = np.column_stack([X, y])
        total += both.T @ both
        blocks.append(Block(X[:, :1].T @ X[:, :1], X[:, :1].T @ both))
    return total, blocks, Likelihood(EIGHT * EACH, 2, restricted=True)


def test_a_search_that_ends_on_the_edge_goes_on_where_the_deviance_falls() -> None:
    total, blocks, likelihood = drawn(1.0)
    calls = []

    def settle(theta: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """As a search that came to no variance at first."""
        calls.append(theta)
        return (np.zeros(1), np.array([False])) if len(calls) == 1 else on_edge(theta)

    found = climbed(partial(by_hospital, total, blocks), likelihood, np.array([0.5]), settle)
    best = optimum(total, blocks, likelihood)
    assert len(calls) == 2
    assert found.free.all()
    np.testing.assert_allclose(found.theta, best.theta, rtol=1e-8)
    assert best.theta[0] > 0.3


def test_where_the_deviance_rises_inwards_the_edge_is_the_end() -> None:
    total, blocks, likelihood = drawn(0.0)
    found = optimum(total, blocks, likelihood)
    assert not found.free.any()
    assert found.theta[0] == 0.0
