"""Log-rank tests of groups: within hospitals on exact times, or pooled on an agreed grid of times (lossless).

Within hospitals each hospital sends its own observed and expected events by group and their covariance, and no time;
the sums are those of `survdiff(... + strata(hospital))`. Pooled, the test is that of the people as if everybody who
leaves in an interval left at its end. Mantel (1966) Cancer Chemother Rep 50:163; Gehan (1965) Biometrika 52:203;
Fleming & Harrington (1981) Commun Stat A 10:763. Reference: R `survival::survdiff`, lifelines.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.local import Name, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods._newton import symmetric, triangle
from gagyo.methods._survival import grid as grids
from gagyo.methods._survival.grid import Asked
from gagyo.methods._survival.telling import dropped_note, group_names
from gagyo.methods._survival.times import groups_of, time_faults
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.variables import levels_of
from gagyo.release.aggregate import Aggregate, Floats, Spread, cells, few_or_none, joined, joint, spread_of
from gagyo.result import Column, Estimate, Result, Table, Words
from gagyo.statistics import cox as kernel
from gagyo.statistics import log_rank as tests
from gagyo.statistics.log_rank import Scores, Weight

exits = grids.exit_step("log_rank")


@local(time=Name(), event=Name(), by=Name(), weight=Numbers((3,), 0, 10))
def within(rows: Rows, time: str, event: str, by: str, weight: Floats) -> Aggregate:
    """By group: people, weighted observed and expected events, and the covariance of their differences (triangle).

    weight: rho, gamma, and 1 for Gehan's instead. The times are the hospital's own and stay there.
    """
    groups = levels_of(rows.variables[by])
    left = grids.counted(rows, time, event, by)
    leaving = left.sum(axis=2)
    at_risk = leaving[::-1].cumsum(axis=0)[::-1].astype(np.float64)
    asked = Weight(float(weight[0]), float(weight[1]), bool(weight[2]))
    found = tests.scores(at_risk, left[:, :, 1].astype(np.float64), asked)
    spread = Spread(*found.spread)
    if not np.all(spread.total - 2 * spread.largest >= spread.largest):
        spread = _exact_spread(rows[by][:, None] == np.arange(groups), rows[time], rows[event] == 1, asked)
    most = 2.0**20 if asked.gehan else 1.0  # what one event weighs: the number at risk, or a share
    people, events = left.sum(axis=(0, 2)), left[:, :, 1].sum(axis=0)
    there = cells(np.array([people, events]), rows.n)
    # That nobody of a group was censored is no secret; that nobody had the event, or a few had, is.
    behind = joined(there, few_or_none(people - events))
    upper = triangle(groups)
    values = np.concatenate([found.observed, found.expected, found.covariance[upper]])
    scales = np.concatenate([np.full(2 * groups, most), np.full(len(upper[0]), most**2)])
    return {"people": cells(people[None, :], rows.n), "test": joint(values, scales, behind, spread)}


def _exact_spread(member: Floats, time: Floats, happened: Any, weight: Weight) -> Spread:
    """Where few had the event: everyone's part in the observed less expected, as score residuals of no effect."""
    sets = kernel.risk_sets(member.astype(np.float64), time, happened)
    fitted = kernel.evaluate(sets, np.zeros(member.shape[1]), "breslow")
    return spread_of(fitted.residuals(weight.at(fitted.at_risk[:, 0], sets.deaths.astype(np.float64))))


class Options(BaseModel):
    """What a study file may say of a log-rank test."""

    model_config = ConfigDict(extra="forbid")

    time: str
    """How long each person was observed."""
    event: str
    """The event, a boolean."""
    by: str
    """The variable whose levels are compared."""
    compare: Literal["within_hospitals", "pooled"] = "within_hospitals"
    """Compare people of the same hospital, on exact times; or all people, on the agreed grid."""
    weight: Literal["none", "fleming_harrington", "gehan"] = "none"
    """The weight of each time."""
    rho: NonNegativeFloat = 0.0
    """Fleming and Harrington's weight of early differences."""
    gamma: NonNegativeFloat = 0.0
    """Fleming and Harrington's weight of late differences."""
    times: list[PositiveFloat] = []
    """The grid's times, for a pooled test; empty for a grid as fine as the minimum of people allows."""


@dataclass(frozen=True)
class Method:
    """A log-rank test of a study's analysis."""

    options: Options
    study: Study
    cohort: str

    name: ClassVar[str] = "log_rank"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where it does not fit the study."""
        options = Options(**analysis.options)
        findings = list(time_faults(analysis, study, time=options.time, event=options.event, by=options.by))
        if options.weight != "fleming_harrington" and (options.rho or options.gamma):
            values = {"found": f"weight: {options.weight}", "expected": "weight: fleming_harrington"}
            findings.append(Finding("log_rank_weight", place=analysis.place("weight"), values=values))
        check_none(findings)
        return cls(options, study, analysis.cohort)

    @property
    def complete(self) -> frozenset[str]:
        """Time, event and group."""
        return frozenset((self.options.time, self.options.event, self.options.by))

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def weight(self) -> Weight:
        """The weight of each time."""
        return Weight(self.options.rho, self.options.gamma, self.options.weight == "gehan")

    @property
    def asked(self) -> Asked:
        """What the descent asks about, for a pooled test."""
        one = self.options
        return Asked.of(exits, self.study, self.cohort, one.time, one.event, one.by)

    def sends(self) -> tuple[Sends, ...]:
        """Within hospitals one answer; pooled, exits by interval."""
        groups = groups_of(self.study.variables, self.options.by)
        if self.options.compare == "pooled":
            return (grids.sends(self.asked, self.study.variables),)
        return (Sends("log_rank.within", 3 * groups + groups * (groups + 1) // 2, 1),)

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Sum the scores, or agree on a grid; then test."""
        within_hospitals = self.options.compare == "within_hospitals"
        found = yield from (self._within() if within_hospitals else self._pooled())
        chi, freedom, p = tests.test(found.scores.observed, found.scores.expected, found.scores.covariance)
        return Result(
            method="log_rank",
            lossless=True,
            people=int(found.people.sum()),
            sites=found.sites,
            rounds=found.rounds,
            estimates=self._estimates(found, chi, p),
            tables=(self._groups(found), _test(chi, freedom, p)),
            notes=(Words(f"survival.compare_{self.options.compare}"), *found.notes),
            methods_text=(Words(f"survival.log_rank_{self.options.compare}"), self._weight_words()),
        )

    def _within(self) -> Generator[Ask, Pooled, _Found]:
        one = self.options
        weight = np.array([one.rho, one.gamma, float(one.weight == "gehan")])
        named = {"time": one.time, "event": one.event, "by": one.by, "weight": weight}
        pooled = yield Ask(within, named, doing="comparing")
        if np.isnan(pooled["test"]).any() or np.isnan(pooled["people"]).any():
            raise Stopped(Finding("withheld_fit"))
        groups = groups_of(self.study.variables, one.by)
        observed, expected, upper = np.split(pooled["test"], [groups, 2 * groups])
        scores = Scores(observed, expected, symmetric(upper, groups), np.zeros((3, 0)))
        return _Found(scores, pooled["people"][0], pooled.sites, 1)

    def _pooled(self) -> Generator[Ask, Pooled, _Found]:
        grid = yield from grids.agree(self.asked)
        scores = tests.scores(grid.at_risk, grid.events, self.weight)
        words: dict[str, int | float | str] = {"found": len(grid.single)}
        note = Words("survival.exact_grid" if grid.single.all() else "survival.grid_of", words)
        notes = (note, *dropped_note(grid, self.asked.cuts))
        return _Found(scores, grid.at_risk[0], grid.sites, grid.rounds, notes)

    def _weight_words(self) -> Words:
        one = self.options
        values: dict[str, int | float | str] = {"rho": f"{one.rho:g}", "gamma": f"{one.gamma:g}"}
        return Words(f"survival.weight_{one.weight}", values if one.weight == "fleming_harrington" else {})

    def _estimates(self, found: _Found, chi: float, p: float) -> tuple[Estimate, ...]:
        """Observed and expected events by group, and the statistic, for programs."""
        names = group_names(self.study, self.options.by)
        told = [
            Estimate(f"{name}.{what}", label, float(values[g]))
            for g, (name, label) in enumerate(names)
            for what, values in (("observed", found.scores.observed), ("expected", found.scores.expected))
        ]
        missing = bool(np.isnan(chi))
        statistic = Estimate(
            "chi_square", Words("survival.chi_square"), None if missing else chi, p=None if missing else p
        )
        return (*told, statistic)

    @property
    def _weight_name(self) -> Words:
        """By which weights events are counted: two tests of a report may differ in these alone."""
        if self.options.weight == "gehan":
            return Words("survival.weighted_gehan")
        powers = {"rho": f"{self.options.rho:g}", "gamma": f"{self.options.gamma:g}"}
        return Words("survival.weighted_fleming_harrington", dict(powers))

    def _groups(self, found: _Found) -> Table:
        weighted = self.options.weight != "none"
        columns = (
            Column("group", Words("survival.group"), "text"),
            Column("people", Words("regression.people"), "count"),
            Column("observed", Words("survival.observed"), "number" if weighted else "count", 1),
            Column("expected", Words("survival.expected"), "number", 1),
        )
        rows = tuple(
            (label, int(found.people[g]), float(found.scores.observed[g]), float(found.scores.expected[g]))
            for g, (_, label) in enumerate(group_names(self.study, self.options.by))
        )
        notes = (self._weight_name,) if weighted else ()
        return Table("log_rank", Words("survival.log_rank"), columns, rows, notes=notes)


@dataclass(frozen=True)
class _Found:
    """Summed scores, people by group (G,), who answered in how many rounds."""

    scores: Scores
    people: Floats
    sites: tuple[str, ...]
    rounds: int
    notes: tuple[Words, ...] = ()


def _test(chi: float, freedom: int, p: float) -> Table:
    columns = (
        Column("test", Words("survival.test"), "text"),
        Column("chi_square", Words("survival.chi_square"), "number", 2),
        Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "count"),
        Column("p", Words("regression.p"), "p"),
    )
    known = not np.isnan(chi)
    row = (Words("survival.all_alike"), chi if known else None, freedom, p if known else None)
    return Table("log_rank_test", Words("survival.log_rank_test"), columns, (row,))
