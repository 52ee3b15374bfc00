"""The area under the curve of 1,000,000 scores: the counting core against midrank DeLong in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from measure import Row, alone, cpu, serve
from scipy import stats

SCORES = 1_000_000
REPEATS = 5


def made() -> tuple[np.ndarray, np.ndarray]:
    """Scores of a model, and the outcome."""
    random = np.random.default_rng(7)
    y = random.random(SCORES) < 0.3
    return random.normal(size=SCORES) + y, y


def midrank() -> dict[str, Any]:
    """DeLong by midranks (Sun & Xu 2014), with scipy's ranks."""
    scores, y = made()
    with cpu() as spent:
        for _ in range(REPEATS):
            positive, negative = scores[y], scores[~y]
            m, n = len(positive), len(negative)
            every = stats.rankdata(np.concatenate([positive, negative]))
            v10 = (every[:m] - stats.rankdata(positive)) / n
            v01 = 1 - (every[m:] - stats.rankdata(negative)) / m
            area, variance = v10.mean(), v10.var(ddof=1) / m + v01.var(ddof=1) / n
    return {"seconds": spent[0] / REPEATS, "area": area, "variance": variance}


def core() -> dict[str, Any]:
    """Counts by fine bin and class, and the area from them: what a hospital computes before the gate."""
    from gagyo.statistics.roc import binned_roc

    scores, y = made()
    with cpu() as spent:
        for _ in range(REPEATS):
            at = ((scores + 8) * (65_536 / 17)).astype(np.int32)
            at += y * np.int32(65_536)
            counts = np.bincount(at, minlength=131_072).reshape(2, 65_536)
            area = binned_roc(counts.T.astype(np.float64)).auc
    return {"seconds": spent[0] / REPEATS, "area": area}


WORKS = {"midrank": midrank, "core": core}


def rows() -> list[Row]:
    """The core against DeLong."""
    found = {name: alone("auc.py", name) for name in WORKS}
    ratio = found["midrank"]["seconds"] / found["core"]["seconds"]
    work = "AUC of 1,000,000 scores"
    return [
        Row(work, "midrank DeLong, numpy", found["midrank"]["seconds"], "CPU s"),
        Row(work, "gagyo counting core", found["core"]["seconds"], "CPU s", f"1/{ratio:.0f} (limit 1/40)"),
    ]


if __name__ == "__main__":
    serve(WORKS, rows)
