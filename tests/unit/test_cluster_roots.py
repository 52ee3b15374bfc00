"""The root that CR2 takes of a cluster, without a matrix of all people, against the matrices themselves."""

from __future__ import annotations

import numpy as np
import pytest

from gagyo.statistics.cluster_roots import Floats, Members, Rooted, rooted

SIZE, CLUSTERS = 60, 3


def clusters(spread: float, alpha: float, alone: bool = False) -> tuple[Members, Floats]:
    """The first of three clusters, and the inverse of what all tell; variances spread as e^(spread z).

    alone: the cluster has a column of its own, of which nothing is left.
    """
    random = np.random.default_rng(8)
    n = SIZE * CLUSTERS
    columns = [np.ones(n), random.normal(size=n), random.random(n) < 0.3]
    columns += [np.arange(n) < SIZE] if alone else []
    variance = np.exp(spread * random.normal(size=n))
    X, e = np.column_stack(columns) * np.sqrt(variance)[:, None], random.normal(size=n)
    R = (1 - alpha) * np.eye(SIZE) + alpha
    parts = np.split(X, CLUSTERS)
    M = np.linalg.inv(sum(one.T @ np.linalg.solve(R, one) for one in parts))
    return Members(X[:SIZE], e[:SIZE], variance[:SIZE], alpha), M


def by_matrices(one: Members, M: Floats) -> Rooted:
    """Theorem 1 of Pustejovsky and Tipton, with Theta's Cholesky factor."""
    deviation = np.sqrt(one.variance)
    theta = ((1 - one.alpha) * np.eye(SIZE) + one.alpha) * np.outer(deviation, deviation)
    U, residuals, C = one.X * deviation[:, None], one.e * deviation, np.linalg.cholesky(theta)
    values, vectors = np.linalg.eigh(C.T @ (theta - U @ M @ U.T) @ C)
    kept = values > 1e-11 * values.max()
    A = C @ (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T @ C.T
    G = A @ np.linalg.solve(theta, U)
    return Rooted(G.T @ residuals, U.T @ G, G.T @ theta @ G)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.3, -0.01])
@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
def test_the_root_is_that_of_whole_matrices(spread: float, alpha: float, alone: bool) -> None:
    one, M = clusters(spread, alpha, alone)
    found, wanted = rooted(one, M), by_matrices(one, M)
    for name in ("u", "K", "J"):
        ours, theirs = getattr(found, name), getattr(wanted, name)
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-11 * np.abs(theirs).max())


def test_a_mean_beyond_all_numbers_has_no_root() -> None:
    one, M = clusters(0.5, 0.0)
    one.e[3] = np.inf
    assert np.isnan(rooted(one, M).u).all()
