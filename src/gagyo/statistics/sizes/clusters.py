"""The design effect of clusters: how many times more people a study of whole clusters needs.

Eldridge, Ashby & Kerry (2006) Int J Epidemiol 35:1292; with clusters of one size it is the 1 + (m - 1) rho of Donner,
Birkett & Buck (1981) Am J Epidemiol 114:906.
"""

from __future__ import annotations


def design_effect(size: float, correlation: float, variation: float = 0.0) -> float:
    """size: mean people in a cluster; correlation: within clusters; variation: of the sizes, deviation over mean."""
    return 1 + ((variation**2 + 1) * size - 1) * correlation
