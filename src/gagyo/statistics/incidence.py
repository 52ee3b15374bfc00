"""Cumulative incidence of competing events from numbers by interval: Aalen and Johansen's estimate, with its bounds.

Aalen & Johansen (1978) Scand J Stat 5:141. On a grid the actuarial form: those censored within an interval count half.
Errors by the delta method on multinomial hazards, which for one event are Greenwood's, and are R's infinitesimal
jackknife where intervals are single times.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics.distributions import normal_quantile

Floats = NDArray[np.float64]
Z95 = float(normal_quantile(0.975))


@dataclass(frozen=True)
class Incidence:
    """One group's numbers on a grid: edges (K + 1,), at_risk, censored and single (K,), events (K, causes)."""

    edges: Floats
    at_risk: Floats
    events: Floats
    censored: Floats
    single: NDArray[np.bool_]

    @cached_property
    def hazards(self) -> Floats:
        """(K, causes) the share of those exposed that has each event in each interval."""
        exposed = self._exposed[:, None]
        return np.where(exposed > 0, self.events / np.where(exposed > 0, exposed, 1.0), 0.0)

    @property
    def _exposed(self) -> Floats:
        return self.at_risk - np.where(self.single, 0.0, self.censored / 2)

    @cached_property
    def survival(self) -> Floats:
        """(K + 1,) the share without any event."""
        return np.append(1.0, np.cumprod(np.maximum(1 - self.hazards.sum(axis=1), 0.0)))

    @cached_property
    def curves(self) -> Floats:
        """(K + 1, causes) the share that has had each event first."""
        steps = self.survival[:-1, None] * self.hazards
        return np.concatenate([np.zeros((1, steps.shape[1])), np.cumsum(steps, axis=0)])

    @cached_property
    def errors(self) -> Floats:
        """(K + 1, causes) standard errors."""
        F, q, S = self.curves, self.hazards, self.survival
        out = np.zeros(F.shape)
        through = np.maximum(1 - q.sum(axis=1), 1e-300)
        for k in range(1, len(F)):
            for cause in range(F.shape[1]):
                # What one more event of another cause, and of this one, in an earlier interval changes.
                lost = -(F[k, cause] - F[1 : k + 1, cause]) / through[:k]
                gradient = np.repeat(lost[:, None], F.shape[1], axis=1)
                gradient[:, cause] += S[:k]
                mean = (gradient * q[:k]).sum(axis=1)
                parts = ((gradient**2 * q[:k]).sum(axis=1) - mean**2) / np.maximum(self._exposed[:k], 1e-300)
                out[k, cause] = np.sqrt(max(float(parts.sum()), 0.0))
        return out

    @property
    def bands(self) -> tuple[Floats, Floats]:
        """(K + 1, causes) limits, 95 %, on the log(-log) scale; NaN where there was no event yet."""
        F, error = self.curves, self.errors
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = Z95 * error / np.abs(F * np.log(F))
            low, high = F ** np.exp(reach), F ** np.exp(-reach)
        known = (F > 0) & (F < 1)
        return np.where(known, low, np.nan), np.where(known, high, np.nan)

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """(K + 1, causes) between which the curves of the ungridded times lie at the edges, for certain.

        An event's step is the weight of one person at risk, which only censorings raise: to n / (n - 1) times itself.
        """
        low, high = np.zeros(self.curves.shape), np.zeros(self.curves.shape)
        lightest = heaviest = 1.0 / self.at_risk[0] if len(self.at_risk) else 1.0
        for k, (n, c, one) in enumerate(zip(self.at_risk, self.censored, self.single, strict=True)):
            d = float(self.events[k].sum())
            last = n - d + 1  # at risk at the last event, where all other events come first
            most = heaviest if one or not d else heaviest * last / (last - c)
            low[k + 1], high[k + 1] = low[k] + lightest * self.events[k], high[k] + most * self.events[k]
            left = n - d - c
            if left > 0:
                heaviest *= (n - d) / left
                lightest *= (n - d) / left if one else n / (n - c)
        return low, np.minimum(high, 1.0)
