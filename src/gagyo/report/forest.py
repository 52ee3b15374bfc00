"""A forest table as a drawing: one row a hospital, one panel a measure, diamonds for the rows that sum up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gagyo.report import numbers, svg
from gagyo.report.svg import Scale
from gagyo.report.voice import Voice
from gagyo.result import Cell, Column, Interval, Table, Withheld, Words

WIDE = 760.0
PANELS = 3
GAP = 26.0
ROW = 25.0
REFERENCES = {
    "auc": 0.5,
    "slope": 1.0,
    "oe": 1.0,
    "or": 1.0,
    "ratio": 1.0,
    "citl": 0.0,
    "difference": 0.0,
    "delta": 0.0,
    "large": 0.0,
    "intercept": 0.0,
}
LOGARITHMIC = {"oe", "or", "ratio"}


@dataclass(frozen=True)
class Row:
    """A row: a heading (a country), a hospital, or a summary of those above."""

    kind: str
    label: list[str]
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class Panel:
    """One measure's part of the figure; `index` is its column in the table."""

    index: int
    column: Column
    scale: Scale
    reference: float | None


def draw_forest(table: Table, name: str, voice: Voice, countries: Mapping[str, str]) -> list[str]:
    """The forest's figures: three measures each, the first of all with its numbers beside it."""
    measured = [i for i in range(1, len(table.columns)) if _is_measured(table, i)]
    groups = [measured[i : i + PANELS] for i in range(0, len(measured), PANELS)]
    return [
        _draw(table, f"{name}-{i + 1}" if i else name, group, i == 0, voice, countries)
        for i, group in enumerate(groups)
    ]


def _is_measured(table: Table, index: int) -> bool:
    return any(isinstance(row[index], Interval) for row in table.rows)


def _draw(table: Table, name: str, group: list[int], numbered: bool, voice: Voice, countries: Mapping[str, str]) -> str:
    rows = _rows(table, voice, countries)
    label_wide = min(max(svg.width(line) for row in rows for line in row.label) + 14, 236.0)
    beside = _beside(table, group[0], voice) if numbered else 0.0
    panels = _panels(table, group, label_wide, beside)
    heads = [svg.wrap(voice.say(panel.column.label), _room(panel, i, beside)) for i, panel in enumerate(panels)]
    top = svg.LINE * max(map(len, heads)) + 10
    parts = [svg.lines(p.scale.start, 14, head, kind="strong") for p, head in zip(panels, heads, strict=True)]
    y = top
    for row in rows:
        high = max(ROW, svg.LINE * len(row.label) + 8)
        parts.append(_row(row, y + high / 2, panels, beside, voice))
        y += high
    parts += [_frame(panel, top, y) for panel in panels]
    told = voice.own(
        "alt.forest",
        title=voice.say(table.title),
        rows="; ".join(_told(row, panels[0], voice) for row in rows if row.cells),
    )
    return svg.drawing(name, (WIDE, y + 30), voice.say(table.title), told, parts)


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
        kind = "summary" if ".summary" in getattr(cells[0], "key", "") else "hospital"
        rows.append(Row(kind, svg.wrap(voice.cell(cells[0], table.columns[0]), 216.0), cells))
    return rows


def _country(cell: Cell, countries: Mapping[str, str]) -> str:
    said = cell.text.en if isinstance(cell, Words) and cell.text else ""
    return countries.get(said, "")


def _together(countries: list[str]) -> bool:
    runs = [c for i, c in enumerate(countries) if c and (i == 0 or c != countries[i - 1])]
    return len(runs) == len(set(runs))


def _beside(table: Table, index: int, voice: Voice) -> float:
    """How wide the numbers beside the first panel are."""
    shown = (voice.cell(row[index], table.columns[index]) for row in table.rows)
    return max(svg.width(words) for words in shown) + 12


def _panels(table: Table, group: list[int], label_wide: float, beside: float) -> list[Panel]:
    shares = [1.35 if i == 0 and beside and len(group) > 1 else 1.0 for i in range(len(group))]
    free = WIDE - label_wide - beside - GAP * (len(group) - 1) - 10
    free = min(free, 430.0) if len(group) == 1 else free
    panels, x = [], label_wide
    for i, (index, share) in enumerate(zip(group, shares, strict=True)):
        wide = free * share / sum(shares)
        column = table.columns[index]
        low, high, log, reference = _extent(table, index)
        panels.append(Panel(index, column, Scale(low, high, x, x + wide, log), reference))
        x += wide + GAP + (beside if i == 0 else 0.0)
    return panels


def _room(panel: Panel, i: int, beside: float) -> float:
    return panel.scale.end - panel.scale.start + (beside if i == 0 else GAP - 8)


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


def _row(row: Row, y: float, panels: list[Panel], beside: float, voice: Voice) -> str:
    style = {"heading": "muted", "summary": "strong"}.get(row.kind, "")
    start = y - svg.LINE * (len(row.label) - 1) / 2 + 4.5
    parts = [svg.lines(0 if row.kind != "hospital" else 10, start, row.label, kind=style)]
    for i, panel in enumerate(panels if row.cells else []):
        cell = row.cells[panel.index]
        numbered = i == 0 and beside > 0
        parts.append(_mark(row, cell, y, panel))
        if numbered:
            parts.append(
                svg.text(panel.scale.end + 12, y + 4.5, voice.cell(cell, panel.column), kind=style or "number")
            )
        elif isinstance(cell, (Withheld, Words)):
            parts.append(svg.text(panel.scale.start, y + 4.5, voice.cell(cell, panel.column), kind="small"))
    return "".join(parts)


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
    if row.kind == "hospital":
        parts.append(svg.mark(scale(cell.value), y, 1, svg.COLOURS[0], 4.6))
    return "".join(parts)


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


def _told(row: Row, panel: Panel, voice: Voice) -> str:
    cell = row.cells[panel.index]
    return f"{' '.join(row.label)}: {voice.cell(cell, panel.column) or numbers.NOTHING}"
