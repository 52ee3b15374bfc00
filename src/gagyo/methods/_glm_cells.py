"""Which head counts and which sums of outcomes a generalised linear fit gives away."""

from __future__ import annotations

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.methods._regression import MOST_TRAITS, design_cells
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Floats, Measure, behind, few_or_none, joined, supported


def fit_cells(rows: Rows, formula: Formula, exposure: str) -> Measure:
    """The cells of any fit; and of a count, how many people have one that is not zero, in every column.

    A level's score is its people's outcomes less what is expected: where two of twelve had any event, the sum over the
    twelve is what these two had.
    """
    parts = [design_cells(rows, formula), *_combinations(rows, formula)]
    if exposure:
        parts.append(supported([rows[exposure]], [rows.variables[exposure].bounds]))
    if rows.variables[formula.outcome].type != "boolean":
        parts += _with_outcome(rows, formula)
    return joined(*parts)


def _with_outcome(rows: Rows, formula: Formula) -> list[Measure]:
    design, some = rows.design(formula), rows[formula.outcome] != 0
    traits = np.array([column.indicator is not None for column in formula.columns(rows.variables)])
    numbers = ((design != 0) & some[:, None]).sum(axis=0, dtype=np.int64)
    return [behind(numbers[traits]), few_or_none(numbers[~traits])]


def _combinations(rows: Rows, formula: Formula) -> list[Measure]:
    """Of a design of 0/1 columns, how many people have each combination: iterates are equations in these."""
    codes = combination(rows, formula)
    if codes is None or rows.variables[formula.outcome].type == "boolean":
        return []  # a 0/1 outcome is among the combinations that any fit counts
    whole = 1 << rows.design(formula).shape[1]  # of as many cells at every hospital
    return [few_or_none(np.bincount(codes, minlength=whole).astype(np.int64))]


def combination(rows: Rows, formula: Formula) -> np.ndarray | None:
    """The number (n,) of each person's combination of 0/1 columns; None where the design has measurements."""
    columns = formula.columns(rows.variables)
    if len(columns) > MOST_TRAITS or any(column.indicator is None for column in columns):
        return None
    having = rows.design(formula).astype(np.int64)
    codes: np.ndarray = having @ (1 << np.arange(having.shape[1]))
    return codes


def by_combination(rows: Rows, formula: Formula) -> Floats:
    """The outcome of each person in the column of their combination (n, combinations), or (n, 0).

    The score of a family whose link is not canonical weighs outcomes otherwise in each round: as the rounds go by, the
    sum of outcomes of each combination follows, so that nobody may make up most of one.
    """
    codes = combination(rows, formula)
    if codes is None or rows.variables[formula.outcome].type == "boolean":
        return np.zeros((rows.n, 0))
    _, place = np.unique(codes, return_inverse=True)
    return np.asarray((place[:, None] == np.arange(place.max(initial=-1) + 1)) * rows[formula.outcome][:, None])
