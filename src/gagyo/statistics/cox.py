"""Cox's partial likelihood of one stratum: its score, information and residuals, Efron or Breslow, by risk sets.

Rows are put in the order of their exits once; each evaluation is then two passes over them. The second moment of a
risk set is never formed: the sum over exits of a_k S2(t_k) is X' diag(w H) X, H the hazard that a person went through.
Cox (1972) J R Stat Soc B 34:187; Efron (1977) J Am Stat Assoc 72:557; Breslow (1974) Biometrics 30:89.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Floats = NDArray[np.float64]
Ties = Literal["efron", "breslow"]
TIES: tuple[Ties, ...] = get_args(Ties)
"""By the number that stands for them in a question."""

BLOCK = 8192
"""Rows at a time: a block of 20 columns and its weighted copy stay in the processor's cache."""


@dataclass(frozen=True)
class RiskSets:
    """One stratum in the order of its exits, events before censorings at the same time.

    X: (n + 1, p) about the columns' means, with a row of zeros at the end. times: (K,) distinct times of events.
    first: (K,) the first row at risk; deaths: (K,) how many had the event, the rows that start there. entered: (n,) how
    many event times had passed at each person's entry, None where all were there from the start. who: (n,) whose each
    row is, from 0 on, where a person may have several; None where each row is a person. counts: (n,) how much each
    row counts, None where all count 1; of tied events each has their mean, as in R's `coxph(weights = )`.
    """

    X: Floats
    times: Floats
    first: NDArray[np.int64]
    deaths: NDArray[np.int64]
    entered: NDArray[np.int64] | None
    who: NDArray[np.int64] | None = None
    counts: Floats | None = None

    @property
    def people(self) -> int:
        """How many rows there are: people, or their episodes."""
        return len(self.X) - 1

    @property
    def events(self) -> int:
        """How many had the event."""
        return int(self.deaths.sum())

    @cached_property
    def mass(self) -> Floats:
        """(K,) how much those with the event count at each time."""
        if self.counts is None:
            return self.deaths.astype(np.float64)
        return self.per_time(np.append(self.counts, 0.0))[0]

    def counted(self, values: Floats) -> Floats:
        """Values (n, ...) or (n + 1, ...) of rows, times what each counts."""
        if self.counts is None:
            return values
        counts = np.append(self.counts, 0.0)[: len(values)]
        return np.asarray(values * counts.reshape(-1, *[1] * (values.ndim - 1)))

    @cached_property
    def segments(self) -> NDArray[np.int64]:
        """(2K,) where the rows of each event time start: those with the event, then all others until the next."""
        return np.stack([self.first, self.first + self.deaths], axis=1).ravel()

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(2K,) how many rows each segment has."""
        return np.diff(np.append(self.segments, self.people))

    @cached_property
    def with_event(self) -> NDArray[np.int64]:
        """(events,) the rows of those with the event."""
        return np.repeat(self.first, self.deaths) + self.turn.astype(np.int64)

    @cached_property
    def turn(self) -> Floats:
        """(events,) 0, 1, 2, ... within each event time."""
        before = np.cumsum(self.deaths) - self.deaths
        return (np.arange(self.events) - np.repeat(before, self.deaths)).astype(np.float64)

    @cached_property
    def share(self) -> Floats:
        """(events,) Efron's share l / d of the tied deaths that has left the risk set."""
        return self.turn / np.repeat(self.deaths, self.deaths)

    @cached_property
    def sums_of_events(self) -> Floats:
        """(K, p) the sum of the columns over those with the event at each time."""
        return self.per_time(self.counted(self.X).T)[0].T

    @cached_property
    def reach(self) -> Floats:
        """(p,) the greatest distance of a value from its column's mean."""
        return np.asarray(np.maximum(self.X.max(axis=0), -self.X.min(axis=0)))

    @cached_property
    def squares_of_events(self) -> Floats:
        """(p,) the sum of squares of the columns over those with the event."""
        squares = self.X[self.with_event] ** 2
        return np.asarray(squares.sum(axis=0) if self.counts is None else self.counts[self.with_event] @ squares)

    def per_time(self, values: Floats) -> tuple[Floats, Floats]:
        """Of values (..., n + 1), the last one 0: sums over the events of each time, and over its risk set (..., K)."""
        if not len(self.times):
            return np.zeros((*values.shape[:-1], 0)), np.zeros((*values.shape[:-1], 0))
        parts = np.add.reduceat(values, self.segments, axis=-1)
        parts[..., self.lengths == 0] = 0.0
        events = parts[..., ::2]
        at_risk = np.cumsum((events + parts[..., 1::2])[..., ::-1], axis=-1)[..., ::-1]
        return events, at_risk - self._not_yet(values)

    def _not_yet(self, values: Floats) -> Floats | float:
        """Of each time's risk set by exits alone, the part that has not entered by then."""
        if self.entered is None:
            return 0.0
        size = len(self.times) + 1
        flat = values[..., :-1].reshape(-1, self.people)
        parts = np.array([np.bincount(self.entered, row, minlength=size) for row in flat])
        later = np.cumsum(parts[:, ::-1], axis=1)[:, ::-1][:, 1:]
        return later.reshape(*values.shape[:-1], size - 1)

    def by_person(self, values: Floats) -> Floats:
        """Of values (n, ...) of rows the sums over each person's: (persons, ...)."""
        if self.who is None:
            return values
        persons, whose = np.unique(self.who, return_inverse=True)
        out = np.zeros((len(persons), *values.shape[1:]))
        np.add.at(out, whose, values)
        return out

    def gone_through(self, per_time: Floats) -> Floats:
        """The sum of values by event time (K,) or (K, q) over the times at which each row was at risk: (n, ...)."""
        total = np.concatenate([np.zeros((1, *per_time.shape[1:])), np.cumsum(per_time, axis=0)])
        passed = np.repeat(total[1:], self.lengths.reshape(-1, 2).sum(axis=1), axis=0)
        early = self.people - len(passed)
        out = np.concatenate([np.zeros((early, *per_time.shape[1:])), passed]) if early else passed
        return out if self.entered is None else out - total[self.entered]


def risk_sets(
    X: Floats,
    exits: Floats,
    event: NDArray[np.bool_],
    entries: Floats | None = None,
    who: NDArray[np.int64] | None = None,
    counts: Floats | None = None,
) -> RiskSets:
    """The risk sets of columns X (n, p), times of exit (n,), who had the event (n,), and times of entry (n,).

    A person is at risk at t where entry < t <= exit. who: (n,) whose each row is, where rows are episodes. counts: (n,)
    how much each row counts, where not all count 1.
    """
    order = by_exit(exits, event)
    time, had = exits[order], event[order]
    sorted_X = np.zeros((len(time) + 1, X.shape[1]), order="F")
    for j in range(X.shape[1]):
        column = X[:, j]
        if len(time) and column.min() < column.max():  # a constant column is exactly nothing about its mean
            np.take(column, order, out=sorted_X[:-1, j])
            sorted_X[:-1, j] -= column.mean()
    times, deaths = np.unique(time[had], return_counts=True)
    first = np.searchsorted(time, times, side="left")
    entered = None
    if entries is not None and len(times) and bool((entries >= times[0]).any()):
        entered = np.searchsorted(times, entries[order], side="right")
    whose, counts = None if who is None else who[order], None if counts is None else counts[order]
    return RiskSets(sorted_X, times, first, deaths.astype(np.int64), entered, whose, counts)


def by_exit(exits: Floats, event: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Rows by exit, events first. Whole numbers of days sort by their digits, in a tenth of the time."""
    if len(exits) and exits.min() >= 0 and exits.max() < 2**15 and bool((exits == np.floor(exits)).all()):
        return np.argsort((2 * exits + ~event).astype(np.uint16), kind="stable")
    return np.lexsort((~event, exits))


@dataclass(frozen=True)
class Fitted:
    """The partial likelihood at coefficients `beta` (p,).

    weight: (n + 1,) exp(x'beta), to a common factor, times what a row counts. at_risk, of_events: (K, p + 1) sums of
    weight and of weight times x over each risk set and over its events. inverse, shared: (K,) sums over the tied deaths
    l of 1 / phi and of (l / d) / phi, phi what is left of the risk set; squares: (3, K) sums of 1, l / d and (l / d)^2
    over phi^2.
    """

    sets: RiskSets
    weight: Floats
    at_risk: Floats
    of_events: Floats
    inverse: Floats
    shared: Floats
    squares: Floats
    likelihood: float

    @cached_property
    def means(self) -> Floats:
        """(K, p) the mean of x over each risk set, averaged over its tied deaths."""
        sums = self.at_risk[:, 1:] * self.inverse[:, None] - self.of_events[:, 1:] * self.shared[:, None]
        return np.asarray(sums / self.sets.mass[:, None])

    @cached_property
    def score(self) -> Floats:
        """(p,) the gradient of the log partial likelihood."""
        return np.asarray((self.sets.sums_of_events - self.sets.mass[:, None] * self.means).sum(axis=0))

    @cached_property
    def hazard(self) -> Floats:
        """(n,) the hazard that each person has gone through, to the factor of the weights; a tied death in part."""
        return self._hazard(np.ones(len(self.sets.times)))

    def _hazard(self, by_time: Floats) -> Floats:
        out = self.sets.gone_through(self.inverse * by_time)
        out[self.sets.with_event] -= np.repeat(self.shared * by_time, self.sets.deaths)
        return out

    @cached_property
    def expected(self) -> Floats:
        """(n,) each person's expected number of events, times what they count; the event less this is the martingale
        residual.
        """
        return np.maximum(self.weight[:-1] * self.hazard, 0.0)

    @cached_property
    def second_moments(self) -> Floats:
        """(p, p) X' diag(expected) X, upper triangle: what is left of it after the means is the information."""
        X, p = self.sets.X, self.sets.X.shape[1]
        root = np.sqrt(self.expected)
        out = np.zeros((p, p), order="F")
        buffer = np.empty((min(BLOCK, max(self.sets.people, 1)), p), order="F")
        for start in range(0, self.sets.people, BLOCK):
            part = slice(start, min(start + BLOCK, self.sets.people))
            block = buffer[: part.stop - start]
            np.multiply(X[part], root[part, None], out=block)
            out = linalg.blas.dsyrk(1.0, block, beta=1.0, c=out, trans=1, overwrite_c=1)
        return out

    @cached_property
    def information(self) -> Floats:
        """(p, p) minus the second derivative of the log partial likelihood."""
        upper = np.triu(self.second_moments)
        return upper + np.triu(upper, 1).T - self._of_means(np.ones(len(self.sets.times)))

    def _of_means(self, by_time: Floats) -> Floats:
        """(p, p) the sum over times, weighted, and tied deaths, of the products of the risk set's means."""
        one, share, both = self.squares * by_time
        S, D = self.at_risk[:, 1:], self.of_events[:, 1:]
        mixed = S.T @ (D * share[:, None])
        return np.asarray(S.T @ (S * one[:, None]) - mixed - mixed.T + D.T @ (D * both[:, None]))

    def weighted_information(self, by_time: Floats) -> Floats:
        """(p, p) the information with each time's part multiplied by `by_time` (K,)."""
        X = self.sets.X[:-1]
        return np.asarray(X.T @ (X * (self.weight[:-1] * self._hazard(by_time))[:, None]) - self._of_means(by_time))

    def weighted_score(self, by_time: Floats) -> Floats:
        """(p,) the sum of Schoenfeld residuals, each time's multiplied by `by_time` (K,)."""
        residuals = self.sets.sums_of_events - self.sets.mass[:, None] * self.means
        return np.asarray(by_time @ residuals)

    def residuals(self, by_time: Floats | None = None) -> Floats:
        """(n, p) score residuals, rows in the order of the exits: each person's part of the (weighted) score.

        Lin & Wei (1989) J Am Stat Assoc 84:1074; ties as in R's residuals.coxph(type = "score").
        """
        sets, X = self.sets, self.sets.X[:-1]
        times = np.ones(len(sets.times)) if by_time is None else by_time
        one, share, both = self.squares * times
        S, D = self.at_risk[:, 1:], self.of_events[:, 1:]
        through = sets.gone_through(S * one[:, None] - D * share[:, None])
        out = -self.weight[:-1, None] * (X * self._hazard(times)[:, None] - through)
        which = np.repeat(np.arange(len(sets.times)), sets.deaths)
        tied = (S * share[:, None] - D * both[:, None])[which]
        own = (X[sets.with_event] - self.means[which]) * times[which, None]
        if sets.counts is not None:
            own *= sets.counts[sets.with_event, None]
        out[sets.with_event] += own - self.weight[sets.with_event, None] * tied
        return out

    @property
    def schoenfeld_squares(self) -> Floats:
        """(p,) the sum of squared Schoenfeld residuals, without a pass over the rows."""
        sets = self.sets
        cross = (self.means * sets.sums_of_events).sum(axis=0)
        return np.asarray(sets.squares_of_events - 2 * cross + sets.mass @ self.means**2)


def evaluate(sets: RiskSets, beta: Floats, ties: Ties = "efron") -> Fitted:
    """The partial likelihood of a stratum at coefficients beta (p,)."""
    X, K = sets.X, len(sets.times)
    eta = X[:-1] @ beta
    top = float(eta.max()) if len(eta) else 0.0
    weight = np.zeros(len(X))
    np.exp(np.subtract(eta, top, out=eta), out=weight[:-1])
    if sets.counts is not None:
        weight[:-1] *= sets.counts
    of_events, at_risk = np.empty((K, 1 + X.shape[1])), np.empty((K, 1 + X.shape[1]))
    of_events[:, 0], at_risk[:, 0] = sets.per_time(weight)
    product = np.empty(len(X))
    for j in range(X.shape[1]):
        np.multiply(weight, X[:, j], out=product)
        of_events[:, j + 1], at_risk[:, j + 1] = sets.per_time(product)
    inverse, shared, squares, logs = tied(at_risk[:, 0], of_events[:, 0], sets, ties)
    likelihood = float((sets.sums_of_events @ beta).sum() - top * sets.mass.sum() - logs)
    return Fitted(sets, weight, at_risk, of_events, inverse, shared, squares, likelihood)


def tied(at_risk: Floats, of_events: Floats, sets: RiskSets, ties: Ties) -> tuple[Floats, Floats, Floats, float]:
    """`Fitted`'s inverse, shared and squares, and the sum of log phi, of risk sets (K,) and their events (K,).

    All are times the mean of what the tied events count.
    """
    d = sets.deaths
    if ties == "breslow" or not len(d):
        one, none = sets.mass / at_risk, np.zeros(len(d))
        return one, none, np.array([one / at_risk, none, none]), float(sets.mass @ np.log(at_risk))
    share = sets.share
    left = np.repeat(at_risk, d) - share * np.repeat(of_events, d)
    starts = np.cumsum(d) - d
    over = 1.0 / left
    part = share * over
    inverse, shared, *squares = (np.add.reduceat(one, starts) for one in (over, part, over**2, over * part, part**2))
    mean = sets.mass / d
    logs = float(np.repeat(mean, d) @ np.log(left))
    return inverse * mean, shared * mean, np.array(squares) * mean, logs


def null_likelihood(sets: RiskSets, ties: Ties = "efron") -> float:
    """The log partial likelihood of no effect."""
    ones = np.append(np.ones(sets.people) if sets.counts is None else sets.counts, 0.0)
    of_events, at_risk = sets.per_time(ones)
    return -tied(at_risk, of_events, sets, ties)[3]
