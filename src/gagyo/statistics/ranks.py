"""Rank tests of people who are counted in cells: those of one cell are tied.

Mann & Whitney (1947) Ann Math Stat 18:50 and Kruskal & Wallis (1952) J Am Stat Assoc 47:583 by their normal and
chi-square approximations with the correction for ties; Spearman (1904) Am J Psychol 15:72 by the t approximation; van
Elteren (1960) Bull Int Stat Inst 37:351 for two groups within strata, weighted by 1 / (n + 1). Reference: R's
`wilcox.test`, `kruskal.test`, `cor.test`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics.comparisons import Test
from gagyo.statistics.distributions import chi2_sf, normal_sf, t_sf

Floats = NDArray[np.float64]

NOTHING = Test(float("nan"), 0, float("nan"))


@dataclass(frozen=True)
class Superiority:
    """How often a person of the second group has the greater value, ties counting half; and the bounds of cells."""

    value: float
    lower: float
    upper: float


def midranks(counts: Floats) -> Floats:
    """The mean rank of the people of each cell, from their numbers (m,)."""
    return np.asarray(np.cumsum(counts) - (counts - 1) / 2)


def _untied(counts: Floats) -> float:
    """One less the share of variance that ties take away."""
    n = counts.sum()
    return float(1 - (counts**3 - counts).sum() / (n**3 - n)) if n > 1 else 0.0


def mann_whitney(table: Floats, correct: bool, single: NDArray[np.bool_]) -> tuple[Test, Superiority | None]:
    """The test of two groups from counts (cells, 2): U of the second group; single: (cells,) cells of one value.

    The statistic is R's W of the second group against the first; p is two-sided and normal.
    """
    first, second = table.T
    a, b = float(first.sum()), float(second.sum())
    untied = _untied(table.sum(axis=1))
    if a < 1 or b < 1 or untied <= 0:
        return NOTHING, None
    u = float(second @ midranks(table.sum(axis=1)) - b * (b + 1) / 2)
    away = u - a * b / 2
    away -= 0.5 * np.sign(away) if correct else 0.0
    deviation = np.sqrt(a * b / 12 * (a + b + 1) * untied)
    # Within a cell of several values a pair may go either way.
    open_pairs = float((first * second)[~single].sum() / 2 / (a * b))
    share = u / (a * b)
    p = float(min(2 * normal_sf(abs(away) / deviation), 1.0))
    return Test(u, 0, p), Superiority(share, share - open_pairs, share + open_pairs)


def kruskal_wallis(table: Floats) -> Test:
    """The test of several groups from counts (cells, groups); groups of nobody are left out."""
    kept = table[:, table.sum(axis=0) > 0]
    groups, n = kept.sum(axis=0), float(kept.sum())
    untied = _untied(kept.sum(axis=1))
    if len(groups) < 2 or untied <= 0:
        return NOTHING
    sums = midranks(kept.sum(axis=1)) @ kept
    h = (12 * float((sums**2 / groups).sum()) / (n * (n + 1)) - 3 * (n + 1)) / untied
    freedom = len(groups) - 1
    return Test(float(h), freedom, float(chi2_sf(h, freedom)))


def spearman(products: float, x: Floats, y: Floats) -> tuple[float, Test]:
    """Rank correlation from the sum of products of centred midranks and the cells' counts of both variables."""
    n = float(x.sum())
    spread = [float(counts @ (midranks(counts) - (n + 1) / 2) ** 2) for counts in (x, y)]
    if min(spread) <= 0 or n < 3:
        return float("nan"), NOTHING
    rho = float(np.clip(products / np.sqrt(spread[0] * spread[1]), -1, 1))
    t = rho * np.sqrt((n - 2) / (1 - rho**2)) if abs(rho) < 1 else np.copysign(np.inf, rho)
    return rho, Test(float(t), n - 2, float(2 * t_sf(abs(t), n - 2)))


STRATUM = 2
"""Numbers of one stratum, which add up over strata."""


def stratum(x: Floats, second: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """What a stratum adds to van Elteren's statistic and its variance, and each person's part (n,) of the first."""
    n, b = len(x), float(second.sum())
    a = n - b
    if a < 1 or b < 1:
        return np.zeros(STRATUM), np.zeros(n)
    _, cell, tied = np.unique(x, return_inverse=True, return_counts=True)
    rank = midranks(tied.astype(np.float64))[cell]
    # Ranks about their mean sum to nothing, so that everyone has a part of the second group's sum.
    parts = (rank - (n + 1) / 2) * (second - b / n) / (n + 1)
    variance = a * b / (n * (n - 1)) * float(((rank - (n + 1) / 2) ** 2).sum()) / (n + 1) ** 2
    return np.array([parts.sum(), variance]), parts


def van_elteren(sums: Floats) -> Test:
    """The test of two groups within strata, from sums over strata of `stratum`."""
    statistic, variance = (float(one) for one in sums)
    if variance <= 0:
        return NOTHING
    chi = statistic**2 / variance
    return Test(chi, 1, float(chi2_sf(chi, 1)))
