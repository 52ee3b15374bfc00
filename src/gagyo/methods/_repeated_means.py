"""Adjusted means at each visit, by group and with their difference, as estimates, tables and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gagyo.methods._mixed_told import effect_row
from gagyo.methods._repeated_design import Design
from gagyo.protocol.terms import number_text
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Curve, Estimate, Interval, Series, Table, Words
from gagyo.statistics.distributions import t_quantile, t_sf
from gagyo.text import LANGUAGES, Text, translate

Found = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class Means:
    """Adjusted means: by group name, label, and values, errors and degrees of freedom (T,); and their difference.

    outcome: its label with its unit.
    """

    design: Design
    outcome: Text
    times: Words
    groups: Sequence[tuple[str, Words, Floats, Floats, Floats]]
    difference: Found | None

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """Of each group and visit, then of each visit's difference."""
        found = [one for name, label, *parts in self.groups for one in self._estimates("mean", name, label, *parts)]
        if self.difference is not None:
            found += self._estimates("difference", "", Words("repeated.difference"), *self.difference)
        return tuple(found)

    def _estimates(self, kind: str, group: str, label: Words, *found: Floats) -> list[Estimate]:
        inside = ", ".join(one for one in (group, "%s") if one)
        names = [(f"{kind}[{inside % visit}]", label) for visit in self.design.visits]
        return estimates(names, *found)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """Means by visit and group; the difference at each visit."""
        times = [Words(text=Text(number_text(time))) for time in self.design.times]
        visit = Column("visit", self.times, "text")
        intervals = [_intervals(value, error, freedom) for _, _, value, error, freedom in self.groups]
        columns = [visit, *(Column(name or "mean", label, "interval", 3) for name, label, *_ in self.groups)]
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (label, *cells) for label, *cells in zip(times, *intervals, strict=True)
        )
        means = Table(
            "adjusted_means", Words("repeated.means"), tuple(columns), rows, notes=(Words("repeated.means_note"),)
        )
        if self.difference is None:
            return (means,)
        told = self._estimates("difference", "", Words("repeated.difference"), *self.difference)
        columns = [
            visit,
            Column("difference", Words("repeated.difference_interval"), "interval", 3),
            Column("standard_error", Words("regression.standard_error"), "number", 4),
            Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "number", 1),
            Column("p", Words("regression.p"), "p"),
        ]
        rows = tuple(
            (time, *effect_row(one, float(freedom))[1:])
            for time, one, freedom in zip(times, told, self.difference[2], strict=True)
        )
        return means, Table("adjusted_differences", Words("repeated.differences"), tuple(columns), rows)

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The means over time with their limits; none where they are not known."""
        x = tuple(float(time) for time in self.design.times)
        series = []
        for _, label, value, error, freedom in self.groups:
            reach = t_quantile(0.975, freedom) * error
            if np.isfinite(reach).all():
                y, low, high = (tuple(float(one) for one in ends) for ends in (value, value - reach, value + reach))
                series.append(Series(label, x, y, low, high))
        mean = Text(*(translate("repeated.mean_of", one, outcome=self.outcome) for one in LANGUAGES))
        figure = Curve("course", Words("repeated.figure"), self.times, Words(text=mean), tuple(series))
        return (figure,) if series else ()


def estimates(names: Sequence[tuple[str, Words]], value: Floats, error: Floats, freedom: Floats) -> list[Estimate]:
    """By name and label, with limits and p values of Student's t; empty where a value is not known (NaN)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        reach, p = t_quantile(0.975, freedom), 2 * t_sf(np.abs(value / error), freedom)
    out = []
    for (name, label), v, e, r, one in zip(names, value, error, reach, p, strict=True):
        known = (float(v), float(e), float(v - r * e), float(v + r * e), float(one))
        out.append(Estimate(name, label, None) if np.isnan(v) else Estimate(name, label, *known))
    return out


def _intervals(value: Floats, error: Floats, freedom: Floats) -> list[Interval | None]:
    reach = t_quantile(0.975, freedom) * error
    found = np.column_stack([value, value - reach, value + reach])
    return [None if np.isnan(row).any() else Interval(*(float(one) for one in row)) for row in found]
