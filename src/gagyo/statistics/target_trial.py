"""Clones of people under two strategies of starting a treatment, when they depart, and their weights: arithmetic.

Everyone has a clone that starts within the grace period and one that does not. A clone is followed until the person's
own record departs from its strategy: the second leaves at the start, the first, where nothing was started, at the end
of the grace period. Cain et al. (2010) Int J Biostat 6(2):18; Hernan & Robins (2016) Am J Epidemiol 183:758; Maringe et
al. (2020) Int J Epidemiol 49:1719.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.statistics.distributions import normal_quantile

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Bools = NDArray[np.bool_]

STARTS, WAITS = 0, 1
"""The strategies: start within the grace period; do not start within it."""

Z95 = float(normal_quantile(0.975))


@dataclass(frozen=True)
class Histories:
    """What happened to people, by interval: start (n,), `grace` of who did not start within the grace period; leaves
    (n,), `intervals` of who was followed past the horizon; event (n,), whether they left with the event.

    grace: how many intervals the grace period has; intervals: how many there are.
    """

    start: Counts
    leaves: Counts
    event: Bools
    grace: int
    intervals: int

    @classmethod
    def of(cls, time: Floats, event: Bools, start: Floats, edges: Floats, grace: int) -> Histories:
        """From times since zero (n,); start is NaN of who never started. edges (K,): the ends of intervals.

        An interval is after the end of the one before, up to and with its own end; whoever leaves without the event at
        an end was there for all of it, and leaves in the next. An end of 0 is an interval in which people start alone.
        """
        side = np.where(event, np.searchsorted(edges, time, "left"), np.searchsorted(edges, time, "right"))
        leaves = np.maximum(side, int(edges[0] == 0))
        until = np.where(np.isnan(start), np.inf, start)
        began = np.minimum(np.searchsorted(edges, until, "left"), grace)
        return cls(began.astype(np.int64), leaves.astype(np.int64), event & (leaves < len(edges)), grace, len(edges))

    @property
    def within(self) -> Bools:
        """Who started within the grace period (n,)."""
        return self.start < self.grace

    @cached_property
    def might_start(self) -> Bools:
        """In which intervals of the grace period people are followed and have not started before (n, grace)."""
        at = np.arange(self.grace)
        return np.asarray(at <= np.minimum(self.start, self.leaves)[:, None])

    @cached_property
    def starts(self) -> Bools:
        """In which of them they start (n, grace)."""
        return np.asarray(np.arange(self.grace) == self.start[:, None])

    def clones(self, strategy: int) -> tuple[Bools, Bools, Bools]:
        """One strategy's clones: under observation when an interval begins, leaving in it with the event, and without
        it, by the person's own end or by a start that departs (n, K each).
        """
        at, leaves, within = np.arange(self.intervals), self.leaves, self.within
        if strategy == WAITS:
            last = np.where(within, self.start, leaves)
            ends = self.event & ~within
            lost = within | ~self.event
        else:
            last = np.where(within, leaves, np.minimum(leaves, self.grace - 1))
            own = within | (leaves < self.grace)
            ends, lost = self.event & own, ~self.event & own
        here = at == last[:, None]
        return at <= last[:, None], here & ends[:, None], here & lost[:, None]

    def cells(self) -> Counts:
        """A number for each person (n,): start by interval, end by interval, with or without the event."""
        return np.asarray((self.start * (self.intervals + 1) + self.leaves) * 2 + self.event)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a table of those numbers."""
        return self.grace + 1, self.intervals + 1, 2


@dataclass(frozen=True)
class CloneWeights:
    """Weights of one strategy's clones (n, K + 1), the last of those still followed at the horizon; and the logarithm's
    derivative by the linear predictor of each interval in which they might have started (n, K + 1, grace).
    """

    weight: Floats
    slope: Floats


def clone_weights(people: Histories, strategy: int, eta: Floats, largest: float) -> CloneWeights:
    """Weights at log odds of starting eta (n, grace), 0 where a person might not start.

    Who waits: the inverse of the probability of not having started in all intervals before. Who is to start: 1 until
    the end of the grace period, then the inverse of the probability of a start in its last interval for those who
    started in that one (nobody departs before). A weight over `largest` is held there and does not move.
    """
    g, K, n = people.grace, people.intervals, len(eta)
    weight, slope = np.ones((n, K + 1)), np.zeros((n, K + 1, g))
    might = people.might_start
    p = np.where(might, special.expit(eta), 0.0)
    if strategy == WAITS:
        inverse = np.where(might & ~people.starts, 1.0 + np.exp(np.where(might, eta, 0.0)), 1.0)
        for j in range(1, K + 1):
            before = min(j, g)
            weight[:, j] = inverse[:, :before].prod(axis=1)
            slope[:, j, :before] = p[:, :before]
    else:
        late = people.start == g - 1
        weight[late, g:] = 1.0 + np.exp(-eta[late, g - 1])[:, None]
        slope[late, g:, g - 1] = (p[late, g - 1] - 1.0)[:, None]
    bounded = weight > largest
    return CloneWeights(np.minimum(weight, largest), np.where(bounded[:, :, None], 0.0, slope))


@dataclass(frozen=True)
class Arm:
    """One strategy's weighted numbers (K,): under observation when intervals begin, events, others who leave in it.

    squares (K,): of the weights of those under observation.
    """

    at_risk: Floats
    events: Floats
    lost: Floats
    squares: Floats

    @property
    def exposed(self) -> Floats:
        """Who leaves without the event counts half (the actuarial estimate)."""
        return self.at_risk - self.lost / 2

    @property
    def hazard(self) -> Floats:
        """Of the event in each interval (K,); 0 where nobody is left."""
        return np.divide(self.events, self.exposed, out=np.zeros_like(self.events), where=self.exposed > 0)

    @property
    def survival(self) -> Floats:
        """At the ends of the intervals (K,)."""
        return np.asarray(np.cumprod(1 - self.hazard), dtype=np.float64)

    @property
    def effective(self) -> Floats:
        """Kish's effective number of those under observation (K,)."""
        return np.divide(self.at_risk**2, self.squares, out=np.zeros_like(self.squares), where=self.squares > 0)


@dataclass(frozen=True)
class Contrast:
    """Both curves with one covariance. edges (K,): ends of intervals; covariance (2 K, 2 K): of both arms' hazards,
    those who start first.
    """

    arms: tuple[Arm, Arm]
    edges: Floats
    covariance: Floats

    def risk(self, strategy: int, end: int) -> Floats:
        """At an edge: the risk, and its gradient (1 + 2 K,) in all hazards."""
        arm, K = self.arms[strategy], len(self.edges)
        gradient = np.zeros(2 * K)
        value = float(arm.survival[end])
        gradient[strategy * K : strategy * K + end + 1] = value / (1 - arm.hazard[: end + 1])
        return np.append(1 - value, gradient)

    def mean(self, strategy: int) -> Floats:
        """The mean survival to the horizon, straight between edges, and its gradient (1 + 2 K,)."""
        widths = np.diff(np.append(0.0, self.edges))
        share = (widths + np.append(widths[1:], 0.0)) / 2
        by_edge = np.array([self.risk(strategy, end) for end in range(len(self.edges))])
        whole = share @ by_edge
        return np.append(widths[0] / 2 + share @ (1 - by_edge[:, 0]), -whole[1:])

    def error(self, gradient: Floats) -> float:
        """The standard error of what has a gradient (2 K,) in the hazards."""
        return float(np.sqrt(max(float(gradient @ self.covariance @ gradient), 0.0)))
