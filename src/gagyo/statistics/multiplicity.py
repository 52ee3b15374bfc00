"""P values adjusted for several tests: Holm, Hochberg, Benjamini-Hochberg.

Holm (1979) Scand J Stat 6:65; Hochberg (1988) Biometrika 75:800; Benjamini & Hochberg (1995) J R Stat Soc B 57:289.
Reference: R's `p.adjust`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Adjustment = Literal["none", "holm", "hochberg", "benjamini_hochberg"]


def adjusted(p: Floats, how: Adjustment) -> Floats:
    """Adjusted p values (m,), in the order of `p`; those that are not known (NaN) are no tests and stay unknown."""
    out = np.asarray(p, dtype=np.float64).copy()
    known = np.flatnonzero(~np.isnan(out))
    m, order = len(known), known[np.argsort(out[known], kind="stable")]
    rank = np.arange(1, m + 1)
    if how == "holm":
        stepped = np.maximum.accumulate((m - rank + 1) * out[order])
    elif how in ("hochberg", "benjamini_hochberg"):
        factor = m - rank + 1 if how == "hochberg" else m / rank
        stepped = np.minimum.accumulate((factor * out[order])[::-1])[::-1]
    else:
        return out
    out[order] = np.minimum(stepped, 1.0)
    return out
