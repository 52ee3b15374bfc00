"""A descent on the secure sum: a bin is halved until a half would hold too few people; many descents ask together.

Where the halves of a bin meet, and which bins are worth halving, is the kind of descent's own matter (`Descent`): score
bins of a validation, values of a measurement. The gate opens the two halves of a bin together or not at all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.ask import Ask, Pooled
from gagyo.release.aggregate import Floats


@dataclass(frozen=True)
class Leaf:
    """A bin [low, high): counts by class, empty where never opened; `shut` where it cannot be halved."""

    low: float
    high: float
    counts: tuple[float, ...] = ()
    depth: int = 0
    shut: bool = False

    @property
    def people(self) -> float:
        """All classes."""
        return sum(self.counts)


Halves = tuple[tuple[float, ...], tuple[float, ...]]
"""Counts by class in the lower and in the upper half of a bin."""


def enough(halves: Halves | None, least: int, filled: bool) -> bool:
    """Whether opened halves hold nobody or `least` people of each class; where they must be filled, not nobody."""
    return halves is not None and all(n >= least or (n == 0 and not filled) for half in halves for n in half)


@dataclass
class Descent(ABC):
    """The leaves of one descent, in order of their values."""

    leaves: list[Leaf] = field(default_factory=list)

    @property
    def counts(self) -> Floats:
        """Counts (leaves, classes); empty where nothing was opened."""
        return np.array([leaf.counts for leaf in self.leaves if leaf.counts], dtype=np.float64).reshape(
            -1, len(self.leaves[0].counts)
        )

    @property
    def opened(self) -> bool:
        """Whether any halves were opened."""
        return bool(self.leaves[0].counts)

    @property
    def edges(self) -> Floats:
        """The cuts between leaves."""
        return np.array([leaf.low for leaf in self.leaves[1:]])

    @abstractmethod
    def cuts(self, leaves: Sequence[Leaf]) -> list[tuple[float, int]]:
        """Where the halves of each of some bins meet, and how deep the halves are."""

    @abstractmethod
    def wanted(self, least: int) -> list[int]:
        """The leaves to halve next."""

    def failed(self, index: int, cut: float) -> None:
        """A leaf whose halves at this cut stay shut."""
        self.leaves[index] = replace(self.leaves[index], shut=True)

    def halve(self, index: int, cut: float, depth: int, halves: Halves | None) -> None:
        """Take in what was opened of a leaf's halves; None where they stay shut."""
        leaf = self.leaves[index]
        if halves is None:
            self.failed(index, cut)
            return
        low, high = halves
        self.leaves[index : index + 1] = Leaf(leaf.low, cut, low, depth), Leaf(cut, leaf.high, high, depth)


Some = TypeVar("Some", bound=Descent)

Bins = Callable[[NDArray[np.intp], Floats], Ask]
"""The question for (descent numbers, edges), which opens `bins`."""


def descend(grown: Sequence[Some], least: int, ask: Bins) -> Generator[Ask, Pooled, list[Some]]:
    """All descents together, one question a level, for as long as there is something to ask."""
    while wanted := [(t, *half) for t, one in enumerate(grown) for half in _wanted_halves(one, least)]:
        which = np.array([t for t, *_ in wanted])
        edges = np.array([(leaf.low, cut, leaf.high) for t, i, cut, _ in wanted for leaf in [grown[t].leaves[i]]])
        pooled = yield ask(which, edges)
        found = _opened(pooled["bins"].reshape(len(wanted), 2, -1))
        for (t, i, cut, depth), halves in reversed(list(zip(wanted, found, strict=True))):
            grown[t].halve(i, cut, depth, halves)
    return list(grown)


def _opened(found: Floats) -> list[Halves | None]:
    """What was opened of each bin's halves (bins, 2, classes), of which NaN says that they stay shut."""
    shut = np.asarray(np.isnan(found).any(axis=(1, 2)))
    return [None if one else (tuple(low), tuple(high)) for one, (low, high) in zip(shut, found.tolist(), strict=True)]


def _wanted_halves(one: Descent, least: int) -> list[tuple[int, float, int]]:
    """The leaves to halve next, where their halves meet, and how deep those are."""
    wanted = one.wanted(least)
    cuts = one.cuts([one.leaves[i] for i in wanted]) if wanted else []
    return [(i, *cut) for i, cut in zip(wanted, cuts, strict=True)]


def halves_of(ranked: Callable[[int], list[Floats]], which: Floats, edges: Floats) -> NDArray[np.int64]:
    """Numbers (2 bins, classes) in both halves of each bin, from the ranked values of the set it belongs to."""
    table: list[NDArray[np.int64]] = []
    for number in np.unique(which):
        mine = edges[which == number]
        halves = [np.diff(np.searchsorted(values, mine, side="left"), axis=1) for values in ranked(int(number))]
        table.append(np.stack(halves, axis=-1))
    # Bins of one set stand together, sets in order: as the questions list them.
    order = np.argsort(which, kind="stable")
    out = np.empty((len(which), 2, table[0].shape[-1]), np.int64)
    out[order] = np.concatenate(table)
    return out.reshape(-1, out.shape[-1])
