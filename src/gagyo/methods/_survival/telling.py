"""How results on a grid of times are told: groups and times with their names, and how far the grid may mislead."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from gagyo.methods._survival.agreed import Grid
from gagyo.protocol.study import Study
from gagyo.protocol.ucum import shown
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import Floats
from gagyo.result import Words
from gagyo.statistics.life_table import LifeTable
from gagyo.text import Text, bracketed, join

NO_YES = (Text("no", "아니오", "否"), Text("yes", "예", "是"))
YEARS = Text("years", "년", "年")
"""Of a duration; an age is counted otherwise."""

MOST_DIGITS = 3
"""Of a time, after the decimal point."""

SHOWN = 7
"""Times that a table shows."""


def group_names(study: Study, by: str) -> list[tuple[str, Words]]:
    """Each group's name for programs, and its label."""
    if not by:
        return [("all", Words("describe.all"))]
    variable = study.variables[by]
    if variable.type == "boolean":
        return [(str(level), Words(text=join(": ", variable.label, NO_YES[level]))) for level in range(2)]
    return [(level.name, Words(text=join(": ", variable.label, level.label))) for level in variable.levels]


def time_words(variable: Variable) -> Words:
    """The label of a time with its unit."""
    if variable.unit in ("", "1"):
        return Words(text=variable.label)
    unit = YEARS if variable.unit == "a" else shown(variable.unit)
    return Words(text=bracketed(variable.label, unit))


def amount(value: float, variable: Variable) -> Text:
    """A time with its unit, such as 500 days."""
    unit = YEARS if variable.unit == "a" else shown(variable.unit)
    if variable.unit in ("", "1"):
        return Text(f"{value:g}")
    return Text(f"{value:g} {unit.to('en')}", f"{value:g}{unit.to('ko')}", f"{value:g}{unit.to('zh')}")


def time_digits(times: Iterable[float]) -> int:
    """How many digits after the decimal point tell these times as they are, such as those of a grid of half years."""
    told = np.array(list(times), dtype=float)
    fits = (digits for digits in range(MOST_DIGITS) if np.allclose(told.round(digits), told, rtol=0, atol=1e-9))
    return next(fits, MOST_DIGITS)


def figures(size: float) -> int:
    """Digits after the decimal point that leave two figures of a size: a median of 2.4 years is not 2."""
    return 0 if size >= 10 else min(1 - math.floor(math.log10(max(size, 1e-3))), MOST_DIGITS)


def shown_edges(edges: Floats, asked: Sequence[float], until: float) -> list[float]:
    """The asked times that are edges; where none is, about seven edges that lie evenly."""
    inside = [float(edge) for edge in edges[1:] if edge <= until]
    if told := [one for one in inside if one in set(asked)]:
        return told
    if len(inside) <= SHOWN:
        return inside
    aims = np.linspace(0, inside[-1], SHOWN + 1)[1:]
    return sorted({inside[int(np.abs(np.array(inside) - aim).argmin())] for aim in aims})


def counted_places(edges: Floats, last: float) -> tuple[float, ...]:
    """Where the numbers under a figure are known: at its beginning and at every edge up to the curves' end."""
    return (0.0, *(float(edge) for edge in edges[1:] if edge <= last))


def grid_note(grid: Grid, tables: Sequence[LifeTable]) -> Words:
    """That the curve is exact, or how far at most it lies from the curve of the ungridded times."""
    values: dict[str, int | float | str] = {"found": len(grid.single)}
    used = max((len(one.single) for one in tables), default=0)
    if bool(grid.single[:used].all()):
        return Words("survival.exact_grid", values)
    off = max(float(max(np.abs(one.survival - bound).max() for bound in one.bounds)) for one in tables)
    return Words("survival.coarse_grid", {**values, "off": f"{off:.3f}"})


def dropped_note(grid: Grid, declared: Sequence[float]) -> tuple[Words, ...]:
    """A note that names declared times that gave way."""
    gone = [f"{one:g}" for one in declared if one not in set(grid.edges.tolist())]
    return (Words("survival.gave_way", {"found": ", ".join(gone)}),) if gone else ()
