"""Laplace's approximation of a logistic model with a random intercept by cluster: its likelihood, gradient and Hessian.

The intercept of a cluster is d u, u standard normal, d its standard deviation. Of a cluster with linear predictors
eta + d u the approximate log-likelihood is l(mode) - mode^2 / 2 - log(D) / 2, D = 1 + d^2 sum w; w = mu (1 - mu), as
`glmer` with one point of quadrature. Derivatives go through the mode and through D, exactly. Tierney and Kadane (1986)
J Am Stat Assoc 81:82; Pinheiro and Chao (2006) J Comput Graph Stat 15:58.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.release.aggregate import Floats

MOST_STEPS = 100
CLOSE = 1e-14
"""Inner Newton's steps end here: the mode is then as exact as numbers are."""


@dataclass(frozen=True)
class Told:
    """Sums over clusters at coefficients (p,) and d: the log-likelihood, its gradient (p + 1,) and Hessian, d last.

    eta: each person's linear predictor at the modes (n,).
    """

    likelihood: float
    gradient: Floats
    hessian: Floats
    eta: Floats


@dataclass(frozen=True)
class Grouped:
    """Outcomes (n,) of 0 and 1, and the number of each person's cluster (n,), out of `clusters`."""

    y: Floats
    place: NDArray[np.intp]
    clusters: int

    def sums(self, values: Floats) -> Floats:
        """The sum in each cluster: (n,) to (clusters,), (n, q) to (clusters, q)."""
        if values.ndim == 1:
            return np.asarray(np.bincount(self.place, values, self.clusters), np.float64)
        out = np.zeros((self.clusters, values.shape[1]))
        for number, column in enumerate(values.T):
            out[:, number] = self.sums(column)
        return out


def modes(people: Grouped, eta: Floats, deviation: float) -> Floats:
    """The mode of u in each cluster (clusters,), by Newton's steps within what is known to hold it."""
    u = np.zeros(people.clusters)
    most = abs(deviation) * people.sums(np.ones(len(eta)))
    low, high, last = -most, most, np.full(people.clusters, np.inf)
    for _ in range(MOST_STEPS):
        mu = special.expit(eta + deviation * u[people.place])
        slope = deviation * people.sums(people.y - mu) - u
        low, high = np.where(slope > 0, u, low), np.where(slope < 0, u, high)
        step = slope / (1 + deviation**2 * people.sums(mu * (1 - mu)))
        moved = u + step
        # Far out Newton's steps go to and fro: where one does not bring the slope down, the interval is halved.
        astray = (moved < low) | (moved > high) | (np.abs(slope) > np.abs(last) / 2) & (np.abs(step) > 1)
        moved, last = np.where(astray, (low + high) / 2, moved), slope
        done = np.abs(moved - u) <= CLOSE * (1 + np.abs(u))
        u = moved
        if done.all():
            break
    return u


def tell(people: Grouped, X: Floats, eta: Floats, deviation: float) -> Told:
    """The log-likelihood at linear predictors `eta` (n,) of the fixed effects, and its derivatives in the coefficients
    of X (n, p) and in the deviation.
    """
    d, place = deviation, people.place
    u = modes(people, eta, d)
    at = eta + d * u[place]
    mu = special.expit(at)
    w = mu * special.expit(-at)
    w1, w2 = w * (1 - 2 * mu), w * (1 - 6 * w)
    Z = np.column_stack([X, u[place]])
    last = np.zeros(Z.shape[1])
    last[-1] = 1.0
    S, S1, S2 = (people.sums(one)[:, None] for one in (w, w1, w2))
    wz, w1z, w2z = (people.sums(one[:, None] * Z) for one in (w, w1, w2))
    D = 1 + d**2 * S
    # Derivatives of D and of h = l - u^2 / 2: by u, by the parameters, by both.
    D_u, D_p = d**3 * S1, d**2 * w1z + 2 * d * S * last
    D_uu, D_up = d**4 * S2, d**3 * w2z + 3 * d**2 * S1 * last
    h_up = people.sums(people.y - mu)[:, None] * last - d * wz
    F_u, F_uu = -D_u / D / 2, -D - (D_uu / D - (D_u / D) ** 2) / 2
    F_up = h_up - (D_up / D - D_u * D_p / D**2) / 2
    moved = h_up / D  # how the mode moves with the parameters
    gradient = Z.T @ (people.y - mu) + (F_u * moved - D_p / D / 2).sum(axis=0)
    per_person = -w - (d**2 / 2 / D[place, 0]) * w2 - (F_u / D)[place, 0] * d * w1
    hessian = (Z * per_person[:, None]).T @ Z
    hessian += (D_p / D).T @ (D_p / D) / 2 + moved.T @ (moved * (F_uu - F_u * d**3 * S1 / D))
    mixed = moved.T @ (F_up - F_u / D * D_p)  # h_uu by the parameters is minus D by them
    hessian += mixed + mixed.T
    beside = (-d / D * w1z - F_u / D * wz).sum(axis=0)
    hessian[-1] += beside
    hessian[:, -1] += beside
    hessian[-1, -1] -= float((S / D).sum())
    likelihood = float(people.y @ at - np.logaddexp(0.0, at).sum() - (u**2).sum() / 2 - np.log(D).sum() / 2)
    return Told(likelihood, gradient, hessian, at)


MOST_REACH = 4.0
"""The farthest step of a hospital's own intercept."""


def tell_within(people: Grouped, X: Floats, eta: Floats, deviation: float) -> Told:
    """As `tell`, at the intercept of this hospital that fits best: the profile likelihood of all else.

    Where everybody or nobody has the outcome the intercept has no end, and nothing is known of the rest: zeros.
    """
    p = X.shape[1]
    if people.y.min(initial=1.0) == people.y.max(initial=0.0) or not len(eta):
        return Told(0.0, np.zeros(p + 1), np.zeros((p + 1, p + 1)), np.zeros(len(eta)))
    one, own = np.ones((len(eta), 1)), 0.0
    for _ in range(MOST_STEPS):
        seen = tell(people, one, eta + own, deviation)
        slope, curve = float(seen.gradient[0]), float(seen.hessian[0, 0])
        step = float(np.clip(slope / abs(curve) if curve else 0.0, -MOST_REACH, MOST_REACH))
        own += step
        if abs(step) <= CLOSE * (1 + abs(own)):
            break
    whole = tell(people, np.column_stack([one, X]), eta + own, deviation)
    H, across = whole.hessian[1:, 1:], whole.hessian[0, 1:]
    share = across / whole.hessian[0, 0]
    return Told(
        whole.likelihood, whole.gradient[1:] - share * whole.gradient[0], H - np.outer(across, share), whole.eta
    )
