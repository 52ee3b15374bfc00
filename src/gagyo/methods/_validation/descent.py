"""Score bins by a descent on the secure sum: a bin is halved until a half would hold too few people.

Hospitals never send a fine grid. A bin lies on the scale of the linear predictor (or of a predictor); its halves meet
at a cut that the study file declares or, without one, in the middle of the bin under a normal curve with the pooled
mean and deviation: rare outcomes fill bins as well as common ones. The gate opens two halves together or not at all.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.local import Names, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.methods._descent import Descent, Leaf, descend, halves_of
from gagyo.methods._validation.options import Options
from gagyo.methods._validation.performance import Asked, Set
from gagyo.methods._validation.present import everyone
from gagyo.methods._validation.scores import APPARENT, LARGEST, SETS, Layout, outcome, scores
from gagyo.release.aggregate import Aggregate, Floats, bins, total
from gagyo.release.halves import halved

DEEPEST = 10
"""Halvings below the declared cuts."""

MOST = 2 ** (DEEPEST - 1)
"""Leaves of a tree over which only declared cuts halve any more."""

CLOSING = 2
"""Halvings that a question asks for at once where it closes in on a share of the people."""

EDGE = 2 * LARGEST
"""Where the outermost bins end: beyond every score."""


@local("validate", **SETS)
def location(rows: Rows, formula: str, coefficients: Floats, layout: Floats, sets: Floats) -> Aggregate:
    """The sum and the sum of squares of each set's linear predictor."""
    plan = Layout.of(layout)
    lps = np.column_stack([scores(rows, formula, coefficients, plan, one).lp for one in sets])
    return {"sum": total(lps, LARGEST), "squares": total(lps**2, LARGEST**2)}


@local("validate", variables=Names())
def spread(rows: Rows, variables: list[str]) -> Aggregate:
    """The sum and the sum of squares of predictors about the middles of their declared ranges."""
    reach = [(rows.variables[name].bounds[1] - rows.variables[name].bounds[0]) / 2 for name in variables]
    x = np.column_stack([rows[name] - sum(rows.variables[name].bounds) / 2 for name in variables])
    return {"sum": total(x, reach), "squares": total(x**2, np.square(reach))}


@local("validate", **SETS, which=Numbers((None,), 0, 1e5), edges=Numbers((None, None)))
def score_bins(
    rows: Rows, formula: str, coefficients: Floats, layout: Floats, sets: Floats, which: Floats, edges: Floats
) -> Aggregate:
    """Controls and cases in halves of bins (low, ..., high), and in theirs, of the score sets that `which` numbers."""

    def ranked(number: int) -> list[Floats]:
        """Scores of controls and of cases in order, kept for the next level of the descent."""
        key = ("ranked scores", formula, coefficients.tobytes(), layout.tobytes(), sets[number].tobytes())
        made: list[Floats] = rows.kept(key, lambda: _by_class(rows, formula, coefficients, layout, sets[number]))
        return made

    return {"bins": bins(halves_of(ranked, which, edges), rows.n, halved(edges)), **everyone(rows)}


def _by_class(rows: Rows, formula: str, coefficients: Floats, layout: Floats, one: Floats) -> list[Floats]:
    y, found = outcome(rows, formula), scores(rows, formula, coefficients, Layout.of(layout), one)
    return [np.sort(found.lp[found.among & (y == label)]) for label in (False, True)]


@local("validate", variables=Names(), which=Numbers((None,), 0, 1e5), edges=Numbers((None, None), -1e12, 1e12))
def variable_bins(rows: Rows, variables: list[str], which: Floats, edges: Floats) -> Aggregate:
    """People in halves of bins (low, ..., high), and in theirs, of predictors."""

    def ranked(number: int) -> list[Floats]:
        """A predictor's values in order, kept for the next level of the descent."""
        name = variables[number]
        made: list[Floats] = rows.kept(("ranked values", name), lambda: [np.sort(rows[name])])
        return made

    return {"bins": bins(halves_of(ranked, which, edges), rows.n, halved(edges)), **everyone(rows)}


@dataclass(frozen=True)
class Tree:
    """What a descent starts from: the range, the cuts that come first, the centre and deviation of the scale.

    quantiles: only bins in which the cases (or everyone, without classes) pass these shares are halved; None halves
    every bin. only: halve at the cuts and nowhere else. people: how many there are, as far as is known.
    """

    low: float
    high: float
    centre: float
    deviation: float
    cuts: tuple[float, ...] = ()
    quantiles: tuple[float, ...] | None = None
    only: bool = False
    people: float = math.inf

    @property
    def at_once(self) -> int:
        """Bins that a question halves at most, beside those at declared cuts."""
        return MOST if self.quantiles is None else (1 << CLOSING) * len(self.quantiles)

    def sends(self, classes: int = 2) -> int:
        """Numbers of a question at most: both halves of each bin, by class."""
        return 2 * classes * (self.at_once + len(self.cuts))

    @property
    def rounds(self) -> int:
        """Questions at most: the first, one a halving, and one a declared cut that is met or gives way."""
        return 1 + DEEPEST + len(self.cuts)

    def cuts_of(self, leaves: Sequence[Leaf]) -> list[tuple[float, int] | None]:
        """Where each bin's halves meet, and how deep the halves are; None of one that is not halved any more.

        Far out, where the curve is flat, a bin has no middle.
        """
        ends = self.share(np.array([(leaf.low, leaf.high) for leaf in leaves]))
        middles = self.at(ends.mean(axis=1)).tolist()
        deep = [
            self.only or leaf.depth >= DEEPEST or not leaf.low < x < leaf.high
            for leaf, x in zip(leaves, middles, strict=True)
        ]
        return [
            self.declared(leaf) or (None if done else (x, leaf.depth + 1))
            for leaf, x, done in zip(leaves, middles, deep, strict=True)
        ]

    def declared(self, leaf: Leaf) -> tuple[float, int] | None:
        """The middle one of the declared cuts inside a bin."""
        first, last = bisect_right(self.cuts, leaf.low), bisect_left(self.cuts, leaf.high)
        return (self.cuts[(first + last) // 2], leaf.depth) if first < last else None

    def share(self, x: Floats) -> Floats:
        """The share of the normal curve under x."""
        return np.asarray(special.ndtr((x - self.centre) / self.deviation))

    def at(self, share: Floats | float) -> Floats:
        """The inverse of `share`."""
        return np.asarray(self.centre + self.deviation * special.ndtri(share))


@dataclass(frozen=True)
class Trees:
    """What the descents of a validation start from: apparent scores; those with the declared cuts; each fold's; and
    each fold's training people's, where thresholds are chosen for a sensitivity.

    Counts of the same people's scores in two trees leave those between an edge of one and an edge of the other. So
    without folds, where apparent scores have the declared cuts, they have one tree. The folds' people together are all
    the people: each fold is halved where all were (`within`), unless no cut is declared, so that all trees halve at
    the same places anyway.
    """

    apparent: tuple[Tree, ...]
    scored: Tree
    folds: int
    training: tuple[Tree, ...]

    @classmethod
    def of(
        cls, options: Options, folds: int, people: float = math.inf, centre: float = 0.0, deviation: float = 1.0
    ) -> Trees:
        """The trees of a validation's options, on a scale of the people's scores."""
        whole = Tree(-EDGE, EDGE, centre, deviation, people=people)
        declared = [*options.decision, *(one.value for one in options.thresholds if one.value)]
        cuts = tuple(sorted({float(special.logit(value)) for value in declared}))
        shares = tuple(1 - one.sensitivity for one in options.thresholds if one.sensitivity is not None)
        chosen = (replace(whole, quantiles=shares),) * folds if shares else ()
        return cls((whole,) if folds else (), replace(whole, cuts=cuts), folds, chosen)

    @property
    def first(self) -> tuple[Tree, ...]:
        """Those that are asked for together: apparent, scored, training, and the folds' where no cut is declared."""
        return (*self.apparent, self.scored, *self.training, *(() if self.scored.cuts else self.by_fold))

    @property
    def by_fold(self) -> tuple[Tree, ...]:
        """Each fold's, where no cut is declared."""
        return (replace(self.scored, cuts=(), people=self.scored.people / max(self.folds, 1)),) * self.folds

    def within(self, scored: Grown) -> tuple[Tree, ...]:
        """Each fold's, which is halved at edges of everyone's."""
        return tuple(replace(one, cuts=tuple(scored.edges.tolist()), only=True) for one in self.by_fold)

    def sends(self) -> int:
        """Numbers of a question at most."""
        later = self.scored.sends() * self.folds
        return max(sum(one.sends() for one in self.first), later)

    @property
    def rounds(self) -> int:
        """Questions at most."""
        return max(one.rounds for one in self.first) + (2 + DEEPEST if self.folds and self.scored.cuts else 0)


@dataclass
class Grown(Descent):
    """The leaves of one descent on the scale of its tree."""

    tree: Tree = field(kw_only=True)

    @property
    def ahead(self) -> int:
        """As deep as it goes; where it closes in on shares, not so far that bins are opened to no purpose."""
        return DEEPEST if self.tree.quantiles is None else CLOSING

    @property
    def at_once(self) -> int:
        """As the plan tells."""
        return self.tree.at_once

    @property
    def size(self) -> float:
        """As many as the tree is about."""
        return self.tree.people

    @classmethod
    def of(cls, tree: Tree) -> Grown:
        """A descent that begins."""
        return cls([Leaf(tree.low, tree.high)], tree=tree)

    def cuts(self, leaves: Sequence[Leaf]) -> list[tuple[float, int] | None]:
        """Declared cuts, or the middles on the tree's scale."""
        return self.tree.cuts_of(leaves)

    def wanted(self, least: int) -> list[int]:
        """The leaves that can be halved and are wanted."""
        tree = self.tree
        open_ones = [
            i
            for i, leaf in enumerate(self.leaves)
            if not leaf.shut
            and (not leaf.counts or leaf.people >= 2 * least)
            and (tree.declared(leaf) or (not tree.only and leaf.depth < DEEPEST and len(self.leaves) <= MOST))
        ]
        if tree.quantiles is None or not self.opened:
            return open_ones
        cases = np.cumsum(self.counts[:, -1])
        passed = {int(np.searchsorted(cases, share * cases[-1], side="right")) for share in tree.quantiles}
        return [i for i in open_ones if i in passed]

    def failed(self, index: int, cut: float) -> None:
        """A declared cut that would leave too few people gives way to the next one; a middle, or an edge, to none."""
        declared = cut in self.tree.cuts and not self.tree.only
        if declared:
            self.tree = replace(self.tree, cuts=tuple(one for one in self.tree.cuts if one != cut))
        else:
            super().failed(index, cut)

    def quantile(self, share: float) -> float:
        """The point under which a share of the people lie, people even within a bin on the tree's scale."""
        people = self.counts.sum(axis=1)
        under = np.concatenate([[0.0], np.cumsum(people)]) / people.sum()
        return float(np.clip(self.tree.at(np.interp(share, under, self._ends)), self.tree.low, self.tree.high))

    @property
    def middles(self) -> Floats:
        """The middle of each bin on the tree's scale (bins,)."""
        return np.clip(self.tree.at((self._ends[:-1] + self._ends[1:]) / 2), self.tree.low, self.tree.high)

    @property
    def _ends(self) -> Floats:
        """Where bins begin, and the last one ends, on the tree's scale (bins + 1,)."""
        return self.tree.share(np.concatenate([[self.leaves[0].low], [leaf.high for leaf in self.leaves]]))

    def below(self, cut: float) -> Floats:
        """Counts by class under a cut that is an edge; NaN where it is none."""
        at = [number for number, leaf in enumerate(self.leaves) if leaf.low == cut]
        return self.counts[: at[0]].sum(axis=0) if at else np.full(2, np.nan)

    def safe_cut(self, share: float) -> float:
        """The greatest edge under which at most a share of the cases lie."""
        cases = np.cumsum(self.counts[:, 1])
        met = self.edges[cases[:-1] <= share * cases[-1]]
        return float(met.max()) if len(met) else self.leaves[0].low


def scale(asked: Asked, people: int) -> Generator[Ask, Pooled, tuple[float, float]]:
    """The pooled mean and deviation of the joint model's linear predictor."""
    pooled = yield Ask(location, asked.arguments([APPARENT]), doing="summing")
    centre, deviation = moments(pooled, people)
    return float(centre[0]), float(deviation[0])


def moments(pooled: Pooled, people: int) -> tuple[Floats, Floats]:
    """Means and deviations of sums and sums of squares."""
    centre = pooled["sum"] / people
    return centre, np.sqrt(np.maximum(pooled["squares"] / people - centre**2, 1e-12))


def score_trees(
    asked: Asked, sets: Sequence[Set], trees: Sequence[Tree], least: int
) -> Generator[Ask, Pooled, list[Grown]]:
    """Descents on score sets, a tree each."""

    def ask(which: NDArray[np.intp], edges: Floats) -> Ask:
        used, number = np.unique(which, return_inverse=True)
        arguments = asked.arguments([sets[int(one)] for one in used])
        return Ask(score_bins, {**arguments, "which": number.astype(np.float64), "edges": edges}, doing="summing")

    return (yield from descend([Grown.of(tree) for tree in trees], least, ask))


def variable_trees(names: Sequence[str], trees: Sequence[Tree], least: int) -> Generator[Ask, Pooled, list[Grown]]:
    """Descents on predictors."""

    def ask(which: NDArray[np.intp], edges: Floats) -> Ask:
        arguments = {"variables": list(names), "which": which.astype(np.float64), "edges": edges}
        return Ask(variable_bins, arguments, doing="summing")

    return (yield from descend([Grown.of(tree) for tree in trees], least, ask))
