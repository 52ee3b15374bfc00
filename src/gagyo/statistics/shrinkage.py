"""Uniform shrinkage of coefficients by the heuristic of van Houwelingen & le Cessie (1990) Stat Med 9:1303."""

from __future__ import annotations


def heuristic(likelihood_ratio: float, parameters: int) -> float:
    """(LR - parameters) / LR; parameters without the intercept."""
    return (likelihood_ratio - parameters) / likelihood_ratio
