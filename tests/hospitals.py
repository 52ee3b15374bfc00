"""Hospitals for tests: real rows (Wisconsin diagnostic data), divided as in the demo, behind real doors in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer

from gagyo.coordinator.planning import make_plan
from gagyo.coordinator.run import Run
from gagyo.exchange.envelope import Keys
from gagyo.protocol.plan import Plan
from gagyo.protocol.study import Study
from gagyo.runtime.embedded import Embedded
from gagyo.runtime.journal import Journal
from gagyo.site.policy import Policy
from gagyo.site.ruled import Ruled
from gagyo.site.site import Site

SITES = ("seoul", "busan", "beijing", "tianjin")
WEIGHTS = {
    (0, 0): (0.50, 0.10, 0.32, 0.08),
    (0, 1): (0.45, 0.14, 0.33, 0.08),
    (0, 2): (0.30, 0.20, 0.30, 0.20),
    (1, 0): (0.30, 0.20, 0.30, 0.20),
    (1, 1): (0.30, 0.18, 0.36, 0.16),
    (1, 2): (0.28, 0.16, 0.38, 0.18),
}
STUDY = """
gagyo: "1"
study: breast-mass
title: {en: Breast mass, ko: 유방 종괴, zh: 乳腺肿块}
purpose: scientific_research
lead: {name: Kim, organisation: Hanbit, country: KR}
period: {from: 2026-11-01, until: 2027-10-31}
sites: [seoul, busan, beijing, tianjin]
variables:
  texture: {type: number, range: [0, 60], label: {en: Texture, ko: 질감, zh: 纹理}}
  smoothness: {type: number, range: [0, 1], label: {en: Smoothness, ko: 평활도, zh: 光滑度}}
  compactness: {type: number, range: [0, 1], label: {en: Compactness, ko: 조밀도, zh: 紧致度}}
  symmetry: {type: number, range: [0, 1], label: {en: Symmetry, ko: 대칭성, zh: 对称性}}
  radius: {type: number, range: [0, 50], label: {en: Radius, ko: 반지름, zh: 半径}}
  size:
    type: category
    label: {en: Size, ko: 크기, zh: 大小}
    levels:
      small: {en: small, ko: 작음, zh: 小}
      medium: {en: medium, ko: 중간, zh: 中}
      large: {en: large, ko: 큼, zh: 大}
  malignant: {type: boolean, label: {en: Malignant, ko: 악성, zh: 恶性}}
cohorts:
  all: {}
analyses:
"""
PREDICTORS = "texture + smoothness + compactness + symmetry"


@dataclass
class Rows:
    """A hospital's mapped data."""

    columns: dict[str, np.ndarray]
    persons: list[bytes] = field(default_factory=list)
    absent: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.persons)


def breast() -> dict[str, Rows]:
    """The 569 people by teaching site, as the issue's weights divide them."""
    raw = load_breast_cancer()
    names = list(raw.feature_names)
    radius = raw.data[:, names.index("mean radius")]
    tertile = np.searchsorted(np.quantile(radius, [1 / 3, 2 / 3]), radius, side="right")
    malignant = (raw.target == 0).astype(int)
    draw = np.array([int(hashlib.sha256(f"gagyo-demo-{i}".encode()).hexdigest()[:12], 16) / 16**12 for i in range(569)])
    cumulated = np.array([np.cumsum(WEIGHTS[(m, t)]) for m, t in zip(malignant, tertile, strict=True)])
    where = (draw[:, None] >= cumulated[:, :3]).sum(axis=1)
    columns = {
        name: raw.data[:, names.index(f"mean {name}")] for name in ("texture", "smoothness", "compactness", "symmetry")
    }
    columns |= {"radius": radius, "size": tertile.astype(float), "malignant": malignant.astype(float)}
    return {
        site: Rows(
            {k: v[where == s] for k, v in columns.items()}, [f"p{i}".encode() for i in np.flatnonzero(where == s)]
        )
        for s, site in enumerate(SITES)
    }


def pooled(hospitals: Mapping[str, Rows]) -> dict[str, np.ndarray]:
    """All rows as one data set, hospital after hospital."""
    first = next(iter(hospitals.values()))
    return {name: np.concatenate([one.columns[name] for one in hospitals.values()]) for name in first.columns}


@dataclass
class House:
    """A coordinator and its hospitals, ready to run a study."""

    study: Study
    sites: dict[str, Site]
    plan: Plan
    journal: Journal

    def run(self, disputed: bool = False, **options: Any) -> Run:
        """Run the study to its end; among honest hospitals, none says that the record is not as it should be."""
        run = Run(self.plan, self.journal, **options)
        for _ in run:
            pass
        assert disputed == any(answer.code == "bad_record" for answer in run.answers)
        return run


def house(
    folder: Path,
    study: str,
    hospitals: Mapping[str, Rows],
    policies: Mapping[str, Policy] | None = None,
    wrap: Callable[[Embedded], Any] = lambda runtime: runtime,
    ruled: Mapping[str, Ruled] | None = None,
) -> House:
    """Hospitals that have approved the study's plan."""
    parsed = Study.parse(study)
    sites = {
        name: Site(
            name, folder / name, lambda _, rows=rows: rows, (policies or {}).get(name), ruled=(ruled or {}).get(name)
        )
        for name, rows in hospitals.items()
    }
    coordinator = Keys.open(folder / "coordinator.keys")
    keys = {"coordinator": coordinator.public} | {name: site.keys.public for name, site in sites.items()}
    plan = make_plan(parsed, keys)
    for site in sites.values():
        site.approve(plan)
    journal = Journal(folder / "journal.jsonl", coordinator, wrap(Embedded(sites)))
    return House(parsed, sites, plan, journal)
