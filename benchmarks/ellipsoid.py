"""How far honest leave-one-out fits move from the joint fit, and how far a half-space attack must: the ellipsoid.

Run: python benchmarks/ellipsoid.py [folder with the UCI heart disease files]
Distances are (change)' H (change) / people, H the joint fit's information. Real data first, then simulated hospitals
that differ much more than these: intercepts with a standard deviation of 1 and every slope of 0.5 (log odds a standard
deviation of the predictor), 3 to 8 hospitals of very unequal size.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy import special

from gagyo.demo.breast import divided

Array = np.ndarray


def fit(X: Array, y: Array, start: Array) -> tuple[Array, Array, list[Array]]:
    """Newton from `start`: coefficients, information, and every iterate."""
    beta, path = start.copy(), []
    for _ in range(30):
        mu = special.expit(X @ beta)
        information = X.T @ (X * (mu * (1 - mu))[:, None])
        step = np.linalg.solve(information, X.T @ (y - mu))
        beta = beta + step
        path.append(beta.copy())
        if step @ information @ step < 1e-16:
            return beta, information, path
    raise ArithmeticError("separated")


def distances(X: Array, y: Array, site: Array) -> list[float]:
    """The farthest iterate of each leave-one-out fit."""
    joint, information, _ = fit(X, y, np.zeros(X.shape[1]))
    out = []
    for left in np.unique(site):
        _, _, path = fit(X[site != left], y[site != left], joint)
        out.append(max(float((b - joint) @ information @ (b - joint)) for b in path) / len(y))
    return out


def breast() -> tuple[Array, Array, Array]:
    rows, where = divided()
    X = np.column_stack([rows[name].to_numpy() for name in ("texture", "smoothness", "compactness", "symmetry")])
    return np.column_stack([np.ones(len(X)), X]), rows["malignant"].to_numpy().astype(float), where


def heart(folder: Path) -> tuple[Array, Array, Array]:
    parts, site = [], []
    for number, name in enumerate(("cleveland", "hungarian", "switzerland", "va")):
        lines = (folder / f"processed.{name}.data").read_text().split()
        table = np.array([[float(cell) if cell != "?" else np.nan for cell in line.split(",")] for line in lines])
        parts.append(table)
        site += [number] * len(table)
    table, where = np.vstack(parts), np.array(site)
    X = np.column_stack([np.ones(len(table)), table[:, 0], table[:, 1], table[:, 2] == 4, table[:, [7, 8, 9]]])
    kept = ~np.isnan(X).any(axis=1)
    return X[kept], (table[kept, 13] > 0).astype(float), where[kept]


def simulated(random: np.random.Generator) -> tuple[Array, Array, Array]:
    hospitals, p = int(random.integers(4, 9)), int(random.integers(2, 9))
    sizes = (random.dirichlet(np.ones(hospitals)) * random.integers(400, 4000)).astype(int) + 40
    site = np.repeat(np.arange(hospitals), sizes)
    X = np.column_stack([np.ones(len(site)), random.normal(size=(len(site), p))])
    X[:, 1:] += random.normal(size=(hospitals, p))[site] * 0.5
    beta = random.normal(size=(hospitals, p + 1)) * np.r_[1.0, np.full(p, 0.5)] + random.normal(size=p + 1) * 0.5
    y = (random.random(len(site)) < special.expit((X * beta[site]).sum(axis=1))).astype(float)
    return X, y, site


def attack(X: Array, y: Array, random: np.random.Generator) -> float:
    """The least distance of coefficients whose score counts a half-space: nine in ten within 0.05 of 0 or 1."""
    joint, information, _ = fit(X, y, np.zeros(X.shape[1]))
    best = np.inf
    for _ in range(200):
        way = random.normal(size=len(joint)) / np.sqrt(np.diag(information))
        eta = X @ way
        for size in np.geomspace(1, 1e6, 80):
            mu = special.expit(X @ joint + size * (eta - np.median(eta)))
            if np.mean((mu < 0.05) | (mu > 0.95)) > 0.9:
                change = size * way
                change[0] -= size * np.median(eta)
                best = min(best, float(change @ information @ change) / len(y))
                break
    return best


def main() -> None:
    random = np.random.default_rng(20261125)
    sets = {"breast": breast()}
    if len(sys.argv) > 1:
        sets["heart"] = heart(Path(sys.argv[1]))
    for name, (X, y, site) in sets.items():
        far = ", ".join(f"{one:.4f}" for one in distances(X, y, site))
        print(f"{name}: leave-one-out {far}; half-space attack from {attack(X, y, random):.2f}")
    honest, attacks = [], []
    while len(honest) < 500:
        X, y, site = simulated(random)
        try:
            honest.append(max(distances(X, y, site)))
        except (ArithmeticError, np.linalg.LinAlgError):
            continue
        if len(attacks) < 50:
            attacks.append(attack(X, y, random))
    shares = np.quantile(honest, [0.5, 0.95, 0.99, 1.0])
    print(
        "simulated, 500 studies: median, 95 %, 99 %, largest",
        np.round(shares, 4),
        "; attack from",
        round(min(attacks), 2),
    )


if __name__ == "__main__":
    main()
