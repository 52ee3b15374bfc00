"""Fine and Gray's model of the subdistribution hazard of one of several competing events, by hospital (lossless).

Hospitals are strata: each has a baseline subdistribution hazard and a censoring curve of its own, on its exact times.
It sends score, information and log partial likelihood of its weighted risk sets. Their sums are those of the
pooled fit of R's `survival::finegray(... + strata(hospital))` and `coxph(..., weights, ties = "breslow")`. The variance
is Fine and Gray's, with the estimate of the censoring in it, as in `cmprsk::crr`. Fine & Gray (1999) J Am Stat Assoc
94:496; with strata Zhou et al. (2011) Biometrics 67:661. A censoring at the time of an event comes after it. For
`profiles` the cumulative incidence is predicted by the mean of the hospitals' baselines, weighted by people, told at
the ends of an agreed grid: R's `survfit` of that `coxph`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveFloat

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.dispensable import Kept, unless_withheld
from gagyo.federation.local import Name, Whole, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods import _knots as knots
from gagyo.methods._cox_told import Fit, Told
from gagyo.methods._fine_gray_baseline import Sought, columns_of, profile_faults, profile_label
from gagyo.methods._fine_gray_baseline import baseline as baseline
from gagyo.methods._fine_gray_baseline import observed as observed
from gagyo.methods._fine_gray_sets import MODEL, MOST_LEVELS, cells_of, risk_sets_of, widths_of
from gagyo.methods._fine_gray_told import Ended, Predicted, result, with_incidence
from gagyo.methods._kept import lacking
from gagyo.methods._newton import MOST_ROUNDS, triangle
from gagyo.methods._survival import grid as grids
from gagyo.methods._survival.climb import Climb, fit_scales, sandwich
from gagyo.methods._survival.one_baseline import TRIES
from gagyo.methods._survival.times import per_faults, time_faults
from gagyo.methods._values import bins_step, present_step
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.terms import DesignColumn
from gagyo.release.aggregate import Aggregate, Floats, count, joint, spread_of, total
from gagyo.result import Result
from gagyo.statistics import fine_gray as kernel

present = present_step("fine_gray")
value_bins = bins_step("fine_gray")
exits = grids.exit_step("fine_gray")
KNOTS = knots.Knots(present, value_bins)
"""Knots of splines without any are found before a fit."""


@local(formula=Name(), time=Name(), event=Whole(1, MOST_LEVELS))
def people(rows: Rows, formula: str, time: str, event: int) -> Aggregate:
    """How many people, how many with the event, with a competing one and with none, and their time of observation."""
    kind = rows[rows.formula(formula).outcome]
    ends = [np.ones(rows.n, bool), kind == event, (kind != event) & (kind > 0), kind == 0]
    return {"people": count(np.column_stack(ends)), "time": total(rows[time], rows.variables[time].bounds[1])}


@local(**MODEL)
def newton(rows: Rows, formula: str, time: str, event: int, coefficients: Floats) -> Aggregate:
    """Score (p), information (upper triangle), log-likelihood, and log-likelihood of no effect, of the hospital's own
    weighted partial likelihood.
    """
    parsed, sets = rows.formula(formula), risk_sets_of(rows, formula, time, event)
    fitted = kernel.evaluate(sets, coefficients)
    null = kernel.evaluate(sets, np.zeros(len(coefficients))).likelihood
    upper = triangle(len(coefficients))
    values = np.concatenate([fitted.score, fitted.information[upper], [fitted.likelihood, null]])
    expected = fitted.expected[:, None]
    spread = spread_of(np.concatenate([fitted.residuals, sets.X**2 * expected, expected], axis=1))
    return {"fit": joint(values, fit_scales(widths_of(rows, parsed)), cells_of(rows, parsed), spread)}


@local(**MODEL)
def meat(rows: Rows, formula: str, time: str, event: int, coefficients: Floats) -> Aggregate:
    """The sum of u u' (upper triangle), u a person's part of the score and of the estimate of the censoring."""
    parsed = rows.formula(formula)
    fitted = kernel.evaluate(risk_sets_of(rows, formula, time, event), coefficients)
    u = fitted.residuals + fitted.of_censoring
    bound = 2 * widths_of(rows, parsed)  # as in a Cox model, who went through much hazard has a residual over one width
    upper = triangle(len(bound))
    scales = bound[upper[0]] * bound[upper[1]]
    return {"meat": joint((u.T @ u)[upper], scales, cells_of(rows, parsed), spread_of(u**2))}


class Options(BaseModel):
    """What a study file may say of Fine and Gray's model."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    """On the left a category whose first level is no event (censored); on the right the columns of the model."""
    time: str
    """How long each person was observed."""
    event: str
    """The level of the outcome whose cumulative incidence is modelled; the levels after the first compete with it."""
    per: dict[str, PositiveFloat] = {}
    """By column of the model, the increment that its ratio is given for; 1 where none is stated."""
    profiles: dict[str, dict[str, float | bool | str]] = {}
    """People whose cumulative incidence is predicted: by name, a value of every variable on the right."""
    times: list[PositiveFloat] = []
    """The times at which it is told; empty for a grid as fine as the minimum of people allows."""


@dataclass(frozen=True)
class Method:
    """Fine and Gray's model of a study's analysis."""

    formula: Formula
    options: Options
    study: Study
    cohort: str

    name: ClassVar[str] = "fine_gray"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where it does not fit the study."""
        options = Options(**analysis.options)
        formula = knots.parse(options.formula, analysis, study)
        findings = list(time_faults(analysis, study, time=options.time))
        if not formula.intercept or not formula.terms:
            findings.append(Finding("cox_intercept", place=analysis.place("formula"), values={"found": formula.text}))
        outcome = study.variables[formula.outcome]
        events = [level.name for level in outcome.levels[1:]]
        if outcome.type != "category" or len(events) < 2:
            values = {"found": f"{outcome.name} ({outcome.type})"}
            findings.append(Finding("fine_gray_outcome", place=analysis.place("formula"), values=values))
        elif options.event not in events:
            values = {"found": options.event, "expected": ", ".join(events)}
            findings.append(Finding("fine_gray_event", place=analysis.place("event"), values=values))
        findings += per_faults(analysis, formula.columns(study.variables)[1:], options.per)
        findings += profile_faults(options.profiles, formula, analysis, study)
        if options.times and not options.profiles:
            values = {"found": ", ".join(f"{one:g}" for one in options.times)}
            findings.append(Finding("fine_gray_times", place=analysis.place("times"), values=values))
        check_none(findings)
        return cls(formula, options, study, analysis.cohort)

    @property
    def complete(self) -> frozenset[str]:
        """All variables of the formula, and the time."""
        return frozenset([*self.formula.variables, self.options.time])

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def columns(self) -> tuple[DesignColumn, ...]:
        """The columns of the model; a partial likelihood has no intercept."""
        return self.formula.columns(self.study.variables)[1:]

    @KNOTS.sent
    def sends(self) -> tuple[Sends, ...]:
        """Score, information and two log-likelihoods a round; one more matrix for the errors."""
        p = len(self.columns)
        half = p * (p + 1) // 2
        fit = (
            Sends("fine_gray.people", 5, 1),
            Sends("fine_gray.newton", p + half + 2, MOST_ROUNDS),
            Sends("fine_gray.meat", half, 1),
        )
        if not self.options.profiles:
            return fit
        agreed = grids.sends(self.asked, self.study.variables)
        told = Sends("fine_gray.observed", grids.MOST, len(TRIES))
        return (*fit, agreed, told, Sends("fine_gray.baseline", 3 * grids.MOST, len(TRIES)))

    @property
    def asked(self) -> grids.Asked:
        """What the descent to a grid asks about, for predictions."""
        return grids.Asked.of(exits, self.study, self.cohort, self.options.time, self.formula.outcome, "")

    @KNOTS.first
    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Count, fit, then ask for the errors, then tell."""
        counts = yield Ask(people, self._named, doing="counting")
        # Of few competing events, their patients would follow from this fit and a Cox model of the same event.
        if np.isnan(counts["people"]).any() or counts["people"][1] == 0:
            raise Stopped(Finding("outcome_constant", values={"found": self.formula.outcome}))
        everyone, events, competing, censored = (int(one) for one in counts["people"])
        climb = Climb(np.zeros(len(self.columns)), [column.name for column in self.columns], everyone)
        pooled, rounds = yield from climb.to_the_top(self._ask, 1)
        coefficients = np.where(climb.solved.aliased, np.nan, climb.best)
        likelihoods, time = (climb.likelihood, climb.null), float(counts["time"][0])
        fit = Fit(
            coefficients, climb.information, climb.solved, likelihoods, everyone, events, time, pooled.sites, rounds + 1
        )
        variance = yield from self._variance(fit)
        told = Told(self.formula, self.study, True, self.options.per, "breslow", self.options.time)
        found = result(told, fit, variance, Ended(self._event, competing, censored))
        if not self.options.profiles:
            return found
        predicted = yield from unless_withheld(self._predicted(found, fit))
        return lacking(found, "incidence", predicted) if isinstance(predicted, Kept) else predicted

    def _predicted(self, found: Result, fit: Fit) -> Generator[Ask, Pooled, Result]:
        """The result with the cumulative incidence of the declared profiles, on the agreed grid."""
        grid = yield from grids.agree(self.asked)
        columns = columns_of(self.options.profiles, self.formula, self.study)
        sought = Sought(self._named, grid, columns.mean(axis=0), fit.people, self.study.release.minimum_people)
        mean = yield from sought.find(fit.coefficients)
        labels = {name: profile_label(one, self.formula, self.study) for name, one in self.options.profiles.items()}
        predicted = Predicted(
            mean.edges,
            mean.incidence(columns, fit.coefficients),
            labels,
            self._event,
            self.study.variables[self.options.time],
            tuple(self.options.times),
        )
        return with_incidence(found, predicted, self.study, self.formula.outcome, grid.rounds + 2)

    @property
    def _event(self) -> int:
        levels = self.study.variables[self.formula.outcome].levels
        return [level.name for level in levels].index(self.options.event)

    @property
    def _named(self) -> dict[str, Any]:
        """Arguments that say which model is meant."""
        return {"formula": self.formula.text, "time": self.options.time, "event": self._event}

    def _ask(self, beta: Floats) -> Ask:
        arguments = {**self._named, "coefficients": beta}
        named = f"{self.formula.text} of {self.options.event}"
        return Ask(newton, arguments, fit=named, parameters=len(beta), doing="fitting")

    def _variance(self, fit: Fit) -> Generator[Ask, Pooled, Floats]:
        arguments = {**self._named, "coefficients": np.nan_to_num(fit.coefficients)}
        answer = yield Ask(meat, arguments, doing="robust_errors")
        if np.isnan(answer["meat"]).any():
            raise Stopped(Finding("withheld_fit"))
        return sandwich(fit.solved.inverse, answer["meat"])
