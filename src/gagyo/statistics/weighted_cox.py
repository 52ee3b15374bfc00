"""Cox's partial likelihood of a treatment alone, one hospital's, with a weight for each person: Efron or Breslow.

Of tied events each has their mean weight, as in R's `coxph(weights = )`. A person's score residual is also the
derivative of the score in that person's weight, so that the errors of estimated weights follow from it. Binder (1992)
Biometrika 79:139; Hernan, Brumback & Robins (2000) Epidemiology 11:561; Shu et al. (2021) Biometrics 77:1101.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics.cox import RiskSets, Ties, by_exit, risk_sets

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Exits:
    """A hospital's people by their exits. order: (n,) the rows in that order; sets: the treatment is their column."""

    order: NDArray[np.intp]
    sets: RiskSets

    @classmethod
    def of(cls, treated: Floats, exits: Floats, event: NDArray[np.bool_]) -> Exits:
        """From who is treated (n,), times of exit (n,), who had the event (n,)."""
        return cls(by_exit(exits, event), risk_sets(treated[:, None], exits, event))


@dataclass(frozen=True)
class Fitted:
    """The weighted partial likelihood at a log hazard ratio: log-likelihood, score, information (numbers).

    residuals: (n,) each person's score residual, not weighted, rows as they were given; the score is the sum of weights
    times these. expected: (n,) the weighted number of events that each person is expected to have.
    """

    likelihood: float
    score: float
    information: float
    residuals: Floats
    expected: Floats


def evaluate(exits: Exits, weight: Floats, log_ratio: float, ties: Ties) -> Fitted:
    """The partial likelihood of people with weights (n,), rows as they were given."""
    sets, K = exits.sets, len(exits.sets.times)
    x, w = sets.X[:-1, 0], weight[exits.order]
    eta = log_ratio * x
    top = float(eta.max()) if len(eta) else 0.0
    risk = np.exp(eta - top)
    sums = np.zeros((3, len(x) + 1))
    sums[:, :-1] = w * risk * np.array([np.ones_like(x), x, x**2])
    of_events, at_risk = sets.per_time(sums)
    which, dead = np.repeat(np.arange(K), sets.deaths), sets.with_event
    share = sets.share if ties == "efron" else np.zeros(len(dead))
    left, first, second = at_risk[:, which] - share * of_events[:, which]
    mean = first / left

    def by_time(values: Floats) -> Floats:
        return np.asarray(np.bincount(which, values, minlength=K), dtype=np.float64)

    each = (by_time(w[dead]) / np.maximum(sets.deaths, 1))[which]
    hazard = each / left
    gone = sets.gone_through(np.column_stack([by_time(hazard), by_time(hazard * mean)]))
    gone[dead] -= np.column_stack([by_time(share * hazard), by_time(share * hazard * mean)])[which]
    residuals = risk * (gone[:, 1] - x * gone[:, 0])
    residuals[dead] += x[dead] - (by_time(mean) / sets.deaths)[which]
    there = np.empty((2, len(x)))
    there[:, exits.order] = residuals, w * risk * gone[:, 0]
    likelihood = float(w[dead] @ eta[dead] - each @ (np.log(left) + top))
    return Fitted(likelihood, float(w[dead] @ x[dead] - each @ mean), float(each @ (second / left - mean**2)), *there)
