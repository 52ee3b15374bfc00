"""Tests that compare groups, from their counts, means and sums of squares.

Pearson (1900) Phil Mag 50:157 with Yates' correction (1934, Suppl J R Stat Soc 1:217); Student; Welch (1947) Biometrika
34:28 and (1951) Biometrika 38:330; Cochran (1954) Biometrics 10:417 and Armitage (1955) Biometrics 11:375; Mantel &
Haenszel (1959) J Natl Cancer Inst 22:719 with the variance of Robins, Breslow & Greenland (1986) Biometrics 42:311;
risk ratios after Katz et al. (1978) Biometrics 34:469, odds ratios after Woolf (1955); Fisher's exact test (1935, J R
Stat Soc 98:39); McNemar (1947) Psychometrika 12:153, exact as a sign test; Breslow & Day (1980) with Tarone's
correction (1985, Biometrika 72:91). Reference: R's `chisq.test`, `t.test`, `oneway.test`, `prop.trend.test`,
`mantelhaen.test`, `fisher.test`, `mcnemar.test`, `binom.test`, metafor's `rma.mh`; statsmodels `Table2x2`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.statistics.distributions import chi2_sf, f_sf, normal_quantile, t_quantile, t_sf

Floats = NDArray[np.float64]

Z95 = float(normal_quantile(0.975))


@dataclass(frozen=True)
class Test:
    """A statistic with its degrees of freedom and p; `below` are those of an F's denominator, or None."""

    statistic: float
    freedom: float
    p: float
    below: float | None = None


@dataclass(frozen=True)
class Effect:
    """A difference or ratio with limits; its standard error is on the scale on which the limits are symmetric."""

    value: float
    standard_error: float
    lower: float
    upper: float


def chi_square(table: Floats, correct: bool) -> tuple[Test, Floats]:
    """Pearson's test of a table (levels, groups), and its expected counts; levels and groups of nobody are left out.

    correct: Yates' correction, of a table of two by two alone, no more than brings a difference to zero.
    """
    kept = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    expected = np.outer(kept.sum(axis=1), kept.sum(axis=0)) / max(kept.sum(), 1)
    freedom = (kept.shape[0] - 1) * (kept.shape[1] - 1)
    if freedom < 1:
        return Test(float("nan"), 0, float("nan")), expected
    away = np.abs(kept - expected)
    if correct and kept.shape == (2, 2):
        away = away - min(0.5, float(away.min()))
    chi = float((away**2 / expected).sum())
    return Test(chi, freedom, float(chi2_sf(chi, freedom))), expected


def t_test(n: Floats, mean: Floats, variance: Floats, equal: bool) -> tuple[Test, Effect]:
    """Student's (equal variances) or Welch's test of two groups, and the second mean less the first."""
    if equal:
        freedom = float(n.sum() - 2)
        error = float(np.sqrt(((n - 1) @ variance) / freedom * (1 / n).sum()))
    else:
        parts = variance / n
        error = float(np.sqrt(parts.sum()))
        freedom = float(parts.sum() ** 2 / (parts**2 / (n - 1)).sum()) if error > 0 else float("nan")
    difference = float(mean[1] - mean[0])
    t = difference / error if error > 0 else float("nan")
    reach = float(t_quantile(0.975, freedom)) * error
    effect = Effect(difference, error, difference - reach, difference + reach)
    return Test(t, freedom, float(2 * t_sf(abs(t), freedom))), effect


def one_way(n: Floats, mean: Floats, variance: Floats, equal: bool) -> Test:
    """One-way analysis of variance, with equal variances or after Welch."""
    k = len(n)
    if equal:
        centre = float(n @ mean / n.sum())
        between, within = float(n @ (mean - centre) ** 2), float((n - 1) @ variance)
        below = float(n.sum() - k)
        f = (between / (k - 1)) / (within / below) if within > 0 else float("nan")
        return Test(f, k - 1, float(f_sf(f, k - 1, below)), below)
    if np.any(variance <= 0):
        return Test(float("nan"), k - 1, float("nan"), float("nan"))
    w = n / variance
    share = w / w.sum()
    spread = float(((1 - share) ** 2 / (n - 1)).sum() / (k**2 - 1))
    f = float(w @ (mean - share @ mean) ** 2) / ((k - 1) * (1 + 2 * (k - 2) * spread))
    below = 1 / (3 * spread)
    return Test(f, k - 1, float(f_sf(f, k - 1, below)), below)


def trend(events: Floats, people: Floats) -> Test:
    """Cochran and Armitage's test of a trend of proportions over groups, which are numbered from 1."""
    score, total = np.arange(1, len(people) + 1), people.sum()
    share = events.sum() / total
    slope = float(score @ (events - people * share))
    variance = float(share * (1 - share) * ((people @ score**2) - (people @ score) ** 2 / total))
    chi = slope**2 / variance if variance > 0 else float("nan")
    return Test(chi, 1, float(chi2_sf(chi, 1)))


def two_by_two(table: Floats) -> dict[str, Effect]:
    """Risk difference, risk ratio and odds ratio of the second group against the first.

    table: [[without, without], [with, with]] by group; an effect that empty cells leave without limits is left out:
    of two groups in which everyone (or nobody) has it, these would have no width.
    """
    without, having = table
    n = without + having
    risk = having / n
    effects, error = {}, float(np.sqrt((risk * (1 - risk) / n).sum()))
    if error > 0:
        effects["risk_difference"] = _plain(float(risk[1] - risk[0]), error)
    if error > 0 and np.all(having > 0):
        effects["risk_ratio"] = _ratio(float(risk[1] / risk[0]), float(np.sqrt((1 / having - 1 / n).sum())))
    if np.all(table > 0):
        odds = float(having[1] * without[0] / (having[0] * without[1]))
        effects["odds_ratio"] = _ratio(odds, float(np.sqrt((1 / table).sum())))
    return effects


def _plain(value: float, error: float) -> Effect:
    return Effect(value, error, value - Z95 * error, value + Z95 * error)


def _ratio(value: float, error: float) -> Effect:
    return Effect(value, error, float(value * np.exp(-Z95 * error)), float(value * np.exp(Z95 * error)))


STRATUM = 8
"""Numbers of one stratum, which add up over strata."""


def stratum(table: Floats) -> Floats:
    """What a table of two by two, as in `two_by_two`, adds: R, S, PR, PS + QR, QS, those seen, expected, variance."""
    (d, b), (c, a) = table
    n = a + b + c + d
    if n < 2:
        return np.zeros(STRATUM)
    r, s, p, q = a * d / n, b * c / n, (a + d) / n, (b + c) / n
    row, column = a + c, a + b
    expected = row * column / n
    variance = row * (n - row) * column * (n - column) / (n**2 * (n - 1))
    return np.array([r, s, p * r, p * s + q * r, q * s, a, expected, variance])


def mantel_haenszel(sums: Floats, correct: bool) -> tuple[Test, Effect | None]:
    """The test of no association within strata and the common odds ratio, from sums over strata of `stratum`."""
    r, s, pr, mixed, qs, seen, expected, variance = (float(one) for one in sums)
    away = abs(seen - expected)
    away -= 0.5 if correct and away >= 0.5 else 0.0
    chi = away**2 / variance if variance > 0 else float("nan")
    test = Test(chi, 1, float(chi2_sf(chi, 1)))
    if r <= 0 or s <= 0:
        return test, None
    return test, _ratio(r / s, float(np.sqrt(pr / (2 * r**2) + mixed / (2 * r * s) + qs / (2 * s**2))))


def fisher(table: Floats) -> tuple[Test, Effect | None]:
    """Fisher's exact test of a table as in `two_by_two`, two-sided, and the conditional odds ratio with exact limits.

    The statistic is the odds ratio; None where an empty cell leaves it without a finite estimate or limits.
    """
    from scipy import stats  # only here: it takes most of a second to load

    # The second group's people with and without, then the first's: its odds ratio is that of the second group.
    counts = np.rint(table[::-1, ::-1].T).astype(np.int64)
    p = float(stats.fisher_exact(counts).pvalue)
    if np.any(counts == 0):
        return Test(float("nan"), 0, p), None
    found = stats.contingency.odds_ratio(counts, kind="conditional")
    limits = found.confidence_interval(0.95)
    value, low, high = float(found.statistic), float(limits.low), float(limits.high)
    return Test(value, 0, p), Effect(value, float(np.log(high / low) / (2 * Z95)), low, high)


def mcnemar(table: Floats, correct: bool) -> Test:
    """McNemar's test of two yes/no variables of the same people, from their table (2, 2)."""
    b, c = float(table[0, 1]), float(table[1, 0])
    if b + c <= 0:
        return Test(float("nan"), 1, float("nan"))
    chi = (abs(b - c) - (1.0 if correct and b != c else 0.0)) ** 2 / (b + c)
    return Test(chi, 1, float(chi2_sf(chi, 1)))


def mcnemar_exact(table: Floats) -> Test:
    """The exact test of the same, two-sided: of those whose two differ, half are expected to differ either way.

    The statistic is how many have the variable and not the group's.
    """
    b, c = round(table[0, 1]), round(table[1, 0])
    if b + c <= 0:
        return Test(float("nan"), 0, float("nan"))
    return Test(c, 0, min(1.0, 2 * float(special.bdtr(min(b, c), b + c, 0.5))))


HOMOGENEITY = 4
"""Numbers of one stratum in the test of homogeneity, which add up over strata."""


def departure(table: Floats, odds: float) -> Floats:
    """What a stratum adds at a common odds ratio: its chi-square, its departure, its variance, and 1 where it tells.

    The expected count solves the quadratic equation of the odds ratio at the stratum's margins.
    """
    (d, b), (c, a) = table
    row, column, n = a + c, a + b, a + b + c + d
    if min(row, n - row, column, n - column) <= 0:
        return np.zeros(HOMOGENEITY)
    least, most = max(0.0, row + column - n), min(row, column)
    slope = odds * (row + column) + n - row - column
    if abs(odds - 1) < 1e-12:
        expected = row * column / n
    else:
        root = np.sqrt(slope**2 - 4 * (odds - 1) * odds * row * column)
        # The root that lies between the margins' bounds, without cancellation.
        expected = 2 * odds * row * column / (slope + root)
    expected = float(np.clip(expected, least, most))
    parts = np.array([expected, row - expected, column - expected, n - row - column + expected])
    if np.any(parts <= 0):
        return np.zeros(HOMOGENEITY)
    variance = 1 / float((1 / parts).sum())
    away = a - expected
    return np.array([away**2 / variance, away, variance, 1.0])


def breslow_day(sums: Floats) -> Test:
    """Breslow and Day's test of one odds ratio in all strata with Tarone's correction, from sums of `departure`."""
    chi, away, variance, strata = (float(one) for one in sums)
    freedom = round(strata) - 1
    if freedom < 1 or variance <= 0:
        return Test(float("nan"), 0, float("nan"))
    corrected = chi - away**2 / variance
    return Test(corrected, freedom, float(chi2_sf(corrected, freedom)))
