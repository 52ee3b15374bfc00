"""Log-rank tests of groups from numbers by time: plain, or weighted by survival or by the number at risk.

Mantel (1966) Cancer Chemother Rep 50:163; Gehan (1965) Biometrika 52:203; Fleming & Harrington (1981) Commun Stat A
10:763, with the weight S(t-)^rho (1 - S(t-))^gamma.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics.distributions import chi2_sf

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Weight:
    """The weight of each time: rho and gamma of Fleming and Harrington, or Gehan's number at risk."""

    rho: float = 0.0
    gamma: float = 0.0
    gehan: bool = False

    def at(self, at_risk: Floats, events: Floats) -> Floats:
        """(K,) the weights, from everybody's numbers (K,) at times in order."""
        if self.gehan:
            return at_risk
        with np.errstate(invalid="ignore"):
            factors = np.where(at_risk > 0, 1 - events / np.where(at_risk > 0, at_risk, 1.0), 1.0)
        before = np.append(1.0, np.cumprod(factors)[:-1])
        return np.asarray(before**self.rho * (1 - before) ** self.gamma)


@dataclass(frozen=True)
class Scores:
    """What one stratum adds: weighted observed and expected events by group (G,), and their covariance (G, G).

    spread: (3, G) the sum of absolute contributions of those with the event, and a bound on the largest, twice.
    """

    observed: Floats
    expected: Floats
    covariance: Floats
    spread: Floats


def scores(at_risk: Floats, events: Floats, weight: Weight) -> Scores:
    """One stratum's scores from numbers (K, G) at times in order; the covariance is hypergeometric."""
    happened = events.sum(axis=1) > 0
    n, d = at_risk.sum(axis=1), events.sum(axis=1)
    w = weight.at(n, d)[happened]
    n, d, by_group, at = n[happened], d[happened], events[happened], at_risk[happened]
    share = at / n[:, None]
    tied = w**2 * d * (n - d) / np.maximum(n - 1, 1)
    weighted = share * tied[:, None]
    covariance = np.diag(weighted.sum(axis=0)) - share.T @ weighted
    moved = w[:, None] * (by_group * (1 - share) + (d[:, None] - by_group) * share)
    largest = np.full(at.shape[1], float(w.max(initial=0.0)))
    spread = np.array([moved.sum(axis=0), largest, largest])
    return Scores(w @ by_group, (w * d) @ share, covariance, spread)


def test(observed: Floats, expected: Floats, covariance: Floats) -> tuple[float, int, float]:
    """Chi-square, degrees of freedom and p of all groups being alike; groups that nobody expects anything of are left
    out, as in R's survdiff.
    """
    there = np.flatnonzero(expected > 0)
    freedom = len(there) - 1
    if freedom < 1:
        return float("nan"), 0, float("nan")
    kept = there[:-1]
    difference = (observed - expected)[kept]
    chi = float(difference @ np.linalg.solve(covariance[np.ix_(kept, kept)], difference))
    return chi, freedom, float(chi2_sf(chi, freedom))
