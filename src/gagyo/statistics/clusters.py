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

Floats = NDArray[np.float64]

NOTHING = 1e-10
"""An eigenvalue of what a cluster tells, as a share of what all tell, that is none."""

POWERS = {"sandwich": 0.0, "CR2": 0.5, "mancl_derouen": 1.0}
"""To which power of 1 - (the cluster's leverage) residuals are divided, once divided by their standard deviations.

The root is symmetric there, so that sums of p x p are enough; of a linear model it is clubSandwich's, of others not.
"""


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

    def leverage(self, cluster: Cluster, power: float) -> tuple[Floats, Floats]:
        """T (p, q) with T T' the cluster's information, and (1 - T' M T)^-power (q, q), both in units of `size`."""
        values, vectors = np.linalg.eigh(cluster.B * np.outer(self.size, self.size))
        kept = values > NOTHING
        T = vectors[:, kept] * np.sqrt(values[kept])
        return T, _power(np.eye(T.shape[1]) - T.T @ self.correlation @ T, -power)

    def corrected(self, cluster: Cluster, power: float) -> Floats:
        """The cluster's equations (p,), residuals over the power of 1 - its leverage, in units of 1 / size."""
        if power == 0.0:
            return self.size * cluster.u
        T, root = self.leverage(cluster, power)
        return np.asarray(T @ root @ np.linalg.lstsq(T, self.size * cluster.u, rcond=None)[0])

    def freedom(self, cluster: Cluster, contrasts: Floats) -> tuple[Floats, Floats]:
        """Of each contrast (rows of p) with CR2, a (m,) and b (m, p): what Satterthwaite's degrees of freedom need.

        The variance of a contrast is tr G, with G = diag(a_c) - b_c' b_d over clusters c and d, over its model's.
        """
        T, half = self.leverage(cluster, 0.5)
        root = _power(self.correlation, 0.5)
        of = root @ (self.size[:, None] * contrasts.T)
        length = np.sqrt((of**2).sum(axis=0))
        rows = T.T @ root @ (of / np.where(length > 0, length, 1.0))
        a = np.einsum("qj,qr,rj->j", rows, half @ half, rows)
        return a, (root @ T @ half @ rows).T


def _power(matrix: Floats, power: float) -> Floats:
    """A power of a symmetric matrix of no negative eigenvalue; of those that are nothing, 0."""
    values, vectors = np.linalg.eigh(matrix)
    raised = np.where(values > NOTHING, np.maximum(values, NOTHING) ** power, 0.0)
    return np.asarray((vectors * raised) @ vectors.T)


def satterthwaite(a: Floats, squares: Floats, mixed: Floats, products: Floats) -> Floats:
    """Degrees of freedom (p,) from sums over clusters of a, a^2, a |b|^2 (p, each) and b b' (p, p, p).

    The first is of G's trace less the products'; the variance is that of sums of squares of normal values.
    """
    trace = a - np.trace(products, axis1=1, axis2=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(trace**2 / (squares - 2 * mixed + (products**2).sum(axis=(1, 2))))
