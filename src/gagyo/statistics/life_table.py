"""Survival from numbers by interval: the actuarial curve with its bounds, its median and its mean to a time.

Arrays are by interval (K,). at_risk: people under observation when the interval begins; events and censored: who leaves
in it; single: whether it holds one time only, so that nobody is censored before an event of theirs. Edges (K + 1,)
begin at time zero. Berkson & Gage (1950) Proc Staff Meet Mayo Clin 25:270; Greenwood (1926); Kalbfleisch & Prentice
(1980) for intervals on the log(-log) scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics.distributions import normal_quantile

Floats = NDArray[np.float64]
Z95 = float(normal_quantile(0.975))


@dataclass(frozen=True)
class LifeTable:
    """One group's numbers on a grid."""

    edges: Floats
    at_risk: Floats
    events: Floats
    censored: Floats
    single: NDArray[np.bool_]

    @property
    def exposed(self) -> Floats:
        """Of those at risk, those censored count half, unless the interval is a single time."""
        return self.at_risk - np.where(self.single, 0.0, self.censored / 2)

    @property
    def factors(self) -> Floats:
        """The share that gets through each interval."""
        return _through(self.events, self.exposed)

    @property
    def survival(self) -> Floats:
        """(K + 1,) the share event-free at each edge."""
        return _cumulated(self.factors)

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """(K + 1,) between which the Kaplan-Meier curve of the ungridded times lies at the edges, for certain.

        It is least where all censorings of an interval come before its events, and greatest where they come after.
        """
        before = self.at_risk - np.where(self.single, 0.0, self.censored)
        return _cumulated(_through(self.events, before)), _cumulated(_through(self.events, self.at_risk))

    @property
    def spread(self) -> Floats:
        """(K,) Greenwood's variance of the logarithm of each interval's factor; infinite where nobody gets through."""
        n, d = self.exposed, self.events
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(d > 0, d / (n * (n - d)), 0.0)

    @property
    def log_variance(self) -> Floats:
        """(K + 1,) the variance of the logarithm of the survival."""
        return np.append(0.0, np.cumsum(self.spread))

    @property
    def error(self) -> Floats:
        """(K + 1,) the standard error of the survival."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.survival * np.sqrt(self.log_variance))

    @property
    def band(self) -> tuple[Floats, Floats]:
        """(K + 1,) limits of the survival, 95 %, on the log(-log) scale; NaN where the curve is at zero."""
        S = self.survival
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = Z95 * np.sqrt(self.log_variance) / np.abs(np.log(S))
            low, high = S ** np.exp(reach), S ** np.exp(-reach)
        known = (S > 0) & (S < 1)
        return np.where(S == 1, 1.0, np.where(known, low, np.nan)), np.where(S == 1, 1.0, np.where(known, high, np.nan))

    def reached(self, curve: Floats, level: float) -> float:
        """When a falling curve (K + 1,) reaches a level: straight within an interval; NaN where it never does."""
        under = np.flatnonzero(curve <= level)
        if not len(under):
            return float("nan")
        at = int(under[0])
        if at == 0 or self.single[at - 1] or not np.isfinite(curve[at - 1]):
            return float(self.edges[at])
        share = (curve[at - 1] - level) / (curve[at - 1] - curve[at])
        return float(self.edges[at - 1] + share * (self.edges[at] - self.edges[at - 1]))

    def median(self) -> tuple[float, float, float]:
        """The median with its limits (Brookmeyer & Crowley 1982, Biometrics 38:29); NaN where not reached.

        Of a curve that stays at exactly one half it is where that begins, not the middle, as R's `survfit` has it.
        """
        low, high = self.band
        return self.reached(self.survival, 0.5), self.reached(low, 0.5), self.reached(high, 0.5)

    def median_bounds(self) -> tuple[float, float]:
        """The edges between which the median of the ungridded curve lies, for certain; infinite where not reached."""
        low, high = self.bounds
        first, last = np.flatnonzero(low <= 0.5), np.flatnonzero(high <= 0.5)
        early, late = float("inf"), float("inf")
        if len(first):
            at = int(first[0])
            early = float(self.edges[at if self.single[at - 1] else at - 1])
        if len(last):
            late = float(self.edges[int(last[0])])
        return early, late

    def mean(self, until: float) -> tuple[float, float]:
        """The area under the curve to an edge, straight between edges, and its standard error by the delta method."""
        inside = self.edges[1:] <= until
        wide, S = np.diff(self.edges)[inside], self.survival
        single = self.single[inside]
        before, after = S[:-1][inside], S[1:][inside]
        area = wide * np.where(single, before, (before + after) / 2)
        later = np.cumsum(area[::-1])[::-1] - area
        weight = later + np.where(single, 0.0, wide * after / 2)
        return float(area.sum()), float(np.sqrt(self.variance_of(weight)))

    def variance_of(self, weight: Floats) -> float:
        """The variance of the sum of the first intervals' log factors, each times its weight."""
        with np.errstate(invalid="ignore"):
            return float(np.where(weight > 0, weight**2 * self.spread[: len(weight)], 0.0).sum())

    def mean_bounds(self, until: float) -> tuple[float, float]:
        """Between which the area under the ungridded curve lies, for certain."""
        inside = self.edges[1:] <= until
        wide, (low, high) = np.diff(self.edges)[inside], self.bounds
        after = np.where(self.single, low[:-1], low[1:])[inside]
        return float(wide @ after), float(wide @ high[:-1][inside])


def _through(events: Floats, exposed: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(exposed > 0, 1 - events / exposed, np.where(events > 0, 0.0, 1.0))
    return np.asarray(np.maximum(share, 0.0))


def _cumulated(factors: Floats) -> Floats:
    return np.append(1.0, np.cumprod(factors))
