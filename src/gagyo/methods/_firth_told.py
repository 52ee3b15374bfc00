"""How a Firth regression is told: coefficients with odds ratios, tests and limits of the penalised likelihood ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.methods._firth_walk import Seen, Walk
from gagyo.methods._logistic_told import Z95, coefficients_table
from gagyo.methods._newton import solve, wald
from gagyo.methods._regression import alias_notes, equation, estimate
from gagyo.methods._sandwich import Variance
from gagyo.methods._spline_told import with_splines
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Floats
from gagyo.result import Column, Estimate, Result, Table, Words
from gagyo.statistics.distributions import chi2_sf


@dataclass(frozen=True)
class Fit:
    """The maximum: coefficients (p,) of the columns as they are; what was opened there, of columns about middles."""

    coefficients: Floats
    aliased: NDArray[np.bool_]
    best: Seen
    people: int
    events: int
    sites: tuple[str, ...]
    rounds: int


@dataclass(frozen=True)
class Told:
    """What a study asks to be told of a fit. `per`: by column, the increment that its odds ratio is given for."""

    formula: Formula
    study: Study
    per: Mapping[str, float]

    def result(self, fit: Fit, turn: Floats, others: Sequence[Walk]) -> Result:
        """The result; turn (p, p): from columns about middles; others: the null model, then by column three walks."""
        columns = self.formula.columns(self.study.variables)
        inverse = solve(fit.best.score, fit.best.information, fit.aliased).inverse
        variance = Variance(turn @ np.nan_to_num(inverse) @ turn.T)
        beta = np.where(fit.aliased, np.nan, fit.coefficients)
        estimates = self._estimates(fit, beta, variance.errors, others[1:])
        back = np.linalg.inv(turn)
        told = Result(
            method="firth",
            lossless=True,
            people=fit.people,
            sites=fit.sites,
            rounds=fit.rounds,
            estimates=estimates,
            tables=(coefficients_table(estimates, self.per), self._model_test(fit, others[0])),
            equation=equation(self.formula, self.study.variables, "logit", beta, back.T @ fit.best.information @ back),
            notes=alias_notes(columns, fit.aliased),
            methods_text=(
                Words("firth.text", {"formula": self.formula.text}),
                Words("firth.text_profile" if others[1:] else "firth.text_wald"),
            ),
        )
        return with_splines(told, self.formula, self.study, beta, variance, "log_odds_ratio")

    def _estimates(self, fit: Fit, beta: Floats, error: Floats, walks: Sequence[Walk]) -> tuple[Estimate, ...]:
        columns = self.formula.columns(self.study.variables)
        told = [
            estimate(column, float(value), float(se), Z95, float(p))
            for column, value, se, p in zip(columns, beta, error, wald(beta, error), strict=True)
        ]
        for at, j in enumerate(np.flatnonzero(~fit.aliased) if walks else []):
            zero, low, high = walks[3 * at : 3 * at + 3]
            one = told[j]
            ends = (float(low.beta[j]), float(high.beta[j]))
            p = float(chi2_sf(_chi(fit, zero), 1))
            told[j] = Estimate(one.name, one.label, one.value, one.standard_error, *ends, p)
        return tuple(told)

    def _model_test(self, fit: Fit, null: Walk) -> Table:
        freedom, chi = int((~fit.aliased).sum()) - 1, _chi(fit, null)
        columns = (
            Column("people", Words("regression.people"), "count"),
            Column("events", Words("regression.events"), "count"),
            Column("log_likelihood", Words("firth.log_likelihood"), "number", 3),
            Column("chi_square", Words("firth.likelihood_ratio"), "number", 2),
            Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "count"),
            Column("p", Words("regression.p"), "p"),
        )
        p = float(chi2_sf(chi, max(freedom, 1)))
        row = (fit.people, fit.events, fit.best.likelihood, chi, freedom, p)
        return Table("model_test", Words("regression.model_test"), columns, (row,))


def _chi(fit: Fit, restricted: Walk) -> float:
    """Twice what the penalised log-likelihood loses by a restriction."""
    assert restricted.seen is not None
    return max(2 * (fit.best.likelihood - restricted.seen.likelihood), 0.0)
