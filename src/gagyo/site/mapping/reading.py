"""One column becomes one variable's numbers, and what was met on the way is counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars
from numpy.typing import NDArray
from polars import Series

from gagyo.protocol.variables import Variable
from gagyo.site.mapping.report import VariableReport
from gagyo.site.mapping.variables import TRUTHS, UNCHANGED, VariableMapping
from gagyo.site.site_file import Marker, SiteFile

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
UNMAPPED_SHOWN = 10
TOLERANCE = 1e-9


class Read(NamedTuple):
    """One variable's numbers and their report."""

    values: Floats
    report: VariableReport


def read_variable(frame: polars.DataFrame, site_file: SiteFile, mapping: VariableMapping) -> Read:
    """A variable's numbers (n,), NaN where missing, unreadable, or where the file does not have the column."""
    if mapping.column is None or mapping.column.column not in frame.columns:
        return _nothing(mapping, frame.height, site_file)
    series = frame[mapping.column.column]
    text = as_text(series)
    empty = (text.is_null() | (text == "")).fill_null(True)
    numbers = _as_numbers(series, text)
    marked = _marked(text, numbers, mapping.markers, empty)
    missing = empty | marked.is_not_null()
    values, mapped = _values(series, text, numbers, mapping, missing)
    values[missing.to_numpy()] = np.nan
    unreadable = np.isnan(values) & ~mapped & ~missing.to_numpy()
    outside = _outside(values, mapping.variable)
    report = _variable_report(mapping, text, values, empty, marked, unreadable, outside)
    return Read(values, report)


def as_text(series: Series) -> Series:
    """The column as trimmed text, by which markers and value maps match."""
    if series.dtype == polars.String:
        return series.str.strip_chars()
    if series.dtype == polars.Boolean:
        return series.cast(polars.String).str.to_lowercase()
    return series.cast(polars.String, strict=False)


def _as_numbers(series: Series, text: Series) -> Series:
    """The column as finite numbers, null where it is none."""
    source = series if series.dtype.is_numeric() else text
    numbers = source.cast(polars.Float64, strict=False)
    return numbers.set(~numbers.is_finite().fill_null(True), None)


def _marked(text: Series, numbers: Series, markers: tuple[Marker, ...], empty: Series) -> Series:
    """The marker that each missing value bears; null where it bears none."""
    found = Series(text.name, [None] * len(text), dtype=polars.String) if len(text) else text.clear()
    for marker in markers:
        match = (text == marker.text).fill_null(False)
        if marker.number is not None:
            match = match | (numbers == marker.number).fill_null(False)
        found = found.set(match & ~empty & found.is_null(), marker.text)
    return found


def _values(
    series: Series, text: Series, numbers: Series, mapping: VariableMapping, missing: Series
) -> tuple[Floats, Bools]:
    """The column as the study's numbers (NaN where unreadable), and where a value map decided."""
    if mapping.variable.type == "date":
        return _dates(series, text, mapping), np.zeros(len(text), dtype=bool)
    coded, mapped = _mapped(text, numbers, mapping.codes, mapping.variable)
    if mapping.variable.type in {"boolean", "category"}:
        return coded, mapped
    factor, offset = mapping.conversion
    measured = np.array(numbers.fill_null(np.nan).to_numpy(), dtype=np.float64) * factor + offset
    if mapping.variable.type == "integer" and mapping.conversion == UNCHANGED:
        measured[measured != np.round(measured)] = np.nan
    return np.where(mapped, coded, measured), mapped


def _mapped(text: Series, numbers: Series, codes: Mapping[str, float], variable: Variable) -> tuple[Floats, Bools]:
    """The numbers of a value map; a key that is a number matches the same number written otherwise ("1" and "1.0")."""
    if not codes:
        return np.full(len(text), np.nan), np.zeros(len(text), dtype=bool)
    keys = text.str.to_lowercase() if variable.type == "boolean" and codes.keys() == TRUTHS.keys() else text
    coded = keys.replace_strict(list(codes), list(codes.values()), default=None, return_dtype=polars.Float64)
    mapped = keys.is_in(list(codes)).fill_null(False)
    for raw, code in codes.items():
        number = Marker.of(raw).number
        if number is not None:
            match = (numbers == number).fill_null(False) & ~mapped
            coded, mapped = coded.set(match, code), mapped | match
    return np.array(coded.fill_null(np.nan).to_numpy(), dtype=np.float64), mapped.to_numpy().copy()


def _dates(series: Series, text: Series, mapping: VariableMapping) -> Floats:
    assert mapping.column is not None
    if series.dtype == polars.Date or series.dtype == polars.Datetime:
        days = series.cast(polars.Date)
    else:
        days = text.str.to_date(mapping.column.date_format, strict=False)
    return np.array(days.to_physical().cast(polars.Float64).fill_null(np.nan).to_numpy(), dtype=np.float64)


def _outside(values: Floats, variable: Variable) -> int:
    """How many values are outside the declared range; those that only rounding puts outside are set to its ends."""
    low, high = variable.bounds
    slack = TOLERANCE * max(high - low, abs(low), abs(high))
    with np.errstate(invalid="ignore"):
        outside = (values < low - slack) | (values > high + slack)
        np.copyto(values, np.clip(values, low, high), where=~outside)
    return int(outside.sum())


def _variable_report(
    mapping: VariableMapping,
    text: Series,
    values: Floats,
    empty: Series,
    marked: Series,
    unreadable: Bools,
    outside: int,
) -> VariableReport:
    assert mapping.column is not None
    variable, known = mapping.variable, values[~np.isnan(values)]
    measured = variable.type in {"number", "integer", "date"} and len(known) > 0
    return VariableReport(
        name=variable.name,
        column=mapping.column.column,
        people=len(values),
        present=len(known),
        empty=int(empty.sum()),
        marked=_counted(marked.drop_nulls()),
        unreadable=int(unreadable.sum()),
        unmapped=tuple(_counted(text.filter(Series(unreadable))).items())[:UNMAPPED_SHOWN],
        out_of_range=outside,
        unit=mapping.column.unit,
        study_unit=variable.unit,
        factor=mapping.conversion.factor,
        offset=mapping.conversion.offset,
        kind=variable.type,
        in_file=True,
        minimum=float(known.min()) if measured else None,
        median=float(np.median(known)) if measured else None,
        maximum=float(known.max()) if measured else None,
        levels=_level_counts(known, variable),
    )


def _counted(texts: Series) -> dict[str, int]:
    """How often each text occurs, most often first."""
    counts = texts.value_counts().sort(["count", texts.name], descending=[True, False])
    return {str(text): int(count) for text, count in counts.iter_rows()}


def _level_counts(known: Floats, variable: Variable) -> dict[str, int]:
    if variable.type == "boolean":
        return {"false": int((known == 0).sum()), "true": int((known == 1).sum())}
    return {level.name: int((known == index).sum()) for index, level in enumerate(variable.levels)}


def _nothing(mapping: VariableMapping, n: int, site_file: SiteFile) -> Read:
    """A variable that the hospital never records, or whose column the file does not have."""
    name = mapping.variable.name
    absent = name in site_file.absent
    column = mapping.column.column if mapping.column else ""
    report = VariableReport(name, column, absent, site_file.absent.get(name, ""), n)
    return Read(np.full(n, np.nan), report)
