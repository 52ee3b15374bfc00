"""Tail probabilities and quantiles of the usual distributions, on scipy's special functions alone.

`scipy.stats` gives the same numbers (a test compares), and takes most of a second and 50 MB to load: at every start of
every hospital's service and of every command.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

# Numbers in, numbers out; arrays in, arrays out, broadcast against each other. Degrees of freedom that are not
# positive, and values that are missing, give a missing value.


def normal_cdf(x: ArrayLike) -> Any:
    """P(Z <= x)."""
    return special.ndtr(x)


def normal_sf(x: ArrayLike) -> Any:
    """P(Z > x), exact in the tail."""
    return special.ndtr(np.negative(x))


def normal_quantile(p: ArrayLike) -> Any:
    """The x with P(Z <= x) = p."""
    return special.ndtri(p)


def t_sf(x: ArrayLike, freedom: ArrayLike) -> Any:
    """P(T > x) of Student's t; the normal one where `freedom` is infinite."""
    with np.errstate(invalid="ignore"):
        finite = special.stdtr(_positive(freedom), np.negative(x))
    return np.where(np.equal(freedom, np.inf), special.ndtr(np.negative(x)), finite)[()]


def t_quantile(p: ArrayLike, freedom: ArrayLike) -> Any:
    """The x with P(T <= x) = p; the normal one where `freedom` is infinite."""
    with np.errstate(invalid="ignore"):
        finite = special.stdtrit(_positive(freedom), p)
    return np.where(np.equal(freedom, np.inf), special.ndtri(p), finite)[()]


def chi2_sf(x: ArrayLike, freedom: ArrayLike) -> Any:
    """P(X > x) of chi-square; 1 where rounding left x under nothing."""
    return special.chdtrc(_positive(freedom), np.maximum(x, 0.0))


def chi2_quantile(p: ArrayLike, freedom: ArrayLike) -> Any:
    """The x with P(X <= x) = p."""
    return 2 * special.gammaincinv(_positive(freedom) / 2, p)


def f_sf(x: ArrayLike, above: ArrayLike, below: ArrayLike) -> Any:
    """P(F > x) with degrees of freedom of the numerator and of the denominator."""
    return special.fdtrc(_positive(above), _positive(below), np.maximum(x, 0.0))


def f_quantile(p: ArrayLike, above: ArrayLike, below: ArrayLike) -> Any:
    """The x with P(F <= x) = p."""
    return special.fdtri(_positive(above), _positive(below), p)


def beta_quantile(p: ArrayLike, a: ArrayLike, b: ArrayLike) -> Any:
    """The x with P(B <= x) = p."""
    return special.betaincinv(a, b, p)


def binomial_quantile(p: float, n: int, chance: float) -> int:
    """The least number k with P(at most k of n) >= p."""
    k = float(np.ceil(special.bdtrik(p, n, chance)))
    # The inverse is continuous: where the whole number under it already reaches p, that is the quantile.
    return int(k - 1 if k >= 1 and special.bdtr(k - 1, n, chance) >= p else max(k, 0.0))


def _positive(freedom: ArrayLike) -> Any:
    given = np.asarray(freedom, dtype=np.float64)
    return np.where(given > 0, given, np.nan)[()]
