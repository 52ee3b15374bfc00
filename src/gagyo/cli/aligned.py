"""Rows of text in columns on a terminal, where a Han or Hangul character is as wide as two Latin ones."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with the first column flush left and the others flush right."""
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(_padded(text, widths[at], at == 0) for at, text in enumerate(row)).rstrip() for row in rows]


def width(text: str) -> int:
    """How many Latin characters wide a text is."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def _padded(text: str, wide: int, left: bool) -> str:
    room = " " * (wide - width(text))
    return text + room if left else room + text
