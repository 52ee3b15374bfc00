"""The head counts that a validation gives away where its model was not fitted here: those of a given equation.

Expected cases of an equation with one 0/1 column are how many people have it; of two equations that differ by one
coefficient, sums over those who have that column.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.rows import Rows
from gagyo.methods._regression import design_cells
from gagyo.methods._traits import all_traits, measured_columns
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import NOBODY, Counts, Floats, own_table
from gagyo.release.few_values import supported

FEW_SCORES = 8
"""Scores whose table by outcome follows from a hospital's own measures."""

APART = 2.0
"""In deviations of all else's sum: a trait that weighs more is counted by the expected cases, to the person."""


def equation_cells(rows: Rows, text: str) -> Counts:
    """Of a formula's 0/1 columns and first levels, how many have each and have not; who is away from zero and the ends
    of each range: nobody, or k. Of a formula without measurements every head count of its fit.
    """

    def made() -> Counts:
        formula = rows.formula(text)
        columns = measured_columns(rows, formula)
        if not columns:
            return design_cells(rows, formula).people
        having = all_traits(rows, formula).sum(axis=0, dtype=np.int64)
        return np.concatenate([having, rows.n - having, supported(columns).people])

    found: Counts = rows.kept(("equation cells", text), made)
    return found


def own_groups(rows: Rows, formula: Formula, coefficients: Floats, lp: Floats, y: NDArray[np.bool_]) -> Counts:
    """The hospital's people whom its own measures of a model (p,) give away, for the rule over its own groups.

    Those of each score and outcome, where scores are few; and those who have, or have not, a 0/1 column beside which
    all other columns hardly move the sum of the scores.
    """
    if len(np.unique(lp[:4096])) <= FEW_SCORES:
        scores, number = np.unique(lp, return_inverse=True)
        if len(scores) <= FEW_SCORES:
            return own_table(np.bincount(2 * number + y, minlength=2 * len(scores)))
    X, columns = rows.design(formula), formula.columns(rows.variables)
    found = [NOBODY]
    for j, column in enumerate(columns):
        if column.indicator and coefficients[j]:
            others = lp - coefficients[j] * X[:, j]
            if others.std() * np.sqrt(rows.n) < APART * abs(coefficients[j]):
                having = int(X[:, j].sum())
                found.append(np.array([having, rows.n - having], np.int64))
    return np.concatenate(found)
