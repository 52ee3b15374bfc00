"""Optimism, shrinkage and instability by the bootstrap: each person draws Poisson weights from a keyed hash.

Harrell, Lee & Mark (1996) Stat Med 15:361 (optimism); Riley & Collins (2023) Biom J 65:2200302 (instability). Averages
over replicates are sums over people too, so that only they leave.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.local import Numbers, local
from gagyo.federation.rows import Rows
from gagyo.methods._validation.descent import Grown
from gagyo.methods._validation.performance import PAIRS, Asked, Performance, recalibrate
from gagyo.methods._validation.present import grouped, present
from gagyo.methods._validation.scores import APPARENT, COMMON, Layout, outcome, replicate, scores, training_weights
from gagyo.release.aggregate import Aggregate, Floats, total
from gagyo.statistics import calibration, ledell

GROUPS = 6
"""Of predictions, in which instability is averaged."""


@local("validate", **COMMON, boots=Numbers((None,), 0, 1000))
def draws(rows: Rows, formula: str, coefficients: Floats, layout: Floats, boots: Floats) -> Aggregate:
    """Per replicate, the sum of weights and the weight of all case-control pairs."""
    y, plan = outcome(rows, formula), Layout.of(layout)
    weights = np.column_stack([training_weights(rows, formula, plan, plan.bootstrap_model(int(b))) for b in boots])
    pairs = weights * y[:, None] * weights[~y].sum(axis=0)
    return {"weights": total(weights, 32.0), "pairs": total(pairs, 32 * PAIRS)}


@local(
    "validate",
    **COMMON,
    boots=Numbers((None,), 0, 1000),
    weights=Numbers((None,), 0, 1e15),
    pairs=Numbers((None,), 0, 1e30),
    people=Numbers((2,), 0, 1e30),
)
def optimism(
    rows: Rows,
    formula: str,
    coefficients: Floats,
    layout: Floats,
    boots: Floats,
    weights: Floats,
    pairs: Floats,
    people: Floats,
) -> Aggregate:
    """Means over replicates of AUC, Brier score and log-loss, in the replicate and in everyone: a share a person.

    weights, pairs (boots,): all hospitals' sums of `draws`; people: everyone, and their case-control pairs.
    """
    y, plan = outcome(rows, formula), Layout.of(layout)
    one_cell = np.zeros(rows.n, np.int64)
    out = np.zeros((rows.n, 6))
    for b, in_sample, in_pairs in zip(boots, weights, pairs, strict=True):
        w = training_weights(rows, formula, plan, plan.bootstrap_model(int(b)))
        lp = scores(rows, formula, coefficients, plan, np.array(replicate(int(b)), dtype=np.float64)).lp
        drawn = w * ledell.cell_placements(lp, y, one_cell, w)[0] * y / in_pairs
        everyone = ledell.cell_placements(lp, y, one_cell)[0] * y / people[1]
        squared, loss = (special.expit(lp) - y) ** 2, calibration.log_loss(lp, y.astype(np.float64))
        parts = (drawn, everyone, w * squared / in_sample, squared / people[0], w * loss / in_sample, loss / people[0])
        out += np.column_stack(parts)
    return {"means": total(out / len(boots), 1.0)}


@local("validate", **COMMON, boots=Numbers((None,), 0, 1000), edges=Numbers((None,)))
def instability(
    rows: Rows, formula: str, coefficients: Floats, layout: Floats, boots: Floats, edges: Floats
) -> Aggregate:
    """By bin of the joint model's prediction: its sum, those of the 2.5 and 97.5 percentiles, and of absolute changes.

    A hospital adds the bins in which it has enough people; `counts` says how many people that is.
    """
    plan = Layout.of(layout)
    lp = scores(rows, formula, coefficients, plan, np.array(APPARENT, dtype=np.float64)).lp
    p = np.asarray(special.expit(lp))
    sets = [np.array(replicate(int(b)), dtype=np.float64) for b in boots]
    moved = special.expit(np.array([scores(rows, formula, coefficients, plan, one).lp for one in sets]))
    low, high = np.percentile(moved, [2.5, 97.5], axis=0)
    columns = np.column_stack([p, low, high, np.abs(moved - p).mean(axis=0)])
    bins = np.searchsorted(edges, lp, side="right")
    return present(rows, columns, bins[:, None] == np.arange(len(edges) + 1), np.ones(4))


@dataclass(frozen=True)
class Optimism:
    """What overfitting added to the apparent numbers: subtract from them. `slope` is the mean over replicates."""

    auc: float
    brier: float
    log_loss: float
    slope: float
    citl: float
    replicates: int
    dropped: int


def correct(
    asked: Asked, boots: Sequence[int], apparent: Performance, name: str, dropped: int
) -> Generator[Ask, Pooled, Optimism]:
    """Optimism over the replicates whose models are estimable."""
    common = {**asked.arguments([]), "boots": np.array(boots, dtype=np.float64)}
    del common["sets"]
    drawn = yield Ask(draws, common, doing="summing")
    whole = np.array([apparent.people, apparent.pairs], dtype=np.float64)
    sums = {"weights": drawn["weights"], "pairs": drawn["pairs"], "people": whole}
    found = yield Ask(optimism, {**common, **sums}, doing="summing")
    lines = yield from recalibrate(asked, [replicate(b) for b in boots], f"{name}.bootstrap recalibration")
    auc, auc_all, brier, brier_all, loss, loss_all = (float(value) for value in found["means"])
    slope, citl = float(np.nanmean(lines[:, 2])), float(np.nanmean(lines[:, 0]))
    return Optimism(auc - auc_all, brier - brier_all, loss - loss_all, slope, citl, len(boots), dropped)


def coarse(grown: Grown) -> Floats:
    """Every so many edges of the score bins, for GROUPS groups of about equal size: enough people at each hospital."""
    below = np.array([grown.below(float(edge)).sum() for edge in grown.edges])
    whole = grown.below(np.inf).sum()
    wanted = whole * np.arange(1, GROUPS) / GROUPS
    return np.unique([grown.edges[int(np.argmin(np.abs(below - one)))] for one in wanted])


def unstable(asked: Asked, boots: Sequence[int], grown: Grown) -> Generator[Ask, Pooled, Floats]:
    """By bin (bins, 5): people, and means of prediction, lower and upper percentile, absolute change; rising."""
    edges = coarse(grown)
    common = {**asked.arguments([]), "boots": np.array(boots, dtype=np.float64), "edges": edges}
    del common["sets"]
    pooled = yield Ask(instability, common, doing="summing")
    people, sums = grouped(pooled)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums / people[:, None]
    table = np.column_stack([people, means])
    return np.asarray(table[np.isfinite(table).all(axis=1)], dtype=np.float64)
