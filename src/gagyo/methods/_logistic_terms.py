"""Likelihood-ratio tests of a logistic model's terms: the models without each of them, fitted side by side."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.ask import Ask, Pooled
from gagyo.methods._logistic_told import Fit
from gagyo.methods._newton import MOST_ROUNDS, opened_fits, solve
from gagyo.release.aggregate import Floats
from gagyo.statistics.distributions import chi2_sf
from gagyo.statistics.newton import NEARLY


def term_tests(
    fit: Fit, null: Floats, groups: Sequence[Sequence[int]], ask: Callable[[Floats], Ask]
) -> Generator[Ask, Pooled, Floats]:
    """Chi-square, degrees of freedom and p of each term (terms, 3), of which `groups` has the columns.

    null: coefficients (p,) of the null model, from which a fit goes on that went astray from where it began.
    """
    p = len(null)
    out = np.array([[j in group for j in range(p)] for group in groups], bool)
    beta = np.array([near_without(fit, gone) for gone in out])
    last, fresh = np.full(len(out), np.inf), np.ones(len(out), bool)
    for _ in range(MOST_ROUNDS):
        pooled = yield ask(beta)
        score, information, likelihood = opened_fits(pooled["fit"], p)
        solved = [
            solve(one, matrix, gone | fit.solved.aliased)
            for one, matrix, gone in zip(score, information, out, strict=True)
        ]
        decrement = np.array([one.decrement for one in solved])
        if (decrement < NEARLY).all():
            break
        astray = fresh & (decrement > last)
        fresh &= ~astray
        last = np.where(astray, np.inf, decrement)
        beta = np.where(astray[:, None], null, beta + np.array([one.step for one in solved]))
    chi = 2 * (fit.likelihood - likelihood) - decrement
    freedom = np.array([(gone & ~fit.solved.aliased).sum() for gone in out])
    return np.column_stack([chi, freedom, chi2_sf(chi, freedom)])


def near_without(fit: Fit, gone: NDArray[np.bool_]) -> Floats:
    """Coefficients (p,) near those of the model without some columns, whose are 0.

    Where the likelihood were as curved everywhere as at its top they would be these. They fit nearly as well as any, so
    that no few people carry the score there, as they may where the coefficients of the columns left are as they were.
    """
    beta, inverse = np.nan_to_num(fit.coefficients), np.nan_to_num(fit.solved.inverse)
    some = np.flatnonzero(gone & ~fit.solved.aliased)
    near = beta - inverse[:, some] @ np.linalg.solve(inverse[np.ix_(some, some)], beta[some])
    return np.where(gone | fit.solved.aliased, 0.0, near)
