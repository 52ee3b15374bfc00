"""How a generalised linear fit is told: coefficients with their exponentials, and the test of the model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gagyo.methods._newton import Solved
from gagyo.methods._offset import NONE, Offset
from gagyo.methods._regression import alias_notes, estimate, wald_table
from gagyo.methods._sandwich import Robust, Variance, with_freedom
from gagyo.methods._spline_told import with_splines
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Estimate, Interval, Result, Table, Words
from gagyo.statistics.distributions import chi2_sf, f_sf


@dataclass(frozen=True)
class Shape:
    """Theta of a negative binomial with its standard error, and the likelihood ratio against the Poisson model.

    p: theta of a Poisson model lies at the end of its range, so that the ratio is 0 half of the time (Self & Liang
    1987, J Am Stat Assoc 82:605).
    """

    theta: float
    error: float
    chi: float
    p: float


@dataclass(frozen=True)
class Fit:
    """A converged fit: coefficients (p,), NaN where aliased; its likelihood and the null model's (NaN without one).

    dispersion: what multiplies the inverse information. overdispersion: Pearson's chi-square a degree of freedom,
    NaN where it was not asked for.
    """

    coefficients: Floats
    solved: Solved
    likelihood: float
    null: float
    dispersion: float
    overdispersion: float
    people: int
    sites: tuple[str, ...]
    rounds: int
    shape: Shape | None = None
    mean: float = float("nan")
    """The mean outcome."""

    @property
    def freedom(self) -> int:
        """Residual degrees of freedom."""
        return self.people - int((~self.solved.aliased).sum())

    def at(self, matrix: Floats) -> Fit:
        """The fit in other coordinates: coefficients times `matrix` (p, p)."""
        moved = matrix @ np.nan_to_num(self.coefficients)
        return replace(self, coefficients=np.where(np.isnan(self.coefficients), np.nan, moved))


RATIOS = {
    "probit": "",
    "cloglog": "hazard_ratio",
    "poisson": "rate_ratio",
    "negative_binomial": "rate_ratio",
    "risk": "risk_ratio",
    "gamma": "mean_ratio",
    "logit": "odds_ratio",
    "gaussian": "",
}
"""What the exponential of a coefficient is called."""

RATIO_WORDS = {"odds_ratio": "regression.odds_ratio"}
"""Names of ratios that other methods have too."""


DISPERSED = ("gamma", "gaussian")
"""Families whose dispersion is estimated."""


@dataclass(frozen=True)
class Told:
    """What a study asks to be told of a fit."""

    formula: Formula
    study: Study
    family: str
    link: str
    robust: Robust
    offset: Offset = NONE
    weights: str = ""

    @property
    def ratio(self) -> str:
        """What the exponential of a coefficient is; empty where it is nothing.

        With an exposure a yes/no outcome is a count of events, at most one each, whose rates are compared.
        """
        outcome = self.study.variables[self.formula.outcome]
        risk = self.family == "poisson" and outcome.type == "boolean" and not self.offset.exposure
        return RATIOS["risk" if risk else self.link if self.family == "binomial" else self.family]

    def result(self, fit: Fit, variance: Variance) -> Result:
        """The result, with the variance of its coefficients."""
        columns = self.formula.columns(self.study.variables)
        estimates = self._estimates(fit, variance)
        told = Result(
            method="glm",
            lossless=True,
            people=fit.people,
            sites=fit.sites,
            rounds=fit.rounds,
            estimates=estimates,
            tables=(with_freedom(self._coefficients(estimates), variance), *self._tests(fit, variance)),
            notes=(*alias_notes(columns, fit.solved.aliased), *self._notes(fit), *self.robust.notes(variance)),
            methods_text=(
                Words(f"glm.text_{self.family}_{self.link}", {"formula": self.formula.text}),
                *([Words("glm.text_exposure", {"found": self.offset.exposure})] if self.offset.exposure else []),
                *([Words("glm.text_offset", {"found": self.offset.given})] if self.offset.given else []),
                *([Words("glm.text_weights", {"found": self.weights})] if self.weights else []),
                Words("glm.text_fit" if fit.shape is None else "glm.text_fit_dispersed"),
                *self.robust.methods_text(variance),
            ),
        )
        effect = f"log_{self.ratio}" if self.ratio else "difference" if self.family == "gaussian" else self.link
        return with_splines(told, self.formula, self.study, fit.coefficients, variance, effect, self._freedom(fit))

    def _freedom(self, fit: Fit) -> float:
        """Of the dispersion, where it is estimated."""
        return fit.freedom if self.family in DISPERSED else np.inf

    def _notes(self, fit: Fit) -> tuple[Words, ...]:
        if self.ratio == "risk_ratio" and self.robust.errors == "none":
            return (Words("glm.risk_needs_robust"),)
        over = (
            self.family == "poisson"
            and self.ratio == "rate_ratio"
            and self.robust.errors == "none"
            and fit.overdispersion > 1.5
        )
        return (Words("glm.overdispersed", {"found": f"{fit.overdispersion:.2f}"}),) if over else ()

    def _estimates(self, fit: Fit, variance: Variance) -> tuple[Estimate, ...]:
        """Wald limits: normal, and Student's t where the dispersion is estimated, as R's summary does."""
        reach, p_values = variance.wald(fit.coefficients, self._freedom(fit))
        columns = self.formula.columns(self.study.variables)
        return tuple(
            estimate(column, *(float(one) for one in row))
            for column, *row in zip(columns, fit.coefficients, variance.errors, reach, p_values, strict=True)
        )

    def _coefficients(self, estimates: tuple[Estimate, ...]) -> Table:
        plain = Column("coefficient", Words("regression.coefficient"), "number", 4)
        limits = Column("coefficient", Words("regression.coefficient_interval"), "interval", 4)
        columns = [
            Column("term", Words("regression.term"), "text"),
            plain if self.ratio else limits,
            Column("standard_error", Words("regression.standard_error"), "number", 4),
        ]
        columns += (
            [Column("ratio", Words(RATIO_WORDS.get(self.ratio, f"glm.{self.ratio}")), "interval", 3)]
            if self.ratio
            else []
        )
        columns.append(Column("p", Words("regression.p"), "p"))
        # Beside a given score alone, the intercept is what is asked for: calibration in the large.
        hidden = "" if self.offset.given and len(estimates) == 1 else "Intercept"
        rows = tuple(_row(one, bool(self.ratio), hidden) for one in estimates)
        return Table("coefficients", Words("regression.coefficients"), tuple(columns), rows)

    def _tests(self, fit: Fit, variance: Variance) -> tuple[Table, ...]:
        shape = () if fit.shape is None else (_dispersion(fit.shape),)
        if not self.weights and not shape and not (self.offset.text and self.family == "binomial"):
            return (self._model_test(fit),)
        if not self.formula.predictors:
            return shape  # the null model is all there is
        # A null model's theta, or odds with an offset, would be a fit of its own, and is not fitted.
        kept = np.flatnonzero(~fit.solved.aliased)[int(self.formula.intercept) :]
        likelihood = None if self.weights else fit.likelihood
        named = fit.coefficients[kept], variance.matrix[np.ix_(kept, kept)]
        return (wald_table(fit.people, *named, likelihood), *shape)

    def _model_test(self, fit: Fit) -> Table:
        """The likelihood ratio against the null model; where the dispersion is estimated the F test, as R's `anova`."""
        terms = int((~fit.solved.aliased).sum()) - int(self.formula.intercept)
        chi = 2 * (fit.likelihood - fit.null)
        known = terms > 0 and bool(np.isfinite(chi))
        if self.family in DISPERSED:
            value = chi / max(terms, 1) / fit.dispersion
            p = f_sf(value, max(terms, 1), fit.freedom)
            fitted, test = ("deviance", -2 * fit.likelihood), Column("f", Words("regression.f"), "number", 2)
        else:
            value, p = chi, chi2_sf(chi, max(terms, 1))
            fitted = ("log_likelihood", fit.likelihood)
            test = Column("chi_square", Words("regression.likelihood_ratio"), "number", 2)
        counted = bool(np.isfinite(fit.overdispersion))
        columns = (
            Column("people", Words("regression.people"), "count"),
            Column(fitted[0], Words("glm.deviance" if self.family in DISPERSED else "regression.log_likelihood")),
            *([Column("dispersion", Words("glm.dispersion"))] if counted else []),
            test,
            Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "count"),
            Column("p", Words("regression.p"), "p"),
        )
        told: tuple[Cell, ...] = (float(value), terms, float(p)) if known else (None, terms, None)
        row = (fit.people, fitted[1], *([fit.overdispersion] if counted else []), *told)
        return Table("model_test", Words("regression.model_test"), columns, (row,), notes=self.robust.under_test())


def _dispersion(shape: Shape) -> Table:
    columns = (
        Column("theta", Words("glm.theta"), "number", 4),
        Column("standard_error", Words("regression.standard_error"), "number", 4),
        Column("chi_square", Words("glm.against_poisson"), "number", 2),
        Column("p", Words("regression.p"), "p"),
    )
    row = (shape.theta, shape.error, shape.chi, shape.p)
    return Table("overdispersion", Words("glm.overdispersion"), columns, (row,))


def _row(one: Estimate, ratio: bool, hidden: str) -> tuple[Cell, ...]:
    """hidden: the name whose exponential is no ratio."""
    if one.value is None or one.lower is None or one.upper is None:
        return (one.label, Words("regression.is_aliased"), None, *([None] if ratio else []), None)
    if not ratio:
        return (one.label, Interval(one.value, one.lower, one.upper), one.standard_error, one.p)
    exponentials = Interval(*(float(np.exp(value)) for value in (one.value, one.lower, one.upper)))
    shown = None if one.name == hidden else exponentials
    return (one.label, one.value, one.standard_error, shown, one.p)
