"""One hospital's sums of a logistic fit, block by block, over everyone or a part, and how far few people carry them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg, special

from gagyo.federation.rows import Rows
from gagyo.methods._newton import triangle
from gagyo.methods._regression import column_bounds, design_cells, middles
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Floats, Measure, Spread, side_by_side, spread_of

BLOCK = 8192
"""Rows at a time: a block of 50 columns and its weighted copy stay in the processor's cache."""

LIKELIHOOD_BOUND = 64.0
"""Scale of the log-likelihood in the ring; one person's share at honest coefficients is far below it."""

ENOUGH_ROWS = 2000
"""A hospital's part has at least so many rows."""

ENOUGH_PEOPLE = 30
"""Nor does any head count in a part fall under this, unless the whole has no more: a few would carry its sums."""


@dataclass(frozen=True)
class Sample:
    """The rows that a round uses: one in `part`, their number, and the head counts that their sums give away."""

    part: int
    people: int
    cells: Measure


def sample_of(rows: Rows, formula: Formula, part: int) -> Sample:
    """About one row in `part`; more where the hospital has few, or few of some kind."""
    part = max(1, min(part, rows.n // ENOUGH_ROWS))
    if part == 1:
        return everyone(rows, formula)
    chosen = np.concatenate([np.arange(one.start, one.stop) for one in rows.slices(BLOCK, part, formula.text)])
    cells, whole = design_cells(rows, formula, chosen), everyone(rows, formula)
    # Who may make up most of what a part of a sample has need not of what the part has.
    if _fewer(cells, whole.cells) or cells.spread.total.size:
        return sample_of(rows, formula, part // 2)
    return Sample(part, len(chosen), cells)


def everyone(rows: Rows, formula: Formula) -> Sample:
    """All rows."""
    whole: Sample = rows.kept(("logistic whole", formula.text), lambda: Sample(1, rows.n, design_cells(rows, formula)))
    return whole


def _fewer(cells: Measure, whole: Measure) -> bool:
    """Whether a head count is of few people in a part, and not of just as few in the whole."""
    least, of = (np.where(one.structural, one.people, np.minimum(one.people, one.others)) for one in (cells, whole))
    few = (least < ENOUGH_PEOPLE) & (least < of) & ~(cells.structural & (least == 0))
    return bool(few.any() or ((cells.own > 0) & (cells.own < ENOUGH_PEOPLE)).any())


SPREAD = ("total", "largest", "second")


def middles_of(rows: Rows, formula: Formula) -> Floats:
    """The middle of each measured column's declared range (p,); 0 for the others."""
    middle: Floats = rows.kept(("middles", formula.text), lambda: middles(formula, rows.variables))
    return middle


def largest_of(rows: Rows, formula: Formula) -> Floats:
    """The greatest size of each column about its middle."""
    largest: Floats = rows.kept(
        ("largest", formula.text), lambda: column_bounds(rows, formula) - np.abs(middles_of(rows, formula))
    )
    return largest


def bounds_of(bound: Floats) -> Floats:
    """One person's greatest share of each number of a fit: score, upper triangle of the information, log-likelihood."""
    upper, right = triangle(len(bound))
    return np.concatenate([bound, 0.25 * bound[upper] * bound[right], [LIKELIHOOD_BOUND]])


def fit_sums(
    rows: Rows, formula: Formula, sample: Sample, coefficients: Floats, largest: Floats
) -> tuple[Floats, Spread]:
    """The sums of each model (models, values), and their spread one after the other."""
    models = [_one_model(rows, formula, sample, beta, largest) for beta in coefficients]
    spread = side_by_side(*(one for _, one in models))
    return np.stack([values for values, _ in models]), spread


def _one_model(rows: Rows, formula: Formula, sample: Sample, beta: Floats, largest: Floats) -> tuple[Floats, Spread]:
    """The sums of one model over a sample of the rows, block by block, at everyone's rate, and their spread."""
    y, p = rows[formula.outcome], formula.width
    score, information, likelihood = np.zeros(p), np.zeros((p, p), order="F"), 0.0
    root = np.empty((min(BLOCK, rows.n), p), order="F")
    residual, heaviest = 0.0, 0.0
    for part, block in _centred(rows, formula, sample.part):
        seen, eta = y[part], block @ beta
        small = np.exp(-np.abs(eta))  # exp of what is never positive cannot overflow
        mu = np.where(eta >= 0, 1.0, small) / (1.0 + small)
        weight = small / (1.0 + small) ** 2
        rest = seen - mu
        score += rest @ block
        likelihood += float(seen @ eta - np.maximum(eta, 0.0).sum() - np.log1p(small).sum())
        weighted = root[: len(block)]
        np.multiply(block, np.sqrt(weight)[:, None], out=weighted)
        information = linalg.blas.dsyrk(1.0, weighted, beta=1.0, c=information, trans=1, overwrite_c=1)
        residual = max(residual, float(rest.max()), -float(rest.min()))
        heaviest = max(heaviest, float(weight.max()))
    values = np.concatenate([score, information[triangle(p)], [likelihood]]) * (rows.n / max(sample.people, 1))
    bounds = _spread_bounds(np.diag(information), largest, residual, heaviest)
    return values, bounds if bounds.settled else _exact_spread(rows, formula, sample.part, beta)


def score_sums(rows: Rows, formula: Formula, beta: Floats, largest: Floats) -> tuple[Floats, Spread]:
    """Everyone's score and its spread, for which the first block stands where its sum alone is great enough."""
    y, score, residual = rows[formula.outcome], np.zeros(formula.width), 0.0
    first = np.zeros(formula.width)
    for part, block in _centred(rows, formula):
        rest = y[part] - special.expit(block @ beta)
        score += rest @ block
        residual = max(residual, float(rest.max()), -float(rest.min()))
        if part.start == 0:
            first = np.abs(rest) @ np.abs(block)
    bounds = Spread(first, largest * residual, largest * residual)
    if not bounds.settled:
        exact = _exact_spread(rows, formula, 1, beta)
        bounds = Spread(*(getattr(exact, name)[: formula.width] for name in SPREAD))
    return score, bounds


def _centred(rows: Rows, formula: Formula, part: int = 1) -> Iterator[tuple[slice, Floats]]:
    """The blocks of the design, measured columns about the middles of their ranges."""
    middle = middles_of(rows, formula)
    for chosen, block in rows.blocks(formula, BLOCK, part):
        if middle.any():
            block -= middle
        yield chosen, block


def _spread_bounds(diagonal: Floats, largest: Floats, residual: float, heaviest: float) -> Spread:
    """Spread of the score and of the information's diagonal, at least as bad as it is, without a pass over the rows.

    |y - mu| >= mu (1 - mu), so the sum of |x r| is at least the sum of x^2 w over max |x|.
    """
    safe = np.where(largest > 0, largest, 1.0)
    top = np.concatenate([largest * residual, largest**2 * heaviest])
    return Spread(np.concatenate([diagonal / safe, diagonal]), top, top)


def _exact_spread(rows: Rows, formula: Formula, part: int, beta: Floats) -> Spread:
    blocks = [(rows[formula.outcome][chosen], block.copy()) for chosen, block in _centred(rows, formula, part)]
    y, X = np.concatenate([one for one, _ in blocks]), np.concatenate([block for _, block in blocks])
    mu = special.expit(X @ beta)
    exact = [spread_of(X * (y - mu)[:, None]), spread_of(X**2 * (mu * (1 - mu))[:, None])]
    return side_by_side(*exact)
