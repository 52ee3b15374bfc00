"""Agreement of raters: kappas of categories, intraclass correlations and limits of agreement of measurements.

Cohen (1960, 1968) with the standard errors of Fleiss, Cohen & Everitt (1969) Psychol Bull 72:323; prevalence- and
bias-adjusted kappa: Byrt, Bishop & Carlin (1993) J Clin Epidemiol 46:423; AC1: Gwet (2008) Br J Math Stat Psychol
61:29; several raters: Fleiss (1971) Psychol Bull 76:378 with the error of Fleiss, Nee & Landis (1979) Psychol Bull
86:974 under no agreement. Intraclass correlations: Shrout & Fleiss (1979) Psychol Bull 86:420; McGraw & Wong (1996)
Psychol Methods 1:30. Limits: Bland & Altman (1999) Stat Methods Med Res 8:135. Reference: R psych, lm; the papers' own
tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics.distributions import f_quantile, f_sf, normal_quantile, normal_sf, t_quantile, t_sf

Floats = NDArray[np.float64]
Weights = Literal["none", "linear", "quadratic"]
Z95 = float(normal_quantile(0.975))


@dataclass(frozen=True)
class Kappa:
    """A coefficient; p tests that there is no agreement beyond chance, NaN where that has no test."""

    value: float
    standard_error: float
    p: float = float("nan")

    @property
    def lower(self) -> float:
        """The lower 95 % limit, by the normal distribution."""
        return self.value - Z95 * self.standard_error

    @property
    def upper(self) -> float:
        """The upper 95 % limit, at most 1."""
        return float(np.minimum(1.0, self.value + Z95 * self.standard_error))


def weights_of(levels: int, kind: Weights) -> Floats:
    """Agreement weights (levels, levels): 1 on the diagonal, 0 in the farthest corners."""
    apart = np.abs(np.subtract.outer(np.arange(levels), np.arange(levels))) / (levels - 1)
    if kind == "none":
        return np.eye(levels)
    return np.asarray(1 - (apart if kind == "linear" else apart**2))


def observed(table: Floats, kind: Weights = "none") -> float:
    """The (weighted) part of the people on whom two raters agree."""
    return float((weights_of(len(table), kind) * table).sum() / table.sum())


def cohen(table: Floats, kind: Weights = "none") -> Kappa:
    """Cohen's kappa of a table of counts (levels, levels) of two raters; NaN where both use one level alone."""
    n, w = float(table.sum()), weights_of(len(table), kind)
    p = table / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    chance = np.outer(rows, columns)
    po, pe = float((w * p).sum()), float((w * chance).sum())
    if pe == 1:
        return Kappa(float("nan"), float("nan"))
    means = np.add.outer(w @ columns, rows @ w)
    kappa = (po - pe) / (1 - pe)
    spread = (p * (w * (1 - pe) - means * (1 - po)) ** 2).sum() - (po * pe - 2 * pe + po) ** 2
    null = float((chance * (w - means) ** 2).sum()) - pe**2
    z = kappa / (np.sqrt(null / n) / (1 - pe)) if null > 0 else float("nan")
    error = float(np.sqrt(max(spread, 0.0) / n)) / (1 - pe) ** 2
    return Kappa(kappa, error, float(2 * normal_sf(abs(z))))


def adjusted(table: Floats) -> Kappa:
    """Prevalence- and bias-adjusted kappa: chance agreement is one in the number of levels."""
    levels, po = len(table), observed(table)
    factor = levels / (levels - 1)
    return Kappa(factor * po - 1 / (levels - 1), factor * float(np.sqrt(po * (1 - po) / table.sum())))


def gwet(table: Floats) -> Kappa:
    """Gwet's AC1 of two raters."""
    n, levels = float(table.sum()), len(table)
    p = table / n
    share = (p.sum(axis=0) + p.sum(axis=1)) / 2
    po, pe = float(np.trace(p)), float((share * (1 - share)).sum() / (levels - 1))
    value = (po - pe) / (1 - pe)
    first = float((np.diag(p) * (1 - share)).sum() / (levels - 1)) - po * pe
    second = float((p * (1 - np.add.outer(share, share) / 2) ** 2).sum() / (levels - 1) ** 2) - pe**2
    spread = po * (1 - po) - 4 * (1 - value) * first + 4 * (1 - value) ** 2 * second
    return Kappa(value, float(np.sqrt(max(spread, 0.0) / n)) / (1 - pe))


@dataclass(frozen=True)
class Several:
    """Sums over people that Fleiss' kappa rests on: ratings, and ordered pairs of equal ratings, by level (levels,)."""

    people: float
    raters: int
    ratings: Floats
    pairs: Floats

    @property
    def shares(self) -> Floats:
        """Of all ratings, those of each level."""
        return self.ratings / (self.people * self.raters)

    @property
    def observed(self) -> float:
        """The part of the pairs of raters that agree."""
        return float(self.pairs.sum() / (self.people * self.raters * (self.raters - 1)))

    @property
    def chance(self) -> float:
        """The part that would agree by chance."""
        return float((self.shares**2).sum())

    def influence(self, counts: Floats) -> Floats:
        """Each person's influence on kappa: counts (people, levels) of their ratings."""
        m, pe, po = self.raters, self.chance, self.observed
        own = (counts * (counts - 1)).sum(axis=1) / (m * (m - 1))
        share = 2 * (counts / m - self.shares) @ self.shares
        return np.asarray((own - po) / (1 - pe) - (1 - po) / (1 - pe) ** 2 * share)


def fleiss(sums: Several, squares: float = float("nan")) -> Kappa:
    """Fleiss' kappa; squares: the sum of the people's squared influences, without which it has no standard error."""
    p = sums.shares
    q, spent = 1 - p, float((p * (1 - p)).sum())
    value = (sums.observed - sums.chance) / (1 - sums.chance)
    null = 2 * (spent**2 - float((p * q * (q - p)).sum())) / (sums.people * sums.raters * (sums.raters - 1) * spent**2)
    return Kappa(value, float(np.sqrt(squares)) / sums.people, float(2 * normal_sf(abs(value) / np.sqrt(null))))


def of_level(sums: Several) -> Floats:
    """The kappa of each level against all others."""
    m, p = sums.raters, sums.shares
    apart = (m - 1) * sums.ratings - sums.pairs
    return np.asarray(1 - apart / (sums.people * m * (m - 1) * p * (1 - p)))


Form = Literal["ICC(1)", "ICC(A,1)", "ICC(C,1)", "ICC(k)", "ICC(A,k)", "ICC(C,k)"]
FORMS: tuple[Form, ...] = ("ICC(1)", "ICC(A,1)", "ICC(C,1)", "ICC(k)", "ICC(A,k)", "ICC(C,k)")
"""Named as McGraw and Wong do; Shrout and Fleiss call them 1,1; 2,1; 3,1; 1,k; 2,k; 3,k."""


@dataclass(frozen=True)
class Correlation:
    """An intraclass correlation with its F-based 95 % limits; p tests that it is 0."""

    form: Form
    value: float
    lower: float
    upper: float
    p: float


@dataclass(frozen=True)
class Analysis:
    """A two-way analysis of variance: mean squares between people, between raters, of what is left, within people."""

    people: float
    raters: int
    between: float
    raters_square: float
    residual: float

    @property
    def within(self) -> float:
        """The mean square within people."""
        n, k = self.people, self.raters
        return (self.raters_square * (k - 1) + self.residual * (n - 1) * (k - 1)) / (n * (k - 1))


def analysis(people: float, means: Floats, between: float, within: float) -> Analysis:
    """The analysis from sums over people.

    means: of each rater. between: the sum of squares of a person's mean distance from the raters' means; within: that
    of the distances from it.
    """
    k = len(means)
    raters = people * float(((means - means.mean()) ** 2).sum()) / (k - 1)
    return Analysis(people, k, k * between / (people - 1), raters, within / ((people - 1) * (k - 1)))


def correlations(found: Analysis) -> tuple[Correlation, ...]:
    """All six forms."""
    n, k = found.people, found.raters
    b, j, e, w = found.between, found.raters_square, found.residual, found.within
    one = _by_ratio(b / w, n - 1, n * (k - 1), k)
    consistent = _by_ratio(b / e, n - 1, (n - 1) * (k - 1), k)
    agreed = _agreed(n, k, b, j, e)
    p_one = float(f_sf(b / w, n - 1, n * (k - 1)))
    p = float(f_sf(b / e, n - 1, (n - 1) * (k - 1)))
    single = [(one, p_one), (agreed, p), (consistent, p)]
    out = [Correlation(form, *values, at) for form, (values, at) in zip(FORMS[:3], single, strict=True)]
    return (*out, *(_average(form, one, k) for form, one in zip(FORMS[3:], out, strict=True)))


def _by_ratio(f: float, above: float, below: float, k: int) -> tuple[float, float, float]:
    low = f / float(f_quantile(0.975, above, below))
    high = f * float(f_quantile(0.975, below, above))
    value, lower, upper = ((one - 1) / (one + k - 1) for one in (f, low, high))
    return value, lower, upper


def _agreed(n: float, k: int, b: float, j: float, e: float) -> tuple[float, float, float]:
    """Absolute agreement, with limits by Satterthwaite's degrees of freedom."""
    value = (b - e) / (b + (k - 1) * e + k * (j - e) / n)
    a, c = k * value * j / e, n * (1 + (k - 1) * value) - k * value
    freedom = (k - 1) * (n - 1) * (a + c) ** 2 / ((n - 1) * a**2 + c**2)
    up, down = float(f_quantile(0.975, n - 1, freedom)), float(f_quantile(0.975, freedom, n - 1))
    rest = k * j + (k * n - k - n) * e
    return value, n * (b - up * e) / (up * rest + n * b), n * (down * b - e) / (rest + n * down * b)


def _average(form: Form, one: Correlation, k: int) -> Correlation:
    """Of the mean of all raters: the formula of Spearman and Brown."""
    value, lower, upper = (at * k / (1 + at * (k - 1)) for at in (one.value, one.lower, one.upper))
    return Correlation(form, value, lower, upper, one.p)


@dataclass(frozen=True)
class Limits:
    """Limits of agreement of two raters, the first less the second, each with its 95 % limits (value, lower, upper).

    slope: of the difference on the mean, with its p value; it tells whether the difference grows with what is measured.
    """

    bias: tuple[float, float, float]
    deviation: float
    lower: tuple[float, float, float]
    upper: tuple[float, float, float]
    slope: tuple[float, float, float]
    slope_error: float
    p_slope: float


def limits(people: float, bias: float, squares: float, means: float, products: float) -> Limits:
    """squares, means: sums of squares of differences, and of means, about their averages; products: of both."""
    deviation = float(np.sqrt(squares / (people - 1)))
    t = float(t_quantile(0.975, people - 1))
    error = deviation * float(np.sqrt(1 / people + Z95**2 / (2 * (people - 1))))
    slope = products / means
    slope_error = float(np.sqrt(max(squares - slope * products, 0.0) / (people - 2) / means))
    reach = float(t_quantile(0.975, people - 2)) * slope_error
    p = float(2 * t_sf(abs(slope) / slope_error, people - 2)) if slope_error > 0 else float("nan")
    low, high = bias - Z95 * deviation, bias + Z95 * deviation
    return Limits(
        _around(bias, t * deviation / float(np.sqrt(people))),
        deviation,
        _around(low, t * error),
        _around(high, t * error),
        _around(slope, reach),
        slope_error,
        p,
    )


def _around(value: float, reach: float) -> tuple[float, float, float]:
    return value, value - reach, value + reach
