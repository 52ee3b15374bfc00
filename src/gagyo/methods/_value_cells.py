"""Descents on the values of a measurement, over everyone and by group: where a cell is cut next, and which are wanted.

The cells are those of one lattice for all studies (`_values.py`). A cell is cut at its coarsest point of which both
sides hold nobody or at least k people; after a failure finer points are tried, and then neither side may be empty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from gagyo.methods._descent import Descent, Halves, Leaf, enough
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import Floats
from gagyo.statistics.quantiles import Binned

DEEPEST = 20
"""Halvings of the declared range: a millionth of it."""

TRIES = 15
"""How many cuts of one cell may fail: its coarsest, and those of the next three digits."""

AT_ONCE = 64
"""Cells of a variable that one question is about; further ones wait for the next."""

AHEAD = 2
"""Digits that a question divides a cell by at once."""

TURNS = 240
"""Questions about a variable in an analysis, over everyone or by group, at most."""


def root(low: float, high: float) -> tuple[float, float]:
    """The smallest cell of the lattice that holds a range; of a range on both sides of zero, two cells side by side."""
    if low < 0 <= high:
        half = 2.0 ** np.ceil(np.log2(max(-low, np.nextafter(high, np.inf))))
        return -half, half
    width = 2.0**-40
    while np.floor(low / width) != np.floor(high / width):
        width *= 2
    start = float(np.floor(low / width)) * width
    return start, start + width


@dataclass
class Values(Descent):
    """The descent on one variable over everyone: `people` (1,) have a value.

    ranks: by group, the order statistics to close in on. edges_wanted: places where a cell should end. width: cells
    wider than this are divided wherever they are. windows: (low, high, depth), cells of that depth inside are divided.
    """

    variable: Variable = field(kw_only=True)
    people: Floats = field(kw_only=True)
    least: int = field(kw_only=True)
    ranks: Sequence[Sequence[int]] = ()
    edges_wanted: tuple[float, ...] = ()
    width: float | None = None
    windows: tuple[tuple[float, float, int], ...] = ()
    enough: float = 0.0
    """Cells of so many people or fewer are not divided for their width."""
    turns: int = TURNS
    depths: dict[float, int] = field(default_factory=dict)
    """How deep each cut is that was opened."""
    shut: set[float] = field(default_factory=set)
    """Cuts beside which a few people lie: so they will in every cell that they divide."""
    tries: dict[tuple[float, float], int] = field(default_factory=dict)
    _first: dict[tuple[float, float], float | None] = field(default_factory=dict)
    """The first cut of each cell that was not known to fail when last looked for: what is known only grows."""

    @property
    def ahead(self) -> int:
        """Not so far that many cells are opened in which nothing is looked for."""
        return AHEAD

    @property
    def at_once(self) -> int:
        """Cells that are divided, and those that are looked ahead to."""
        return AT_ONCE

    @property
    def size(self) -> float:
        """Who have a value."""
        return float(self.people.sum())

    @classmethod
    def of(cls, variable: Variable, people: Floats, least: int) -> Values:
        """A descent that begins."""
        return cls([Leaf(*root(*variable.bounds))], variable=variable, people=people, least=least)

    @property
    def whole(self) -> bool:
        """Whether values are whole numbers."""
        return self.variable.type == "integer"

    @property
    def finest(self) -> float:
        """Cells are no narrower."""
        low, high = self.variable.bounds
        return 1.0 if self.whole else (high - low) / 2**DEEPEST

    def candidates(self, leaf: Leaf) -> Iterator[float]:
        """Where a cell may be cut: at the coarsest point inside, then at finer ones from its middle outward."""
        if leaf.low < 0 < leaf.high:
            yield 0.0
        width = 2.0 ** np.ceil(np.log2(leaf.high - leaf.low))
        middle = (leaf.low + leaf.high) / 2
        while width >= self.finest:
            first, last = np.floor(leaf.low / width) + 1, np.ceil(leaf.high / width) - 1
            points = np.arange(first, last + 1)
            coarser = points % 2 == 0
            yield from sorted((points[~coarser] * width).tolist(), key=lambda one: (abs(one - middle), one))
            width /= 2

    def next_cut(self, leaf: Leaf) -> float | None:
        """The first cut that is not known to fail; None where a cell is done."""
        place = leaf.low, leaf.high
        if self.tries.get(place, 0) >= TRIES:
            return None
        if place not in self._first or self._first[place] in self.shut:
            self._first[place] = self.uncut(leaf)
        return self._first[place]

    def uncut(self, leaf: Leaf) -> float | None:
        """The first candidate that is not known to fail."""
        return next((cut for cut in self.candidates(leaf) if cut not in self.shut), None)

    def cuts(self, leaves: Sequence[Leaf]) -> list[tuple[float, int] | None]:
        """The next cut of each cell that has a width."""
        found = [self.next_cut(leaf) if leaf.low < leaf.high else None for leaf in leaves]
        return [None if cut is None else (cut, leaf.depth + 1) for leaf, cut in zip(leaves, found, strict=True)]

    def wanted(self, least: int) -> list[int]:
        """The cells that can be divided and that something is wanted of."""
        ranked = self.ranked()
        can = (i for i, leaf in enumerate(self.leaves) if self.called_for(i, ranked) and self.can(leaf))
        return list(islice(can, min(AT_ONCE, AT_ONCE * self.turns)))

    def can(self, leaf: Leaf) -> bool:
        """Whether a cell may be divided, as far as is known."""
        return (not leaf.counts or leaf.people >= 2 * self.least) and self.next_cut(leaf) is not None

    def called_for(self, index: int, ranked: Collection[int]) -> bool:
        """Whether something is wanted of a cell; ranked: the cells that hold a rank."""
        leaf = self.leaves[index]
        wide = self.width is not None and leaf.high - leaf.low > self.width and leaf.people > self.enough
        if not leaf.counts or wide:
            return True
        if any(low <= leaf.low and leaf.high <= high and leaf.depth == depth for low, high, depth in self.windows):
            return True
        return any(leaf.low < edge < leaf.high for edge in self.edges_wanted) or index in ranked

    def ranked(self) -> frozenset[int]:
        """The cells that hold a wanted rank of some group."""
        nobody = (0.0,) * max(len(leaf.counts) for leaf in self.leaves)
        until = np.cumsum([leaf.counts or nobody for leaf in self.leaves], axis=0)
        pairs = zip(until.T, self.ranks, strict=False)
        return frozenset(int(np.searchsorted(one, rank)) for one, ranks in pairs for rank in ranks if rank > 0)

    def filled(self, low: float, high: float) -> bool:
        """Whether the next cut of a cell must leave somebody of every group on both sides.

        After a few people were found beside a cut, further cuts without that would close in on the last of them.
        """
        return any(low < cut < high for cut in self.shut)

    def failed(self, index: int, cut: float) -> None:
        """Another cut is tried, a few times."""
        leaf = self.leaves[index]
        self.shut.add(cut)
        self.tries[leaf.low, leaf.high] = self.tries.get((leaf.low, leaf.high), 0) + 1

    def halve(self, index: int, cut: float, depth: int, halves: Halves | None) -> None:
        """As the gate rules, and the same where there is no gate."""
        leaf = self.leaves[index]
        opened = halves if enough(halves, self.least, self.filled(leaf.low, leaf.high)) else None
        if opened:
            self.depths[cut] = depth
        super().halve(index, cut, depth, opened)

    @property
    def single(self) -> NDArray[np.bool_]:
        """(cells,) which hold one value alone."""
        return np.array([self.whole and leaf.high - leaf.low <= 1 for leaf in self.leaves])

    def binned(self, group: int | None = None) -> Binned:
        """The people of a group, or of all, in their cells, within the declared range."""
        low, high = self.variable.bounds
        counts = self.counts.sum(axis=1) if group is None else self.counts[:, group]
        filled = [leaf for leaf, count in zip(self.leaves, counts, strict=True) if count]
        least = np.array([max(leaf.low, low) for leaf in filled])
        greatest = np.array([min(leaf.high - self.whole, high) for leaf in filled])
        return Binned(least, greatest, counts[counts > 0], self.whole)


@dataclass
class Grouped(Values):
    """The descent on one variable by group: `people` (groups,). It cuts where that over everyone does, or not at all.

    So the cells of any two groupings are made of the same cells, in which k people are.
    """

    everyone: Values = field(kw_only=True)

    @classmethod
    def under(cls, everyone: Values, people: Floats) -> Grouped:
        """A descent that begins."""
        cells = [Leaf(everyone.leaves[0].low, everyone.leaves[-1].high)]
        return cls(cells, variable=everyone.variable, people=people, least=everyone.least, everyone=everyone)

    def candidates(self, leaf: Leaf) -> Iterator[float]:
        """The cuts over everyone inside a cell, by their depth, as far as every cut of that depth is known."""
        middle, known = (leaf.low + leaf.high) / 2, self._known(leaf)
        inside = [one for one, depth in self.everyone.depths.items() if leaf.low < one < leaf.high and depth <= known]
        yield from sorted(inside, key=lambda one: (self.everyone.depths[one], abs(one - middle), one))

    def next_cut(self, leaf: Leaf) -> float | None:
        """As over everyone; but which cuts there are changes with those over everyone."""
        return None if self.tries.get((leaf.low, leaf.high), 0) >= TRIES else self.uncut(leaf)

    def _known(self, leaf: Leaf) -> float:
        """To which depth the cuts inside a cell are known."""
        inside = (one for one in self.everyone.leaves if leaf.low <= one.low and one.high <= leaf.high)
        return min((one.depth for one in inside if self.everyone.can(one)), default=np.inf)

    def lacking(self) -> Iterator[tuple[float, float, int]]:
        """The cells in which a rank lies and that cannot be divided before those over everyone are."""
        ranked = self.ranked()
        for index, leaf in enumerate(self.leaves):
            again = self.tries.get((leaf.low, leaf.high), 0) < TRIES
            held = not leaf.counts or leaf.people >= 2 * self.least
            known = self._known(leaf)
            if again and held and np.isfinite(known) and self.called_for(index, ranked) and self.next_cut(leaf) is None:
                yield leaf.low, leaf.high, int(known)
