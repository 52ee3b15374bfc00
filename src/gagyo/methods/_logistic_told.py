"""How a logistic fit is told: coefficients with odds ratios, the tests of the model and of each term, the equation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gagyo.methods._newton import Solved
from gagyo.methods._regression import alias_notes, equation, estimate, term_label
from gagyo.methods._sandwich import Robust, Variance, with_freedom
from gagyo.methods._spline_told import with_splines
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Estimate, Interval, Result, Table, Words
from gagyo.statistics.distributions import chi2_sf, normal_quantile
from gagyo.text import Text, join

Z95 = float(normal_quantile(0.975))


@dataclass(frozen=True)
class Fit:
    """A converged fit: coefficients (p,), NaN where aliased; information at them; log-likelihood; rounds."""

    coefficients: Floats
    information: Floats
    solved: Solved
    likelihood: float
    people: int
    events: int
    sites: tuple[str, ...]
    rounds: int

    def at(self, matrix: Floats) -> Fit:
        """The fit in other coordinates: coefficients times `matrix` (p, p), which is invertible."""
        back = np.linalg.inv(matrix)
        moved = matrix @ np.nan_to_num(self.coefficients)
        return replace(
            self,
            coefficients=np.where(np.isnan(self.coefficients), np.nan, moved),
            information=back.T @ self.information @ back,
        )


@dataclass(frozen=True)
class Told:
    """What a study asks to be told of a fit. `per`: by column, the increment that its odds ratio is given for."""

    formula: Formula
    study: Study
    robust: Robust
    per: Mapping[str, float]

    def result(self, fit: Fit, variance: Variance, tests: Floats) -> Result:
        """The result; tests (terms, 3): chi-square, degrees of freedom and p of each term, or empty."""
        columns = self.formula.columns(self.study.variables)
        error, beta = variance.errors, fit.coefficients
        reach, p_values = variance.wald(beta)
        estimates = tuple(
            estimate(column, *(float(one) for one in row))
            for column, *row in zip(columns, beta, error, reach, p_values, strict=True)
        )
        told = Result(
            method="logistic",
            lossless=True,
            people=fit.people,
            sites=fit.sites,
            rounds=fit.rounds,
            estimates=estimates,
            tables=(
                with_freedom(coefficients_table(estimates, self.per), variance),
                _model_test(self.formula, fit, self.robust),
                *_term_tests(self.formula, self.study, tests, self.robust),
            ),
            equation=equation(self.formula, self.study.variables, "logit", beta, fit.information),
            notes=(*alias_notes(columns, fit.solved.aliased), *self.robust.notes(variance)),
            methods_text=(
                Words("regression.logistic_text", {"formula": self.formula.text}),
                *self.robust.methods_text(variance),
            ),
        )
        return with_splines(told, self.formula, self.study, beta, variance, "log_odds_ratio")


def coefficients_table(estimates: tuple[Estimate, ...], per: Mapping[str, float]) -> Table:
    """Coefficients with odds ratios."""
    columns = (
        Column("term", Words("regression.term"), "text"),
        Column("coefficient", Words("regression.coefficient"), "number", 4),
        Column("standard_error", Words("regression.standard_error"), "number", 4),
        Column("odds_ratio", Words("regression.odds_ratio"), "interval", 3),
        Column("p", Words("regression.p"), "p"),
    )
    rows = tuple(_row(one, per.get(one.name, 1.0)) for one in estimates)
    return Table("coefficients", Words("regression.coefficients"), columns, rows)


def _row(one: Estimate, per: float) -> tuple[Cell, ...]:
    if one.value is None or one.lower is None or one.upper is None:
        return (one.label, Words("regression.is_aliased"), None, None, None)
    ratio = None
    if one.name != "Intercept":
        with np.errstate(over="ignore"):
            limits = np.exp(np.array([one.value, one.lower, one.upper]) * per)
        # Per whole unit of a variable that spans a millionth, a ratio is no number; the coefficient is there.
        ratio = Interval(*limits.tolist()) if np.isfinite(limits).all() else None
    return (_per(one.label, per), one.value, one.standard_error, ratio, one.p)


def _per(label: Words, per: float) -> Words:
    """The label with the increment that the odds ratio is for."""
    if per == 1.0 or label.text is None:
        return label
    return Words(text=join(" ", label.text, Text(f"(OR per {per:g})", f"({per:g}당 OR)", f"（每{per:g}的OR）")))


def _model_test(formula: Formula, fit: Fit, robust: Robust) -> Table:
    # The null model has the intercept alone; without one, everyone's probability is a half.
    share = fit.events / fit.people if formula.intercept else 0.5
    null = fit.events * np.log(share) + (fit.people - fit.events) * np.log(1 - share)
    freedom = int((~fit.solved.aliased).sum()) - int(formula.intercept)
    chi = 2 * (fit.likelihood - null)
    columns = (
        Column("people", Words("regression.people"), "count"),
        Column("events", Words("regression.events"), "count"),
        Column("log_likelihood", Words("regression.log_likelihood"), "number", 3),
        Column("chi_square", Words("regression.likelihood_ratio"), "number", 2),
        Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "count"),
        Column("p", Words("regression.p"), "p"),
    )
    tested: tuple[Cell, ...] = (float(chi), freedom, float(chi2_sf(chi, freedom))) if freedom else (None, 0, None)
    row = (fit.people, fit.events, fit.likelihood, *tested)
    half = () if formula.intercept else (Words("regression.against_a_half"),)
    notes = (*half, *robust.under_test())
    return Table("model_test", Words("regression.model_test"), columns, (row,), notes=notes)


def _term_tests(formula: Formula, study: Study, tests: Floats, robust: Robust) -> tuple[Table, ...]:
    if not len(tests):
        return ()
    columns = (
        Column("term", Words("regression.term"), "text"),
        Column("chi_square", Words("regression.likelihood_ratio"), "number", 2),
        Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "count"),
        Column("p", Words("regression.p"), "p"),
    )
    rows = tuple(
        (Words(text=term_label(term, study)), *((float(chi), int(freedom), float(p)) if freedom else (None, 0, None)))
        for term, (chi, freedom, p) in zip(formula.terms, tests, strict=True)
    )
    within = any(one.names < other.names for one in formula.terms for other in formula.terms)
    notes = (*([Words("regression.tested_at_zero")] if within else []), *robust.under_test())
    return (Table("term_tests", Words("regression.term_tests"), columns, rows, notes=notes),)
