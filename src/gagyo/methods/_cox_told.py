"""How a Cox fit is told: hazard ratios, the tests of the model, and the test of proportional hazards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gagyo.methods._newton import Solved, wald
from gagyo.methods._regression import alias_notes, estimate, term_label
from gagyo.methods._sandwich import Variance
from gagyo.methods._spline_told import with_splines
from gagyo.methods._survival.telling import time_digits, time_words
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Study
from gagyo.protocol.ucum import shown
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Estimate, Interval, Result, Table, Words
from gagyo.statistics.distributions import chi2_sf, normal_quantile
from gagyo.text import LANGUAGES, Text, translate

HAZARD_RATIOS = Words("survival.hazard_ratios")
SHOWN = 10
"""Times of the baseline hazard that the table shows."""

Z95 = float(normal_quantile(0.975))


@dataclass(frozen=True)
class Fit:
    """A converged fit: coefficients (p,), NaN where aliased; information; log-likelihoods of the fit and of no effect.

    time: everyone's time of observation together.
    """

    coefficients: Floats
    information: Floats
    solved: Solved
    likelihoods: tuple[float, float]
    people: int
    events: int
    time: float
    sites: tuple[str, ...]
    rounds: int


@dataclass(frozen=True)
class Proportionality:
    """The test of proportional hazards: its transform of time; chi-square, degrees of freedom and p (terms + 1, 3)."""

    transform: str
    tests: Floats


@dataclass(frozen=True)
class Baseline:
    """The cumulative hazard (strata, K) at times (K,), where all columns are zero; what the time is called.

    strata: each one's name for programs and its label; of one stratum neither is told.
    """

    times: Floats
    hazard: Floats
    label: Words
    strata: list[tuple[str, Words]]

    @property
    def divided(self) -> bool:
        """Whether there are several strata."""
        return len(self.strata) > 1

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """Each stratum's hazard at each time."""
        label = Words("survival.baseline_hazard")
        return tuple(
            Estimate(f"baseline.{name}.{time:g}" if self.divided else f"baseline.{time:g}", label, float(h))
            for (name, _), row in zip(self.strata, self.hazard, strict=True)
            for time, h in zip(self.times, row, strict=True)
        )


@dataclass(frozen=True)
class Told:
    """What a study asks to be told of a fit.

    per: by column, the increment that its hazard ratio is given for. time: the variable of the time of observation.
    weights: that of what each person counts, or empty. for_few: whether ties are Breslow's since few people are tied.
    """

    formula: Formula
    study: Study
    robust: bool
    per: Mapping[str, float]
    ties: str
    time: str
    weights: str = ""
    for_few: bool = False

    def result(
        self,
        fit: Fit,
        variance: Floats,
        tested: Proportionality | None,
        strata: str,
        truncated: bool,
        changes: Mapping[str, str],
    ) -> Result:
        """The result, with the covariance of the coefficients (p, p) that the study asks for.

        changes: by covariate that changes, the variable of its time.
        """
        columns = self.formula.columns(self.study.variables)[1:]
        estimates = self.estimates(fit, variance)
        tests = (self._proportional(tested),) if tested else ()
        told = Result(
            method="cox",
            lossless=True,
            people=fit.people,
            sites=fit.sites,
            rounds=fit.rounds + int(self.robust) + len(tests),
            estimates=estimates,
            tables=(self.ratios(estimates), self._fit_table(fit, variance), *tests),
            notes=(
                Words("survival.within_hospitals"),
                *([Words("survival.ties_of_few")] if self.for_few else []),
                *self._changes(changes),
                *alias_notes(columns, fit.solved.aliased),
            ),
            methods_text=(
                *self._text("cox", strata, truncated, tested),
                *([Words("survival.episodes")] if changes else []),
            ),
        )
        return self.with_splines(told, fit, variance)

    def common(
        self,
        fit: Fit,
        variance: Floats,
        baseline: Baseline,
        notes: tuple[Words, ...],
        intervals: int,
        strata: str,
        truncated: bool,
        changes: Mapping[str, str],
    ) -> Result:
        """The result of a fit with one baseline hazard (in each of the `strata`) for all hospitals.

        changes: as in `result`.
        """
        columns = self.formula.columns(self.study.variables)[1:]
        estimates = self.estimates(fit, variance)
        grid = Words("survival.grid_of_fit", {"found": intervals})
        ratios = self.ratios(estimates, Words("survival.ratios_of_all"))
        told = Result(
            method="cox",
            lossless=True,
            people=fit.people,
            sites=fit.sites,
            rounds=fit.rounds,
            estimates=(*estimates, *baseline.estimates),
            tables=(
                ratios,
                self._fit_table(fit, variance),
                _baseline(baseline),
            ),
            notes=(
                Words("survival.one_baseline"),
                grid,
                *notes,
                *self._changes(changes),
                *alias_notes(columns, fit.solved.aliased),
            ),
            methods_text=(
                *self._text("common", strata, truncated, None),
                *([Words("survival.episodes_on_a_grid")] if changes else []),
            ),
        )
        return self.with_splines(told, fit, variance)

    def with_splines(self, result: Result, fit: Fit, variance: Floats, effect: str = "log_hazard_ratio") -> Result:
        """The result with figures and tests of splines, by the covariance (p, p) that the study asks for."""
        return with_splines(result, self.formula, self.study, fit.coefficients, Variance(variance), effect)

    def estimates(self, fit: Fit, variance: Floats) -> tuple[Estimate, ...]:
        """The coefficients, with the covariance (p, p) that the study asks for."""
        error = np.sqrt(np.diag(variance))
        p_values = wald(fit.coefficients, error)
        columns = self.formula.columns(self.study.variables)[1:]
        return tuple(
            estimate(column, float(value), float(se), Z95, float(p))
            for column, value, se, p in zip(columns, fit.coefficients, error, p_values, strict=True)
        )

    def _text(
        self, kind: Literal["cox", "common"], strata: str, truncated: bool, tested: Proportionality | None
    ) -> tuple[Words, ...]:
        within = {"cox": "survival.more_strata", "common": "survival.strata_of_all"}[kind]
        late = {"cox": "survival.truncated", "common": "survival.truncated_on_a_grid"}[kind]
        words = [Words(f"survival.{kind}_text", {"formula": self.formula.text}), Words(f"survival.ties_{self.ties}")]
        if strata:
            words.append(Words(within, {"found": strata}))
        if truncated:
            words.append(Words(late))
        words.append(Words("survival.errors_robust" if self.robust else "survival.errors_model"))
        tests = (
            Words("survival.text_weights", {"found": self.weights}) if self.weights else Words("survival.text_tests")
        )
        words.append(tests)
        if tested:
            words.append(Words(f"survival.zph_{tested.transform}"))
        return tuple(words)

    def _changes(self, changes: Mapping[str, str]) -> tuple[Words, ...]:
        """What each covariate that changes is, by the names that people read."""
        known = self.study.variables
        return tuple(_change(known[name].label, known[at].label) for name, at in changes.items())

    def observed(self) -> Words:
        """What everyone's time of observation is called, with its unit."""
        named = Text(*(translate("survival.time_observed", one) for one in LANGUAGES))
        return time_words(replace(self.study.variables[self.time], label=named))

    def ratios(
        self,
        estimates: tuple[Estimate, ...],
        title: Words = HAZARD_RATIOS,
        ratio: str = "survival.hazard_ratio",
        name: str = "hazard_ratios",
    ) -> Table:
        """The table of hazard ratios with their limits."""
        columns = (
            Column("term", Words("regression.term"), "text"),
            Column("hazard_ratio", Words(ratio), "interval", 2),
            Column("coefficient", Words("regression.coefficient"), "number", 4),
            Column("standard_error", Words("regression.standard_error"), "number", 4),
            Column("p", Words("regression.p"), "p"),
        )
        known = self.study.variables
        units = (known[one.name].unit if one.name in known else "" for one in estimates)
        rows = tuple(_row(one, self.per.get(one.name, 1.0), unit) for one, unit in zip(estimates, units, strict=True))
        return Table(name, title, columns, rows, kind="forest")

    def _fit_table(self, fit: Fit, variance: Floats) -> Table:
        """Likelihood ratio against no effect; of weights, whose sums of logarithms are no likelihood, Wald's test."""
        kept = np.flatnonzero(~fit.solved.aliased)
        columns = [
            Column("people", Words("regression.people"), "count"),
            Column("events", Words("survival.events"), "count"),
            Column("time", self.observed(), "number", 0),
        ]
        if self.weights:
            beta = fit.coefficients[kept]
            chi = float(beta @ np.linalg.solve(variance[np.ix_(kept, kept)], beta)) if len(kept) else 0.0
            columns.append(Column("wald", Words("glm.wald"), "number", 2))
        else:
            chi = float(2 * (fit.likelihoods[0] - fit.likelihoods[1]))
            columns.append(Column("log_likelihood", Words("survival.partial_likelihood"), "number", 3))
            columns.append(Column("chi_square", Words("regression.likelihood_ratio"), "number", 2))
        columns.append(Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "count"))
        columns.append(Column("p", Words("regression.p"), "p"))
        told: list[Cell] = [] if self.weights else [fit.likelihoods[0]]
        told += [chi, len(kept), float(chi2_sf(chi, max(len(kept), 1)))]
        row: tuple[Cell, ...] = (fit.people, fit.events, fit.time, *told)
        notes = (Words("regression.test_is_model_based"),) if self.robust and not self.weights else ()
        return Table("hazard_model", Words("regression.model_test"), tuple(columns), (row,), notes=notes)

    def _proportional(self, tested: Proportionality) -> Table:
        labels = [Words(text=term_label(term, self.study)) for term in self.formula.terms]
        columns = (
            Column("term", Words("regression.term"), "text"),
            Column("chi_square", Words("survival.chi_square"), "number", 2),
            Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "count"),
            Column("p", Words("regression.p"), "p"),
        )
        rows = tuple(
            (label, None if np.isnan(chi) else float(chi), int(freedom), None if np.isnan(p) else float(p))
            for label, (chi, freedom, p) in zip([*labels, Words("survival.all_terms")], tested.tests, strict=True)
        )
        title = Words(f"survival.proportional_{tested.transform}")
        return Table("proportional_hazards", title, columns, rows)


def _row(one: Estimate, per: float, unit: str) -> tuple[Cell, ...]:
    """A term's hazard ratio, coefficient and error, all for the increment that its label says."""
    if one.value is None or one.lower is None or one.upper is None:
        return (one.label, Words("regression.is_aliased"), None, None, None)
    with np.errstate(over="ignore"):
        limits = np.exp(np.array([one.value, one.lower, one.upper]) * per)
    ratio = Interval(*limits.tolist()) if np.isfinite(limits).all() else None
    error = None if one.standard_error is None else one.standard_error * per
    return (_per(one.label, per, unit), ratio, one.value * per, error, one.p)


def _change(label: Text, at: Text) -> Words:
    said = (translate("survival.changes", one, found=label.to(one), at=at.to(one)) for one in LANGUAGES)
    return Words(text=Text(*said))


def _per(label: Words, per: float, code: str) -> Words:
    """The label with the increment that the hazard ratio is for."""
    if per == 1.0 or label.text is None:
        return label
    text, unit = label.text, Text("") if code in ("", "1") else shown(code)
    en = f"{text.to('en')} (per {per:g} {unit.to('en')}".rstrip() + ")"
    ko, zh = f"{text.to('ko')}({per:g}{unit.to('ko')} 증가당)", f"{text.to('zh')}（每增加{per:g}{unit.to('zh')}）"
    return Words(text=Text(en, ko, zh))


def _baseline(baseline: Baseline) -> Table:
    at = np.unique(np.linspace(0, len(baseline.times) - 1, min(SHOWN, len(baseline.times))).astype(int))
    columns = (
        *([Column("group", Words("survival.group"), "text")] if baseline.divided else []),
        Column("time", baseline.label, "number", time_digits(baseline.times[at])),
        Column("hazard", Words("survival.baseline_hazard"), "number", 4),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (*([label] if baseline.divided else []), float(baseline.times[k]), float(row[k]))
        for (_, label), row in zip(baseline.strata, baseline.hazard, strict=True)
        for k in at
    )
    return Table("baseline", Words("survival.baseline"), columns, rows, notes=(Words("survival.baseline_note"),))
