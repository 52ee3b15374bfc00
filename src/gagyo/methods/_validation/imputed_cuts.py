"""Thresholds in completed data sets: accuracy and net benefit at declared ones, pooled over the sets by Rubin's rules.

Whoever lacks nothing has one score; what differs between the data sets is where the others' scores come to lie. So in
every set each cell between two thresholds holds nobody or k of those who lack nothing, and nobody or k of those who
lack something; and those who are in a cell in some sets and not in others, or cross a threshold, are nobody or k, each
counted for as much as it moves: else the difference of two sets would be one person's.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.local import Numbers, local
from gagyo.federation.rows import Rows
from gagyo.methods._descent import Descent, Leaf, descend
from gagyo.methods._imputation_chains import Spec
from gagyo.methods._validation.descent import DEEPEST, EDGE
from gagyo.methods._validation.filled import EQUATIONS, filled, lacking, outcome
from gagyo.methods._validation.options import Options
from gagyo.methods._validation.present import everyone
from gagyo.release.aggregate import Aggregate, Counts, Floats, imputed_bins, left
from gagyo.release.halves import halved, nested
from gagyo.statistics import netbenefit, rubin
from gagyo.statistics.distributions import normal_quantile, t_quantile
from gagyo.statistics.netbenefit import Benefit
from gagyo.statistics.roc import UNKNOWN, Accuracy, Limits


@local("validate", **EQUATIONS, edges=Numbers((None, None)))
def completed_cuts(
    rows: Rows, *, starts: Floats, draws: Floats, coefficients: Floats, edges: Floats, **said: Any
) -> Aggregate:
    """Controls and cases in each data set in halves of bins (low, ..., high) of scores, and in theirs."""
    spec = Spec.of(rows, **said)
    y, lps = outcome(rows, spec), filled(rows, spec, starts, draws, coefficients).lps
    lack, cells = lacking(rows, spec), _halves(edges)
    whole = np.stack([_inside(lps[0, ~lack & (y == label)], cells) for label in (False, True)], axis=-1)
    some = np.stack([_inside(lps[:, lack & (y == label)], cells) for label in (False, True)], axis=-1)
    table = whole[..., None, :] + np.moveaxis(some, 0, 2)
    beside = _told_apart(lps[:, lack], cells, whole.sum(axis=-1), np.moveaxis(some.sum(axis=-1), 0, -1))
    return {
        "bins": imputed_bins(table, rows.n, halved(edges)),
        "bins left": left(np.repeat(beside, 2, axis=-1)),
        **everyone(rows),
    }


def _halves(edges: Floats) -> Floats:
    """Both halves (bins, halves, 2) of each bin of `nested`: from, and to."""
    low, cut, high = np.moveaxis(nested(edges), -1, 0)
    return np.stack([np.stack([low, cut], -1), np.stack([cut, high], -1)], axis=2).reshape(len(edges), -1, 2)


def _inside(scores: Floats, cells: Floats) -> Counts:
    """How many scores (..., n) are in each cell (bins, halves, 2)."""
    ranked = np.sort(scores, axis=-1)
    under = np.apply_along_axis(np.searchsorted, -1, ranked, cells.ravel(), side="left")
    return np.asarray(np.diff(under.reshape(*ranked.shape[:-1], *cells.shape), axis=-1)[..., 0], np.int64)


def _told_apart(lps: Floats, cells: Floats, whole: Counts, some: Counts) -> Counts:
    """By cell and data set, (4, bins, halves, times): who lacks nothing, who lacks something, who is not in the cell in
    all sets, and who is not on one side of its cut in all; of lps (times, those who lack something).
    """
    moves = np.zeros((2, *cells.shape[:-1]), np.int64)
    for bin_at, halves in enumerate(cells):
        for at, (low, high) in enumerate(halves):
            cut = high if at % 2 == 0 else low
            moves[:, bin_at, at] = moving((lps >= low) & (lps < high)), moving(lps >= cut)
    each = np.broadcast_to(moves[..., None], (2, *some.shape))
    return np.concatenate([np.broadcast_to(whole[..., None], some.shape)[None], some[None], each])


def moving(there: Any) -> int:
    """How many people are there in some data sets and not in others; there (times, n).

    Who is there in half of the sets counts for one, who is so in few or in nearly all for less; somebody for one.
    """
    share = there.mean(axis=0)
    weight = 4 * share * (1 - share)
    return max(int(np.any(weight > 0)), int(np.floor(weight.sum())))


# Outside the hospitals.


@dataclass
class Placed(Descent):
    """Cells between declared cuts; a leaf counts controls and cases set after set. first: the cuts that come
    before the others. most: how many cuts there were.
    """

    declared: list[float] = field(default_factory=list)
    times: int = 1
    first: frozenset[float] = frozenset()
    everyone: float = np.inf
    most: int = 1

    @property
    def ahead(self) -> int:
        """As deep as cuts go."""
        return DEEPEST

    @property
    def at_once(self) -> int:
        """As many bins as there were cuts."""
        return self.most

    @property
    def size(self) -> float:
        """All people."""
        return self.everyone

    def people_of(self, leaf: Leaf) -> float:
        """Those of the data set in which they are fewest."""
        return float(np.array(leaf.counts).reshape(self.times, 2).sum(axis=1).min())

    def cuts(self, leaves: Sequence[Leaf]) -> list[tuple[float, int] | None]:
        """The middle one of the declared cuts inside each bin; those of accuracy come first."""
        inside = [[cut for cut in self.declared if leaf.low < cut < leaf.high] for leaf in leaves]
        inside = [[cut for cut in one if cut in self.first] or one for one in inside]
        return [(one[len(one) // 2], leaf.depth + 1) if one else None for one, leaf in zip(inside, leaves, strict=True)]

    def wanted(self, least: int) -> list[int]:
        """The leaves that hold people enough."""
        return [i for i, leaf in enumerate(self.leaves) if not leaf.counts or self.people_of(leaf) >= 2 * least]

    def failed(self, index: int, cut: float) -> None:
        """A cut beside which too few would be gives way to the next."""
        self.declared = [one for one in self.declared if one != cut]

    def tables(self, cut: float) -> Floats | None:
        """Under and over a cut, controls and cases, (times, 2, 2); None where it stayed shut."""
        if not self.opened or cut not in self.edges:
            return None
        counts = self.counts.reshape(len(self.leaves), self.times, 2)
        under = counts[np.array([leaf.high <= cut for leaf in self.leaves])].sum(axis=0)
        return np.stack([under, counts.sum(axis=0) - under], axis=1)


def declared_cuts(options: Options) -> list[float]:
    """The thresholds of accuracy and of the decision curve on the scale of the linear predictor, in order."""
    values = [*options.decision, *(one.value for one in options.thresholds if one.value)]
    return sorted({float(special.logit(value)) for value in values})


def sent_cuts(options: Options, times: int) -> tuple[int, int]:
    """Numbers of a question, and questions, at most."""
    number = len(declared_cuts(options))
    return 4 * times * number + 1, number + 1


def place(
    asked: dict[str, Any], options: Options, times: int, people: int, least: int
) -> Generator[Ask, Pooled, Placed]:
    """The cells between the declared thresholds that the hospitals open."""
    cuts = declared_cuts(options)
    first = frozenset(float(special.logit(one.value)) for one in options.thresholds if one.value)
    whole = Placed([Leaf(-EDGE, EDGE)], cuts, times, first, float(people), len(cuts))

    def ask(which: Any, edges: Floats) -> Ask:
        return Ask(completed_cuts, {**asked, "edges": edges}, doing="summing")

    return (yield from descend([whole], least, ask))[0]


def accuracy(tables: Floats) -> Accuracy:
    """Accuracy at a threshold from tables (times, 2, 2), under and over by controls and cases, pooled by Rubin's rules.

    Shares on the logit scale, likelihood ratios on the logarithmic; limits are Student's t. Not known where a cell that
    a measure rests on is empty in a data set.
    """
    (tn, fn), (fp, tp) = np.moveaxis(tables.astype(np.float64), 0, -1)
    return Accuracy(
        sensitivity=_share(tp, fn),
        specificity=_share(tn, fp),
        ppv=_share(tp, fp),
        npv=_share(tn, fn),
        lr_positive=_ratio(tp, fn, fp, tn),
        lr_negative=_ratio(fn, tp, tn, fp),
    )


def _share(a: Floats, b: Floats) -> Limits:
    """a of a + b, (times,)."""
    if min(a.min(), b.min()) <= 0:
        return UNKNOWN
    low, value, high = (float(special.expit(one)) for one in _pooled(np.log(a / b), 1 / a + 1 / b))
    return value, low, high


def _ratio(a: Floats, other_cases: Floats, b: Floats, other_controls: Floats) -> Limits:
    """The share of cases over that of controls; its variance after Simel et al. (1991)."""
    if min(a.min(), b.min()) <= 0:
        return UNKNOWN
    cases, controls = a + other_cases, b + other_controls
    variance = 1 / a - 1 / cases + 1 / b - 1 / controls
    low, value, high = (float(np.exp(one)) for one in _pooled(np.log((a / cases) / (b / controls)), variance))
    return value, low, high


def _pooled(values: Floats, variances: Floats) -> tuple[float, float, float]:
    """Lower limit, value, upper limit of values and variances (times,)."""
    one = rubin.pool(values[:, None], variances[:, None], np.inf)
    value, reach = float(one.value[0]), float((t_quantile(0.975, one.freedom) * one.error)[0])
    return value - reach, value, value + reach


def benefit(thresholds: Sequence[float], tables: Sequence[Floats], people: int) -> Benefit:
    """Net benefit at thresholds, each with its tables (times, 2, 2), pooled by Rubin's rules as it is."""
    found = []
    for threshold, one in zip(thresholds, tables, strict=True):
        at, false, true = np.full(len(one), threshold), one[:, 1, 0], one[:, 1, 1]
        each = netbenefit.net_benefit(at, true, false, people)
        error = (each.upper - each.value) / normal_quantile(0.975)
        found.append(_pooled(each.value, error**2))
    lower, value, upper = np.array(found).reshape(-1, 3).T
    return Benefit(value, lower, upper)
