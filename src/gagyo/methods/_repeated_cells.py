"""Which head counts sums by pattern of visits give away: of the people of each pattern, over all hospitals and at one.

Who was measured at some visits and missed others is a group like any other, whose sums are opened by themselves; and
who was never measured is what all people less these leave.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.methods._regression import (
    between_knots,
    design_cells,
    part_cells,
    part_traits,
)
from gagyo.methods._repeated_design import Bools, Laid
from gagyo.methods._traits import all_traits, measured_columns, variables_of
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import (
    Counts,
    Floats,
    Measure,
    Spread,
    behind,
    few_or_none,
    joined,
    side_by_side,
    spread_of,
)
from gagyo.release.few_values import both, supported, supported_beside

Rule = Callable[[Rows, Formula, Bools], Measure]


def pattern_cells(laid: Laid, patterns: Sequence[Sequence[int]]) -> Measure:
    """The cells over all hospitals; kept for the next round.

    Of those measured at all visits as for any regression; of each other pattern, and of those never measured, nobody or
    k: in all, with and without each 0/1 column and each two, away from zero and from the ends of each range of every
    visit's values too, and of few values with each, beside each 0/1 column and each other few-valued one; and between
    a spline's knots.
    """
    whole, *others = patterns

    def make() -> Measure:
        many = len(patterns)
        first = _group(laid, whole, design_cells, many)
        parts = _each(laid, others, lambda one: _group(laid, one, part_cells, many))
        return joined(first, *parts, part_traits(laid.rows, laid.design.people, laid.having(())))

    cells: Measure = laid.rows.kept(("pattern cells", laid.design.formula.text, len(patterns)), make)
    return cells


def _each(laid: Laid, patterns: Sequence[Sequence[int]], cells: Callable[[Sequence[int]], Measure]) -> list[Measure]:
    """The cells of each pattern; those of patterns that nobody has are looked at once for each number of visits.

    They are the same zeros, and of many visits nearly all patterns are such.
    """
    of_nobody = {len(one): one for one in reversed(patterns) if not laid.having(one).any()}
    zeros = {size: cells(one) for size, one in of_nobody.items()}
    return [cells(one) if laid.having(one).any() else zeros[len(one)] for one in patterns]


def _group(laid: Laid, pattern: Sequence[int], rule: Rule, many: int) -> Measure:
    """The people of a pattern with the first of their visits as the outcome, and the other visits beside it."""
    rows, people, inside = laid.rows, laid.design.people, laid.having(pattern)
    names = [laid.design.visits[one] for one in pattern]
    having, later = all_traits(rows, people)[inside], variables_of(rows, names[1:])
    of_first = Formula(names[0], f"{people.text} {names[0]}", people.terms, True, people.width)
    pairs = both(variables_of(rows, (*people.predictors, *names)), inside, many)
    few = [supported(later, inside), supported_beside(having, later, inside), pairs]
    return joined(rule(rows, of_first, inside), *few, *between_knots(rows, people, inside))


def own_cells(laid: Laid, patterns: Sequence[Sequence[int]]) -> Measure:
    """What a hospital's own sums by pattern give away.

    Of its people at least k with and without each 0/1 column; of each pattern nobody or k: in all, with and without
    each 0/1 column, away from zero and from the ends of each range, and with each of few values.
    """
    ever = ~laid.having(())
    parts = [behind(np.append(ever.sum(), _sides(laid, ever))), few_or_none(np.array([(~ever).sum()]))]
    return joined(*parts, *_each(laid, patterns, lambda one: _own_group(laid, one)))


def _own_group(laid: Laid, pattern: Sequence[int]) -> Measure:
    """Of the people of a pattern at this hospital nobody or k, whichever way they are looked at."""
    rows, inside = laid.rows, laid.having(pattern)
    columns = [
        *measured_columns(rows, laid.design.people),
        *variables_of(rows, [laid.design.visits[one] for one in pattern]),
    ]
    return joined(few_or_none(np.append(inside.sum(), _sides(laid, inside))), supported(columns, inside))


def _sides(laid: Laid, inside: Bools) -> Counts:
    """How many have each 0/1 column, and how many do not."""
    having = all_traits(laid.rows, laid.design.people)[inside]
    return np.concatenate([having.sum(axis=0), (~having).sum(axis=0)]).astype(np.int64)


def spread_by_pattern(columns: Sequence[Floats]) -> Spread:
    """Of each pattern's columns (people, any): nobody may make up most of a sum."""
    return side_by_side(*(spread_of(one) for one in columns))
