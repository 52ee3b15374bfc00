"""Agreement of predicted with observed risk: in the large, slope, O/E, Brier score, and a smooth calibration curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.statistics import newton
from gagyo.statistics.distributions import normal_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error; NaN where the data do not determine it."""

    value: float
    standard_error: float


def in_the_large(lp: Floats, y: Floats) -> Estimate:
    """Calibration-in-the-large: the intercept beside the linear predictor as offset (Cox 1958, Biometrika 45:562)."""
    return _last(newton.fit(np.ones((len(y), 1)), y, offset=lp))


def slope(lp: Floats, y: Floats) -> Estimate:
    """Calibration slope: the coefficient of the linear predictor (n,) in a logistic model of y."""
    return _last(newton.fit(np.column_stack([np.ones(len(y)), lp]), y))


def _last(found: newton.Fit) -> Estimate:
    if not found.estimable:
        return Estimate(float("nan"), float("nan"))
    return Estimate(float(found.coefficients[-1]), float(np.sqrt(found.covariance[-1, -1])))


def observed_expected(observed: float, expected: float, people: float) -> tuple[float, float]:
    """O/E and the standard error of its logarithm, sqrt((1 - O/n) / O) (Debray et al. 2017, BMJ 356:i6460)."""
    if observed <= 0 or expected <= 0:
        return float("nan"), float("nan")
    return float(observed / expected), float(np.sqrt((1 - observed / people) / observed))


def brier(p: Floats, y: Floats) -> float:
    """The mean squared difference of predicted probability and outcome (Brier 1950, Mon Weather Rev 78:1)."""
    return float(np.mean((p - y) ** 2))


def log_loss(lp: Floats, y: Floats) -> Floats:
    """Per person (n,), minus the log-likelihood at the linear predictor."""
    return np.asarray(np.logaddexp(0.0, lp) - y * lp, dtype=np.float64)


@dataclass(frozen=True)
class Decomposition:
    """Brier = reliability - resolution + uncertainty + within.

    The first three are Murphy's (1973, J Appl Meteorol 12:595) on bins; `within` is what predictions that differ
    inside a bin add (Stephenson, Coelho & Jolliffe 2008, Weather Forecast 23:752).
    """

    reliability: float
    resolution: float
    uncertainty: float
    within: float


def decompose(p: Floats, y: Floats, bins: int = 10) -> Decomposition:
    """Murphy's decomposition over equal bins of the probability scale."""
    which = np.minimum((p * bins).astype(np.int64), bins - 1)
    n = np.bincount(which, minlength=bins).astype(np.float64)
    filled = n > 0
    forecast, seen = (np.bincount(which, v, bins)[filled] / n[filled] for v in (p, y))
    share, base = n[filled] / len(y), float(y.mean())
    reliability = float(share @ (forecast - seen) ** 2)
    resolution = float(share @ (seen - base) ** 2)
    uncertainty = base * (1 - base)
    return Decomposition(reliability, resolution, uncertainty, brier(p, y) - (reliability - resolution + uncertainty))


def spline_basis(x: Floats, knots: Floats) -> Floats:
    """Harrell's restricted cubic spline (n, knots - 1), x itself first, scaled by (last - first knot)^2.

    Reference: R `Hmisc::rcspline.eval(x, knots, inclx = TRUE, norm = 2)`.
    """
    first, before, last = knots[0], knots[-2], knots[-1]
    columns = [x]
    for knot in knots[:-2]:
        cube = _cube(x - knot) - _cube(x - before) * (last - knot) / (last - before)
        cube += _cube(x - last) * (before - knot) / (last - before)
        columns.append(cube / (last - first) ** 2)
    return np.column_stack(columns)


def _cube(x: Floats) -> Floats:
    return np.asarray(np.maximum(x, 0.0) ** 3, dtype=np.float64)


QUANTILES = {
    3: (0.10, 0.50, 0.90),
    4: (0.05, 0.35, 0.65, 0.95),
    5: (0.05, 0.275, 0.5, 0.725, 0.95),
    6: (0.05, 0.23, 0.41, 0.59, 0.77, 0.95),
    7: (0.025, 0.1833, 0.3417, 0.5, 0.6583, 0.8167, 0.975),
}
"""Where Harrell (Regression Modeling Strategies, 2nd ed., table 2.3) puts knots."""


@dataclass(frozen=True)
class Band:
    """A curve of observed share over predicted probability with its pointwise 95 % limits."""

    predicted: Floats
    observed: Floats
    lower: Floats
    upper: Floats


def recalibration_curve(lp: Floats, knots: Floats, coefficients: Floats, covariance: Floats) -> Band:
    """The curve of a logistic model on the spline of the linear predictor, at the grid lp (m,)."""
    basis = np.column_stack([np.ones(len(lp)), spline_basis(lp, knots)])
    eta = basis @ coefficients
    reach = normal_quantile(0.975) * np.sqrt(np.einsum("ij,jk,ik->i", basis, covariance, basis))
    predicted, observed, lower, upper = (special.expit(one) for one in (lp, eta, eta - reach, eta + reach))
    return Band(predicted, observed, lower, upper)
