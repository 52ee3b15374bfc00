"""Laplace's approximation: its derivatives against differences of its likelihood, and that by its definition."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy import optimize, special

from gagyo.statistics import laplace
from gagyo.statistics.laplace import Grouped


def people(seed: int = 3) -> tuple[Grouped, np.ndarray]:
    """Ninety people of twelve unequal clusters, and a design of three columns."""
    draw = np.random.default_rng(seed)
    place = np.sort(draw.integers(0, 12, 90))
    X = np.column_stack([np.ones(90), draw.normal(size=90), draw.integers(0, 2, 90)])
    eta = X @ [-0.4, 0.8, 0.5] + 1.3 * draw.normal(size=12)[place]
    return Grouped((draw.random(90) < special.expit(eta)).astype(float), place, 12), X


def richardson(f: Callable[[np.ndarray], np.ndarray], at: np.ndarray, width: float = 0.02) -> np.ndarray:
    """The derivatives of f by each entry, to about ten figures."""
    rows = []
    for one in np.eye(len(at)):
        table = [(f(at + width / 2**k * one) - f(at - width / 2**k * one)) / (2 * width / 2**k) for k in range(5)]
        for order in range(1, 5):
            table = [(4**order * b - a) / (4**order - 1) for a, b in pairwise(table)]
        rows.append(table[0])
    return np.array(rows)


@pytest.mark.parametrize("deviation", [0.0, 0.3, 1.0, 2.5])
@pytest.mark.parametrize("within", [False, True])
def test_derivatives_are_those_of_the_likelihood(deviation: float, within: bool) -> None:
    group, X = people()
    X = X[:, 1:] if within else X
    tell = laplace.tell_within if within else laplace.tell
    at = np.append([0.7, -0.2] if within else [-0.3, 0.7, -0.2], deviation)
    told = tell(group, X, X @ at[:-1], deviation)
    slopes = richardson(lambda one: np.array(tell(group, X, X @ one[:-1], float(one[-1])).likelihood), at)
    curves = richardson(lambda one: tell(group, X, X @ one[:-1], float(one[-1])).gradient, at)
    np.testing.assert_allclose(told.gradient, slopes, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(told.hessian, curves, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(told.hessian, told.hessian.T, atol=1e-12)


def test_without_variance_it_is_the_logistic_likelihood() -> None:
    group, X = people()
    eta = X @ [-0.3, 0.7, -0.2]
    told = laplace.tell(group, X, eta, 0.0)
    mu = special.expit(eta)
    assert told.likelihood == pytest.approx(
        float(special.xlogy(group.y, mu).sum() + special.xlog1py(1 - group.y, -mu).sum())
    )
    np.testing.assert_allclose(told.hessian[:-1, :-1], -(X.T * mu * (1 - mu)) @ X, rtol=1e-12)
    assert abs(told.gradient[-1]) < 1e-14


def test_the_mode_is_where_the_integrand_is_greatest_far_out_too() -> None:
    group, X = people()
    for eta, deviation in ((X @ [30.0, 5.0, -20.0], 3.0), (X @ [-0.3, 0.7, -0.2], 50.0)):
        u = laplace.modes(group, eta, deviation)
        slope = deviation * group.sums(group.y - special.expit(eta + deviation * u[group.place])) - u
        assert np.abs(slope).max() < 1e-11


def test_one_cluster_by_the_definition() -> None:
    y, eta, d = np.array([1.0, 0, 1, 1, 0]), np.array([0.3, -0.2, 0.1, 0.8, -1.0]), 1.7

    def slope(u: float) -> float:
        return float(d * (y - special.expit(eta + d * u)).sum() - u)

    mode = optimize.brentq(slope, -9, 9, xtol=1e-15)
    mu = special.expit(eta + d * mode)
    curve = 1 + d**2 * float((mu * (1 - mu)).sum())
    expected = float(np.log(np.where(y == 1, mu, 1 - mu)).sum()) - mode**2 / 2 - np.log(curve) / 2
    told = laplace.tell(Grouped(y, np.zeros(5, np.intp), 1), np.ones((5, 1)), eta, d)
    assert told.likelihood == pytest.approx(expected, rel=1e-13)
