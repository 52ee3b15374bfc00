"""How a logistic mixed model is told: odds ratios within clusters, and how far clusters differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gagyo.methods._logistic_told import Z95, coefficients_table
from gagyo.methods._mixed_logistic_walk import Fit
from gagyo.methods._mixed_told import FEW, HOSPITAL
from gagyo.methods._newton import wald
from gagyo.methods._regression import alias_notes, estimate
from gagyo.methods._sandwich import Variance
from gagyo.methods._spline_told import with_splines
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Study
from gagyo.protocol.terms import DesignColumn
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Estimate, Interval, Result, Table, Words
from gagyo.statistics.distributions import chi2_sf, normal_quantile

LOGISTIC = np.pi**2 / 3
"""The variance of the logistic distribution: what one person adds on the latent scale."""

MEDIAN = float(np.sqrt(2) * normal_quantile(0.75))
"""The median of the difference of two clusters, in deviations (Merlo and others 2006, J Epidemiol Community Health
60:290)."""


@dataclass(frozen=True)
class Told:
    """What a study asks to be told of a fit. hospital: `random` or `fixed`."""

    formula: Formula
    study: Study
    cluster: str
    hospital: str

    def result(self, fit: Fit, turn: Floats | None) -> Result:
        """The result; turn: from coefficients of columns about middles to those of columns as they are."""
        columns = self.formula.columns(self.study.variables)[int(self.hospital == "fixed") :]
        p = len(columns)
        turn = np.eye(p) if turn is None else turn
        beta = np.where(fit.aliased[:p], np.nan, turn @ fit.parameters[:p])
        variance = Variance(turn @ fit.variance[:p, :p] @ turn.T)
        effects = _effects(columns, beta, variance.errors)
        varies = self.hospital == "random" or self.cluster != ""
        spreads = self._spreads(fit) if varies else ()
        tables = [coefficients_table(effects, {}), *([_variances(self._label(), spreads)] if varies else [])]
        told = Result(
            method="mixed_logistic",
            lossless=True,
            people=fit.people,
            sites=fit.sites,
            rounds=fit.rounds,
            estimates=(*effects, *spreads),
            tables=(*tables, self._model(fit, varies)),
            notes=(*alias_notes(columns, fit.aliased[:p]), *self._notes(fit, varies)),
            methods_text=tuple(self._text(varies)),
        )
        return with_splines(told, self.formula, self.study, beta, variance, "log_odds_ratio")

    def _spreads(self, fit: Fit) -> tuple[Estimate, ...]:
        """Deviation, variance, share of the latent variance and median odds ratio, with limits by the deviation's.

        The limits are Wald's on the scale of its logarithm; at zero there are none, nor where it is under its error:
        they would run from nothing to thousands.
        """
        d = float(fit.parameters[-1])
        error = None if fit.singular else _error(fit)
        ends = np.array([d] if error is None or error > d else [d, *d * np.exp(np.array([-Z95, Z95]) * error / d)])
        scales = {
            "deviation": ends,
            "variance": ends**2,
            "icc": ends**2 / (ends**2 + LOGISTIC),
            "median_odds_ratio": np.exp(MEDIAN * ends),
        }
        return tuple(_spread(name, one, error if name == "deviation" else None) for name, one in scales.items())

    def _label(self) -> Words:
        one = self.study.variables.get(self.cluster)
        return Words(text=HOSPITAL if one is None else one.label)

    def _model(self, fit: Fit, varies: bool) -> Table:
        columns = [
            Column("people", Words("regression.people"), "count"),
            Column("events", Words("regression.events"), "count"),
            Column("hospitals", Words("mixed.hospitals"), "count"),
        ]
        row: list[Cell] = [fit.people, fit.events, len(fit.sites)]
        if self.cluster:
            columns.append(Column("clusters", Words("mixed.clusters"), "count"))
            row.append(fit.groups)
        columns.append(Column("log_likelihood", Words("regression.log_likelihood"), "number", 3))
        row.append(fit.likelihood)
        if varies:
            columns.append(Column("chi_square", Words("mixed.logistic_chi_square"), "number", 2))
            columns.append(Column("p", Words("regression.p"), "p"))
            chi = max(0.0, 2 * (fit.likelihood - fit.without))
            # Of two halves: a variance cannot be under zero (Self and Liang 1987, J Am Stat Assoc 82:605).
            row += [chi, float(chi2_sf(chi, 1)) / 2 if chi > 0 else 1.0]
        return Table("model", Words("mixed.model"), tuple(columns), (tuple(row),))

    def _notes(self, fit: Fit, varies: bool) -> list[Words]:
        notes = [Words("mixed.own_intercepts")] if self.hospital == "fixed" else []
        notes += [Words("mixed.logistic_conditional")] if varies else []
        notes += [Words("mixed.logistic_singular")] if varies and fit.singular else []
        vague = varies and not fit.singular and _error(fit) > fit.parameters[-1]
        notes += [Words("mixed.logistic_vague")] if vague else []
        return [*notes, Words("mixed.few_clusters")] if varies and fit.groups < FEW else notes

    def _text(self, varies: bool) -> list[Words]:
        text = [Words(f"mixed.logistic_text_{self.hospital}", {"formula": self.formula.text})]
        text += [Words("mixed.logistic_text_cluster", {"found": self.cluster})] if self.cluster else []
        return [*text, Words("mixed.logistic_text_laplace"), Words("mixed.logistic_text_spread")] if varies else text


def _effects(columns: Sequence[DesignColumn], beta: Floats, error: Floats) -> tuple[Estimate, ...]:
    known = np.where(np.isnan(beta), np.nan, error)
    found = zip(columns, beta, known, wald(beta, known), strict=True)
    return tuple(estimate(column, float(b), float(e), Z95, float(q)) for column, b, e, q in found)


def _error(fit: Fit) -> float:
    """The standard error of the deviation."""
    return float(np.sqrt(fit.variance[-1, -1]))


def _spread(name: str, ends: Floats, error: float | None) -> Estimate:
    """An estimate with its lower and upper limit, where it has any."""
    lower, upper = (float(one) for one in ends[1:]) if len(ends) > 1 else (None, None)
    return Estimate(name, Words(f"mixed.logistic_{name}"), float(ends[0]), error, lower, upper)


def _variances(label: Words, spreads: tuple[Estimate, ...]) -> Table:
    columns = [Column("effect", Words("mixed.effect"), "text")]
    columns += [Column(one.name, one.label, "interval", 2 if one.name == "median_odds_ratio" else 3) for one in spreads]
    cells = tuple(_interval(one) for one in spreads)
    return Table("variances", Words("mixed.logistic_between"), tuple(columns), ((label, *cells),))


def _interval(one: Estimate) -> Cell:
    if one.value is None or one.lower is None or one.upper is None:
        return one.value
    return Interval(one.value, one.lower, one.upper)
