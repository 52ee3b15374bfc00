"""Many logistic fits at once: one question a Newton step carries every model that has not converged yet.

Sums over people do not depend on which hospital they are at, so each model equals its pooled fit (lossless).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.local import Numbers, local
from gagyo.federation.rows import Rows
from gagyo.methods._newton import symmetric, triangle
from gagyo.methods._regression import column_bounds, design_cells, fold_cells
from gagyo.methods._validation.scores import COMMON, Layout, folds, outcome, training_weights
from gagyo.release.aggregate import Aggregate, Floats, Measure, Spread, joined, joint, side_by_side, spread_of
from gagyo.statistics.newton import DECREMENT, MOST_STEPS, VANISHED, step

BLOCK = 4_000_000
"""Products of columns held at a time."""

ESTIMATES = 1e-8
"""The squared decrement that is enough where coefficients alone are wanted: the last step takes it to under 1e-16."""

MOST_WEIGHT = 32.0
"""Over the greatest Poisson weight that a person can draw."""


@local("validate", **COMMON, models=Numbers((None,), 0, 1e5))
def newton(rows: Rows, formula: str, coefficients: Floats, layout: Floats, models: Floats) -> Aggregate:
    """Score, information (upper triangle) and log-likelihood, (models, size), of each model on its training people."""
    parsed, plan = rows.formula(formula), Layout.of(layout)
    X, y = rows.design(parsed), outcome(rows, formula).astype(np.float64)
    width = max(1, 5 * BLOCK // max(rows.n, 1))
    values, spreads = [], []
    for first in range(0, len(models), width):
        some, beta = models[first : first + width], coefficients[first : first + width]
        weights = np.column_stack([training_weights(rows, formula, plan, int(model)) for model in some])
        values.append(fit_sums(X, y, weights, beta))
        spreads.append(fit_spread(X, y, weights, beta))
    spread = side_by_side(*spreads)
    cells = rows.kept(("validate cells", formula, plan), lambda: _cells(rows, formula, plan))
    return {"fit": joint(np.concatenate(values), _bounds(column_bounds(rows, parsed)), cells, spread)}


def _bounds(bound: Floats) -> Floats:
    """Of one weighted person's score, information and log-likelihood."""
    upper, right = triangle(len(bound))
    return np.concatenate([bound, 0.25 * bound[upper] * bound[right], [64.0]]) * MOST_WEIGHT


def _cells(rows: Rows, formula: str, layout: Layout) -> Measure:
    """The head counts of the joint fit, and those of each fold: joint minus fold model tells them."""
    parsed = rows.formula(formula)
    left = [folds(rows, formula, layout, r) == k for r in range(layout.repeats) for k in range(layout.folds)]
    return joined(design_cells(rows, parsed), *(fold_cells(rows, parsed, fold) for fold in left))


def fit_sums(X: Floats, y: Floats, weights: Floats, coefficients: Floats) -> Floats:
    """Sums (models, p + p(p+1)/2 + 1) over people (n), weights (n, models), in blocks that bound the memory."""
    m, p = coefficients.shape
    upper, right = triangle(p)
    out = np.zeros((m, p + len(upper) + 1))
    size = max(256, BLOCK // max(len(upper), m))
    for start in range(0, len(y), size):
        block, seen, w = X[start : start + size], y[start : start + size], weights[start : start + size]
        eta = block @ coefficients.T
        mu = special.expit(eta)
        out[:, :p] += (w * (seen[:, None] - mu)).T @ block
        out[:, p:-1] += (w * mu * (1 - mu)).T @ (block[:, upper] * block[:, right])
        out[:, -1] += (w * (seen[:, None] * eta - np.logaddexp(0.0, eta))).sum(axis=0)
    return out


def fit_spread(X: Floats, y: Floats, weights: Floats, coefficients: Floats) -> Spread:
    """Spread of each score and of each information's diagonal: bounds, exact where they do not settle it."""
    mu = special.expit(X @ coefficients.T)
    parts = (_spread(weights * np.abs(y[:, None] - mu), np.abs(X)), _spread(weights * mu * (1 - mu), X**2))
    return side_by_side(*parts)


def _spread(pulls: Floats, size: Floats) -> Spread:
    """Of the contributions pulls (n, models) x size (n, p), all at least 0; flat (models x p)."""
    total = pulls.T @ size
    first = np.outer(pulls.max(axis=0, initial=0.0), size.max(axis=0, initial=0.0))
    second = first.copy()
    model, column = np.nonzero(total - 2 * first < 0.2 * first)
    width = max(1, BLOCK // max(len(size), 1))
    for start in range(0, len(model), width):
        m, j = model[start : start + width], column[start : start + width]
        exact = spread_of(pulls[:, m] * size[:, j])
        first[m, j], second[m, j] = exact.largest, exact.second
    return Spread(total.ravel(), first.ravel(), second.ravel())


@dataclass(frozen=True)
class Fits:
    """Converged fits: coefficients (models, p), NaN where not estimable; informations; log-likelihoods."""

    coefficients: Floats
    information: Floats
    likelihood: Floats

    @property
    def estimable(self) -> NDArray[np.bool_]:
        """Which models have finite estimates."""
        return np.asarray(np.isfinite(self.coefficients).all(axis=1))

    def covariance(self) -> Floats:
        """Inverse informations (models, p, p)."""
        return np.asarray(np.linalg.inv(self.information))


Fitting = Generator[Ask, Pooled, Fits]
Asking = Callable[[Floats, NDArray[np.intp]], Ask]
"""The question for coefficients (active, p) of the models whose numbers are given; its answer is named `fit`."""


def newton_fits(ask: Asking, start: Floats, free: NDArray[np.bool_], enough: float = DECREMENT) -> Fitting:
    """Newton-Raphson with step halving for models (m, p) from `start`; free (m, p): which coefficients move.

    enough: the squared decrement at which a last step is taken; the likelihood is that after it, to the second order.
    """
    m, p = start.shape
    at, best = start.copy(), np.full(m, -np.inf)
    settled, information, likelihood = start.copy(), np.full((m, p, p), np.nan), np.full(m, np.nan)
    done, failed, first = np.zeros(m, bool), np.zeros(m, bool), np.zeros((m, p))
    own = np.flatnonzero(np.equal(*triangle(p)))
    for _ in range(MOST_STEPS):
        active = np.flatnonzero(~done & ~failed)
        if not len(active):
            break
        pooled = yield ask(at[active], active)
        found = pooled["fit"]
        worse = found[:, -1] < best[active] - 1e-9 * (1 + np.abs(best[active]))
        halved, moved, found = active[worse], active[~worse], found[~worse]
        at[halved] = (settled[halved] + at[halved]) / 2
        matrix, diagonal = symmetric(found[:, p:-1], p), found[:, p:-1][:, own]
        change, decrement = step(found[:, :p], matrix, free[moved])
        settled[moved], best[moved], information[moved] = at[moved], found[:, -1], matrix
        first[moved] = np.where(first[moved] == 0, diagonal, first[moved])
        runaway = (free[moved] & (diagonal < VANISHED * first[moved])).any(axis=1)
        failed[moved] = lost = ~np.isfinite(decrement) | runaway
        at[moved[~lost]] += change[~lost]
        done[moved], likelihood[moved] = ~lost & (decrement < enough), found[:, -1] + decrement / 2
    at[~done] = np.nan
    return Fits(at, information, likelihood)


def fit_models(
    formula: str, layout: Layout, models: NDArray[np.intp], start: Floats, keep: NDArray[np.bool_], name: str
) -> Fitting:
    """The fold and bootstrap models, from the joint fit (p,); keep (p,): the columns that are not aliased."""
    p = int(keep.sum())

    def ask(coefficients: Floats, active: NDArray[np.intp]) -> Ask:
        arguments = {"formula": formula, "coefficients": coefficients, "layout": layout.numbers}
        chosen = models[active].astype(np.float64)
        return Ask(
            newton,
            {**arguments, "models": chosen},
            fit=name,
            parameters=p * len(models),
            fits_at_once=len(models),
            doing="fitting",
        )

    many = np.tile(start, (len(models), 1))
    return newton_fits(ask, many, np.tile(keep, (len(models), 1)), ESTIMATES)
