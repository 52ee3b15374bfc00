"""Dominance: a sum that one person makes up is that person's value, however many stand behind it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gagyo.release.case import Breach, Case, by_entry


def dominance(case: Case) -> Iterator[Breach]:
    """Refuse where all but the two largest absolute contributions come to less than 0.2 of the largest."""
    if case.scope == "pooled":
        return
    cells = {}
    for name, measure in case.aggregate.items():
        spread = measure.spread
        if spread.total.size:
            rest = spread.total - spread.largest - spread.second
            flagged = (spread.largest > 0) & (rest < case.limits.dominance * spread.largest)
            # Of numbers that stand together, and of who is left, one is all.
            together = measure.kind in ("joint", "compared")
            cells[name] = np.atleast_1d(flagged.any()) if together else flagged
    yield from by_entry(case, "dominance", cells)
