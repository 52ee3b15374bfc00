"""The way of a generalised linear model's fit: Fisher's steps, mended by what the last ones told."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gagyo.methods._newton import Solved, secant
from gagyo.release.aggregate import Floats

KEPT_STEPS = 8
"""How many of the last steps mend the next one."""


@dataclass
class Walk:
    """Where a fit is: coefficients, the step that led there, and what each round opened."""

    beta: Floats
    likelihood: float
    moved: Floats
    rounds: int
    pivots: list[Floats]
    null: float = float("nan")
    rate: float = 1.0
    """The mean rate over that of the start, which is 1 where no intercept can hold it."""
    weight: float = 1.0
    """The mean weight."""
    score: Floats | None = None
    learnt: tuple[tuple[Floats, Floats], ...] = ()
    """The last steps and how much each lowered the score."""

    def mended(self, solved: Solved, score: Floats) -> Solved:
        """Fisher's step, mended by what the last steps told of the observed information (BFGS).

        Away from the canonical link the expected information is off by a share that stays, and so is each step.
        """
        if self.score is not None:
            self.learnt = (*self.learnt[1 - KEPT_STEPS :], (self.moved, self.score - score))
        self.score = score
        inverse = np.nan_to_num(solved.inverse)
        for step, change in self.learnt:
            inverse = secant(inverse, step, change)
        return replace(solved, step=inverse @ score)

    def step(self, solved: Solved | None) -> None:
        """Go on; where the likelihood fell, half the way back."""
        self.moved = self.moved / 2 if solved is None else solved.step
        self.beta = self.beta - self.moved if solved is None else self.beta + self.moved
