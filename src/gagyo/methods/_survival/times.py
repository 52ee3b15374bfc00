"""Times to an event as a study declares them: which variables may stand for time, entry, event and groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gagyo.errors import DataFault
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.terms import DesignColumn
from gagyo.protocol.variables import Variable, levels_of
from gagyo.release.aggregate import Floats
from gagyo.release.few_values import Bools

MEASURED = ("number", "integer")
KINDS = {"time": MEASURED, "entry": MEASURED, "event": ("boolean",), "cause": ("category",)}
"""By option, the types of variables that it takes; all others form groups."""


def time_faults(analysis: Analysis, study: Study, **named: str) -> Iterator[Finding]:
    """What is wrong with the variables that an analysis names as `time`, `entry`, `event`, `cause`, `by` or `strata`.

    A name may be empty where the option is.
    """
    for option, name in named.items():
        if name and name not in study.variables:
            values = {"found": name, "expected": ", ".join(study.variables)}
            yield Finding("describe_unknown", place=analysis.place(option), values=values)
        elif name:
            yield from _kind_fault(analysis, option, study.variables[name])


def _kind_fault(analysis: Analysis, option: str, variable: Variable) -> Iterator[Finding]:
    kinds = {"time": MEASURED, "entry": MEASURED, "event": ("boolean",), "cause": ("category",)}.get(
        option, ("boolean", "category")
    )
    values = {"found": f"{variable.name} ({variable.type})", "expected": ", ".join(kinds)}
    if variable.type not in kinds:
        yield Finding("survival_kind", place=analysis.place(option), values={**values, "option": option})
    elif option in ("time", "entry") and variable.bounds[0] < 0:
        low = {"found": f"{variable.name}: {variable.bounds[0]:g}", "expected": "0"}
        yield Finding("survival_negative", place=analysis.place(option), values=low)


def per_faults(analysis: Analysis, columns: Sequence[DesignColumn], per: Mapping[str, float]) -> Iterator[Finding]:
    """What is wrong with increments that are asked for by column."""
    names = [column.name for column in columns]
    if unknown := [name for name in per if name not in names]:
        values = {"found": ", ".join(unknown), "expected": ", ".join(names)}
        yield Finding("per_unknown", place=analysis.place("per"), values=values)


def entries(rows: Rows, time: str, entry: str) -> Floats | None:
    """Times of entry (n,), or None where everyone is observed from time zero.

    Raises:
        DataFault: somebody enters no sooner than they leave.
    """
    if not entry:
        return None
    if bool((rows[entry] >= rows[time]).any()):
        raise DataFault.of("survival_entry", found=entry, expected=time)
    return rows[entry]


def groups_of(variables: Mapping[str, Variable], by: str) -> int:
    """How many groups there are; one where there is no variable."""
    return levels_of(variables[by]) if by else 1


def strata_of(rows: Rows, strata: str) -> list[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Who is in each stratum inside the hospital; one stratum of everyone where there is no variable."""
    if not strata:
        return [np.ones(rows.n, bool)]
    return [rows[strata] == level for level in range(levels_of(rows.variables[strata]))]


def tied(time: Floats, event: Bools, strata: Floats | None) -> int:
    """How many people had the event when others of them, of the same stratum, had it too."""
    within = np.zeros(int(event.sum())) if strata is None else strata[event]
    _, numbers = np.unique(np.column_stack([time[event], within]), axis=0, return_counts=True)
    return int(numbers[numbers > 1].sum())
