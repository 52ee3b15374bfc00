"""Two proportions of independent groups, by normal approximation without continuity correction.

Superiority with the pooled variance under the null hypothesis: Fleiss, Levin & Paik (2003) Statistical Methods for
Rates and Proportions, ch. 4. Non-inferiority with the variance restricted to the margin: Farrington & Manning (1990)
Stat Med 9:1447. Equivalence with the variance of the expected proportions: Chow, Shao, Wang & Lokhnygina (2017) Sample
Size Calculations in Clinical Research, ch. 4. Reference: R stats power.prop.test, rpact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gagyo.statistics.distributions import normal_cdf, normal_quantile, normal_sf
from gagyo.statistics.sizes.least import least
from gagyo.statistics.sizes.means import Aim


@dataclass(frozen=True)
class TwoProportions:
    """A comparison of two proportions, by their difference, treated less control.

    better: "higher" where a high proportion is good, for non-inferiority. margin: positive, of the difference. alpha:
    of each of the two tests for equivalence. sides: 1 or 2, of a test of superiority; a two-sided test's other tail
    is not counted.
    """

    control: float
    treated: float
    aim: Aim = "superiority"
    margin: float = 0.0
    alpha: float = 0.05
    sides: int = 2
    better: str = "higher"

    def power(self, control: float, treated: float) -> float:
        """The power with so many people in the groups; NaN where one is empty."""
        if min(control, treated) <= 0:
            return float("nan")
        error = _error(self.control, self.treated, control, treated)
        difference = self.treated - self.control
        if self.aim == "equivalence":
            z = float(normal_quantile(1 - self.alpha))
            inside = normal_cdf((self.margin - difference) / error - z)
            return max(0.0, float(inside - normal_sf((self.margin + difference) / error - z)))
        if self.aim == "non_inferiority":
            return self._non_inferior(error, control, treated)
        z = float(normal_quantile(1 - self.alpha / self.sides))
        pooled = (control * self.control + treated * self.treated) / (control + treated)
        null = _error(pooled, pooled, control, treated)
        return float(normal_cdf((abs(difference) - z * null) / error))

    def _non_inferior(self, error: float, control: float, treated: float) -> float:
        z = float(normal_quantile(1 - self.alpha))
        first, second = self.control, self.treated
        if self.better == "lower":
            first, second = 1 - first, 1 - second
        at_control, at_treated = restricted(first, second, treated / control, -self.margin)
        null = _error(at_control, at_treated, control, treated)
        return float(normal_cdf((second - first + self.margin - z * null) / error))

    def people(self, power: float, ratio: float = 1.0) -> tuple[float, float]:
        """People in the control and the treated group, `ratio` treated for one control; inf where none are enough."""
        control = least(lambda one: self.power(one, ratio * one), power, 1e-6)
        return control, ratio * control


def _error(control: float, treated: float, n: float, m: float) -> float:
    return float(np.sqrt(control * (1 - control) / n + treated * (1 - treated) / m))


def restricted(control: float, treated: float, ratio: float, difference: float) -> tuple[float, float]:
    """The likeliest proportions (control, treated) whose difference is given: the root of Farrington and Manning.

    ratio: treated people for one control.
    """
    theta, s = 1 / ratio, difference
    a = 1 + theta
    b = -(1 + theta + treated + theta * control + s * (theta + 2))
    c = s * s + s * (2 * treated + theta + 1) + treated + theta * control
    d = -treated * s * (1 + s)
    v = b**3 / (3 * a) ** 3 - b * c / (6 * a * a) + d / (2 * a)
    u = float(np.sign(v) or 1.0) * float(np.sqrt(max(b * b / (3 * a) ** 2 - c / (3 * a), 0.0)))
    inside = 1.0 if u == 0 else float(np.clip(v / u**3, -1, 1))
    found = 2 * u * float(np.cos((np.pi + np.arccos(inside)) / 3)) - b / (3 * a)
    least_value, most = max(0.0, s), min(1.0, 1.0 + s)
    found = float(np.clip(found, least_value, most))
    return float(np.clip(found - s, 0.0, 1.0)), found
