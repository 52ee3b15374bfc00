"""A table in one language: caption, column heads and rows of text, ready for any format."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gagyo.report.svg import width
from gagyo.report.voice import Voice
from gagyo.result import Cell, Column, Interval, Table, Withheld, Words

TOO_WIDE = 7
"""Columns that still fit on an A4 page beside each other; a wider table of few rows is turned."""

ROOM, PADDING = 560.0, 14.0
"""What columns have beside the first one, and what is about each entry."""

MARKS = ("key", "column", "name", "digest")


@dataclass(frozen=True)
class Entry:
    """A cell's text and how it is set: text, number, said or withheld (in a number's place), or mark (a key)."""

    text: str
    kind: str


@dataclass(frozen=True)
class Line:
    """A row; `summary` where it sums up the rows above."""

    entries: tuple[Entry, ...]
    summary: bool = False


@dataclass(frozen=True)
class Spoken:
    """A table that has been put into a language; `fits` where each number may stand on one line."""

    caption: str
    heads: tuple[Entry, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    wide: bool
    fits: bool


def speak(table: Table, voice: Voice) -> Spoken:
    """A table in the voice's language, without the columns that say nothing in any row."""
    table = _filled(table)
    heads = tuple(Entry(voice.say(column.label), _kind(table, i)) for i, column in enumerate(table.columns))
    lines = tuple(_line(row, table, voice) for row in table.rows)
    if len(heads) > TOO_WIDE and len(lines) <= TOO_WIDE:
        heads, lines = _turned(heads, lines)
    notes = tuple(voice.say(note) for note in table.notes)
    if any("′" in line.entries[0].text for line in lines):
        notes = (*notes, voice.own("spline_columns"))
    return Spoken(voice.say(table.title), heads, lines, notes, len(heads) > 4, _fits(lines))


def _filled(table: Table) -> Table:
    kept = [i for i in range(len(table.columns)) if i == 0 or any(row[i] is not None for row in table.rows)]
    rows = tuple(tuple(row[i] for i in kept) for row in table.rows)
    return replace(table, columns=tuple(table.columns[i] for i in kept), rows=rows) if table.rows else table


def _fits(lines: tuple[Line, ...]) -> bool:
    """Whether the widest entries stand beside each other, all but the first, which may wrap."""
    columns = list(zip(*(line.entries for line in lines), strict=True))[1:]
    return sum(max(width(entry.text) for entry in column) + PADDING for column in columns) <= ROOM


def _turned(heads: tuple[Entry, ...], lines: tuple[Line, ...]) -> tuple[tuple[Entry, ...], tuple[Line, ...]]:
    """Rows as columns: the rows' names become heads, and each column a row that its head names."""
    top = (heads[0], *(Entry(line.entries[0].text, "number") for line in lines))
    down = tuple(
        Line((Entry(head.text, "text"), *(_in_column(line.entries[number]) for line in lines)))
        for number, head in enumerate(heads[1:], 1)
    )
    return top, down


def _in_column(entry: Entry) -> Entry:
    return Entry(entry.text, "said") if entry.kind in ("text", "mark") else entry


def _kind(table: Table, index: int) -> str:
    """A column is set as numbers where any of its cells is one, or where its format says so."""
    column = table.columns[index]
    if index == 0 or column.format == "text":
        numeric = any(isinstance(row[index], (int, float, Interval, Withheld)) for row in table.rows)
        return "number" if index and numeric else "mark" if column.name in MARKS and index else "text"
    return "number"


def _line(row: tuple[Cell, ...], table: Table, voice: Voice) -> Line:
    entries = tuple(
        _entry(cell, column, table, i, voice) for i, (cell, column) in enumerate(zip(row, table.columns, strict=True))
    )
    summary = isinstance(row[0], Words) and ".summary" in row[0].key
    return Line(entries, summary)


def _entry(cell: Cell, column: Column, table: Table, index: int, voice: Voice) -> Entry:
    kind = _kind(table, index)
    if isinstance(cell, Withheld):
        kind = "withheld" if kind == "number" else kind
    elif isinstance(cell, Words) and kind == "number":
        kind = "said"
    # A mark is shown as it is written, such as a model's column, whatever the study calls the variable of that name.
    return Entry((Voice(voice.language) if kind == "mark" else voice).cell(cell, column), kind)
