"""Cumulative incidence of competing events on an agreed grid of times, equal to the pooled estimate there (lossless).

Aalen and Johansen's estimate (1978, Scand J Stat 5:141) in its actuarial form; exact where the intervals are single
times. The grid, and what it opens, are those of `kaplan_meier`; an event of another cause is no censoring. Reference: R
`survival::survfit` of a multi-state response.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveFloat

from gagyo.errors import check_none
from gagyo.federation.ask import Conversation, Sends
from gagyo.methods._survival import grid as grids
from gagyo.methods._survival.agreed import Grid
from gagyo.methods._survival.grid import Asked
from gagyo.methods._survival.telling import (
    counted_places,
    dropped_note,
    group_names,
    shown_edges,
    time_digits,
    time_words,
)
from gagyo.methods._survival.times import time_faults
from gagyo.protocol.study import Analysis, Study
from gagyo.result import Cell, Column, Counts, Curve, Estimate, Interval, Result, Series, Table, Words
from gagyo.statistics.incidence import Incidence
from gagyo.text import LANGUAGES, Text, translate

exits = grids.exit_step("cumulative_incidence")


class Options(BaseModel):
    """What a study file may say of competing events."""

    model_config = ConfigDict(extra="forbid")

    time: str
    """How long each person was observed."""
    cause: str
    """A category: its first level is no event (censored), each other level an event that ends observation."""
    by: str = ""
    """A variable with levels; curves of each, all on one grid."""
    times: list[PositiveFloat] = []
    """The grid's times; empty for a grid as fine as the minimum of people allows."""
    at: list[PositiveFloat] = []
    """Times at which the incidence is told."""


@dataclass(frozen=True)
class Method:
    """Cumulative incidence of a study's analysis."""

    options: Options
    study: Study
    cohort: str

    name: ClassVar[str] = "cumulative_incidence"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where it does not fit the study."""
        options = Options(**analysis.options)
        check_none(list(time_faults(analysis, study, time=options.time, cause=options.cause, by=options.by)))
        return cls(options, study, analysis.cohort)

    @property
    def complete(self) -> frozenset[str]:
        """Time, cause and group."""
        return frozenset(name for name in (self.options.time, self.options.cause, self.options.by) if name)

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def asked(self) -> Asked:
        """What the descent asks about."""
        one = self.options
        return Asked.of(exits, self.study, self.cohort, one.time, one.cause, one.by)

    def sends(self) -> tuple[Sends, ...]:
        """Exits by cause, in the parts of an interval, by group."""
        return (grids.sends(self.asked, self.study.variables),)

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Agree on a grid; its numbers are the curves."""
        grid = yield from grids.agree(self.asked)
        groups = [
            _Group(name, label, _incidence(grid, number))
            for number, (name, label) in enumerate(group_names(self.study, self.options.by))
        ]
        time = time_words(self.study.variables[self.options.time])
        causes = [Words(text=level.label) for level in self.study.variables[self.options.cause].levels[1:]]
        return Result(
            method="cumulative_incidence",
            lossless=True,
            people=grid.people,
            sites=grid.sites,
            rounds=grid.rounds,
            estimates=tuple(one for group in groups for one in self._estimates(group)),
            tables=(self._table(groups, causes, grid, time),),
            curves=tuple(_curve(groups, number, cause, grid, time) for number, cause in enumerate(causes)),
            notes=dropped_note(grid, self.asked.cuts),
            methods_text=(Words("survival.incidence_text", {"number": self.study.release.minimum_people}),),
        )

    def _estimates(self, group: _Group) -> list[Estimate]:
        table = group.table
        F, error, (low, high), found = table.curves, table.errors, table.bands, []
        for number, level in enumerate(self.study.variables[self.options.cause].levels[1:]):
            for edge in shown_edges(table.edges, self.options.at, np.inf):
                at = (int(np.searchsorted(table.edges, edge)), number)
                value, se, lower, upper = (
                    float(one[at]) if np.isfinite(one[at]) else None for one in (F, error, low, high)
                )
                label = Words(text=level.label)
                found.append(Estimate(f"{group.name}.{level.name}.{edge:g}", label, value, se, lower, upper))
        return found

    def _table(self, groups: list[_Group], causes: list[Words], grid: Grid, time: Words) -> Table:
        rows = tuple(
            (cause, group.label, *row)
            for number, cause in enumerate(causes)
            for which, group in enumerate(groups)
            for row in _rows(group.table, number, which, grid, self.options.at)
        )
        columns = (
            Column("cause", Words("survival.cause"), "text"),
            Column("group", Words("survival.group"), "text"),
            Column("time", time, "number", time_digits(row[2] for row in rows if isinstance(row[2], float))),
            Column("at_risk", Words("survival.at_risk"), "count"),
            Column("events", Words("survival.events_until"), "count"),
            Column("incidence", Words("survival.incidence"), "interval", 3),
            Column("least", Words("survival.least"), "number", 3),
            Column("most", Words("survival.most"), "number", 3),
        )
        return Table(
            "incidence_at", Words("survival.incidence_at"), columns, rows, notes=(Words("survival.incidence_note"),)
        )


@dataclass(frozen=True)
class _Group:
    """One group's numbers."""

    name: str
    label: Words
    table: Incidence


def _incidence(grid: Grid, group: int) -> Incidence:
    kept = grid.kept(group)
    left = grid.exits[:kept, group]
    return Incidence(grid.edges[: kept + 1], grid.at_risk[:kept, group], left[:, 1:], left[:, 0], grid.single[:kept])


def _rows(table: Incidence, cause: int, group: int, grid: Grid, at: list[float]) -> list[tuple[Cell, ...]]:
    F, (low, high), (least, most) = table.curves[:, cause], table.bands, table.bounds
    rows: list[tuple[Cell, ...]] = []
    for edge in shown_edges(table.edges, at, np.inf):
        k = int(np.searchsorted(table.edges, edge))
        known = bool(np.isfinite(low[k, cause]))
        value: Cell = Interval(float(F[k]), float(low[k, cause]), float(high[k, cause])) if known else float(F[k])
        left, happened = int(grid.left_at(group, edge)), int(table.events[:k, cause].sum())
        rows.append((edge, left, happened, value, float(least[k, cause]), float(most[k, cause])))
    return rows


def _curve(groups: list[_Group], cause: int, label: Words, grid: Grid, time: Words) -> Curve:
    series = tuple(_series(one, cause) for one in groups if len(one.table.single))
    last = max((float(one.table.edges[-1]) for one in groups), default=0.0)
    places = counted_places(grid.edges, last)
    below = tuple(
        Counts(one.label, places, tuple(int(grid.left_at(g, place)) for place in places))
        for g, one in enumerate(groups)
    )
    title = Words(text=Text(*(translate("survival.incidence_of", one, cause=label.to(one)) for one in LANGUAGES)))
    axis = Words("survival.incidence_axis")
    return Curve(
        f"incidence_{cause + 1}",
        title,
        time,
        axis,
        series,
        (Words("survival.bands"),),
        below,
        Words("survival.at_risk"),
    )


def _series(group: _Group, cause: int) -> Series:
    table = group.table
    low, high = (np.where(np.isfinite(band[:, cause]), band[:, cause], table.curves[:, cause]) for band in table.bands)
    style = "step" if bool(table.single.all()) else "line"
    x, y = tuple(table.edges.tolist()), tuple(table.curves[:, cause].tolist())
    return Series(group.label, x, y, tuple(low.tolist()), tuple(high.tolist()), style=style)  # type: ignore[arg-type]
