"""A descent on the secure sum: a bin is halved until a half would hold too few people; many descents ask together.

Where the halves of a bin meet, and which bins are worth halving, is the kind of descent's own matter (`Descent`): score
bins of a validation, values of a measurement. The gate opens the two halves of a bin together or not at all. A question
looks ahead: it also asks for the halves of these halves, and of those, which the gate opens where it opens the bin that
they are halves of. So a descent opens what it would open one halving at a time, in fewer rounds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.ask import Ask, Pooled
from gagyo.release.aggregate import Floats
from gagyo.release.halves import nested


class Foreseen(NamedTuple):
    """What one question told of a leaf and of its parts, in the order of `nested`, and which of these the leaf is."""

    cuts: list[float]
    halves: list[list[list[float]]]
    shut: list[bool]
    number: int = 0

    def half(self, upper: int) -> Foreseen | None:
        """The same of a half; None where nothing was asked of it."""
        number = 2 * self.number + 1 + upper
        return self._replace(number=number) if number < len(self.cuts) else None


class Leaf(NamedTuple):
    """A bin [low, high): counts by class, empty where never opened; `shut` where it cannot be halved."""

    low: float
    high: float
    counts: tuple[float, ...] = ()
    depth: int = 0
    shut: bool = False
    foreseen: Foreseen | None = None

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
    @abstractmethod
    def ahead(self) -> int:
        """How many halvings of a bin a question asks for at once, at most."""

    @property
    @abstractmethod
    def at_once(self) -> int:
        """How many bins a question halves, at most, those that it looks ahead to among them."""

    @property
    @abstractmethod
    def size(self) -> float:
        """How many people there are in all leaves, as far as is known before any are counted; else infinity."""

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
    def cuts(self, leaves: Sequence[Leaf]) -> list[tuple[float, int] | None]:
        """Where the halves of each of some bins meet, and how deep the halves are; None where a bin is not halved."""

    @abstractmethod
    def wanted(self, least: int) -> list[int]:
        """The leaves to halve next, each of which has a cut."""

    def failed(self, index: int, cut: float) -> None:
        """A leaf whose halves at this cut stay shut."""
        self.leaves[index] = self.leaves[index]._replace(shut=True)

    def halve(self, index: int, cut: float, depth: int, halves: Halves | None) -> None:
        """Take in what was opened of a leaf's halves; None where they stay shut."""
        leaf = self.leaves[index]
        if halves is None:
            self.failed(index, cut)
            return
        (lower, upper), told = halves, leaf.foreseen
        below, above = (told.half(0), told.half(1)) if told else (None, None)
        self.leaves[index : index + 1] = (
            Leaf(leaf.low, cut, lower, depth, foreseen=below),
            Leaf(cut, leaf.high, upper, depth, foreseen=above),
        )

    def people_of(self, leaf: Leaf) -> float:
        """How many people a leaf of known counts holds."""
        return leaf.people

    def capacity(self, bins: int) -> int:
        """How many halvings a question for so many bins may ask for at once."""
        return max(1, min(self.ahead, int(np.log2(self.at_once / bins + 1))))

    def reach(self, one: Wanted, least: int) -> int:
        """How often a leaf can be halved so that parts of equal size hold enough for it.

        No further: the hospitals of a sum see how many people are in every part, also where it is a few.
        """
        leaf = self.leaves[one.leaf]
        people = self.people_of(leaf) if leaf.counts else self.size
        levels = 1
        while levels < self.ahead and people >= 2 * least * 2**levels:
            levels += 1
        return levels

    def parts(self, one: Wanted, least: int, levels: int) -> list[float]:
        """The ends (2^levels + 1) of the parts of a leaf that is halved as often as it can be, its halves at their own
        cuts; parts that are not divided have no width.
        """
        leaf = self.leaves[one.leaf]
        mine = min(levels, self.reach(one, least))
        parts = list(_halves(leaf, (one.cut, one.depth)))
        for _ in range(1, mine):
            parts = [half for part, cut in zip(parts, self.cuts(parts), strict=True) for half in _halves(part, cut)]
        return [leaf.low, *(part.high for part in parts for _ in range(2 ** (levels - mine)))]


def _halves(part: Leaf, cut: tuple[float, int] | None) -> tuple[Leaf, Leaf]:
    """Both halves of a part of which nothing is known yet; where it is not cut, one of them has no width."""
    at, depth = cut if cut and part.low < cut[0] < part.high else (part.high, part.depth)
    return Leaf(part.low, at, depth=depth), Leaf(at, part.high, depth=depth)


class Wanted(NamedTuple):
    """A leaf that is to be halved: of which descent, where its halves meet, and how deep they are."""

    descent: int
    leaf: int
    cut: float
    depth: int


Some = TypeVar("Some", bound=Descent)

Bins = Callable[[NDArray[np.intp], Floats], Ask]
"""The question for (descent numbers, ends of parts (bins, 2^levels + 1)), which opens `bins`."""


def descend(grown: Sequence[Some], least: int, ask: Bins) -> Generator[Ask, Pooled, list[Some]]:
    """All descents together, a question whenever only halves are wanted that were not foreseen."""
    while wanted := [one for t, descent in enumerate(grown) for one in _wanted(t, descent, least)]:
        known = [one for one in wanted if _is_foreseen(grown[one.descent].leaves[one.leaf], one.cut)]
        if not known:
            yield from _ask(grown, wanted, least, ask)
        for one in reversed(known or wanted):
            descent = grown[one.descent]
            descent.halve(one.leaf, one.cut, one.depth, _told(descent.leaves[one.leaf]))
    return list(grown)


def _wanted(number: int, one: Descent, least: int) -> list[Wanted]:
    """The leaves of a descent to halve next."""
    wanted = one.wanted(least)
    cuts = one.cuts([one.leaves[i] for i in wanted]) if wanted else []
    return [Wanted(number, i, *cut) for i, cut in zip(wanted, cuts, strict=True) if cut]


def _is_foreseen(leaf: Leaf, cut: float) -> bool:
    """Whether a leaf's halves at this cut were asked for: where they stayed shut, those at another cut were not."""
    told = leaf.foreseen
    return told is not None and told.cuts[told.number] == cut


def _told(leaf: Leaf) -> Halves | None:
    """What was opened of a leaf's halves; None where they stay shut."""
    told = leaf.foreseen
    assert told
    if told.shut[told.number]:
        return None
    lower, upper = told.halves[told.number]
    return tuple(lower), tuple(upper)


def _ask(grown: Sequence[Descent], new: Sequence[Wanted], least: int, ask: Bins) -> Generator[Ask, Pooled, None]:
    """Ask for the halves of some leaves, and as far ahead as all descents allow; the leaves keep what is told."""
    which = np.array([one.descent for one in new])
    levels = min(
        max(grown[one.descent].reach(one, least) for one in new),
        *(grown[int(t)].capacity(int(n)) for t, n in zip(*np.unique(which, return_counts=True), strict=True)),
    )
    ends = np.array([grown[one.descent].parts(one, least, levels) for one in new])
    pooled = yield ask(which, ends)
    cuts = nested(ends)[:, :, 1]
    tables = pooled["bins"].reshape(*cuts.shape, 2, -1)
    shut = np.asarray(np.isnan(tables).any(axis=(2, 3)))
    for one, *told in zip(new, cuts.tolist(), tables.tolist(), shut.tolist(), strict=True):
        leaves = grown[one.descent].leaves
        leaves[one.leaf] = leaves[one.leaf]._replace(foreseen=Foreseen(*told))


def halves_of(ranked: Callable[[int], list[Floats]], which: Floats, ends: Floats) -> NDArray[np.int64]:
    """Numbers (m, halves, classes) in the halves of each bin of `nested`, from the ranked values of its set."""
    table: list[NDArray[np.int64]] = []
    for number in np.unique(which):
        mine = ends[which == number]
        parts = [np.diff(np.searchsorted(values, mine, side="left"), axis=1) for values in ranked(int(number))]
        levels = [np.stack(parts, axis=-1)]
        while levels[0].shape[1] > 2:
            levels.insert(0, levels[0][:, ::2] + levels[0][:, 1::2])
        table.append(np.concatenate(levels, axis=1))
    # Bins of one set stand together, sets in order: as the questions list them.
    out = np.empty((len(which), *table[0].shape[1:]), np.int64)
    out[np.argsort(which, kind="stable")] = np.concatenate(table)
    return out
