"""Likelihoods of an outcome of several levels: multinomial logits, and proportional odds of ordered levels.

Multinomial: log P(j) / P(0) = x'b_j (McFadden 1974). Ordered: logit P(Y <= j) = cut_j - x'b (McCullagh 1980, J R Stat
Soc B 42:109), with the observed information. Both log-likelihoods are concave (Pratt 1981, J Am Stat Assoc 76:103).
People may count by weights.
Reference: R nnet::multinom and statsmodels MNLogit; R ordinal::clm and MASS::polr.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class People:
    """By person: score contributions (n, q), and log-likelihood (n,). information: summed (q, q); own: its diagonal by
    person (n, q).
    """

    scores: Floats
    likelihood: Floats
    information: Floats
    own: Floats


def multinomial(X: Floats, y: Floats, beta: Floats, levels: int, weights: Floats | None = None) -> People:
    """X (n, p) with its intercept, y (n,) of 0..levels-1, beta (q,) the coefficients of each level but the first.

    weights: how much each person counts (n,); 1 without any.
    """
    times = np.ones(len(y)) if weights is None else weights
    p, other = X.shape[1], levels - 1
    eta = np.column_stack([np.zeros(len(y)), X @ beta.reshape(other, p).T])
    eta -= eta.max(axis=1, keepdims=True)
    odds = np.exp(eta)
    total = odds.sum(axis=1, keepdims=True)
    log_chance, chance = eta - np.log(total), (odds / total)[:, 1:]
    having = (y[:, None] == np.arange(1, levels)).astype(np.float64)
    scores = (((having - chance) * times[:, None])[:, :, None] * X[:, None, :]).reshape(len(y), -1)
    information = np.zeros((other * p, other * p))
    for j in range(other):
        for k in range(j, other):
            weight = chance[:, j] * (float(j == k) - chance[:, k]) * times
            block = X.T @ (X * weight[:, None])
            information[j * p : (j + 1) * p, k * p : (k + 1) * p] = block
            information[k * p : (k + 1) * p, j * p : (j + 1) * p] = block.T
    own = ((chance * (1 - chance) * times[:, None])[:, :, None] * (X**2)[:, None, :]).reshape(len(y), -1)
    likelihood = log_chance[np.arange(len(y)), y.astype(int)] * times
    return People(scores, likelihood, information, own)


def ordinal(X: Floats, y: Floats, beta: Floats, levels: int, weights: Floats | None = None) -> People:
    """X (n, p) without an intercept, y (n,) of 0..levels-1, beta (q,) the rising cuts and then the coefficients.

    weights: how much each person counts (n,); 1 without any.
    """
    times = np.ones(len(y)) if weights is None else weights
    cuts, slopes = beta[: levels - 1], beta[levels - 1 :]
    at = y.astype(int)
    eta = X @ slopes
    ends = np.concatenate([[-np.inf], cuts, [np.inf]])
    upper, lower = ends[at + 1] - eta, ends[at] - eta
    above, below = special.expit(upper), special.expit(lower)
    chance = np.where(upper + lower > 0, special.expit(-lower) - special.expit(-upper), above - below)
    du, dl = above * (1 - above) / chance, -below * (1 - below) / chance
    uu = (du**2 - du * (1 - 2 * above)) * times
    ll = (dl**2 - dl * (1 - 2 * below)) * times
    ul = du * dl * times
    unit = np.eye(levels + 1)[:, 1:levels]
    U, L = np.column_stack([unit[at + 1], -X]), np.column_stack([unit[at], -X])
    across = U.T @ (L * ul[:, None])
    information = U.T @ (U * uu[:, None]) + L.T @ (L * ll[:, None]) + across + across.T
    own = U**2 * uu[:, None] + L**2 * ll[:, None] + 2 * U * L * ul[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        # Where cuts do not rise there is no likelihood; it is not finite, and the gate refuses it.
        likelihood = np.log(chance) * times
    return People(U * (du * times)[:, None] + L * (dl * times)[:, None], likelihood, information, own)


def start(counts: Floats, model: str, width: int) -> Floats:
    """The null model's coefficients (q,), from how many people, or what weights, have each level (levels,)."""
    if model == "ordinal":
        cut = np.cumsum(counts)[:-1] / counts.sum()
        return np.concatenate([special.logit(cut), np.zeros(width)])
    beta = np.zeros((len(counts) - 1, width))
    beta[:, 0] = np.log(counts[1:] / counts[0])
    return beta.ravel()


def null_likelihood(counts: Floats) -> float:
    """The log-likelihood of levels alone."""
    return float(np.sum(special.xlogy(counts, counts / counts.sum())))
