"""The arithmetic outside the hospitals of a Newton fit: steps, aliased columns, separation, Wald tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from gagyo.errors import Stopped
from gagyo.finding import Finding
from gagyo.release.aggregate import Floats
from gagyo.statistics.distributions import normal_sf

ALIAS = 1e-12
"""A column whose squared length falls to this share of itself, once the columns before it are taken out, is aliased."""

DECREMENT = 1e-16
"""Stop where the squared Newton decrement, g' H^-1 g, is under this: then the information is that of the optimum."""

MOST_ROUNDS = 30

VANISHED, VANISHED_COUNTS = 1e-5, 1e-8
"""Information fallen to this share of its first is of a coefficient without an end; rates of counts differ more."""


@dataclass(frozen=True)
class Solved:
    """A Newton step (p,), zero for aliased columns; the inverse information (p, p); and the squared decrement."""

    step: Floats
    inverse: Floats
    decrement: float
    aliased: NDArray[np.bool_]


def pivots(information: Floats) -> Floats:
    """What of each column's squared length is its own once those before it are taken out (p,): 0 where aliased."""
    rest = information.astype(np.float64).copy()
    left = np.zeros(len(rest))
    for j in range(len(rest)):
        if rest[j, j] <= ALIAS * max(information[j, j], np.finfo(float).tiny):
            continue
        left[j] = rest[j, j]
        rest[j + 1 :, j + 1 :] -= np.outer(rest[j + 1 :, j], rest[j, j + 1 :]) / rest[j, j]
    return left


def aliased_columns(information: Floats) -> NDArray[np.bool_]:
    """R's rule (`lm`, `glm`): a column that those before it determine is left out; earlier columns stay."""
    return np.asarray(pivots(information) == 0)


def solve(score: Floats, information: Floats, aliased: NDArray[np.bool_]) -> Solved:
    """Solve information x step = score over the columns that are not aliased, scaled to unit diagonal first."""
    keep = np.flatnonzero(~aliased)
    kept = information[np.ix_(keep, keep)]
    size = 1.0 / np.sqrt(np.diag(kept))
    factor = linalg.cho_factor(kept * size[:, None] * size, lower=True)
    step = np.zeros(len(score))
    step[keep] = linalg.cho_solve(factor, score[keep] * size) * size
    inverse = np.full(information.shape, np.nan)
    inverse[np.ix_(keep, keep)] = linalg.cho_solve(factor, np.diag(size)) * size[:, None]
    return Solved(step, inverse, float(score[keep] @ step[keep]), aliased)


def check_separation(
    start: Floats, now: Floats, likelihood: float, people: float, terms: Sequence[str], vanished: float = VANISHED
) -> None:
    """Raise Stopped where variances have run away: the data are separated (Albert & Anderson 1984, Biometrika 71:1).

    start, now: `pivots` of the information in the first round and now. Its diagonal would not do: where two columns
    together tell people apart and neither does alone, it stays, and the later of them would look like an aliased one.
    vanished: the share of the first that is left where a coefficient runs away.
    """
    shrunk = np.where(start > 0, now / np.where(start > 0, start, 1.0), 1.0)
    if likelihood > -1e-6 * people or float(shrunk.min()) < vanished:
        worst = [term for term, share in zip(terms, shrunk, strict=True) if share <= 10 * shrunk.min()]
        raise Stopped(Finding("separation", values={"found": ", ".join(worst)}))


def check_running_away(seen: Sequence[Floats], terms: Sequence[str]) -> None:
    """Raise Stopped where a fit that the gate refused was on its way to infinity: its variances grew round by round.

    seen: `pivots` of the information, by round. An honest fit settles in the fourth or fifth; a separated one adds
    about one to the log odds each round, and its information falls by a constant factor.
    """
    if len(seen) < 5:
        return
    late = np.array(seen[-3:])
    falling = bool(np.all(late[1:].max(axis=1) < 0.8 * late[:-1].max(axis=1)))
    shrunk = np.where(seen[0] > 0, seen[-1] / np.where(seen[0] > 0, seen[0], 1.0), 1.0)
    if falling and float(shrunk.min()) < 0.2:
        worst = [term for term, share in zip(terms, shrunk, strict=True) if share <= 2 * shrunk.min()]
        raise Stopped(Finding("separation", values={"found": ", ".join(worst)}))


def wald(value: Floats, error: Floats) -> Floats:
    """Two-sided p values of value / error against the normal distribution."""
    return np.asarray(2 * normal_sf(np.abs(value / error)))


@cache
def triangle(p: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the upper triangle, in which symmetric matrices travel."""
    rows, columns = np.triu_indices(p)
    rows.flags.writeable = columns.flags.writeable = False  # every caller has the same ones
    return rows, columns


def symmetric(upper: Floats, p: int) -> Floats:
    """The full matrix of an upper triangle, last axis p(p+1)/2."""
    rows, columns = triangle(p)
    full = np.zeros((*upper.shape[:-1], p, p))
    full[..., rows, columns] = upper
    full[..., columns, rows] = upper
    return full


def secant(inverse: Floats, step: Floats, change: Floats) -> Floats:
    """The inverse information (p, p) after a step (p,) that changed the score by -change: BFGS.

    Nocedal and Wright, Numerical Optimization, 2nd edition, equation 6.17. A step the wrong way teaches nothing.
    """
    along = float(step @ change)
    if along <= 0:
        return inverse
    push = np.eye(len(step)) - np.outer(step, change) / along
    learnt: Floats = push @ inverse @ push.T + np.outer(step, step) / along
    return learnt


def opened_score(values: Floats) -> Floats:
    """A score (p,).

    Raises:
        Stopped: a privacy rule withheld it.
    """
    if np.isnan(values).any():
        raise Stopped(Finding("withheld_fit"))
    return values


def opened_fits(values: Floats, p: int) -> tuple[Floats, Floats, Floats]:
    """Scores (models, p), informations (models, p, p) and log-likelihoods (models,) of a stack of fits.

    Raises:
        Stopped: a privacy rule withheld the fit.
    """
    if np.isnan(values).any():
        raise Stopped(Finding("withheld_fit"))
    return values[:, :p], symmetric(values[:, p:-1], p), values[:, -1]
