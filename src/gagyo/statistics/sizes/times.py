"""Times to an event in two groups: events for a hazard ratio, and people for these events.

Events: Schoenfeld (1983) Biometrics 39:499. People from events by the chance of one under exponential times, uniform
accrual and exponential loss; or in one step by the exponential model's own variances under both hypotheses: Lachin &
Foulkes (1986) Biometrics 42:507, without strata. Reference: R rpact, and the integrals in R.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gagyo.statistics.distributions import normal_cdf, normal_quantile, normal_sf
from gagyo.statistics.sizes.least import least
from gagyo.statistics.sizes.means import Aim


@dataclass(frozen=True)
class HazardRatio:
    """A comparison by the log-rank test or a Cox model.

    hazard_ratio: treated against control. margin: a hazard ratio above 1 that is still acceptable (non-inferiority), or
    the farther end of what is equivalent, the nearer being its inverse. alpha: of each of the two tests for
    equivalence. sides: 1 or 2, of a test of superiority; a two-sided test's other tail is not counted.
    """

    hazard_ratio: float
    aim: Aim = "superiority"
    margin: float = 1.0
    alpha: float = 0.05
    sides: int = 2

    def power(self, events: float, ratio: float = 1.0) -> float:
        """The power with so many events in both groups together, `ratio` treated people for one control."""
        if events <= 0:
            return float("nan")
        root = float(np.sqrt(events * ratio)) / (1 + ratio)
        effect, margin = np.log(self.hazard_ratio), np.log(self.margin)
        if self.aim == "equivalence":
            z = float(normal_quantile(1 - self.alpha))
            inside = normal_cdf((margin - effect) * root - z) - normal_sf((margin + effect) * root - z)
            return max(0.0, float(inside))
        if self.aim == "non_inferiority":
            return float(normal_cdf((margin - effect) * root - normal_quantile(1 - self.alpha)))
        return float(normal_cdf(abs(effect) * root - normal_quantile(1 - self.alpha / self.sides)))

    def events(self, power: float, ratio: float = 1.0) -> float:
        """Events in both groups together; inf where none are enough."""
        return least(lambda events: self.power(events, ratio), power, 1e-6)


@dataclass(frozen=True)
class Course:
    """How a trial goes, in one unit of time: people come evenly during `accrual`, then are followed `follow_up` longer.

    hazard: of the control group. loss: hazard of dropping out, the same in both groups.
    """

    hazard: float
    accrual: float
    follow_up: float
    loss: float = 0.0

    def chance(self, hazard: float) -> float:
        """The chance that the event of a person of this hazard is seen."""
        rate = hazard + self.loss
        if self.accrual == 0:
            return float(hazard / rate * -np.expm1(-rate * self.follow_up))
        entering = -np.expm1(-rate * self.accrual) / (rate * self.accrual)
        return float(hazard / rate * (1 - np.exp(-rate * self.follow_up) * entering))

    def chance_of_either(self, hazard_ratio: float, ratio: float = 1.0) -> float:
        """The chance that a person's event is seen, over both groups."""
        both = self.chance(self.hazard) + ratio * self.chance(self.hazard * hazard_ratio)
        return both / (1 + ratio)


def lachin_foulkes(
    course: Course, hazard_ratio: float, power: float, alpha: float = 0.05, sides: int = 2, ratio: float = 1.0
) -> float:
    """People in both groups together, by the variances of the hazards' estimates under both hypotheses."""
    second = ratio / (1 + ratio)
    first = 1 - second
    control, treated = course.hazard, course.hazard * hazard_ratio
    pooled = first * control + second * treated
    null = _variance(course, pooled) * (1 / first + 1 / second)
    other = _variance(course, control) / first + _variance(course, treated) / second
    z, w = float(normal_quantile(1 - alpha / sides)), float(normal_quantile(power))
    return float(((z * np.sqrt(null) + w * np.sqrt(other)) / (control - treated)) ** 2)


def _variance(course: Course, hazard: float) -> float:
    """The variance of a hazard's estimate from one person."""
    return hazard**2 / course.chance(hazard)
