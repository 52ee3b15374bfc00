"""Breast mass: 569 real patients of one American hospital, divided into four teaching sites with files of their own.

The Wisconsin diagnostic data (Street, Wolberg & Mangasarian 1993) ship with scikit-learn. Who goes where is drawn from
a public hash with weights by diagnosis and size, so that the sites are unequal and larger masses are referred.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from gagyo.demo import copy_files
from gagyo.errors import FileFault

SITES = ("seoul", "busan", "beijing", "tianjin")
WEIGHTS = {
    (False, 0): (0.50, 0.10, 0.32, 0.08),
    (False, 1): (0.45, 0.14, 0.33, 0.08),
    (False, 2): (0.30, 0.20, 0.30, 0.20),
    (True, 0): (0.30, 0.20, 0.30, 0.20),
    (True, 1): (0.30, 0.18, 0.36, 0.16),
    (True, 2): (0.28, 0.16, 0.38, 0.18),
}
"""By (malignant, tertile of mean radius): the chances of each site."""

MEASURES = {"radius": 0, "texture": 1, "smoothness": 4, "compactness": 5, "concavity": 6, "symmetry": 8}
"""The means that are used, and their columns among the thirty; the diagnosis, 0 for malignant, is the last."""

KOREAN = ("환자번호", "반지름", "질감", "평활도", "조밀도", "오목도", "대칭성", "진단")
CHINESE = ("患者编号", "半径", "纹理", "光滑度", "紧致度", "凹度", "对称性", "诊断")


def prepare(folder: Path) -> tuple[Path, Path]:
    """Write the study, four site files and four data files."""
    study, hospitals = copy_files("breast", folder)
    rows, where = divided()
    seoul, busan, beijing, tianjin = (rows.filter(pl.Series(where == site)) for site in range(4))
    # Smoothness, compactness and concavity in thousandths, as whole and tenth numbers in the file.
    _csv(hospitals / "seoul.csv", _scaled(seoul, 1000), KOREAN, ("악성", "양성"), "cp949", ",")
    _csv(hospitals / "busan.csv", busan, KOREAN, ("M", "B"), "utf-8-sig", ";")
    _csv(hospitals / "beijing.csv", _scaled(beijing, 100), CHINESE, ("恶性", "良性"), "gb18030", ",")
    diagnosis = pl.col("malignant").replace_strict({True: 1, False: 0}, return_dtype=pl.Int8)
    tianjin.with_columns(diagnosis).rename(dict(zip(tianjin.columns, CHINESE, strict=True))).write_parquet(
        hospitals / "tianjin.parquet"
    )
    return study, hospitals


def divided() -> tuple[pl.DataFrame, np.ndarray[Any, np.dtype[np.int64]]]:
    """All 569 people (person, six measures, malignant), and the number of the site that each goes to."""
    raw = wisconsin()
    columns = {name: raw[:, column] for name, column in MEASURES.items()}
    malignant = raw[:, -1] == 0
    tertile = np.searchsorted(np.quantile(columns["radius"], [1 / 3, 2 / 3]), columns["radius"], side="right")
    draw = np.array([_draw(person) for person in range(len(malignant))])
    chances = np.array([WEIGHTS[bool(m), int(t)] for m, t in zip(malignant, tertile, strict=True)])
    where = (draw[:, None] >= np.cumsum(chances, axis=1)[:, :3]).sum(axis=1)
    person = [f"W{number:04d}" for number in range(len(malignant))]
    return pl.DataFrame({"person": person, **columns, "malignant": malignant}), where


def wisconsin() -> np.ndarray[Any, np.dtype[np.float64]]:
    """The data (569, 31) from scikit-learn's own file: to import the library for it takes over a second and 150 MB.

    Raises:
        FileFault: scikit-learn is not installed.
    """
    found = find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise FileFault.of("demo_needs_sklearn")
    file = Path(found.submodule_search_locations[0]) / "datasets" / "data" / "breast_cancer.csv"
    if not file.exists():  # a version that keeps it elsewhere
        from sklearn.datasets import load_breast_cancer

        return np.column_stack(load_breast_cancer(return_X_y=True))
    return np.loadtxt(file, delimiter=",", skiprows=1)


def _draw(person: int) -> float:
    return int(hashlib.sha256(f"gagyo-demo-{person}".encode()).hexdigest()[:12], 16) / float(16**12)


def _scaled(rows: pl.DataFrame, by: int) -> pl.DataFrame:
    """Three measures as this hospital writes them: whole multiples, exact in decimal text."""
    return rows.with_columns((pl.col(name) * by).round(6) for name in ("smoothness", "compactness", "concavity"))


def _csv(
    path: Path, rows: pl.DataFrame, header: tuple[str, ...], diagnosis: tuple[str, str], encoding: str, delimiter: str
) -> None:
    names = pl.col("malignant").replace_strict({True: diagnosis[0], False: diagnosis[1]}, return_dtype=pl.String)
    text = rows.with_columns(names).rename(dict(zip(rows.columns, header, strict=True)))
    path.write_bytes(text.write_csv(separator=delimiter).encode(encoding))
