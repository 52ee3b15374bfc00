"""What in a hospital's rows is not as its site file says: these findings count, and never quote a row."""

from __future__ import annotations

from collections.abc import Iterator

import polars
from polars import Series

from gagyo.finding import Finding
from gagyo.site.mapping.report import VariableReport, said
from gagyo.site.mapping.variables import VariableMapping, choices
from gagyo.site.site_file import SiteFile

ODD = "[\ufffd\ue000-\uf8ff]"


def check_columns(site_file: SiteFile, frame: polars.DataFrame) -> Iterator[Finding]:
    """Names that the site file gives and the file lacks. The file's own names are not quoted: they may be a row."""
    wanted = {f"variables.{name}": column.column for name, column in site_file.variables.items()}
    if site_file.person:
        wanted["person"] = site_file.person
    if frame.width == 1 and len(wanted) > 1 and site_file.data.connector == "csv":
        # Then no column is found, and why is told once.
        place = site_file.place("data")
        yield Finding("one_column", place=place, values={"found": site_file.data.delimiter})
        return
    for path, name in wanted.items():
        if name not in frame.columns:
            values = {"expected": name, "found": frame.width, "encoding": site_file.data.encoding or "-"}
            yield Finding("column_not_found", place=site_file.place(path), values=values)


def check_values(report: VariableReport, mapping: VariableMapping, site_file: SiteFile) -> Iterator[Finding]:
    """Values of a variable that are out of its range or stand for nothing, and a column that is empty."""
    place = site_file.place(f"variables.{report.name}")
    low, high = (said(end, mapping.variable.type) for end in mapping.variable.bounds)
    if report.out_of_range:
        values = {"variable": report.name, "found": report.out_of_range, "expected": f"[{low}, {high}]"}
        dated = mapping.variable.type == "date"
        yield Finding("dates_out_of_range" if dated else "values_out_of_range", place=place, values=values)
    if report.unreadable and mapping.variable.type == "date" and mapping.column:
        values = {"variable": report.name, "found": report.unreadable, "expected": mapping.column.date_format}
        yield Finding("dates_unread", place=place, values=values)
    elif report.unreadable:
        values = {"variable": report.name, "found": report.unreadable, "expected": choices(mapping.variable)}
        measured = mapping.variable.type in {"number", "integer"}
        yield Finding("numbers_unread" if measured else "values_unmapped", place=place, values=values)
    if report.in_file and report.people and not report.present and not report.unreadable:
        yield Finding("variable_empty", "warning", place, {"variable": report.name})


def check_characters(frame: polars.DataFrame, site_file: SiteFile) -> Iterator[Finding]:
    """Characters that no one writes show that the declared encoding is not the file's."""
    names = [column.column for column in site_file.variables.values() if column.column in frame.columns]
    odd = int(Series(frame.columns, dtype=polars.String).str.contains(ODD).sum() or 0)
    for name in dict.fromkeys(names):
        if frame[name].dtype == polars.String:
            odd += int(frame[name].str.contains(ODD).sum() or 0)
    if odd:
        values = {"found": odd, "encoding": site_file.data.encoding or "-"}
        yield Finding("odd_characters", "warning", site_file.place("data.encoding"), values)
