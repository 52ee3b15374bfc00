"""How the splines of a fit are told: the fitted curve of each, and Wald tests of all its terms and of its bend alone.

F. E. Harrell, Regression Modeling Strategies, 2nd ed., sections 2.4.5 and 9.5. Everything follows from the coefficients
and their covariance, so that nothing more is asked of the hospitals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gagyo.methods._labels import with_unit
from gagyo.methods._sandwich import Variance
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Study
from gagyo.protocol.terms import Spline, number_text
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Curve, Result, Series, Table, Words
from gagyo.statistics.distributions import chi2_sf, f_sf, t_quantile
from gagyo.text import LANGUAGES, Text, join, translate

TITLE = Text(*(translate("splines.title", one) for one in LANGUAGES))
DIFFERENCE = Text(*(translate("splines.difference", one) for one in LANGUAGES))

PLACES = 60
"""Where a curve is computed, evenly between its outer knots, beside the knots themselves."""


@dataclass(frozen=True)
class Bent:
    """The coefficients (m,) of one spline and their covariance (m, m); `freedom` of their estimated variance."""

    spline: Spline
    coefficients: Floats
    covariance: Floats
    freedom: float

    @property
    def reference(self) -> float:
        """The middle knot, the lower one of two: what the curve is a difference from."""
        return self.spline.knots[(len(self.spline.knots) - 1) // 2]

    def wald(self, first: int) -> tuple[float, int, float]:
        """The statistic, degrees of freedom and p of the coefficients from `first` on: F where `freedom` has an end."""
        beta, kept = self.coefficients[first:], len(self.coefficients) - first
        chi = float(beta @ np.linalg.solve(self.covariance[first:, first:], beta))
        if np.isinf(self.freedom):
            return chi, kept, float(chi2_sf(chi, kept))
        return chi / kept, kept, float(f_sf(chi / kept, kept, self.freedom))

    def differences(self, x: Floats) -> tuple[Floats, Floats]:
        """The linear predictor at x (n,) less that at the reference, and its standard errors."""
        basis = self._basis(x) - self._basis(np.array([self.reference]))
        return basis @ self.coefficients, np.sqrt(np.einsum("ij,jk,ik->i", basis, self.covariance, basis))

    def _basis(self, x: Floats) -> Floats:
        out = np.empty((len(x), self.spline.width), order="F")
        for which in range(self.spline.width):
            self.spline.fill(which, {self.spline.name: x}, out[:, which])
        return out


def with_splines(
    result: Result,
    formula: Formula,
    study: Study,
    coefficients: Floats,
    variance: Variance,
    effect: str,
    freedom: float = np.inf,
) -> Result:
    """The result with a figure and tests of each spline whose variable is in no other term.

    coefficients: (p,) of the last p columns of the design, NaN where aliased. effect: what a difference of the linear
    predictor is, such as `log_odds_ratio`; `difference` is one of the outcome. freedom: degrees of freedom, where the
    variance names none; infinite for the normal distribution.
    """
    spread = np.full(len(coefficients), freedom) if variance.freedom is None else variance.freedom
    bent = list(_alone(formula, study, coefficients, variance.matrix, spread))
    if not bent:
        return result
    outcome = with_unit(study.variables[formula.outcome]).text or study.variables[formula.outcome].label
    said = Words(text=join(": ", DIFFERENCE, outcome)) if effect == "difference" else Words(f"splines.{effect}")
    return replace(
        result,
        tables=(*result.tables, _tests(bent, study)),
        curves=(*result.curves, *(_curve(one, study, said) for one in bent)),
        methods_text=(*result.methods_text, Words("splines.text")),
    )


def _alone(formula: Formula, study: Study, coefficients: Floats, covariance: Floats, freedom: Floats) -> Iterator[Bent]:
    """The splines that say all about their variable; not of a variable in a product, nor with an aliased column."""
    names = [column.name for column in formula.columns(study.variables)][-len(coefficients) :]
    named = [factor.name for term in formula.terms for factor in term.factors]
    for term in formula.terms:
        one = term.factors[0]
        if len(term.factors) > 1 or not isinstance(one, Spline) or named.count(one.name) > 1:
            continue
        at = [names.index(column.name) for column in one.columns(study.variables)]
        if not np.isnan(coefficients[at]).any():
            yield Bent(one, coefficients[at], covariance[np.ix_(at, at)], float(freedom[at].min()))


def _tests(bent: Sequence[Bent], study: Study) -> Table:
    """Where the variance was estimated, the statistic is an F, which the table's columns then say."""
    statistic = "regression.f" if all(np.isfinite(one.freedom) for one in bent) else "splines.wald"
    columns = (
        Column("variable", Words("describe.variable"), "text"),
        Column("tested", Words("splines.tested"), "text"),
        Column("statistic", Words(statistic), "number", 2),
        Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "count"),
        Column("p", Words("regression.p"), "p"),
    )
    rows: list[tuple[Cell, ...]] = []
    for one in bent:
        label = Words(text=study.variables[one.spline.name].label)
        rows.append((label, Words("splines.all_terms"), *one.wald(0)))
        rows.append((None, Words("splines.bend"), *one.wald(1)))
    return Table("splines", Words("splines.tests"), columns, tuple(rows))


def _curve(one: Bent, study: Study, effect: Words) -> Curve:
    variable, knots = study.variables[one.spline.name], np.array(one.spline.knots)
    x = np.unique(np.concatenate([np.linspace(knots[0], knots[-1], PLACES), knots]))
    y, error = one.differences(x)
    reach = float(t_quantile(0.975, one.freedom)) * error
    ends = (float(knots[0]), float(knots[-1]))
    series = (
        Series(Words("splines.no_difference"), ends, (0.0, 0.0), style="reference"),
        Series(Words("splines.fitted"), _told(x), _told(y), _told(y - reach), _told(y + reach)),
        Series(Words("splines.knots"), _told(knots), _told(one.differences(knots)[0]), style="points"),
    )
    note = Words("splines.note", {"value": number_text(one.reference)})
    title = Words(text=join(": ", TITLE, variable.label))
    return Curve(f"spline_{one.spline.name}", title, with_unit(variable), effect, series, (note,))


def _told(x: Floats) -> tuple[float, ...]:
    return tuple(float(one) for one in x)
