"""How far the propensity scores of treated and untreated overlap: bins by a descent that stops before one is small.

Bins are cut on a grid of sixteenths, whatever the data, at the coarsest place first and there nearest the middle of the
scale. Both sides are opened together, where each holds nobody or at least k people of each group. Where they stay shut
another place is tried, a few times, at which somebody of each group must be on both sides: cuts with nobody beyond
would close in on the last of a few people.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.federation.ask import Ask, Pooled
from gagyo.methods._descent import Descent, Halves, Leaf, descend, enough
from gagyo.release.aggregate import Floats
from gagyo.release.halves import nested

FINEST = 16
"""Parts of the scale: no bin is narrower than one."""

TRIES = 3
"""Places at which a bin is cut before it is left whole."""

MOST_ROUNDS = 12


@dataclass
class Overlap(Descent):
    """The descent on the propensity score; `rounds` that it took; `failed_at`, the cuts that stayed shut."""

    least: int = field(default=1, kw_only=True)
    rounds: int = field(default=0, kw_only=True)
    failed_at: set[float] = field(default_factory=set, kw_only=True)

    @property
    def ahead(self) -> int:
        """All places but the last ones."""
        return 3

    @property
    def at_once(self) -> int:
        """As many as there are when every place is cut at."""
        return FINEST // 2

    @property
    def size(self) -> float:
        """Not known: each strategy or group has its own scores."""
        return math.inf

    @classmethod
    def begin(cls, least: int = 1) -> Overlap:
        """One bin of all scores, of which nothing is known."""
        return cls([Leaf(0.0, 1.0)], least=least)

    def cuts(self, leaves: Sequence[Leaf]) -> list[tuple[float, int] | None]:
        """The next place of each bin."""
        found = [self._next(leaf) for leaf in leaves]
        return [None if cut is None else (cut, leaf.depth + 1) for leaf, cut in zip(leaves, found, strict=True)]

    def wanted(self, least: int) -> list[int]:
        """The bins that are wide and full enough, and have a place left to cut at."""
        if self.rounds >= MOST_ROUNDS:
            return []
        full = [not leaf.counts or leaf.people >= 2 * least for leaf in self.leaves]
        return [i for i, leaf in enumerate(self.leaves) if full[i] and self._next(leaf) is not None]

    def failed(self, index: int, cut: float) -> None:
        """Another place is tried."""
        self.failed_at.add(cut)

    def filled(self, low: float, high: float) -> bool:
        """Whether somebody of each group must be on both sides of the next cut of a bin."""
        return any(low < cut < high for cut in self.failed_at)

    def halve(self, index: int, cut: float, depth: int, halves: Halves | None) -> None:
        """As the gate rules, and the same where there is no gate."""
        leaf = self.leaves[index]
        opened = halves if enough(halves, self.least, self.filled(leaf.low, leaf.high)) else None
        super().halve(index, cut, depth, opened)

    def _next(self, leaf: Leaf) -> float | None:
        """The first place that is not known to stay shut; None where a bin is done."""
        inside = [cut for cut in PLACES if leaf.low < cut < leaf.high]
        left = [cut for cut in inside if cut not in self.failed_at]
        return left[0] if left and len(inside) - len(left) < TRIES else None


def _coarseness(part: int) -> int:
    """How often a place on the grid can be halved away: 0 of the middle of the scale."""
    return int(np.log2(FINEST / (part & -part)))


PLACES = tuple(
    part / FINEST
    for part in sorted(range(1, FINEST), key=lambda part: (_coarseness(part), abs(2 * part - FINEST), part))
)
"""Where bins may be cut, in the order in which places are tried."""


def grow(least: int, ask: Callable[[Floats, Floats, Floats], Ask]) -> Generator[Ask, Pooled, Overlap]:
    """The descent as far as it goes; `ask` makes the question for (numbers of the set, edges, which must be filled)."""
    one = Overlap.begin(least)

    def asked(which: NDArray[np.intp], edges: Floats) -> Ask:
        one.rounds += 1
        bins = nested(edges)[..., [0, 2]].tolist()
        filled = np.array([[one.filled(*ends) for ends in several] for several in bins], dtype=np.float64)
        return ask(which.astype(np.float64), edges, filled)

    yield from descend([one], least, asked)
    return one


def within_one(eta: Floats) -> Floats:
    """Propensity scores (n,) of linear predictors, under 1: a score that is rounded to 1 lies in the last bin."""
    return np.asarray(np.minimum(special.expit(eta), np.nextafter(1.0, 0.0)))
