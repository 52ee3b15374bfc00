"""A mean of a linear predictor and its first two derivatives, by link: what average marginal effects are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

from gagyo.release.aggregate import Floats


def logit(eta: Floats) -> Floats:
    """mu = 1 / (1 + exp(-eta)) with its derivatives (3, n)."""
    mu, against = special.expit(eta), special.expit(-eta)
    return np.array([mu, mu * against, mu * against * (against - mu)])


def probit(eta: Floats) -> Floats:
    """mu = Phi(eta) with its derivatives (3, n)."""
    density = np.exp(-0.5 * eta**2) / np.sqrt(2 * np.pi)
    return np.array([special.ndtr(eta), density, -eta * density])


def cloglog(eta: Floats) -> Floats:
    """mu = 1 - exp(-exp(eta)) with its derivatives (3, n)."""
    hazard = np.exp(np.clip(eta, -700, 700))
    slope = hazard * np.exp(-hazard)
    return np.array([-np.expm1(-hazard), slope, slope * (1 - hazard)])


def log(eta: Floats) -> Floats:
    """mu = exp(eta) with its derivatives (3, n)."""
    return np.tile(np.exp(np.clip(eta, -700, 700)), (3, 1))


def identity(eta: Floats) -> Floats:
    """mu = eta with its derivatives (3, n)."""
    return np.array([eta, np.ones_like(eta), np.zeros_like(eta)])


MEANS: dict[str, Callable[[Floats], Floats]] = {
    "logit": logit,
    "probit": probit,
    "cloglog": cloglog,
    "log": log,
    "identity": identity,
}
"""By link."""
