"""Validation of a model whose people lack predictors: the conversation, and what it found.

The model is the equation that is pooled over the data sets; it is evaluated in each of them, and what is found is
pooled by Rubin's rules. No outcome told an imputed value: it is the performance in practice, where people lack
predictors (Wood et al. 2015, Biom J 57:614).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.federation.ask import Ask, Numerals, Pooled
from gagyo.methods._imputation_walk import Chained
from gagyo.methods._profile_fit import check_whole
from gagyo.methods._silent import TOLD_NOTHING, ByHospital, told_each
from gagyo.methods._validation import imputed_cuts
from gagyo.methods._validation.completed import completed, completed_lines, completed_own, completed_withheld, on_logit
from gagyo.methods._validation.cuts import Threshold
from gagyo.methods._validation.imputed import leave_out
from gagyo.methods._validation.imputed_cuts import Placed
from gagyo.methods._validation.imputed_folds import fold_equations
from gagyo.methods._validation.imputed_groups import PooledGroup, by_group
from gagyo.methods._validation.options import FEWEST_HOSPITALS, Options
from gagyo.methods._validation.parts import Lacking, Parts
from gagyo.methods._validation.performance import (
    EXPECTED,
    Performance,
    fitted_lines,
    line_question,
    performance_of,
)
from gagyo.methods._validation.subgroups import group_labels
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Floats
from gagyo.result import Words
from gagyo.statistics import rubin
from gagyo.statistics.netbenefit import Benefit

MEASURED = ("auc", "oe", "slope", "citl")
"""What is pooled over all hospitals with errors: the AUC on the logit scale, O/E on the logarithmic."""


@dataclass(frozen=True)
class Sets:
    """Performance by data set."""

    each: tuple[Performance, ...]

    def pooled(self) -> rubin.Pooled:
        """The measures of MEASURED over the data sets; NaN where one of these does not determine it."""
        pairs = np.array([[_on_scale(one, name) for name in MEASURED] for one in self.each])
        return rubin.pool(pairs[:, :, 0], pairs[:, :, 1] ** 2, np.inf)

    def mean(self, name: str) -> float:
        """The mean of a measure without an error."""
        return float(np.mean([getattr(one, name) for one in self.each]))


def _on_scale(one: Performance, name: str) -> tuple[float, float]:
    if name == "auc":
        return on_logit(one.auc, one.auc_error)
    if name == "oe":
        return float(np.log(one.oe)), one.log_oe_error
    line = one.slope if name == "slope" else one.citl
    return line.value, line.standard_error


@dataclass
class Foreseen(Parts):
    """What was found: by data set over all hospitals, of everyone's equation and of those of folds; by hospital, and by
    hospital that was left out; at thresholds, and by group; what hospitals withheld.

    benefit: net benefit of the model at the thresholds of `points`.
    """

    people: int
    cases: int
    sites: tuple[str, ...]
    apparent: Sets
    crossed: Sets | None = None
    told: ByHospital = TOLD_NOTHING
    left_out: Mapping[str, Numerals] = field(default_factory=dict)
    thresholds: list[Threshold] = field(default_factory=list)
    points: list[float] = field(default_factory=list)
    benefit: Benefit | None = None
    subgroups: list[tuple[Words, PooledGroup | None]] = field(default_factory=list)
    kept: list[Lacking] = field(default_factory=list)


def foresee(chained: Chained, options: Options, study: Study, analysis: str) -> Generator[Any, Any, Foreseen]:
    """Evaluate the pooled equation over all hospitals, those of folds, at each hospital and made without each."""
    one = {"starts": chained.starts, "draws": chained.draws, "coefficients": chained.coefficients}
    said = chained.spec.arguments
    everyone = {**said, **{name: values[None] for name, values in one.items()}}
    found = yield from _apparent(everyone, chained.spec.times, f"{analysis}.recalibration")
    asked = everyone
    if options.cross:
        crossed = yield from found.part("folds", _folds(chained, options.cross, f"{analysis}.folds"))
        if crossed:
            asked, found.crossed = crossed
    here = told_each(completed_withheld, completed_own, {**said, **one}, {"shut": 0})
    found.told = (yield from found.part("hospitals", here)) or TOLD_NOTHING
    if options.leave_out and len(found.sites) >= FEWEST_HOSPITALS:
        found.left_out = (yield from found.part("left_out", leave_out(chained, found.told.silent))) or {}
    if imputed_cuts.declared_cuts(options):
        least = study.release.minimum_people
        placing = imputed_cuts.place(asked, options, chained.spec.times, found.people, least)
        placed = yield from found.part("cuts", placing)
        _at_thresholds(found, options, placed)
    for group in options.groups:
        talk, labels = by_group(asked, group), group_labels(group, study)
        groups = yield from found.part("subgroups", talk, study.variables[group.variable].label)
        found.subgroups += list(zip(labels, groups or (None for _ in labels), strict=True))
    return found


def _apparent(asked: dict[str, Any], times: int, name: str) -> Generator[Ask, Pooled, Foreseen]:
    sets, answer = yield from _measured(asked, times, name)
    people, cases = (int(number) for number in answer["people"])
    return Foreseen(people, cases, answer.sites, sets)


def _measured(asked: dict[str, Any], times: int, name: str) -> Generator[Ask, Pooled, tuple[Sets, Pooled]]:
    """Performance by data set, and the answer that counts the people."""
    answer: Pooled = yield Ask(completed, asked, doing="summing")
    check_whole(answer, "people", "sums", "expected")

    def ask(lines: Floats, active: NDArray[np.intp]) -> Ask:
        more = {"sets": (active // 2).astype(np.float64)}
        return line_question(completed_lines, {**asked, **more}, lines, name, times)

    lines = yield from fitted_lines(ask, times)
    people, cases = (int(one) for one in answer["people"])
    sums = np.insert(answer["sums"], EXPECTED, answer["expected"], axis=1)
    each = tuple(performance_of(people, cases, one, line) for one, line in zip(sums, lines, strict=True))
    return Sets(each), answer


def _folds(chained: Chained, folds: int, name: str) -> Generator[Ask, Pooled, tuple[dict[str, Any], Sets]]:
    """The folds' equations as arguments, and the performance of everyone's scores by that of the fold they are in."""
    equations = yield from fold_equations(chained, folds)
    asked = {**chained.spec.arguments, **equations}
    sets, _ = yield from _measured(asked, chained.spec.times, name)
    return asked, sets


def _at_thresholds(found: Foreseen, options: Options, placed: Placed | None) -> None:
    """What the opened cells tell at the declared thresholds."""

    def tables(value: float) -> Floats | None:
        return placed.tables(float(special.logit(value))) if placed else None

    for value in (one.value for one in options.thresholds if one.value):
        there = tables(value)
        found.thresholds.append(Threshold(None, value, None if there is None else imputed_cuts.accuracy(there)))
    known = {value: there for value in sorted(set(options.decision)) if (there := tables(value)) is not None}
    if known:
        found.points = list(known)
        found.benefit = imputed_cuts.benefit(found.points, list(known.values()), found.people)
