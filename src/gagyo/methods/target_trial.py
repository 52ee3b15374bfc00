"""A target trial emulated by cloning, censoring and weighting: start a treatment within a grace period, or do not.

From time zero everyone is followed under both strategies, so that no time is immortal; a clone is censored when its
record departs from its strategy, and those left are weighted by the inverse of the probability of not departing.
Starting is a logistic regression pooled over the intervals of the grace period, among those followed who have not
started before, on a level of each interval, baseline covariates and an intercept of each hospital. Weights in interval
j: who waits, the product over intervals before j of 1 / (1 - p); who starts, 1 to the end of the grace period, then
1 / p of its last interval for those who started in that one. Hazards by interval are weighted events over those under
observation less half of those who leave without. It is lossless on the grid. Hernan & Robins (2016) Am J Epidemiol
183:758; Cain et al. (2010) Int J Biostat 6(2):18; Maringe et al. (2020) Int J Epidemiol 49:1719. Errors by stacked
equations, by person, both clones together (Stefanski & Boos 2002, Am Stat 56:29). Reference: R, clones as rows, `glm`
and weighted sums; errors by derivatives taken as differences, and by moving each person's weight and fitting again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.dispensable import Kept, unless_withheld
from gagyo.finding import Finding
from gagyo.methods import _overlap
from gagyo.methods._balance import covariates
from gagyo.methods._kept import lacking
from gagyo.methods._newton import MOST_ROUNDS, symmetric
from gagyo.methods._profile_fit import Fitted, check_whole, fit_profiles, size_of
from gagyo.methods._propensity import is_own
from gagyo.methods._survival.grid import on_one_grid
from gagyo.methods._survival.times import time_faults
from gagyo.methods._target_trial_steps import arms as arms
from gagyo.methods._target_trial_steps import errors as errors
from gagyo.methods._target_trial_steps import histories_table as histories_table
from gagyo.methods._target_trial_steps import overlap as overlap
from gagyo.methods._target_trial_steps import slopes as slopes
from gagyo.methods._target_trial_steps import starting as starting
from gagyo.methods._target_trial_told import Found, Told
from gagyo.methods._weighting_steps import UNBOUNDED
from gagyo.protocol import formula as formulas
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import Floats
from gagyo.result import Result
from gagyo.statistics.target_trial import Arm, Contrast

MOST_EDGES = 40
"""Times of a grid: errors are of every pair of intervals and strategies."""


class Options(BaseModel):
    """What a study file may say of an emulated trial. Eligible is its cohort; time zero is that of `time`."""

    model_config = ConfigDict(extra="forbid")

    time: str
    """From time zero to the event or to the end of follow-up."""
    event: str
    """Whether follow-up ended with the event."""
    start: str
    """From time zero to the start of the treatment, in the same unit; missing of who never started."""
    grace: PositiveFloat
    """The length of the grace period: one strategy starts by then, the other does not."""
    horizon: PositiveFloat
    """When risks are compared."""
    times: list[NonNegativeFloat] = []
    """Further ends of intervals, within the grace period (in each of which starting has a level) and after it; 0 where
    people start at time zero itself."""
    adjust: str
    """Baseline covariates on which starting may depend, as the right side of a formula."""
    hospitals: Literal["own", "pooled"] = "own"
    """Intercepts of the model of starting: each hospital's own, which stays inside it, or one for all."""
    largest_weight: PositiveFloat | None = None
    """Greater weights are brought down to this."""


FEW_LATE = 3
"""Declared times after the grace period that are kept whole where those within it are left out."""


@dataclass(frozen=True)
class Method:
    """An emulated trial of a study's analysis."""

    formula: Formula
    options: Options
    study: Study
    cohort: str

    name: ClassVar[str] = "target_trial"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where protocol, variables or covariates do not fit."""
        options = Options(**analysis.options)
        check_none(list(_faults(options, analysis, study)))
        formula = _formula(options, study)
        check_none(list(_unfit_formula(formula, options, analysis)))
        return cls(formula, options, study, analysis.cohort)

    @property
    def complete(self) -> frozenset[str]:
        """Time, event and covariates; who never started lacks a start and is no less complete."""
        return frozenset([*self.formula.predictors, self.options.time, self.options.event])

    @property
    def may_lack(self) -> tuple[str, ...]:
        """The start: nobody who never started is left out."""
        return (self.options.start,)

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def own(self) -> bool:
        """Whether hospitals have intercepts of their own."""
        return is_own(self.options.hospitals)

    @property
    def grids(self) -> tuple[Floats, ...]:
        """The ends of intervals that are tried, the declared ones first, then fewer, the grace period's and horizon's
        always. None is chosen by the data but by whether its cells hold enough people; those of few are mostly within
        the grace period, of people who started in one interval of it and left in the same.
        """
        one = self.options
        kept = {one.grace, one.horizon} | ({0.0} if 0 in one.times else set())
        more = sorted(set(one.times) - kept)
        early, late = ([at for at in more if (at < one.grace) == before] for before in (True, False))
        fewer = late if early and len(late) <= FEW_LATE else late[1::2]
        tried = [more, fewer or early[1::2], []]
        found = dict.fromkeys(tuple(sorted([*kept, *each])) for each in tried)
        return tuple(np.array(edges) for edges in found)

    def terms(self, edges: Floats) -> list[str]:
        """The model of starting's columns by name, without an intercept that is each hospital's own."""
        levels = [f"until_{end:g}" for end in edges[1 : self.grace_of(edges)]]
        return [*levels, *(column.name for column in self.formula.columns(self.study.variables)[self.own :])]

    def grace_of(self, edges: Floats) -> int:
        """How many intervals the grace period has."""
        return int(np.searchsorted(edges, self.options.grace)) + 1

    def sends(self) -> tuple[Sends, ...]:
        """Who started and left when, a model of starting, weighted sums by strategy and interval, what errors need."""
        edges = self.grids[0]
        K, q, g = len(edges), len(self.terms(edges)), self.grace_of(edges)
        b = len(covariates(self.formula.predictors, self.study.variables))
        return (
            Sends("target_trial.histories_table", 1 + 2 * (g + 1) * (K + 1), len(self.grids)),
            Sends("target_trial.starting", size_of(q), MOST_ROUNDS),
            Sends("target_trial.arms", 8 * K + 2 * (1 + b) + 2 * b, 1),
            Sends("target_trial.slopes", 2 * K * q, 1),
            Sends("target_trial.errors", K * (2 * K + 1), 1),
            Sends("target_trial.overlap", 1 + 2 * 2 * _overlap.FINEST // 2, _overlap.MOST_ROUNDS),
        )

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Histories on a grid that holds enough, the model of starting, weighted hazards, their errors; then tell."""
        edges, first, tried = yield from self._histories()
        people, q = int(first["people"][0]), len(self.terms(edges))
        who = self._who(edges)
        fit = yield from self._fit(who, edges, people)
        beta, solved = fit.coefficients[0], fit.solved[0]
        how = {**who, "coefficients": beta, "largest": np.array([self.options.largest_weight or UNBOUNDED])}
        how["least"] = self._fewest(first["table"], self.grace_of(edges))
        second = yield Ask(arms, how, doing="weighting")
        check_whole(second, "arms")
        K, values = len(edges), second["arms"]
        both = tuple(Arm(*one) for one in values[: 8 * K].reshape(2, 4, K))
        hazards = np.array([one.hazard for one in both])
        third = yield Ask(slopes, {**how, "hazards": hazards}, doing="weighting")
        check_whole(third, "slopes")
        directions = third["slopes"].reshape(2 * K, q) @ np.nan_to_num(solved.inverse)
        fourth = yield Ask(errors, {**how, "hazards": hazards, "directions": directions}, doing="weighting")
        check_whole(fourth, "errors")
        exposed = np.concatenate([one.exposed for one in both])
        scale = np.divide(1.0, exposed, out=np.zeros_like(exposed), where=exposed > 0)
        covariance = symmetric(fourth["errors"], 2 * K) * np.outer(scale, scale)
        part = yield from unless_withheld(self._overlap(how))
        seen = _overlap.Overlap.begin() if isinstance(part, Kept) else part
        error = np.sqrt(np.diag(solved.inverse))
        found = Found(
            Contrast((both[0], both[1]), edges, covariance),
            self.grace_of(edges),
            first["table"],
            values[8 * K :],
            seen,
            (np.where(solved.aliased, np.nan, beta), error),
            tuple(self.terms(edges)),
            people,
            first.sites,
            tried + fit.rounds + 3 + seen.rounds,
        )
        told = Told(self.study, self.formula, self.options, self.study.cohorts[self.cohort])
        return lacking(told.result(found), "overlap", part)

    def _who(self, edges: Floats) -> dict[str, Any]:
        one = self.options
        return {
            "formula": self.formula.text,
            "hospitals": one.hospitals,
            "time": one.time,
            "start": one.start,
            "edges": edges,
            "grace": self.grace_of(edges),
        }

    def _overlap(self, how: Mapping[str, Any]) -> Generator[Ask, Pooled, _overlap.Overlap]:
        def ask(which: Floats, cuts: Floats, filled: Floats) -> Ask:
            return Ask(overlap, {**how, "which": which, "cuts": cuts, "filled": filled}, doing="counting_values")

        return (yield from _overlap.grow(self.study.release.minimum_people, ask))

    def _fewest(self, table: Floats, grace: int) -> int:
        """How many people at the least make up a sum over those of one arm who leave alike; the table is open."""
        ends = np.array([table[:grace].sum(axis=0), table[grace]])
        return int(ends[ends > 0].min())

    def _histories(self) -> Generator[Ask, Pooled, tuple[Floats, Pooled, int]]:
        """The first grid whose cells the hospitals open, with their table, and how many were tried."""
        for tried, edges in enumerate(self.grids, 1):
            last = tried == len(self.grids)
            try:
                # A hospital that withholds its own table of a finer grid may open that of the next.
                answer = yield Ask(histories_table, self._who(edges), doing="counting_exits", dispensable=not last)
            except Stopped:
                if last:
                    raise
                continue
            if answer.whole("table") and answer.whole("people"):
                return edges, answer, tried
        raise Stopped(Finding("trial_few", values={"expected": self.study.release.minimum_people}))

    def _fit(self, who: dict[str, Any], edges: Floats, people: int) -> Generator[Ask, Pooled, Fitted]:
        """The model of starting."""
        hospitals = len(self.study.sites) if self.own else 0
        one, terms = self.options, self.terms(edges)
        name = f"{self.formula.text} {one.start} {one.hospitals} {edges.tolist()}"

        def ask(beta: Floats) -> Ask:
            asked = {**who, "coefficients": beta[0]}
            return Ask(starting, asked, fit=name, parameters=len(terms) + hospitals, doing="fitting")

        return (yield from fit_profiles(ask, 1, terms, people))


def _formula(options: Options, study: Study) -> Formula:
    """The covariates as a formula; its left side is the event, whose cells are ruled on with theirs."""
    return formulas.parse(f"{options.event} ~ {options.adjust}", study.variables)


def _faults(options: Options, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """What of the protocol does not fit."""
    yield from time_faults(analysis, study, time=options.time, event=options.event)
    if options.start not in study.variables:
        yield Finding(
            "describe_unknown",
            place=analysis.place("start"),
            values={"found": options.start, "expected": ", ".join(study.variables)},
        )
    else:
        yield from _unfit_start(options, analysis, study)
    after = study.cohorts[analysis.cohort].variables & {options.time, options.event, options.start}
    if after:
        values = {"found": ", ".join(sorted(after)), "cohort": analysis.cohort}
        yield Finding("trial_eligibility", place=analysis.place("cohort"), values=values)
    if options.grace >= options.horizon:
        values = {"found": f"{options.grace:g}", "expected": f"{options.horizon:g}"}
        yield Finding("trial_grace", place=analysis.place("grace"), values=values)
    beyond = [f"{at:g}" for at in options.times if at >= options.horizon]
    if beyond or len(options.times) > MOST_EDGES:
        values = {"found": ", ".join(beyond) or str(len(options.times)), "expected": f"{options.horizon:g}"}
        yield Finding("trial_times", place=analysis.place("times"), values={**values, "most": MOST_EDGES})
    yield from _others(options, analysis, study)


def _unfit_start(options: Options, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """A start that is no time, or not in the unit of the follow-up."""
    start, time = study.variables[options.start], study.variables.get(options.time)
    if start.type not in ("number", "integer") or start.bounds[0] < 0 or options.start == options.time:
        values = {"found": f"{start.name} ({start.type})", "expected": "number, integer"}
        yield Finding("trial_start", place=analysis.place("start"), values=values)
    elif time is not None and time.unit != start.unit:
        values = {"found": f"{start.name}: {start.unit or '1'}", "expected": f"{time.name}: {time.unit or '1'}"}
        yield Finding("trial_unit", place=analysis.place("start"), values=values)


def _unfit_formula(formula: Formula, options: Options, analysis: Analysis) -> Iterator[Finding]:
    """Covariates that are none, or that are known only after time zero."""
    after = {options.time, options.start} & set(formula.predictors)
    if after or not formula.intercept or not formula.terms:
        values = {"found": ", ".join(sorted(after)) or options.adjust}
        yield Finding("trial_adjust", place=analysis.place("adjust"), values=values)


PROTOCOL = ("grace", "horizon", "times", "largest_weight", "time", "event")


def _others(options: Options, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """Other analyses with another grid of these times, or other bounds: both together tell of a few people."""
    mine = [analysis.options.get(name) for name in PROTOCOL]
    for other in study.analyses.values():
        alike = other.method == Method.name and (
            other.options.get("start") == options.start or other.options.get("time") == options.time
        )
        if alike and [other.options.get(name) for name in PROTOCOL] != mine:
            yield Finding("trial_one_protocol", place=analysis.place("grace"), values={"found": other.name})
    if any(True for cohort in study.cohorts for _ in on_one_grid(study, cohort, options.time)):
        yield Finding("trial_two_grids", place=analysis.place("time"), values={"found": options.time})
