"""Families of generalised linear models: what one person adds to score, information and likelihood.

McCullagh & Nelder (1989) Generalized Linear Models, 2nd edition, chapter 2: with mean mu of linear predictor eta,
derivative d = dmu / deta and variance function V(mu), the score is x (y - mu) d / V and the expected information
x x' d^2 / V. Every likelihood here is concave in eta, so that a step that raises it comes nearer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Parts:
    """By person, each (n,): the factor of x in the score, of x x' in the information, and terms to be summed.

    likelihood: the log-likelihood; of a gamma minus half the deviance. pearson: (y - mu)^2 / V(mu); 0 of a
    binomial. variance: V(mu), of one who counts once.
    """

    factor: Floats
    weight: Floats
    likelihood: Floats
    pearson: Floats
    variance: Floats

    def times(self, weights: Floats) -> Parts:
        """Each person's (n,) as often as their weight says."""
        counted = ("factor", "weight", "likelihood", "pearson")
        return replace(self, **{name: getattr(self, name) * weights for name in counted})


@dataclass(frozen=True)
class Family:
    """A family with its link. `mean` inverts the link, `start` is the link itself, at the mean of a null model.

    dispersed: whether a dispersion is estimated, as Pearson's chi-square over the residual degrees of freedom.
    canonical: whether the expected information is the observed one, so that Fisher scoring is Newton's method.
    """

    parts: Callable[[Floats, Floats], Parts]
    start: Callable[[float], float]
    dispersed: bool = False
    canonical: bool = False


def logit(y: Floats, eta: Floats) -> Parts:
    """Binomial, mu = 1 / (1 + exp(-eta)): y (n,) of 0 and 1."""
    mu = special.expit(eta)
    variance = mu * special.expit(-eta)
    return Parts(y - mu, variance, special.log_expit(np.where(y == 1, eta, -eta)), np.zeros_like(y), variance)


def gaussian(y: Floats, eta: Floats) -> Parts:
    """Gaussian, mu = eta. The likelihood is minus half the deviance."""
    rest = y - eta
    return Parts(rest, np.ones_like(y), -(rest**2) / 2, rest**2, np.ones_like(y))


def probit(y: Floats, eta: Floats) -> Parts:
    """Binomial, mu = Phi(eta): y (n,) of 0 and 1."""
    density = -0.5 * eta**2 - 0.5 * np.log(2 * np.pi)
    above, below = special.log_ndtr(eta), special.log_ndtr(-eta)
    factor = np.where(y == 1, np.exp(density - above), -np.exp(density - below))
    weight = np.exp(2 * density - above - below)
    return Parts(factor, weight, np.where(y == 1, above, below), np.zeros_like(y), np.exp(above + below))


def cloglog(y: Floats, eta: Floats) -> Parts:
    """Binomial, mu = 1 - exp(-exp(eta)): y (n,) of 0 and 1."""
    hazard = np.exp(np.clip(eta, -700, 700))
    with np.errstate(over="ignore"):
        odds_against = np.expm1(hazard)  # mu / (1 - mu)
    above = np.log(-np.expm1(-hazard))
    factor = np.where(y == 1, hazard / odds_against, -hazard)
    weight = hazard * (hazard / odds_against)
    variance = np.exp(above - hazard)
    return Parts(factor, weight, np.where(y == 1, above, -hazard), np.zeros_like(y), variance)


def poisson(y: Floats, eta: Floats) -> Parts:
    """Poisson, mu = exp(eta): y (n,) >= 0."""
    mu = np.exp(np.clip(eta, -700, 700))
    rest = y - mu
    return Parts(rest, mu, y * eta - mu - special.gammaln(y + 1), rest**2 / mu, mu)


def gamma(y: Floats, eta: Floats) -> Parts:
    """Gamma, mu = exp(eta): y (n,) > 0. The likelihood is minus half the deviance."""
    ratio = y * np.exp(np.clip(-eta, -700, 700))
    rest = ratio - 1
    variance = np.exp(2 * np.clip(eta, -350, 350))
    return Parts(rest, np.ones_like(y), np.log(ratio) - rest, rest**2, variance)


@dataclass(frozen=True)
class Shape:
    """By person, each (n,), what theta adds to a likelihood: its derivative in log theta, and minus second derivatives.

    curve: twice in log theta. cross: in eta and log theta. observed: twice in eta, whose expectation is the weight.
    """

    first: Floats
    curve: Floats
    cross: Floats
    observed: Floats


def negative_binomial(y: Floats, eta: Floats, theta: float) -> tuple[Parts, Shape]:
    """Negative binomial, mu = exp(eta), variance mu + mu^2 / theta (NB2): y (n,) >= 0.

    Lawless (1987) Can J Stat 15:209. The likelihood is not concave in log theta far from its maximum.
    """
    mu = np.exp(np.clip(eta, -700, 700))
    rest, both = y - mu, mu + theta
    log = np.log1p(mu / theta)
    weight = mu / (1 + mu / theta)
    likelihood = special.gammaln(y + theta) - special.gammaln(theta) - special.gammaln(y + 1)
    likelihood += y * (eta - np.log(both)) - theta * log
    first = theta * (special.digamma(y + theta) - special.digamma(theta) - log - rest / both)
    bend = special.polygamma(1, y + theta) - special.polygamma(1, theta) + mu / (theta * both) + rest / both**2
    variance = mu * (1 + mu / theta)
    parts = Parts(rest / (1 + mu / theta), weight, likelihood, rest**2 / variance, variance)
    cross = -rest * (mu / both) * (theta / both)
    return parts, Shape(first, -(theta**2) * bend - first, cross, weight * (y + theta) / both)


FAMILIES = {
    ("binomial", "logit"): Family(logit, lambda mean: float(special.logit(mean)), canonical=True),
    ("gaussian", "identity"): Family(gaussian, float, dispersed=True, canonical=True),
    ("binomial", "probit"): Family(probit, lambda mean: float(special.ndtri(mean))),
    ("binomial", "cloglog"): Family(cloglog, lambda mean: float(np.log(-np.log1p(-mean)))),
    ("poisson", "log"): Family(poisson, lambda mean: float(np.log(mean)), canonical=True),
    ("gamma", "log"): Family(gamma, lambda mean: float(np.log(mean)), dispersed=True),
}
"""By name and link; of a negative binomial, whose theta is estimated as well, only `negative_binomial` is there."""
