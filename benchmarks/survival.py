"""Survival of 1,000,000 people at four hospitals: Cox, curve and log-rank test, against lifelines and R.

CPU seconds of the work alone, data in memory, one thread each, times in whole days up to five years. Gate, masks,
ledgers and journal are on for Gagyo. R is `coxph.fit`, the core of `coxph` without its formula and data frame, where
Rscript and the survival package are installed; else its row says that they are not.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
from doors import HEAD, divided, ends_of, numbers, through_doors
from in_r import in_r
from measure import Row, alone, cpu, serve

PEOPLE, COLUMNS, DAYS = 1_000_000, 20, 1_825
ENDS = ends_of(PEOPLE)


def made() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Columns (people, columns) in Fortran order, whole days, events, and the number of each person's hospital."""
    random = np.random.default_rng(20261125)
    X = np.empty((PEOPLE, COLUMNS), order="F")
    common = random.normal(size=PEOPLE)
    for j in range(COLUMNS):
        X[:, j] = np.clip(0.3 * common + random.normal(size=PEOPLE), -8, 8)
    hazard = np.exp(X @ (random.normal(size=COLUMNS) * 0.1)) / 1_000
    happens, leaves = random.exponential(1 / hazard), random.uniform(365, 2 * DAYS, PEOPLE)
    time = np.clip(np.ceil(np.minimum(happens, leaves)), 1, DAYS)
    event = ((happens <= leaves) & (happens <= DAYS)).astype(np.float64)
    return X, time, event, np.repeat(np.arange(4), np.diff(ENDS))


STUDY = (
    HEAD
    + """sites: [seoul, busan, beijing, tianjin]
variables:
%s
  time: {type: integer, range: [0, 2000], label: {en: time, ko: time, zh: time}}
  died: {type: boolean, label: {en: died, ko: died, zh: died}}
  arm: {type: boolean, label: {en: arm, ko: arm, zh: arm}}
cohorts:
  all: {}
analyses:
  a: {method: %s, cohort: all, time: time, %s}
"""
)


def analysed(method: str, more: str, columns: int) -> tuple[Any, float]:
    """One analysis through four hospitals' doors: its result and the CPU seconds of the run."""
    X, time, event, _ = made()
    names = [f"x{j}" for j in range(columns)]
    data = {name: X[:, j] for j, name in enumerate(names)} | {"time": time, "died": event}
    hospitals = divided(data | {"arm": (X[:, 0] > 0).astype(np.float64)}, ENDS)
    del X, data
    gc.collect()
    return through_doors(STUDY % (numbers(names), method, more), hospitals)


def gagyo_cox() -> dict[str, Any]:
    """Cox stratified by hospital, without the test of proportional hazards, which the peers leave out too."""
    names = " + ".join(f"x{j}" for j in range(COLUMNS))
    result, seconds = analysed("cox", f'formula: "died ~ {names}", proportional: none', COLUMNS)
    return {"seconds": seconds, "beta": [one.value for one in result.estimates], "rounds": result.rounds}


def gagyo_curve() -> dict[str, Any]:
    """A survival curve on a grid as fine as k allows: here every day is an interval."""
    result, seconds = analysed("kaplan_meier", "event: died", 1)
    last = [one for one in result.estimates if ".survival." in one.name][-1]
    return {
        "seconds": seconds,
        "survival": last.value,
        "at": float(last.name.rsplit(".", 1)[-1]),
        "rounds": result.rounds,
    }


def gagyo_test() -> dict[str, Any]:
    """A log-rank test of two groups within hospitals."""
    result, seconds = analysed("log_rank", "event: died, by: arm", 1)
    return {"seconds": seconds, "chi": result.estimate("chi_square").value}


def kernel_curve() -> dict[str, Any]:
    """The arithmetic of the curve alone, on one hospital's whole data: counts by day and the product."""
    from gagyo.statistics.life_table import LifeTable

    _, time, event, _ = made()
    with cpu() as spent:
        table = np.bincount((2 * time + event).astype(np.int64), minlength=2 * (DAYS + 1)).reshape(-1, 2)[1:]
        leaving = table.sum(axis=1)
        at_risk = leaving[::-1].cumsum()[::-1].astype(np.float64)
        single = np.ones(DAYS, bool)
        curve = LifeTable(np.arange(DAYS + 1.0), at_risk, table[:, 1] * 1.0, table[:, 0] * 1.0, single)
        survival = curve.survival
        curve.band  # noqa: B018 - Greenwood's limits are part of the work
    return {"seconds": spent[0], "survival": float(survival[-1])}


def lifelines_cox() -> dict[str, Any]:
    """CoxPHFitter at its defaults, not stratified, as it is slower with strata."""
    import pandas as pd
    from lifelines import CoxPHFitter

    X, time, event, _ = made()
    data = pd.DataFrame(X, columns=[f"x{j}" for j in range(COLUMNS)])
    data["time"], data["died"] = time, event
    with cpu() as spent:
        fit = CoxPHFitter().fit(data, "time", "died")
    return {"seconds": spent[0], "beta": fit.params_.tolist()}


def lifelines_curve() -> dict[str, Any]:
    """KaplanMeierFitter at its defaults."""
    from lifelines import KaplanMeierFitter

    _, time, event, _ = made()
    with cpu() as spent:
        fit = KaplanMeierFitter().fit(time, event)
    return {"seconds": spent[0], "survival": float(fit.survival_function_.iloc[-1, 0])}


def lifelines_test() -> dict[str, Any]:
    """logrank_test of two groups, not stratified."""
    from lifelines.statistics import logrank_test

    X, time, event, _ = made()
    group = X[:, 0] > 0
    with cpu() as spent:
        found = logrank_test(time[group], time[~group], event[group], event[~group])
    return {"seconds": spent[0], "chi": float(found.test_statistic)}


SCRIPT = f"""
suppressMessages(library(survival))
X <- matrix(read("X"), ncol = {COLUMNS}); y <- Surv(read("time"), read("event")); s <- as.integer(read("site"))
control <- coxph.control(eps = 1e-12, iter.max = 30)
spent <- system.time(f <- coxph.fit(X, y, strata = s, offset = NULL, init = NULL, control = control, weights = NULL,
  method = "efron", rownames = NULL, resid = FALSE))
"""


def r_cox() -> dict[str, Any]:
    """R's `coxph.fit`, stratified by hospital, Efron, converged to 1e-12; nothing where R is not installed."""
    X, time, event, site = made()
    return in_r(SCRIPT, {"X": X, "time": time, "event": event, "site": site}, "f$coefficients")


WORKS: dict[str, Callable[[], dict[str, Any]]] = {
    "gagyo-cox": gagyo_cox,
    "gagyo-curve": gagyo_curve,
    "gagyo-test": gagyo_test,
    "kernel-curve": kernel_curve,
    "lifelines-cox": lifelines_cox,
    "lifelines-curve": lifelines_curve,
    "lifelines-test": lifelines_test,
    "r-cox": r_cox,
}


def rows() -> list[Row]:
    """Gagyo against each peer, in one run."""
    found = {name: alone("survival.py", name) for name in WORKS}

    def against(ours: str, theirs: str) -> float:
        return float(found[ours]["seconds"] / found[theirs]["seconds"])

    cox, work = found["gagyo-cox"], f"Cox, 1,000,000 × {COLUMNS}, {DAYS:,} days, by hospital"
    lines = [Row(work, "gagyo", cox["seconds"], "CPU s", note=f"{cox['rounds']} rounds")]
    if found["r-cox"].get("missing"):
        lines.append(Row(work, "R coxph.fit", float("nan"), "CPU s", note="R is not installed here: not compared"))
    else:
        off = float(np.abs(np.array(cox["beta"]) - np.array(found["r-cox"]["beta"])).max())
        seconds, ratio = found["r-cox"]["seconds"], against("gagyo-cox", "r-cox")
        lines.append(Row(work, "R coxph.fit", seconds, "CPU s", ratio, 0.5, f"{off:.0e} apart"))
    note = "not stratified"
    lines.append(
        Row(
            work,
            "lifelines",
            found["lifelines-cox"]["seconds"],
            "CPU s",
            against("gagyo-cox", "lifelines-cox"),
            1.0,
            note,
        )
    )
    curve, peer = found["gagyo-curve"], found["lifelines-curve"]
    gated, core = against("gagyo-curve", "lifelines-curve"), against("kernel-curve", "lifelines-curve")
    kernel, rounds = found["kernel-curve"]["seconds"], f"{curve['rounds']} rounds"
    same = f"{abs(found['kernel-curve']['survival'] - peer['survival']):.0e} apart"
    lines += [
        Row("survival curve, 1,000,000, gate on", "gagyo", curve["seconds"], "CPU s", gated, 0.2, rounds),
        Row("survival curve, 1,000,000, arithmetic", "gagyo", kernel, "CPU s", core, 0.05, same),
        Row("survival curve, 1,000,000", "lifelines", peer["seconds"], "CPU s"),
    ]
    test, ratio = found["gagyo-test"]["seconds"], against("gagyo-test", "lifelines-test")
    return [
        *lines,
        Row("log-rank, 1,000,000, two groups, gate on", "gagyo", test, "CPU s", ratio, 0.1, "within hospitals"),
        Row("log-rank, 1,000,000, two groups", "lifelines", found["lifelines-test"]["seconds"], "CPU s", note=note),
    ]


if __name__ == "__main__":
    serve(WORKS, rows)
