"""The accuracy of a test: an area under the curve, and the precision of sensitivity and specificity.

Areas: the variance of Hanley & McNeil (1982) Radiology 143:29, with exponential scores; or that of Obuchowski, Lieber &
Wians (2004) Clin Chem 50:1118, with binormal ones, against 0.5. Sensitivity and specificity: Buderer (1996) Acad Emerg
Med 3:895 by the normal interval, and by the half width of Wilson's or of Clopper and Pearson's interval where exactly
the expected part is found. Reference: R pROC, binom.test; the example in Hanley & McNeil.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gagyo.statistics.distributions import beta_quantile, normal_cdf, normal_quantile
from gagyo.statistics.sizes.least import least

Interval = Literal["normal", "wilson", "exact"]


def hanley_mcneil(auc: float, cases: float, controls: float) -> float:
    """The variance of an area."""
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (cases - 1) * (first - auc**2) + (controls - 1) * (second - auc**2)
    return spread / (cases * controls)


@dataclass(frozen=True)
class Area:
    """A test of an area under the curve against `null`. sides: 1 or 2; a two-sided test's other tail is not counted."""

    auc: float
    null: float = 0.5
    alpha: float = 0.05
    sides: int = 2
    variance: Literal["hanley_mcneil", "obuchowski"] = "hanley_mcneil"

    def power(self, cases: float, controls: float) -> float:
        """The power with so many people with and without the condition; NaN where there are none."""
        if min(cases, controls) <= 0:
            return float("nan")
        z = float(normal_quantile(1 - self.alpha / self.sides))
        null, other = (float(np.sqrt(self._variance(one, cases, controls))) for one in (self.null, self.auc))
        return float(normal_cdf((abs(self.auc - self.null) - z * null) / other))

    def _variance(self, auc: float, cases: float, controls: float) -> float:
        if self.variance == "hanley_mcneil":
            return hanley_mcneil(auc, cases, controls)
        # 1.414 and the rounded constants are the paper's own.
        a, kappa = float(normal_quantile(auc)) * 1.414, controls / cases
        return 0.0099 * float(np.exp(-(a**2) / 2)) * ((5 * a**2 + 8) + (a**2 + 8) / kappa) / cases

    def people(self, power: float, ratio: float = 1.0) -> tuple[float, float]:
        """People with and without the condition, `ratio` without for one with."""
        cases = least(lambda one: self.power(one, ratio * one), power, 1.0 if ratio >= 1 else 1 / ratio)
        return cases, ratio * cases


def for_area(auc: float, half_width: float, ratio: float = 1.0, level: float = 0.95) -> tuple[float, float]:
    """People with and without the condition for an interval of `half_width` around an area, by Hanley and McNeil."""
    z = float(normal_quantile(0.5 + level / 2))

    def narrow(cases: float) -> float:
        return -z * float(np.sqrt(hanley_mcneil(auc, cases, ratio * cases)))

    cases = least(narrow, -half_width, 1.0 if ratio >= 1 else 1 / ratio)
    return cases, ratio * cases


def half_width(proportion: float, people: float, interval: Interval, level: float = 0.95) -> float:
    """Half the width of a proportion's interval where exactly the expected part of the people is found."""
    z = float(normal_quantile(0.5 + level / 2))
    if interval == "normal":
        return z * float(np.sqrt(proportion * (1 - proportion) / people))
    if interval == "wilson":
        spread = proportion * (1 - proportion) / people + z**2 / (4 * people**2)
        return z * float(np.sqrt(spread)) / (1 + z**2 / people)
    found, tail = proportion * people, (1 - level) / 2
    low = float(beta_quantile(tail, found, people - found + 1)) if found > 0 else 0.0
    high = float(beta_quantile(1 - tail, found + 1, people - found)) if found < people else 1.0
    return (high - low) / 2


def for_proportion(proportion: float, width: float, interval: Interval, level: float = 0.95) -> float:
    """People among whom a proportion is known to +- `width`."""
    return least(lambda people: -half_width(proportion, people, interval, level), -width, 1.0)
