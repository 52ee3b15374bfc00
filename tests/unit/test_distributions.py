"""Tail probabilities and quantiles against scipy.stats, far into the tails."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gagyo.statistics import distributions as ours

X = np.concatenate([[-40.0, -8.3, -1.0, 0.0], np.geomspace(1e-6, 60, 40)])
P = np.concatenate([10.0 ** -np.arange(1, 15), np.linspace(0.02, 0.98, 25), [0.975, 0.995, 0.999999]])
FREEDOM = np.array([0.3, 1, 2, 4.7, 30, 499, 1e6])


def same(mine: object, theirs: object) -> None:
    np.testing.assert_allclose(np.asarray(mine), np.asarray(theirs), rtol=1e-11, atol=1e-300)


def test_the_normal_distribution() -> None:
    same(ours.normal_cdf(X), stats.norm.cdf(X))
    same(ours.normal_sf(X), stats.norm.sf(X))
    same(ours.normal_quantile(P), stats.norm.ppf(P))


@pytest.mark.parametrize("freedom", [*FREEDOM, np.inf])
def test_students_t(freedom: float) -> None:
    same(ours.t_sf(X, freedom), stats.t.sf(X, freedom))
    same(ours.t_quantile(P, freedom), stats.t.ppf(P, freedom))


def test_degrees_of_freedom_by_coefficient() -> None:
    """As a sandwich with Satterthwaite's has them: one infinite, one missing."""
    freedom = np.array([3.2, np.inf, np.nan, 0.0])
    same(ours.t_quantile(0.975, freedom), [stats.t.ppf(0.975, 3.2), stats.norm.ppf(0.975), np.nan, np.nan])
    same(ours.t_sf(2.0, freedom), [stats.t.sf(2.0, 3.2), stats.norm.sf(2.0), np.nan, np.nan])


@pytest.mark.parametrize("freedom", FREEDOM)
def test_chi_square_and_f(freedom: float) -> None:
    same(ours.chi2_sf(X, freedom), stats.chi2.sf(X, freedom))
    same(ours.chi2_quantile(P, freedom), stats.chi2.ppf(P, freedom))
    for below in FREEDOM[1:]:
        same(ours.f_sf(X, freedom, below), stats.f.sf(X, freedom, below))
        same(ours.f_quantile(P[P > 1e-6], freedom, below), stats.f.ppf(P[P > 1e-6], freedom, below))


def test_without_degrees_of_freedom_nothing_is_said() -> None:
    assert np.isnan([ours.chi2_sf(3.0, 0), ours.f_sf(3.0, 0, 4), ours.f_sf(3.0, 2, 0), ours.t_sf(1.0, 0)]).all()
    assert np.isnan([ours.chi2_sf(np.nan, 2), ours.normal_sf(np.nan), ours.t_sf(np.nan, 5)]).all()


def test_beta_and_binomial() -> None:
    for a, b in ((1, 30), (7, 94), (0.5, 2.0), (300, 1)):
        same(ours.beta_quantile(P[P > 1e-8], a, b), stats.beta.ppf(P[P > 1e-8], a, b))
    for n in (1, 9, 30, 569, 10_001, 3_000_000):
        for chance in (0.01, 0.1, 0.25, 0.5, 0.9):
            for p in (0.005, 0.025, 0.975, 0.995):
                assert ours.binomial_quantile(p, n, chance) == int(stats.binom.ppf(p, n, chance))
