"""Consistency of a treatment effect across regions, when a multi-regional trial is planned and when it is analysed.

Method 1: a region's effect is more than a fraction of the overall one, with a probability of at least 0.8. Method 2:
all regions' effects point the same way. Basic principles on global clinical trials (Japan's Ministry of Health, Labour
and Welfare, 2007); ICH E17 (2017). Closed forms: Kawai et al. (2008) Drug Inf J 42:139; Quan et al. (2010) Pharm
Stat 9:100. Interaction: the part of Cochran's Q between groups, Borenstein et al. (2009) Introduction to
Meta-Analysis, ch. 19. Reference: R mvtnorm, metafor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics.distributions import chi2_sf, normal_cdf, normal_quantile, normal_sf

Floats = NDArray[np.float64]

GOAL = 0.8
"""The probability that the guidance asks for."""


def _drift(power: float, alpha: float, sides: int) -> float:
    """The expected statistic of a trial that has its power."""
    return float(normal_quantile(1 - alpha / sides) + normal_quantile(power))


def fraction_kept(share: float, power: float, alpha: float = 0.05, sides: int = 2, fraction: float = 0.5) -> float:
    """Method 1 at planning: the probability that a region with a `share` of the people keeps more than the fraction.

    All regions have one true effect, and the trial has as many people as its power needs.
    """
    drift = _drift(power, alpha, sides)
    return float(normal_cdf((1 - fraction) * drift / np.sqrt(1 / share + fraction**2 - 2 * fraction)))


def least_share(power: float, alpha: float = 0.05, sides: int = 2, fraction: float = 0.5, goal: float = GOAL) -> float:
    """The smallest share of the people with which a region reaches the goal by method 1; goal above 0.5."""
    reached = (1 - fraction) * _drift(power, alpha, sides) / float(normal_quantile(goal))
    return 1 / (reached**2 + 2 * fraction - fraction**2)


def all_positive(shares: Sequence[float], power: float, alpha: float = 0.05, sides: int = 2) -> float:
    """Method 2 at planning: the probability that every region's effect points the same way."""
    drift = _drift(power, alpha, sides)
    return float(np.prod(normal_cdf(np.sqrt(np.asarray(shares)) * drift)))


@dataclass(frozen=True)
class Region:
    """A region's effect. ratio: to the overall one; p: one-sided, that it keeps no more than the fraction of it."""

    value: float
    standard_error: float
    ratio: float
    kept: bool
    p: float


@dataclass(frozen=True)
class Consistency:
    """Of all regions: those of the input, in its order; all: whether all point one way; the test of an interaction."""

    regions: tuple[Region, ...]
    value: float
    standard_error: float
    all: bool
    q: float
    freedom: int
    p: float


def observed(values: Floats, errors: Floats, where: NDArray[np.int64], fraction: float = 0.5) -> Consistency:
    """What estimates (k,) with errors (k,), in regions numbered from 0 (k,), say; every region has one at least.

    Effects are combined within regions, and over all, by inverse variance.
    """
    weights = 1 / errors**2
    regions = int(where.max()) + 1
    sums = np.bincount(where, weights, regions)
    means = np.bincount(where, weights * values, regions) / sums
    overall, variance = float(weights @ values / weights.sum()), float(1 / weights.sum())
    sign = 1.0 if overall >= 0 else -1.0
    # The covariance of a region's effect and the overall one is the overall one's variance.
    spread = np.sqrt(1 / sums + (fraction**2 - 2 * fraction) * variance)
    p = normal_sf(sign * (means - fraction * overall) / spread)
    found = tuple(
        Region(float(m), float(s), float(m / overall), bool(sign * m > sign * fraction * overall), float(one))
        for m, s, one in zip(means, 1 / np.sqrt(sums), p, strict=True)
    )
    q = float(sums @ (means - overall) ** 2)
    same = bool(np.all(sign * means > 0))
    return Consistency(found, overall, variance**0.5, same, q, regions - 1, float(chi2_sf(q, regions - 1)))
