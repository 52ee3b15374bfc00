"""Who has which trait of a design: its 0/1 columns and those of the outcome, levels without a column, measurements.

Every rule over people's traits counts these, whatever the method.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.protocol.formula import Formula
from gagyo.protocol.terms import Category, DesignColumn, Factor, Plain, Term
from gagyo.protocol.variables import levels_of
from gagyo.release.few_values import Bools, Measured


def design_traits(rows: Rows, formula: Formula) -> Bools:
    """The design's 0/1 columns (n, q) but the intercept."""
    at = [j for j, column in enumerate(formula.columns(rows.variables)) if column.indicator]
    # Most designs have few such columns, and none is needed where there are none.
    return rows.design(formula)[:, at] == 1 if at else np.zeros((rows.n, 0), bool)


def all_traits(rows: Rows, formula: Formula) -> Bools:
    """The design's 0/1 columns (n, q) but the intercept, and those of `first_levels`."""
    return np.column_stack([design_traits(rows, formula), first_levels(rows, formula)])


def first_levels(rows: Rows, formula: Formula) -> Bools:
    """Who has each combination of levels of a term (n, combinations) that has no column, a level of it being the first.

    They follow from the columns: of a category everyone but those of its other levels; of a product those of a level of
    one factor but those who have it with a level of the other.
    """
    having = [np.all([rows[one.variable] == one.code for one in at], axis=0) for at in without_column(rows, formula)]
    return np.column_stack([np.zeros((rows.n, 0), bool), *having])


class Level(NamedTuple):
    """A level of a category or a yes/no variable, by its name and code, and whether a column stands for it."""

    variable: str
    name: str
    code: int
    shown: bool


def without_column(rows: Rows, formula: Formula) -> list[tuple[Level, ...]]:
    """The combinations of `first_levels`; who has not a yes/no trait alone is counted with the trait."""
    found: list[tuple[Level, ...]] = []
    for term in formula.terms:
        factors = [_levels(rows, factor) for factor in term.factors]
        if all(factors) and term.plain == "":
            found += [at for at in product(*factors) if not all(one.shown for one in at)]
    return found


def _levels(rows: Rows, factor: Factor) -> list[Level]:
    """The levels of a factor; none of a measurement."""
    if isinstance(factor, Category):
        return [Level(factor.name, one, at, at >= factor.first) for at, one in enumerate(factor.levels)]
    if isinstance(factor, Plain) and rows.variables[factor.name].type == "boolean":
        return [Level(factor.name, "false", 0, False), Level(factor.name, "true", 1, True)]
    return []


def outcome_indicators(rows: Rows, formula: Formula) -> list[Any]:
    """The indicators of the outcome's 0/1 columns: none of a measurement, one of yes/no, one a level of a category."""
    outcome = rows.variables[formula.outcome]
    if outcome.type == "category":
        return [((outcome.name, level.name),) for level in outcome.levels]
    return [()] if outcome.type == "boolean" else []


def outcome_columns(rows: Rows, formula: Formula) -> Bools:
    """The outcome's 0/1 columns (n, levels); none of a measurement."""
    y, outcome = rows[formula.outcome], rows.variables[formula.outcome]
    if outcome.type == "boolean":
        return np.asarray(y[:, None] == 1)
    return np.asarray(y[:, None] == np.arange(levels_of(outcome)))


def measured(rows: Rows, formula: Formula) -> list[Measured]:
    """The columns that are no counts by declaration: those of the design, and a measured outcome."""
    return [*measured_columns(rows, formula), *variables_of(rows, [formula.outcome])]


def measured_columns(rows: Rows, formula: Formula) -> list[Measured]:
    """The columns of the design that are not 0/1: a variable as it is, or a product or spline of some."""
    found: list[Measured] = rows.kept(("measured", formula.text), lambda: list(_measured(rows, formula)))
    return found


def _measured(rows: Rows, formula: Formula) -> Iterator[Measured]:
    number = int(formula.intercept)
    for term in formula.terms:
        for column in term.columns(rows.variables):
            if column.indicator is None:
                yield _column(rows, formula, term, column, number)
            number += 1


def variables_of(rows: Rows, names: Iterable[str]) -> list[Measured]:
    """Those of the named variables that are measurements."""
    return [variable_of(rows, one) for one in names if levels_of(rows.variables[one]) == 0]


def variable_of(rows: Rows, name: str) -> Measured:
    """A measurement, and its values where they are few."""
    found: Measured = rows.kept(("values", name), lambda: Measured.of(rows[name], rows.variables[name].bounds))
    return found


def _column(rows: Rows, formula: Formula, term: Term, column: DesignColumn, number: int) -> Measured:
    """A plain variable, which needs no design matrix in memory; or a product or spline, of few values as its parts."""
    if column.name in rows.variables:
        return variable_of(rows, column.name)
    parts = variables_of(rows, sorted(term.names))
    return Measured.made_of(parts, rows.design(formula)[:, number], (-column.bound, column.bound))
