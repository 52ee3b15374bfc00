"""How estimating equations are told: coefficients with their exponentials, and the working correlation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.methods._regression import alias_notes, estimate
from gagyo.methods._sandwich import Variance
from gagyo.methods._spline_told import with_splines
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Estimate, Interval, Result, Table, Words


@dataclass(frozen=True)
class Fit:
    """A converged fit: coefficients (p,) of columns about middles, NaN where aliased, and their variance (p, p).

    freedom: degrees of freedom (p,) of Student's t, infinite for the normal distribution. alpha: None with a working
    independence.
    """

    coefficients: Floats
    aliased: NDArray[np.bool_]
    variance: Floats
    freedom: Floats
    errors: str
    dispersion: float
    alpha: float | None
    clusters: int
    people: int
    sites: tuple[str, ...]
    rounds: int


RATIOS = {"gaussian": "", "binomial": "regression.odds_ratio", "poisson": "glm.rate_ratio"}
"""What the exponential of a coefficient is called."""

EFFECTS = {"gaussian": "difference", "binomial": "log_odds_ratio", "poisson": "log_rate_ratio"}


@dataclass(frozen=True)
class Told:
    """What a study asks to be told of a fit."""

    formula: Formula
    study: Study
    family: str
    cluster: str
    correlation: str
    weights: str = ""

    def result(self, fit: Fit, turn: Floats, denominator: str) -> Result:
        """The result; turn (p, p): from coefficients of columns about middles to those of columns as they are."""
        columns = self.formula.columns(self.study.variables)
        beta = np.where(fit.aliased, np.nan, turn @ np.nan_to_num(fit.coefficients))
        variance = Variance(turn @ fit.variance @ turn.T, fit.freedom)
        estimates = self._estimates(beta, variance)
        cluster = "gee.text_cluster" if self.cluster else "gee.text_hospitals"
        told = Result(
            method="gee",
            lossless=True,
            people=fit.people,
            sites=fit.sites,
            rounds=fit.rounds,
            estimates=estimates,
            tables=(self._coefficients(estimates, fit), self._working(fit)),
            notes=alias_notes(columns, fit.aliased),
            methods_text=(
                Words(f"gee.text_{self.family}", {"formula": self.formula.text}),
                Words(cluster, {"found": self.cluster} if self.cluster else {}),
                Words(f"gee.text_{self.correlation}"),
                *([Words("gee.text_weights", {"found": self.weights})] if self.weights else []),
                Words("gee.text_less" if denominator == "N-p" else "gee.text_numbers"),
                Words(f"gee.errors_{fit.errors}"),
            ),
        )
        return with_splines(told, self.formula, self.study, beta, variance, EFFECTS[self.family])

    def _estimates(self, beta: Floats, variance: Variance) -> tuple[Estimate, ...]:
        """Limits by Student's t, or the normal distribution where the degrees of freedom have no end."""
        error = variance.errors
        reach, p = variance.wald(beta)
        columns = self.formula.columns(self.study.variables)
        return tuple(
            estimate(column, *(float(one) for one in row))
            for column, *row in zip(columns, beta, error, reach, p, strict=True)
        )

    def _coefficients(self, estimates: tuple[Estimate, ...], fit: Fit) -> Table:
        ratio, few = RATIOS[self.family], bool(np.isfinite(fit.freedom).any())
        columns = [
            Column("term", Words("regression.term"), "text"),
            Column("coefficient", Words("regression.coefficient"), "number", 4),
            Column("standard_error", Words("regression.standard_error"), "number", 4),
        ]
        columns += [Column("freedom", Words("regression.degrees_of_freedom"), "number", 2)] if few else []
        if ratio:
            columns.append(Column("ratio", Words(ratio), "interval", 3))
        else:
            columns.append(Column("interval", Words("regression.coefficient_interval"), "interval", 4))
        columns.append(Column("p", Words("regression.p"), "p"))
        rows = tuple(
            _row(one, [float(freedom)] if few else [], bool(ratio))
            for one, freedom in zip(estimates, fit.freedom, strict=True)
        )
        return Table("coefficients", Words("regression.coefficients"), tuple(columns), rows)

    def _working(self, fit: Fit) -> Table:
        columns = [
            Column("people", Words("regression.people"), "count"),
            Column("clusters", Words("gee.clusters"), "count"),
            Column("dispersion", Words("gee.dispersion"), "number", 4),
        ]
        row: list[Cell] = [fit.people, fit.clusters, fit.dispersion]
        if fit.alpha is not None:
            columns.append(Column("alpha", Words("gee.alpha"), "number", 4))
            row.append(fit.alpha)
        return Table("working", Words("gee.working"), tuple(columns), (tuple(row),))


def _row(one: Estimate, freedom: list[float], ratio: bool) -> tuple[Cell, ...]:
    if one.value is None or one.lower is None or one.upper is None:
        return (one.label, Words("regression.is_aliased"), None, *([None] * len(freedom)), None, None)
    limits = np.array([one.value, one.lower, one.upper])
    shown = Interval(*(np.exp(limits) if ratio else limits).tolist())
    return (
        one.label,
        one.value,
        one.standard_error,
        *freedom,
        None if ratio and one.name == "Intercept" else shown,
        one.p,
    )
