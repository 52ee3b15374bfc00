"""Weights that tell of a few of four hundred people, which no weighted fit may open."""

from __future__ import annotations

import numpy as np

FEW = (
    "weights other than one of four people",
    "other weights of four of those with a trait",
    "other weights of four of those with both of two traits",
    "one weight that is most of the sum",
)
FEW_WITH_EVENT = "other weights of four with both of two traits and the event"


def single_out(data: dict[str, np.ndarray], few: str) -> None:
    """Give people (with traits e and f, event d and a measurement x) such weights w."""
    w = np.ones(400)
    if few.startswith("weights"):
        w[:4] = 2.0
    elif few.startswith("other"):
        some = data["e"] == 1 if few.endswith("a trait") else (data["e"] == 1) & (data["f"] == 1)
        some &= (data["d"] == 1) | (not few.endswith("event"))
        w[~some] = np.where(np.arange((~some).sum()) % 2, 1.0, 2.0)
        w[np.flatnonzero(some)[:4]] = 2.0
    else:
        w *= 0.5
        w += np.random.default_rng(1).uniform(0, 1e-3, 400)
        w[:40] = 8.0
        data["x"][:] = np.where(np.arange(400) == 3, 9.9, 0.001 * data["x"])
    data["w"] = w
