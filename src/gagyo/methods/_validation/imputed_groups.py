"""Subgroups in completed data sets: within-hospital AUC and O/E of each group, pooled over the sets by Rubin's rules.

A group is of a variable that nobody lacks, so that its people are the same in all sets. What differs between the sets
is of those of the group who lack something: they are nobody or k, of each outcome and of each variable that they lack.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.local import Name, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.methods._imputation_chains import Spec
from gagyo.methods._validation.completed import on_logit
from gagyo.methods._validation.filled import EQUATIONS, filled, lacking, outcome
from gagyo.methods._validation.options import Subgroup
from gagyo.methods._validation.performance import PAIRS
from gagyo.methods._validation.present import grouped, present
from gagyo.methods._validation.subgroups import group_of, number_of_groups
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Aggregate, Floats
from gagyo.statistics import calibration, ledell, rubin

CONSTANT = 3
"""Cases, controls and pairs: the same in all sets."""


@local("validate", **EQUATIONS, variable=Name(), cuts=Numbers((None,), -1e12, 1e12))
def completed_groups(
    rows: Rows,
    *,
    starts: Floats,
    draws: Floats,
    coefficients: Floats,
    variable: str,
    cuts: Floats,
    **said: Any,
) -> Aggregate:
    """By group: cases, controls, pairs; by data set concordant pairs, squared influence, expected cases."""
    spec = Spec.of(rows, **said)
    y, one = outcome(rows, spec), filled(rows, spec, starts, draws, coefficients)
    group = group_of(rows, variable, cuts)
    number = number_of_groups(rows.variables[variable], len(cuts))
    cell = one.fold * number + group
    columns: list[Any] = [y, ~y]
    for at, lp in enumerate(one.lps):
        right, others = ledell.cell_placements(lp, y, cell)
        influence = np.zeros(rows.n)
        for g in np.unique(group):
            here = group == g
            influence[here] = ledell.influence(right[here], others[here], y[here])
        columns += [others * y] if at == 0 else []
        columns += [right * y, influence**2, special.expit(lp)]
    lack = lacking(rows, spec)
    apart = [~lack, lack & y, lack & ~y, *(~rows.present(name) for name in spec.impute)]
    bounds = np.append([1.0, 1.0, PAIRS], np.tile([PAIRS, PAIRS**2, 1.0], spec.times))
    table = np.column_stack(columns).astype(np.float64)
    return present(rows, table, group[:, None] == np.arange(number), bounds, apart)


@dataclass(frozen=True)
class PooledGroup:
    """One group's people and cases, NaN where withheld; value, error and freedom of its AUC on the logit scale and of
    its O/E on the logarithmic, NaN where not determined.
    """

    people: float
    cases: float
    auc: tuple[float, float, float]
    oe: tuple[float, float, float]


NOTHING = (float("nan"),) * 3


def by_group(asked: dict[str, Any], one: Subgroup) -> Generator[Ask, Pooled, list[PooledGroup]]:
    """The groups of one variable."""
    arguments = {**asked, "variable": one.variable, "cuts": np.array(one.cuts, dtype=np.float64)}
    pooled = yield Ask(completed_groups, arguments, doing="summing")
    return [_group(float(people), sums) for people, sums in zip(*grouped(pooled), strict=True)]


def _group(people: float, sums: Floats) -> PooledGroup:
    cases, controls, pairs = (float(value) for value in sums[:CONSTANT])
    if np.isnan([people, cases, pairs]).any() or min(cases, controls) < 10 or not pairs:
        return PooledGroup(people, float("nan"), NOTHING, NOTHING)
    each = sums[CONSTANT:].reshape(-1, 3)
    areas = [on_logit(concordant / pairs, float(np.sqrt(squares)) / pairs) for concordant, squares, _ in each]
    ratios = [calibration.observed_expected(cases, expected, people) for expected in each[:, 2]]
    return PooledGroup(
        people, cases, _pooled(areas), _pooled([(float(np.log(value)), error) for value, error in ratios])
    )


def _pooled(pairs: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Value, error and degrees of freedom of values and errors."""
    both = np.array(pairs)
    if not np.isfinite(both).all():
        return NOTHING
    one = rubin.pool(both[:, :1], both[:, 1:] ** 2, np.inf)
    return float(one.value[0]), float(one.error[0]), float(one.freedom[0])


def sent_groups(one: Subgroup, study: Study, times: int) -> int:
    """Numbers of a question about a variable's groups."""
    number = number_of_groups(study.variables[one.variable], len(one.cuts))
    return number * (1 + CONSTANT + 3 * times) + 1
