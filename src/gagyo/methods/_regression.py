"""What the regressions share: the head counts that a fit gives away, and how its coefficients are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods._labels import column_label
from gagyo.methods._traits import (
    all_traits,
    design_traits,
    measured,
    outcome_columns,
    outcome_indicators,
    variables_of,
    without_column,
)
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.terms import DesignColumn, Spline, Term
from gagyo.protocol.variables import Variable, levels_of
from gagyo.release.aggregate import NOBODY, Floats, Measure, count, crossed, few_or_none, joined
from gagyo.release.few_values import Bools, Chosen, Measured, both, combined, supported, supported_beside
from gagyo.release.parts import spread_in_parts
from gagyo.result import Column, Equation, Estimate, Table, Words
from gagyo.statistics.distributions import chi2_sf
from gagyo.text import Text, join

NO_INFORMATION = np.zeros((0, 0))


def yes_or_no(formula: Formula, analysis: Analysis, study: Study) -> list[Finding]:
    """A finding where a logistic regression's outcome is not a variable of yes and no."""
    outcome = study.variables[formula.outcome]
    if outcome.type == "boolean":
        return []
    values = {"found": outcome.name, "type": outcome.type}
    return [Finding("logistic_outcome", place=analysis.place("formula"), values=values)]


def design_cells(rows: Rows, formula: Formula, chosen: Chosen = slice(None)) -> Measure:
    """Every head count that a fit gives away, over the chosen rows.

    The two-way cells of the design's 0/1 columns and a 0/1 outcome; for every other column (and a measured outcome) who
    is away from zero and from the ends of its range, since a sum over a few is theirs, and where it holds a few values,
    who holds each, with and without each 0/1 column; who lies between a spline's knots, beyond which it is a line; and
    where no column is a measurement, who has each combination of them. The first levels of categories and of their
    products count as 0/1 columns, though they have none: their people are those of no other level.
    """
    return joined(trait_cells(rows, formula, chosen), *_patterns(rows, formula, chosen))


def trait_cells(rows: Rows, formula: Formula, chosen: Chosen = slice(None)) -> Measure:
    """`design_cells` without the combinations of several traits, for fits whose sums are no equations in them."""
    columns, traits = measured(rows, formula), _traits(rows, formula, chosen)
    few = [
        supported(columns, chosen),
        supported_beside(traits, columns, chosen),
        both(variables_of(rows, formula.variables), chosen),
        beside(columns, np.concatenate([traits, ~traits], axis=1), chosen),
    ]
    return joined(_indicators(rows, formula, chosen), *few, *between_knots(rows, formula, chosen))


def fold_cells(rows: Rows, formula: Formula, fold: NDArray[np.bool_]) -> Measure:
    """The head counts of a left-out fold, which follow from the joint fit less the fold's: its cases and controls, who
    has each 0/1 column and first level and who has not, who holds each of few values, and of a design without
    measurements each combination.
    """
    y = rows[formula.outcome] == 1
    having = all_traits(rows, formula)
    sides = [side[:, None] & fold[:, None] for side in (y, ~y)] + [side & fold[:, None] for side in (having, ~having)]
    counts = few_or_none(np.concatenate([side.sum(axis=0) for side in sides]).astype(np.int64))
    columns, whole = measured(rows, formula), beside(measured(rows, formula), fold[:, None], squares=True)
    parts = beside(columns, np.concatenate(sides, axis=1))
    return joined(counts, supported(columns, fold), whole, parts, *_patterns(rows, formula, fold))


def part_cells(rows: Rows, formula: Formula, part: NDArray[np.bool_]) -> Measure:
    """The head counts of a part of the people whose sums follow from those of all less those of the rest.

    `part_traits`, and of a design of traits alone who has each combination: nobody, or k.
    """
    return joined(part_traits(rows, formula, part), *_patterns(rows, formula, part))


def part_traits(rows: Rows, formula: Formula, part: NDArray[np.bool_]) -> Measure:
    """Nobody of a part, or k: in all; with and without each 0/1 column and level of the outcome, and each two of them;
    away from zero and the ends of each range, and of few values with each, beside each 0/1 column too.
    """
    having, columns = _traits(rows, formula, part), measured(rows, formula)
    sides = np.concatenate([having, ~having], axis=1).astype(np.float64)
    pairs = (sides.T @ sides)[np.triu_indices(sides.shape[1])]  # on the diagonal each side alone
    counts = few_or_none(np.append(len(having), np.rint(pairs)).astype(np.int64))
    whole = beside(columns, np.ones((len(having), 1), bool), part, squares=True)
    parts = beside(columns, sides == 1, part)
    return joined(counts, supported(columns, part), supported_beside(having, columns, part), whole, parts)


def beside(columns: Sequence[Measured], parts: Bools, chosen: Chosen = slice(None), squares: bool = False) -> Measure:
    """No cells, but who makes up how much of what each part (chosen, s) has of each measurement."""
    return replace(few_or_none(NOBODY), spread=spread_in_parts(columns, parts, chosen, squares))


def _indicators(rows: Rows, formula: Formula, chosen: Chosen) -> Measure:
    columns = formula.columns(rows.variables)
    indicators = [*outcome_indicators(rows, formula), *(one.indicator for one in columns if one.indicator)]
    indicators += [tuple((one.variable, one.name) for one in at) for at in without_column(rows, formula)]
    if not indicators:
        return count(np.ones(rows.n, bool)[chosen])
    exclusive = np.array([[_exclusive(a, b) for a in indicators] for b in indicators], bool)
    implies = np.array([[bool(b) and set(a) > set(b) for b in indicators] for a in indicators], bool)
    of_two = [len(one) == 1 and levels_of(rows.variables[one[0][0]]) == 2 for one in indicators]
    exhaustive = exclusive & np.outer(of_two, of_two)
    return crossed(_traits(rows, formula, chosen).astype(np.float64), exclusive, implies, exhaustive)


def _traits(rows: Rows, formula: Formula, chosen: Chosen) -> Bools:
    """The outcome's and the design's 0/1 columns (chosen, q), and the first level of each category."""
    return np.column_stack([outcome_columns(rows, formula), all_traits(rows, formula)])[chosen]


def between_knots(rows: Rows, formula: Formula, chosen: Chosen) -> list[Measure]:
    """For each spline how many people lie between its knots, beyond which it is a line: nobody, or k."""
    splines = {factor for term in formula.terms for factor in term.factors if isinstance(factor, Spline)}
    out = []
    for one in sorted(splines, key=str):
        place = np.searchsorted(np.array(one.knots), rows[one.name][chosen])
        out.append(few_or_none(np.bincount(place, minlength=len(one.knots) + 1).astype(np.int64)))
    return out


MOST_TRAITS = 12
"""0/1 columns whose combinations are counted; with more there are more combinations than a fit opens numbers."""


def _patterns(rows: Rows, formula: Formula, chosen: Chosen) -> list[Measure]:
    """Of a design without measurements, how many people have each combination of its 0/1 columns and the outcome.

    The information of every iterate is the same counts under other weights: a few iterates are equations enough.
    """
    having = design_traits(rows, formula)
    if having.shape[1] > MOST_TRAITS or formula.width <= 1:
        return []
    # A first level is the combination without the others.
    traits = np.column_stack([outcome_columns(rows, formula), having])[chosen]
    return [combined(traits, variables_of(rows, formula.variables), chosen)]


def _exclusive(a: Any, b: Any) -> bool:
    """Whether two indicators are different levels of one variable, so that nobody has both."""
    return any(one[0] == other[0] and one != other for one in a for other in b)


def column_bounds(rows: Rows, formula: Formula) -> Floats:
    """The greatest size of each design column that the declared ranges allow."""
    return np.array([column.bound for column in formula.columns(rows.variables)])


def column_widths(formula: Formula, variables: Mapping[str, Variable]) -> Floats:
    """The greatest distance of two values of each column that the declared ranges allow."""
    plain = [variables.get(column.name) if column.indicator is None else None for column in formula.columns(variables)]
    return np.array(
        [
            2 * column.bound if one is None else one.bounds[1] - one.bounds[0]
            for column, one in zip(formula.columns(variables), plain, strict=True)
        ]
    )


def middles(formula: Formula, variables: Mapping[str, Variable]) -> Floats:
    """The middle of the declared range of each measured variable in the design; 0 for all other columns.

    Only where there is an intercept to take up the difference. It is from the plan, so that it costs no round.
    """
    columns = formula.columns(variables)
    if not formula.intercept:
        return np.zeros(len(columns))
    measured = [variables.get(column.name) if column.indicator is None else None for column in columns]
    return np.array([0.0 if one is None else (one.bounds[0] + one.bounds[1]) / 2 for one in measured])


def about_zero(middle: Floats) -> Floats:
    """The matrix (p, p) that turns coefficients of columns about `middle` into those of the columns as they are."""
    matrix = np.eye(len(middle))
    matrix[0, 1:] = -middle[1:]
    return matrix


def term_columns(formula: Formula, study: Study) -> list[list[int]]:
    """For each term after the intercept, the numbers of its columns."""
    at = 1 if formula.intercept else 0
    groups = []
    for term in formula.terms:
        width = len(term.columns(study.variables))
        groups.append(list(range(at, at + width)))
        at += width
    return groups


def term_label(term: Term, study: Study) -> Text:
    """The variables of a term, which may have several columns."""
    return join(" × ", *(study.variables[factor.name].label for factor in term.factors))


def estimate(column: DesignColumn, value: float, error: float, reach: float, p: float) -> Estimate:
    """One coefficient with limits at `reach` standard errors; empty where it is aliased (NaN)."""
    label = Words(text=column.label)
    if np.isnan(value):
        return Estimate(column.name, label, None)
    return Estimate(column.name, label, value, error, value - reach * error, value + reach * error, p)


def wald_table(people: int, beta: Floats, variance: Floats, likelihood: float | None = None) -> Table:
    """Whether coefficients (q,) with a variance (q, q) are all 0, where no likelihood ratio says it; of none an empty
    cell. likelihood: of the model; None of weighted sums, which have none.
    """
    chi = float(beta @ np.linalg.solve(variance, beta)) if len(beta) else None
    p = None if chi is None else float(chi2_sf(chi, len(beta)))
    columns = (
        Column("people", Words("regression.people"), "count"),
        *([] if likelihood is None else [Column("log_likelihood", Words("regression.log_likelihood"))]),
        Column("wald", Words("glm.wald"), "number", 2),
        Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "count"),
        Column("p", Words("regression.p"), "p"),
    )
    row = (people, *([] if likelihood is None else [likelihood]), chi, len(beta), p)
    return Table("model_test", Words("regression.model_test"), columns, (row,))


def equation(
    formula: Formula,
    variables: Mapping[str, Variable],
    link: Literal["identity", "logit"],
    coefficients: Floats,
    information: Floats = NO_INFORMATION,
) -> Equation:
    """The fitted model: coefficients (p,) of which missing ones, of aliased columns, are 0; information (p, p)."""
    columns = formula.columns(variables)
    return Equation(
        formula.outcome,
        link,
        formula.text,
        tuple(column.name for column in columns),
        tuple(column_label(column, variables) for column in columns),
        tuple(float(value) for value in np.nan_to_num(coefficients)),
        tuple(tuple(float(x) for x in row) for row in information),
    )


def alias_notes(columns: Sequence[DesignColumn], aliased: NDArray[np.bool_]) -> tuple[Words, ...]:
    """A note that names the columns which those before them determine."""
    names = ", ".join(column.name for column, gone in zip(columns, aliased, strict=True) if gone)
    return (Words("regression.aliased", {"found": names}),) if names else ()
