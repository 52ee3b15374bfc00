"""Quantiles of 10,000,000 values, penalised paths and linear mixed models, against numpy and R's glmnet and lme4.

CPU seconds of the work alone, data in memory, one thread each; gate, masks, ledgers and journal are on for Gagyo. R
reads its data from files before its clock starts; where R or a package is missing, the row says so.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from doors import HEAD, SITES, divided, ends_of, numbers, through_doors
from in_r import in_r
from measure import Row, alone, cpu, serve

VALUES, SHARES = 10_000_000, (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
PEOPLE, COLUMNS, PENALTIES = 200_000, 200, 100
TERMS, WARDS = 9, 1_000
FOLLOWED, TIMES = 50_000, (0, 1, 2, 3)
KNOWN = TERMS - 1
"""Columns of people who are followed; the time is one more."""
MANY = ("seoul", "busan", "daegu", "daejeon", "beijing", "tianjin", "shanghai", "wuhan")
"""Eight hospitals: under five, a variance between hospitals is not estimated."""

STUDY = (
    HEAD
    + """sites: [%s]
variables:
%s
cohorts:
  all: {}
analyses:
  a: {cohort: all, %s}
"""
)
YES_NO = "\n  y: {type: boolean, label: {en: y, ko: y, zh: y}}"
WARD = '  ward: {type: integer, range: [0, 100000], label: {en: ward, ko: "병동", zh: "病区"}}'


def values() -> np.ndarray:
    """Laboratory values in thousandths."""
    return np.round(np.clip(np.random.default_rng(3).normal(size=VALUES), -7, 7), 3)


def gagyo_quantiles() -> dict[str, Any]:
    """Seven quantiles by descent, as exact as k allows."""
    hospitals = divided({"x": values()}, ends_of(VALUES))
    asked = f"method: quantiles, variables: [x], quantiles: [{', '.join(map(str, SHARES))}]"
    result, seconds = through_doors(STUDY % (", ".join(SITES), numbers(["x"]), asked), hospitals)
    told = [one.value for one in result.estimates if one.name.count(".") == 1]  # beside each stand its bounds
    return {"seconds": seconds, "told": told, "rounds": result.rounds}


def numpy_quantiles() -> dict[str, Any]:
    """`numpy.quantile` of the pooled array."""
    x = values()
    with cpu() as spent:
        found = np.quantile(x, SHARES)
    return {"seconds": spent[0], "told": found.tolist()}


def wide(family: str) -> tuple[np.ndarray, np.ndarray]:
    """Correlated columns, of which one in ten matters, and the outcome, measured or yes/no."""
    random = np.random.default_rng(5)
    X = np.empty((PEOPLE, COLUMNS), order="F")
    common = random.normal(size=PEOPLE)
    for j in range(COLUMNS):
        X[:, j] = np.clip(0.5 * common + random.normal(size=PEOPLE), -8, 8)
    beta = np.where(np.arange(COLUMNS) % 10 == 0, random.normal(size=COLUMNS) * 0.1, 0.0)
    if family == "binomial":
        return X, (random.logistic(size=PEOPLE) < X @ beta).astype(float)
    return X, np.clip(X @ beta + random.normal(size=PEOPLE), -8, 8)


PENALTY = {"gaussian": 0.05, "binomial": 0.01}
"""One penalty more, at which the coefficients are compared."""


def gagyo_path(family: str) -> dict[str, Any]:
    """The path of an elastic net, and one penalty more, which a study without cross-validation has to name."""
    X, y = wide(family)
    names = [f"x{j}" for j in range(COLUMNS)]
    hospitals = divided({name: X[:, j] for j, name in enumerate(names)} | {"y": y}, ends_of(PEOPLE))
    del X
    gc.collect()
    asked = f'method: penalised, formula: "y ~ {" + ".join(names)}", family: {family}, mixing: 0.5'
    asked += f", values: {PENALTIES}, folds: 0, penalty: {PENALTY[family]}"
    declared = numbers([*names, "y"] if family == "gaussian" else names) + (YES_NO if family == "binomial" else "")
    result, seconds = through_doors(STUDY % (", ".join(SITES), declared, asked), hospitals)
    at = {one.name: one.value for one in result.estimates}
    return {"seconds": seconds, "rounds": result.rounds, "beta": [at[f"given.{n}"] for n in names]}


R_PATH = f"""
suppressMessages(library(glmnet))
X <- matrix(read("X"), ncol = {COLUMNS}); y <- read("y")
spent <- system.time(m <- glmnet(X, y, family = "%s", alpha = 0.5, nlambda = {PENALTIES}, thresh = 1e-14))
"""


def r_path(family: str) -> dict[str, Any]:
    """The same path in glmnet, at a threshold that gives as many figures."""
    X, y = wide(family)
    at = f'as.numeric(coef(m, s = {PENALTY[family]}, exact = TRUE, x = X, y = y, family = "{family}"))[-1]'
    return in_r(R_PATH % family, {"X": X, "y": y}, at)


def clustered(clusters: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nine columns, the outcome, and each person's cluster of a size of its own."""
    random = np.random.default_rng(11)
    X = np.clip(random.normal(size=(PEOPLE, TERMS)), -8, 8)
    cluster = np.sort(random.integers(0, clusters, PEOPLE))
    effect = random.normal(size=clusters)[cluster]
    y = X @ random.normal(size=TERMS) * 0.3 + 0.5 * effect + random.normal(size=PEOPLE)
    return X, np.clip(y, -8, 8), cluster


def _mixed(sites: tuple[str, ...], ends: list[int], data: Mapping[str, np.ndarray], more: str) -> dict[str, Any]:
    names = [f"x{j}" for j in range(TERMS)]
    declared = numbers([*names, "y"]) + ("\n" + WARD if "ward" in data else "")
    asked = f'method: mixed, formula: "y ~ {" + ".join(names)}"{more}'
    result, seconds = through_doors(STUDY % (", ".join(sites), declared, asked), divided(data, ends, sites))
    return {"seconds": seconds, "rounds": result.rounds, "beta": [result.estimate(n).value for n in names]}


def gagyo_hospitals() -> dict[str, Any]:
    """A random intercept for each of eight hospitals."""
    X, y, hospital = clustered(len(MANY))
    ends = [int(end) for end in np.searchsorted(hospital, range(len(MANY) + 1))]
    return _mixed(MANY, ends, {f"x{j}": X[:, j] for j in range(TERMS)} | {"y": y}, "")


def _wards() -> tuple[dict[str, np.ndarray], list[int]]:
    X, y, ward = clustered(WARDS)
    ends = [int(end) for end in np.searchsorted(ward, [0, 400, 700, 900, WARDS])]
    return {f"x{j}": X[:, j] for j in range(TERMS)} | {"y": y, "ward": ward.astype(np.float64)}, ends


def gagyo_wards() -> dict[str, Any]:
    """A random intercept for each of a thousand wards within four hospitals, whose own are fixed."""
    data, ends = _wards()
    return _mixed(SITES, ends, data, ", cluster: ward")


R_MIXED = """
suppressMessages(library(lme4))
X <- matrix(read("X"), ncol = %d); d <- data.frame(y = read("y"), X, g = factor(read("g")), h = factor(read("h")))
f <- as.formula(paste("y ~", paste(colnames(d)[2:%d], collapse = " + "), "%s + (1 | g)"))
spent <- system.time(m <- lmer(f, d))
"""


def r_hospitals() -> dict[str, Any]:
    """lmer, a random intercept for each hospital."""
    X, y, hospital = clustered(len(MANY))
    return in_r(
        R_MIXED % (TERMS, TERMS + 1, ""), {"X": X, "y": y, "g": hospital, "h": hospital}, f"fixef(m)[1 + 1:{TERMS}]"
    )


def r_wards() -> dict[str, Any]:
    """lmer, a random intercept for each ward and a fixed one for each hospital."""
    data, ends = _wards()
    X = np.column_stack([data[f"x{j}"] for j in range(TERMS)])
    hospital = np.repeat(np.arange(4), np.diff(ends))
    given = {"X": X, "y": data["y"], "g": data["ward"], "h": hospital}
    return in_r(R_MIXED % (TERMS, TERMS + 1, "+ h"), given, f"fixef(m)[1 + 1:{TERMS}]")


def followed(slopes: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eight columns of each person, the outcome at four times, and each person's hospital."""
    random = np.random.default_rng(13)
    X = np.clip(random.normal(size=(FOLLOWED, KNOWN)), -8, 8)
    hospital = np.sort(random.integers(0, len(MANY), FOLLOWED))
    own = random.normal(size=FOLLOWED) + 0.5 * random.normal(size=len(MANY))[hospital]
    level = X @ random.normal(size=KNOWN) * 0.3 + own
    slope = 0.2 + (0.3 * random.normal(size=FOLLOWED) if slopes else np.zeros(FOLLOWED))
    y = level[:, None] + slope[:, None] * np.array(TIMES) + random.normal(size=(FOLLOWED, len(TIMES)))
    return X, np.clip(y, -8, 8), hospital


def _gagyo_followed(covariance: str) -> dict[str, Any]:
    X, y, hospital = followed(covariance == "slope")
    ends = [int(end) for end in np.searchsorted(hospital, range(len(MANY) + 1))]
    names, visits = [f"x{j}" for j in range(KNOWN)], {f"y{time}": time for time in TIMES}
    data = {name: X[:, j] for j, name in enumerate(names)} | {f"y{time}": y[:, time] for time in TIMES}
    told = ", ".join(f"{name}: {time}" for name, time in visits.items())
    asked = f'method: repeated, formula: "y ~ {" + ".join(names)} + time", covariance: {covariance}, hospital: random'
    asked += f", measured: {{name: y, label: {{en: y, ko: y, zh: y}}, visits: {{{told}}}}}"
    study = STUDY % (", ".join(MANY), numbers([*names, *visits]), asked)
    result, seconds = through_doors(study, divided(data, ends, MANY))
    return {
        "seconds": seconds,
        "rounds": result.rounds,
        "beta": [result.estimate(n).value for n in [*names, "time"]],
    }


R_FOLLOWED = """
suppressMessages(library(lme4))
y <- read("y"); X <- matrix(read("X"), ncol = %d); visits <- %d; n <- nrow(X)
d <- data.frame(y = y, X[rep(seq_len(n), visits), ], t = rep(seq_len(visits) - 1, each = n))
d$g <- factor(rep(seq_len(n), visits)); d$h <- factor(rep(read("h"), visits))
f <- as.formula(paste("y ~", paste(colnames(d)[2:%d], collapse = " + "), "+ t + (%s | g) + (1 | h)"))
spent <- system.time(m <- lmer(f, d))
"""


def _r_followed(random: str) -> dict[str, Any]:
    X, y, hospital = followed(random == "t")
    script = R_FOLLOWED % (KNOWN, len(TIMES), KNOWN + 1, random)
    return in_r(script, {"X": X, "y": y, "h": hospital}, f"fixef(m)[1 + 1:{KNOWN + 1}]")


WORKS: dict[str, Callable[[], dict[str, Any]]] = {
    "gagyo-quantiles": gagyo_quantiles,
    "numpy-quantiles": numpy_quantiles,
    "gagyo-path": partial(gagyo_path, "gaussian"),
    "r-path": partial(r_path, "gaussian"),
    "gagyo-logistic-path": partial(gagyo_path, "binomial"),
    "r-logistic-path": partial(r_path, "binomial"),
    "gagyo-hospitals": gagyo_hospitals,
    "r-hospitals": r_hospitals,
    "gagyo-wards": gagyo_wards,
    "r-wards": r_wards,
    "gagyo-people": partial(_gagyo_followed, "intercept"),
    "r-people": partial(_r_followed, "1"),
    "gagyo-people-slopes": partial(_gagyo_followed, "slope"),
    "r-people-slopes": partial(_r_followed, "t"),
}


def rows() -> list[Row]:
    """Gagyo against each peer, in one run."""
    found = {name: alone("models.py", name) for name in WORKS}
    ours, theirs = found["gagyo-quantiles"], found["numpy-quantiles"]
    ratio, rounds = ours["seconds"] / theirs["seconds"], f"{ours['rounds']} rounds"
    off = float(np.abs(np.array(ours["told"]) - np.array(theirs["told"])).max())
    work = f"seven quantiles of {VALUES:,} values"
    lines = [
        Row(work, "gagyo, gate on", ours["seconds"], "CPU s", ratio, 0.5, f"{off:.0e} apart; {rounds}"),
        Row(work, "numpy", theirs["seconds"], "CPU s"),
    ]
    visits = len(TIMES)
    rows_of = f"{FOLLOWED * visits:,} rows ({FOLLOWED:,} people × {visits} visits)"
    works = {
        "path": (f"elastic net, {PENALTIES} penalties, {PEOPLE:,} × {COLUMNS}, gaussian", "R glmnet", 0.35),
        "logistic-path": (f"elastic net, {PENALTIES} penalties, {PEOPLE:,} × {COLUMNS}, binomial", "R glmnet", 2.0),
        "hospitals": (f"mixed model, {PEOPLE:,} × {TERMS}, 8 hospitals at random", "R lme4", 1 / 50),
        "wards": (f"mixed model, {PEOPLE:,} × {TERMS}, {WARDS:,} wards at random", "R lme4", 1 / 10),
        "people": (f"linear mixed model, {rows_of}, (1 | person) + (1 | hospital)", "R lme4", 1 / 10),
        "people-slopes": (f"linear mixed model, {rows_of}, (t | person) + (1 | hospital)", "R lme4", 1 / 5),
    }
    for name, (work, peer, limit) in works.items():
        ours, theirs = found[f"gagyo-{name}"], found[f"r-{name}"]
        lines.append(Row(work, "gagyo", ours["seconds"], "CPU s", note=f"{ours['rounds']} rounds"))
        if theirs.get("missing"):
            lines.append(Row(work, peer, float("nan"), "CPU s", note="R or its package is not installed: not compared"))
            continue
        off = float(np.abs(np.array(ours["beta"]) - np.array(theirs["beta"])).max())
        ratio = ours["seconds"] / theirs["seconds"]
        lines.append(Row(work, peer, theirs["seconds"], "CPU s", ratio, limit, f"{off:.0e} apart"))
    return lines


if __name__ == "__main__":
    serve(WORKS, rows)
