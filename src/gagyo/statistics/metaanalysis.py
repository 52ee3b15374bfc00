"""Summaries over hospitals: random effects with Hartung-Knapp, never narrower than the standard interval, and fixed.

Between-hospital variance by REML (Viechtbauer 2005, J Educ Behav Stat 30:261), DerSimonian & Laird (1986) Control Clin
Trials 7:177, or Paule & Mandel (1982) J Res Natl Bur Stand 87:377. Hartung & Knapp (2001) Stat Med 20:3875; that the
factor is not let under 1: Knapp & Hartung (2003) Stat Med 22:2693; I2 as Higgins & Thompson (2002) Stat Med 21:1539;
prediction interval with k - 2 degrees of freedom: Higgins, Thompson & Spiegelhalter (2009) J R Stat Soc A 172:137.
Reference: R metafor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics.distributions import normal_quantile, normal_sf, t_quantile, t_sf

Floats = NDArray[np.float64]

HOSPITALS_FOR_PREDICTION = 5


@dataclass(frozen=True)
class Summary:
    """A mean over hospitals with limits; `prediction` is None under five hospitals."""

    value: float
    standard_error: float
    lower: float
    upper: float
    tau2: float
    i2: float
    q: float
    hospitals: int
    prediction: tuple[float, float] | None
    p: float = float("nan")


Variance = Literal["REML", "DL", "PM"]
"""How the variance between hospitals is estimated."""


def summarise(
    values: Floats, errors: Floats, level: float = 0.95, variance: Variance = "REML", knapp: bool = True
) -> Summary:
    """The random-effects summary of estimates (k,) with standard errors (k,), k >= 2.

    knapp: Hartung and Knapp's interval with t(k - 1); else the normal one.
    """
    k = len(values)
    variances = errors**2
    tau2 = BETWEEN[variance](values, variances)
    weights = 1 / (variances + tau2)
    mean = float(weights @ values / weights.sum())
    factor = max(1.0, float(weights @ (values - mean) ** 2) / (k - 1)) if knapp else 1.0
    error = float(np.sqrt(factor / weights.sum()))
    freedom = k - 1 if knapp else np.inf
    reach = float(t_quantile(0.5 + level / 2, freedom)) * error
    fixed = 1 / variances
    typical = float((k - 1) * fixed.sum() / (fixed.sum() ** 2 - (fixed**2).sum()))
    prediction = _prediction(mean, tau2 + error**2, k, level)
    p = float(2 * t_sf(abs(mean) / error, freedom))
    q, i2 = cochran(values, variances), tau2 / (tau2 + typical)
    return Summary(mean, error, mean - reach, mean + reach, tau2, i2, q, k, prediction, p)


def fixed(values: Floats, errors: Floats, level: float = 0.95) -> Summary:
    """The summary of hospitals that share one effect: inverse-variance weights, normal interval."""
    k, weights = len(values), 1 / errors**2
    mean, error = float(weights @ values / weights.sum()), float(1 / np.sqrt(weights.sum()))
    reach = float(normal_quantile(0.5 + level / 2)) * error
    q = cochran(values, errors**2)
    i2 = max(0.0, (q - (k - 1)) / q) if q > 0 else 0.0
    p = float(2 * normal_sf(abs(mean) / error))
    return Summary(mean, error, mean - reach, mean + reach, 0.0, i2, q, k, None, p)


def cochran(values: Floats, variances: Floats) -> float:
    """Cochran's Q."""
    weights = 1 / variances
    return float(weights @ (values - weights @ values / weights.sum()) ** 2)


def dersimonian_laird(values: Floats, variances: Floats) -> float:
    """The between-hospital variance by the moment of Q."""
    w = 1 / variances
    scale = float(w.sum() - (w**2).sum() / w.sum())
    return max(0.0, (cochran(values, variances) - (len(values) - 1)) / scale)


def paule_mandel(values: Floats, variances: Floats) -> float:
    """The between-hospital variance at which Q, with its weights, is k - 1; 0 where it is less at 0."""

    def excess(tau2: float) -> float:
        return cochran(values, variances + tau2) - (len(values) - 1)

    if excess(0.0) <= 0:
        return 0.0
    top = float(np.ptp(values)) ** 2 + float(variances.max())
    while excess(top) > 0:
        top *= 2
    return _root(excess, 0.0, top)


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a function turns from above zero to zero or less, to the last digit.

    By halving: each hospital of a study would otherwise load an optimiser, for a third of a second, for a root or two.
    """
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high


def _prediction(mean: float, variance: float, k: int, level: float) -> tuple[float, float] | None:
    if k < HOSPITALS_FOR_PREDICTION:
        return None
    reach = float(t_quantile(0.5 + level / 2, k - 2)) * float(np.sqrt(variance))
    return mean - reach, mean + reach


def reml(values: Floats, variances: Floats) -> float:
    """The between-hospital variance of greatest restricted likelihood: a root of its score, or 0."""
    top = 16 * max(float(np.var(values, ddof=1)), float(variances.max()), 1e-8)
    # The restricted likelihood may have two summits: the score's sign on a grid finds all, the likelihood chooses.
    grid = np.concatenate([[0.0], np.geomspace(1e-8 * top, top, 200)])
    slopes = _score(grid, values, variances)
    roots = [
        _root(lambda tau2: float(_score(tau2, values, variances)), grid[i], grid[i + 1])
        for i in np.flatnonzero((slopes[:-1] > 0) & (slopes[1:] <= 0))
    ]
    return max([0.0, *roots], key=lambda tau2: _likelihood(tau2, values, variances))


def _score(tau2: float | Floats, values: Floats, variances: Floats) -> Floats:
    """At one variance or at each of several, in the same steps: a root must lie where the signs of a grid say."""
    w = 1 / (variances + np.asarray(tau2)[..., None])
    total = w.sum(axis=-1)
    rest = values - ((w * values).sum(axis=-1) / total)[..., None]
    return np.asarray(((w**2 * rest**2).sum(axis=-1) - total + (w**2).sum(axis=-1) / total) / 2)


def _likelihood(tau2: float, values: Floats, variances: Floats) -> float:
    w = 1 / (variances + tau2)
    mean = w @ values / w.sum()
    return float(np.log(w).sum() - np.log(w.sum()) - w @ (values - mean) ** 2) / 2


BETWEEN: dict[Variance, Callable[[Floats, Floats], float]] = {
    "REML": reml,
    "DL": dersimonian_laird,
    "PM": paule_mandel,
}
