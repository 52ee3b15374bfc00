"""A balance table as a love plot: a row a covariate, how far groups are apart before and after weighting.

Love TE (2004), as in Ahmed et al. (2006) Eur Heart J 27:1431: absolute standardised differences, the largest on top.
"""

from __future__ import annotations

import math

from gagyo.report import numbers, svg
from gagyo.report.svg import Scale
from gagyo.report.voice import Voice
from gagyo.result import Cell, Column, Table

WIDE = 760.0
LABELS = 250.0
ROW = 24.0
KEY = 34.0
BELOW = 58.0
LIMITS = (0.1,)
"""Under this a difference is commonly taken for balance."""


def draw_love(table: Table, name: str, voice: Voice) -> str:
    """The figure of a table whose second and third columns are differences before and after."""
    rows = sorted(table.rows, key=lambda row: -abs(_number(row[1])))
    looks = table.columns[1:3]
    labels = [svg.wrap(voice.cell(row[0], table.columns[0]), LABELS - 14) for row in rows]
    scale = Scale(0.0, _end(table), LABELS, WIDE - 24)
    parts, y = [_key(looks, voice)], KEY
    for row, words in zip(rows, labels, strict=True):
        high = max(ROW, svg.LINE * len(words) + 6)
        parts.append(_row(row, words, y + high / 2, scale))
        y += high
    parts += [svg.line((scale(limit), KEY), (scale(limit), y), "reference") for limit in LIMITS if scale.holds(limit)]
    parts.append(svg.axis_below(scale, y, voice.own("love.axis")))
    told = "; ".join(_told(row, words, looks, voice) for row, words in zip(rows, labels, strict=True))
    described = voice.own("alt.love", rows=told)
    return svg.drawing(name, (WIDE, y + BELOW), voice.say(table.title), described, parts)


def _number(cell: Cell) -> float:
    """A difference; NaN-free, so that rows have an order."""
    return float(cell) if isinstance(cell, (int, float)) and math.isfinite(cell) else 0.0


def _end(table: Table) -> float:
    """Where the axis ends: beyond the largest difference, and beyond the limit."""
    largest = max((abs(_number(cell)) for row in table.rows for cell in row[1:3]), default=0.0)
    step = svg.nice_step(max(largest, 1.5 * LIMITS[-1]), 5)
    return math.ceil(max(largest, 1.5 * LIMITS[-1]) / step + 0.2) * step


def _key(columns: tuple[Column, ...], voice: Voice) -> str:
    parts, x = [], LABELS
    for number, column in enumerate(columns):
        words = voice.say(column.label)
        parts.append(svg.mark(x + 6, 12, number, svg.COLOURS[number], 4.6))
        parts.append(svg.text(x + 18, 16.5, words))
        x += svg.width(words) + 46
    return "".join(parts)


def _row(row: tuple[Cell, ...], words: list[str], y: float, scale: Scale) -> str:
    parts = [svg.lines(0, y - svg.LINE * (len(words) - 1) / 2 + 4.5, words)]
    parts.append(svg.line((scale.start, y), (scale.end, y), "grid"))
    places = [scale(abs(_number(cell))) for cell in row[1:3]]
    parts.append(svg.line((places[0], y), (places[1], y), "axis"))
    parts += [svg.mark(x, y, number, svg.COLOURS[number], 4.6) for number, x in enumerate(places)]
    return "".join(parts)


def _told(row: tuple[Cell, ...], words: list[str], columns: tuple[Column, ...], voice: Voice) -> str:
    pairs = zip(columns, row[1:3], strict=True)
    told = (f"{voice.say(column.label)} {voice.cell(cell, column) or numbers.NOTHING}" for column, cell in pairs)
    return f"{' '.join(words)}: {', '.join(told)}"
