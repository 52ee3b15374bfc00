"""Restricted mean survival time to a time that the protocol states, on an agreed grid of times (lossless there).

The area under the curve of `kaplan_meier` to tau, straight between the grid's times, with errors by the delta method on
Greenwood's variance, and bounds between which the area under the ungridded curve lies for certain. Royston & Parmar
(2013) BMC Med Res Methodol 13:152; Uno et al. (2014) J Clin Oncol 32:2380. Reference: R, from `survival::survfit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveFloat

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Conversation, Sends
from gagyo.finding import Finding
from gagyo.methods._newton import wald
from gagyo.methods._survival import grid as grids
from gagyo.methods._survival.agreed import Grid
from gagyo.methods._survival.grid import Asked
from gagyo.methods._survival.telling import amount, dropped_note, group_names, time_words
from gagyo.methods._survival.times import time_faults
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import Floats
from gagyo.result import Column, Estimate, Interval, Result, Table, Words
from gagyo.statistics.distributions import normal_quantile
from gagyo.text import LANGUAGES, Text, translate

Z95 = float(normal_quantile(0.975))

exits = grids.exit_step("restricted_mean")


class Options(BaseModel):
    """What a study file may say of a restricted mean survival time."""

    model_config = ConfigDict(extra="forbid")

    time: str
    """How long each person was observed."""
    event: str
    """The event, a boolean."""
    tau: PositiveFloat
    """The time to which the mean is taken."""
    by: str = ""
    """A variable with levels; each but the first is compared with the first."""
    times: list[PositiveFloat] = []
    """The grid's times besides tau; empty for a grid as fine as the minimum of people allows."""


@dataclass(frozen=True)
class Method:
    """Restricted means of a study's analysis."""

    options: Options
    study: Study
    cohort: str

    name: ClassVar[str] = "restricted_mean"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where it does not fit the study."""
        options = Options(**analysis.options)
        findings = list(time_faults(analysis, study, time=options.time, event=options.event, by=options.by))
        if not findings and options.tau >= (most := study.variables[options.time].bounds[1]):
            values = {"found": f"{options.tau:g}", "expected": f"{most:g}"}
            findings.append(Finding("tau_beyond_range", place=analysis.place("tau"), values=values))
        check_none(findings)
        return cls(options, study, analysis.cohort)

    @property
    def complete(self) -> frozenset[str]:
        """Time, event and group."""
        return frozenset(name for name in (self.options.time, self.options.event, self.options.by) if name)

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def asked(self) -> Asked:
        """What the descent asks about; tau is one of its times."""
        one = self.options
        return Asked.of(exits, self.study, self.cohort, one.time, one.event, one.by)

    def sends(self) -> tuple[Sends, ...]:
        """Exits with and without the event, in both parts of an interval, by group."""
        return (grids.sends(self.asked, self.study.variables),)

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Agree on a grid that tau is a time of; take the areas."""
        grid = yield from grids.agree(self.asked)
        names = group_names(self.study, self.options.by)
        tables = [grid.table(group) for group in range(len(names))]
        tau = self.options.tau
        short = [label for (_, label), one in zip(names, tables, strict=True) if tau not in one.edges]
        if short:
            raise Stopped(Finding("tau_not_reached", values={"found": f"{tau:g}", "expected": self.asked.least}))
        means = np.array([one.mean(tau) for one in tables])
        bounds = np.array([one.mean_bounds(tau) for one in tables])
        return Result(
            method="restricted_mean",
            lossless=True,
            people=grid.people,
            sites=grid.sites,
            rounds=grid.rounds,
            estimates=(*_means(names, means), *_differences(names, means)),
            tables=(
                self._table(names, grid, means, bounds),
                *_compared(names, means, time_words(self.study.variables[self.options.time])),
            ),
            notes=(Words("survival.mean_bounds_note"), *dropped_note(grid, self.asked.cuts)),
            methods_text=(self._words("survival.mean_text"),),
        )

    def _words(self, key: str) -> Words:
        """A text that names tau in its unit."""
        tau = amount(self.options.tau, self.study.variables[self.options.time])
        least = self.study.release.minimum_people
        return Words(text=Text(*(translate(key, one, tau=tau.to(one), number=least) for one in LANGUAGES)))

    def _table(self, names: list[tuple[str, Words]], grid: Grid, means: Floats, bounds: Floats) -> Table:
        columns = (
            Column("group", Words("survival.group"), "text"),
            Column("people", Words("regression.people"), "count"),
            Column("mean", Words("survival.mean"), "interval", 1),
            Column("least", Words("survival.least"), "number", 1),
            Column("most", Words("survival.most"), "number", 1),
        )
        rows = tuple(
            (label, int(grid.at_risk[0, g]), _interval(*means[g]), float(bounds[g, 0]), float(bounds[g, 1]))
            for g, (_, label) in enumerate(names)
        )
        time = time_words(self.study.variables[self.options.time])
        return Table("restricted_mean", self._words("survival.means"), columns, rows, notes=(time,))


def _interval(value: float, error: float) -> Interval:
    return Interval(float(value), float(value - Z95 * error), float(value + Z95 * error))


def _estimate(name: str, label: Words, value: float, error: float, p: float | None = None) -> Estimate:
    limits = _interval(value, error)
    return Estimate(name, label, limits.value, float(error), limits.lower, limits.upper, p)


def _means(names: list[tuple[str, Words]], means: Floats) -> tuple[Estimate, ...]:
    return tuple(
        _estimate(f"{name}.mean", label, *mean.tolist()) for (name, label), mean in zip(names, means, strict=True)
    )


def _differences(names: list[tuple[str, Words]], means: Floats) -> tuple[Estimate, ...]:
    """Each group's mean less the first's."""
    out = []
    for (name, label), (mean, error) in zip(names[1:], means[1:], strict=True):
        value, whole = mean - means[0, 0], float(np.hypot(error, means[0, 1]))
        p = float(wald(np.array([value]), np.array([whole]))[0])
        out.append(_estimate(f"{name}.difference", label, float(value), whole, p))
    return tuple(out)


def _compared(names: list[tuple[str, Words]], means: Floats, time: Words) -> tuple[Table, ...]:
    """Differences from the first group in the unit of time, and ratios by the delta method on their logarithm."""
    if len(names) < 2:
        return ()
    columns = (
        Column("group", Words("survival.group"), "text"),
        Column("mean_difference", Words("survival.mean_difference"), "interval", 1),
        Column("p", Words("regression.p"), "p"),
        Column("mean_ratio", Words("survival.mean_ratio"), "interval", 3),
    )
    rows = []
    for one, (mean, error) in zip(_differences(names, means), means[1:], strict=True):
        log, reach = np.log(mean / means[0, 0]), Z95 * np.hypot(error / mean, means[0, 1] / means[0, 0])
        ratio = Interval(*np.exp([log, log - reach, log + reach]).tolist())
        rows.append((one.label, Interval(one.value or 0.0, one.lower or 0.0, one.upper or 0.0), one.p, ratio))
    title = Words("survival.mean_differences")
    return (
        Table("restricted_mean_difference", title, columns, tuple(rows), kind="forest", notes=(time, _first(names))),
    )


def _first(names: list[tuple[str, Words]]) -> Words:
    return Words("survival.compared_with_first")
