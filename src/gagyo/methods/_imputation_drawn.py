"""Outside the hospitals: each chain's imputation model from its opened sums, and the parameters drawn around it.

Of a linear model the residual variance is its sum of squares over a chi-square, the coefficients are normal around the
fit (Rubin 1987, page 167); of a logistic model they are normal around the fit by its inverse information (page 169),
and so they are of a multinomial one.
The numbers are those of `gagyo.statistics.draws`, named by study, seed, variable, sweep and chain.
"""

from __future__ import annotations

import numpy as np

from gagyo.errors import Stopped
from gagyo.finding import Finding
from gagyo.methods._newton import Solved
from gagyo.methods._profile_fit import Opened
from gagyo.release.aggregate import Floats
from gagyo.statistics.draws import chi_square, normals


def drawn_linear(opened: Opened, freedom_of: int, label: str) -> Floats:
    """Coefficients (q,), 0 where aliased, and a residual standard deviation, drawn around a least squares fit.

    opened: at coefficients of zero. freedom_of: people less the hospitals that have levels of their own.

    Raises:
        Stopped: more coefficients than people.
    """
    solved = opened.solve()
    freedom = freedom_of - int((~solved.aliased).sum())
    if freedom <= 0:
        raise Stopped(Finding("withheld_fit"))
    squares = max(-2 * opened.likelihood - float(opened.score @ solved.step), 0.0)
    sigma = float(np.sqrt(squares / chi_square(f"{label} chi", freedom)))
    return np.append(solved.step + sigma * _around(solved, label), sigma)


def drawn_logistic(fitted: Floats, solved: Solved, label: str) -> Floats:
    """The fit's coefficients (q,) and as many drawn around them; solved: the last step of the fit."""
    return np.concatenate([fitted, fitted + _around(solved, label)])


def _around(solved: Solved, label: str) -> Floats:
    """Normals (q,) with the inverse information as their covariance: its Cholesky root times standard normals.

    The columns that are left out are 0, and take no number of the others.
    """
    out = np.zeros(len(solved.step))
    keep = np.flatnonzero(~solved.aliased)
    root = np.linalg.cholesky(solved.inverse[np.ix_(keep, keep)])
    out[keep] = root @ normals(label, len(out))[keep]
    return out
