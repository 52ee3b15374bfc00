"""Logistic regression in memory by Newton-Raphson, and the Newton step for many fits at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

ALIAS = 1e-10
"""A column whose squared length falls to this share of itself, once earlier columns are taken out, is aliased."""

DECREMENT = 1e-12
"""Stop where the squared Newton decrement g' H^-1 g is under this; the step taken there squares the error again."""

NEARLY = 1e-9
"""Of the squared decrement, where only the likelihood is wanted: all but exactly half of that is what it lacks."""

MOST_STEPS = 25
"""Well-posed fits converge in under 10 steps; separated data move their estimates by about one a step, for ever."""

VANISHED = 1e-5
"""Information shrunk to this share of its first value: fitted probabilities have run to 0 and 1."""


@dataclass(frozen=True)
class Fit:
    """A fit of p columns. `coefficients` are NaN where aliased; `information` (p, p) is at the last iterate."""

    coefficients: Floats
    information: Floats
    likelihood: float
    steps: int
    converged: bool
    separated: bool
    aliased: NDArray[np.bool_]

    @property
    def estimable(self) -> bool:
        """Whether every coefficient has a finite maximum likelihood estimate."""
        return self.converged and not self.separated and not bool(self.aliased.any())

    @property
    def covariance(self) -> Floats:
        """The inverse information over the columns that are not aliased; NaN elsewhere."""
        keep = np.flatnonzero(~self.aliased)
        out = np.full(self.information.shape, np.nan)
        out[np.ix_(keep, keep)] = np.linalg.inv(self.information[np.ix_(keep, keep)])
        return out


def aliased_columns(information: Floats) -> NDArray[np.bool_]:
    """R's rule of `lm` and `glm` by Cholesky in column order: a column that those before it determine is left out."""
    rest = information.astype(np.float64).copy()
    aliased = np.zeros(len(rest), bool)
    for j in range(len(rest)):
        if rest[j, j] <= ALIAS * max(float(information[j, j]), np.finfo(float).tiny):
            aliased[j] = True
            continue
        rest[j + 1 :, j + 1 :] -= np.outer(rest[j + 1 :, j], rest[j, j + 1 :]) / rest[j, j]
    return aliased


def step(score: Floats, information: Floats, free: NDArray[np.bool_] | None = None) -> tuple[Floats, Floats]:
    """Newton steps (models, p) and squared decrements (models,) of many fits, scaled to unit diagonal first.

    free (models, p): which coefficients move; the others' steps are 0. A fit whose information is singular gets a NaN
    step: it is not estimable.
    """
    if free is not None:
        both = free[:, :, None] & free[:, None, :]
        score, information = np.where(free, score, 0.0), np.where(both, information, np.eye(score.shape[1]))
    diagonal = np.einsum("mii->mi", information)
    size = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, np.nan))
    scaled = information * size[:, :, None] * size[:, None, :]
    good: NDArray[np.bool_] = np.asarray(np.isfinite(scaled).all(axis=(1, 2)))
    good[good] = np.linalg.eigvalsh(scaled[good])[:, 0] > ALIAS
    steps = np.full(score.shape, np.nan)
    if good.any():
        steps[good] = np.linalg.solve(scaled[good], (score * size)[good][:, :, None])[:, :, 0] * size[good]
    return steps, np.einsum("mi,mi->m", score, steps)


def sums(X: Floats, y: Floats, weights: Floats | None, eta: Floats) -> tuple[Floats, Floats, float]:
    """Score (p,), information (p, p) and log-likelihood at linear predictors eta (n,)."""
    w = np.ones(len(y)) if weights is None else weights
    mu = special.expit(eta)
    likelihood = float(w @ (y * eta - np.logaddexp(0.0, eta)))
    return X.T @ (w * (y - mu)), (X * (w * mu * (1 - mu))[:, None]).T @ X, likelihood


def fit(X: Floats, y: Floats, weights: Floats | None = None, offset: Floats | None = None) -> Fit:
    """Maximum likelihood for y (n,) in [0, 1] on X (n, p), by Newton-Raphson with step halving."""
    shift = np.zeros(len(y)) if offset is None else offset
    w = np.ones(len(y)) if weights is None else weights
    aliased = aliased_columns((X * w[:, None]).T @ X)
    Z = X[:, ~aliased]
    beta, eta = np.zeros(Z.shape[1]), shift
    score, information, likelihood = sums(Z, y, weights, eta)
    first, converged, taken = np.diag(information).copy(), False, 0
    while not converged and taken < MOST_STEPS:
        change, decrement = (one[0] for one in step(score[None], information[None]))
        converged = bool(decrement < DECREMENT)
        if not np.isfinite(change).all():
            break
        beta, eta, (score, information, likelihood) = _move(Z, y, weights, shift, beta, change, likelihood)
        taken += 1
    separated = bool(len(first)) and bool(np.any(np.diag(information) < VANISHED * first) or not converged)
    return _whole(beta, information, likelihood, taken, converged, separated, aliased)


Sums = tuple[Floats, Floats, float]


def _move(
    X: Floats, y: Floats, weights: Floats | None, shift: Floats, beta: Floats, change: Floats, likelihood: float
) -> tuple[Floats, Floats, Sums]:
    """The step, halved until the likelihood does not fall (by more than rounding)."""
    for halving in range(8):
        tried = beta + change / 2**halving
        eta = shift + X @ tried
        found = sums(X, y, weights, eta)
        if found[2] >= likelihood - 1e-9 * (1 + abs(likelihood)):
            break
    return tried, eta, found


def _whole(
    beta: Floats,
    information: Floats,
    likelihood: float,
    taken: int,
    converged: bool,
    separated: bool,
    aliased: NDArray[np.bool_],
) -> Fit:
    keep = np.flatnonzero(~aliased)
    coefficients = np.full(len(aliased), np.nan)
    coefficients[keep] = beta
    full = np.full((len(aliased), len(aliased)), np.nan)
    full[np.ix_(keep, keep)] = information
    return Fit(coefficients, full, likelihood, taken, converged, separated, aliased)
