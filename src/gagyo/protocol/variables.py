"""The data dictionary: what a study's variable is, and how its values are held as numbers.

Every variable is one float64 column, missing as NaN: a number or integer in the study's unit, a boolean as 0 or 1, a
category as the index of its level, a date as days since 1970-01-01.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gagyo.text import Text

Kind = Literal["number", "integer", "boolean", "category", "date"]


@dataclass(frozen=True)
class Level:
    """One value of a category."""

    name: str
    label: Text


@dataclass(frozen=True)
class Variable:
    """One variable of the study.

    `range` is declared for number, integer and date (there as days since 1970-01-01); values outside it are refused
    before anything is computed. `unit` is a UCUM code; empty where there is none.
    """

    name: str
    type: Kind
    label: Text
    unit: str = ""
    range: tuple[float, float] = (0.0, 1.0)
    levels: tuple[Level, ...] = ()
    analyte: str = ""
    description: Text = field(default_factory=lambda: Text(""))

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest number that a column of this variable may hold."""
        if self.type == "boolean":
            return (0.0, 1.0)
        if self.type == "category":
            return (0.0, float(max(len(self.levels) - 1, 0)))
        return self.range


def levels_of(variable: Variable) -> int:
    """How many levels a variable has; 0 of a measurement."""
    if variable.type == "boolean":
        return 2
    return len(variable.levels) if variable.type == "category" else 0
