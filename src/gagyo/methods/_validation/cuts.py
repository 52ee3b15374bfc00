"""Thresholds: declared ones, and those chosen for a wanted sensitivity inside the training folds only."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from scipy import special

from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.local import Numbers, local
from gagyo.federation.rows import Rows
from gagyo.methods._validation.performance import Asked
from gagyo.methods._validation.present import everyone
from gagyo.methods._validation.scores import SETS, Layout, outcome, scores
from gagyo.release.aggregate import Aggregate, Floats, bins
from gagyo.statistics.roc import Accuracy, accuracy


@local("validate", **SETS, cuts=Numbers((None, None), -100, 100))
def at_cuts(rows: Rows, formula: str, coefficients: Floats, layout: Floats, sets: Floats, cuts: Floats) -> Aggregate:
    """Controls and cases under and over each threshold (thresholds, cells), by the cell (fold) that a person is in."""
    y = outcome(rows, formula)
    one = scores(rows, formula, coefficients, Layout.of(layout), sets[0])
    table = []
    for cut in cuts:
        over = one.lp >= cut[one.cell]
        table.append([[np.sum(side & ~y), np.sum(side & y)] for side in (~over, over)])
    return {"bins": bins(np.array(table), rows.n), **everyone(rows)}


@dataclass(frozen=True)
class Threshold:
    """Accuracy at a threshold on the probability scale (the mean over folds); None where bins were withheld."""

    sensitivity: float | None
    value: float
    accuracy: Accuracy | None


def at_threshold(wanted: float | None, value: float, counts: Floats) -> Threshold:
    """Accuracy from counts (2, 2): under and over the threshold, controls and cases."""
    if np.isnan(counts).any():
        return Threshold(wanted, value, None)
    (tn, fn), (fp, tp) = counts
    return Threshold(wanted, value, accuracy(tp=tp, fp=fp, fn=fn, tn=tn))


def held_out_accuracy(
    asked: Asked, one: tuple[int, int, int], wanted: tuple[float, ...], cuts: Floats
) -> Generator[Ask, Pooled, list[Threshold]]:
    """Accuracy of out-of-fold scores at thresholds (wanted, folds) that the training folds chose."""
    pooled = yield Ask(at_cuts, {**asked.arguments([one]), "cuts": cuts}, doing="summing")
    values = special.expit(cuts).mean(axis=1)
    return [at_threshold(w, float(v), c) for w, v, c in zip(wanted, values, pooled["bins"], strict=True)]
