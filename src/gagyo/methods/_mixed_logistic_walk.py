"""Newton's steps of a logistic mixed model, outside the hospitals: without a variance, then from a deviation of 1."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.errors import Stopped
from gagyo.federation.ask import Ask, Pooled
from gagyo.finding import Finding
from gagyo.methods._newton import (
    DECREMENT,
    MOST_ROUNDS,
    aliased_columns,
    check_running_away,
    check_separation,
    pivots,
    symmetric,
)
from gagyo.release.aggregate import Floats

START = 1.0
"""The deviation to start from, as glmer does."""

NOTHING = 1e-3
"""A deviation under this, on its way down, is on its way to zero: the likelihood is even in it."""

FARTHEST = 16.0
"""The greatest deviation that is asked for: an odds ratio of nine million between like clusters."""


@dataclass(frozen=True)
class Opened:
    """What a round opened: log-likelihood, gradient (q,) and Hessian (q, q), the deviation's last if there is one."""

    likelihood: float
    gradient: Floats
    hessian: Floats
    events: int
    groups: int

    @classmethod
    def of(cls, values: Floats, width: int) -> Opened:
        """The sums of `mixed_logistic.laplace`."""
        gradient, upper = values[1 : 1 + width], values[1 + width : -2]
        return cls(float(values[0]), gradient, symmetric(upper, width), round(values[-2]), round(values[-1]))

    @property
    def curved_up(self) -> bool:
        """Whether the likelihood rises to both sides of the deviation."""
        return bool(self.hessian[-1, -1] > 0)


@dataclass(frozen=True)
class Fit:
    """An optimum: parameters (q,), 0 where aliased; the variance (q, q) of those that vary, 0 of others; likelihoods.

    without: the log-likelihood without a variance. singular: the deviation's optimum is zero.
    """

    parameters: Floats
    variance: Floats
    aliased: NDArray[np.bool_]
    likelihood: float
    without: float
    singular: bool
    events: int
    groups: int
    people: int
    sites: tuple[str, ...]
    rounds: int


@dataclass
class Walk:
    """Where a fit is. ask: the question at parameters (q,), the deviation's last. random: whether it is free."""

    ask: Callable[[Floats], Ask]
    width: int
    terms: Sequence[str]
    random: bool
    rounds: int = 0

    def fit(self) -> Generator[Ask, Pooled, Fit]:
        """Without a variance, then with one; the greater likelihood stays."""
        at, plain, aliased, pooled = yield from self._without()
        people = int(pooled["people"][0])
        free = ~aliased
        singular, whole = self.random, plain
        if self.random:
            free[-1] = True
            moved, found, pooled = yield from self._with(at, free)
            singular = abs(moved[-1]) < NOTHING or found.likelihood <= plain.likelihood
            if not singular:
                at, whole = moved, found
        if singular:
            at[-1], free[-1] = 0.0, False
        variance = np.zeros((self.width, self.width))
        kept = np.flatnonzero(free)
        variance[np.ix_(kept, kept)] = np.linalg.inv(-whole.hessian[np.ix_(kept, kept)])
        return Fit(
            at,
            variance,
            aliased,
            whole.likelihood,
            plain.likelihood,
            singular,
            whole.events,
            whole.groups,
            people,
            pooled.sites,
            self.rounds,
        )

    def _without(self) -> Generator[Ask, Pooled, tuple[Floats, Opened, NDArray[np.bool_], Pooled]]:
        """The logistic fit, in which each cluster's intercept is zero."""
        at, seen = np.zeros(self.width), list[Floats]()
        fixed = self.width - int(self.random)
        while True:
            try:
                pooled, opened = yield from self._hear(at)
            except Stopped:
                check_running_away(seen, self.terms)
                raise
            information = -opened.hessian[:fixed, :fixed]
            seen.append(pivots(information))
            aliased = np.ones(self.width, bool)
            aliased[:fixed] = aliased_columns(information)
            step, decrement = _step(opened, ~aliased)
            at = at + step
            if decrement < DECREMENT:
                return at, opened, aliased, pooled
            check_separation(seen[0], seen[-1], opened.likelihood, pooled["people"][0], self.terms)

    def _with(self, at: Floats, free: NDArray[np.bool_]) -> Generator[Ask, Pooled, tuple[Floats, Opened, Pooled]]:
        """Newton's method with halved steps, to where the variance is best, or to where it vanishes."""
        at = np.append(at[:-1], START)
        pooled, best = yield from self._hear(at)
        while True:
            step, decrement = _step(best, free)
            if decrement < DECREMENT:
                return _folded(at + step), best, pooled
            reach = min(1.0, (FARTHEST - at[-1]) / step[-1] if step[-1] > 0 else 1.0)
            while True:
                tried = _folded(at + reach * step)
                if tried[-1] < NOTHING and not best.curved_up:
                    return tried, best, pooled
                heard, opened = yield from self._hear(tried)
                if opened.likelihood >= best.likelihood - 1e-10 * abs(best.likelihood):
                    break
                reach /= 2
            at, best, pooled = tried, opened, heard

    def _hear(self, at: Floats) -> Generator[Ask, Pooled, tuple[Pooled, Opened]]:
        if self.rounds >= MOST_ROUNDS:
            raise Stopped(Finding("no_convergence", values={"found": self.rounds}))
        self.rounds += 1
        pooled = yield self.ask(at)
        if not pooled.whole("people") or not pooled.whole("fit"):
            raise Stopped(Finding("withheld_fit"))
        return pooled, Opened.of(pooled["fit"], self.width)


def _folded(at: Floats) -> Floats:
    """The same point with a deviation that is not negative: the likelihood is even in it."""
    return np.append(at[:-1], abs(at[-1]))


def _step(opened: Opened, free: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Newton's step over what is free, always uphill, and its squared decrement.

    Where the likelihood is not concave, curves the wrong way are turned round (Nocedal and Wright, section 3.4).
    """
    kept = np.flatnonzero(free)
    H = -opened.hessian[np.ix_(kept, kept)]
    size = 1 / np.sqrt(np.maximum(np.abs(np.diag(H)), 1e-300))
    values, vectors = np.linalg.eigh(H * np.outer(size, size))
    turned = np.maximum(np.abs(values), 1e-8)
    step = np.zeros(len(free))
    slope = opened.gradient[kept] * size
    step[kept] = vectors @ ((vectors.T @ slope) / turned) * size
    decrement = float(opened.gradient @ step)
    return step, decrement if (values > 0).all() else np.inf
