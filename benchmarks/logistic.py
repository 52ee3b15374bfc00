"""Logistic regression of 1,000,000 people and 50 columns, at four hospitals, against statsmodels and scikit-learn.

CPU seconds of the fit alone, data in memory, one thread each. Gate, masks, ledgers and journal are on. The distance is
the greatest difference of a coefficient from the solution after Newton steps to machine precision.
"""

from __future__ import annotations

import gc
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measure import Row, alone, cpu, peak_mb, resident_mb, serve
from scipy import special

PEOPLE, COLUMNS = 1_000_000, 50
SITES = ("seoul", "busan", "beijing", "tianjin")
SHARES = (0.4, 0.3, 0.2, 0.1)


def made() -> tuple[np.ndarray, np.ndarray]:
    """Columns (people, columns) in Fortran order, correlated as laboratory values are, and the outcome."""
    random = np.random.default_rng(20261125)
    X = np.empty((PEOPLE, COLUMNS), order="F")
    common = random.normal(size=PEOPLE)
    for j in range(COLUMNS):
        X[:, j] = np.clip(0.3 * common + random.normal(size=PEOPLE), -8, 8)
    beta = random.normal(size=COLUMNS) * 0.15
    y = (random.random(PEOPLE) < special.expit(-1.0 + X @ beta)).astype(np.float64)
    return X, y


def solution(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients, intercept first, after Newton steps until nothing moves."""
    A = np.column_stack([np.ones(len(y)), X])
    beta = np.zeros(A.shape[1])
    for _ in range(12):
        mu = special.expit(A @ beta)
        beta += np.linalg.solve((A * (mu * (1 - mu))[:, None]).T @ A, A.T @ (y - mu))
    return beta


def told(seconds: float, beta: np.ndarray, X: np.ndarray, y: np.ndarray, **more: Any) -> dict[str, Any]:
    return {"seconds": seconds, "distance": float(np.abs(beta - solution(X, y)).max()), **more}


STUDY = """
gagyo: "1"
study: large
title: {en: Large, ko: 대규모, zh: 大规模}
purpose: scientific_research
lead: {name: Benchmark, organisation: Gagyo, country: KR}
period: {from: 2026-11-01, until: 2027-10-31}
sites: [seoul, busan, beijing, tianjin]
variables:
%s
  y: {type: boolean, label: {en: y, ko: y, zh: y}}
cohorts:
  all: {}
analyses:
  model: {method: logistic, cohort: all, formula: "y ~ %s"}
"""


@dataclass
class Data:
    """A hospital's mapped data."""

    columns: dict[str, np.ndarray]
    persons: list[bytes]


def gagyo() -> dict[str, Any]:
    """The fit through four hospitals' doors; and how much memory it took over the loaded data."""
    from gagyo.coordinator.planning import make_plan
    from gagyo.coordinator.run import Run
    from gagyo.exchange.envelope import Keys
    from gagyo.protocol.study import Study
    from gagyo.runtime.embedded import Embedded
    from gagyo.runtime.journal import Journal
    from gagyo.site.site import Site

    X, y = made()
    names = [f"x{j}" for j in range(COLUMNS)]
    variables = "\n".join(
        f"  {n}: {{type: number, range: [-8, 8], label: {{en: {n}, ko: {n}, zh: {n}}}}}" for n in names
    )
    study = Study.parse(STUDY % (variables, " + ".join(names)))
    ends = np.cumsum([0, *(int(share * PEOPLE) for share in SHARES)])
    hospitals = {}
    for site, start, end in zip(SITES, ends[:-1], ends[1:], strict=True):
        columns = {name: X[start:end, j].copy() for j, name in enumerate(names)} | {"y": y[start:end].copy()}
        hospitals[site] = Data(columns, [b"%d" % person for person in range(start, end)])
    del X
    gc.collect()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sites = {site: Site(site, folder / site, lambda _, data=data: data) for site, data in hospitals.items()}
        coordinator = Keys.open(folder / "coordinator.keys")
        keys = {"coordinator": coordinator.public} | {site: one.keys.public for site, one in sites.items()}
        plan = make_plan(study, keys)
        with cpu() as approving:
            for one in sites.values():
                one.approve(plan)
        run = Run(plan, Journal(folder / "journal.jsonl", coordinator, Embedded(sites)))
        before = _reset_peak()
        with cpu() as spent:
            for _ in run:
                pass
        over = peak_mb_since(before) - before
        if "model" not in run.results:
            raise run.stopped["model"]
        result = run.results["model"]
        beta = np.array([one.value for one in result.estimates], dtype=float)
    X, y = made()
    design = PEOPLE * (COLUMNS + 1) * 8 / 2**20
    return told(spent[0], beta, X, y, over=over, design=design, rounds=result.rounds, approving=approving[0])


def _reset_peak() -> float:
    """Start measuring the peak anew (Linux), and give the memory now."""
    Path("/proc/self/clear_refs").write_text("5")
    return resident_mb()


def peak_mb_since(before: float) -> float:
    """The greatest resident memory since `_reset_peak`."""
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return max(before, peak / 1024)


def statsmodels() -> dict[str, Any]:
    """Logit by Newton at its defaults."""
    import statsmodels.api as sm

    X, y = made()
    A = sm.add_constant(X)
    with cpu() as spent:
        fit = sm.Logit(y, A).fit(disp=0)
    return told(spent[0], np.asarray(fit.params), X, y, peak=peak_mb())


def _sklearn(solver: str, **options: Any) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression

    X, y = made()
    model = LogisticRegression(C=np.inf, solver=solver, max_iter=1000, **options)
    with cpu() as spent:
        model.fit(X, y)
    return told(spent[0], np.concatenate([model.intercept_, model.coef_[0]]), X, y, peak=peak_mb())


WORKS = {
    "gagyo": gagyo,
    "statsmodels": statsmodels,
    "newton-cholesky": lambda: _sklearn("newton-cholesky"),
    "lbfgs": lambda: _sklearn("lbfgs"),
}


def rows() -> list[Row]:
    """Gagyo against each peer, in one run."""
    found = {name: alone("logistic.py", name) for name in WORKS}
    ours = found["gagyo"]
    limits = {"statsmodels": 1 / 5.5, "newton-cholesky": 0.45, "lbfgs": 1.0}
    work = "logistic, 1,000,000 × 50"
    lines = [
        Row(work, "gagyo", ours["seconds"], "CPU s", "", f"{ours['distance']:.0e} off; {ours['rounds']} rounds"),
        *(
            Row(
                work,
                name,
                found[name]["seconds"],
                "CPU s",
                f"{ours['seconds'] / found[name]['seconds']:.2f} (limit {limit:.2f})",
                f"{found[name]['distance']:.0e} off; peak {found[name]['peak']:.0f} MB",
            )
            for name, limit in limits.items()
        ),
    ]
    ratio = ours["over"] / ours["design"]
    share = f"{ratio:.2f} of the design matrix of {ours['design']:.0f} MB (limit 1.20)"
    return [*lines, Row("memory over the loaded data, all four sites", "gagyo", ours["over"], "MB", share)]


if __name__ == "__main__":
    serve(WORKS, rows)
