"""The likelihood of repeated measurements from sums by pattern of visits: mixed models, and unstructured covariance.

A person's design is a sum of products of what is known of the person (q columns, the intercept first) and of what is
known of the visits. So the likelihood of any covariance of the visits needs, of the people measured at each pattern of
visits, only the sums of products of these columns and of the outcomes: whatever the number of people, and in no further
round. Random intercepts of hospitals need each hospital's own sums of the same columns besides. Laird & Ware (1982)
Biometrics 38:963; Mallinckrodt et al. (2008) Drug Inf J 42:303; Luo et al. (2022) Nat Commun 13:1678. The criterion
and Satterthwaite's degrees of freedom are those of `gagyo.statistics.mixed`. Reference: R lme4, nlme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics import mixed
from gagyo.statistics.mixed import Likelihood, Optimum, Sums

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Hospitals = Literal["none", "fixed", "random"]


@dataclass(frozen=True)
class Layout:
    """The design: column j at visit t is a person's column `of[j]` times `at[j, t]`. of (p,), at (p, T)."""

    of: Ints
    at: Floats


@dataclass(frozen=True)
class Pattern:
    """What the people say who were measured at just these `visits` (v,).

    gram: sums of products of their q columns and v outcomes (q + v, q + v). own: the sums (H, q + v) of each hospital;
    H is 0 where hospitals have no effects. The first column is 1 for everyone.
    """

    visits: Ints
    gram: Floats
    own: Floats


class Structure(Protocol):
    """A covariance of the visits, in units of the residual variance."""

    def start(self) -> Floats:
        """Parameters (m,) to start from."""
        ...

    def settle(self, theta: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Parameters at an end of their range brought there, and which are not."""
        ...

    def covariance(self, theta: Floats) -> tuple[Floats, Floats]:
        """The matrix (T, T), and its derivatives (m, T, T)."""
        ...


@dataclass(frozen=True)
class Effects:
    """Random effects of each person, of columns (T, k), and independent residuals of one variance: I + Z L L' Z'."""

    columns: Floats

    def start(self) -> Floats:
        rows, columns = np.tril_indices(self.columns.shape[1])
        return np.where(rows == columns, 0.5, 0.0)

    def settle(self, theta: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        return mixed.on_edge(theta)

    def covariance(self, theta: Floats) -> tuple[Floats, Floats]:
        factor = self.columns @ mixed.lower(theta)
        rows, columns = np.tril_indices(self.columns.shape[1])
        half = self.columns.T[rows][:, :, None] * factor.T[columns][:, None, :]
        return np.eye(len(factor)) + factor @ factor.T, half + half.transpose(0, 2, 1)


@dataclass(frozen=True)
class Unstructured:
    """Any covariance of so many visits: L L' with a first diagonal entry of 1, and logarithms of the others."""

    visits: int

    def start(self) -> Floats:
        return np.zeros(len(self._at[0]))

    def settle(self, theta: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        return theta, np.ones(len(theta), bool)

    def covariance(self, theta: Floats) -> tuple[Floats, Floats]:
        rows, columns = self._at
        diagonal = rows == columns
        factor = np.eye(self.visits)
        factor[rows, columns] = np.where(diagonal, np.exp(np.where(diagonal, theta, 0.0)), theta)
        one = np.zeros((len(theta), self.visits, self.visits))
        one[np.arange(len(theta)), rows, columns] = np.where(diagonal, factor[rows, columns], 1.0)
        half = one @ factor.T
        return factor @ factor.T, half + half.transpose(0, 2, 1)

    @cached_property
    def _at(self) -> tuple[Ints, Ints]:
        rows, columns = np.tril_indices(self.visits)
        return rows[1:], columns[1:]


@dataclass(frozen=True)
class Decaying:
    """One variance, and a correlation of rho to the power of the time between (T,), 0 < rho < 1: theta = log -log rho.

    The time's unit here is the mean step between visits.
    """

    times: Floats

    def start(self) -> Floats:
        return np.array([np.log(np.log(2.0))])

    def settle(self, theta: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        return theta, np.ones(1, bool)

    def covariance(self, theta: Floats) -> tuple[Floats, Floats]:
        apart = np.abs(self.times[:, None] - self.times) * np.exp(min(float(theta[0]), MOST_EXPONENT))
        found = np.exp(-apart)
        return found, (-apart * found)[None]


MOST_EXPONENT = 50.0
"""Of a search that has lost its way: no correlation is left long before."""


@dataclass(frozen=True)
class Data:
    """All that the likelihood needs: patterns that somebody has, the layout, and what hospitals have."""

    patterns: Sequence[Pattern]
    layout: Layout
    hospitals: Hospitals

    @property
    def measurements(self) -> int:
        """How many outcomes were measured."""
        return int(sum(round(float(one.gram[0, 0])) * len(one.visits) for one in self.patterns))

    @property
    def own(self) -> Floats:
        """How many people each hospital has (H,)."""
        return np.asarray(sum((one.own[:, 0] for one in self.patterns), np.zeros(len(self.patterns[0].own))))

    @property
    def fixed(self) -> int:
        """How many columns hospitals add to the design: their intercepts, before all others."""
        return len(self.own) if self.hospitals == "fixed" else 0


def at(data: Data, structure: Structure, kept: Ints, theta: Floats) -> Sums:
    """The sums of the kept columns and the outcome at variance parameters, without second derivatives (zeros).

    theta: the structure's, then, where hospitals are random, their standard deviation in those of the residuals.
    """
    random = data.hospitals == "random"
    inner = theta[:-1] if random else theta
    covariance, changes = structure.covariance(inner)
    every = np.concatenate([covariance[None], changes])
    log_det, whole, weight, cross = _added(data, every)
    if data.hospitals == "fixed":
        whole = _with_intercepts(whole, weight, cross)
    if random:
        more, less = _hospitals_at_random(weight, cross, float(theta[-1]))
        log_det = np.append(log_det, 0.0) + more
        whole = np.concatenate([whole, np.zeros((1, *whole.shape[1:]))]) - less
    products = whole[:, kept[:, None], kept]
    m = len(theta)
    none = np.zeros((m, m, *products.shape[1:]))
    return Sums(float(log_det[0]), products[0], log_det[1:], products[1:], np.zeros((m, m)), none)


def plain(data: Data) -> Floats:
    """The products of all columns and the outcome (P + 1, P + 1) as they are, were measurements independent."""
    visits = data.layout.at.shape[1]
    _, whole, weight, cross = _added(data, np.eye(visits)[None])
    return np.asarray((_with_intercepts(whole, weight, cross) if data.hospitals == "fixed" else whole)[0])


def _added(data: Data, every: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Over the patterns, each first as it is and then its derivatives (1 + m, ...): log|V|; products of columns and
    outcome (p + 1, p + 1); of each hospital 1'V^-1 1 (H,) and 1'V^-1 [X y] (H, p + 1).
    """
    parts = [_of_pattern(one, data.layout, every) for one in data.patterns]
    log_det, whole, weight, cross = (np.asarray(sum(part[j] for part in parts)) for j in range(4))
    return log_det, whole, weight, cross


def _of_pattern(pattern: Pattern, layout: Layout, every: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    at, of, people = pattern.visits, layout.of, pattern.gram[0, 0]
    here = every[:, at[:, None], at]
    inverse = np.linalg.inv(here[0])
    V = np.concatenate([inverse[None], -inverse @ here[1:] @ inverse])
    log_det = people * np.append(np.linalg.slogdet(here[0])[1], np.einsum("ab,kba->k", inverse, here[1:]))
    q = len(pattern.gram) - len(at)
    columns, crossed, outcomes = pattern.gram[:q, :q], pattern.gram[:q, q:], pattern.gram[q:, q:]
    G = layout.at[:, at]
    half = G @ V
    p = len(of)
    whole = np.empty((len(V), p + 1, p + 1))
    whole[:, :p, :p] = (half @ G.T) * columns[of[:, None], of]
    whole[:, :p, p] = whole[:, p, :p] = np.sum(half * crossed[of], axis=2)
    whole[:, p, p] = np.sum(V * outcomes, axis=(1, 2))
    own_columns, own_outcomes = pattern.own[:, :q], pattern.own[:, q:]
    weight = V.sum(axis=(1, 2))[:, None] * own_columns[:, 0]
    cross = np.empty((len(V), len(pattern.own), p + 1))
    cross[:, :, :p] = half.sum(axis=2)[:, None, :] * own_columns[:, of]
    cross[:, :, p] = V.sum(axis=1) @ own_outcomes.T
    return log_det, whole, weight, cross


def _with_intercepts(whole: Floats, weight: Floats, cross: Floats) -> Floats:
    """The products with a column for each hospital before all others."""
    h, size = weight.shape[1], whole.shape[1]
    out = np.zeros((len(whole), h + size, h + size))
    out[:, np.arange(h), np.arange(h)] = weight
    out[:, :h, h:] = cross
    out[:, h:, :h] = cross.transpose(0, 2, 1)
    out[:, h:, h:] = whole
    return out


def _hospitals_at_random(weight: Floats, cross: Floats, deviation: float) -> tuple[Floats, Floats]:
    """What random intercepts add to log|V|, and take from the products: as they are, by each parameter, by their own.

    With a = 1'V^-1 1 and b = 1'V^-1 [X y] of a hospital, they take b b' s^2 / (1 + s^2 a).
    """
    a, b, ratio = weight[0], cross[0], deviation**2
    over = 1 + ratio * a
    share = ratio / over
    log_det = np.concatenate(
        [[np.log(over).sum()], weight[1:] @ share, [float(np.sum(2 * deviation * a / over))]],
    )
    shares = np.concatenate([share[None], -(share**2) * weight[1:], (2 * deviation / over**2)[None]])
    taken = np.einsum("kh,ha,hb->kab", shares, b, b)
    half = np.einsum("h,kha,hb->kab", share, cross[1:], b)
    taken[1:-1] += half + half.transpose(0, 2, 1)
    return log_det, taken


@dataclass(frozen=True)
class Fit:
    """A fit. Columns: the hospitals' intercepts where they are fixed, then those of the layout.

    coefficients (P,), NaN where aliased. covariance: of the visits (T, T), without what hospitals add. between: the
    variance between hospitals. theta: the structure's parameters. deviance: minus twice the (restricted)
    log-likelihood. singular: a variance is zero. made_of (kept, aliased): how aliased columns are made of the others.
    """

    coefficients: Floats
    covariance: Floats
    sigma2: float
    between: float
    theta: Floats
    deviance: float
    aliased: NDArray[np.bool_]
    singular: bool
    made_of: Floats
    _best: Optimum
    _likelihood: Likelihood
    _sizes: Floats

    def combined(self, turn: Floats) -> tuple[Floats, Floats, Floats]:
        """Values, standard errors and degrees of freedom of `turn` (rows, P) times the coefficients, aliased ones 0.

        NaN of a row without any.
        """
        kept = ~self.aliased
        value = turn[:, kept] @ self.coefficients[kept]
        scaled = turn[:, kept] / self._sizes[:-1][kept]
        inverse = np.linalg.inv(self._best.sums.products[:-1, :-1])
        scale = mixed.residual(self._best.sums.products) / self._likelihood.freedom * self._sizes[-1] ** 2
        error = np.sqrt(np.einsum("ij,jk,ik->i", scaled, inverse, scaled) * scale)
        with np.errstate(invalid="ignore", divide="ignore"):
            freedom = self._likelihood.freedoms(self._best.sums, self._best.free, scaled)
        lost = ~scaled.any(axis=1)
        return tuple(np.where(lost, np.nan, one) for one in (value, error, freedom))  # type: ignore[return-value]

    def estimable(self, turn: Floats) -> NDArray[np.bool_]:
        """Of which rows of `turn` (rows, P) the value is the same whichever of aliased columns are left out."""
        wanted = turn[:, ~self.aliased] @ self.made_of
        return np.asarray(np.isclose(turn[:, self.aliased], wanted, rtol=1e-6, atol=1e-6).all(axis=1))


class NoMaximum(Exception):
    """The likelihood has no maximum that could be found."""


def fit(data: Data, structure: Structure, aliased: NDArray[np.bool_], sizes: Floats, restricted: bool) -> Fit:
    """The fit by REML or ML, of more measurements than fixed effects.

    aliased (P,): columns to leave out. sizes (P + 1,): of each column and of the outcome, to make all about one.

    Raises:
        NoMaximum: the search ran away, or ended where the likelihood is flat.
    """
    scaled = _scaled(data, sizes)
    kept = np.append(np.flatnonzero(~aliased), len(aliased))
    likelihood = Likelihood(data.measurements, len(kept) - 1, restricted)
    random = data.hospitals == "random"
    start = np.append(structure.start(), 0.3) if random else structure.start()

    def settle(theta: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        if not random:
            return structure.settle(theta)
        parts = structure.settle(theta[:-1]), mixed.on_edge(theta[-1:])
        values, free = (np.concatenate([part[j] for part in parts]) for j in range(2))
        return values, free.astype(bool)

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        try:
            best = mixed.climbed(partial(at, scaled, structure, kept), likelihood, start, settle)
        except np.linalg.LinAlgError:
            raise NoMaximum from None
        if not _is_least(best, likelihood):
            raise NoMaximum
    found = _unscaled(best, likelihood, structure, aliased, sizes, random)
    return replace(found, made_of=_made_of(data, aliased))


def _made_of(data: Data, aliased: NDArray[np.bool_]) -> Floats:
    """How aliased columns are made of the others (kept, aliased)."""
    products, kept = plain(data)[:-1, :-1], np.flatnonzero(~aliased)
    return np.asarray(np.linalg.solve(products[np.ix_(kept, kept)], products[np.ix_(kept, np.flatnonzero(aliased))]))


def _scaled(data: Data, sizes: Floats) -> Data:
    """The same data with columns of the layout, and the outcome, divided by their sizes; patterns that somebody has."""
    y = sizes[-1]
    layout = replace(data.layout, at=data.layout.at / sizes[data.fixed : -1][:, None])
    patterns = []
    for one in data.patterns:
        if not one.gram[0, 0]:
            continue
        by = np.ones(len(one.gram))
        by[len(by) - len(one.visits) :] = y
        patterns.append(replace(one, gram=one.gram / np.outer(by, by), own=one.own / by))
    return Data(patterns, layout, data.hospitals)


def _unscaled(
    best: Optimum,
    likelihood: Likelihood,
    structure: Structure,
    aliased: NDArray[np.bool_],
    sizes: Floats,
    random: bool,
) -> Fit:
    C, y, kept = best.sums.products, sizes[-1], ~aliased
    inner = best.theta[:-1] if random else best.theta
    sigma2 = mixed.residual(C) / likelihood.freedom * y**2
    coefficients = np.full(len(aliased), np.nan)
    coefficients[kept] = np.linalg.solve(C[:-1, :-1], C[:-1, -1]) * y / sizes[:-1][kept]
    # Columns of size one: the likelihood of columns as they are is that of another density of y, and another |X'X|.
    log_size = float(np.log(sizes[:-1][kept]).sum()) if likelihood.restricted else 0.0
    deviance = likelihood.deviance(best.sums) + 2 * likelihood.freedom * float(np.log(y)) + 2 * log_size
    return Fit(
        coefficients,
        structure.covariance(inner)[0] * sigma2,
        float(sigma2),
        float(best.theta[-1] ** 2 * sigma2) if random else 0.0,
        inner,
        deviance,
        aliased,
        not bool(best.free.all()),
        np.zeros((int(kept.sum()), int(aliased.sum()))),
        best,
        likelihood,
        sizes,
    )


def _is_least(best: Optimum, likelihood: Likelihood) -> bool:
    """Whether Newton has come to a least deviance, and not run away."""
    free = best.free
    slope, curve = likelihood.slope(best.sums)[free], likelihood.curve(best.sums)[np.ix_(free, free)]
    if not (np.isfinite(slope).all() and np.isfinite(curve).all()):
        return False
    if not len(slope):
        return True
    values = np.linalg.eigvalsh(curve)
    return bool(values[0] > FLAT * values[-1] and slope @ np.linalg.solve(curve, slope) < DECREMENT)


FLAT = 1e-10
DECREMENT = 1e-10
"""Of the deviance: what a further Newton step would gain."""
