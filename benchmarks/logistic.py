"""Logistic regression of 1,000,000 people and 50 columns, at four hospitals, against statsmodels and scikit-learn.

CPU seconds of the fit alone, data in memory, one thread each. Gate, masks, ledgers and journal are on. The distance is
the greatest difference of a coefficient from the solution after Newton steps to machine precision.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
from doors import HEAD, divided, ends_of, numbers, opened
from measure import Row, alone, cpu, peak_mb, resident_mb, serve
from scipy import special

PEOPLE, COLUMNS = 1_000_000, 50


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


STUDY = (
    HEAD
    + """sites: [seoul, busan, beijing, tianjin]
variables:
%s
  y: {type: boolean, label: {en: y, ko: y, zh: y}}
cohorts:
  all: {}
analyses:
  model: {method: logistic, cohort: all, formula: "y ~ %s"}
"""
)


def gagyo() -> dict[str, Any]:
    """The fit through four hospitals' doors; and how much memory it took over the loaded data."""
    X, y = made()
    names = [f"x{j}" for j in range(COLUMNS)]
    columns = {name: X[:, j] for j, name in enumerate(names)} | {"y": y}
    hospitals = divided(columns, ends_of(PEOPLE))
    del X, columns
    gc.collect()
    with opened(STUDY % (numbers(names), " + ".join(names)), hospitals) as (run, approving):
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
    return told(spent[0], beta, X, y, over=over, design=design, rounds=result.rounds, approving=approving)


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
        Row(work, "gagyo", ours["seconds"], "CPU s", note=f"{ours['distance']:.0e} off; {ours['rounds']} rounds"),
        *(
            Row(
                work,
                name,
                found[name]["seconds"],
                "CPU s",
                ours["seconds"] / found[name]["seconds"],
                limit,
                f"{found[name]['distance']:.0e} off; peak {found[name]['peak']:.0f} MB",
            )
            for name, limit in limits.items()
        ),
    ]
    share, note = ours["over"] / ours["design"], f"of the design matrix of {ours['design']:.0f} MB"
    return [*lines, Row("memory over the loaded data, all four sites", "gagyo", ours["over"], "MB", share, 1.2, note)]


if __name__ == "__main__":
    serve(WORKS, rows)
