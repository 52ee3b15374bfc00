"""Weights from propensity scores, weighted means of two groups, and how unlike the groups are before and after.

With e a person's probability of the treatment: average effect in everyone (ATE), weights 1 / e and 1 / (1 - e) (Horvitz
& Thompson 1952, J Am Stat Assoc 47:663; stabilised: Robins, Hernan & Brumback 2000, Epidemiology 11:550); in the
treated (ATT), 1 and e / (1 - e); in those who might well have had either (ATO), 1 - e and e (Li, Morgan & Zaslavsky
2018, J Am Stat Assoc 113:390). Means are ratios of weighted sums (Hajek). Standard errors by stacked estimating
equations: Lunceford & Davidian (2004) Stat Med 23:2937; Stefanski & Boos (2002) Am Stat 56:29.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.statistics.comparisons import Effect
from gagyo.statistics.distributions import normal_quantile

Floats = NDArray[np.float64]
Estimand = Literal["ate", "att", "ato"]

Z95 = float(normal_quantile(0.975))


@dataclass(frozen=True)
class Scheme:
    """Which weights a protocol asks for.

    stabilised: weights of ATE times the share of the person's group, so that they are 1 on average. low, high:
    propensities are brought within these before they weigh. largest: no weight is greater.
    """

    estimand: Estimand = "ate"
    stabilised: bool = False
    low: float = 0.0
    high: float = 1.0
    largest: float = np.inf


@dataclass(frozen=True)
class Weights:
    """By person (n,): the weight, and its derivatives in the linear predictor and in the share of the treated.

    Where a bound holds a weight, it does not move and both derivatives are 0.
    """

    weight: Floats
    slope: Floats
    by_share: Floats


def weights(scheme: Scheme, eta: Floats, treated: Floats, share: float) -> Weights:
    """The weights of people with linear predictors eta (n,); treated (n,) 0 or 1; share: of the treated in everyone."""
    sign = np.where(treated == 1, 1.0, -1.0)
    own = special.expit(sign * eta)  # the probability of the treatment that the person had
    other = special.expit(-sign * eta)
    low, high = np.where(treated == 1, scheme.low, 1 - scheme.high), np.where(treated == 1, scheme.high, 1 - scheme.low)
    free = (own >= low) & (own <= high)
    own, other = np.clip(own, low, high), np.clip(other, 1 - high, 1 - low)
    weight, slope, by_share = _unbounded(scheme, own, other, sign, share)
    under = weight <= scheme.largest
    moves = free & under
    return Weights(np.minimum(weight, scheme.largest), np.where(moves, slope, 0.0), np.where(under, by_share, 0.0))


def _unbounded(scheme: Scheme, own: Floats, other: Floats, sign: Floats, share: float) -> tuple[Floats, Floats, Floats]:
    """d own / d eta = sign own other."""
    none = np.zeros_like(own)
    if scheme.estimand == "ato":
        return other, -sign * own * other, none
    if scheme.estimand == "att":
        given = sign > 0
        odds = other / own
        return np.where(given, 1.0, odds), np.where(given, 0.0, -sign * odds), none
    if not scheme.stabilised:
        return 1 / own, -sign * other / own, none
    part = np.where(sign > 0, share, 1 - share)
    return part / own, -sign * part * other / own, sign / own


def mean_effects(means: Floats, variance: Floats, binary: bool) -> dict[str, Effect]:
    """Differences and ratios of the means (treated, untreated) with limits; of ratios the error is of the logarithm."""
    one, zero = (float(mean) for mean in means)
    out = {"difference": _effect(one - zero, np.array([1.0, -1.0]), variance)}
    if binary and one > 0 and zero > 0:
        out["risk_ratio"] = _ratio(np.log(one / zero), np.array([1 / one, -1 / zero]), variance)
    if binary and 0 < one < 1 and 0 < zero < 1:
        log = float(special.logit(one) - special.logit(zero))
        out["odds_ratio"] = _ratio(log, np.array([1 / (one * (1 - one)), -1 / (zero * (1 - zero))]), variance)
    return out


def _effect(value: float, gradient: Floats, variance: Floats) -> Effect:
    error = float(np.sqrt(gradient @ variance @ gradient))
    return Effect(value, error, value - Z95 * error, value + Z95 * error)


def _ratio(log: float, gradient: Floats, variance: Floats) -> Effect:
    return ratio_effect(float(log), float(np.sqrt(gradient @ variance @ gradient)))


def ratio_effect(log: float, error: float) -> Effect:
    """A ratio with its limits from its logarithm and that one's standard error."""
    value, lower, upper = np.exp([log, log - Z95 * error, log + Z95 * error]).tolist()
    return Effect(value, error, lower, upper)


def mean_differences(means: Floats, variances: Floats) -> Floats:
    """Standardised differences (columns,) of means (2, columns), treated less untreated.

    variances (2, columns): of both groups before weighting, also where the means are weighted (Austin 2009, Stat Med
    28:3083), so that a difference cannot shrink because a deviation grew. NaN where nothing varies.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((means[0] - means[1]) / np.sqrt(variances.mean(axis=0)))


def weighted_variance(squares: Floats, sums: Floats, of_squares: Floats) -> Floats:
    """Variances from weighted squares about weighted means: times S / (S^2 - S2), n - 1 below where weights are 1.

    squares (2, columns); sums (2,): S, of the weights; of_squares (2,): S2, of their squares.
    """
    return np.asarray(squares * (sums / (sums**2 - of_squares))[:, None])


def effective_size(sums: Floats, of_squares: Floats) -> Floats:
    """Kish's effective sample size, S^2 / S2 (1965, Survey Sampling)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums**2 / of_squares)
