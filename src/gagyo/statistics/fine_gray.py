"""Fine and Gray's partial likelihood of one hospital: score, information and residuals, Breslow's for ties.

Whoever had a competing event stays at risk, with the probability of not being censored from then on as weight. It falls
apart into G(t-) of the event time and 1 / G(X-) of the person, G the Kaplan-Meier curve of censoring, so that sums over
risk sets are cumulative sums over rows. Fine & Gray (1999) J Am Stat Assoc 94:496; within strata Zhou et al. (2011)
Biometrics 67:661.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Censoring:
    """The Kaplan-Meier curve of censoring: times (C,) at which somebody is censored, the hazard there, of how many.

    Of an event and a censoring at one time the event came first, as ever in survival analysis. left: (C + 1,) the share
    not censored, before the first time and after each. passed: (n,) how many of the times each person was at risk at;
    own: (n,) the number of each censored person's time.
    """

    times: Floats
    hazard: Floats
    at_risk: Floats
    left: Floats
    passed: Numbers
    own: Numbers

    @classmethod
    def of(cls, exits: Floats, censored: Flags) -> Censoring:
        """From exits (n,) in order, and who of them was censored."""
        times, many = np.unique(exits[censored], return_counts=True)
        at_risk = (len(exits) - np.searchsorted(exits[~censored], times, side="right")) - (
            np.searchsorted(exits[censored], times, side="left")
        )
        own = np.searchsorted(times, exits, side="left")
        passed = own + censored
        hazard = many / at_risk
        left = np.append(1.0, np.cumprod(1.0 - hazard))
        return cls(times, hazard, at_risk.astype(np.float64), left, passed, own)

    def before(self, times: Floats) -> Floats:
        """G(t-) at each of `times`: the probability of not being censored before."""
        return np.asarray(self.left[np.searchsorted(self.times, times, side="left")])


@dataclass(frozen=True)
class RiskSets:
    """One hospital in the order of its exits.

    X: (n, p) about the columns' means, `centre` (p,). event, competing: (n,). times, deaths: (K,) distinct times of the
    event and how many had it; first: (K,) the first row that has not left before; passed: (n,) the event times until
    each row's exit.
    """

    X: Floats
    centre: Floats
    exits: Floats
    event: Flags
    competing: Flags
    times: Floats
    deaths: Numbers
    first: Numbers
    passed: Numbers
    censoring: Censoring

    @cached_property
    def at_times(self) -> Floats:
        """(K,) G(t-) at the event times."""
        return self.censoring.before(self.times)

    @cached_property
    def at_exits(self) -> Floats:
        """(n,) 1 / G(X-) of those with a competing event, 0 of all others."""
        return np.where(self.competing, 1.0 / self.censoring.before(self.exits), 0.0)

    @cached_property
    def sums_of_events(self) -> Floats:
        """(p,) the sum of the columns over those with the event."""
        return np.asarray(self.X[self.event].sum(axis=0))

    def over_risk_sets(self, values: Floats) -> Floats:
        """Sums of values (n, q), weighted, over the risk set of each event time: (K, q)."""
        there = np.cumsum(values[::-1], axis=0)[::-1]
        gone = _from_zero(values * self.at_exits[:, None])
        return np.asarray(there[self.first] + self.at_times[:, None] * gone[self.first])

    def gone_through(self, per_time: Floats) -> Floats:
        """Sums of values by event time (K, q) over the times at which each row was at risk, weighted: (n, q)."""
        until, weighted = _from_zero(per_time), _from_zero(per_time * self.at_times[:, None])
        return np.asarray(until[self.passed] + self.at_exits[:, None] * (weighted[-1] - weighted[self.passed]))


def _from_zero(values: Floats) -> Floats:
    """Cumulative sums of rows (n, q), beginning with nothing: (n + 1, q)."""
    return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])


def risk_sets(X: Floats, exits: Floats, event: Flags, competing: Flags) -> RiskSets:
    """The risk sets of columns X (n, p), times of exit (n,), who had the event and who a competing one (n,)."""
    order = np.argsort(exits, kind="stable")
    time, had, other = exits[order], event[order], competing[order]
    centre = X.mean(axis=0) if len(X) else np.zeros(X.shape[1])
    centred = X[order] - centre
    centred[:, np.ptp(X, axis=0) == 0 if len(X) else slice(None)] = 0.0  # a constant column is exactly nothing
    times, deaths = np.unique(time[had], return_counts=True)
    first = np.searchsorted(time, times, side="left")
    passed = np.searchsorted(times, time, side="right")
    censoring = Censoring.of(time, ~had & ~other)
    return RiskSets(centred, centre, time, had, other, times, deaths.astype(np.int64), first, passed, censoring)


@dataclass(frozen=True)
class Fitted:
    """The partial likelihood at coefficients beta (p,): weight (n,) exp(x'beta) to a common factor; at_risk (K,) its
    weighted sums over risk sets; means (K, p) of the columns over them."""

    sets: RiskSets
    weight: Floats
    at_risk: Floats
    means: Floats
    likelihood: float
    top: float

    @property
    def increments(self) -> Floats:
        """(K, 1) of the baseline subdistribution hazard, to the factor of the weights."""
        return (self.sets.deaths / self.at_risk)[:, None]

    @property
    def hazards(self) -> Floats:
        """(K,) increments of the baseline subdistribution hazard, where all columns are at their means here."""
        return np.asarray(self.increments[:, 0] * np.exp(-self.top))

    @cached_property
    def score(self) -> Floats:
        """(p,) the gradient of the log partial likelihood."""
        return np.asarray(self.sets.sums_of_events - self.sets.deaths @ self.means)

    @cached_property
    def expected(self) -> Floats:
        """(n,) each person's expected number of events."""
        return np.asarray(self.weight * self.sets.gone_through(self.increments)[:, 0])

    @cached_property
    def information(self) -> Floats:
        """(p, p) minus the second derivative of the log partial likelihood."""
        X = self.sets.X
        return np.asarray(X.T @ (X * self.expected[:, None]) - self.means.T @ (self.means * self.sets.deaths[:, None]))

    @cached_property
    def residuals(self) -> Floats:
        """(n, p) each person's part of the score, with the censoring as if it were known."""
        sets = self.sets
        through = sets.gone_through(self.increments * self.means)
        out = self.weight[:, None] * through - self.expected[:, None] * sets.X
        at = np.searchsorted(sets.times, sets.exits[sets.event])
        out[sets.event] += sets.X[sets.event] - self.means[at]
        return np.asarray(out)

    @cached_property
    def of_censoring(self) -> Floats:
        """(n, p) what each person's part in the estimate of the censoring adds to their part of the score: psi of Fine
        and Gray's variance.
        """
        sets, curve = self.sets, self.sets.censoring
        if not len(curve.times) or not len(sets.times):
            return np.zeros(sets.X.shape)
        per_risk = self._pull() / curve.at_risk[:, None]
        out = -_from_zero(per_risk * curve.hazard[:, None])[curve.passed]
        alone = ~sets.event & ~sets.competing
        out[alone] += per_risk[curve.own[alone]]
        return np.asarray(out)

    def _pull(self) -> Floats:
        """(C, p) of each time of censoring u: what those whose competing event came by then expect after u."""
        sets = self.sets
        before = np.searchsorted(sets.exits, sets.censoring.times, side="right")
        weight = (self.weight * sets.at_exits)[:, None]
        ones, columns = _from_zero(weight)[before], _from_zero(weight * sets.X)[before]
        rates = self.increments * sets.at_times[:, None]
        hazard, means = _from_zero(rates), _from_zero(rates * self.means)
        later = np.searchsorted(sets.times, sets.censoring.times, side="right")
        return np.asarray(columns * (hazard[-1] - hazard[later]) - ones * (means[-1] - means[later]))


def evaluate(sets: RiskSets, beta: Floats) -> Fitted:
    """The partial likelihood of a hospital at coefficients beta (p,)."""
    eta = sets.X @ beta
    top = float(eta.max(initial=-np.inf)) if len(eta) else 0.0
    weight = np.exp(eta - top)
    at_risk = sets.over_risk_sets(weight[:, None])[:, 0]
    means = sets.over_risk_sets(weight[:, None] * sets.X) / at_risk[:, None]
    likelihood = float(eta[sets.event].sum() - top * sets.deaths.sum() - sets.deaths @ np.log(at_risk))
    return Fitted(sets, weight, at_risk, means, likelihood, top)
