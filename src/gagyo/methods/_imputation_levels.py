"""A hospital's part of a multinomial model of a category, in which it may have levels of its own, and draws from it.

Each level but the first has coefficients against the first. With own levels a hospital finds an intercept for each of
them inside, at the coefficients that were sent; score and information of the others are those of the profile likelihood
(Murphy & van der Vaart 2000, J Am Stat Assoc 95:449), as `_propensity.profile` has them for yes or no.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.methods._newton import triangle
from gagyo.release.aggregate import Floats, Spread, spread_of
from gagyo.statistics import categorical

NEVER = 1e3
"""Log odds of a level that nobody at a hospital has: it is never given there. The gate refuses such a hospital."""

MOST_STEPS = 100
SETTLED = 1e-9
"""A Newton step so small leaves an error of about its square."""


@dataclass(frozen=True)
class Leveled:
    """People's part of a multinomial model at coefficients (q,), those of one level after those of another.

    score, own (n, q): each person's part of the score, and of the diagonal of the information (q, q). squares (n, q):
    of the diagonal with the columns as they are. intercepts (levels - 1,): the hospital's own, at columns about
    `middle`; answer (levels - 1, q): how they fall as the coefficients rise; root (levels - 1, levels - 1): of their
    covariance, given the coefficients. All three are zero where it has none.
    """

    score: Floats
    information: Floats
    own: Floats
    squares: Floats
    likelihood: Floats
    middle: Floats
    intercepts: Floats
    answer: Floats
    root: Floats


def leveled(raw: Floats, response: Floats, levels: int, own: bool, coefficients: Floats) -> Leveled:
    """People with columns raw (n, p) and response (n,) of 0..levels-1 at coefficients (q,)."""
    if not own or not len(raw):
        one = categorical.multinomial(raw, response, coefficients, levels)
        q, free = len(coefficients), levels - 1
        none = np.zeros(raw.shape[1]), np.zeros(free), np.zeros((free, q)), np.zeros((free, free))
        return Leveled(one.scores, one.information, one.own, one.own, one.likelihood, *none)
    return _profiled(raw, response, levels, coefficients)


def _profiled(raw: Floats, response: Floats, levels: int, coefficients: Floats) -> Leveled:
    """With the hospital's own intercepts: their columns are eliminated from the information of all (Schur)."""
    middle = raw.mean(axis=0)
    X = np.column_stack([np.ones(len(raw)), raw - middle])
    slopes = coefficients.reshape(levels - 1, -1)
    intercepts = own_intercepts(_log_odds(raw - middle, slopes), response)
    one = categorical.multinomial(X, response, np.column_stack([intercepts, slopes]).ravel(), levels)
    at = np.arange(levels - 1) * X.shape[1]
    rest = np.delete(np.arange(len(one.information)), at)
    # Symmetric, and singular only where nobody has a level.
    inverse = np.linalg.pinv(one.information[np.ix_(at, at)], rcond=1e-14, hermitian=True)
    across = one.information[np.ix_(at, rest)]
    answer = inverse @ across
    chance = (response[:, None] == np.arange(1, levels)) - one.scores[:, at]
    everyone = np.bincount(response.astype(int), minlength=levels).all()
    return Leveled(
        score=one.scores[:, rest] - one.scores[:, at] @ answer,
        information=one.information[np.ix_(rest, rest)] - across.T @ answer,
        own=_own_parts(X[:, 1:], chance, answer),
        squares=((chance * (1 - chance))[:, :, None] * (raw**2)[:, None, :]).reshape(len(raw), -1),
        likelihood=one.likelihood,
        middle=middle,
        intercepts=intercepts,
        answer=answer,
        root=np.linalg.cholesky(inverse) if everyone else np.zeros_like(inverse),
    )


def _own_parts(X: Floats, chance: Floats, answer: Floats) -> Floats:
    """Each person's part (n, q) of the diagonal: the variance, over levels, of a column less the intercepts' answer."""
    having = (chance[:, :, None] * X[:, None, :]).reshape(len(X), -1)
    squared = np.tile(X, chance.shape[1])
    own = np.arange(having.shape[1])
    across = answer[own // X.shape[1], own]
    mean = having - chance @ answer
    return np.asarray(np.maximum(having * (squared - 2 * across) + chance @ answer**2 - mean**2, 0.0))


def own_intercepts(log_odds: Floats, response: Floats) -> Floats:
    """The intercepts (levels - 1,) at which as many have each level as expected, by Newton's steps.

    log_odds (n, levels): without intercepts, 0 of the first level. A step after which the likelihood falls is halved.
    """
    counts = np.bincount(response.astype(int), minlength=log_odds.shape[1])
    there = np.flatnonzero(counts)
    value = np.full(len(counts), -NEVER)
    value[there] = np.log(counts[there] / len(response)) - log_odds[:, there].mean(axis=0)
    free, seen = there[1:], counts[there[1:]].astype(np.float64)
    chance, best = _at(log_odds, value, counts)
    for _ in range(MOST_STEPS if len(free) else 0):
        part = chance[:, free]
        spread = np.diag(part.sum(axis=0)) - part.T @ part
        step = np.linalg.lstsq(spread, seen - part.sum(axis=0), rcond=None)[0]
        moved = value.copy()
        while True:
            moved[free] = value[free] + step
            chance, now = _at(log_odds, moved, counts)
            if now >= best - 1e-9 * abs(best) or np.abs(step).max() < SETTLED:
                break
            step = step / 2
        value, best = moved, now
        if np.abs(step).max() < SETTLED:
            break
    return np.asarray(value[1:] - value[0])


def _at(log_odds: Floats, value: Floats, counts: NDArray[np.int64]) -> tuple[Floats, float]:
    """Probabilities (n, levels) at intercepts (levels,); the log-likelihood, less a part that these do not change."""
    eta = log_odds + value
    most = eta.max(axis=1, keepdims=True)
    odds = np.exp(eta - most)
    total = odds.sum(axis=1, keepdims=True)
    return odds / total, float(counts @ value - (most + np.log(total)).sum())


def _log_odds(X: Floats, slopes: Floats) -> Floats:
    """Log odds (n, levels) against the first level, of columns X (n, p) and slopes (levels - 1, p)."""
    return np.asarray(np.column_stack([np.zeros(len(X)), X @ slopes.T]))


def fit_values(one: Leveled) -> tuple[Floats, Spread]:
    """Score (q), information (upper triangle), squares (q), log-likelihood; their spread: as `_propensity` has them."""
    values = [
        one.score.sum(axis=0),
        one.information[triangle(len(one.information))],
        one.squares.sum(axis=0),
        [one.likelihood.sum()],
    ]
    return np.concatenate(values), spread_of(np.column_stack([one.score, one.own, one.squares]))


def drawn_intercepts(here: Leveled, moved: Floats, own: Floats) -> Floats:
    """The hospital's own intercepts (levels - 1,) at columns about `middle`, drawn given the coefficients.

    About their maximum at the fit `here` of those who have the category, in answer to how far the coefficients drawn
    are `moved` (q,) from it. own (levels - 1,): standard normals.
    """
    return np.asarray(here.intercepts - here.answer @ moved + here.root @ own)


def chances(X: Floats, intercepts: Floats, coefficients: Floats) -> Floats:
    """The probabilities (n, levels) of people with columns X (n, p)."""
    log_odds = _log_odds(X, coefficients.reshape(len(intercepts), -1))
    return np.asarray(special.softmax(log_odds + np.append(0.0, intercepts), axis=1))


def picked(uniform: Floats, chances: Floats) -> Floats:
    """The level (n,) that each uniform (n,) falls to, by the cumulative probabilities in the order of the levels."""
    return np.asarray(np.sum(uniform[:, None] >= np.cumsum(chances, axis=-1)[..., :-1], axis=1), dtype=np.float64)
