"""Treated and untreated compared under propensity weights, equal to the pooled analysis (lossless).

The propensity model is a logistic regression of the treatment in which each hospital has an intercept of its own, found
inside it (`gagyo.methods._propensity`). Weights are made at each hospital; what leaves is sums of weights, of weighted
outcomes and covariates, and once the sums from which standard errors follow that count the estimated propensities
(stacked estimating equations, Lunceford & Davidian 2004, Stat Med 23:2937; Li, Morgan & Zaslavsky 2018, J Am Stat Assoc
113:390). Estimands, weights and effects: `gagyo.statistics.weighting`. Over sites: Shu et al. (2020) Stat
Methods Med Res 29:1668. With a time, the effect is a hazard ratio within hospitals (`_weighting_hazard`), and curves on
a grid of times (`_weighting_curves`). Reference: R `glm` with a column for each hospital, and the stacked sandwich
written out in base R; survey's weighted means; R `survival::coxph` and `survfit` with weights; statsmodels.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveFloat

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.dispensable import Kept, unless_withheld
from gagyo.finding import Finding
from gagyo.methods import _overlap
from gagyo.methods._balance import covariates, middle_of
from gagyo.methods._kept import kept_note, lacking, named_part
from gagyo.methods._newton import MOST_ROUNDS, Solved, symmetric
from gagyo.methods._one_scheme import scheme_faults
from gagyo.methods._profile_fit import Fitted, check_whole, fit_profiles, size_of
from gagyo.methods._propensity import is_own
from gagyo.methods._regression import about_zero, middles
from gagyo.methods._silent import TOLD_NOTHING, told_each
from gagyo.methods._survival import grid as grids
from gagyo.methods._survival.times import time_faults
from gagyo.methods._weighting_curves import TRIES, Undrawn, draw, exits, weighted_exits
from gagyo.methods._weighting_curves_told import Curves
from gagyo.methods._weighting_hazard import Hazard, hazard, hazard_errors, hazard_slopes
from gagyo.methods._weighting_outcomes_told import Events, Groups, Modelled, Outcome, of_hazards, of_means
from gagyo.methods._weighting_steps import (
    UNBOUNDED,
    by_hospital,
    by_hospital_withheld,
    errors,
    groups,
    overlap,
    propensity,
    slopes,
    weighted,
)
from gagyo.methods._weighting_told import Balance, Propensity, Told
from gagyo.protocol import formula as formulas
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.variables import levels_of
from gagyo.release.aggregate import Floats
from gagyo.result import Result, Words
from gagyo.statistics.weighting import Scheme, weighted_variance

OF_TIMES = (hazard, hazard_slopes, hazard_errors, exits, weighted_exits)
"""Steps of a comparison of times to an event, which are found by their names here."""


class Options(BaseModel):
    """What a study file may say of a weighted comparison. People who lack any of its variables are left out."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    """The propensity model: a yes/no treatment on what may confound it with the outcome."""
    outcome: str
    """What is compared: a yes/no variable (risks) or a measurement (means); with `time`, the event (hazards)."""
    time: str = ""
    """How long each person was observed, where the outcome is an event that some had no time to have."""
    ties: Literal["efron", "breslow"] = "efron"
    """With `time`: of events at one time."""
    errors: Literal["estimated", "given"] = "estimated"
    """With `time`: whether standard errors count that the weights are estimated, or take them as given."""
    curves: bool = False
    """With `time`: also the survival of both groups under the weights, on the grid of times of the cohort."""
    times: list[PositiveFloat] = []
    """With `curves`: the grid's times; empty for a grid as fine as the minimum of people allows."""
    at: list[PositiveFloat] = []
    """With `curves`: times at which risks and their differences are told."""
    tau: PositiveFloat | None = None
    """With `curves`: the time to which restricted mean survival times are taken."""
    estimand: Literal["ate", "att", "ato"]
    """Whose effect: `ate` everyone's, `att` the treated's, `ato` theirs who might have had either (overlap)."""
    stabilised: bool = False
    """With `ate`: weights times the share of the person's group, so that `largest_weight` holds extremes alone."""
    hospitals: Literal["own", "pooled"] = "own"
    """Intercepts of the propensity model: each hospital's own, which stays inside it, or one for all."""
    propensity_within: list[float] = []
    """Two bounds within which propensities are brought before they weigh, such as [0.05, 0.95]."""
    largest_weight: float | None = None
    """Greater weights are brought down to this."""
    balance: list[str] = []
    """Further variables whose balance is told, besides those of the formula."""
    overlap: bool = True
    """Also count both groups by their propensity."""


@dataclass(frozen=True)
class Method:
    """A weighted comparison of a study's analysis."""

    formula: Formula
    options: Options
    study: Study
    cohort: str

    name: ClassVar[str] = "weighting"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where formula, outcome, weights or balance do not fit."""
        options = Options(**analysis.options)
        formula = formulas.parse(options.formula, study.variables)
        check_none(list(_faults(options, formula, analysis, study)))
        return cls(formula, options, study, analysis.cohort)

    @property
    def complete(self) -> frozenset[str]:
        """All variables of the formula, the outcome, its time and those whose balance is told."""
        one = self.options
        times = [one.time] if one.time else []
        return frozenset([*self.formula.variables, one.outcome, *times, *one.balance])

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def own(self) -> bool:
        """Whether hospitals have intercepts of their own."""
        return is_own(self.options.hospitals)

    @property
    def terms(self) -> list[str]:
        """The propensity model's columns by name, without an intercept that is each hospital's own."""
        return [column.name for column in self.formula.columns(self.study.variables)][self.own :]

    @property
    def balanced(self) -> tuple[str, ...]:
        """The variables whose balance is told."""
        return tuple(dict.fromkeys([*self.formula.predictors, *self.options.balance]))

    @property
    def scheme(self) -> Scheme:
        """The weights that the study asks for."""
        one = self.options
        low, high = one.propensity_within or (0.0, 1.0)
        return Scheme(one.estimand, one.stabilised, low, high, one.largest_weight or UNBOUNDED)

    def sends(self) -> tuple[Sends, ...]:
        """Sums by group, a fit, weighted sums, what errors follow from; two numbers a group by hospital; bins."""
        q, b = len(self.terms), len(covariates(self.balanced, self.study.variables))
        sends = [
            Sends("weighting.groups", 1 + 2 * (2 + b), 1),
            Sends("weighting.propensity", size_of(q), MOST_ROUNDS),
            Sends("weighting.weighted", 2 * (3 + b) + 2 * b, 1),
            *(self._sends_of_times(q, b) if self.options.time else self._sends_of_means(q, b)),
            Sends("weighting.by_hospital_withheld", 3, 1, each=True),
            Sends("weighting.by_hospital", 5, 1, each=True),
        ]
        if self.options.overlap:
            sends.append(Sends("weighting.overlap", 1 + 2 * 2 * _overlap.FINEST // 2, _overlap.MOST_ROUNDS))
        return tuple(sends)

    def _sends_of_means(self, q: int, b: int) -> tuple[Sends, ...]:
        return (Sends("weighting.slopes", 2 * q + 2 + 2 * b, 1), Sends("weighting.errors", 3, 1))

    def _sends_of_times(self, q: int, b: int) -> tuple[Sends, ...]:
        sends = (
            Sends("weighting.hazard", 4, MOST_ROUNDS),
            Sends("weighting.hazard_slopes", q + 1 + 2 * b, 1),
            Sends("weighting.hazard_errors", 1, 1),
        )
        if not self.options.curves:
            return sends
        exits = grids.sends(self._asked, self.study.variables)
        return (*sends, exits, Sends("weighting.weighted_exits", 12 * self._asked.most, len(TRIES)))

    @property
    def _asked(self) -> grids.Asked:
        """What the descent to a grid asks about, for curves."""
        one = self.options
        return grids.Asked.of(exits, self.study, self.cohort, one.time, one.outcome, self.formula.outcome)

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Groups, propensity fit, weighted sums, errors, each hospital's effective numbers, overlap; then tell."""
        first = yield Ask(groups, self._who(), doing="counting")
        check_whole(first, "people", "sums")
        before = first["sums"].reshape(2, -1)
        people, sizes = int(first["people"][0]), before[:, 0]
        if sizes.min() < 1:
            raise Stopped(Finding("outcome_constant", values={"found": self.formula.outcome}))
        fit = yield from self._fit(people)
        beta, solved = fit.coefficients[0], fit.solved[0]
        how = self._how(beta, sizes[0] / people)
        plain = before[:, 2:] / sizes[:, None]
        second = yield Ask(weighted, {**how, "means": plain}, doing="weighting")
        check_whole(second, "weighted")
        found = self._weighted(second["weighted"], sizes)
        if self.options.time:
            outcome, squares = yield from self._hazards(how, found, before, solved)
        else:
            outcome, squares = yield from self._means(how, found, solved, people)
        hospitals = told_each(by_hospital_withheld, by_hospital, self._who(), how, "weighting")
        each = yield from unless_withheld(hospitals)
        nothing = _overlap.Overlap.begin()
        seen = (yield from unless_withheld(self._overlap(beta))) if self.options.overlap else nothing
        weighed = weighted_variance(squares, found.groups.sums, found.groups.of_squares)
        balance = Balance(plain, found.squares / (sizes[:, None] - 1), found.centres, weighed)
        there, bins = TOLD_NOTHING if isinstance(each, Kept) else each, nothing if isinstance(seen, Kept) else seen
        rounds = fit.rounds + 4 + outcome.rounds + bins.rounds
        model = Propensity(self._raw(beta, solved), people, first.sites, rounds)
        result = self._told.result(outcome, found.groups, model, balance, there, bins)
        return lacking(lacking(result, "hospitals", each), "overlap", seen)

    @property
    def _told(self) -> Told:
        return Told(self.study, self.formula, self.options.outcome, self.balanced, self.scheme, self.own)

    def _means(
        self, how: dict[str, Any], found: _Found, solved: Solved, people: int
    ) -> Generator[Ask, Pooled, tuple[Outcome, Floats]]:
        """The weighted means with their covariance; and the weighted squares of the balance columns."""
        third = yield Ask(slopes, {**how, "mean": found.means, "centres": found.centres}, doing="weighting")
        check_whole(third, "slopes")
        directions, squares = self._directions(third["slopes"], solved, people)
        fourth = yield Ask(errors, {**how, "mean": found.means, "directions": directions}, doing="weighting")
        check_whole(fourth, "errors")
        variance = symmetric(fourth["errors"], 2) / np.outer(found.groups.sums, found.groups.sums)
        means = found.means + middle_of(self.study.variables[self.options.outcome])
        return of_means(self._told.treated, self.scheme, found.groups, means, variance), squares

    def _hazards(
        self, how: dict[str, Any], found: _Found, before: Floats, solved: Solved
    ) -> Generator[Ask, Pooled, tuple[Outcome, Floats]]:
        """The hazard ratio; and the weighted squares of the balance columns."""
        one, estimated = self.options, self.options.errors == "estimated"
        sought = Hazard(self.formula.outcome, one.time, one.ties, estimated, int(found.groups.people.sum()))
        ratio = yield from sought.find(how, solved, found.centres, f"{self.formula.text} {one.outcome} {one.time}")
        events = Events(before[:, 1], found.means * found.groups.sums)
        modelled = Modelled(one.outcome, one.ties, estimated)
        treated = self._told.treated
        told = of_hazards(treated, self.scheme, found.groups, events, ratio, modelled)
        if one.curves:
            drawn = yield from unless_withheld(draw(self._asked, how))
            if isinstance(drawn, Kept):
                note = kept_note(drawn, named_part("kept.part_curves"), "larger")
                told = replace(told, notes=(*told.notes, note))
            elif isinstance(drawn, Undrawn):
                note = Words("weighting.no_curves", {"number": self.study.release.minimum_people})
                told = replace(told, notes=(*told.notes, note), rounds=told.rounds + drawn.rounds)
            else:
                told = Curves(treated, self.study.variables[one.time], one.at, one.tau, drawn).with_hazards(told)
        return told, ratio.squares

    def _raw(self, beta: Floats, solved: Solved) -> tuple[Floats, Floats]:
        """Coefficients and standard errors of measured columns as they are; NaN where aliased."""
        error = np.sqrt(np.diag(solved.inverse))
        if self.own:
            return np.where(solved.aliased, np.nan, beta), error
        back = about_zero(middles(self.formula, self.study.variables))
        variance = back @ np.nan_to_num(solved.inverse) @ back.T
        return np.where(solved.aliased, np.nan, back @ beta), np.sqrt(np.diag(variance))

    def _who(self) -> dict[str, Any]:
        one = self.options
        balance = list(self.balanced)
        return {"formula": self.formula.text, "hospitals": one.hospitals, "outcome": one.outcome, "balance": balance}

    def _how(self, beta: Floats, share: float) -> dict[str, Any]:
        one = self.scheme
        scheme = [one.estimand, *(["stabilised"] if one.stabilised else [])]
        bounds = np.array([one.low, one.high, one.largest])
        return {
            **self._who(),
            "scheme": scheme,
            "bounds": bounds,
            "coefficients": beta,
            "share": np.array([float(share)]),
        }

    def _fit(self, people: int) -> Generator[Ask, Pooled, Fitted]:
        """The propensity model."""
        hospitals = len(self.study.sites) if self.own else 0
        name, parameters = f"{self.formula.text} {self.options.hospitals}", len(self.terms) + hospitals

        def ask(beta: Floats) -> Ask:
            asked = {**self._who(), "coefficients": beta[0]}
            return Ask(propensity, asked, fit=name, parameters=parameters, doing="fitting")

        return (yield from fit_profiles(ask, 1, self.terms, people))

    def _weighted(self, values: Floats, sizes: Floats) -> _Found:
        b = len(covariates(self.balanced, self.study.variables))
        table, squares = values[: 2 * (3 + b)].reshape(2, -1), values[2 * (3 + b) :].reshape(2, b)
        sums = table[:, 0]
        if sums.min() <= 0:
            raise Stopped(Finding("weighting_nothing", values={"found": self.formula.outcome}))
        means, centres = table[:, 2] / sums, table[:, 3:] / sums[:, None]
        return _Found(Groups(sizes, sums, table[:, 1]), means, centres, squares)

    def _directions(self, values: Floats, solved: Solved, people: int) -> tuple[Floats, Floats]:
        """How both sums follow the other equations (2, 1 + q); and the weighted squares of the balance columns."""
        q = len(self.terms)
        by_coefficient, by_share = values[: 2 * q].reshape(2, q), values[2 * q : 2 * q + 2]
        directions = np.column_stack([by_share / people, by_coefficient @ np.nan_to_num(solved.inverse)])
        return directions, values[2 * q + 2 :].reshape(2, -1)

    def _overlap(self, beta: Floats) -> Generator[Ask, Pooled, _overlap.Overlap]:
        def ask(which: Floats, edges: Floats, filled: Floats) -> Ask:
            asked = {**self._who(), "coefficients": beta, "which": which, "edges": edges, "filled": filled}
            return Ask(overlap, asked, doing="counting_values")

        return (yield from _overlap.grow(self.study.release.minimum_people, ask))


@dataclass(frozen=True)
class _Found:
    """Of treated and untreated: weighted means of the outcome (2,) and of the balance columns (2, b), and unweighted
    squares of these about their unweighted means (2, b)."""

    groups: Groups
    means: Floats
    centres: Floats
    squares: Floats


def _faults(options: Options, formula: Formula, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """All that does not fit together."""
    treatment = study.variables[formula.outcome]
    if treatment.type != "boolean" or not formula.intercept or not formula.terms:
        values = {"found": formula.text, "expected": "boolean ~ 1 + …"}
        yield Finding("weighting_formula", place=analysis.place("formula"), values=values)
    one = study.variables.get(options.outcome)
    if one is None or one.type not in OUTCOMES or options.outcome in formula.variables:
        values = {"found": options.outcome, "expected": ", ".join(OUTCOMES)}
        yield Finding("weighting_outcome", place=analysis.place("outcome"), values=values)
    unfit = [name for name in options.balance if not _balances(study, name, (formula.outcome, options.outcome))]
    if unfit:
        known = [name for name in study.variables if _balances(study, name, (formula.outcome, options.outcome))]
        values = {"found": ", ".join(unfit), "expected": ", ".join(known)}
        yield Finding("weighting_balance", place=analysis.place("balance"), values=values)
    if options.stabilised and options.estimand != "ate":
        yield Finding("weighting_stabilised", place=analysis.place("stabilised"), values={"found": options.estimand})
    yield from _unfit_bounds(options, analysis)
    yield from _unfit_times(options, analysis, study)
    yield from scheme_faults(analysis, study)


OUTCOMES = ("boolean", "number", "integer")


def _balances(study: Study, name: str, taken: tuple[str, str]) -> bool:
    """Whether a variable's balance can be told: a measurement or one with levels, neither treatment nor outcome."""
    variable = study.variables.get(name)
    if variable is None or name in taken:
        return False
    return variable.type in ("number", "integer") or levels_of(variable) > 0


TIMED = ("ties", "errors", "curves")
"""Options that say something where there is a time alone."""
DRAWN = ("times", "at", "tau")
"""Options that say something of curves alone."""


def _unfit_times(options: Options, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """Times that do not fit, an outcome with one that is no event, and what is said of times where there are none."""
    for name in TIMED if not options.time else ():
        if name in analysis.options:
            yield Finding("weighting_time", place=analysis.place(name), values={"found": name})
    for name in DRAWN if not (options.time and options.curves) else ():
        if name in analysis.options:
            yield Finding("weighting_curves", place=analysis.place(name), values={"found": name})
    if options.time:
        event = {"event": options.outcome} if options.outcome in study.variables else {}
        faults = list(time_faults(analysis, study, time=options.time, **event))
        yield from faults
        if not faults and options.tau and options.tau >= (most := study.variables[options.time].bounds[1]):
            values = {"found": f"{options.tau:g}", "expected": f"{most:g}"}
            yield Finding("tau_beyond_range", place=analysis.place("tau"), values=values)


def _unfit_bounds(options: Options, analysis: Analysis) -> Iterator[Finding]:
    ends = options.propensity_within
    if ends and not (len(ends) == 2 and 0 <= ends[0] < ends[1] <= 1):
        values = {"found": str(ends), "expected": "0 ≤ low < high ≤ 1"}
        yield Finding("weighting_bounds", place=analysis.place("propensity_within"), values=values)
    if options.largest_weight is not None and not 0 < options.largest_weight < UNBOUNDED:
        values = {"found": str(options.largest_weight), "expected": "> 0"}
        yield Finding("weighting_bounds", place=analysis.place("largest_weight"), values=values)
