"""From opened sums to a linear mixed fit: random hospitals at once, clusters by a walk over their variance ratio.

Columns are scaled to a size of about one first; `gagyo.statistics.mixed` has the arithmetic and its papers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gagyo.errors import Stopped
from gagyo.finding import Finding
from gagyo.methods._mixed_told import Fitted
from gagyo.methods._newton import aliased_columns, symmetric
from gagyo.release.aggregate import Floats
from gagyo.statistics import mixed
from gagyo.statistics.mixed import Block, Likelihood, Optimum, Sums

ORDERS = 3
"""A sum and its first two derivatives in the variance ratio."""


def _sizes(total: Floats, people: int) -> Floats:
    """The size of each column, so that all are about one."""
    size = np.sqrt(np.diag(total) / people)
    return np.asarray(np.where(size > 0, size, 1.0))


def random_fit(
    total: Floats, own: Mapping[str, Floats], at: list[int], centre: Floats, people: int, restricted: bool
) -> Fitted:
    """Random effects of the columns `at` by hospital, from sums about `centre`."""
    size = _sizes(total, people)
    gone = aliased_columns(total[:-1, :-1])
    kept = np.append(np.flatnonzero(~gone), len(gone))
    scaled = (total / np.outer(size, size))[np.ix_(kept, kept)]
    parts = {site: one / np.outer(size[at], size) for site, one in own.items()}
    by = {site: Block(one[:, at], one[:, kept]) for site, one in parts.items()}
    likelihood = Likelihood(people, len(kept) - 1, restricted)
    _check_freedom(likelihood)
    best = mixed.optimum(scaled, list(by.values()), likelihood)
    to_raw = np.diag(1 / size[:-1])
    to_raw[0, 1:] = -centre[1:-1] / size[1:-1]
    turn = to_raw[np.ix_(at, at)] * size[-1]
    fit = _fitted(best, likelihood, kept[:-1], to_raw, size, tuple(own), 3)
    fit.estimates[0] += centre[-1]
    factor, sigma = mixed.lower(best.theta), fit.sigma / size[-1]
    beta = np.asarray(np.linalg.solve(best.sums.products[:-1, :-1], best.sums.products[:-1, -1]), np.float64)
    deviations = {}
    for site, block in by.items():
        deviation, spread = mixed.modes(block, best.theta, beta)
        deviations[site] = (turn @ deviation, np.sqrt(np.diag(turn @ spread @ turn.T)) * sigma)
    variances = turn @ factor @ factor.T @ turn.T * sigma**2
    return replace(fit, variances=variances, modes=deviations, singular=not bool(best.free.all()))


def _check_freedom(likelihood: Likelihood) -> None:
    if likelihood.people <= likelihood.fixed:
        raise Stopped(Finding("withheld_fit"))


def _fitted(
    best: Optimum,
    likelihood: Likelihood,
    kept: np.ndarray,
    to_raw: Floats,
    size: Floats,
    sites: tuple[str, ...],
    rounds: int,
) -> Fitted:
    """Fixed effects as the columns are: `to_raw` turns those of scaled columns; NaN where aliased."""
    C, p = best.sums.products, len(size) - 1
    inverse = np.zeros((p, p))
    inverse[np.ix_(kept, kept)] = np.linalg.inv(C[:-1, :-1])
    beta = inverse[:, kept] @ C[:-1, -1]
    sigma = float(np.sqrt(mixed.residual(C) / likelihood.freedom)) * size[-1]
    covariance = to_raw @ inverse @ to_raw.T * sigma**2
    aliased = ~np.isin(np.arange(p), kept)
    freedoms = np.full(p, np.nan)
    freedoms[kept] = likelihood.freedoms(best.sums, best.free, to_raw[np.ix_(kept, kept)])
    values = to_raw @ beta * size[-1]
    values[aliased] = np.nan
    deviance = likelihood.deviance(best.sums)
    # Columns of size one: the likelihood of columns as they are is that of another density of y, and another |X'X|.
    log_size = float(np.log(size[:-1][kept]).sum())
    deviance += 2 * likelihood.freedom * float(np.log(size[-1])) + (2 * log_size if likelihood.restricted else 0.0)
    return Fitted(values, covariance, freedoms, sigma, deviance, likelihood.people, sites, rounds, aliased)


class Walk:
    """Where a fit with fixed hospitals is: the variance ratios tried, and what was opened at the last one."""

    def __init__(self, width: int, clustered: bool, restricted: bool) -> None:
        self._width = width
        self._clustered = clustered
        self._restricted = restricted
        self._tried: list[tuple[float, float, float]] = []
        self.ratio = 0.0
        self.rounds = 0

    def hears(self, people: int, values: Floats, sites: tuple[str, ...]) -> bool:
        """Take in what was opened at the ratio; whether this was the last round."""
        self._people, self._sites, self._groups = people, sites, int(values[-1])
        self.rounds += 1
        q = self._width + 1
        parts = np.zeros((ORDERS, q * (q + 1) // 2 + 2))
        opened = values[:-1].reshape(-1, parts.shape[1])
        parts[: len(opened)] = opened
        C = symmetric(parts[:, :-2], q)
        if not self._tried:
            self._start(C[0])
        C = (C / np.outer(self._size, self._size))[:, self._kept[:, None], self._kept]
        log = parts[:, -2] + (parts[:, -1] if self._restricted else 0.0)
        self._sums = Sums(float(log[0]), C[0], log[1:2], C[1:2], log[2].reshape(1, 1), C[2].reshape(1, 1, *C[2].shape))
        one = self._likelihood
        self._tried.append((self.ratio, float(one.slope(self._sums)[0]), float(one.curve(self._sums)[0, 0])))
        if not self._clustered or mixed.settled(self._tried):
            return True
        self.ratio = mixed.next_ratio(self._tried, self._groups)
        return False

    def _start(self, total: Floats) -> None:
        self._size = _sizes(total, self._people)
        gone = aliased_columns(total[:-1, :-1])
        self._kept = np.append(np.flatnonzero(~gone), len(gone))
        self._likelihood = Likelihood(self._people, len(self._kept) - 1 + len(self._sites), self._restricted)
        _check_freedom(self._likelihood)

    def fitted(self) -> Fitted:
        """The fit at the last ratio, and the little way on that Newton's step says."""
        ratio, slope, curve = self._tried[-1]
        inside = self._clustered and not (ratio == 0 and slope >= 0)
        step = -slope / curve if inside else 0.0
        sums = _moved(self._sums, step)
        best = Optimum(np.array([ratio + step]), np.array([inside]), sums)
        to_raw = np.diag(1 / self._size[:-1])
        fit = _fitted(best, self._likelihood, self._kept[:-1], to_raw, self._size, self._sites, self.rounds)
        if not self._clustered:
            return replace(fit, fixed_hospitals=True)
        variance = np.array([[(ratio + step) * fit.sigma**2]])
        return replace(fit, fixed_hospitals=True, variances=variance, groups=self._groups, singular=not inside)


def _moved(sums: Sums, step: float) -> Sums:
    """The sums a small step on, by their first two derivatives."""
    return Sums(
        sums.log_det + step * float(sums.log_det_1[0]) + step**2 / 2 * float(sums.log_det_2[0, 0]),
        sums.products + step * sums.products_1[0] + step**2 / 2 * sums.products_2[0, 0],
        sums.log_det_1 + step * sums.log_det_2[0],
        sums.products_1 + step * sums.products_2[0],
        sums.log_det_2,
        sums.products_2,
    )
