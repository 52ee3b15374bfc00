"""Two means of independent groups with one variance: by the t test, or by two one-sided t tests for equivalence.

Superiority and non-inferiority by the noncentral t distribution, both tails of a two-sided test counted: Cohen (1988)
Statistical Power Analysis; Julious (2004) Stat Med 23:1921. Equivalence by the exact power of two one-sided tests:
Phillips (1990) J Pharmacokinet Biopharm 18:137. Reference: R stats power.t.test (strict), pwr, and rpact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gagyo.statistics.distributions import normal_cdf, t_quantile
from gagyo.statistics.sizes.least import least

Aim = Literal["superiority", "non_inferiority", "equivalence"]

FEWEST = 3.0
"""People in both groups together from which on the search begins: one degree of freedom."""


@dataclass(frozen=True)
class TwoMeans:
    """A comparison of two means.

    difference: treated less control, in the outcome's unit; for non-inferiority positive is better. sd: of either
    group. margin: positive, for non-inferiority and equivalence. alpha: of the test, of each of the two tests for
    equivalence. sides: 1 or 2, of a test of superiority.
    """

    difference: float
    sd: float
    aim: Aim = "superiority"
    margin: float = 0.0
    alpha: float = 0.05
    sides: int = 2

    def power(self, control: float, treated: float) -> float:
        """The power with so many people in the groups; NaN where there is no degree of freedom."""
        freedom = control + treated - 2
        if freedom <= 0 or min(control, treated) <= 0:
            return float("nan")
        error = self.sd * float(np.sqrt(1 / control + 1 / treated))
        if self.aim == "equivalence":
            return equivalence(self.difference / error, self.margin / error, freedom, self.alpha)
        if self.aim == "non_inferiority":
            return _one_sided((self.difference + self.margin) / error, freedom, self.alpha)
        shift = abs(self.difference) / error
        if self.sides == 1:
            return _one_sided(shift, freedom, self.alpha)
        from scipy import stats  # only here and below: it takes most of a second to load

        critical = float(t_quantile(1 - self.alpha / 2, freedom))
        return float(stats.nct.sf(critical, freedom, shift) + stats.nct.cdf(-critical, freedom, shift))

    def people(self, power: float, ratio: float = 1.0) -> tuple[float, float]:
        """People in the control and the treated group, `ratio` treated for one control; inf where none are enough."""
        control = least(lambda one: self.power(one, ratio * one), power, FEWEST / (1 + ratio))
        return control, ratio * control


def equivalence(shift: float, margin: float, freedom: float, alpha: float) -> float:
    """Power of two one-sided t tests; shift and margin in standard errors of the difference.

    The difference is normal given the estimated deviation, whose distribution is integrated over.
    """
    from scipy import integrate, stats

    critical = float(t_quantile(1 - alpha, freedom))
    top = margin / critical

    def density(u: float) -> float:
        inside = normal_cdf(margin - critical * u - shift) - normal_cdf(critical * u - margin - shift)
        return float(inside * 2 * freedom * u * stats.chi2.pdf(freedom * u * u, freedom))

    # Nearly all of the deviation's distribution lies within 12 of its own deviations of 1.
    reach = 12 / float(np.sqrt(2 * freedom))
    low, high = max(0.0, 1 - reach), min(top, 1 + reach)
    if high <= low:
        return 0.0
    return float(integrate.quad(density, low, high, epsabs=1e-13, epsrel=1e-12, limit=500)[0])


def _one_sided(shift: float, freedom: float, alpha: float) -> float:
    from scipy import stats

    return float(stats.nct.sf(float(t_quantile(1 - alpha, freedom)), freedom, shift))
