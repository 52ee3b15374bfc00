"""The grid of times on which hospitals agreed, with who left when; and coarser grids of the same."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gagyo.release.aggregate import Floats
from gagyo.statistics.life_table import LifeTable

Ends = frozenset[float]
"""Where the intervals of a grid meet."""


@dataclass(frozen=True)
class Grid:
    """The agreed grid: edges (K + 1,) from zero; exits (K, groups, 2); single: (K,) intervals of one time only."""

    edges: Floats
    exits: Floats
    single: NDArray[np.bool_]
    sites: tuple[str, ...]
    people: int
    rounds: int

    @property
    def inner(self) -> Ends:
        """Where intervals meet."""
        return frozenset(self.edges[1:-1].tolist())

    @property
    def events(self) -> Floats:
        """(K, groups) exits with an event of any kind."""
        return np.asarray(self.exits[:, :, 1:].sum(axis=2))

    @property
    def at_risk(self) -> Floats:
        """(K, groups) people under observation when each interval begins."""
        leaving = self.exits.sum(axis=2)
        return np.asarray(leaving[::-1].cumsum(axis=0)[::-1])

    def table(self, group: int) -> LifeTable:
        """One group's numbers."""
        at_risk, kept = self.at_risk[:, group], self.kept(group)
        events, censored = self.events[:kept, group], self.exits[:kept, group, 0]
        return LifeTable(self.edges[: kept + 1], at_risk[:kept], events, censored, self.single[:kept])

    def kept(self, group: int) -> int:
        """How many intervals tell something of a group.

        In its last one everybody leaves: where that is more than one time, nothing is known of the order.
        """
        kept = int((self.at_risk[:, group] > 0).sum())
        return kept - int(kept > 0 and not self.single[kept - 1])

    def coarser(self, least: int, apart: bool = False, keep: Sequence[float] = (), censored: bool = False) -> Grid:
        """The grid with neighbours merged until each interval has no event or `least`, and no other exit or `least`.

        For sums over those with an event, and so over those without. apart: in each group; else in all together. keep:
        times at which the grid should go on having an edge. censored: `least` others, but in a group's last interval.
        """
        last = len(self.exits)
        kept = [end for end in range(1, last) if self.edges[end] in set(keep)]
        ends = [0]
        for end in self._merged(0, [*kept, last], least, apart, censored):
            ends += self._merged(ends[-1], list(range(ends[-1] + 1, end + 1)), least, apart, censored)
        starts, alone = np.array(ends[:-1]), np.diff(ends) == 1
        exits = np.add.reduceat(self.exits, starts, axis=0)
        return replace(self, edges=self.edges[ends], exits=exits, single=self.single[starts] & alone)

    def from_a_longer_first(self, more: int) -> Grid:
        """The grid whose first interval holds the next ones, so many of them, too."""
        return self.joined(set(self.edges[1 + more :].tolist()))

    def joined(self, ends: Collection[float]) -> Grid:
        """The grid with those edges alone that are among these, and its own first and last."""
        starts = np.array([0, *(at for at in range(1, len(self.exits)) if self.edges[at] in ends)])
        alone = np.diff([*starts, len(self.exits)]) == 1
        exits = np.add.reduceat(self.exits, starts, axis=0)
        return replace(self, edges=self.edges[[*starts, -1]], exits=exits, single=self.single[starts] & alone)

    def _merged(self, start: int, candidates: list[int], least: int, apart: bool, censored: bool) -> list[int]:
        """Those of the candidate ends, the last one always, between which intervals from `start` hold enough."""
        ends = [start]
        for end in candidates:
            if self._enough(ends[-1], end, least, apart, censored):
                ends.append(end)
        if ends[-1] != candidates[-1]:
            while len(ends) > 1 and not self._enough(ends[-1], candidates[-1], least, apart, censored):
                ends.pop()
            ends.append(candidates[-1])
        return ends[1:]

    def _enough(self, start: int, end: int, least: int, apart: bool, censored: bool) -> bool:
        table = self.exits[start:end].sum(axis=0)
        table = table if apart else table.sum(axis=0, keepdims=True)
        counts = np.column_stack([table[:, 0], table[:, 1:].sum(axis=1)])
        if censored and self._some_stay(end, apart, counts[:, 0] == 0):
            return False
        return bool(((counts == 0) | (counts >= least)).all())

    def _some_stay(self, end: int, apart: bool, which: NDArray[np.bool_]) -> bool:
        """Whether some of the groups (or everyone together) have exits after an interval."""
        later = self.exits[end:].sum(axis=(0, 2))
        return bool((which & (later > 0)).any() if apart else which.any() and later.any())

    def left_at(self, group: int, edge: float) -> float:
        """How many of a group are still under observation after an edge."""
        return float(self.exits[np.searchsorted(self.edges[:-1], edge) :, group].sum())
