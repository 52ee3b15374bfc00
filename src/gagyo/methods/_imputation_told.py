"""How multiple imputation is told: pooled coefficients, what is missing and what it costs, and the chains' course."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.methods._groups import NO_YES, level_label
from gagyo.methods._imputation_chains import PREDICTION, Spec
from gagyo.methods._imputation_walk import Fits, Seen
from gagyo.methods._labels import with_unit
from gagyo.methods._logistic_told import coefficients_table
from gagyo.methods._regression import alias_notes, equation
from gagyo.protocol.terms import DesignColumn
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Curve, Estimate, Interval, Result, Series, Table, Words
from gagyo.statistics import rubin
from gagyo.statistics.convergence import scale_reduction
from gagyo.text import LANGUAGES, Text, join, translate

Bools = NDArray[np.bool_]

MOST_DRAWN = 5
"""Chains of which a figure shows the course; all are in the numbers beside it."""

ENOUGH = 0.1
"""A Monte-Carlo error over this share of the standard error asks for more (White et al. 2011, Stat Med 30:377)."""

SETTLED = 1.1
"""Over this scale reduction the chains have not mixed (Gelman & Rubin 1992, Stat Sci 7:457)."""


@dataclass(frozen=True)
class Told:
    """What an analysis is told as: what was imputed and its model, `linear` or `logistic`."""

    spec: Spec
    model: str

    def result(self, fits: Fits) -> Result:
        """The pooled result."""
        formula, variables = self.spec.formula, self.spec.variables
        columns = formula.columns(variables)
        pooled = rubin.pool(fits.values, fits.variances, float(fits.freedom))
        estimates = tuple(_estimates(columns, pooled, fits.aliased))
        value = np.where(fits.aliased, 0.0, pooled.value)
        return Result(
            method="imputation",
            lossless=True,
            people=fits.people,
            sites=fits.sites,
            rounds=fits.rounds,
            estimates=estimates,
            tables=(
                coefficients_table(estimates, {}) if self.model == "logistic" else _coefficients(estimates),
                _uncertainty(columns, pooled, fits.aliased),
                self._missing(fits),
            ),
            curves=tuple(curve for one in fits.seen if one.lacking for curve in self._courses(one)),
            equation=equation(formula, variables, "logit" if self.model == "logistic" else "identity", value),
            notes=(*alias_notes(columns, fits.aliased), *self._notes(pooled, fits)),
            methods_text=tuple(self._text()),
        )

    def _text(self) -> Iterator[Words]:
        spec = self.spec
        measured = ", ".join(name for name in spec.impute if spec.is_measured(name))
        categories = ", ".join(name for name in spec.impute if spec.levels(name))
        others = ", ".join(name for name in spec.impute if not (spec.is_measured(name) or spec.levels(name)))
        yield Words("imputation.text", {"times": spec.times, "sweeps": self.spec.sweeps, "seed": spec.seed})
        if measured:
            yield Words("imputation.text_norm", {"found": measured})
        if others:
            yield Words("imputation.text_logreg", {"found": others})
        if categories:
            yield Words("imputation.text_multinomial", {"found": categories})
        models = "prediction" if spec.purpose == PREDICTION else "models"
        yield Words(f"imputation.text_{models}", {"formula": spec.formula.text})
        if spec.auxiliary:
            yield Words("imputation.text_auxiliary", {"found": ", ".join(spec.auxiliary)})
        yield Words("imputation.text_own" if spec.own else "imputation.text_pooled_levels")
        yield Words(f"imputation.text_{self.model}", {"formula": spec.formula.text})
        yield Words("imputation.text_rubin")

    def _missing(self, fits: Fits) -> Table:
        columns = (
            Column("variable", Words("imputation.variable"), "text"),
            Column("having", Words("imputation.having"), "count"),
            Column("lacking", Words("imputation.lacking"), "count"),
            Column("share", Words("imputation.share_lacking"), "percent", 1),
            Column("mean", Words("imputation.mean_observed"), "number", 3),
            Column("given", Words("imputation.mean_imputed"), "number", 3),
            Column("scale_reduction", Words("imputation.scale_reduction"), "number", 3),
        )
        rows = tuple(row for one in fits.seen for row in self._rows(one, fits.people))
        notes = (Words("imputation.means_note"),)
        return Table("missing", Words("imputation.missing"), columns, rows, notes=notes)

    def _rows(self, one: Seen, people: int) -> Iterator[tuple[Cell, ...]]:
        """A variable's row; of a category one of its people, and one of each level's shares."""
        variable = self.spec.variables[one.name]
        counts: tuple[Cell, ...] = (one.having, one.lacking, one.lacking / people)
        told = [self._means(mean, given) for mean, given in _by_level(one, bool(variable.levels))]
        if not variable.levels:
            yield (_label(variable), *counts, *told[0])
            return
        yield (Words(text=variable.label), *counts, None, None, None)
        for level, row in enumerate(told):
            yield (Words(text=level_label(variable, level)), None, None, None, *row)

    def _means(self, mean: float, given: Floats) -> tuple[Cell, ...]:
        """A column's observed and imputed mean, and whether its chains (sweeps + 1, chains) have mixed."""
        return (mean, float(given[-1].mean()) if len(given) else None, _mixed(given))

    def _courses(self, one: Seen) -> Iterator[Curve]:
        """The course of a variable's chains; of a category that of each level but the first, which follows."""
        variable = self.spec.variables[one.name]
        if not variable.levels:
            title = Words("imputation.course", {"found": one.name})
            yield self._course(one.name, title, _label(variable), float(one.means[0]), one.given[:, :, 0])
        for at, level in enumerate(variable.levels[1:]):
            label = level_label(variable, at + 1)
            said = (translate("imputation.course_level", own, found=label) for own in LANGUAGES)
            title, name = Words(text=Text(**dict(zip(LANGUAGES, said, strict=True)))), f"{one.name}.{level.name}"
            yield self._course(name, title, Words(text=label), float(one.means[at]), one.given[:, :, at])

    def _course(self, name: str, title: Words, label: Words, mean: float, given: Floats) -> Curve:
        x = tuple(float(sweep) for sweep in range(len(given)))
        shown = given[:, :MOST_DRAWN].T
        series = [
            Series(Words("imputation.chain", {"number": number}), x, tuple(map(float, line)))
            for number, line in enumerate(shown, start=1)
        ]
        observed = Series(Words("imputation.observed"), (x[0], x[-1]), (mean, mean), style="reference")
        notes = (Words("imputation.course_note", {"found": len(shown), "times": self.spec.times}),)
        return Curve(f"course.{name}", title, Words("imputation.sweep"), label, (*series, observed), notes)

    def _notes(self, pooled: rubin.Pooled, fits: Fits) -> Iterator[Words]:
        by_chance = np.nan_to_num(pooled.by_chance / pooled.error)
        if by_chance.max(initial=0.0) > ENOUGH:
            yield Words("imputation.more_times", {"found": f"{100 * by_chance.max():.1f}", "times": self.spec.times})
        moving = [one.name for one in fits.seen if max(_reductions(one), default=1.0) > SETTLED]
        if moving:
            yield Words("imputation.more_sweeps", {"found": ", ".join(moving), "sweeps": self.spec.sweeps})
        whole = [one.name for one in fits.seen if not one.lacking]
        if whole:
            yield Words("imputation.nothing_lacks", {"found": ", ".join(whole)})


def _by_level(one: Seen, category: bool) -> Iterator[tuple[float, Floats]]:
    """Mean and what was given (sweeps + 1, chains) of each column; of a category of its first level too."""
    if category:
        yield 1 - float(one.means.sum()), 1 - one.given.sum(axis=2)
    yield from zip(map(float, one.means), np.moveaxis(one.given, 2, 0), strict=True)


def _reductions(one: Seen) -> list[float]:
    """The scale reduction of each column that has one."""
    return [found for column in np.moveaxis(one.given, 2, 0) if (found := _mixed(column)) is not None]


def _mixed(given: Floats) -> float | None:
    """The scale reduction over the sweeps after the start; None where there is too little to tell."""
    swept = given[1:]
    return scale_reduction(swept) if len(swept) > 1 else None


def _label(variable: Variable) -> Words:
    """A variable with its unit; of yes or no the share of yes."""
    return Words(text=join(": ", variable.label, NO_YES[1])) if variable.type == "boolean" else with_unit(variable)


def _estimates(columns: tuple[DesignColumn, ...], pooled: rubin.Pooled, aliased: Bools) -> Iterator[Estimate]:
    reach, p = pooled.wald()
    for j, column in enumerate(columns):
        label, value, error = Words(text=column.label), float(pooled.value[j]), float(pooled.error[j])
        if aliased[j]:
            yield Estimate(column.name, label, None)
        else:
            far = float(reach[j]) * error
            yield Estimate(column.name, label, value, error, value - far, value + far, float(p[j]))


def _coefficients(estimates: tuple[Estimate, ...]) -> Table:
    columns = (
        Column("term", Words("regression.term"), "text"),
        Column("coefficient", Words("regression.coefficient_interval"), "interval", 4),
        Column("standard_error", Words("regression.standard_error"), "number", 4),
        Column("p", Words("regression.p"), "p"),
    )
    return Table("coefficients", Words("regression.coefficients"), columns, tuple(_told(one) for one in estimates))


def _told(one: Estimate) -> tuple[Cell, ...]:
    if one.value is None or one.lower is None or one.upper is None:
        return (one.label, Words("regression.is_aliased"), None, None)
    return (one.label, Interval(one.value, one.lower, one.upper), one.standard_error, one.p)


def _uncertainty(columns: tuple[DesignColumn, ...], pooled: rubin.Pooled, aliased: Bools) -> Table:
    """What the missing values cost, by coefficient."""
    shown = (
        Column("term", Words("regression.term"), "text"),
        Column("freedom", Words("imputation.freedom"), "number", 1),
        Column("missing", Words("imputation.missing_information"), "percent", 1),
        Column("increase", Words("imputation.increase"), "number", 3),
        Column("share", Words("imputation.share_between"), "percent", 1),
        Column("by_chance", Words("imputation.by_chance"), "number", 4),
    )
    numbers = np.column_stack([pooled.freedom, pooled.missing, pooled.increase, pooled.share, pooled.by_chance])
    rows = tuple(
        (Words(text=column.label), *(None if gone else float(one) for one in row))
        for column, row, gone in zip(columns, numbers, aliased, strict=True)
    )
    return Table("uncertainty", Words("imputation.uncertainty"), shown, rows)
