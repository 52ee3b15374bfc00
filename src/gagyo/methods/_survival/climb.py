"""The climb up a partial likelihood whose score and information hospitals send, and the sandwich at its top."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np

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
    solve,
    symmetric,
    triangle,
)
from gagyo.release.aggregate import Floats

LIKELIHOOD_BOUND = 1024.0
"""Scale of the log-likelihood in the ring; one person's share at honest coefficients is far below it."""


def fit_scales(bound: Floats) -> Floats:
    """Of columns that are at most `bound` (p,) apart: score, information (triangle) and two log-likelihoods."""
    upper, right = triangle(len(bound))
    return np.concatenate([bound, bound[upper] * bound[right], [LIKELIHOOD_BOUND] * 2])


def sandwich(inverse: Floats, meat: Floats) -> Floats:
    """The covariance (p, p) from the inverse information, NaN where aliased, and the meat's upper triangle."""
    bread = np.nan_to_num(inverse)
    return np.where(np.isnan(inverse), np.nan, bread @ symmetric(meat, len(bread)) @ bread)


class Climb:
    """Newton steps up the partial likelihood; a step that does not climb is halved. `best` is after the last step."""

    def __init__(self, beta: Floats, terms: list[str], people: int) -> None:
        self.beta, self.best = beta, beta
        self.terms, self.people = terms, people
        self.trail: list[Floats] = []
        self.likelihood, self.null = -np.inf, -np.inf
        self._from, self._step = beta, np.zeros(len(beta))

    def to_the_top(
        self, ask: Callable[[Floats], Ask], rounds: int, enough: float = DECREMENT, check: bool = True
    ) -> Generator[Ask, Pooled, tuple[Pooled, int]]:
        """Climb until the squared decrement is under `enough`: the last answer, and how many rounds there were in all.

        Raises:
            Stopped: the data are separated, the gate withheld the fit, or it did not converge.
        """
        while True:
            try:
                pooled = yield ask(self.beta)
            except Stopped:
                # Where a coefficient has no finite estimate the fit runs away and the gate refuses it.
                check_running_away(self.trail, self.terms)
                raise
            rounds += 1
            if self.arrived(pooled["fit"], enough, check):
                return pooled, rounds
            if rounds > MOST_ROUNDS:
                raise Stopped(Finding("no_convergence", values={"found": rounds}))

    def arrived(self, values: Floats, enough: float, check: bool) -> bool:
        """Take in one round's sums; whether the squared decrement is under `enough`."""
        if np.isnan(values).any():
            raise Stopped(Finding("withheld_fit"))
        p = len(self.beta)
        score, upper, (likelihood, self.null) = values[:p], values[p:-2], values[-2:]
        information = symmetric(upper, p)
        if likelihood < self.likelihood - 1e-9 * (1 + abs(self.likelihood)):
            self._step = self._step / 2
            self.beta = self._from + self._step
            return False
        self.likelihood, self.information = float(likelihood), information
        self.trail.append(pivots(information))
        self.solved = solve(score, information, aliased_columns(information))
        self.best = self.beta + self.solved.step
        if self.solved.decrement < enough:
            return True
        if check:
            check_separation(self.trail[0], self.trail[-1], -float(self.people), self.people, self.terms)
        self._from, self._step, self.beta = self.beta, self.solved.step, self.best
        return False
