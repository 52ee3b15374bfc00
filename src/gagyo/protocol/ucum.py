"""UCUM unit codes as pint units: one registry a process, made when the first unit is read."""

from __future__ import annotations

from functools import cache
from typing import Any

from gagyo.text import Text

SHOWN = {
    "a": Text("years", "세", "岁"),
    "mo": Text("months", "개월", "个月"),
    "wk": Text("weeks", "주", "周"),
    "d": Text("days", "일", "天"),
    "h": Text("hours", "시간", "小时"),
    "/min": Text("per minute", "회/분", "次/分"),
    "mm[Hg]": Text("mmHg"),
    "Cel": Text("°C"),
    "[degF]": Text("°F"),
    "%": Text("%"),
}
"""Codes that people write otherwise."""


def shown(code: str) -> Text:
    """A unit as people write it."""
    return SHOWN.get(code, Text(code))


@cache
def unit(code: str) -> Any:
    """One of a unit, as a pint quantity.

    Raises:
        ValueError: the code is no UCUM unit that can be converted.
    """
    try:
        return _registry().from_ucum(code)
    except Exception:  # the parser's and the registry's errors all mean the same to a reader
        raise ValueError(f"{code!r} is not a UCUM unit") from None


def is_unit(code: str) -> bool:
    """Whether a code is a UCUM unit."""
    if len(code) > 60:
        return False
    try:
        unit(code)
    except ValueError:
        return False
    return True


@cache
def _registry() -> Any:
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()
