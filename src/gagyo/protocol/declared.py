"""The variables part of a study file: the data dictionary, read with all its faults at once."""

from __future__ import annotations

import re

from gagyo.protocol.analytes import ANALYTES
from gagyo.protocol.cohort_text import usable
from gagyo.protocol.guards import listed, short
from gagyo.protocol.ucum import is_unit
from gagyo.protocol.variables import Kind, Level, Variable
from gagyo.protocol.written import EPOCH, NAME, Entry, Table
from gagyo.text import Text

KINDS: tuple[Kind, ...] = ("number", "integer", "boolean", "category", "date")
VARIABLE = ("type", "unit", "range", "levels", "label", "analyte", "description")
LEVEL = r"[^\s'\"\[\]:,`]([^'\"\[\]:,`\n]{0,62}[^\s'\"\[\]:,`])?"
RESERVED = frozenset({"c", "rcs", "site", "intercept"})


def speakable(name: str) -> bool:
    """Whether formulas and cohort expressions can speak of a variable by this name."""
    return bool(re.fullmatch(NAME, name)) and name not in RESERVED and usable(name)


def read_variables(entries: Table) -> dict[str, Variable]:
    """The variables that can be read; what is wrong is noted with each entry."""
    found = {name: _variable(name, entry) for name, entry in entries.items()}
    return {name: variable for name, variable in found.items() if variable is not None}


def _variable(name: str, entry: Entry) -> Variable | None:
    inner = entry.table(("type", "label"), VARIABLE)
    if name in RESERVED or (re.fullmatch(NAME, name) and not usable(name)):
        entry.fault("reserved_name", found=name)
    # What every type may have is read of one that is unknown too, so that its faults are told with that.
    label = inner["label"].label() if "label" in inner else Text(name)
    description = inner["description"].label() if "description" in inner else Text("")
    analyte = _analyte(inner)
    kind = inner["type"].one_of(KINDS) if "type" in inner else None
    if kind is None:
        return None
    return Variable(
        name=name,
        type=kind,  # type: ignore[arg-type]
        label=label,
        unit=_unit(inner, kind),
        range=_range(entry, inner, kind),
        levels=_levels(entry, inner, kind),
        analyte=analyte,
        description=description,
    )


def _unit(inner: Table, kind: str) -> str:
    """The UCUM code; "1" and absence both mean none."""
    if "unit" not in inner:
        return ""
    code = inner["unit"].text()
    if code is None or code == "1":
        return ""
    if kind not in {"number", "integer"}:
        inner["unit"].fault("key_not_for_type", found="unit", expected="number, integer", type=kind)
    elif not is_unit(code):
        inner["unit"].fault("bad_unit", found=short(code))
    return code


def _analyte(inner: Table) -> str:
    return (inner["analyte"].one_of(ANALYTES) or "") if "analyte" in inner else ""


def _range(entry: Entry, inner: Table, kind: str) -> tuple[float, float]:
    ranged = kind in {"number", "integer", "date"}
    if "range" not in inner:
        if ranged:
            entry.fault("missing_key", found=listed(inner), expected="range")
        return (0.0, 1.0)
    if not ranged:
        inner["range"].fault("key_not_for_type", found="range", expected="number, integer, date", type=kind)
        return (0.0, 1.0)
    ends = inner["range"].items()
    if len(ends) != 2:
        inner["range"].wrong("pair")
        return (0.0, 1.0)
    low, high = (_end(end, kind) for end in ends)
    if low is None or high is None:
        return (0.0, 1.0)
    if low >= high:
        inner["range"].fault("bad_range", found=f"[{ends[0].raw}, {ends[1].raw}]")
    return (low, high)


def _end(entry: Entry, kind: str) -> float | None:
    if kind == "date":
        day = entry.day()
        return None if day is None else float((day - EPOCH).days)
    if kind == "integer":
        whole = entry.whole(-(2**53), 2**53)
        return None if whole is None else float(whole)
    return entry.number()


def _levels(entry: Entry, inner: Table, kind: str) -> tuple[Level, ...]:
    if kind != "category":
        if "levels" in inner:
            inner["levels"].fault("key_not_for_type", found="levels", expected="category", type=kind)
        return ()
    if "levels" not in inner:
        entry.fault("missing_key", found=listed(inner), expected="levels")
        return ()
    entries = inner["levels"].named(LEVEL)
    if isinstance(inner["levels"].value, dict) and len(entries) < 2:
        inner["levels"].wrong("levels")
    return tuple(Level(name, label.label()) for name, label in entries.items())
