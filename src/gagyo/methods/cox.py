"""Cox's proportional hazards model, stratified by hospital or on a grid of times with one baseline (lossless).

Each round a hospital sends the score, the information and the log-likelihood of its own partial likelihood; their sums
are those of the pooled fit `coxph(... + strata(hospital))`, whose hazard ratios compare people within hospitals. With
`hospitals: pooled` all have one baseline hazard (in each of the `strata`), on a grid of times that the hospitals agree
on; the fit is that of the times of exit rounded up to the grid. Cox (1972) J R Stat Soc B 34:187; Lu CL et al. (2015)
WebDISCO, J Am Med Inform Assoc 22:1212. Ties: Efron (1977), Breslow (1974). Covariates that change at a person's own
time: Andersen & Gill (1982). Robust errors: Lin & Wei (1989). Proportional hazards: the score test of Grambsch &
Therneau (1994). Reference: R `survival::coxph`, `tmerge`, `cox.zph`, `basehaz`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.dispensable import Kept, unless_withheld
from gagyo.finding import Finding
from gagyo.methods import _knots as knots
from gagyo.methods._cox_options import Options, faults
from gagyo.methods._cox_steps import TRANSFORMS
from gagyo.methods._cox_steps import meat as meat
from gagyo.methods._cox_steps import newton as newton
from gagyo.methods._cox_steps import people as people
from gagyo.methods._cox_steps import schoenfeld as schoenfeld
from gagyo.methods._cox_told import Baseline, Fit, Proportionality, Told
from gagyo.methods._kept import lacking
from gagyo.methods._newton import (
    DECREMENT,
    MOST_ROUNDS,
    solve,
    symmetric,
)
from gagyo.methods._regression import middles, term_columns
from gagyo.methods._survival import grid as grids
from gagyo.methods._survival.agreed import Ends, Grid
from gagyo.methods._survival.climb import Climb, sandwich
from gagyo.methods._survival.common_steps import common_meat, exposures, risk_means, scores
from gagyo.methods._survival.episodes import change_faults, declared
from gagyo.methods._survival.one_baseline import COARSER, LAGS, LATER, TRIES, Common
from gagyo.methods._survival.telling import dropped_note, group_names, time_words
from gagyo.methods._survival.times import groups_of
from gagyo.methods._values import bins_step, present_step
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.terms import DesignColumn
from gagyo.release.aggregate import Floats
from gagyo.result import Result
from gagyo.statistics.cox import TIES
from gagyo.statistics.distributions import chi2_sf

COMMON = (exposures, scores, risk_means, common_meat)
"""The steps of a fit with one baseline hazard, which are found by their names here."""

MANY_PEOPLE = 50_000
"""From here on, a fit starts on parts of the data: the first rounds need not be exact."""

exits = grids.exit_step("cox")


present = present_step("cox")
value_bins = bins_step("cox")
KNOTS = knots.Knots(present, value_bins)
"""Knots of splines without any are found before a fit."""


Fitting = Generator[Ask, Pooled, Fit]
Counted = tuple[Pooled, int, int]
"""What was opened of the people, how many they are, and how many had the event."""


@dataclass(frozen=True)
class Method:
    """A Cox model of a study's analysis."""

    formula: Formula
    options: Options
    study: Study
    cohort: str

    name: ClassVar[str] = "cox"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where it does not fit the study."""
        options = Options(**analysis.options)
        check_none(list(change_faults(analysis, study, options.changes, options.time)))
        known, study = study, declared(study, options.changes)
        formula = knots.parse(options.formula, analysis, study)
        check_none(faults(options, formula, analysis, study, known))
        return cls(formula, options, study, analysis.cohort)

    @property
    def complete(self) -> frozenset[str]:
        """All variables of the formula, and those of time, entry and strata; a change may never have come."""
        more = (self.options.time, self.options.entry, self.options.strata)
        named = (*self.formula.variables, *more, self.options.weights)
        return frozenset(name for name in named if name and name not in self.options.changes)

    @property
    def may_lack(self) -> tuple[str, ...]:
        """The times of changes: who has none never changed, and is of the cohort all the same."""
        return tuple(dict.fromkeys(one.at for one in self.options.changes.values()))

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
        """Score, information and two log-likelihoods a round; one or two more matrices for robust errors and tests."""
        p = len(self.columns)
        half = p * (p + 1) // 2
        if self.options.hospitals == "pooled":
            return (Sends("cox.people", 3, 1), *self._sends_on_a_grid(p))
        numbers = 5 if self._counts_ties else 3
        sends = [Sends("cox.people", numbers, 1), Sends("cox.newton", p + half + 2, MOST_ROUNDS)]
        if self._robust:
            sends.append(Sends("cox.meat", half, 1))
        if self._tests:
            sends.append(Sends("cox.schoenfeld", p + 2 * half, 1))
        return tuple(sends)

    def _sends_on_a_grid(self, p: int) -> tuple[Sends, ...]:
        cells = self.asked.most * groups_of(self.study.variables, self.options.strata)
        tries = len((*TRIES, *COARSER)) * (len(LATER) if self.options.changes else 1)
        tries *= len(LAGS) if self.options.entry or self.options.changes else 1
        half = p * (p + 1) // 2
        sends = [
            grids.sends(self.asked, self.study.variables),
            Sends("cox.exposures", 4 * cells, MOST_ROUNDS + tries - 1),
            Sends("cox.scores", 2 * p + half + 1, MOST_ROUNDS),
            Sends("cox.risk_means", 2 * cells * (p + 1), 1),
        ]
        if self._robust:
            sends.append(Sends("cox.common_meat", half, 1))
        return tuple(sends)

    @KNOTS.first
    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Fit, then test, then tell."""
        told = Told(
            self.formula,
            self.study,
            self._robust,
            self.options.per,
            self.options.ties,
            self.options.time,
            self.options.weights,
        )
        if self.options.hospitals == "pooled":
            return (yield from self._pooled(told, self._grids(earlier)))
        counted = yield from self._counts()
        if self._counts_ties and np.isnan(counted[0]["tied"]).any():
            # Efron's ties, beside another analysis by Breslow's, would tell of the few who are tied.
            one = replace(self, options=self.options.model_copy(update={"ties": "breslow"}))
            return (yield from one._told(replace(told, ties="breslow", for_few=True), counted))
        return (yield from self._told(told, counted))

    @property
    def _counts_ties(self) -> bool:
        """Whether another analysis of the study on this time has Breslow's ties, as a log-rank test does, and the study
        does not say which this one has.
        """
        if "ties" in self.options.model_fields_set or self.options.hospitals == "pooled":
            return False
        others = [one for one in self.study.analyses.values() if one.options.get("time") == self.options.time]
        return any(one.method == "log_rank" or one.options.get("ties") == "breslow" for one in others)

    def _told(self, told: Told, counted: Counted) -> Conversation:
        """The fit, robust errors and the test of proportional hazards, then the result."""
        fit = yield from self.fit(counted)
        variance = fit.solved.inverse
        if self._robust:
            variance = yield from self._sandwich(fit)
        tested: Proportionality | Kept | None = None
        if self._tests:
            tested = yield from unless_withheld(self._proportional(fit))
        there = None if isinstance(tested, Kept) else tested
        result = told.result(fit, variance, there, self.options.strata, bool(self.options.entry), self._changes)
        return lacking(result, "proportional", tested, "predictors")

    def fit(self, counted: Counted) -> Fitting:
        """Newton-Raphson from no effect to a squared decrement under 1e-16, halving steps that do not climb."""
        counts, everyone, events = counted
        beta, rounds = np.zeros(len(self.columns)), 1
        for part in (32, 1) if everyone >= MANY_PEOPLE else (1,):
            climb = Climb(beta, [column.name for column in self.columns], everyone)
            # On a part of the people a loose fit is enough: the next part starts from it.
            enough, ask = (DECREMENT if part == 1 else 1.0), partial(self._ask, part=part)
            pooled, rounds = yield from climb.to_the_top(ask, rounds, enough, check=part == 1)
            beta = climb.best
        coefficients = np.where(climb.solved.aliased, np.nan, beta)
        time = float(counts["time"][0])
        return Fit(
            coefficients,
            climb.information,
            climb.solved,
            (climb.likelihood, climb.null),
            everyone,
            events,
            time,
            pooled.sites,
            rounds,
        )

    def _counts(self) -> Generator[Ask, Pooled, Counted]:
        named = self._named("formula", "time", "entry", "strata", "changed", "at")
        exact = int(self.options.hospitals == "strata")
        asked = {**named, "exact": exact, "ties": int(self._counts_ties)}
        counts = yield Ask(people, asked, doing="counting")
        if np.isnan(counts["people"]).any() or counts["people"][1] == 0:
            raise Stopped(Finding("outcome_constant", values={"found": self.formula.outcome}))
        return counts, int(counts["people"][0]), int(counts["people"][1])

    @property
    def _changes(self) -> dict[str, str]:
        """By covariate that changes, the variable of its time."""
        return {name: one.at for name, one in self.options.changes.items()}

    @property
    def asked(self) -> grids.Asked:
        """What the descent to a grid asks about, for a pooled fit."""
        one = self.options
        return grids.Asked.of(exits, self.study, self.cohort, one.time, self.formula.outcome, one.strata)

    def _grids(self, earlier: Mapping[str, Result]) -> tuple[Ends, ...]:
        """The grids of earlier models with one baseline hazard, of this cohort and time."""
        there = [(self.study.analyses[name], result.kept) for name, result in earlier.items()]
        own = self.cohort, self.options.time
        alike = (kept for one, kept in there if (one.cohort, one.options.get("time")) == own)
        return tuple(kept.inner for kept in alike if isinstance(kept, Grid))

    def _pooled(self, told: Told, before: tuple[Ends, ...]) -> Conversation:
        """A grid, then a fit with one baseline hazard on it."""
        counts, everyone, events = yield from self._counts()
        agreed = yield from grids.agree(self.asked)
        one = self.options
        changed, at = tuple(self._changes), tuple(self._changes.values())
        model = (self.formula, one.time, one.entry, one.strata, one.ties)
        common = Common(*model, agreed, self.asked.least, changed, at, before=before)
        found = yield from common.climb(middles(self.formula, self.study.variables)[1:])
        solved = solve(np.zeros(len(self.columns)), found.information, np.isnan(found.coefficients))
        variance = (yield from found.sandwich(solved.inverse)) if self._robust else solved.inverse
        time, rounds = float(counts["time"][0]), 1 + agreed.rounds + found.rounds + int(self._robust)
        grid = found.grid
        fit = Fit(
            found.coefficients,
            found.information,
            solved,
            found.likelihoods,
            everyone,
            events,
            time,
            counts.sites,
            rounds,
        )
        # The hazards are of people at the centre of the columns; they are told where all columns are zero.
        at_zero = float(np.exp(-np.nan_to_num(found.coefficients) @ found.centre))
        hazards = (found.hazards.cumulated * at_zero).reshape(found.hazards.shape)
        label = time_words(self.study.variables[one.time])
        baseline = Baseline(grid.edges[1:], hazards, label, group_names(self.study, one.strata))
        notes = dropped_note(grid, self.asked.cuts)
        late = bool(one.entry)
        result = told.common(fit, variance, baseline, notes, len(grid.single), one.strata, late, self._changes)
        return replace(result, kept=grid)

    def _named(self, *names: str) -> dict[str, Any]:
        """Arguments that say which model is meant."""
        whole = {
            "formula": self.formula.text,
            "time": self.options.time,
            "entry": self.options.entry,
            "strata": self.options.strata,
            "changed": list(self._changes),
            "at": list(self._changes.values()),
            "weights": self.options.weights,
            "ties": TIES.index(self.options.ties),
        }
        return {name: whole[name] for name in names or whole}

    def _ask(self, beta: Floats, part: int) -> Ask:
        arguments = {**self._named(), "coefficients": beta, "part": part}
        name = f"{self.formula.text} {self.options.weights}".rstrip()
        return Ask(newton, arguments, fit=name, parameters=len(beta), doing="fitting")

    @property
    def _robust(self) -> bool:
        """Model-based errors would take weights for numbers of people."""
        return self.options.robust or bool(self.options.weights)

    @property
    def _tests(self) -> bool:
        """Whether hazards are tested to be proportional: under weights that score test is none."""
        return self.options.proportional != "none" and not self.options.weights

    def _sandwich(self, fit: Fit) -> Generator[Ask, Pooled, Floats]:
        arguments = {**self._named(), "coefficients": np.nan_to_num(fit.coefficients)}
        answer = yield Ask(meat, arguments, doing="robust_errors")
        if np.isnan(answer["meat"]).any():
            raise Stopped(Finding("withheld_fit"))
        return sandwich(fit.solved.inverse, answer["meat"])

    def _proportional(self, fit: Fit) -> Generator[Ask, Pooled, Proportionality]:
        """Chi-square, degrees of freedom and p of each term and of all together, as R's cox.zph."""
        transform = self.options.proportional
        number = TRANSFORMS.index(transform)
        arguments = {**self._named(), "coefficients": np.nan_to_num(fit.coefficients), "transform": number}
        answer = yield Ask(schoenfeld, arguments, doing="testing_hazards")
        if np.isnan(answer["fit"]).any():
            raise Stopped(Finding("withheld_fit"))
        p = len(self.columns)
        half = p * (p + 1) // 2
        score, mixed, both = np.split(answer["fit"], [p, p + half])
        I12, I22 = symmetric(mixed, p), symmetric(both, p)
        variance = I22 - I12 @ np.nan_to_num(fit.solved.inverse) @ I12
        kept = np.flatnonzero(~fit.solved.aliased)
        groups = [[j - 1 for j in group] for group in term_columns(self.formula, self.study)]
        tests = [_quadratic(score, variance, np.intersect1d(group, kept)) for group in [*groups, list(range(p))]]
        return Proportionality(transform, np.array(tests))


def _quadratic(score: Floats, variance: Floats, which: Any) -> tuple[float, int, float]:
    if not len(which):
        return (np.nan, 0, np.nan)
    chi = float(score[which] @ np.linalg.solve(variance[np.ix_(which, which)], score[which]))
    return chi, len(which), float(chi2_sf(chi, len(which)))
