"""Whom weights or an offset set apart, which the same model without them does not have; and the cells of such a part.

Two models that are the same but that one has weights, of which all but one person's are 1, differ by that person: a
study, or two, would ask for both. So whoever such a variable sets apart is nobody, or k, over all hospitals, with and
without each 0/1 column, first level and outcome, and nobody is most of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.methods._traits import all_traits, outcome_columns
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import NO_SPREAD, Floats, Measure, few_or_none, side_by_side
from gagyo.release.few_values import Bools
from gagyo.release.parts import spread_apart


def weighed_apart(rows: Rows, formula: Formula, x: Floats) -> Measure:
    """Of weights, or exposures (n,): who has others than most; none where there is no one value that most have.

    Weights that are nearly alike for all but a few weigh these few alone: they may not be most of what differs.
    """
    sides = sides_of(rows, formula)
    away = from_usual(x)
    has_usual = 2 * np.count_nonzero(away) < rows.n
    of_two = _of_two(away > 0, sides) if has_usual else np.full(_pairs(sides), rows.n, np.int64)
    return apart(few_or_none(of_two), away, sides, hospitals=1)


def from_usual(x: Floats) -> Floats:
    """How far each number (n,) is from the middle one, which is that of most where most have one."""
    middle = len(x) // 2
    return np.asarray(np.abs(x - np.partition(x, middle)[middle])) if len(x) else x


def sides_of(rows: Rows, formula: Formula) -> Bools:
    """Everyone, and those with and without each 0/1 column, first level and outcome: (n, sides)."""
    traits = np.column_stack([outcome_columns(rows, formula), all_traits(rows, formula)])
    return np.column_stack([np.ones(rows.n, bool), traits, ~traits])


def of_part(part: Bools, sides: Bools) -> Measure:
    """How many of a part are on each side: nobody, or k."""
    return few_or_none(np.count_nonzero(sides[part], axis=0).astype(np.int64))


def apart(cells: Measure, size: Floats, sides: Bools, hospitals: int) -> Measure:
    """Cells, and who makes up most of how far people (n,) are set apart, of each side."""
    spreads = (spread_apart(size[side], hospitals) for side in sides.T)
    return replace(cells, spread=side_by_side(NO_SPREAD, *spreads))


def _of_two(part: Bools, sides: Bools) -> np.ndarray:
    """How many of a part are on both of each two sides, of which a weighted fit sums products."""
    some = sides[part].astype(np.float64)
    return np.rint((some.T @ some)[np.triu_indices(sides.shape[1])]).astype(np.int64)


def _pairs(sides: Bools) -> int:
    return int(sides.shape[1] * (sides.shape[1] + 1) // 2)
