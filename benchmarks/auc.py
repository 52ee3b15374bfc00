"""The area under the curve of 1,000,000 scores: the counting core against midrank DeLong in numpy."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from doors import HEAD, divided, ends_of, opened
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


STUDY = (
    HEAD
    + """sites: [seoul, busan, beijing, tianjin]
variables:
  score: {type: number, range: [-8, 9], label: {en: Score, ko: 점수, zh: 评分}}
  y: {type: boolean, label: {en: y, ko: y, zh: y}}
cohorts:
  all: {}
analyses:
  curve:
    method: validate
    cohort: all
    folds: 0
    equation: {outcome: y, formula: "y ~ score", coefficients: {Intercept: -1, score: 1}}
"""
)
CURVE = ("location", "score_bins")
"""The steps of the pooled curve: where the scores lie, then counts by bins that get finer."""


class Timed:
    """A runtime that notes the CPU seconds of each step, its openings and what the coordinator does with it."""

    name = "embedded"

    def __init__(self, inner: Any) -> None:
        self._inner, self._step, self._since = inner, "", 0.0
        self.spent: dict[str, float] = {}
        self.rounds: dict[str, int] = {}

    def ask(self, requests: Any) -> Any:
        now = time.process_time()
        self.spent[self._step] = self.spent.get(self._step, 0.0) + now - self._since
        self._since = now
        if requests and not requests[0].step.startswith("open."):
            self._step = requests[0].step.rpartition(".")[2]
            self.rounds[self._step] = self.rounds.get(self._step, 0) + 1
        return self._inner.ask(requests)


def gated() -> dict[str, Any]:
    """The pooled curve of a fixed model through four hospitals' doors, records and masks on."""
    scores, y = made()
    columns = {"score": np.clip(scores, -8, 9), "y": y.astype(float)}
    clocks: list[Timed] = []

    def before(runtime: Any) -> Timed:
        clocks.append(Timed(runtime))
        return clocks[0]

    with opened(STUDY, divided(columns, ends_of(SCORES)), before) as (run, _):
        for _ in run:
            pass
        timed = clocks[0]
        timed.ask([])
        if "curve" not in run.results:
            raise run.stopped["curve"]
    seconds = sum(timed.spent[step] for step in CURVE)
    return {"seconds": seconds, "rounds": sum(timed.rounds[step] for step in CURVE), "by step": timed.spent}


WORKS = {"midrank": midrank, "core": core, "gated": gated}


def rows() -> list[Row]:
    """The core against DeLong."""
    found = {name: alone("auc.py", name) for name in WORKS}
    core, gate, peer = (found[name]["seconds"] for name in ("core", "gated", "midrank"))
    rounds = f"{found['gated']['rounds']} rounds"
    work = "AUC of 1,000,000 scores"
    return [
        Row(work, "midrank DeLong, numpy", peer, "CPU s"),
        Row(work, "gagyo counting core", core, "CPU s", core / peer, 1 / 40),
        Row(work, "gagyo, gate on", gate, "CPU s", gate / peer, 0.1, rounds),
    ]


if __name__ == "__main__":
    serve(WORKS, rows)
