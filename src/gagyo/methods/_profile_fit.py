"""Newton's steps outside the hospitals for models in which each may have its own intercept, several at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np

from gagyo.errors import Stopped
from gagyo.federation.ask import Ask, Numerals, Pooled
from gagyo.finding import Finding
from gagyo.methods._newton import (
    ALIAS,
    DECREMENT,
    MOST_ROUNDS,
    Solved,
    aliased_columns,
    check_running_away,
    check_separation,
    pivots,
    solve,
    symmetric,
)
from gagyo.release.aggregate import Floats


@dataclass(frozen=True)
class Fitted:
    """Coefficients (models, q), 0 where aliased; each model's last step, with its inverse information; rounds.

    likelihoods (models,): of a linear model minus half the residual sum of squares.
    """

    coefficients: Floats
    solved: tuple[Solved, ...]
    likelihoods: Floats
    rounds: int


def size_of(q: int) -> int:
    """How many numbers a round of one model of q columns opens: score, information, squares, log-likelihood."""
    return 2 * q + q * (q + 1) // 2 + 1


@dataclass(frozen=True)
class Opened:
    """What a round of one model opened: score (q,), information (q, q), squares (q,), log-likelihood."""

    score: Floats
    information: Floats
    squares: Floats
    likelihood: float

    @classmethod
    def of(cls, values: Floats, width: int) -> Opened:
        """The sums of `_propensity.fit_values`."""
        upper = values[width : -1 - width]
        return cls(values[:width], symmetric(upper, width), values[-1 - width : -1], float(values[-1]))

    @property
    def own(self) -> Floats:
        """The information (q, q), 0 of columns that hospitals' own levels determine."""
        constant = np.diag(self.information) <= ALIAS * self.squares
        return np.where(constant[:, None] | constant, 0.0, self.information)

    def solve(self) -> Solved:
        """The step from where the sums were taken; what hospitals' own levels determine is left out as aliased."""
        return solve(self.score, self.information, aliased_columns(self.own))


def fit_profiles(
    ask: Callable[[Floats], Ask], models: int, terms: Sequence[str], people: float, linear: bool = False
) -> Generator[Ask, Pooled, Fitted]:
    """Newton-Raphson from coefficients of zero until every model's squared decrement is under DECREMENT.

    ask: the question at coefficients (models, q), which opens `fit`. A linear model's decrement is held against its
    mean squared residual, since it has a unit.
    """
    beta, rounds = np.zeros((models, len(terms))), 0
    trails: list[list[Floats]] = [[] for _ in range(models)]
    while True:
        try:
            pooled = yield ask(beta)
        except Stopped:
            for seen in trails if not linear else []:
                check_running_away(seen, terms)
            raise
        check_whole(pooled, "fit")
        rounds += 1
        found = [_step(values, seen) for values, seen in zip(pooled["fit"].reshape(models, -1), trails, strict=True)]
        beta = beta + np.array([solved.step for solved, _ in found])
        sizes = [-2 * likelihood / people if linear else 1.0 for _, likelihood in found]
        if all(one.decrement < DECREMENT * max(size, 1e-300) for (one, _), size in zip(found, sizes, strict=True)):
            return Fitted(beta, tuple(one for one, _ in found), np.array([size for _, size in found]), rounds)
        for (_, likelihood), seen in zip(found if not linear else [], trails, strict=False):
            check_separation(seen[0], seen[-1], likelihood, people, terms)
        if rounds > MOST_ROUNDS:
            raise Stopped(Finding("no_convergence", values={"found": rounds}))


def _step(values: Floats, trail: list[Floats]) -> tuple[Solved, float]:
    """A model's next step, and its log-likelihood."""
    # size_of(q) = q (q + 5) / 2 + 1
    opened = Opened.of(values, round((np.sqrt(25 + 8 * (len(values) - 1)) - 5) / 2))
    trail.append(pivots(opened.own))
    return opened.solve(), opened.likelihood


def check_whole(answer: Numerals, *names: str) -> None:
    """Raise Stopped where a privacy rule withheld something that the rest needs."""
    if not all(answer.whole(name) for name in names):
        raise Stopped(Finding("withheld_fit"))
