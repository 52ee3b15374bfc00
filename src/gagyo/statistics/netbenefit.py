"""Net benefit over thresholds: decision curve analysis (Vickers & Elkin 2006, Med Decis Making 26:565)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics.distributions import normal_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Benefit:
    """Net benefit per person with 95 % limits, at thresholds (m,)."""

    value: Floats
    lower: Floats
    upper: Floats


def net_benefit(threshold: Floats, true_positives: Floats, false_positives: Floats, people: float) -> Benefit:
    """TP/n - FP/n x t/(1-t). It is a mean over people of 1, -t/(1-t) or 0, so its variance is that mean's."""
    odds = threshold / (1 - threshold)
    value = (true_positives - odds * false_positives) / people
    squares = (true_positives + odds**2 * false_positives) / people
    reach = normal_quantile(0.975) * np.sqrt(np.maximum(squares - value**2, 0.0) / people)
    return Benefit(value, value - reach, value + reach)


def treat_all(threshold: Floats, cases: float, people: float) -> Benefit:
    """Everyone is treated as a case."""
    ones = np.ones(len(threshold))
    return net_benefit(threshold, cases * ones, (people - cases) * ones, people)
