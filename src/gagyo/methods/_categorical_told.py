"""How a regression of an outcome of several levels is told: odds ratios by level, or one for all cuts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gagyo.methods._newton import wald
from gagyo.methods._regression import middles, wald_table
from gagyo.methods._sandwich import Robust, Variance
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Study
from gagyo.protocol.terms import DesignColumn
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Estimate, Interval, Result, Table, Words
from gagyo.statistics.distributions import chi2_sf, normal_quantile
from gagyo.text import LANGUAGES, Language, Text, join, translate


@dataclass(frozen=True)
class Fit:
    """A converged fit: coefficients (q,) of columns about their middles, NaN where aliased, and their variance;
    its likelihood and the null model's, of weighted sums no likelihoods.
    """

    coefficients: Floats
    variance: Variance
    aliased: NDArray[np.bool_]
    likelihood: float
    null: float
    people: int
    sites: tuple[str, ...]
    rounds: int


@dataclass(frozen=True)
class Told:
    """What a study asks to be told of a fit."""

    formula: Formula
    study: Study
    model: str
    robust: Robust
    weights: str = ""

    @property
    def _levels(self) -> list[tuple[str, Text]]:
        return [(level.name, level.label) for level in self.study.variables[self.formula.outcome].levels]

    @property
    def _columns(self) -> tuple[DesignColumn, ...]:
        return self.formula.columns(self.study.variables)

    @property
    def names(self) -> list[str]:
        """The coefficients by name: `level.term`; or the cuts between levels, `below|above`, and the terms."""
        levels = [name for name, _ in self._levels]
        if self.model == "multinomial":
            return [f"{level}.{column.name}" for level in levels[1:] for column in self._columns]
        cuts = [f"{below}|{above}" for below, above in pairwise(levels)]
        return [*cuts, *(column.name for column in self._columns[1:])]

    @property
    def _labels(self) -> list[Text]:
        levels = [label for _, label in self._levels]
        if self.model == "multinomial":
            return [join(" · ", level, column.label) for level in levels[1:] for column in self._columns]
        cuts = [join(" | ", below, above) for below, above in pairwise(levels)]
        return [*cuts, *(column.label for column in self._columns[1:])]

    def _to_raw(self) -> Floats:
        """The matrix (q, q) from coefficients of columns about their middles to those of columns as they are."""
        middle, others = middles(self.formula, self.study.variables), len(self._levels) - 1
        if self.model == "ordinal":
            matrix = np.eye(others + len(middle) - 1)
            matrix[:others, others:] = middle[1:]
            return matrix
        one = np.eye(len(middle))
        one[0, 1:] = -middle[1:]
        return np.asarray(np.kron(np.eye(others), one), np.float64)

    def result(self, fit: Fit) -> Result:
        """The result."""
        turn = self._to_raw()
        beta = np.where(fit.aliased, np.nan, turn @ np.nan_to_num(fit.coefficients))
        error = fit.variance.at(turn).errors
        estimates = tuple(self._estimates(beta, error))
        gone = ", ".join(name for name, out in zip(self.names, fit.aliased, strict=True) if out)
        return Result(
            method="categorical",
            lossless=True,
            people=fit.people,
            sites=fit.sites,
            rounds=fit.rounds,
            estimates=estimates,
            tables=(self._coefficients(estimates), self._wald(fit) if self.weights else self._test(fit)),
            notes=(Words("regression.aliased", {"found": gone}),) if gone else (),
            methods_text=(
                Words(f"categorical.text_{self.model}", {"formula": self.formula.text}),
                *([Words("glm.text_weights", {"found": self.weights})] if self.weights else []),
                Words("categorical.text_fit"),
                *self.robust.methods_text(fit.variance),
            ),
        )

    def _estimates(self, beta: Floats, error: Floats) -> Iterator[Estimate]:
        reach = float(normal_quantile(0.975))
        with np.errstate(invalid="ignore", divide="ignore"):
            p_values = wald(beta, error)
        for name, label, value, se, p in zip(self.names, self._labels, beta, error, p_values, strict=True):
            words = Words(text=label)
            if np.isnan(value):
                yield Estimate(name, words, None)
            else:
                low, high = float(value - reach * se), float(value + reach * se)
                yield Estimate(name, words, float(value), float(se), low, high, float(p))

    def _coefficients(self, estimates: tuple[Estimate, ...]) -> Table:
        columns = (
            Column("term", Words("regression.term"), "text"),
            Column("coefficient", Words("regression.coefficient"), "number", 4),
            Column("standard_error", Words("regression.standard_error"), "number", 4),
            Column("odds_ratio", Words("regression.odds_ratio"), "interval", 3),
            Column("p", Words("regression.p"), "p"),
        )
        rows = tuple(self._row(one) for one in estimates)
        said = {"outcome": self.study.variables[self.formula.outcome].label, "level": self._levels[0][1]}
        note = Words(text=Text(*(self._note(one, said) for one in LANGUAGES)))
        return Table("coefficients", Words("regression.coefficients"), columns, rows, notes=(note,))

    def _note(self, language: Language, said: Mapping[str, Text]) -> str:
        """What an odds ratio is of, in one language."""
        said_in = {name: text.to(language) for name, text in said.items()}
        if self.model == "ordinal":
            return translate("categorical.note_ordinal", language, outcome=said_in["outcome"])
        return translate("categorical.note_multinomial", language, **said_in)

    def _row(self, one: Estimate) -> tuple[Cell, ...]:
        if one.value is None or one.lower is None or one.upper is None:
            return (one.label, Words("regression.is_aliased"), None, None, None)
        if one.name.endswith("Intercept") or "|" in one.name:
            return (one.label, one.value, one.standard_error, None, None)
        ratio = Interval(*(float(np.exp(value)) for value in (one.value, one.lower, one.upper)))
        return (one.label, one.value, one.standard_error, ratio, one.p)

    def _test(self, fit: Fit) -> Table:
        terms = int((~fit.aliased).sum()) - (len(self._levels) - 1)
        chi = 2 * (fit.likelihood - fit.null)
        columns = (
            Column("people", Words("regression.people"), "count"),
            Column("log_likelihood", Words("regression.log_likelihood")),
            Column("chi_square", Words("regression.likelihood_ratio"), "number", 2),
            Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "count"),
            Column("p", Words("regression.p"), "p"),
        )
        row = (fit.people, fit.likelihood, chi, terms, float(chi2_sf(chi, max(terms, 1))))
        return Table("model_test", Words("regression.model_test"), columns, (row,), notes=self.robust.under_test())

    def _wald(self, fit: Fit) -> Table:
        """All coefficients but intercepts and cuts: what weighted sums are of is no likelihood."""
        slopes = np.array(["|" not in name and not name.endswith(".Intercept") for name in self.names])
        kept = np.flatnonzero(slopes & ~fit.aliased)
        return wald_table(fit.people, fit.coefficients[kept], fit.variance.matrix[np.ix_(kept, kept)])
