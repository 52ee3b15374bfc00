"""All that a validation found, before it is told in tables and curves."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gagyo.methods._silent import TOLD_NOTHING, ByHospital
from gagyo.methods._validation.bootstrap import Optimism
from gagyo.methods._validation.cuts import Threshold
from gagyo.methods._validation.descent import Grown
from gagyo.methods._validation.own import Hospital
from gagyo.methods._validation.parts import Lacking, Parts
from gagyo.methods._validation.performance import Performance
from gagyo.methods._validation.splines import Bend
from gagyo.methods._validation.subgroups import Group
from gagyo.release.aggregate import Floats
from gagyo.result import Words
from gagyo.statistics import roc
from gagyo.statistics.calibration import Band

Area = tuple[float, float]
"""An AUC over all pairs with the bound of its bins."""


@dataclass
class Findings(Parts):
    """What has been found so far; what a design leaves out stays empty."""

    people: int = 0
    cases: int = 0
    sites: tuple[str, ...] = ()
    parameters: int = 0
    fixed: bool = False
    likelihood: float = float("nan")
    apparent: Performance | None = None
    crossed: Performance | None = None
    optimism: Optimism | None = None
    tree: Grown | None = None
    scored: Grown | None = None
    held_out: list[Grown] = field(default_factory=list)
    band: Band | None = None
    thresholds: list[Threshold] = field(default_factory=list)
    subgroups: list[tuple[Words, Group | None]] = field(default_factory=list)
    bends: list[Bend] = field(default_factory=list)
    unstable: Floats = field(default_factory=lambda: np.zeros((0, 5)))
    hospitals: tuple[Hospital, ...] = ()
    left_out: tuple[Hospital, ...] = ()
    told: ByHospital = TOLD_NOTHING
    """What hospitals tell of themselves by the joint model, and which are silent."""
    notes: list[Words] = field(default_factory=list)
    kept: list[Lacking] = field(default_factory=list)

    @property
    def apparent_area(self) -> Area | None:
        """Over all pairs by the joint model."""
        return _area([self.tree]) if self.tree and self.tree.opened else None

    @property
    def crossed_area(self) -> Area | None:
        """Over all pairs of a fold, averaged by pairs; None where a fold opened no bins."""
        return _area(self.held_out) if self.held_out and all(one.opened for one in self.held_out) else None

    @property
    def likelihood_ratio(self) -> float:
        """Of the joint model against the overall risk."""
        share = self.cases / self.people
        null = self.cases * np.log(share) + (self.people - self.cases) * np.log(1 - share)
        return float(2 * (self.likelihood - null))


def _area(grown: list[Grown]) -> Area:
    pairs = sum(float(np.prod(one.counts.sum(axis=0))) for one in grown)
    if not pairs:
        return float("nan"), float("nan")
    concordant = sum(roc.concordant(one.counts) for one in grown)
    within = sum(float(one.counts[:, 0] @ one.counts[:, 1]) for one in grown)
    return concordant / pairs, within / (2 * pairs)
