"""How quantiles and histograms are told: values with the bounds of their cells, exact where there is one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gagyo.methods._groups import level_label
from gagyo.methods._labels import with_unit
from gagyo.methods._quantiles_grown import Group, allowed
from gagyo.methods._value_cells import Values
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Curve, Estimate, Series, Table, Withheld, Words
from gagyo.statistics.quantiles import Binned, Place
from gagyo.text import Text, join

ALL = Words("describe.all")

SLACK = 0.02
"""Parts of the last place by which an end may lie beyond it: the cell of 53 years ends just above 53, not at 53.1."""


def percent(share: float) -> str:
    """A share as a percentage without needless digits."""
    return f"{100 * share:.6g}"


def digits_of(width: float) -> int:
    """Decimal places that tell a number to a tenth of a width."""
    return int(np.clip(1 - np.floor(np.log10(width)), 0, 8)) if width > 0 else 0


def text_of(place: Place, whole: bool, spread: float = 0.0) -> Words:
    """A value with its bounds, rounded outward; alone where it is exact, and one bound alone in a tail.

    spread: what lies between the quartiles. Of many people with one value the cell gets very narrow; nobody reads
    more than a hundredth of the spread.
    """
    if place.exact or place.tail:
        return Words("quantiles.exact", {"value": _alone(place, whole, 0)})
    digits = digits_of(max(place.upper - place.lower, spread / 10))
    least, most = outward(place.lower, place.upper, digits)
    if whole:
        digits, least, most = min(digits, 1), f"{place.lower:.10g}", f"{place.upper:.10g}"
    if least == most:
        return Words("quantiles.exact", {"value": least})
    if np.isnan(place.value):
        return Words("quantiles.limits", {"least": least, "most": most})
    return Words("quantiles.within", {"value": f"{place.value:.{digits}f}", "least": least, "most": most})


def _alone(place: Place, whole: bool, digits: int) -> str:
    """A value without its bounds, or in a tail the bound on its inner side."""
    if place.exact:
        return f"{place.value:.10g}"
    if place.tail:
        return f"≥ {place.lower:.10g}" if place.tail > 0 else f"{'≤' if whole else '<'} {place.upper:.10g}"
    return f"{place.value:.{digits}f}"


def median_of(group: Group, quartiles: Sequence[float], least: int) -> Cell:
    """The median with its quartiles, as a Table 1 shows them: estimates, no finer than their bounds or spread."""
    if group.binned is None:
        return Withheld("withheld")
    if not all(allowed(group.people, share, least) for share in quartiles):
        return Withheld("order_statistic")
    places = [group.binned.quantile(share) for share in quartiles]
    if any(np.isnan(one.value) and not one.tail for one in places):
        return Withheld("withheld")  # all people in one cell
    widths = [one.upper - one.lower for one in places if not one.tail]
    # A cell of one value can be very narrow; a tenth of what lies between the quartiles is as fine as a reader needs.
    digits = digits_of(max(*widths, (places[-1].lower - places[0].upper) / 10, 0.0))
    low, middle, high = (_alone(one, group.binned.whole, digits) for one in places)
    return Words("describe.median", {"median": middle, "lower": low, "upper": high})


def outward(lower: float, upper: float, digits: int) -> tuple[str, str]:
    """Both ends at so many places, never narrower than they are but for SLACK."""
    scale = 10.0**digits
    ends = np.floor(lower * scale + SLACK) / scale, np.ceil(upper * scale - SLACK) / scale
    return f"{ends[0]:.{digits}f}", f"{ends[1]:.{digits}f}"


@dataclass(frozen=True)
class Told:
    """What a study asks to be told of quantiles."""

    study: Study
    by: str
    shares: Sequence[float]

    @property
    def least(self) -> int:
        """The study's minimum of people."""
        return self.study.release.minimum_people

    def label(self, group: Group) -> Words:
        """The group's name."""
        return ALL if group.number is None else Words(text=level_label(self.study.variables[self.by], group.number))

    def quantiles(self, groups: Sequence[Group]) -> Table:
        """A row a variable and group."""
        columns = [Column("variable", Words("describe.variable"), "text")]
        columns += [Column("group", Words("quantiles.group"), "text")] if self.by else []
        columns += [
            Column("people", Words("describe.people"), "count"),
            Column("missing", Words("quantiles.missing"), "count"),
        ]
        for share in self.shares:
            columns.append(Column(f"q{percent(share)}", _quantile_label(share), "text"))
            if share == 0.5:
                columns.append(Column("median_interval", Words("quantiles.interval"), "text"))
        rows = tuple(self._row(group, first) for group, first in _with_first(groups))
        return Table("quantiles", Words("quantiles.title"), tuple(columns), rows, notes=(Words("quantiles.note"),))

    def _row(self, group: Group, first: bool) -> tuple[Cell, ...]:
        head: list[Cell] = [with_unit(group.variable) if first or not self.by else None]
        head += [self.label(group)] if self.by else []
        few = Withheld("below_minimum", self.least)
        head += [few if np.isnan(one) else int(one) for one in (group.people, group.missing)]
        for share in self.shares:
            head.append(self._cell(group, share))
            if share == 0.5:
                head.append(self._interval_cell(group, share))
        return tuple(head)

    def _cell(self, group: Group, share: float) -> Cell:
        if group.binned is None:
            return Withheld("withheld")
        if not allowed(group.people, share, self.least):
            return Withheld("order_statistic")
        quartiles = [group.binned.quantile(one).value for one in (0.25, 0.75)]
        spread = float(np.nan_to_num(quartiles[1] - quartiles[0]))
        return text_of(group.binned.quantile(share), group.binned.whole, spread)

    def _interval_cell(self, group: Group, share: float) -> Cell:
        if group.binned is None:
            return Withheld("withheld")
        found = group.binned.interval(share, self.least)
        if found is None:
            return Withheld("order_statistic")
        place = group.binned.quantile(share)
        digits = digits_of(max(place.upper - place.lower, (found[1] - found[0]) / 10, 1e-8))
        least, most = outward(*found, digits) if not group.binned.whole else (f"{found[0]:.0f}", f"{found[1]:.0f}")
        return Words("quantiles.limits", {"least": least, "most": most})

    def estimates(self, groups: Sequence[Group]) -> Iterator[Estimate]:
        """Every quantile at full precision with its 95 % limits, and the bounds that its cells leave."""
        for group in groups:
            if group.binned is None:
                continue
            label = Words(text=group.variable.label)
            for share in self.shares:
                if not allowed(group.people, share, self.least):
                    continue
                name, place = f"{group.name}.q{percent(share)}", group.binned.quantile(share)
                limits = group.binned.interval(share, self.least) or (None, None)
                yield Estimate(name, label, None if np.isnan(place.value) else place.value, None, *limits)
                yield Estimate(f"{name}.least", label, place.lower)
                yield Estimate(f"{name}.most", label, place.upper)

    def histograms(self, values: Mapping[str, Values], edges: Mapping[str, Floats]) -> Iterator[Table]:
        """A table for each variable whose cells were opened."""
        for name, one in values.items():
            if one.opened and len(edges[name]):
                yield self._histogram(one, edges[name])

    def _histogram(self, values: Values, edges: Floats) -> Table:
        variable = values.variable
        columns = [
            Column("from", Words("quantiles.from"), "text"),
            Column("below", Words("quantiles.to" if values.whole else "quantiles.below"), "text"),
            Column("people", Words("describe.people"), "count"),
        ]
        rows: list[tuple[Cell, ...]] = []
        for low, high, count in bars(values, edges):
            ends = f"{low:.10g}", f"{high - values.whole:.10g}"
            rows.append((*(Words("quantiles.exact", {"value": end}) for end in ends), count))
        title = Words(text=join(": ", HISTOGRAM, with_unit(variable).text or variable.label))
        return Table(
            f"histogram_{variable.name}", title, tuple(columns), tuple(rows), notes=(Words("quantiles.cells"),)
        )

    def figures(self, values: Mapping[str, Values], edges: Mapping[str, Floats]) -> Iterator[Curve]:
        """The same as figures: people a unit of the variable, so that areas are people."""
        for name, one in values.items():
            if not one.opened or not len(edges[name]):
                continue
            title = Words(text=join(": ", HISTOGRAM, one.variable.label))
            series = (_outline(one, edges[name]),)
            yield Curve(f"histogram_{name}", title, with_unit(one.variable), Words("quantiles.density"), series)


def _outline(values: Values, edges: Floats) -> Series:
    """The bars' outline."""
    x, y = [], []
    for low, high, count in bars(values, edges):
        x += [low, high]
        y += [count / (high - low)] * 2
    return Series(ALL, (x[0], *x, x[-1]), (0.0, *y, 0.0))


HISTOGRAM = Text("Histogram", "히스토그램", "直方图")


def _quantile_label(share: float) -> Words:
    named = {0.25: "quantiles.q25", 0.5: "quantiles.q50", 0.75: "quantiles.q75"}
    return Words(named[share]) if share in named else Words("quantiles.percentile", {"percent": percent(share)})


def _with_first(groups: Sequence[Group]) -> Iterator[tuple[Group, bool]]:
    """Each group, and whether it is the first of its variable."""
    before = ""
    for group in groups:
        yield group, group.variable.name != before
        before = group.variable.name


def bars(values: Values, edges: Floats) -> Iterator[tuple[float, float, int]]:
    """The histogram's cells from one edge to the next, within the declared range, with their people."""
    low, high = values.variable.bounds
    ends = [values.leaves[0].low, *edges, values.leaves[-1].high]
    starts = np.array([leaf.low for leaf in values.leaves])
    for begin, end in pairwise(ends):
        count = int(values.counts[(starts >= begin) & (starts < end)].sum())
        if count:
            yield max(begin, low), min(end, high + values.whole), count


def even_edges(values: Values, width: float) -> Floats:
    """The cells' ends that stand on a grid of a width: those between are merged."""
    return np.array([edge for edge in values.edges if edge / width == np.floor(edge / width)])


def nearest_edges(values: Values, wanted: Sequence[float]) -> Floats:
    """For each wanted edge the nearest end of a cell."""
    there = values.edges
    return np.unique([there[np.abs(there - one).argmin()] for one in wanted]) if len(there) else np.zeros(0)


def even_width(binned: Binned) -> float:
    """The power of two at or under the width of Freedman & Diaconis (1981, Z Wahrsch verw Geb 57:453)."""
    reach = binned.quantile(0.75).value - binned.quantile(0.25).value
    width = 2 * reach / np.cbrt(binned.people)
    width = width if width > 0 else (binned.greatest[-1] - binned.least[0]) / 16
    power = 2.0 ** np.floor(np.log2(width)) if width > 0 else 1.0
    return max(power, 1.0) if binned.whole else power
