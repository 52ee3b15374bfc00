"""Survival curves on an agreed grid of times, equal to the pooled curve on that grid (lossless), with its bounds.

The grid comes from a descent on the secure sum that stops before a part of an interval holds fewer than k exits of any
group. Within an interval those censored count half (Berkson & Gage 1950, Proc Staff Meet Mayo Clin 25:270); where it is
a single time the curve is Kaplan and Meier's (1958, J Am Stat Assoc 53:457). The curve of the ungridded times lies
within bounds that are told. Greenwood's errors; intervals on the log(-log) scale (Kalbfleisch & Prentice 1980); medians
after Brookmeyer & Crowley (1982). Reference: R `survival::survfit`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    figures,
    grid_note,
    group_names,
    shown_edges,
    time_digits,
    time_words,
)
from gagyo.methods._survival.times import time_faults
from gagyo.protocol.study import Analysis, Study
from gagyo.result import Column, Counts, Curve, Estimate, Interval, Result, Series, Table, Words
from gagyo.statistics.life_table import LifeTable

exits = grids.exit_step("kaplan_meier")


class Options(BaseModel):
    """What a study file may say of a survival curve."""

    model_config = ConfigDict(extra="forbid")

    time: str
    """How long each person was observed."""
    event: str
    """The event, a boolean."""
    by: str = ""
    """A variable with levels; one curve each, all on one grid."""
    times: list[PositiveFloat] = []
    """The grid's times; empty for a grid as fine as the minimum of people allows."""
    at: list[PositiveFloat] = []
    """Times at which the survival is told."""


@dataclass(frozen=True)
class Method:
    """Survival curves of a study's analysis."""

    options: Options
    study: Study
    cohort: str

    name: ClassVar[str] = "kaplan_meier"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where it does not fit the study."""
        options = Options(**analysis.options)
        check_none(list(time_faults(analysis, study, time=options.time, event=options.event, by=options.by)))
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
        """What the descent asks about."""
        one = self.options
        return Asked.of(exits, self.study, self.cohort, one.time, one.event, one.by)

    def sends(self) -> tuple[Sends, ...]:
        """Exits with and without the event, in both parts of an interval, by group."""
        return (grids.sends(self.asked, self.study.variables),)

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Agree on a grid; its numbers are the curve."""
        grid = yield from grids.agree(self.asked)
        names = group_names(self.study, self.options.by)
        tables = [grid.table(group) for group in range(len(names))]
        curves = [_Group(name, label, table) for (name, label), table in zip(names, tables, strict=True)]
        time = time_words(self.study.variables[self.options.time])
        return Result(
            method="kaplan_meier",
            lossless=True,
            people=grid.people,
            sites=grid.sites,
            rounds=grid.rounds,
            estimates=tuple(one for group in curves for one in group.estimates(self.options.at)),
            tables=(_medians(curves, grid, time), _survival(curves, grid, self.options.at, time)),
            curves=(_curve(curves, grid, time, (grid_note(grid, tables),)),),
            notes=dropped_note(grid, self.asked.cuts),
            methods_text=(Words("survival.curve_text", {"number": self.study.release.minimum_people}),),
        )


@dataclass(frozen=True)
class _Group:
    """One curve."""

    name: str
    label: Words
    table: LifeTable

    def estimates(self, at: list[float]) -> list[Estimate]:
        """The median, and the survival at the times that the table shows; the curve has all others."""
        value, low, high = (None if np.isnan(one) else one for one in self.table.median())
        found = [Estimate(f"{self.name}.median", self.label, value, None, low, high)]
        S, error, (lower, upper) = self.table.survival, self.table.error, self.table.band
        for edge in shown_edges(self.table.edges, at, np.inf):
            k = int(np.searchsorted(self.table.edges, edge))
            value, se, low, high = (_known(one[k]) for one in (S, error, lower, upper))
            found.append(Estimate(f"{self.name}.survival.{edge:g}", self.label, value, se, low, high))
        return found


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _medians(curves: list[_Group], grid: Grid, time: Words) -> Table:
    digits = _digits([one.table.median() for one in curves])
    columns = (
        Column("group", Words("survival.group"), "text"),
        Column("people", Words("regression.people"), "count"),
        Column("events", Words("survival.events"), "count"),
        Column("median", Words("survival.median"), "interval", digits),
        Column("between", Words("survival.median_between"), "text"),
    )
    rows = tuple(
        (one.label, int(grid.at_risk[0, g]), int(grid.events[:, g].sum()), *_median(one.table, digits))
        for g, one in enumerate(curves)
    )
    return Table("medians", Words("survival.medians"), columns, rows, notes=(time,))


def _digits(medians: Sequence[Sequence[float]]) -> int:
    """One number of digits after the decimal point for a column: it leaves two figures of each median and of how wide
    its interval is, and no more than tell all of them as they are.
    """
    sizes = [size for value, low, high in medians for size in (value, high - low) if np.isfinite(size) and size > 0]
    told = [float(one) for median in medians for one in median if np.isfinite(one)]
    return min(max(map(figures, sizes), default=0), time_digits(told))


def _median(table: LifeTable, digits: int) -> tuple[Interval | Words, Words | None]:
    """The median with its limits where they are known, and between which edges it lies for certain."""
    value, low, high = table.median()
    if np.isnan(value):
        if not np.isfinite(low):
            return Words("survival.not_reached"), None
        return Words("survival.not_reached_from", {"low": f"{low:.{digits}f}"}), None
    early, late = table.median_bounds()
    between: dict[str, int | float | str] = {"low": f"{early:g}", "high": f"{late:g}" if np.isfinite(late) else "∞"}
    if np.isfinite(low) and np.isfinite(high):
        return Interval(value, low, high), Words("survival.between", between)
    ends = {name: f"{one:.{digits}f}" if np.isfinite(one) else "–" for name, one in (("low", low), ("high", high))}
    return Words("survival.open_interval", {"value": f"{value:.{digits}f}", **ends}), Words("survival.between", between)


def _survival(curves: list[_Group], grid: Grid, at: list[float], time: Words) -> Table:
    rows = tuple(row for g, one in enumerate(curves) for row in _rows(g, one, grid, at))
    columns = (
        Column("group", Words("survival.group"), "text"),
        Column("time", time, "number", time_digits(float(row[1]) for row in rows)),
        Column("at_risk", Words("survival.at_risk"), "count"),
        Column("events", Words("survival.events_until"), "count"),
        Column("survival", Words("survival.share"), "interval", 3),
        Column("least", Words("survival.least"), "number", 3),
        Column("most", Words("survival.most"), "number", 3),
    )
    return Table("survival_at", Words("survival.survival_at"), columns, rows, notes=(Words("survival.bounds_note"),))


def _rows(
    group: int, one: _Group, grid: Grid, at: list[float]
) -> list[tuple[Words, float, int, int, Interval | float, float, float]]:
    table, rows = one.table, []
    S, (lower, upper), (least, most) = table.survival, table.band, table.bounds
    for edge in shown_edges(table.edges, at, np.inf):
        k = int(np.searchsorted(table.edges, edge))
        limits = Interval(float(S[k]), float(lower[k]), float(upper[k])) if np.isfinite(lower[k]) else float(S[k])
        left, happened = int(grid.left_at(group, edge)), int(table.events[:k].sum())
        rows.append((one.label, edge, left, happened, limits, float(least[k]), float(most[k])))
    return rows


def _curve(curves: list[_Group], grid: Grid, time: Words, notes: tuple[Words, ...]) -> Curve:
    """The figure: bands end where they are not known."""
    series = tuple(_series(one) for one in curves if len(one.table.single))
    last = max((float(one.table.edges[-1]) for one in curves), default=0.0)
    places = counted_places(grid.edges, last)
    below = tuple(
        Counts(one.label, places, tuple(int(grid.left_at(g, place)) for place in places))
        for g, one in enumerate(curves)
    )
    title = Words("survival.curves")
    notes = (Words("survival.bands"), *notes)
    return Curve("survival", title, time, Words("survival.share_axis"), series, notes, below, Words("survival.at_risk"))


def _series(one: _Group) -> Series:
    low, high = one.table.band
    style = "step" if bool(one.table.single.all()) else "line"
    x, y = (tuple(values.tolist()) for values in (one.table.edges, one.table.survival))
    band = (tuple(np.nan_to_num(low, nan=0.0).tolist()), tuple(np.nan_to_num(high, nan=1.0).tolist()))
    return Series(one.label, x, y, *band, style=style)  # type: ignore[arg-type]
