"""How a linear mixed model is told: fixed effects, variances of the random effects, each hospital's own deviation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gagyo.methods._regression import alias_notes, estimate
from gagyo.methods._sandwich import Variance
from gagyo.methods._spline_told import with_splines
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Study
from gagyo.protocol.terms import DesignColumn
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Estimate, Interval, Result, Table, Words
from gagyo.statistics.distributions import normal_quantile
from gagyo.text import Text, join


@dataclass(frozen=True)
class Fitted:
    """A converged fit.

    estimates, freedoms: by column (p,), NaN where aliased; without the intercept where hospitals are fixed. covariance:
    of the estimates (p, p).
    variances: of the random effects (q, q), empty without any. modes: by hospital its deviations and their errors.
    deviance: minus twice the (restricted) log-likelihood. groups: how many clusters.
    """

    estimates: Floats
    covariance: Floats
    freedoms: Floats
    sigma: float
    deviance: float
    people: int
    sites: tuple[str, ...]
    rounds: int
    aliased: NDArray[np.bool_]
    variances: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    modes: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)
    fixed_hospitals: bool = False
    groups: int = 0
    singular: bool = False


@dataclass(frozen=True)
class Told:
    """What a study asks to be told of a fit."""

    formula: Formula
    study: Study
    slopes: Sequence[str]
    cluster: str
    estimation: str

    def result(self, fit: Fitted) -> Result:
        """The result."""
        columns = self.formula.columns(self.study.variables)[int(fit.fixed_hospitals) :]
        variance = Variance(fit.covariance, fit.freedoms)
        effects = _effects(columns, fit.estimates, variance)
        told = Result(
            method="mixed",
            lossless=True,
            people=fit.people,
            sites=fit.sites,
            rounds=fit.rounds,
            estimates=(*effects, *self._spreads(fit)),
            tables=tuple(self._tables(fit, effects)),
            notes=(*alias_notes(columns, fit.aliased), *self._notes(fit)),
            methods_text=tuple(self._text(fit)),
        )
        return with_splines(told, self.formula, self.study, fit.estimates, variance, "difference")

    def _tables(self, fit: Fitted, effects: Sequence[Estimate]) -> list[Table]:
        tables = [fixed_effects(effects, fit.freedoms), self._variances(fit), self._model(fit)]
        return [*tables, self._deviations(fit)] if fit.modes else tables

    def _named(self, fit: Fitted) -> list[tuple[str, Words]]:
        """The random effects, by the name of their estimate."""
        if self.cluster and len(fit.variances):
            return [("cluster", Words(text=self.study.variables[self.cluster].label))]
        names = [("hospital", Words("mixed.by_hospital"))]
        labels = {name: join(" × ", HOSPITAL, self.study.variables[name].label) for name in self.slopes}
        names += [(f"hospital.{name}", Words(text=label)) for name, label in labels.items()]
        return names[: len(fit.variances)]

    def _spreads(self, fit: Fitted) -> tuple[Estimate, ...]:
        """Variances and covariances, for those who compute on."""
        named = self._named(fit)
        found = [
            Estimate(f"variance.{name}" if i == j else f"covariance.{named[j][0]}.{name}", label, fit.variances[i, j])
            for i, (name, label) in enumerate(named)
            for j in range(i + 1)
        ]
        return (*found, Estimate("variance.residual", Words("mixed.residual"), fit.sigma**2))

    def _variances(self, fit: Fitted) -> Table:
        whole = fit.variances[0, 0] + fit.sigma**2 if len(fit.variances) else fit.sigma**2
        rows: list[tuple[Cell, ...]] = []
        for i, (_, label) in enumerate(self._named(fit)):
            variance = float(fit.variances[i, i])
            share = variance / whole if i == 0 and len(fit.variances) == 1 else None
            rows.append((label, variance, float(np.sqrt(variance)), _correlation(fit.variances, i), share))
        residual = (Words("mixed.residual"), fit.sigma**2, fit.sigma, None, None)
        columns = [
            Column("effect", Words("mixed.effect"), "text"),
            Column("variance", Words("mixed.variance"), "number", 4),
            Column("deviation", Words("mixed.deviation"), "number", 4),
            Column("correlation", Words("mixed.correlation"), "number", 3),
            Column("icc", Words("mixed.icc"), "number", 3),
        ]
        kept = [0, 1, 2, *([3] if len(fit.variances) > 1 else []), *([4] if len(fit.variances) == 1 else [])]
        table = tuple(tuple(row[j] for j in kept) for row in (*rows, residual))
        return Table("variances", Words("mixed.variances"), tuple(columns[j] for j in kept), table)

    def _model(self, fit: Fitted) -> Table:
        columns = [
            Column("people", Words("regression.people"), "count"),
            Column("hospitals", Words("mixed.hospitals"), "count"),
            *([Column("clusters", Words("mixed.clusters"), "count")] if fit.groups else []),
            Column("log_likelihood", Words(f"mixed.likelihood_{self.estimation}"), "number", 3),
        ]
        row = (fit.people, len(fit.sites), *([fit.groups] if fit.groups else []), -fit.deviance / 2)
        return Table("model", Words("mixed.model"), tuple(columns), (row,))

    def _deviations(self, fit: Fitted) -> Table:
        """Each hospital's own deviation, shrunk towards none, with the interval of its conditional variance."""
        columns = [Column("hospital", Words("mixed.hospital"), "text")]
        columns += [Column(name, label, "interval", 3) for name, label in self._named(fit)]
        reach = float(normal_quantile(0.975))
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (
                Words(text=Text(site, site, site)),
                *(Interval(float(v), float(v - reach * e), float(v + reach * e)) for v, e in zip(*pair, strict=True)),
            )
            for site, pair in fit.modes.items()
        )
        return Table("deviations", Words("mixed.deviations"), tuple(columns), rows, notes=(Words("mixed.shrunk"),))

    def _notes(self, fit: Fitted) -> list[Words]:
        notes = [Words("mixed.own_intercepts")] if fit.fixed_hospitals else []
        notes += [Words("mixed.singular")] if fit.singular else []
        return [*notes, Words("mixed.few_clusters")] if 0 < fit.groups < FEW else notes

    def _text(self, fit: Fitted) -> list[Words]:
        named: dict[str, int | float | str] = {"formula": self.formula.text}
        text = [Words("mixed.text_fixed" if fit.fixed_hospitals else "mixed.text_random", named)]
        text += [Words("mixed.text_slopes", {"found": ", ".join(self.slopes)})] if self.slopes else []
        text += [Words("mixed.text_cluster", {"found": self.cluster})] if self.cluster else []
        return [*text, Words(f"mixed.text_{self.estimation}"), Words("mixed.text_freedom")]


HOSPITAL = Text("Hospital", "병원", "医院")
FEW = 10
"""Clusters under which the variance between them is hardly known."""


def _effects(columns: Sequence[DesignColumn], beta: Floats, variance: Variance) -> tuple[Estimate, ...]:
    reach, p = variance.wald(beta)
    found = zip(columns, beta, variance.errors, reach, p, strict=True)
    return tuple(estimate(column, *(float(value) for value in values)) for column, *values in found)


def _correlation(variances: Floats, i: int) -> float | None:
    """With the random intercept."""
    size = float(np.sqrt(variances[i, i] * variances[0, 0]))
    return float(variances[i, 0]) / size if i and size > 0 else None


def fixed_effects(effects: Sequence[Estimate], freedoms: Floats) -> Table:
    """The table of coefficients with their limits and degrees of freedom."""
    columns = (
        Column("term", Words("regression.term"), "text"),
        Column("coefficient", Words("regression.coefficient_interval"), "interval", 4),
        Column("standard_error", Words("regression.standard_error"), "number", 4),
        Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "number", 1),
        Column("p", Words("regression.p"), "p"),
    )
    rows = tuple(effect_row(one, float(df)) for one, df in zip(effects, freedoms, strict=True))
    return Table("fixed_effects", Words("mixed.fixed_effects"), columns, rows)


def effect_row(one: Estimate, freedom: float) -> tuple[Cell, ...]:
    """Label, value with limits, standard error, degrees of freedom and p of one estimate."""
    if one.value is None or one.lower is None or one.upper is None:
        return (one.label, Words("regression.is_aliased"), None, None, None)
    return (one.label, Interval(one.value, one.lower, one.upper), one.standard_error, freedom, one.p)
