"""Order statistics and quantiles of people who are counted in bins: where they lie at least and at most.

A quantile is R's type 7 (Hyndman & Fan 1996, Am Stat 50:361), numpy's default. Its interval runs between two order
statistics whose ranks are binomial quantiles (Conover 1999, Practical Nonparametric Statistics, 3.2): it holds for any
distribution, with at least the confidence that it states. Where a bin holds one value alone, the order statistics in
it are that value; elsewhere they lie within the bin, and the estimate takes its people to be even over it. In the
outermost bins, which may be mostly empty, there is no estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics.distributions import binomial_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """Where a number lies: an estimate, and the bounds that the bins leave no doubt of.

    tail: -1 in the lowest bin and 1 in the highest, where it has no estimate (NaN): a tail's bin may be mostly empty.
    """

    value: float
    lower: float
    upper: float
    tail: int = 0

    @property
    def exact(self) -> bool:
        """Whether the bins leave one value only."""
        return self.lower == self.upper

    def mixed(self, other: Place, share: float) -> Place:
        """A share of the way to another."""
        mine, others = (np.array([one.value, one.lower, one.upper]) for one in (self, other))
        value, lower, upper = (1 - share) * mine + share * others
        return Place(float(value), float(lower), float(upper), self.tail or other.tail)


@dataclass(frozen=True)
class Binned:
    """People in bins: least and greatest value of each (m,), in order, and how many people it holds (m,).

    whole: values are whole numbers, so that a bin from 3 to 3 is one value; otherwise they are anywhere between.
    """

    least: Floats
    greatest: Floats
    counts: Floats
    whole: bool

    @property
    def people(self) -> int:
        """Everyone who is counted."""
        return int(self.counts.sum())

    def order_statistic(self, rank: int) -> Place:
        """The person of a rank, 1 to `people`."""
        until = np.cumsum(self.counts)
        at = int(np.searchsorted(until, rank, side="left"))
        low, high, inside = float(self.least[at]), float(self.greatest[at]), float(self.counts[at])
        tail = (int(at == len(until) - 1) - int(at == 0)) if high > low else 0
        if tail or (len(until) == 1 and high > low):
            return Place(float("nan"), low, high, tail)
        share = (rank - (until[at] - inside) - 0.5) / inside
        edge = 0.5 if self.whole else 0.0
        value = low - edge + share * (high - low + 2 * edge)
        return Place(float(np.clip(value, low, high)), low, high)

    def quantile(self, share: float) -> Place:
        """The quantile of a share, 0 to 1, after R's type 7."""
        first, further = ranks(self.people, share)
        lower = self.order_statistic(first)
        return lower if further == 0 else lower.mixed(self.order_statistic(first + 1), further)

    def interval(self, share: float, least: int, confidence: float = 0.95) -> tuple[float, float] | None:
        """The limits of a quantile of the distribution; None where fewer than `least` people lie beyond one of them.

        They are the outer bounds of two order statistics, so that bins widen an interval and never narrow it.
        """
        low, high = interval_ranks(self.people, share, confidence)
        if low < least or self.people - high + 1 < least:
            return None
        return self.order_statistic(low).lower, self.order_statistic(high).upper


def ranks(people: int, share: float) -> tuple[int, float]:
    """The rank at or under a quantile of type 7, and how far it is on the way to the next."""
    at = (people - 1) * share + 1
    # 0.1 * 10 is no whole number in binary: what is one up to rounding is one.
    rank = int(np.floor(at + 1e-9))
    return rank, max(float(at - rank), 0.0) if abs(at - rank) > 1e-9 else 0.0


def interval_ranks(people: int, share: float, confidence: float = 0.95) -> tuple[int, int]:
    """The ranks between which a quantile lies with at least this confidence; 0 and people + 1 where there are none."""
    tail = (1 - confidence) / 2
    return binomial_quantile(tail, people, share), binomial_quantile(1 - tail, people, share) + 1
