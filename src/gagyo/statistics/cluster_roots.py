"""CR2: a cluster's residuals over the root of what the fit leaves of their variance (Pustejovsky and Tipton).

With Theta the working covariance of a cluster's n people, U its design, M the inverse of all clusters' information and
V V' = Theta, residuals are multiplied by A = V (V' (Theta - U M U') V)^-1/2 V', whatever V is. Here rows and residuals
are over their standard deviations and whitened by the exchangeable correlation R: with S^2 the variances and
T = R^1/2 S^2 R^1/2 the root is that of G = T (1 - W M W') T, a diagonal and a few columns more, so that no n x n matrix
is made. Pustejovsky & Tipton (2018) J Bus Econ Stat 36:672, theorem 1; Bell & McCaffrey (2002) Surv Methodol 28:169.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

Floats = NDArray[np.float64]

NOTHING = 1e-10
"""An eigenvalue of what a cluster tells, as a share of what all tell, that is none."""

FIGURES = 34.0
"""Natural logarithm of the precision to which a root is integrated."""

AT_ONCE = 200_000
"""Numbers that are in memory at once while a root is integrated."""


@dataclass(frozen=True)
class Members:
    """One cluster's people: rows (n, p) and residuals (n,) over their standard deviations, and the variances (n,) of
    the working model, up to a factor.
    """

    X: Floats
    e: Floats
    variance: Floats
    alpha: float = 0.0


@dataclass(frozen=True)
class Rooted:
    """What CR2 takes of a cluster: its equations u (p,), and K and J (p, p), of which degrees of freedom are made."""

    u: Floats
    K: Floats
    J: Floats


def rooted(one: Members, M: Floats) -> Rooted:
    """What CR2 takes of a cluster, given the inverse (p, p) of all clusters' information; NaN where a mean has run past
    the largest number, or a variance is none.
    """
    p = len(M)
    if not (np.isfinite(one.X).all() and np.isfinite(one.e).all() and one.variance.min(initial=1.0) > 0):
        return Rooted(np.full(p, np.nan), np.full((p, p), np.nan), np.full((p, p), np.nan))
    white = _White.of(one)
    W, e = white.divided(one.X), white.divided(one.e[:, None])
    half = power(M, 0.5)
    leverages, vectors = np.linalg.eigh(half @ (W.T @ W) @ half)
    left = 1.0 - leverages
    if white.plain:  # one variance: the root is of 1 - W M W' alone
        shrink = np.where(left > NOTHING, np.maximum(left, NOTHING) ** -0.5, 0.0) - 1.0
        inner = half @ (vectors * (shrink / np.maximum(leverages, NOTHING))) @ vectors.T @ half
        both = np.hstack([e, W])
        both = both + W @ (inner @ (W.T @ both))
        return _told(W, both[:, 0], both[:, 1:])
    gone = W @ (half @ vectors[:, left <= NOTHING])
    found = white.root(W, M, float(left[left > NOTHING].min(initial=1.0)), gone, np.hstack([white.times(e), W]))
    return _told(W, found[:, 0], white.times(found[:, 1:]))


def _told(W: Floats, e: Floats, columns: Floats) -> Rooted:
    return Rooted(W.T @ e, W.T @ columns, columns.T @ columns)


def power(matrix: Floats, exponent: float) -> Floats:
    """A power of a symmetric matrix of no negative eigenvalue; of those that are nothing, 0."""
    values, vectors = np.linalg.eigh(matrix)
    raised = np.where(values > NOTHING, np.maximum(values, NOTHING) ** exponent, 0.0)
    return np.asarray((vectors * raised) @ vectors.T)


@dataclass(frozen=True)
class _White:
    """Variances (n,), at most 1, and the roots R^1/2 = a + b 11' and R^-1/2 = 1/a + c 11' of a correlation."""

    variance: Floats
    a: float
    b: float
    c: float

    @classmethod
    def of(cls, one: Members) -> _White:
        n = len(one.e)
        a, all_ = np.sqrt(1 - one.alpha), np.sqrt(1 + (n - 1) * one.alpha)
        return cls(one.variance / one.variance.max(), a, (all_ - a) / n, (1 / all_ - 1 / a) / n)

    @property
    def plain(self) -> bool:
        """Whether everyone has the same variance, and nobody is correlated."""
        return self.b == 0 and float(self.variance.min()) == 1.0

    def divided(self, rows: Any) -> Any:
        """R^-1/2 times rows (n, ...)."""
        return rows / self.a + self.c * rows.sum(axis=0)

    def times(self, rows: Floats) -> Floats:
        """T times rows (n, q)."""
        inner = self.variance[:, None] * (self.a * rows + self.b * rows.sum(axis=0))
        return np.asarray(self.a * inner + self.b * inner.sum(axis=0))

    def over(self, rows: Floats) -> Floats:
        """T^-1 times rows (n, q)."""
        return np.asarray(self.divided(self.divided(rows) / self.variance[:, None]))

    def root(self, W: Floats, M: Floats, least: float, gone: Floats, rows: Floats) -> Floats:
        """G^-1/2 times rows (n, q), where `gone` (n, g) has what of 1 - W M W' is nothing, and `least` is its least
        other eigenvalue: (2 / pi) int e^x (G + e^2x)^-1 dx by the trapezoidal rule, whose error falls as e^(-pi^2 / h).
        """
        none = np.linalg.qr(self.over(gone))[0]
        # What is nothing has an eigenvalue of 1 for it, so that no equation is singular, and is taken out at the end.
        Q, K = np.hstack([self.times(W), none]), block_diag(-M, np.eye(none.shape[1]))
        ends = np.sort([self.a**2, (self.a + len(W) * self.b) ** 2])  # the eigenvalues of R
        low = 0.5 * np.log(least) + np.log(ends[0] * self.variance.min()) - FIGURES
        x = np.arange(low, np.log(ends[1]) + FIGURES, np.pi**2 / FIGURES)
        found = np.zeros_like(rows)
        step = max(AT_ONCE // (Q.size + rows.size), 1)
        for first in range(0, len(x), step):
            found += self._solved(Q, K, np.exp(x[first : first + step]), rows)
        found *= 2 / np.pi * (np.pi**2 / FIGURES)
        return np.asarray(found - none @ (none.T @ found))

    def _solved(self, Q: Floats, K: Floats, at: Floats, rows: Floats) -> Floats:
        """The sum over s in `at` of s (T^2 + Q K Q' + s^2)^-1 times rows (n, q), by Woodbury's identity."""
        beside, direct = self._squared(at, Q), self._squared(at, rows)
        turned = beside.transpose(1, 2, 0)
        held = np.linalg.solve(np.eye(len(K)) + K @ (turned @ Q), K @ (turned @ rows))
        taken = beside.reshape(len(rows), -1) @ (at[:, None, None] * held).reshape(-1, rows.shape[1])
        return np.asarray(np.einsum("t,ntq->nq", at, direct) - taken)

    def _squared(self, at: Floats, rows: Floats) -> Floats:
        """(T^2 + s^2)^-1 times rows, (n, t, q): by (T + is)(T - is), each R^1/2 (S^2 + is R^-1) R^1/2."""
        if self.b == 0:
            return np.asarray(rows[:, None, :] / (self.variance[:, None] ** 2 + at**2)[:, :, None])
        return np.asarray(self._shifted(-1j, at, self._shifted(1j, at, rows[:, None, :])).real)

    def _shifted(self, sign: complex, at: Floats, rows: Any) -> Any:
        """(T + is)^-1 times rows (n, t or 1, q), or of the other sign, where R^-1 is 1 / a^2 - k 11'."""
        shift = sign * at
        inverse = 1 / (self.variance[:, None] + shift / self.a**2)[:, :, None]
        k = -self.c * (2 / self.a + len(self.variance) * self.c)
        inner = inverse * self.divided(rows)
        push = (shift * k)[:, None]
        return self.divided(inner + inverse * (push * inner.sum(axis=0) / (1 - push * inverse.sum(axis=0))))
