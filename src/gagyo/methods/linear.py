"""Linear regression, equal to the pooled least squares fit (lossless), by centred cross-products in three rounds.

Means first, then X'X, X'y and y'y about the pooled means (a one-pass sum of squares cancels), then the residual sum of
squares at the solution; robust errors take a fourth. Chan, Golub & LeVeque (1983) Am Stat 37:242. Reference: R `lm`,
statsmodels `OLS`; robust errors: `sandwich`, `clubSandwich`; papers in
`gagyo.methods._sandwich`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.local import Name, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods import _knots as knots
from gagyo.methods import _sandwich as sandwich
from gagyo.methods._newton import Solved, aliased_columns, solve, symmetric
from gagyo.methods._products import bounds, centred_products, column_sums, product_cells
from gagyo.methods._regression import (
    about_zero,
    alias_notes,
    equation,
    estimate,
    middles,
)
from gagyo.methods._sandwich import ARGUMENTS, Errors, People, Robust, Scales, Variance, with_freedom
from gagyo.methods._spline_told import with_splines
from gagyo.methods._values import bins_step, present_step
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import Aggregate, Floats, joint, spread_of
from gagyo.result import Column, Estimate, Interval, Result, Table, Words
from gagyo.statistics.distributions import f_sf

present = present_step("linear")
value_bins = bins_step("linear")
KNOTS = knots.Knots(present, value_bins)
"""Knots of splines without any are found before a fit."""


@local(formula=Name())
def means(rows: Rows, formula: str) -> Aggregate:
    """The sum of each column of the design (p) and of the outcome, and how many people."""
    return column_sums(rows, rows.formula(formula))


@local(formula=Name(), centre=Numbers((None,), -1e9, 1e9))
def products(rows: Rows, formula: str, centre: Floats) -> Aggregate:
    """Cross-products (upper triangle) of the design's columns and the outcome about `centre` (p + 1)."""
    return {"products": centred_products(rows, rows.formula(formula), centre)}


@local(formula=Name(), coefficients=Numbers((None,), -1e9, 1e9))
def residuals(rows: Rows, formula: str, coefficients: Floats) -> Aggregate:
    """The residual sum of squares."""
    parsed = rows.formula(formula)
    rest, most = _residuals(rows, parsed, coefficients)
    squares = rest[:, None] ** 2
    return {"residuals": joint(squares.sum(axis=0), most**2, product_cells(rows, parsed), spread_of(squares))}


@local(formula=Name(), coefficients=Numbers((None,), -1e9, 1e9), **ARGUMENTS)
def meat(rows: Rows, formula: str, coefficients: Floats, errors: str, cluster: str, inverse: Floats) -> Aggregate:
    """The middle of the sandwich, of columns about the middles of their ranges; u is x times the residual."""
    parsed = rows.formula(formula)
    rest, most = _residuals(rows, parsed, coefficients)
    middle = middles(parsed, rows.variables)
    people = People(rows.design(parsed) - middle, rest, np.ones(rows.n), np.ones(rows.n))
    scales = Scales(bounds(rows, parsed)[0] - np.abs(middle), most)
    cells = product_cells(rows, parsed)
    return sandwich.meat(rows, parsed, people, errors, cluster, inverse, scales, cells)


def _residuals(rows: Rows, formula: Formula, coefficients: Floats) -> tuple[Floats, float]:
    """The residuals (n,), and the most that one can be in size by the declared ranges."""
    x, y = bounds(rows, formula)
    return rows[formula.outcome] - rows.design(formula) @ coefficients, y + float(np.abs(coefficients) @ x)


class Options(BaseModel):
    """What a study file may say of a linear regression."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    robust: Errors = "none"
    """Standard errors: model-based, by White's sandwich over people (HC0 to HC3), or over clusters (CR0 to CR2)."""
    cluster: str = ""
    """For CR0 to CR2 a category or whole number, such as the ward: a cluster for each of its values in each hospital.
    Without it each hospital is a cluster."""


@dataclass(frozen=True)
class Method:
    """Linear regression of a study's analysis."""

    formula: Formula
    options: Options
    study: Study

    name: ClassVar[str] = "linear"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where its formula does not fit the study."""
        options = Options(**analysis.options)
        formula = knots.parse(options.formula, analysis, study)
        found = list(Robust(options.robust, options.cluster).faults(formula, analysis, study))
        if study.variables[formula.outcome].type == "category":
            values = {"found": formula.outcome, "expected": "number, integer, date, boolean"}
            found.append(Finding("linear_outcome", place=analysis.place("formula"), values=values))
        check_none(found)
        return cls(formula, options, study)

    @property
    def robust(self) -> Robust:
        """Which errors, over which clusters."""
        return Robust(self.options.robust, self.options.cluster)

    @property
    def complete(self) -> frozenset[str]:
        """All variables of the formula, and the cluster."""
        return frozenset(self.formula.variables) | self.robust.variables

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @KNOTS.sent
    def sends(self) -> tuple[Sends, ...]:
        """Sums, centred cross-products, residual sum of squares: one round each; one more for robust errors."""
        p = len(self.formula.columns(self.study.variables))
        sends = (
            Sends("linear.means", p + 2, 1),
            Sends("linear.products", (p + 1) * (p + 2) // 2, 1),
            Sends("linear.residuals", 1, 1),
        )
        return sends if self.options.robust == "none" else (*sends, Sends("linear.meat", self.robust.numbers(p), 1))

    @KNOTS.first
    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Means, products, residuals; then the tests."""
        fit = yield from self._fit()
        return _tell(self, fit)

    def _fit(self) -> Generator[Ask, Pooled, _Fit]:
        text = self.formula.text
        p = len(self.formula.columns(self.study.variables))
        first = yield self._ask(means, {"formula": text}, p)
        people = int(_whole(first, "people")[0])
        middle = _whole(first, "sums") / people
        centre = middle.copy() if self.formula.intercept else np.zeros(p + 1)
        if self.formula.intercept:
            centre[0] = 0.0  # the intercept's column stays what it is
        second = yield self._ask(products, {"formula": text, "centre": centre}, p)
        gram = symmetric(_whole(second, "products"), p + 1)
        information, score = gram[:p, :p], gram[:p, p]
        solved = solve(score, information, aliased_columns(information))
        beta, to_raw = _uncentre(solved.step, centre, self.formula.intercept)
        third = yield self._ask(residuals, {"formula": text, "coefficients": beta}, p)
        residual = float(_whole(third, "residuals")[0])
        # Fourth powers of a few people's values weigh heavily: they are asked for only where robust errors are.
        robust = None
        if self.options.robust != "none":
            robust = yield from self._robust(beta, solved, centre, people)
        inverse = to_raw @ np.nan_to_num(solved.inverse) @ to_raw.T
        return _Fit(beta, inverse, solved, robust, residual, gram[p, p], people, first.sites)

    def _robust(self, beta: Floats, solved: Solved, centre: Floats, people: int) -> Generator[Ask, Pooled, Variance]:
        """The robust variance, from columns about the middles of their ranges to columns as they are."""
        middle = middles(self.formula, self.study.variables)
        turn = np.eye(len(beta))
        if self.formula.intercept:
            turn[0, 1:] = middle[1:] - centre[1:-1]
        inverse = turn @ np.nan_to_num(solved.inverse) @ turn.T
        named = {"formula": self.formula.text, "coefficients": beta, **self.robust.arguments(inverse)}
        answer = yield Ask(meat, named, doing="robust_errors")
        kept = int((~solved.aliased).sum())
        if people <= kept:
            raise Stopped(Finding("withheld_fit"))
        found = self.robust.variance(_whole(answer, "meat"), inverse, people, kept)
        return found.at(about_zero(middle))

    def _ask(self, step: Any, arguments: dict[str, Any], p: int) -> Ask:
        return Ask(step, arguments, fit=self.formula.text, parameters=p, doing="fitting")


@dataclass(frozen=True)
class _Fit:
    beta: Floats
    inverse: Floats
    solved: Solved
    robust: Variance | None
    residual: float
    total: float
    people: int
    sites: tuple[str, ...]


def _whole(pooled: Pooled, name: str) -> Floats:
    if not pooled.whole(name):
        raise Stopped(Finding("withheld_fit"))
    return pooled[name]


def _uncentre(beta: Floats, centre: Floats, intercept: bool) -> tuple[Floats, Floats]:
    """Coefficients about the means as coefficients of the columns as they are, and the matrix that does it."""
    to_raw = np.eye(len(beta))
    if not intercept:
        return beta, to_raw
    to_raw[0, 1:] = -centre[1:-1]
    raw = to_raw @ beta
    raw[0] += centre[-1]
    return raw, to_raw


def _tell(method: Method, fit: _Fit) -> Result:
    kept = ~fit.solved.aliased
    freedom = fit.people - int(kept.sum())
    if freedom <= 0:
        raise Stopped(Finding("withheld_fit"))
    variance = fit.robust or Variance(fit.inverse * (fit.residual / freedom))
    columns = method.formula.columns(method.study.variables)
    beta = np.where(kept, fit.beta, np.nan)
    estimates = _estimates(columns, beta, variance, freedom)
    told = Result(
        method="linear",
        lossless=True,
        people=fit.people,
        sites=fit.sites,
        rounds=3 if method.options.robust == "none" else 4,
        estimates=estimates,
        tables=(_coefficients(estimates, fit.robust), _model_test(method, fit, freedom)),
        equation=equation(method.formula, method.study.variables, "identity", beta),
        notes=(*alias_notes(columns, fit.solved.aliased), *method.robust.notes(fit.robust)),
        methods_text=(
            Words("regression.linear_text", {"formula": method.formula.text}),
            *method.robust.methods_text(fit.robust),
        ),
    )
    return with_splines(told, method.formula, method.study, beta, variance, "difference", freedom)


def _estimates(columns: Any, beta: Floats, variance: Variance, freedom: int) -> tuple[Estimate, ...]:
    reach, p_values = variance.wald(beta, freedom)
    return tuple(
        estimate(column, *(float(one) for one in row))
        for column, *row in zip(columns, beta, variance.errors, reach, p_values, strict=True)
    )


def _coefficients(estimates: tuple[Estimate, ...], robust: Variance | None) -> Table:
    columns = (
        Column("term", Words("regression.term"), "text"),
        Column("coefficient", Words("regression.coefficient_interval"), "interval", 4),
        Column("standard_error", Words("regression.standard_error"), "number", 4),
        Column("p", Words("regression.p"), "p"),
    )
    table = Table("coefficients", Words("regression.coefficients"), columns, tuple(_row(one) for one in estimates))
    return with_freedom(table, robust)


def _row(one: Estimate) -> tuple[Any, ...]:
    if one.value is None or one.lower is None or one.upper is None:
        return (one.label, Words("regression.is_aliased"), None, None)
    return (one.label, Interval(one.value, one.lower, one.upper), one.standard_error, one.p)


def _model_test(method: Method, fit: _Fit, freedom: int) -> Table:
    terms = int((~fit.solved.aliased).sum()) - int(method.formula.intercept)
    explained = fit.total - fit.residual
    ratio = (explained / max(terms, 1)) / (fit.residual / freedom) if fit.residual > 0 else float("inf")
    columns = (
        Column("people", Words("regression.people"), "count"),
        Column("r_squared", Words("regression.r_squared"), "number", 4),
        Column("sigma", Words("regression.sigma"), "number", 4),
        Column("f", Words("regression.f"), "number", 2),
        Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "count"),
        Column("p", Words("regression.p"), "p"),
    )
    sigma = float(np.sqrt(fit.residual / freedom))
    tested = (float(ratio), terms, float(f_sf(ratio, terms, freedom))) if terms else (None, 0, None)
    row = (fit.people, float(1 - fit.residual / fit.total), sigma, *tested)
    about = () if method.formula.intercept else (Words("regression.about_zero"),)
    notes = (*about, *method.robust.under_test())
    return Table("model_test", Words("regression.model_test"), columns, (row,), notes=notes)
