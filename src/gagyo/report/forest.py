"""A forest table as a drawing: a row a hospital, a panel a measure with its numbers, diamonds for summaries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gagyo.report import numbers, svg
from gagyo.report.svg import Scale
from gagyo.report.voice import Voice
from gagyo.result import Cell, Column, Interval, Table, Words

WIDE = 760.0
PANELS = 2
GAP = 18.0
LEAST = 104.0
LABELS = 172.0
ROW = 25.0
WEIGHTS = 62.0
"""What weights take of the width."""
REFERENCES = {
    **dict.fromkeys(("auc",), 0.5),
    **dict.fromkeys(("slope", "oe", "or", "ratio"), 1.0),
    **dict.fromkeys(("citl", "large", "intercept", "difference", "delta"), 0.0),
}
LOGARITHMIC = {"oe", "or", "ratio"}


@dataclass(frozen=True)
class Row:
    """A row: a heading (a country), a hospital within one or without, or a summary of those above."""

    kind: str
    label: list[str]
    cells: tuple[Cell, ...] = ()


SQUARE, LARGEST, SMALLEST = 4.6, 6.2, 2.6
"""Half the side of a square: of any, and the limits of those that tell precision."""


@dataclass(frozen=True)
class Panel:
    """One measure's part of the figure; `index` is its column in the table."""

    index: int
    column: Column
    scale: Scale
    reference: float | None
    beside: float
    narrowest: float | None = None
    """The width of the most precise hospital's interval, where squares are sized by it."""

    @property
    def room(self) -> float:
        """The width of the panel with its numbers."""
        return self.scale.end - self.scale.start + self.beside


def draw_forest(table: Table, name: str, voice: Voice, countries: Mapping[str, str]) -> list[str]:
    """The forest's figures, two measures each."""
    measured = [i for i in range(1, len(table.columns)) if _is_measured(table, i)]
    groups = [measured[i : i + PANELS] for i in range(0, len(measured), PANELS)]
    return [_draw(table, f"{name}-{i + 1}" if i else name, group, voice, countries) for i, group in enumerate(groups)]


def _is_measured(table: Table, index: int) -> bool:
    return any(isinstance(row[index], Interval) for row in table.rows)


def _weight(table: Table) -> int | None:
    """The column of weights, which stand at the right end."""
    return next((i for i, column in enumerate(table.columns) if column.name == "weight"), None)


def _draw(table: Table, name: str, group: list[int], voice: Voice, countries: Mapping[str, str]) -> str:
    rows = _rows(table, voice, countries)
    panels = _panels(table, group, voice)
    heads = [svg.wrap(voice.say(panel.column.label), panel.room) for panel in panels]
    top = svg.LINE * max(map(len, heads)) + 10
    parts = [svg.lines(p.scale.start, 14, head, kind="strong") for p, head in zip(panels, heads, strict=True)]
    weight = _weight(table)
    if weight is not None:
        parts.append(svg.lines(WIDE, 14, [voice.say(table.columns[weight].label)], kind="strong", anchor="end"))
    y = top
    for row in rows:
        drawn, high = _row(row, y, panels, voice)
        parts.append(drawn)
        if weight is not None and row.cells:
            share = voice.cell(row.cells[weight], table.columns[weight])
            parts.append(svg.lines(WIDE, _first(y + high / 2, [share]), [share], anchor="end", kind=_style(row)))
        y += high
    parts += [_frame(panel, top, y) for panel in panels]
    told = "; ".join(_told(row, panels, voice) for row in rows if row.cells)
    described = voice.own("alt.forest", title=voice.say(table.title), rows=told)
    return svg.drawing(name, (WIDE, y + 28), voice.say(table.title), described, parts)


def _rows(table: Table, voice: Voice, countries: Mapping[str, str]) -> list[Row]:
    """The table's rows, hospitals of one country together under its name where there are several countries."""
    found = [(_country(row[0], countries), row) for row in table.rows]
    present = list(dict.fromkeys(country for country, _ in found if country))
    grouped = len(present) > 1
    if grouped and not _together([country for country, _ in found]):
        hospitals = [pair for country in present for pair in found if pair[0] == country]
        found = hospitals + [pair for pair in found if not pair[0]]
    rows: list[Row] = []
    before = ""
    for country, cells in found:
        if grouped and country and country != before:
            rows.append(Row("heading", [voice.known("country", country)]))
        before = country or before
        kind = "summary" if ".summary" in getattr(cells[0], "key", "") else "within" if grouped else "hospital"
        rows.append(Row(kind, svg.wrap(voice.cell(cells[0], table.columns[0]), LABELS - 20), cells))
    return rows


def _country(cell: Cell, countries: Mapping[str, str]) -> str:
    said = cell.text.en if isinstance(cell, Words) and cell.text else ""
    return countries.get(said, "")


def _together(countries: list[str]) -> bool:
    runs = [c for i, c in enumerate(countries) if c and (i == 0 or c != countries[i - 1])]
    return len(runs) == len(set(runs))


def _panels(table: Table, group: list[int], voice: Voice) -> list[Panel]:
    """Panels side by side; nothing of their size depends on a language, so that neither do their ticks."""
    besides = [_beside(table, index, voice) for index in group]
    free = WIDE - LABELS - sum(besides) - GAP * (len(group) - 1) - (WEIGHTS if _weight(table) is not None else 0)
    each = min(free / len(group), 400.0)
    panels, x = [], LABELS
    for index, beside in zip(group, besides, strict=True):
        low, high, log, reference = _extent(table, index)
        narrowest = _narrowest(table, index, log)
        panels.append(
            Panel(index, table.columns[index], Scale(low, high, x, x + each, log), reference, beside, narrowest)
        )
        x += each + beside + GAP
    return panels


def _narrowest(table: Table, index: int, log: bool) -> float | None:
    """The width of the narrowest interval of a hospital, where the table has a summary of them; else None."""
    summary = [".summary" in getattr(row[0], "key", "") for row in table.rows]
    found = [row[index] for row, one in zip(table.rows, summary, strict=True) if not one]
    widths = [_width(one, log) for one in found if isinstance(one, Interval) and math.isfinite(one.upper - one.lower)]
    return min((one for one in widths if one > 0), default=None) if any(summary) else None


def _width(cell: Interval, log: bool) -> float:
    return _to(cell.upper, log) - _to(cell.lower, log)


def _beside(table: Table, index: int, voice: Voice) -> float:
    """How wide the numbers beside a panel are; words there wrap."""
    column = table.columns[index]
    shown = (voice.cell(row[index], column) for row in table.rows if isinstance(row[index], Interval))
    return max(LEAST, *(1.04 * svg.width(words) + 14 for words in shown))


def _extent(table: Table, index: int) -> tuple[float, float, bool, float | None]:
    """The range of a panel: all estimates, and their intervals unless one is far wider than the others."""
    words = table.columns[index].name.split("_")
    log = bool(LOGARITHMIC & set(words)) and "difference" not in words
    reference = next((REFERENCES[w] for w in reversed(words) if w in REFERENCES), None)
    found = [c for c in (row[index] for row in table.rows) if isinstance(c, Interval) and math.isfinite(c.value)]
    ends = [(_to(c.lower, log), _to(c.value, log), _to(c.upper, log)) for c in found]
    halves = sorted((high - low) / 2 for low, _, high in ends if math.isfinite(high - low))
    most = 3.0 * halves[len(halves) // 2] if halves else 1.0
    low = max(min(e[0] for e in ends), min(e[1] for e in ends) - most)
    high = min(max(e[2] for e in ends), max(e[1] for e in ends) + most)
    if reference is not None and reference != 0.5:
        low, high = min(low, _to(reference, log)), max(high, _to(reference, log))
    pad = 0.06 * (high - low) or 0.5
    low, high = low - pad, high + pad
    if words[0] == "auc" and "difference" not in words:
        high = min(high, 1.0)
    return (math.exp(low), math.exp(high), True, reference) if log else (low, high, False, reference)


def _to(value: float, log: bool) -> float:
    return math.log(max(value, 1e-9)) if log else value


def _row(row: Row, top: float, panels: list[Panel], voice: Voice) -> tuple[str, float]:
    """A row, and how high it is."""
    style = _style(row)
    said = [_said(row.cells[panel.index], panel, voice) for panel in panels] if row.cells else []
    high = max(ROW, svg.LINE * max(map(len, [row.label, *said])) + 8)
    y = top + high / 2
    parts = [svg.lines(0 if row.kind != "within" else 10, _first(y, row.label), row.label, kind=style)]
    for panel, words in zip(panels if row.cells else [], said, strict=True):
        cell = row.cells[panel.index]
        parts.append(_mark(row, cell, y, panel))
        kind = style if isinstance(cell, Interval) else "small"
        parts.append(svg.lines(panel.scale.end + 12, _first(y, words), words, kind=kind))
    return "".join(parts), high


def _style(row: Row) -> str:
    return {"heading": "muted", "summary": "strong"}.get(row.kind, "")


def _said(cell: Cell, panel: Panel, voice: Voice) -> list[str]:
    words = voice.cell(cell, panel.column)
    return [words] if isinstance(cell, Interval) else svg.wrap(words, panel.beside - 12)


def _first(y: float, lines: list[str]) -> float:
    """Where the first of lines stands that are centred about `y`."""
    return y - svg.LINE * (len(lines) - 1) / 2 + 4.5


def _mark(row: Row, cell: Cell, y: float, panel: Panel) -> str:
    if not isinstance(cell, Interval) or not math.isfinite(cell.value):
        return ""
    scale = panel.scale
    low, high = max(cell.lower, scale.low), min(cell.upper, scale.high)
    if row.kind == "summary" and "prediction" not in getattr(row.cells[0], "key", ""):
        return svg.diamond(scale(low), scale(cell.value), scale(high), y, 6.5, svg.COLOURS[1])
    parts = [svg.line((scale(low), y), (scale(high), y), "interval")]
    parts += [_clipped(scale.start, y, -1)] if cell.lower < scale.low else []
    parts += [_clipped(scale.end, y, 1)] if cell.upper > scale.high else []
    if row.kind != "summary":
        parts.append(svg.mark(scale(cell.value), y, 1, svg.COLOURS[0], _size(cell, panel)))
    return "".join(parts)


def _size(cell: Interval, panel: Panel) -> float:
    """Half the side of a square: beside a summary its area grows with precision, down to what can be seen."""
    if panel.narrowest is None:
        return SQUARE
    wide = _width(cell, panel.scale.log)
    return max(LARGEST * (panel.narrowest / wide if wide > 0 else 1.0), SMALLEST)


def _clipped(x: float, y: float, way: int) -> str:
    """An arrow head: the interval goes on."""
    return svg.polygon(((x - 7 * way, y - 4), (x, y), (x - 7 * way, y + 4)), svg.COLOURS[0])


def _frame(panel: Panel, top: float, bottom: float) -> str:
    """The panel's axis, and a dashed line at the value of no effect."""
    wanted = 4 if panel.scale.end - panel.scale.start > 150 else 3
    reference = ""
    if panel.reference is not None and panel.scale.low < panel.reference < panel.scale.high:
        x = panel.scale(panel.reference)
        reference = svg.line((x, top), (x, bottom), "reference")
    return reference + svg.axis_below(panel.scale, bottom, wanted=wanted)


def _told(row: Row, panels: list[Panel], voice: Voice) -> str:
    pairs = ((panel, voice.cell(row.cells[panel.index], panel.column)) for panel in panels)
    told = ", ".join(f"{voice.say(panel.column.label)} {words or numbers.NOTHING}" for panel, words in pairs)
    return f"{' '.join(row.label)}: {told}"
