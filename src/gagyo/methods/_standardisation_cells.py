"""Which head counts outcome models in two groups give away: in all, and at each hospital with intercepts of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.rows import Rows
from gagyo.methods._groups import levels_of
from gagyo.methods._propensity import is_own
from gagyo.methods._regression import MOST_TRAITS, design_cells
from gagyo.methods._weighting_cells import own_cells, pooled_cells
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import NOBODY, Counts, Measure, few_or_none, joined, own_table, supported

Chosen = NDArray[np.bool_]


def both_groups(rows: Rows, treatment: str) -> tuple[Chosen, Chosen]:
    """Who is treated (n,), and who is not."""
    return rows[treatment] == 1, rows[treatment] == 0


def model_cells(rows: Rows, formula: Formula, treatment: str, propensity: str) -> Measure:
    """Cells over all hospitals: those of the outcome model within each group, and of the propensity model."""
    groups = both_groups(rows, treatment)
    parts = [design_cells(rows, formula, group) for group in groups]
    parts.append(few_or_none(np.array([group.sum() for group in groups], dtype=np.int64)))
    if propensity:
        parts.append(pooled_cells(rows, rows.formula(propensity), formula.outcome, ()))
    return joined(*parts)


def model_own(rows: Rows, formula: Formula, treatment: str, propensity: str, hospitals: str) -> Counts:
    """Cells of this hospital alone, where intercepts are its own: what it adds is then made of its own shares.

    In each group k people with each outcome; nobody or k with and without each trait, away from zero and the ends of
    each range; of traits alone, in each combination. Those of the propensity model too.
    """
    if not is_own(hospitals):
        return NOBODY
    parts = [_of_group(rows, formula, group) for group in both_groups(rows, treatment)]
    if propensity:
        parts.append(own_cells(rows, rows.formula(propensity), formula.outcome, hospitals))
    return np.concatenate(parts)


def _of_group(rows: Rows, formula: Formula, group: Chosen) -> Counts:
    columns, y = formula.columns(rows.variables)[1:], rows[formula.outcome][group]
    design, binary = rows.design(formula)[group, 1:], levels_of(rows.variables[formula.outcome]) > 0
    traits = np.array([column.indicator is not None for column in columns], bool)
    having, measured = design[:, traits] == 1, list(design[:, ~traits].T)
    found = [own_table([(y == level).sum() for level in (0, 1)] if binary else [len(y)])]
    found += [having.sum(axis=0), (~having).sum(axis=0)]
    ends = [_ends(rows, column.name, column.bound) for column, trait in zip(columns, traits, strict=True) if not trait]
    if not binary:
        measured, ends = [*measured, y], [*ends, rows.variables[formula.outcome].bounds]
    if measured:
        found.append(supported(measured, ends).people)
    if not (~traits).any() and having.shape[1] <= MOST_TRAITS:
        every = np.column_stack([*([y == 1] if binary else []), having])
        found.append(np.unique(every, axis=0, return_counts=True)[1] if every.shape[1] else NOBODY)
    return np.concatenate([np.asarray(one, dtype=np.int64).ravel() for one in found])


def _ends(rows: Rows, name: str, bound: float) -> tuple[float, float]:
    variable = rows.variables.get(name)
    return variable.bounds if variable else (-bound, bound)
