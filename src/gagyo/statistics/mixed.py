"""The likelihood of a linear mixed model from sums: variance ratios, fixed effects, Satterthwaite's degrees of freedom.

With relative variances D of the random effects, V = sigma^2 (I + Z D Z'), all that the likelihood needs is log|V| and
C = [X y]' V^-1 [X y] (p + 1, p + 1), and both are sums over hospitals. The residual variance and the fixed effects are
profiled out. Harville (1977) J Am Stat Assoc 72:320; Bates et al. (2015) J Stat Softw 67(1); Luo et al. (2022) Nat
Commun 13:1678; degrees of freedom: Giesbrecht & Burns (1985) Biometrics 41:477. Reference: R lme4 and lmerTest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

Floats = NDArray[np.float64]
STEP = 1e-5
"""Of the central differences by which second derivatives are found where there is no formula for them."""

SETTLED = 1e-11
"""Newton's steps in the variance ratios end under this."""

MOST_STEPS = 50


@dataclass(frozen=True)
class Sums:
    """What the data say at variance parameters (m,), with first and second derivatives in them.

    log_det: log|V / sigma^2|, with the hospitals' part of log|X'V^-1 X| where their effects are fixed. products: C.
    """

    log_det: float
    products: Floats
    log_det_1: Floats
    products_1: Floats
    log_det_2: Floats
    products_2: Floats


@dataclass(frozen=True)
class Block:
    """One hospital's products of its random effects' columns: Z'Z (q, q) and Z'[X y] (q, p + 1)."""

    gram: Floats
    cross: Floats


def lower(theta: Floats) -> Floats:
    """The lower triangle (q, q) of the relative variances' Cholesky factor, row by row in theta."""
    q = int((np.sqrt(8 * len(theta) + 1) - 1) / 2)
    factor = np.zeros((q, q))
    factor[np.tril_indices(q)] = theta
    return factor


def by_hospital(total: Floats, blocks: Sequence[Block], theta: Floats) -> Sums:
    """The sums of a model with random effects by hospital, without second derivatives (zeros).

    total: [X y]'[X y] of all hospitals. With M = (D^-1 + Z'Z)^-1, V^-1 is I - Z M Z' at each hospital, which needs no
    inverse of D: M = L (I + L' Z'Z L)^-1 L'.
    """
    factor, m = lower(theta), len(theta)
    changes = [_change(factor, j) for j in range(m)]
    log_det, products = 0.0, total.copy()
    log_det_1, products_1 = np.zeros(m), np.zeros((m, *total.shape))
    for block in blocks:
        inner = np.eye(len(factor)) + factor.T @ block.gram @ factor
        middle = factor @ np.linalg.solve(inner, factor.T)
        log_det += float(np.linalg.slogdet(inner)[1])
        products -= block.cross.T @ middle @ block.cross
        towards = np.eye(len(factor)) - middle @ block.gram
        left = block.gram @ towards
        for j, change in enumerate(changes):
            log_det_1[j] += float(np.sum(left * change))
            products_1[j] -= block.cross.T @ towards @ change @ towards.T @ block.cross
    none = np.zeros((m, m))
    return Sums(log_det, products, log_det_1, products_1, none, np.zeros((m, m, *total.shape)))


def _change(factor: Floats, j: int) -> Floats:
    """How D = L L' changes with the j-th entry of L."""
    row, column = (index[j] for index in np.tril_indices(len(factor)))
    one = np.zeros(factor.shape)
    one[row, column] = 1.0
    half = one @ factor.T
    return np.asarray(half + half.T)


@dataclass(frozen=True)
class Likelihood:
    """The criterion: restricted likelihood or likelihood. people: N; fixed: all fixed effects, hospitals' included."""

    people: int
    fixed: int
    restricted: bool

    @property
    def freedom(self) -> int:
        """What the residual sum of squares is divided by."""
        return self.people - self.fixed if self.restricted else self.people

    def deviance(self, sums: Sums) -> float:
        """Minus twice the log-likelihood, fixed effects and residual variance profiled out (lme4's REMLcrit)."""
        m = self.freedom
        rest = residual(sums.products)
        fixed = _log_det(sums.products[:-1, :-1]) if self.restricted else 0.0
        return float(sums.log_det + fixed + m * (1 + np.log(2 * np.pi * rest / m)))

    def slope(self, sums: Sums) -> Floats:
        """The first derivatives (m,) of the deviance."""
        at = _At(sums)
        fixed = at.trace_1 if self.restricted else 0.0
        return np.asarray(sums.log_det_1 + fixed + self.freedom * at.rest_1 / at.rest)

    def curve(self, sums: Sums) -> Floats:
        """The second derivatives (m, m) of the deviance."""
        at = _At(sums)
        fixed = at.trace_2 if self.restricted else 0.0
        share = np.outer(at.rest_1, at.rest_1) / at.rest**2
        return np.asarray(sums.log_det_2 + fixed + self.freedom * (at.rest_2 / at.rest - share))

    def freedoms(self, sums: Sums, free: NDArray[np.bool_], turn: Floats) -> Floats:
        """Satterthwaite's degrees of freedom of `turn` (rows, p) times the fixed effects.

        The variance parameters are those that are free (not on the edge of their range) and log sigma^2; their own
        variance is twice the inverse of the deviance's second derivatives.
        """
        at, m = _At(sums), self.freedom
        sigma2 = at.rest / m
        hessian = np.zeros((len(free) + 1, len(free) + 1))
        fixed = at.trace_2 if self.restricted else 0.0
        hessian[:-1, :-1] = sums.log_det_2 + fixed + at.rest_2 / sigma2
        hessian[-1, :-1] = hessian[:-1, -1] = -at.rest_1 / sigma2
        hessian[-1, -1] = m
        kept = np.flatnonzero(np.append(free, True))
        half = turn @ at.inverse
        variance = sigma2 * np.diag(half @ turn.T)
        moves = [-sigma2 * np.diag(half @ one[:-1, :-1] @ half.T) for one in sums.products_1]
        gradient = np.array([*moves, variance])[kept]
        own = 2 * np.linalg.inv(hessian[np.ix_(kept, kept)])
        spread = np.einsum("ij,ik,kj->j", gradient, own, gradient)
        return np.asarray(2 * variance**2 / spread)


class _At:
    """The parts of the derivatives: r^2 = w'Cw with w = (-beta, 1), and log|X'V^-1 X|."""

    def __init__(self, sums: Sums) -> None:
        C, C1, C2 = sums.products, sums.products_1, sums.products_2
        self.inverse = np.linalg.inv(C[:-1, :-1])
        w = np.append(-self.inverse @ C[:-1, -1], 1.0)
        self.rest = residual(C)
        self.rest_1 = np.einsum("a,jab,b->j", w, C1, w)
        pull = np.einsum("jab,b->ja", C1, w)[:, :-1]
        self.rest_2 = np.einsum("a,jkab,b->jk", w, C2, w) - 2 * pull @ self.inverse @ pull.T
        turned = np.einsum("ab,jbc->jac", self.inverse, C1[:, :-1, :-1])
        self.trace_1 = np.einsum("jaa->j", turned)
        self.trace_2 = np.einsum("ab,jkba->jk", self.inverse, C2[:, :, :-1, :-1])
        self.trace_2 = self.trace_2 - np.einsum("jab,kba->jk", turned, turned)


def residual(products: Floats) -> float:
    """r^2: what of y'V^-1 y the fixed effects leave."""
    return float(products[-1, -1] - products[:-1, -1] @ np.linalg.solve(products[:-1, :-1], products[:-1, -1]))


def _log_det(matrix: Floats) -> float:
    return float(np.linalg.slogdet(matrix)[1])


At = Callable[[Floats], Sums]
"""The sums at variance parameters; second derivatives may be zeros."""
Settle = Callable[[Floats], tuple[Floats, NDArray[np.bool_]]]


@dataclass(frozen=True)
class Optimum:
    """Variance parameters (m,) at the least deviance, which of them are free, and the sums there."""

    theta: Floats
    free: NDArray[np.bool_]
    sums: Sums


def optimum(total: Floats, blocks: Sequence[Block], likelihood: Likelihood) -> Optimum:
    """The best random effects by hospital; columns should be of size one."""
    rows, columns = np.tril_indices(len(blocks[0].gram))
    return climbed(partial(by_hospital, total, blocks), likelihood, (rows == columns) * 0.5, on_edge)


def climbed(at: At, likelihood: Likelihood, start: Floats, settle: Settle) -> Optimum:
    """The least deviance: a quasi-Newton search, then Newton to the last figures.

    `settle` says of the parameters found which are on the edge of their range. Where one ends there and the deviance
    rises inwards, the fit is singular; where it falls, the search goes on from there.
    """
    for _ in range(MOST_STARTS):
        theta, free = settle(_search(at, likelihood, start))
        best = _polished(at, likelihood, theta, free)
        away = _way_off_edge(likelihood.curve(best.sums), best.free)
        if not away.any():
            break
        start = best.theta + AWAY * away
    return best


MOST_STARTS = 5
AWAY = 0.05
LEVEL = 1e-7
"""Slopes of the deviance that are none; Newton's steps follow."""


class _Flat(Exception):
    """Parameters at which the deviance is flat."""

    def __init__(self, theta: Floats) -> None:
        super().__init__()
        self.theta = theta


def _search(at: At, likelihood: Likelihood, start: Floats) -> Floats:
    """A quasi-Newton search; a step to where no figure is left of a covariance is one too far.

    It ends at any place that is flat: a line search would look on for a fall that is below the deviance's last figure.
    """

    def both(theta: Floats) -> tuple[float, Floats]:
        try:
            sums = at(theta)
            deviance, slope = likelihood.deviance(sums), likelihood.slope(sums)
        except np.linalg.LinAlgError:
            return np.inf, np.zeros(len(theta))
        if np.abs(slope).max() < LEVEL:
            raise _Flat(theta.copy())
        return deviance, slope

    try:
        found: Floats = optimize.minimize(both, start, jac=True, method="BFGS", options={"gtol": LEVEL}).x
    except _Flat as here:
        found = here.theta
    return found


def _polished(at: At, likelihood: Likelihood, theta: Floats, free: NDArray[np.bool_]) -> Optimum:
    """Newton's steps in what is free."""
    for _ in range(MOST_STEPS):
        sums = with_curves(at, theta)
        step = np.zeros(len(theta))
        step[free] = -np.linalg.solve(likelihood.curve(sums)[np.ix_(free, free)], likelihood.slope(sums)[free])
        theta = theta + step
        if np.abs(step).max(initial=0.0) < SETTLED:
            break
    return Optimum(theta, free, with_curves(at, theta))


def _way_off_edge(curve: Floats, free: NDArray[np.bool_]) -> Floats:
    """A direction in which the deviance falls from the edge, or zeros: its slope there is zero, whatever follows."""
    away = np.zeros(len(free))
    if free.all():
        return away
    values, vectors = np.linalg.eigh(curve[np.ix_(~free, ~free)])
    if values[0] < -FLAT * (1 + np.abs(curve).max()):
        away[~free] = vectors[:, 0]
    return away


FLAT = 1e-7
EDGE = 1e-5
"""A standard deviation of a random effect, in those of the residuals, that is none."""


def on_edge(theta: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """The factor of the same D with every column gone whose diagonal is zero, and which entries are left.

    A search may end with either sign of a column. What a column that goes adds below its diagonal goes into the columns
    after it.
    """
    factor = lower(theta)
    factor = factor * np.where(np.diag(factor) < 0, -1.0, 1.0)
    q = len(factor)
    gone = np.zeros(q, bool)
    for j in range(q):
        if factor[j, j] >= EDGE:
            continue
        gone[j], below = True, factor[j + 1 :, j]
        rest = factor[j + 1 :, j + 1 :]
        # A hair keeps what is singular itself from stopping Cholesky; it is under EDGE, and goes in its turn.
        whole = rest @ rest.T + np.outer(below, below) + (EDGE / 2) ** 2 * np.eye(q - j - 1)
        factor[j + 1 :, j + 1 :] = np.linalg.cholesky(whole)
        factor[j:, j] = 0.0
    _, columns = np.tril_indices(q)
    return factor[np.tril_indices(q)], ~gone[columns]


def with_curves(at: At, theta: Floats) -> Sums:
    """The sums with second derivatives, by central differences of the first."""
    here = at(theta)
    m = len(theta)
    curve, bend = np.zeros((m, m)), np.zeros((m, *here.products_1.shape))
    for j in range(m):
        move = STEP * (np.arange(m) == j)
        above, below = at(theta + move), at(theta - move)
        curve[j] = (above.log_det_1 - below.log_det_1) / (2 * STEP)
        bend[j] = (above.products_1 - below.products_1) / (2 * STEP)
    symmetric = (bend + bend.transpose(1, 0, 2, 3)) / 2
    return Sums(here.log_det, here.products, here.log_det_1, here.products_1, (curve + curve.T) / 2, symmetric)


def modes(block: Block, theta: Floats, beta: Floats) -> tuple[Floats, Floats]:
    """A hospital's own deviations (q,) given fixed effects (p,), and their variance (q, q) in units of sigma^2."""
    factor = lower(theta)
    inner = np.eye(len(factor)) + factor.T @ block.gram @ factor
    middle = factor @ linalg.solve(inner, factor.T, assume_a="pos")
    return middle @ (block.cross[:, -1] - block.cross[:, :-1] @ beta), middle


def next_ratio(tried: Sequence[tuple[float, float, float]], clusters: int) -> float:
    """The variance ratio to try next, from those tried with the deviance's first and second derivatives there.

    Of G clusters of n people the deviance's slope at a ratio r is G s - B s^2 with s = n / (1 + n r). Its derivative is
    2 B s^3 - G s^2, so both tell s and B, and where the slope is zero; near there that is Newton's step. It is taken
    where it stays between the last ratio from which the deviance falls and the first from which it rises; else half
    way, or ten times as far where none is known to be too far. The first one tried is zero.
    """
    ratio, slope, curve = tried[-1]
    low = max((r for r, s, _ in tried if s < 0), default=0.0)
    high = min((r for r, s, _ in tried if s >= 0 and r > low), default=np.inf)
    s = (slope + np.sqrt(max(slope**2 + clusters * curve, 0.0))) / clusters
    wanted = ratio - slope / (clusters * s**2) if s > 0 else np.inf
    if low < wanted < high and wanted <= 10 * low + 1:
        return float(wanted)
    return (low + high) / 2 if np.isfinite(high) else 10 * low + 0.1


def settled(tried: Sequence[tuple[float, float, float]]) -> bool:
    """Whether Newton's next step is too small to matter, or the deviance rises from a ratio of zero."""
    ratio, slope, curve = tried[-1]
    if ratio == 0 and slope >= 0:
        return True
    return curve > 0 and abs(slope / curve) < 1e-7 * (1e-3 + ratio)
