"""How far the propensity scores of treated and untreated overlap: bins by a descent that stops before one is small.

A bin is halved in its middle, whatever the data; its halves are opened together, where each holds nobody or at least k
people of each group. A bin that stays shut is not cut elsewhere, so that nothing closes in on a few people.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.federation.ask import Ask, Pooled
from gagyo.methods._descent import Descent, Leaf, descend
from gagyo.release.aggregate import Floats

DEEPEST = 4
"""Halvings: the narrowest bin is a sixteenth."""


@dataclass
class Overlap(Descent):
    """The descent on the propensity score; `rounds` that it took."""

    least: int = field(default=1, kw_only=True)
    rounds: int = field(default=0, kw_only=True)

    @classmethod
    def begin(cls, least: int = 1) -> Overlap:
        """One bin of all scores, of which nothing is known."""
        return cls([Leaf(0.0, 1.0)], least=least)

    def cuts(self, leaves: Sequence[Leaf]) -> list[tuple[float, int]]:
        """The middle of each bin."""
        return [((leaf.low + leaf.high) / 2, leaf.depth + 1) for leaf in leaves]

    def wanted(self, least: int) -> list[int]:
        """The bins that are wide and full enough."""
        return [i for i, leaf in enumerate(self.leaves) if self._divides(leaf, least)]

    def halve(self, index: int, cut: float, depth: int, halves: Floats) -> None:
        """As the gate rules, and the same where there is no gate."""
        few = bool(((halves > 0) & (halves < self.least)).any())
        super().halve(index, cut, depth, np.full_like(halves, np.nan) if few else halves)

    def _divides(self, leaf: Leaf, least: int) -> bool:
        return not leaf.shut and leaf.depth < DEEPEST and (not leaf.counts or leaf.people >= 2 * least)


def grow(least: int, ask: Callable[[Floats, Floats], Ask]) -> Generator[Ask, Pooled, Overlap]:
    """The descent as far as it goes; `ask` makes the question for (numbers of the set, edges)."""
    one = Overlap.begin(least)

    def asked(which: NDArray[np.intp], edges: Floats) -> Ask:
        one.rounds += 1
        return ask(which.astype(np.float64), edges)

    yield from descend([one], least, asked)
    return one


def within_one(eta: Floats) -> Floats:
    """Propensity scores (n,) of linear predictors, under 1: a score that is rounded to 1 lies in the last bin."""
    return np.asarray(np.minimum(special.expit(eta), np.nextafter(1.0, 0.0)))
