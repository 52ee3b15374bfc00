"""A hospital's own fit: coefficients of some terms, and how many people, and whose influence, stand behind each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.federation.rows import Rows
from gagyo.methods._newton import aliased_columns, solve
from gagyo.methods._regression import middles
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Floats, Spread, spread_of
from gagyo.statistics import newton

PEOPLE_A_PARAMETER = 3.0
"""A fit of more than a third of a parameter a person is nearly its data."""


@dataclass(frozen=True)
class OwnFit:
    """By term: coefficient and standard error (0 where nobody is behind it), people, and spread of influences."""

    coefficients: Floats
    errors: Floats
    people: NDArray[np.int64]
    spread: Spread


@dataclass(frozen=True)
class _Fitted:
    """Coefficients and their variance, NaN where not estimable; by person residual and weight of score, information."""

    beta: Floats
    variance: Floats
    residual: Floats
    weight: Floats


def own_fit(rows: Rows, formula: Formula, model: str, terms: Sequence[str]) -> OwnFit:
    """The fit to the hospital's own people.

    The influence of a person is the step of Newton that their part of the score makes, (X'WX)^-1 x (y - mu); their
    share of the information of a coefficient that which is left of x, weighed, once other columns are taken out.
    """
    columns = formula.columns(rows.variables)
    at = [[column.name for column in columns].index(term) for term in terms]
    X, y = rows.design(formula) - middles(formula, rows.variables), rows[formula.outcome]
    if PEOPLE_A_PARAMETER * X.shape[1] > rows.n:
        nothing = np.zeros(len(at))
        return OwnFit(nothing, nothing, nothing.astype(np.int64), spread_of(np.zeros((0, len(at)))))
    fit = _logistic(X, y) if model == "logistic" else _linear(X, y)
    values, errors = fit.beta[at], np.sqrt(np.diag(fit.variance)[at])
    known = np.isfinite(values) & np.isfinite(errors) & (errors > 0)
    people = np.minimum(np.array([_behind(rows, formula, j) for j in at], np.int64), _adjusted(rows, formula)) * known
    return OwnFit(np.where(known, values, 0.0), np.where(known, errors, 0.0), people, _spread(X, fit, at))


def _spread(X: Floats, fit: _Fitted, at: Sequence[int]) -> Spread:
    """Of each coefficient the worse of two: people's influences on it, and their shares of what is known of it.

    A person far from all others has no residual, since the fit goes through them, and all of the information.
    """
    towards = X @ np.nan_to_num(fit.variance)[:, at]
    influence = spread_of(towards * fit.residual[:, None])
    share = spread_of(towards**2 * fit.weight[:, None])
    worse = _rest(share) < _rest(influence)
    names = ("total", "largest", "second")
    return Spread(*(np.where(worse, getattr(share, one), getattr(influence, one)) for one in names))


def _rest(spread: Spread) -> Floats:
    """What all but the two largest come to, in parts of the largest."""
    largest = np.where(spread.largest > 0, spread.largest, 1.0)
    return np.asarray((spread.total - spread.largest - spread.second) / largest)


def _behind(rows: Rows, formula: Formula, column: int) -> int:
    """The smallest head count that a coefficient rests on.

    Of a yes/no outcome its classes, of a measured one those who are not at zero; crossed with who has a 0/1 term and
    who has not, or with those whose measured term is not zero.
    """
    y, x = rows[formula.outcome], rows.design(formula)[:, column]
    trait = formula.columns(rows.variables)[column].indicator is not None
    classes = [y == 1, y == 0] if rows.variables[formula.outcome].type == "boolean" else [y != 0]
    sides = [x == 1, x == 0] if trait else [x != 0]
    return min(int((side & among).sum()) for side in sides for among in classes)


def _adjusted(rows: Rows, formula: Formula) -> int:
    """The fewest people who have, or have not, what the model adjusts for: with a column of one person, estimates are
    the others', and less those of a model without it that person's.
    """
    X = rows.design(formula)
    having = np.count_nonzero(X, axis=0)
    lacking = [
        rows.n - n for n, column in zip(having, formula.columns(rows.variables), strict=True) if column.indicator
    ]
    return int(min(n for n in (*having.tolist(), *lacking, rows.n) if n))


def _logistic(X: Floats, y: Floats) -> _Fitted:
    fit = newton.fit(X, y)
    if not fit.converged or fit.separated:
        none = np.full(X.shape[1], np.nan)
        return _Fitted(none, np.outer(none, none), np.zeros(len(y)), np.zeros(len(y)))
    mu = special.expit(X @ np.nan_to_num(fit.coefficients))
    return _Fitted(fit.coefficients, fit.covariance, y - mu, mu * (1 - mu))


def _linear(X: Floats, y: Floats) -> _Fitted:
    gram = X.T @ X
    solved = solve(X.T @ y, gram, aliased_columns(gram))
    beta = solved.step
    beta = beta + solve(X.T @ (y - X @ beta), gram, solved.aliased).step  # what rounding left
    residual = y - X @ beta
    freedom = len(y) - int((~solved.aliased).sum())
    sigma2 = float(residual @ residual) / max(freedom, 1)
    return _Fitted(np.where(solved.aliased, np.nan, beta), solved.inverse * sigma2, residual, np.ones(len(y)))
