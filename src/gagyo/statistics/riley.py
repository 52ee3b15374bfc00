"""The least number of people for a prediction model of a binary outcome.

Riley et al. (2019) Stat Med 38:1276; Riley et al. (2020) BMJ 368:m441. Reference: worked examples there and in the
documentation of R pmsampsize.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gagyo.statistics.distributions import normal_quantile


@dataclass(frozen=True)
class Required:
    """People required by each criterion, rounded up: shrinkage >= 0.9, optimism in R2 <= 0.05, overall risk +- 0.05."""

    shrinkage: int
    optimism: int
    overall_risk: int
    parameters: int
    prevalence: float

    @property
    def people(self) -> int:
        """The largest of the three."""
        return max(self.shrinkage, self.optimism, self.overall_risk)

    @property
    def events_per_parameter(self) -> float:
        """Events per predictor parameter at that number of people."""
        return self.people * self.prevalence / self.parameters


def greatest_r2(prevalence: float) -> float:
    """The most that Cox and Snell's R2 can be at a prevalence."""
    null = prevalence * np.log(prevalence) + (1 - prevalence) * np.log(1 - prevalence)
    return float(1 - np.exp(2 * null))


def cox_snell(likelihood_ratio: float, people: float) -> float:
    """R2 of Cox and Snell from the likelihood-ratio statistic of the model."""
    return float(1 - np.exp(-likelihood_ratio / people))


def required(r2: float, parameters: int, prevalence: float) -> Required:
    """People required; r2 is Cox and Snell's, corrected for optimism; parameters without the intercept."""
    target = r2 / (r2 + 0.05 * greatest_r2(prevalence))
    margin = float(normal_quantile(0.975)) / 0.05
    return Required(
        shrinkage=_for_shrinkage(0.9, r2, parameters),
        optimism=_for_shrinkage(target, r2, parameters),
        overall_risk=_up(margin**2 * prevalence * (1 - prevalence)),
        parameters=parameters,
        prevalence=prevalence,
    )


def _for_shrinkage(shrinkage: float, r2: float, parameters: int) -> int:
    return _up(parameters / ((shrinkage - 1) * np.log(1 - r2 / shrinkage))) if r2 < shrinkage else parameters


def _up(number: float) -> int:
    return int(np.ceil(number - 1e-9))
