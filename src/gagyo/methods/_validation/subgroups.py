"""Accuracy by subgroup: within-hospital AUC and O/E of the people of each group to which hospitals add."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.local import Name, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.methods._groups import level_label
from gagyo.methods._validation.options import Subgroup
from gagyo.methods._validation.performance import PAIRS, Asked, Set
from gagyo.methods._validation.present import adds, grouped, present
from gagyo.methods._validation.scores import SETS, Layout, outcome, scores
from gagyo.protocol.study import Study
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import Aggregate, Floats, few_or_none, joined
from gagyo.result import Words
from gagyo.statistics import calibration, ledell
from gagyo.text import Text, join


@local("validate", **SETS, variable=Name(), cuts=Numbers((None,), -1e12, 1e12))
def subgroup(
    rows: Rows, formula: str, coefficients: Floats, layout: Floats, sets: Floats, variable: str, cuts: Floats
) -> Aggregate:
    """By group of a variable: cases, controls, concordant pairs, pairs, squared influence, expected cases."""
    y = outcome(rows, formula)
    one = scores(rows, formula, coefficients, Layout.of(layout), sets[0])
    group = group_of(rows, variable, cuts)
    number = number_of_groups(rows.variables[variable], len(cuts))
    # Pairs are within hospital, fold and group.
    cell = one.cell * number + group
    right, others = ledell.cell_placements(one.lp, y, cell)
    influence = np.zeros(rows.n)
    for g in np.unique(group):
        here = group == g
        influence[here] = ledell.influence(right[here], others[here], y[here])
    columns = np.column_stack([y, ~y, right * y, others * y, influence**2, special.expit(one.lp)]).astype(np.float64)
    bounds = np.array([1.0, 1.0, PAIRS, PAIRS, PAIRS**2, 1.0])
    groups = group[:, None] == np.arange(number)
    found = dict(present(rows, columns, groups, bounds))
    # That a group has three cases is a small cell, though the group be large: nobody, or enough of either.
    added = (groups & adds(columns, groups)).any(axis=1)
    either = np.bincount((2 * group + y)[added], minlength=2 * number)
    cells = joined(found["groups"], few_or_none(either))
    found["groups"] = replace(found["groups"], people=cells.people, others=cells.others, structural=cells.structural)
    return found


def group_of(rows: Rows, variable: str, cuts: Floats) -> NDArray[np.int64]:
    """The group of each person (n,): a level, or the number of cuts at or under the value."""
    if rows.variables[variable].type in ("boolean", "category"):
        return np.asarray(rows[variable], dtype=np.int64)
    return np.asarray(np.searchsorted(cuts, rows[variable], side="right"), dtype=np.int64)


def number_of_groups(variable: Variable, cuts: int) -> int:
    """Levels, or the intervals between cuts."""
    if variable.type == "boolean":
        return 2
    return len(variable.levels) if variable.type == "category" else cuts + 1


@dataclass(frozen=True)
class Group:
    """One group's accuracy; NaN where it was withheld."""

    people: float
    cases: float
    auc: float
    auc_error: float
    oe: float
    log_oe_error: float


def by_group(asked: Asked, one: Set, variable: str, cuts: tuple[float, ...]) -> Generator[Ask, Pooled, list[Group]]:
    """The groups of one variable."""
    arguments = {**asked.arguments([one]), "variable": variable, "cuts": np.array(cuts, dtype=np.float64)}
    pooled = yield Ask(subgroup, arguments, doing="summing")
    return [_group(float(people), sums) for people, sums in zip(*grouped(pooled), strict=True)]


def _group(people: float, sums: Floats) -> Group:
    nothing = float("nan")
    cases, controls, concordant, pairs, influence, expected = (float(value) for value in sums)
    if np.isnan([people, cases, pairs]).any() or min(cases, controls) < 10 or not pairs:
        return Group(float(people), nothing, nothing, nothing, nothing, nothing)
    oe, error = calibration.observed_expected(cases, expected, people)
    return Group(float(people), cases, concordant / pairs, float(np.sqrt(influence)) / pairs, oe, error)


def is_measured(one: Subgroup, study: Study) -> bool:
    """Whether a variable's groups are intervals between cuts."""
    return study.variables[one.variable].type not in ("boolean", "category")


def group_labels(one: Subgroup, study: Study) -> list[Words]:
    """A label for each group of a variable."""
    variable = study.variables[one.variable]
    number = number_of_groups(variable, len(one.cuts))
    if not is_measured(one, study):
        return [Words(text=level_label(variable, level)) for level in range(number)]
    ends = [f"< {one.cuts[0]:g}", *(f"{a:g} – < {b:g}" for a, b in pairwise(one.cuts)), f"≥ {one.cuts[-1]:g}"]
    return [Words(text=join(": ", variable.label, Text(end, end, end))) for end in ends]
