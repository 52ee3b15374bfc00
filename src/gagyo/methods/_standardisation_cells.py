"""Which head counts outcome models in two groups give away: in all, and at each hospital with intercepts of its own."""

from __future__ import annotations

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.methods._propensity import is_own
from gagyo.methods._regression import design_cells
from gagyo.methods._traits import variable_of
from gagyo.methods._weighting_cells import Chosen, own_cells, pooled_cells, traits_of
from gagyo.protocol.formula import Formula
from gagyo.protocol.variables import levels_of
from gagyo.release.aggregate import NOBODY, Counts, Measure, few_or_none, joined, own_table
from gagyo.release.few_values import supported


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
    outcome = rows.variables[formula.outcome]
    y = rows[outcome.name][group]
    if levels_of(outcome):
        sizes, beside = own_table([(y == level).sum() for level in (0, 1)]), [rows[outcome.name] == 1]
    else:
        sizes, beside = np.append(own_table([len(y)]), supported([variable_of(rows, outcome.name)], group).people), []
    return np.concatenate([sizes, traits_of(rows, formula, group, beside)])
