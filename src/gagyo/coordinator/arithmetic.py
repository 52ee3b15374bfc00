"""How a machine rounds: processors and numerical libraries add in different orders, and differ in last bits."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from scipy import special

from gagyo.canonical import digest
from gagyo.federation.asked import ABSOLUTE, RELATIVE

ROWS, COLUMNS = 1021, 13
"""Of the numbers that are computed with: no multiples of what a processor takes at once."""


@cache
def arithmetic() -> str:
    """A mark that machines share which compute the same to the last bit: a digest of sums, products and functions."""
    # Multiples of the golden ratio, modulo one: plain numbers, the same everywhere.
    X = (np.arange(1, ROWS * COLUMNS + 1) * 0.6180339887498949 % 1).reshape(ROWS, COLUMNS)
    y, products = X[:, 0], X.T @ X
    functions = [np.exp(X), np.log(X), special.expit(X), special.ndtr(X), special.gammaln(1 + X)]
    sums = [X @ X[0], y @ X, X.sum(axis=0), X.sum(), np.linalg.cholesky(products)]
    solved = [np.linalg.solve(products, y @ X), *np.linalg.eigh(products), np.linalg.inv(products)]
    return digest(b"".join(np.ascontiguousarray(one).tobytes() for one in [products, *functions, *sums, *solved]))


def near(one: Any, other: Any) -> bool:
    """Whether two records, as JSON gives them, are the same but for the rounding of their fractions."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(near(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(near, one, other))
    if isinstance(one, float) and isinstance(other, float):
        both_nan = math.isnan(one) and math.isnan(other)
        return both_nan or math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return bool(one == other)
