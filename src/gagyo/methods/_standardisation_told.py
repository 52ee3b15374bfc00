"""How standardised means are told: the effect, what everyone would have either way, and the models behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from gagyo.methods._balance import middle_of
from gagyo.methods._effects_told import GROUPS, Treated, digits_told, limits, of
from gagyo.methods._newton import Solved
from gagyo.methods._profile_fit import Fitted
from gagyo.methods._regression import (
    about_zero,
    alias_notes,
    estimate,
    middles,
)
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Study
from gagyo.protocol.terms import DesignColumn
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Estimate, Result, Table, Words
from gagyo.statistics.weighting import Z95, mean_effects


@dataclass(frozen=True)
class Standardised:
    """Of treated and untreated (2,): people, their own means, and everyone's; the covariance (2, 2) of everyone's."""

    people: Floats
    crude: Floats
    means: Floats
    variance: Floats


@dataclass(frozen=True)
class Told:
    """What a study asks to be told of standardised means."""

    study: Study
    formula: Formula
    propensity: Formula | None
    treatment: str
    own: bool
    bounds: tuple[float, float]

    @property
    def treated(self) -> Treated:
        """The treatment and the outcome."""
        return Treated(self.study, self.formula.outcome, self.treatment)

    @property
    def columns(self) -> tuple[DesignColumn, ...]:
        """The outcome model's, without an intercept that is each hospital's own."""
        return self.formula.columns(self.study.variables)[self.own :]

    def result(self, found: Standardised, models: Fitted, people: int, sites: tuple[str, ...], rounds: int) -> Result:
        """The result."""
        effects = mean_effects(found.means, found.variance, self.treated.binary)
        told = [list(self._coefficients(group, models, found.people[group], len(sites))) for group in (0, 1)]
        aliased = np.logical_and(*(one.aliased for one in models.solved))
        return Result(
            method="standardisation",
            lossless=True,
            people=people,
            sites=sites,
            rounds=rounds,
            estimates=(
                *(self.treated.effect(name, effect) for name, effect in effects.items()),
                *self.treated.means(found.means, found.variance),
                *told[0],
                *told[1],
            ),
            tables=(
                self.treated.effects("standardised_effects", effects, Words("weighting.whom_ate")),
                self._means(found),
                self._models(told),
            ),
            notes=alias_notes(self.columns, aliased),
            methods_text=tuple(self._texts()),
        )

    def _means(self, found: Standardised) -> Table:
        binary = self.treated.binary
        digits = 3 if binary else digits_told(min(np.sqrt(np.diag(found.variance))))
        columns = (
            Column("group", Words("weighting.group"), "text"),
            Column("people", Words("describe.people"), "count"),
            Column(
                "crude", Words("standardisation.own_risk" if binary else "standardisation.own_mean"), "number", digits
            ),
            Column("mean", Words("standardisation.risk" if binary else "standardisation.mean"), "interval", digits),
        )
        means = self.treated.means(found.means, found.variance)
        rows = tuple(
            (self.treated.group(i == 0), int(found.people[i]), float(found.crude[i]), limits(means[i])) for i in (1, 0)
        )
        return Table("standardised_means", Words("standardisation.means"), columns, rows)

    def _coefficients(self, group: int, models: Fitted, people: float, hospitals: int) -> Iterator[Estimate]:
        """A group's outcome model, measured columns as they are; standard errors are model-based."""
        beta, solved = models.coefficients[group], models.solved[group]
        values, errors = self._as_they_are(beta, solved)
        if not self.treated.binary:
            free = people - int((~solved.aliased).sum()) - hospitals * self.own
            errors = errors * np.sqrt(-2 * models.likelihoods[group] / free)
        for column, value, error in zip(self.columns, values, errors, strict=True):
            told = estimate(column, float(value), float(error), Z95, float("nan"))
            label = of(told.label, f"standardisation.of_{GROUPS[group]}")
            yield replace(told, name=f"outcome.{GROUPS[group]}.{told.name}", label=label, p=None)

    def _as_they_are(self, beta: Floats, solved: Solved) -> tuple[Floats, Floats]:
        inverse, nothing = np.nan_to_num(solved.inverse), np.where(solved.aliased, np.nan, 0.0)
        if not self.own:
            back = about_zero(middles(self.formula, self.study.variables))
            beta, inverse = back @ beta, back @ inverse @ back.T
            beta[0] += middle_of(self.study.variables[self.formula.outcome])
        return beta + nothing, np.sqrt(np.diag(inverse)) + nothing

    def _models(self, told: list[list[Estimate]]) -> Table:
        columns = [Column("term", Words("regression.term"), "text")]
        for group in (1, 0):
            columns.append(Column(GROUPS[group], of(self.treated.group(group == 0), "standardisation.coefficient")))
        rows = tuple(
            (Words(text=column.label), *(_shown(told[group][j]) for group in (1, 0)))
            for j, column in enumerate(self.columns)
        )
        notes = (Words("weighting.own_intercepts"),) if self.own else ()
        return Table("outcome_models", Words("standardisation.models"), tuple(columns), rows, notes=notes)

    def _texts(self) -> Iterator[Words]:
        model = "linear" if not self.treated.binary else "logistic"
        hospitals = "own" if self.own else "pooled"
        yield Words(f"standardisation.text_{model}_{hospitals}", {"formula": self.formula.text})
        if self.propensity is None:
            yield Words("standardisation.text_g_formula")
            return
        yield Words(f"weighting.text_{hospitals}", {"formula": self.propensity.text})
        low, high = self.bounds
        if low > 0 or high < 1:
            yield Words("weighting.text_within", {"low": f"{low:g}", "high": f"{high:g}"})
        yield Words("standardisation.text_aipw")


def _shown(one: Estimate) -> Cell:
    return Words("regression.is_aliased") if one.value is None else one.value
