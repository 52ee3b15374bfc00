"""How Firth's penalised likelihood is climbed outside the hospitals: to its maximum, a restricted one, or a limit.

The matrix that a step is taken by is the information, and what the steps before say that the penalty adds to it: a
structured secant update of rank one (Nocedal & Wright 2006, Numerical Optimization, 2nd edition, sections 6.2, 10.3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.methods._newton import Solved, solve
from gagyo.release.aggregate import Floats

Bools = NDArray[np.bool_]

DECREMENT = 1e-20
"""Stop where the squared decrement is under this: such steps gain two or more digits a round."""

LONGEST = (8.0, 2.0)
"""The most that a round moves people's log odds, as a root mean square: to a maximum, and to a limit.

Far out the information says little, and where outcomes are separated the profile has lesser maxima beside its ridge.
"""

NEAR = 0.5
"""How near its goal, in log-likelihood, a walk to a limit takes steps onto it."""

RIDGE = 0.05
"""The squared decrement over the other columns, from which on a walk to a limit first goes back to their maximum."""

TOO_FAR = 4.0
"""How far under its goal a walk to a limit may fall before half the way is gone back."""


@dataclass(frozen=True)
class Seen:
    """What two rounds opened at coefficients: score (p,), information (p, p) and log-likelihood, penalised."""

    score: Floats
    information: Floats
    likelihood: float

    def turned(self, turn: Floats) -> Seen:
        """The same of coefficients that are `turn` (p, p) times others, for the others."""
        return Seen(turn.T @ self.score, turn.T @ self.information @ turn, self.likelihood)


@dataclass
class Walk:
    """One model on its way: coefficients (p,), of which the columns `free` (p,) move.

    turn: the matrix (p, p) that they are times to be those of columns about the middles. column, goal, side: of a
    limit, the column that it is of, the likelihood that it ends at, and 1 up or -1 down. penalty: what the penalty adds
    to the information, as learnt. frame: the information of the first round of all, over the sum of its weights.
    """

    beta: Floats
    free: Bools
    turn: Floats
    penalty: Floats
    frame: Floats | None = None
    column: int = -1
    goal: float = -np.inf
    side: int = 0
    seen: Seen | None = None
    moved: Floats | None = None
    rounds: int = 0
    done: bool = False

    @property
    def asked(self) -> Floats:
        """The coefficients (p,) that the hospitals are asked at."""
        return np.asarray(self.turn @ self.beta)

    def hears(self, opened: Seen) -> None:
        """Take in a round and go on; half the way back where it led downhill, or too far below a limit's goal."""
        seen, before = opened.turned(self.turn), self.seen
        self.rounds += 1
        if before is not None and self.moved is not None:
            slack = 1e-9 * (1 + abs(before.likelihood))
            floor = self.goal - TOO_FAR if self.side else before.likelihood - slack
            if not seen.likelihood >= floor:
                self.moved = self.moved / 2
                self.beta = self.beta - self.moved
                return
            self._learn(before, seen, self.moved)
        if self.frame is None:
            self.frame = seen.information / seen.information[0, 0]
        self.seen = seen
        step, decrement = self._step(seen)
        size = float(np.sqrt(step @ self.frame @ step)) / LONGEST[abs(self.side)]
        self.moved = step / max(size, 1.0)
        self.beta = self.beta + self.moved
        self.done = decrement < DECREMENT

    def _learn(self, before: Seen, seen: Seen, moved: Floats) -> None:
        """Symmetric update of rank one of what the penalty adds to the information."""
        rest = before.score - seen.score - (seen.information + self.penalty) @ moved
        rest = np.where(self.free, rest, 0.0)
        along = float(rest @ moved)
        if abs(along) > 1e-8 * float(np.linalg.norm(rest) * np.linalg.norm(moved)):
            self.penalty = self.penalty + np.outer(rest, rest) / along

    def _step(self, seen: Seen) -> tuple[Floats, float]:
        """The way to go (p,), and the squared decrement; to a limit, Venzon and Moolgavkar's."""
        solved = self._solved(seen)
        if not self.side:
            return solved.step, solved.decrement
        ridge = self._ridge(seen)
        if ridge.decrement > RIDGE:
            return ridge.step, np.inf
        if abs(seen.likelihood - self.goal) < NEAR:
            step = self._onto_goal(seen)
            return step, float(step**2 @ np.diag(seen.information))
        over = 2 * (seen.likelihood - self.goal) + solved.decrement
        if over <= 0:  # from here no quadratic reaches up to the goal
            return solved.step / 2, np.inf
        along = np.nan_to_num(solved.inverse[self.column])
        step = solved.step + self.side * np.sqrt(over / along[self.column]) * along
        return step, float(step**2 @ np.diag(seen.information))

    def _ridge(self, seen: Seen) -> Solved:
        """The way back to the maximum over all other columns, off which other stationary places are met."""
        others = self.free & (np.arange(len(self.free)) != self.column)
        matrix = seen.information + self.penalty
        if others.any() and not _positive(matrix[np.ix_(others, others)]):
            matrix = seen.information
        return solve(seen.score, matrix, ~others)

    def _onto_goal(self, seen: Seen) -> Floats:
        """Newton's step (p,) for equations: the other columns' scores are 0, and the likelihood is the goal.

        Far out the penalised likelihood is not concave, which equations, unlike a maximum, do not mind.
        """
        kept = np.flatnonzero(self.free)
        matrix, wanted = -(seen.information + self.penalty), -seen.score
        matrix[self.column], wanted[self.column] = seen.score, self.goal - seen.likelihood
        size = 1 / np.sqrt(np.diag(seen.information)[kept])
        step = np.zeros(len(wanted))
        step[kept] = np.linalg.lstsq(matrix[np.ix_(kept, kept)] * size, wanted[kept], rcond=None)[0] * size
        return step

    def _solved(self, seen: Seen) -> Solved:
        """The step by the information with what was learnt, where that is positive; else by the information."""
        matrix = seen.information + self.penalty
        if _positive(matrix[np.ix_(self.free, self.free)]):
            return solve(seen.score, matrix, ~self.free)
        return solve(seen.score, seen.information, ~self.free)

    def profiled(self, best: Seen, column: int, turn: Floats, fall: float) -> Iterator[Walk]:
        """From the maximum to where the coefficient of a column is 0, and to where the likelihood has fallen, each way.

        turn: as in Walk, for the walks to come. best: what was opened at the maximum.
        """
        assert self.frame is not None
        back, frame = np.linalg.inv(turn), turn.T @ self.frame @ turn
        beta, penalty, here = back @ self.beta, turn.T @ self.penalty @ turn, best.turned(turn)
        inverse = np.nan_to_num(solve(here.score, here.information, ~self.free).inverse)
        at_zero = beta - inverse[column] * beta[column] / inverse[column, column]
        others = self.free & (np.arange(len(beta)) != column)
        at_zero[column] = 0.0
        yield Walk(at_zero, others, turn, penalty, frame)
        for side in (-1, 1):
            limit = Walk(beta.copy(), self.free, turn, penalty, frame, column, best.likelihood - fall, side)
            limit.hears(best)
            yield limit


def _positive(matrix: Floats) -> bool:
    """Whether a symmetric matrix is positive definite, and a step by it means something."""
    diagonal = np.diag(matrix)
    if not diagonal.min() > 0:
        return False
    size = np.sqrt(diagonal)
    return bool(np.linalg.eigvalsh(matrix / np.outer(size, size)).min() > 1e-8)
