"""Which head counts a weighted comparison gives away: of treatment and outcome, in all and at each hospital."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.rows import Rows
from gagyo.methods._propensity import is_own
from gagyo.methods._regression import MOST_TRAITS, design_cells
from gagyo.methods._traits import (
    design_traits,
    first_levels,
    measured_columns,
    variable_of,
)
from gagyo.protocol.formula import Formula
from gagyo.protocol.variables import levels_of
from gagyo.release.aggregate import NOBODY, Counts, Floats, Measure, behind, joined, own_table
from gagyo.release.few_values import away, supported

Chosen = NDArray[np.bool_]


def joint_formula(formula: Formula, outcome: str) -> str:
    """The outcome on the treatment and all that predicts it: whose cells a weighted comparison gives away."""
    return f"{outcome} ~ {formula.outcome} + {formula.text.partition('~')[2]}"


def pooled_cells(rows: Rows, formula: Formula, outcome: str, balance: tuple[str, ...]) -> Measure:
    """Cells over all hospitals: those of the propensity model, of the outcome with its terms, and of each group.

    In each group: who has each level of a variable whose balance is told; whose measurements are away from zero and
    from the ends of the range, since a weighted sum over a few is theirs.
    """
    parts = [design_cells(rows, formula), design_cells(rows, rows.formula(joint_formula(formula, outcome)))]
    for group in (rows[formula.outcome] == 0, rows[formula.outcome] == 1):
        for name in dict.fromkeys([outcome, *balance]):
            parts.append(_within(rows, name, group))
    return joined(*parts)


def _within(rows: Rows, name: str, group: Chosen) -> Measure:
    levels = levels_of(rows.variables[name])
    if levels:
        x = rows[name][group]
        return behind(np.array([(x == level).sum() for level in range(levels)], dtype=np.int64))
    return supported([variable_of(rows, name)], group)


def own_cells(rows: Rows, formula: Formula, outcome: str, hospitals: str) -> Counts:
    """Cells of this hospital alone, where its intercept is its own.

    What it adds is then made of its own shares: at coefficients of zero the score is a sum of a b / n over hospitals,
    which comes apart into each one's table. So it must hold k people of each group with each outcome; nobody or k with
    and without each trait, away from zero and the ends of each range; and of traits alone, in each combination.
    """
    if not is_own(hospitals):
        return NOBODY
    treated, everyone = rows[formula.outcome], np.ones(rows.n, bool)
    beside = [treated == 1, *([rows[outcome] == 1] if levels_of(rows.variables[outcome]) else [])]
    return np.concatenate([_by_outcome(rows, treated, outcome), traits_of(rows, formula, everyone, beside)])


def traits_of(rows: Rows, formula: Formula, chosen: Chosen, beside: list[Chosen]) -> Counts:
    """Of the chosen people of this hospital: with and without each trait, at each first level, away from zero and the
    ends of each range.

    Where every column of the design is a trait or holds a few values, also who holds each value, and who has each
    combination of them and of `beside`, each (n,).
    """
    columns, having = measured_columns(rows, formula), design_traits(rows, formula)[chosen]
    every = all(one.values is not None for one in columns)
    if every:
        having = np.column_stack([having, *(one.holding(chosen) for one in columns)])
    first = first_levels(rows, formula)[chosen].sum(axis=0)
    found = [having.sum(axis=0), (~having).sum(axis=0), first, away(columns, chosen)]
    if every and having.shape[1] <= MOST_TRAITS:
        table = np.column_stack([*(one[chosen] for one in beside), having])
        found.append(np.unique(table, axis=0, return_counts=True)[1])
    return np.concatenate([np.asarray(one, dtype=np.int64) for one in found])


def _by_outcome(rows: Rows, treated: Floats, outcome: str) -> Counts:
    """Both groups, by the outcome where it has levels."""
    groups = [treated == 0, treated == 1]
    levels = levels_of(rows.variables[outcome])
    if levels:
        return own_table([[(rows[outcome][group] == level).sum() for level in range(levels)] for group in groups])
    sizes = own_table([group.sum() for group in groups])
    away = [supported([variable_of(rows, outcome)], group).people for group in groups]
    return np.concatenate([sizes, *away])
