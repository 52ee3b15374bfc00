"""Average marginal effects after a fit: a mean's slope in a number, or its difference between two levels of a category.

Each person keeps their other values, and the effects are averaged over the people of the study, who are taken as fixed:
standard errors are of the delta method with the fit's own covariance. A derivative goes through splines and products
exactly. Bartus (2005) Stata J 5:309; Williams (2012) Stata J 12:308.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gagyo.errors import Stopped
from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.dispensable import Kept, unless_withheld
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods._kept import lacking
from gagyo.methods._sandwich import Variance
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Study
from gagyo.protocol.terms import Factor, Spline
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import Floats, Measure, Spread, few_or_none, joined, joint
from gagyo.result import Cell, Column, Estimate, Interval, Result, Table, Words
from gagyo.statistics.distributions import t_quantile, t_sf
from gagyo.statistics.margins import MEANS
from gagyo.text import Text, join

BLOCK = 8192
"""Rows at a time."""


@dataclass(frozen=True)
class Effect:
    """What is averaged: the slope in a variable, or with `levels` the mean at the second less the mean at the first."""

    name: str
    label: Text
    variable: str
    levels: tuple[float, float] | None = None


def effects_of(formula: Formula, variables: Mapping[str, Variable]) -> tuple[Effect, ...]:
    """One of each number, date or yes/no, and one of each level of a category but the first."""
    return tuple(effect for name in formula.predictors for effect in _effects(variables[name]))


def _effects(one: Variable) -> Iterator[Effect]:
    if one.type == "boolean":
        yield Effect(one.name, one.label, one.name, (0.0, 1.0))
    elif one.type == "category":
        for at, level in enumerate(one.levels[1:], start=1):
            label = join(": ", one.label, level.label)
            yield Effect(f"{one.name}[{level.name}]", label, one.name, (0.0, float(at)))
    else:
        yield Effect(one.name, one.label, one.name)


def numbers(formula: Formula, study: Study) -> int:
    """How many numbers a hospital sends."""
    return len(effects_of(formula, study.variables)) * (1 + formula.width)


def average(
    rows: Rows,
    formula: Formula,
    link: str,
    beta: Floats,
    offset: Floats,
    middle: Floats,
    reach: Floats,
    worst: float,
    cells: Measure,
) -> Measure:
    """The sum over people of each effect, and of its derivatives in the coefficients: (effects, 1 + p).

    beta: of columns about `middle` (p,). offset (n,): what stands in the predictor without a coefficient. reach (p,)
    and worst: the ring's scales of columns and of the mean. No outcome is looked at: the head counts are the design's,
    and of each column that moves who is away from zero, nobody or k.
    """
    effects, place = effects_of(formula, rows.variables), _Place(formula, middle, beta, link)
    values, spread = np.zeros((len(effects), 1 + formula.width)), _Top(len(effects) * (1 + formula.width))
    having = np.zeros(sum(formula.width * len(one.levels or (0,)) for one in effects), np.int64)
    for start in range(0, rows.n, BLOCK):
        part = slice(start, start + BLOCK)
        columns = {name: rows[name][part] for name in formula.predictors}
        moved = [place.moved(effect, columns) for effect in effects]
        each = [
            place.contributions(effect, one, columns, offset[part]) for effect, one in zip(effects, moved, strict=True)
        ]
        values += np.array([one.sum(axis=0) for one in each])
        spread.add(np.concatenate(each, axis=1))
        having += np.concatenate([(one != 0).sum(axis=0).ravel() for one in moved])
    bounds = np.concatenate([[worst], reach * worst])
    behind = joined(cells, few_or_none(having))
    return joint(values, np.broadcast_to(bounds, values.shape), behind, spread.spread())


def steep_at_levels(
    rows: Rows, formula: Formula, link: str, beta: Floats, offset: Floats, middle: Floats
) -> Iterator[Floats]:
    """How steep each person's mean is (n,) at each level that an effect gives everybody, as for `average`."""
    columns = {name: rows[name] for name in formula.predictors}
    effects = effects_of(formula, rows.variables)
    for name, level in dict.fromkeys((one.variable, level) for one in effects for level in one.levels or ()):
        X = formula.design({**columns, name: np.full(rows.n, level)}) - middle
        yield MEANS[link](X @ beta + offset)[1]


@dataclass(frozen=True)
class _Place:
    """The fit at which effects are taken."""

    formula: Formula
    middle: Floats
    beta: Floats
    link: str

    def moved(self, effect: Effect, columns: Mapping[str, Floats]) -> Floats:
        """By person the columns that the effect's sums are made of (n, k, p): the design's slopes, or the design at
        either level. A product without its factor in the formula shows a column here that no fit does.
        """
        if effect.levels is None:
            return slopes(self.formula, columns, effect.variable)[:, None]
        n = len(columns[effect.variable])
        designs = [self.formula.design({**columns, effect.variable: np.full(n, level)}) for level in effect.levels]
        return np.stack(designs, axis=1)

    def contributions(self, effect: Effect, moved: Floats, columns: Mapping[str, Floats], offset: Floats) -> Floats:
        """By person the effect and its derivatives (n, 1 + p)."""
        if effect.levels is not None:
            before, after = (self._mean_at(moved[:, side] - self.middle, offset) for side in (0, 1))
            return after - before
        X, turned = self.formula.design(columns) - self.middle, moved[:, 0]
        _, slope, bend = MEANS[self.link](X @ self.beta + offset)
        along = turned @ self.beta
        return np.column_stack([slope * along, (bend * along)[:, None] * X + slope[:, None] * turned])

    def _mean_at(self, X: Floats, offset: Floats) -> Floats:
        """By person the mean and its derivatives (n, 1 + p) at a design about the middles."""
        mean, slope, _ = MEANS[self.link](X @ self.beta + offset)
        return np.column_stack([mean, slope[:, None] * X])


def slopes(formula: Formula, columns: Mapping[str, Floats], name: str) -> Floats:
    """The derivative of each column of the design in a number (n, p)."""
    out = np.zeros((len(columns[name]), formula.width))
    position = int(formula.intercept)
    for term in formula.terms:
        for pick in term.picks():
            if name in term.names:
                parts = [_part(*one, columns, name) for one in zip(term.factors, pick, strict=True)]
                out[:, position] = np.prod(parts, axis=0)
            position += 1
    return out


def _part(factor: Factor, which: int, columns: Mapping[str, Floats], name: str) -> Floats:
    """A factor's column, or its derivative where it is of the variable (which stands in a term once)."""
    out = np.empty(len(columns[name]))
    if factor.name != name:
        factor.fill(which, columns, out)
    elif which == 0:
        out[:] = 1.0
    else:
        assert isinstance(factor, Spline)
        x, knots = columns[name], factor.knots
        knot, before, last = knots[which - 1], knots[-2], knots[-1]
        square = [3 * np.maximum(x - at, 0.0) ** 2 for at in (knot, before, last)]
        out[:] = square[0] - square[1] * (last - knot) / (last - before) + square[2] * (before - knot) / (last - before)
        out /= (last - knots[0]) ** 2
    return out


class _Top:
    """The spread of columns that come block by block."""

    def __init__(self, width: int) -> None:
        self._total, self._top = np.zeros(width), np.zeros((2, width))

    def add(self, contributions: Floats) -> None:
        """Take in a block (rows, width)."""
        size = np.abs(contributions)
        self._total += size.sum(axis=0)
        self._top = np.sort(np.vstack([self._top, size]), axis=0)[-2:]

    def spread(self) -> Spread:
        """Of all blocks."""
        return Spread(self._total, self._top[1], self._top[0])


def effects_told(
    result: Result, ask: Ask, formula: Formula, study: Study, variance: Variance
) -> Generator[Any, Any, Result]:
    """A result that tells effects as well, by what `ask` gives of them, or says that they were withheld."""
    sums = yield from unless_withheld(_whole_sums(ask))
    if isinstance(sums, Kept):
        return lacking(result, "marginal", sums)
    return with_effects(result, formula, study, sums, variance)


def _whole_sums(ask: Ask) -> Generator[Ask, Pooled, Floats]:
    answer = yield ask
    if not answer.whole("effects"):
        raise Stopped(Finding("withheld_fit"))
    return answer["effects"]


def with_effects(result: Result, formula: Formula, study: Study, sums: Floats, variance: Variance) -> Result:
    """A result that tells effects as well; sums (effects, 1 + p) and variance (p, p) of columns about their middles.

    Limits are normal; where errors are over clusters, Student's t with the fewest degrees of freedom of a coefficient.
    """
    means, derivatives = sums[:, 0] / result.people, sums[:, 1:] / result.people
    error = np.sqrt(np.einsum("ij,jk,ik->i", derivatives, np.nan_to_num(variance.matrix), derivatives))
    fewest = np.full(len(means), np.inf if variance.freedom is None else np.nanmin(variance.freedom))
    with np.errstate(invalid="ignore", divide="ignore"):
        p, reach = 2 * t_sf(np.abs(means / error), fewest), t_quantile(0.975, fewest) * error
    effects = effects_of(formula, study.variables)
    found = np.column_stack([means, error, means - reach, means + reach, p]).tolist()
    told = tuple(
        # Without an error it is of columns that are all aliased.
        Estimate(f"marginal.{one.name}", Words(text=one.label), *(numbers if numbers[1] > 0 else [None]))
        for one, numbers in zip(effects, found, strict=True)
    )
    return replace(
        result,
        estimates=(*result.estimates, *told),
        tables=(*result.tables, _table(told)),
        rounds=result.rounds + 1,
        methods_text=(*result.methods_text, Words("regression.marginal_text")),
    )


def _table(told: tuple[Estimate, ...]) -> Table:
    columns = (
        Column("term", Words("regression.term"), "text"),
        Column("effect", Words("regression.marginal_effect"), "interval", 4),
        Column("standard_error", Words("regression.standard_error"), "number", 4),
        Column("p", Words("regression.p"), "p"),
    )
    rows = tuple(_row(one) for one in told)
    return Table("marginal_effects", Words("regression.marginal_effects"), columns, rows)


def _row(one: Estimate) -> tuple[Cell, ...]:
    if one.value is None or one.lower is None or one.upper is None:
        return (one.label, Words("regression.is_aliased"), None, None)
    return (one.label, Interval(one.value, one.lower, one.upper), one.standard_error, one.p)
