"""Which head counts and which sums of outcomes a generalised linear fit gives away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.rows import Rows
from gagyo.methods._offset import Offset
from gagyo.methods._regression import MOST_TRAITS, design_cells
from gagyo.methods._traits import (
    design_traits,
    first_levels,
    variables_of,
)
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Floats, Measure, behind, few_or_none, joined
from gagyo.release.few_values import combined


def fit_cells(rows: Rows, formula: Formula) -> Measure:
    """The cells of any fit; and of a count, how many people have one that is not zero, in every column.

    A level's score is its people's outcomes less what is expected: where two of twelve had any event, the sum over the
    twelve is what these two had.
    """
    parts = [design_cells(rows, formula), *_combinations(rows, formula)]
    if rows.variables[formula.outcome].type != "boolean":
        parts += _with_outcome(rows, formula)
    return joined(*parts)


def _with_outcome(rows: Rows, formula: Formula) -> list[Measure]:
    design, some = rows.design(formula), rows[formula.outcome] != 0
    traits = np.array([column.indicator is not None for column in formula.columns(rows.variables)])
    numbers = ((design != 0) & some[:, None]).sum(axis=0, dtype=np.int64)
    first = (first_levels(rows, formula) & some[:, None]).sum(axis=0, dtype=np.int64)
    return [behind(np.append(numbers[traits], first)), few_or_none(numbers[~traits])]


def _combinations(rows: Rows, formula: Formula) -> list[Measure]:
    """Of a design without measurements, how many people have each combination: iterates are equations in these."""
    having = design_traits(rows, formula)
    if rows.variables[formula.outcome].type == "boolean" or having.shape[1] > MOST_TRAITS:
        return []  # a 0/1 outcome is among the combinations that any fit counts
    return [combined(having, variables_of(rows, formula.predictors))]


def _combination(rows: Rows, formula: Formula) -> NDArray[np.bool_] | None:
    """Each person's traits, 0/1 columns and few values (n, q); None where the design has measurements."""
    having, columns = design_traits(rows, formula), variables_of(rows, formula.predictors)
    if having.shape[1] > MOST_TRAITS or any(one.values is None for one in columns):
        return None
    return np.column_stack([having, *(one.holding() for one in columns)])


def by_combination(rows: Rows, formula: Formula, offset: Offset, weights: str = "") -> Floats:
    """Each person's outcome over what the offset expects, times their weight, in the column of their combination
    (n, c), or (n, 0).

    The score of a family whose link is not canonical weighs outcomes otherwise in each round: as the rounds go by, the
    sum of outcomes of each combination follows, so that nobody may make up most of one.
    """
    traits = _combination(rows, formula)
    if traits is None or rows.variables[formula.outcome].type == "boolean":
        return np.zeros((rows.n, 0))
    over = rows[formula.outcome] * np.exp(-offset.of(rows)) * (rows[weights] if weights else 1.0)
    _, place = np.unique(traits, axis=0, return_inverse=True)
    return np.asarray((place[:, None] == np.arange(place.max(initial=-1) + 1)) * over[:, None])
