"""Whether chains have mixed: the potential scale reduction of Gelman & Rubin (1992) Stat Sci 7:457."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def scale_reduction(draws: NDArray[np.float64]) -> float:
    """How far the spread of all chains would shrink with more sweeps, of draws (sweeps, chains); 1 where settled.

    sqrt(((n - 1) / n W + B / n) / W), with W the mean variance within chains and B / n the variance of their means.
    """
    n = len(draws)
    within = float(draws.var(axis=0, ddof=1).mean())
    between = float(draws.mean(axis=0).var(ddof=1)) if draws.shape[1] > 1 else 0.0
    if within <= 0:
        return 1.0
    return float(np.sqrt((n - 1) / n + between / within))
