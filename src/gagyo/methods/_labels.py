"""What people read of variables and of design columns: their labels with units."""

from __future__ import annotations

from collections.abc import Mapping

from gagyo.protocol.terms import DesignColumn
from gagyo.protocol.ucum import shown
from gagyo.protocol.variables import Variable
from gagyo.result import Words
from gagyo.text import bracketed


def with_unit(variable: Variable) -> Words:
    """A variable's label, and its unit where it has one."""
    if variable.unit in ("", "1"):
        return Words(text=variable.label)
    return Words(text=bracketed(variable.label, shown(variable.unit)))


def column_label(column: DesignColumn, variables: Mapping[str, Variable]) -> Words:
    """A design column's label; with the unit, where the column is a variable as it is."""
    return with_unit(variables[column.name]) if column.name in variables else Words(text=column.label)
