"""Survival of weighted people from sums of weights by interval, with the robust variance that has weights as given.

Numbers of a life table are sums of weights; the variance is the infinitesimal jackknife's, the sum over people of the
squares of weight times derivative in the weight, as of R's `survfit(weights = , robust = TRUE)`. What a person adds
depends on the interval and the way in which they leave alone, so that sums of squared weights are enough. Xie & Liu
(2005) Stat Med 24:3089; Lin & Wei (1989) J Am Stat Assoc 84:1074; Jaeckel (1972).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics.life_table import LifeTable

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WeightedLifeTable(LifeTable):
    """One group's sums of weights on a grid.

    squares: (2, K) of squared weights, of who leaves without and with the event; beyond: of all who leave after.
    """

    squares: Floats
    beyond: float

    @classmethod
    def of(cls, edges: Floats, sums: Floats, squares: Floats, single: NDArray[np.bool_]) -> WeightedLifeTable:
        """From sums of weights and of their squares (2, M) of those who leave without and with the event.

        edges (K + 1,) and single (K,) may be of the first intervals alone.
        """
        kept = len(single)
        leaving = sums.sum(axis=0)
        at_risk = np.cumsum(leaving[::-1])[::-1][:kept]
        (censored, events), beyond = sums[:, :kept], float(squares[:, kept:].sum())
        return cls(edges, at_risk, events, censored, single, squares[:, :kept], beyond)

    @cached_property
    def _slopes(self) -> tuple[Floats, Floats]:
        """Of each interval's log factor: the derivative in the weight of who stays (K,), of who leaves in it (2, K)."""
        n, e = self.exposed, self.events
        with np.errstate(divide="ignore", invalid="ignore"):
            stays = np.where(e > 0, 1 / (n - e) - 1 / n, 0.0)
            leaves = np.where(e > 0, -1 / n, 0.0)
        return stays, np.array([np.where(self.single, 1.0, 0.5) * stays, leaves])

    @property
    def log_variance(self) -> Floats:
        """(K + 1,) of the logarithm of the survival: what those have added who left, and what those add who stay."""
        stays, leaves = self._slopes
        until = np.append(0.0, np.cumsum(stays))
        gone = np.cumsum((self.squares * (until[:-1] + leaves) ** 2).sum(axis=0))
        left = self.beyond + np.append(np.cumsum(self.squares.sum(axis=0)[::-1])[::-1], 0.0)
        with np.errstate(invalid="ignore"):
            there = np.where(left > 0, until**2 * left, 0.0)
        return np.asarray(np.append(0.0, gone) + there)

    def variance_of(self, weight: Floats) -> float:
        """The variance of the sum of the first intervals' log factors, each times its weight."""
        stays, leaves = self._slopes
        with np.errstate(invalid="ignore"):
            own = np.append(
                np.where(weight > 0, weight * stays[: len(weight)], 0.0), np.zeros(len(stays) - len(weight))
            )
            last = np.zeros_like(leaves)
            last[:, : len(weight)] = np.where(weight > 0, weight * leaves[:, : len(weight)], 0.0)
        until = np.append(0.0, np.cumsum(own))
        after = self.beyond * until[-1] ** 2 if self.beyond else 0.0
        return float((self.squares * (until[:-1] + last) ** 2).sum()) + float(after)
