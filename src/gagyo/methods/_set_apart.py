"""Whom weights or an offset set apart, which the same model without them does not have; and the cells of such a part.

Two models that are the same but that one has weights, of which all but one person's are 1, differ by that person: a
study, or two, would ask for both. So whoever such a variable sets apart is nobody, or k, over all hospitals, with and
without each 0/1 column, first level and outcome, and each two of these, and nobody is most of it. Of a design of traits
alone, iterates are equations in the weights of those who have each combination of them, as they are in numbers of
people where nothing weighs: so each combination is looked at likewise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.methods._regression import MOST_TRAITS
from gagyo.methods._traits import all_traits, design_traits, outcome_columns, variables_of
from gagyo.protocol.formula import Formula
from gagyo.protocol.variables import levels_of
from gagyo.release.aggregate import NO_SPREAD, Floats, Measure, Spread, few_or_none, joined, side_by_side
from gagyo.release.few_values import FEW, Bools, combined
from gagyo.release.parts import spread_apart, spread_of_two


def weighed_apart(rows: Rows, formula: Formula, x: Floats) -> Measure:
    """Of weights, or exposures (n,): who has others than most; none where there is no one value that most have.

    Weights that are nearly alike for all but a few weigh these few alone: they may not be most of what differs.
    """
    sides = sides_of(rows, formula)
    away = from_usual(x)
    has_usual = 2 * np.count_nonzero(away) < rows.n
    of_two = _of_two(away > 0, sides) if has_usual else np.full(_pairs(sides), rows.n, np.int64)
    combinations = _of_combinations(rows, formula, (away > 0) | (not has_usual))
    cells = joined(few_or_none(of_two), *combinations)
    return replace(cells, spread=side_by_side(spread_of_two(away, sides), *_by_combination(rows, formula, away)))


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


def _of_combinations(rows: Rows, formula: Formula, part: Bools) -> Iterator[Measure]:
    """How many of a part, and of the others, have each combination of traits and of few values, with each outcome."""
    having = design_traits(rows, formula)
    if having.shape[1] > MOST_TRAITS or formula.width <= 1:
        return
    traits = np.column_stack([outcome_columns(rows, formula), having, part])
    yield combined(traits, variables_of(rows, formula.predictors))
    if not levels_of(rows.variables[formula.outcome]):
        yield combined(traits, variables_of(rows, formula.variables))


def _by_combination(rows: Rows, formula: Formula, away: Floats) -> Iterator[Spread]:
    """Who makes up most of how far those are set apart who have each combination of a design without measurements."""
    columns, having = variables_of(rows, formula.predictors), design_traits(rows, formula)
    if having.shape[1] > MOST_TRAITS or any(one.values is None for one in columns):
        return
    codes = having.astype(np.int64) @ (1 << np.arange(having.shape[1]))
    for one in columns:
        codes = codes * (FEW + 1) + np.searchsorted(np.zeros(0) if one.values is None else one.values, one.x)
    if levels := levels_of(rows.variables[formula.outcome]):
        codes = codes * levels + rows[formula.outcome].astype(np.int64)
    order = np.argsort(codes, kind="stable")
    for size in np.split(away[order], np.flatnonzero(np.diff(codes[order])) + 1):
        yield spread_apart(size, hospitals=1)


def _pairs(sides: Bools) -> int:
    return int(sides.shape[1] * (sides.shape[1] + 1) // 2)
