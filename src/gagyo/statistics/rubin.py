"""Rubin's rules: estimates from several completed data sets as one, with Barnard and Rubin's degrees of freedom.

Rubin (1987) Multiple Imputation for Nonresponse in Surveys; Barnard & Rubin (1999) Biometrika 86:948. Reference: R
`mice::pool.scalar` and `mice::pool`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics.distributions import t_quantile, t_sf

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pooled:
    """Coefficients of m completed data sets as one; every array is (p,).

    value: their mean. within, between: the mean of their variances, and the variance of the values. freedom: degrees of
    freedom of Student's t. increase: the relative increase of the variance by what is missing (riv). share: of the
    variance that is between (lambda). missing: fraction of missing information, with its correction for few data sets.
    """

    value: Floats
    within: Floats
    between: Floats
    freedom: Floats
    increase: Floats
    share: Floats
    missing: Floats
    times: int

    @property
    def error(self) -> Floats:
        """The standard error (p,)."""
        return np.sqrt(self.within + (1 + 1 / self.times) * self.between)

    @property
    def by_chance(self) -> Floats:
        """The Monte-Carlo error (p,) of the value: what other draws would move it by (White et al. 2011)."""
        return np.sqrt(self.between / self.times)

    def wald(self) -> tuple[Floats, Floats]:
        """How many standard errors the 95 % interval reaches (p,), and two-sided p values (p,)."""
        reach = t_quantile(0.975, self.freedom)
        return reach, 2 * t_sf(np.abs(self.value / self.error), self.freedom)


def pool(values: Floats, variances: Floats, complete: float) -> Pooled:
    """Pool values and their variances, both (m, p), m > 1.

    complete: the degrees of freedom that the analysis of complete data has; may be infinite.
    """
    m = len(values)
    within, between = variances.mean(axis=0), values.var(axis=0, ddof=1)
    extra = (1 + 1 / m) * between
    share = extra / (within + extra)
    freedom = barnard_rubin(share, m, complete)
    increase = extra / within
    missing = (increase + 2 / (freedom + 3)) / (increase + 1)
    return Pooled(values.mean(axis=0), within, between, freedom, increase, share, missing, m)


def barnard_rubin(share: Floats, m: int, complete: float) -> Floats:
    """Degrees of freedom (p,) at a share (p,) of the variance that is between m data sets; `complete` as in `pool`.

    Without any variance between, those of the observed data.
    """
    share = np.maximum(share, 1e-4)  # as mice does: under this, Rubin's are a hundred million and more
    rubin = (m - 1) / share**2
    if np.isinf(complete):
        return np.asarray(rubin)
    observed = (complete + 1) / (complete + 3) * complete * (1 - share)
    return np.asarray(rubin * observed / (rubin + observed))
