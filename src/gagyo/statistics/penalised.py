"""Ridge, lasso and elastic net from a quadratic form, by the equations of what is selected, to the last figures.

Objective: Friedman, Hastie & Tibshirani (2010) J Stat Softw 33(1); Zou & Hastie (2005) J R Stat Soc B 67:301. Search of
signs: Lee, Battle, Raina & Ng (2007) Adv Neural Inf Process Syst 19:801. Reference: the Karush-Kuhn-Tucker conditions
on pooled rows, and R glmnet as far as its threshold goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MOST_STEPS = 10_000
SLACK = 1e-13
CLEAR, TRUST = 1e-15, 4.0
"""The square of a step, for a person, whose change of the score is no rounding; how unlike an information it may be."""
LEAST_MIXING = 1e-3
"""glmnet's: the largest penalty of a ridge regression is that of a nearly pure one."""


def grid(largest_score: float, mixing: float, values: int, ratio: float) -> Floats:
    """The penalties (values,) from the least that selects nothing down to `ratio` of it, evenly in the logarithm."""
    most = largest_score / max(mixing, LEAST_MIXING)
    return np.exp(np.linspace(np.log(most), np.log(most * ratio), values))


def minimise(gram: Floats, cross: Floats, first: Floats, second: Floats, start: Floats) -> Floats:
    """The b (p,) at which b'Gb/2 - c'b + sum(first |b| + second b^2 / 2) is least.

    first, second: (p,) penalties. The equations of what is selected are solved as they stand; on the way there whoever
    would change sign stops at zero where that is better; whoever of the others pulls most comes in. Each step lowers
    the objective and no selection comes twice, so that it ends also where columns are nearly one.

    Raises:
        ArithmeticError: it did not end, which only columns without any difference could do.
    """
    gram = gram + np.diag(second)
    takes_part = (np.diag(gram) > 0) & np.isfinite(first)
    b = np.where(takes_part, start, 0.0)
    signs = np.where(b != 0, np.sign(b), 0.0)
    for _ in range(MOST_STEPS):
        inside = np.flatnonzero(takes_part & ((signs != 0) | (first == 0)))
        b, whole = _towards(gram, cross, first, inside, signs, b)
        signs = np.sign(b)
        if not whole:
            continue
        over = np.where(takes_part & (b == 0) & (first > 0), np.abs(cross - gram @ b) - first, -np.inf)
        over[inside] = -np.inf
        enters = int(np.argmax(over))
        if over[enters] <= SLACK * (1 + np.abs(cross).max(initial=0.0)):
            return b
        signs[enters] = np.sign(cross[enters] - gram[enters] @ b)
    raise ArithmeticError("penalised regression did not end")


def _towards(
    gram: Floats, cross: Floats, first: Floats, inside: NDArray[np.intp], signs: Floats, b: Floats
) -> tuple[Floats, bool]:
    """The best point on the way from b to the solution with these signs, and whether it is that solution itself."""
    there = np.zeros(len(b))
    pull = cross[inside] - np.where(first[inside] > 0, first[inside] * signs[inside], 0.0)
    equations = gram[np.ix_(inside, inside)]
    try:
        there[inside] = np.linalg.solve(equations, pull)
    except np.linalg.LinAlgError:
        there[inside] = np.linalg.lstsq(equations, pull, rcond=None)[0]
    crossing = (first > 0) & (signs * there < 0)
    if not crossing.any():
        return there, True
    way = there - b
    zero_at = np.full(len(b), np.inf)
    zero_at[crossing] = np.clip(-b[crossing] / way[crossing], 0.0, 1.0)
    stops = np.append(np.unique(zero_at[crossing]), 1.0)
    # The objective along the way: a parabola and the weights of what is not zero.
    pull_along, bend = way @ (gram @ b - cross), way @ gram @ way
    weighted = np.flatnonzero((first > 0) & ((b != 0) | (way != 0)))
    sizes = np.abs(b[weighted] + stops[:, None] * way[weighted])
    worth = stops * pull_along + stops**2 * bend / 2 + sizes @ first[weighted]
    best = int(np.argmin(worth))
    point = b + stops[best] * way
    if best < len(stops) - 1:
        point[zero_at == stops[best]] = 0.0
    return point, False


@dataclass(frozen=True)
class Chosen:
    """By penalty the mean loss (values,) and its standard error; the numbers of the least and of the sparser one."""

    mean: Floats
    error: Floats
    least: int
    sparser: int


def choose(losses: Floats, sizes: Floats) -> Chosen:
    """From mean losses (folds, values) of folds of some sizes (folds,), as cv.glmnet weighs and chooses.

    The sparser one is the largest penalty whose loss is within a standard error of the least (Breiman et al. 1984).
    """
    share = sizes / sizes.sum()
    mean = share @ losses
    error = np.sqrt(share @ (losses - mean) ** 2 / (len(sizes) - 1))
    least = int(np.argmin(mean))
    within = np.flatnonzero(mean <= mean[least] + error[least])
    return Chosen(mean, error, least, int(within[0]))


@dataclass(frozen=True)
class Moments:
    """Sums of some people about a common centre: how many; of the columns and the outcome (q,); products (q, q)."""

    people: float
    sums: Floats
    products: Floats

    @staticmethod
    def of(parts: Sequence[Moments]) -> Moments:
        """Those of several groups together."""
        return Moments(
            float(sum(one.people for one in parts)),
            np.sum([one.sums for one in parts], axis=0),
            np.sum([one.products for one in parts], axis=0),
        )

    @property
    def means(self) -> Floats:
        """About the centre (q,)."""
        return self.sums / self.people

    @property
    def covariance(self) -> Floats:
        """Products about the group's own means, over the number of people (q, q)."""
        return self.products / self.people - np.outer(self.means, self.means)


@dataclass(frozen=True)
class Line:
    """Coefficients of columns about the common centre: intercepts (values,) and slopes (values, p)."""

    intercepts: Floats
    slopes: Floats

    def loss(self, on: Moments) -> Floats:
        """The mean squared error (values,) on some people."""
        full = np.column_stack([self.slopes, -np.ones(len(self.slopes))])
        squares = np.einsum("va,ab,vb->v", full, on.products, full)
        across = full @ on.sums
        return np.asarray((squares + 2 * self.intercepts * across) / on.people + self.intercepts**2)


def gaussian_path(people: Moments, penalties: Floats, mixing: float) -> Line:
    """The whole path of a linear model (values,).

    glmnet's objective: columns and outcome are divided by their standard deviations over n; of the outcome's, the
    ridge part of the penalty keeps one.
    """
    covariance = people.covariance
    p = len(covariance) - 1
    size = _sizes(np.diag(covariance)[:p], np.diag(people.products)[:p] / people.people)
    outcome = float(np.sqrt(covariance[p, p]))
    gram = covariance[:p, :p] / np.outer(size, size)
    cross = covariance[:p, p] / size / outcome
    slopes, b = np.zeros((len(penalties), p)), np.zeros(p)
    for at, penalty in enumerate(penalties / outcome):
        b = minimise(gram, cross, np.full(p, penalty * mixing), np.full(p, penalty * (1 - mixing)), b)
        slopes[at] = b / size * outcome
    return Line(people.means[p] - slopes @ people.means[:p], slopes)


def gaussian_score(people: Moments) -> float:
    """The largest of x'(y - mean) / n over columns of size one."""
    covariance = people.covariance
    p = len(covariance) - 1
    size = _sizes(np.diag(covariance)[:p], np.diag(people.products)[:p] / people.people)
    return float(np.abs(covariance[:p, p] / size).max())


def _sizes(variances: Floats, squares: Floats) -> Floats:
    """Standard deviations; infinite for a column that is constant, so that it takes no part."""
    return np.where(variances > 1e-12 * (squares + 1e-300), np.sqrt(np.maximum(variances, 0.0)), np.inf)


def bent(information: Floats, steps: Floats, falls: Floats) -> Floats:
    """An information (p, p) that agrees with how the score fell (steps, p) over the last steps (steps, p): by BFGS.

    Nocedal & Wright (2006) Numerical Optimization, section 6.1. Left out are steps too short to tell a fall from
    rounding, and those over which the score fell so unlike the information that one of them is of another place.
    """
    for step, fall in zip(steps, falls, strict=True):
        along = information @ step
        square, curvature = step @ along, step @ fall
        if square > CLEAR and square / TRUST < curvature < square * TRUST:
            information = information - np.outer(along, along) / square + np.outer(fall, fall) / curvature
    return information


@dataclass(frozen=True)
class Quadratic:
    """A likelihood near coefficients (1 + p,), the intercept first: score and information, over so many people."""

    beta: Floats
    score: Floats
    information: Floats
    people: float

    def step(self, first: Floats, second: Floats, start: Floats) -> Floats:
        """The coefficients (1 + p,) at which the penalised quadratic is least; the intercept is not penalised.

        start: (1 + p,), coefficients whose selection is near, from which the search for signs sets out.
        """
        gram = self.information / self.people
        cross = self.score / self.people + gram @ self.beta
        row = gram[0, 1:] / gram[0, 0]
        inner = gram[1:, 1:] - np.outer(gram[1:, 0], row)
        slopes = minimise(inner, cross[1:] - gram[1:, 0] * cross[0] / gram[0, 0], first, second, start[1:])
        return np.append((cross[0] - gram[0, 1:] @ slopes) / gram[0, 0], slopes)

    def decrement(self, beta: Floats) -> float:
        """How far other coefficients are, in the information for each person."""
        away = beta - self.beta
        return float(away @ self.information @ away) / self.people
