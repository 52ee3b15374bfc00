"""ROC curves and their area from counts by score bin and class, and accuracy at a threshold with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics.distributions import normal_quantile

Floats = NDArray[np.float64]
Limits = tuple[float, float, float]
"""An estimate with its lower and upper limit."""

UNKNOWN: Limits = (float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Binned:
    """The curve of binned scores, from (0, 0) to (1, 1), and its area with the most that binning can hide."""

    false_positive: Floats
    true_positive: Floats
    auc: float
    bound: float


def binned_roc(counts: Floats) -> Binned:
    """The curve of counts (bins, 2), controls and cases, bins by rising score.

    The area is the trapezoid's, equal to scikit-learn's `roc_auc_score` on the bins' numbers. No order within bins can
    move it by more than the sum over bins of controls x cases / (2 x all pairs).
    """
    controls, cases = counts[::-1, 0], counts[::-1, 1]
    pairs = float(controls.sum() * cases.sum())
    false_positive = np.concatenate([[0.0], np.cumsum(controls)]) / controls.sum()
    true_positive = np.concatenate([[0.0], np.cumsum(cases)]) / cases.sum()
    return Binned(false_positive, true_positive, concordant(counts) / pairs, float(controls @ cases) / (2 * pairs))


def concordant(counts: Floats) -> float:
    """Case-control pairs in the right order, those in one bin by half; counts (bins, 2) by rising score."""
    under = np.cumsum(counts[:, 0]) - counts[:, 0]
    return float(counts[:, 1] @ (under + counts[:, 0] / 2))


def vertical_average(curves: Sequence[Binned], weights: Floats) -> tuple[Floats, Floats]:
    """Curves averaged at equal false positive rates (Fawcett 2006, Pattern Recognit Lett 27:861).

    The area under the average is the average of the areas: folds are never ranked against each other.
    """
    grid = np.unique(np.concatenate([curve.false_positive for curve in curves]))
    share = weights / weights.sum()
    ends = np.array([_heights(curve, grid) for curve in curves])
    # A vertical stretch of one curve is a jump of the average: both its ends are points.
    return np.repeat(grid, 2), np.einsum("c,cek->ke", share, ends).ravel()


def _heights(curve: Binned, grid: Floats) -> Floats:
    """The curve at each of the grid, (2, m): the foot and the top of a vertical stretch, equal elsewhere."""
    x, y = curve.false_positive, curve.true_positive
    before = np.searchsorted(x, grid, side="right") - 1
    at = np.searchsorted(x, grid, side="left")
    gap = np.where(x[at] > x[before], x[at] - x[before], 1.0)
    between = y[before] + (grid - x[before]) / gap * (y[at] - y[before])
    on = x[at] == grid
    return np.stack([np.where(on, y[at], between), np.where(on, y[before], between)])


def wilson(events: float, people: float, level: float = 0.95) -> Limits:
    """A proportion with Wilson's (1927) score interval; NaN where there is nobody."""
    if people <= 0:
        return UNKNOWN
    z2 = float(normal_quantile(0.5 + level / 2)) ** 2
    share = events / people
    centre = (share + z2 / (2 * people)) / (1 + z2 / people)
    reach = float(np.sqrt(z2 * (share * (1 - share) / people + z2 / (4 * people**2)))) / (1 + z2 / people)
    return float(share), max(centre - reach, 0.0), min(centre + reach, 1.0)


@dataclass(frozen=True)
class Accuracy:
    """Accuracy at a threshold, each with limits: Wilson for shares, log scale for likelihood ratios."""

    sensitivity: Limits
    specificity: Limits
    ppv: Limits
    npv: Limits
    lr_positive: Limits
    lr_negative: Limits


def accuracy(tp: float, fp: float, fn: float, tn: float) -> Accuracy:
    """Accuracy of a two by two table. Likelihood ratios: Simel, Samsa & Matchar (1991) J Clin Epidemiol 44:763."""
    return Accuracy(
        sensitivity=wilson(tp, tp + fn),
        specificity=wilson(tn, tn + fp),
        ppv=wilson(tp, tp + fp),
        npv=wilson(tn, tn + fn),
        lr_positive=_ratio(tp, tp + fn, fp, tn + fp),
        lr_negative=_ratio(fn, tp + fn, tn, tn + fp),
    )


def _ratio(a: float, cases: float, b: float, controls: float) -> Limits:
    if min(a, b) <= 0:
        return UNKNOWN
    ratio = (a / cases) / (b / controls)
    error = np.sqrt(1 / a - 1 / cases + 1 / b - 1 / controls)
    reach = float(np.exp(normal_quantile(0.975) * error))
    return ratio, ratio / reach, ratio * reach
