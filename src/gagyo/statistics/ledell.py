"""The variance of a cross-validated AUC by influence curves.

LeDell, Petersen & van der Laan (2015) Electron J Stat 9:1583. Scores are compared within a fold only (and, over
hospitals, within a fold of one hospital), since each fold's scores come from another model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics.delong import beaten

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CrossValidated:
    """The mean of the folds' areas, and its standard error."""

    auc: float
    standard_error: float
    folds: Floats


def cross_validated(scores: Floats, cases: NDArray[np.bool_], fold: NDArray[np.int64]) -> CrossValidated:
    """As published, and as R cvAUC does: unweighted mean over folds, each influence curve about its fold's area."""
    share = cases.mean()
    areas, spreads = [], []
    for number in np.unique(fold):
        here = fold == number
        y, m, n = cases[here], int(cases[here].sum()), int((~cases[here]).sum())
        placed = beaten(scores[here], y) / np.where(y, n, m)
        areas.append(placed[y].mean())
        curve = (placed - areas[-1]) / np.where(y, share, 1 - share)
        spreads.append(np.mean(curve**2))
    return CrossValidated(
        float(np.mean(areas)), float(np.sqrt(np.mean(spreads) / len(cases))), np.array(areas, dtype=np.float64)
    )


def cell_placements(
    scores: Floats, cases: NDArray[np.bool_], cell: NDArray[np.int64], weights: Floats | None = None
) -> tuple[Floats, Floats]:
    """Per person, within its cell: the other class on the right side, and the other class (both by weight)."""
    right, all_others = np.zeros(len(scores)), np.zeros(len(scores))
    w = np.ones(len(scores)) if weights is None else weights
    for number in np.unique(cell):
        here = np.flatnonzero(cell == number)
        y = cases[here]
        right[here] = beaten(scores[here], y, w[here])
        all_others[here] = np.where(y, w[here][~y].sum(), w[here][y].sum())
    return right, all_others


def influence(right: Floats, others: Floats, cases: NDArray[np.bool_]) -> Floats:
    """Per person (n,), the unnormalised influence on sum(concordant pairs) / sum(pairs) of the cells of one hospital.

    The sum of its squares over all hospitals, over the squared number of pairs, is the variance of the pair-weighted
    AUC. It is centred on the hospital's area over its cells: a cell of few people has no area of its own to speak of.
    With equal folds this is LeDell's variance.
    """
    pairs = float(others[cases].sum())
    area = float(right[cases].sum()) / pairs if pairs else 0.0
    return right - area * others
