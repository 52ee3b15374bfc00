"""How weighted survival is told: both curves, risks and their differences at some times, restricted means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gagyo.methods._effects_told import GROUPS, Treated, limits, of
from gagyo.methods._newton import wald
from gagyo.methods._survival.telling import amount, counted_places, grid_note, shown_edges, time_digits, time_words
from gagyo.methods._weighting_curves import Drawn
from gagyo.methods._weighting_outcomes_told import Outcome
from gagyo.protocol.variables import Variable
from gagyo.result import Cell, Column, Counts, Curve, Estimate, Interval, Series, Table, Words
from gagyo.statistics.weighted_life_table import WeightedLifeTable
from gagyo.statistics.weighting import Z95
from gagyo.text import LANGUAGES, Text, join, translate

ORDER = (0, 1)
"""The untreated stand before the treated."""


@dataclass(frozen=True)
class Curves:
    """What a study asks to be told. at: times of risks, empty for some; tau: of the restricted means, None for none."""

    treated: Treated
    time: Variable
    at: Sequence[float]
    tau: float | None
    drawn: Drawn

    def with_hazards(self, outcome: Outcome) -> Outcome:
        """The outcome of the hazards with the curves after it."""
        means = self._means()
        gone = [f"{one:g}" for one in self.at if one not in self._edges]
        dropped = (Words("survival.gave_way", {"found": ", ".join(gone)}),) if gone else ()
        if self.tau and not means:
            last = f"{min(one.edges[-1] for one in self._tables):g}"
            said: dict[str, int | float | str] = {"found": f"{self.tau:g}", "expected": last, "number": self._least}
            dropped = (*dropped, Words("weighting.no_means", said))
        return replace(
            outcome,
            estimates=(*outcome.estimates, *self._risks(), *means),
            tables=(*outcome.tables, self._risk_table(), *self._mean_table(means)),
            curves=(*outcome.curves, self._curve()),
            texts=(
                *outcome.texts,
                Words("weighting.text_curves", {"number": self._least}),
                *self._text_of_means(means),
            ),
            notes=(*outcome.notes, *dropped),
            rounds=outcome.rounds + self.drawn.rounds,
        )

    @property
    def _least(self) -> int:
        return self.treated.study.release.minimum_people

    @property
    def _tables(self) -> tuple[WeightedLifeTable, WeightedLifeTable]:
        return self.drawn.table(0), self.drawn.table(1)

    # Risks.

    @property
    def _edges(self) -> list[float]:
        """The times told, at which both groups have a risk."""
        until = min(float(one.edges[-1]) for one in self._tables)
        return shown_edges(self.drawn.grid.edges, self.at, until)

    def _risks(self) -> Iterator[Estimate]:
        for edge in self._edges:
            told = [self._risk(group, edge) for group in (1, 0)]
            yield from told
            yield self._difference(f"risk_difference.{edge:g}", "weighting.risk_difference", *told)

    def _risk(self, group: int, edge: float) -> Estimate:
        """One less the survival, with limits on the log(-log) scale of the survival."""
        table = self._tables[group]
        k = int(np.searchsorted(table.edges, edge))
        low, high = (1 - float(one[k]) if np.isfinite(one[k]) else None for one in table.band)
        label = of(self.treated.group(group == 1), "weighting.of_risk")
        error = float(table.error[k]) if np.isfinite(table.error[k]) else None
        return Estimate(f"risk.{GROUPS[1 - group]}.{edge:g}", label, 1 - float(table.survival[k]), error, high, low)

    def _difference(self, name: str, key: str, treated: Estimate, untreated: Estimate) -> Estimate:
        """Treated less untreated: no person is in both groups."""
        named = Text(*(translate(key, one) for one in LANGUAGES))
        label = Words(text=join(": ", Text(*(self.treated.title.to(one) for one in LANGUAGES)), named))
        value = (treated.value or 0.0) - (untreated.value or 0.0)
        if treated.standard_error is None or untreated.standard_error is None:
            return Estimate(name, label, value)
        error = float(np.hypot(treated.standard_error, untreated.standard_error))
        p = float(wald(np.array([value]), np.array([error]))[0]) if error > 0 else None
        return Estimate(name, label, value, error, value - Z95 * error, value + Z95 * error, p)

    def _risk_table(self) -> Table:
        columns = [Column("time", time_words(self.time), "number", time_digits(self._edges))]
        for i in ORDER:
            group = self.treated.group(i == 1)
            columns.append(Column(f"at_risk_{i}", of(group, "weighting.of_at_risk"), "count"))
            columns.append(Column(f"risk_{i}", of(group, "weighting.of_risk"), "interval", 3))
        columns.append(Column("difference", Words("weighting.risk_difference_limits"), "interval", 3))
        estimates, grid = {one.name: one for one in self._risks()}, self.drawn.grid
        rows = []
        for edge in self._edges:
            cells: list[Cell] = [edge]
            for i in ORDER:
                cells += [int(grid.left_at(i, edge)), _cell(estimates[f"risk.{GROUPS[1 - i]}.{edge:g}"])]
            rows.append((*cells, _cell(estimates[f"risk_difference.{edge:g}"])))
        notes = (Words("weighting.given_note"),)
        return Table("weighted_risks", Words("weighting.risks"), tuple(columns), tuple(rows), notes=notes)

    # Means.

    def _means(self) -> tuple[Estimate, ...]:
        """Restricted means of both and their difference, where the study asks for them."""
        if not self.tau or any(self.tau not in one.edges for one in self._tables):
            return ()
        told = []
        for group in (1, 0):
            value, error = self._tables[group].mean(self.tau)
            label = of(self.treated.group(group == 1), "weighting.of_restricted_mean")
            name = f"restricted_mean.{GROUPS[1 - group]}"
            told.append(Estimate(name, label, value, error, value - Z95 * error, value + Z95 * error))
        return (*told, self._difference("restricted_mean.difference", "weighting.mean_difference", *told))

    def _mean_table(self, means: tuple[Estimate, ...]) -> Iterator[Table]:
        if not (self.tau and means):
            return
        columns = (
            Column("group", Words("weighting.group"), "text"),
            Column("mean", Words("survival.mean"), "interval", 1),
            Column("p", Words("regression.p"), "p"),
        )
        labels = (self.treated.group(True), self.treated.group(False), Words("weighting.mean_difference"))
        rows = tuple((label, _cell(one), one.p) for label, one in zip(labels, means, strict=True))
        tau = amount(self.tau, self.time)
        title = Words(text=Text(*(translate("weighting.means_until", one, tau=tau.to(one)) for one in LANGUAGES)))
        yield Table("weighted_means", title, columns, (rows[1], rows[0], rows[2]))

    def _text_of_means(self, means: tuple[Estimate, ...]) -> Iterator[Words]:
        if self.tau and means:
            tau = amount(self.tau, self.time)
            yield Words(text=Text(*(translate("weighting.text_means", one, tau=tau.to(one)) for one in LANGUAGES)))

    # The figure.

    def _curve(self) -> Curve:
        grid, time = self.drawn.grid, time_words(self.time)
        last = max(float(one.edges[-1]) for one in self._tables)
        places = counted_places(grid.edges, last)
        below = tuple(
            Counts(self.treated.group(i == 1), places, tuple(int(grid.left_at(i, place)) for place in places))
            for i in ORDER
        )
        series = tuple(self._series(i) for i in ORDER if len(self._tables[i].single))
        notes = (Words("survival.bands"), grid_note(grid, self._tables), Words("weighting.at_risk_note"))
        axes = (time, Words("survival.share_axis"))
        title, below_title = Words("weighting.curves"), Words("survival.at_risk")
        return Curve("weighted_survival", title, *axes, series, notes, below, below_title)

    def _series(self, group: int) -> Series:
        table = self._tables[group]
        low, high = table.band
        style = "step" if bool(table.single.all()) else "line"
        x, y = (tuple(values.tolist()) for values in (table.edges, table.survival))
        band = (tuple(np.nan_to_num(low, nan=0.0).tolist()), tuple(np.nan_to_num(high, nan=1.0).tolist()))
        return Series(self.treated.group(group == 1), x, y, *band, style=style)  # type: ignore[arg-type]


def _cell(one: Estimate) -> Interval | float | None:
    return limits(one) or one.value
