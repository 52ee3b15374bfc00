"""The area under the ROC curve by ranks, its variance by DeLong, and the paired comparison of two areas.

DeLong, DeLong & Clarke-Pearson (1988) Biometrics 44:837; by midranks as in Sun & Xu (2014) IEEE Signal Process Lett
21:1389. Reference: R pROC.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.statistics.distributions import normal_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Areas:
    """Areas (models,) of paired scores and their covariance (models, models)."""

    auc: Floats
    covariance: Floats


def beaten(scores: Floats, cases: NDArray[np.bool_], weights: Floats | None = None) -> Floats:
    """For each person (n,), the weight of the other class on the right side: ties count one half.

    For a case, the controls with a lower score; for a control, the cases with a higher one.
    """
    w = np.ones(len(scores)) if weights is None else weights
    out = np.empty(len(scores))
    out[cases] = _under(scores[~cases], w[~cases], scores[cases])
    out[~cases] = w[cases].sum() - _under(scores[cases], w[cases], scores[~cases])
    return out


def _under(scores: Floats, weights: Floats, at: Floats) -> Floats:
    """The weight of `scores` under each of `at`, that of equal ones by half."""
    order = np.argsort(scores, kind="stable")
    cumulated = np.concatenate([[0.0], np.cumsum(weights[order])])
    ranked = scores[order]
    left, right = np.searchsorted(ranked, at, side="left"), np.searchsorted(ranked, at, side="right")
    return np.asarray((cumulated[left] + cumulated[right]) / 2)


def pairs(scores: Floats, cases: NDArray[np.bool_], weights: Floats | None = None) -> tuple[float, float]:
    """The weights of concordant case-control pairs and of all such pairs; their ratio is the AUC."""
    w = np.ones(len(scores)) if weights is None else weights
    concordant = float(w[cases] @ beaten(scores, cases, weights)[cases])
    return concordant, float(w[cases].sum() * w[~cases].sum())


def delong(scores: Floats, cases: NDArray[np.bool_]) -> Areas:
    """Areas and their covariance for scores (n,) or (models, n) of the same people."""
    stack = np.atleast_2d(scores)
    m, n = int(cases.sum()), int((~cases).sum())
    placed = np.array([beaten(one, cases) for one in stack])
    of_cases, of_controls = placed[:, cases] / n, placed[:, ~cases] / m
    covariance = _cov(of_cases) / m + _cov(of_controls) / n
    return Areas(of_cases.mean(axis=1), covariance)


def _cov(x: Floats) -> Floats:
    return np.atleast_2d(np.cov(x)) if x.shape[1] > 1 else np.full((len(x), len(x)), np.nan)


def difference(areas: Areas, first: int = 0, second: int = 1) -> tuple[float, float]:
    """The difference of two paired areas and its standard error."""
    c = areas.covariance
    variance = float(c[first, first] + c[second, second] - 2 * c[first, second])
    return float(areas.auc[first] - areas.auc[second]), float(np.sqrt(max(variance, 0.0)))


def logit_interval(auc: float, variance: float, level: float = 0.95) -> tuple[float, float]:
    """Limits on the logit scale (Pepe 2003, section 5.2.5): inside (0, 1), and right for areas near 1."""
    if not 0.0 < auc < 1.0:
        return float("nan"), float("nan")
    reach = normal_quantile(0.5 + level / 2) * np.sqrt(variance) / (auc * (1 - auc))
    low, high = special.expit(special.logit(auc) + np.array([-reach, reach]))
    return float(low), float(high)
