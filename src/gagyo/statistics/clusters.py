"""Generalised estimating equations: what a cluster adds to the equations, and to the sandwich with its corrections.

With R the exchangeable correlation of n people and rows of the design and residuals divided by their standard
deviations, R^-1 = (1 - c 11') / (1 - alpha), c = alpha / (1 + (n - 1) alpha). Liang & Zeger (1986) Biometrika 73:13;
Bell & McCaffrey (2002) Surv Methodol 28:169; Pustejovsky & Tipton (2018) J Bus Econ Stat 36:672; Mancl & DeRouen (2001)
Biometrics 57:126.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.statistics.cluster_roots import NOTHING, Members, Rooted, power, rooted

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cluster:
    """What one cluster tells: its equations u (p,) and information B (p, p)."""

    u: Floats
    B: Floats


def tell(X: Floats, e: Floats, alpha: float) -> Cluster:
    """The equations of one cluster from rows (n, p) and residuals (n,), divided by their standard deviations."""
    n = len(e)
    c = alpha / (1 + (n - 1) * alpha)
    s = X.sum(axis=0)
    return Cluster((X.T @ e - c * s * e.sum()) / (1 - alpha), (X.T @ X - c * np.outer(s, s)) / (1 - alpha))


@dataclass(frozen=True)
class Scale:
    """The inverse M (p, p) of all clusters' information, as correlations (p, p) times sizes (p,); 0 where aliased."""

    size: Floats
    correlation: Floats

    @classmethod
    def of(cls, M: Floats) -> Scale:
        """Of an inverse."""
        size = np.sqrt(np.diag(M))
        safe = np.where(size > 0, size, 1.0)
        return cls(size, M / np.outer(safe, safe))

    def equations(self, one: Members, errors: str) -> Floats:
        """A cluster's equations (p,) in units of 1 / size: as they are ("sandwich"), or of residuals over 1 less the
        cluster's leverage ("mancl_derouen").
        """
        told = tell(one.X, one.e, one.alpha)
        if errors == "sandwich":
            return self.size * told.u
        values, vectors = np.linalg.eigh(told.B * np.outer(self.size, self.size))
        kept = values > NOTHING
        T = vectors[:, kept] * np.sqrt(values[kept])
        over = power(np.eye(T.shape[1]) - T.T @ self.correlation @ T, -1.0)
        return np.asarray(T @ over @ np.linalg.lstsq(T, self.size * told.u, rcond=None)[0])

    def rooted(self, one: Members) -> Rooted:
        """A cluster with CR2, in units of 1 / size."""
        return rooted(Members(one.X * self.size, one.e, one.variance, one.alpha), self.correlation)

    def freedom(self, cluster: Rooted, contrasts: Floats) -> tuple[Floats, Floats]:
        """Of each contrast (rows of p) with CR2, a (m,) and b (m, p): what Satterthwaite's degrees of freedom need.

        The variance of a contrast is tr G, with G = diag(a_c) - b_c' b_d over clusters c and d, over its model's.
        """
        root = power(self.correlation, 0.5)
        of = root @ (self.size[:, None] * contrasts.T)
        length = np.sqrt((of**2).sum(axis=0))
        rows = root @ (of / np.where(length > 0, length, 1.0))
        return np.einsum("qj,qr,rj->j", rows, cluster.J, rows), (root @ cluster.K @ rows).T


def satterthwaite(a: Floats, squares: Floats, mixed: Floats, products: Floats) -> Floats:
    """Degrees of freedom (p,) from sums over clusters of a, a^2, a |b|^2 (p, each) and b b' (p, p, p).

    The first is of G's trace less the products'; the variance is that of sums of squares of normal values.
    """
    trace = a - np.trace(products, axis1=1, axis2=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(trace**2 / (squares - 2 * mixed + (products**2).sum(axis=(1, 2))))
