"""Turns a hospital's rows into the study's variables, and says to the hospital's own data engineer how that went.

Two kinds of words come out of here, and they must not meet. **Findings** go into errors, which may be logged or shown
elsewhere: they name variables and count values, and hold no value from a row. The **mapping report** is for the person
at the hospital who maps the columns: it lists raw labels and ranges, stays there, and is never put into an exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars
from numpy.typing import NDArray
from polars import Series

from gagyo.errors import DataFault, FileFault, check_none
from gagyo.federation.local import method_names
from gagyo.finding import Finding
from gagyo.protocol.guards import listed, nearest
from gagyo.protocol.study import Study
from gagyo.protocol.variables import Variable
from gagyo.protocol.written import EPOCH
from gagyo.site.connectors import read_rows
from gagyo.site.site_file import Column, Given, Marker, SiteFile
from gagyo.site.units import Conversion, conversion
from gagyo.text import Language, translate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
UNMAPPED_SHOWN = 10
TOLERANCE = 1e-9
ODD = "[\ufffd\ue000-\uf8ff]"
UNCHANGED = Conversion(1.0)
TRUTHS: dict[str, Given] = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True)
class VariableReport:
    """How one variable was read. Holds values from rows: for the hospital only."""

    name: str
    column: str = ""
    absent: bool = False
    reason: str = ""
    people: int = 0
    present: int = 0
    empty: int = 0
    marked: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0
    unmapped: tuple[tuple[str, int], ...] = ()
    out_of_range: int = 0
    unit: str = ""
    study_unit: str = ""
    factor: float = 1.0
    offset: float = 0.0
    kind: str = ""
    in_file: bool = False
    minimum: float | None = None
    median: float | None = None
    maximum: float | None = None
    levels: dict[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """How many values are missing: empty, marked, or never recorded."""
        return self.people if self.absent else self.empty + sum(self.marked.values())


@dataclass(frozen=True)
class MappingReport:
    """How a hospital's file was read: for its own data engineer. Never placed in an exception, never sent.

    `findings` are safe to show anywhere; everything else may hold values from rows.
    """

    site: str
    people: int
    file_columns: tuple[str, ...]
    variables: tuple[VariableReport, ...]
    findings: tuple[Finding, ...] = ()
    identical_rows: int = 0
    identified: bool = True

    def to_text(self, language: Language) -> str:
        """The report as plain text in a language."""
        return _render(self, language)

    def to_json(self) -> dict[str, Any]:
        """The report as plain data; it holds values from rows, as the text does."""
        record = asdict(self)
        record["findings"] = [_finding_json(finding) for finding in self.findings]
        return record


@dataclass(frozen=True)
class Loaded:
    """A hospital's people as the study's variables (columns as protocol/variables.py holds them).

    persons: identifier bytes, or the row's position where the file identifies nobody. duplicates: marks each row that
    repeats an earlier identical one in a file that identifies nobody, so that a sensitivity analysis can drop it.
    """

    columns: dict[str, Floats]
    persons: list[bytes]
    n: int
    report: MappingReport
    duplicates: Bools

    def without_duplicates(self) -> Loaded:
        """The rows without those that repeat an earlier one: for a sensitivity analysis."""
        kept = ~self.duplicates
        columns = {name: column[kept] for name, column in self.columns.items()}
        persons = [person for person, inside in zip(self.persons, kept, strict=True) if inside]
        return replace(self, columns=columns, persons=persons, n=len(persons), duplicates=self.duplicates[kept])


def load(site_file: SiteFile, study: Study) -> Loaded:
    """The hospital's people, ready for the study.

    Raises:
        FileFault: the site file does not fit the study.
        DataFault: the rows are not as the site file says; the message counts and never quotes.
    """
    loaded = examine(site_file, study)
    check_none(loaded.report.findings, DataFault)
    return loaded.without_duplicates() if site_file.identical_rows == "drop" else loaded


def examine(site_file: SiteFile, study: Study) -> Loaded:
    """As `load`, but faults in the rows' content are only listed in the report."""
    try:
        plans, warnings = _plans(site_file, study)
    except FileFault as fault:
        found = (*fault.findings, *_lacking(site_file))
        raise FileFault(*sorted(found, key=lambda finding: finding.place.line or 0)) from None
    frame = read_rows(site_file)
    findings = [*warnings, *_check_columns(site_file, frame)]
    read = {
        name: _read_variable(frame, site_file, plan) if plan.column and plan.column.column in frame.columns else None
        for name, plan in plans.items()
    }
    columns, reports = {}, []
    for name, plan in plans.items():
        outcome = read[name] or _nothing(plan, frame.height, site_file)
        columns[name] = outcome.values
        reports.append(outcome.report)
        findings += _findings(outcome.report, plan, site_file)
    findings += _check_characters(frame, site_file)
    persons, duplicates, more = _persons(frame, site_file)
    report = MappingReport(
        site_file.site,
        frame.height,
        tuple(frame.columns),
        tuple(reports),
        tuple(findings + more),
        int(duplicates.sum()),
        bool(site_file.person),
    )
    return Loaded(columns, persons, frame.height, report, duplicates)


# ── the site file against the study ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Plan:
    """How one variable of the study will be read here."""

    variable: Variable
    column: Column | None
    conversion: Conversion = UNCHANGED
    codes: Mapping[str, float] = field(default_factory=dict)
    markers: tuple[Marker, ...] = ()


class _Read:
    """One variable's numbers and their report."""

    def __init__(self, values: Floats, report: VariableReport) -> None:
        self.values = values
        self.report = report


def _plans(site_file: SiteFile, study: Study) -> tuple[dict[str, _Plan], list[Finding]]:
    """All variables' plans, and what is worth knowing.

    Raises:
        FileFault: with everything in the site file that does not fit the study.
    """
    findings = [*_check_names(site_file, study), *_check_policy(site_file)]
    plans: dict[str, _Plan] = {}
    for name, variable in study.variables.items():
        column = site_file.variables.get(name)
        if column is None:
            plans[name] = _Plan(variable, None)
            continue
        faults = list(_check_column(column, variable, site_file))
        findings += faults
        if not faults:
            plans[name] = _plan(column, variable, site_file)
    check_none(findings, FileFault)
    return plans, findings


def _plan(column: Column, variable: Variable, site_file: SiteFile) -> _Plan:
    factor = Conversion(column.scale) if column.scale else conversion(column.unit, variable.unit, variable.analyte)
    return _Plan(variable, column, factor, _codes(column, variable), _markers(column, site_file))


def _markers(column: Column, site_file: SiteFile) -> tuple[Marker, ...]:
    """What means missing in a column: the file's markers, the column's own, and what its map gives as null."""
    mapped = (Marker(raw, _finite(raw)) for raw, given in column.values.items() if given is None)
    return (*site_file.missing, *column.missing, *mapped)


def _check_names(site_file: SiteFile, study: Study) -> Iterator[Finding]:
    values: dict[str, object]
    if site_file.site not in study.sites:
        values = {"found": site_file.site, "expected": listed(study.sites)}
        yield Finding("site_not_in_study", place=site_file.place("site"), values=values)
    known = {*site_file.variables, *site_file.absent}
    for name in study.variables:
        if name not in known:
            values = {"expected": name, "hint": nearest(name, known - set(study.variables))}
            yield Finding("variable_unmapped", place=site_file.place("variables"), values=values)
    for name in sorted(known - set(study.variables)):
        values = {"found": name, "hint": nearest(name, study.variables)}
        area = "variables" if name in site_file.variables else "absent"
        yield Finding("variable_not_in_study", "warning", site_file.place(f"{area}.{name}"), values)


def _check_policy(site_file: SiteFile) -> Iterator[Finding]:
    """Methods that the policy names and that are none: what it means to allow or to refer would not be."""
    policy, installed = site_file.policy, method_names()
    for name in () if policy.methods == "all" else policy.methods:
        if name not in installed:
            values = {"found": name, "expected": listed(installed), "hint": nearest(name, installed)}
            yield Finding("unknown_method", "warning", site_file.place("policy.methods"), values)
    if unknown := sorted(set(policy.referral) - {"models", *installed}):
        values = {"found": ", ".join(unknown), "expected": ", ".join(installed)}
        yield Finding("referral_unknown", place=site_file.place("policy.referral"), values=values)


def _check_column(column: Column, variable: Variable, site_file: SiteFile) -> Iterator[Finding]:
    """What in a column's entry does not fit the study's variable."""
    path = f"variables.{variable.name}"
    yield from _check_unit(column, variable, site_file, path)
    for raw, given in column.values.items():
        if given is not None and _code(given, variable) is None:
            values = {"found": str(given), "expected": _choices(variable), "hint": nearest(given, _names(variable))}
            yield Finding("value_not_in_study", place=site_file.place(f"{path}.values.{raw}"), values=values)


def _check_unit(column: Column, variable: Variable, site_file: SiteFile, path: str) -> Iterator[Finding]:
    numeric = variable.type in {"number", "integer"}
    if column.scale is not None and (variable.unit or not numeric):
        values = {"found": column.scale, "expected": variable.unit or variable.type}
        yield Finding("scale_not_allowed", place=site_file.place(f"{path}.scale"), values=values)
    elif variable.unit and not column.unit:
        values = {"expected": variable.unit, "variable": variable.name}
        yield Finding("unit_missing", place=site_file.place(path), values=values)
    elif column.unit and not variable.unit:
        yield Finding("unit_unexpected", place=site_file.place(f"{path}.unit"), values={"found": column.unit})
    else:
        yield from _check_conversion(column, variable, site_file, path)


def _check_conversion(column: Column, variable: Variable, site_file: SiteFile, path: str) -> Iterator[Finding]:
    try:
        conversion(column.unit, variable.unit, variable.analyte)
    except FileFault as fault:
        for finding in fault.findings:
            yield Finding(finding.code, place=site_file.place(f"{path}.unit"), values=finding.values)


def _names(variable: Variable) -> list[str]:
    return [level.name for level in variable.levels]


def _choices(variable: Variable) -> str:
    if variable.type == "category":
        return listed(_names(variable))
    return {"boolean": "true, false", "date": "YYYY-MM-DD"}.get(variable.type, "0, 1.5, …")


def _code(given: Given, variable: Variable) -> float | None:
    """The number by which a variable holds what a value map gives; None where it cannot."""
    if variable.type == "category":
        names = _names(variable)
        return float(names.index(str(given))) if str(given) in names else None
    if variable.type == "boolean":
        return float(given) if isinstance(given, bool) else None
    number = isinstance(given, (int, float)) and not isinstance(given, bool)
    return float(given) if number and variable.type in {"number", "integer"} else None  # type: ignore[arg-type]


def _codes(column: Column, variable: Variable) -> dict[str, float]:
    """The number for each raw text that stands for one."""
    given: Mapping[str, Given] = column.values
    if not given and variable.type == "boolean":
        given = TRUTHS
    if not given and variable.type == "category":
        given = {name: name for name in _names(variable)}
    codes = {raw: _code(value, variable) for raw, value in given.items()}
    return {raw: code for raw, code in codes.items() if code is not None}


# ── reading one variable ──────────────────────────────────────────────────────────────────────────────────────────


def _read_variable(frame: polars.DataFrame, site_file: SiteFile, plan: _Plan) -> _Read:
    assert plan.column is not None
    series = frame[plan.column.column]
    text = _as_text(series)
    empty = (text.is_null() | (text == "")).fill_null(True)
    numbers = _as_numbers(series, text)
    marked = _marked(text, numbers, plan.markers, empty)
    missing = empty | marked.is_not_null()
    values, mapped = _values(series, text, numbers, plan, missing)
    values[missing.to_numpy()] = np.nan
    unreadable = np.isnan(values) & ~mapped & ~missing.to_numpy()
    outside = _outside(values, plan.variable)
    report = _variable_report(plan, text, values, empty, marked, unreadable, outside, site_file)
    return _Read(values, report)


def _as_text(series: Series) -> Series:
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


def _values(series: Series, text: Series, numbers: Series, plan: _Plan, missing: Series) -> tuple[Floats, Bools]:
    """The column as the study's numbers (NaN where unreadable), and where a value map decided."""
    if plan.variable.type == "date":
        return _dates(series, text, plan), np.zeros(len(text), dtype=bool)
    coded, mapped = _mapped(text, numbers, plan.codes, plan.variable)
    if plan.variable.type in {"boolean", "category"}:
        return coded, mapped
    factor, offset = plan.conversion
    measured = np.array(numbers.fill_null(np.nan).to_numpy(), dtype=np.float64) * factor + offset
    if plan.variable.type == "integer" and plan.conversion == UNCHANGED:
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
        number = _finite(raw)
        if number is not None:
            match = (numbers == number).fill_null(False) & ~mapped
            coded, mapped = coded.set(match, code), mapped | match
    return np.array(coded.fill_null(np.nan).to_numpy(), dtype=np.float64), mapped.to_numpy().copy()


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _dates(series: Series, text: Series, plan: _Plan) -> Floats:
    assert plan.column is not None
    if series.dtype == polars.Date or series.dtype == polars.Datetime:
        days = series.cast(polars.Date)
    else:
        days = text.str.to_date(plan.column.date_format, strict=False)
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
    plan: _Plan,
    text: Series,
    values: Floats,
    empty: Series,
    marked: Series,
    unreadable: Bools,
    outside: int,
    site_file: SiteFile,
) -> VariableReport:
    assert plan.column is not None
    variable, known = plan.variable, values[~np.isnan(values)]
    measured = variable.type in {"number", "integer", "date"} and len(known) > 0
    return VariableReport(
        name=variable.name,
        column=plan.column.column,
        people=len(values),
        present=len(known),
        empty=int(empty.sum()),
        marked=_counted(marked.drop_nulls()),
        unreadable=int(unreadable.sum()),
        unmapped=tuple(_counted(text.filter(Series(unreadable))).items())[:UNMAPPED_SHOWN],
        out_of_range=outside,
        unit=plan.column.unit,
        study_unit=variable.unit,
        factor=plan.conversion.factor,
        offset=plan.conversion.offset,
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


def _nothing(plan: _Plan, n: int, site_file: SiteFile) -> _Read:
    """A variable that the hospital never records, or whose column the file does not have."""
    name = plan.variable.name
    absent = name in site_file.absent
    column = plan.column.column if plan.column else ""
    report = VariableReport(name, column, absent, site_file.absent.get(name, ""), n)
    return _Read(np.full(n, np.nan), report)


# ── findings: they count, and never quote a row ───────────────────────────────────────────────────────────────────


def _check_columns(site_file: SiteFile, frame: polars.DataFrame) -> Iterator[Finding]:
    """Names that the site file gives and the file lacks. The file's own names are not quoted: they may be a row."""
    wanted = {f"variables.{name}": column.column for name, column in site_file.variables.items()}
    if site_file.person:
        wanted["person"] = site_file.person
    for path, name in wanted.items():
        if name not in frame.columns:
            values = {"expected": name, "found": frame.width, "encoding": site_file.data.encoding or "-"}
            yield Finding("column_not_found", place=site_file.place(path), values=values)
    if frame.width == 1 and len(wanted) > 1 and site_file.data.connector == "csv":
        place = site_file.place("data")
        yield Finding("one_column", place=place, values={"found": site_file.data.delimiter})


def _lacking(site_file: SiteFile) -> list[Finding]:
    """Beside faults of the site file: the columns that its file of rows lacks, or why that cannot be read."""
    try:
        return list(_check_columns(site_file, read_rows(site_file)))
    except DataFault as fault:
        return list(fault.findings)


def _findings(report: VariableReport, plan: _Plan, site_file: SiteFile) -> Iterator[Finding]:
    place = site_file.place(f"variables.{report.name}")
    low, high = (_said(end, plan.variable.type) for end in plan.variable.bounds)
    if report.out_of_range:
        values = {"variable": report.name, "found": report.out_of_range, "expected": f"[{low}, {high}]"}
        yield Finding("values_out_of_range", place=place, values=values)
    if report.unreadable and plan.variable.type == "date" and plan.column:
        values = {"variable": report.name, "found": report.unreadable, "expected": plan.column.date_format}
        yield Finding("dates_unread", place=place, values=values)
    elif report.unreadable:
        values = {"variable": report.name, "found": report.unreadable, "expected": _choices(plan.variable)}
        yield Finding("values_unmapped", place=place, values=values)
    if report.in_file and report.people and not report.present and not report.unreadable:
        yield Finding("variable_empty", "warning", place, {"variable": report.name})


def _check_characters(frame: polars.DataFrame, site_file: SiteFile) -> Iterator[Finding]:
    """Characters that no one writes show that the declared encoding is not the file's."""
    names = [column.column for column in site_file.variables.values() if column.column in frame.columns]
    odd = int(Series(frame.columns, dtype=polars.String).str.contains(ODD).sum() or 0)
    for name in dict.fromkeys(names):
        if frame[name].dtype == polars.String:
            odd += int(frame[name].str.contains(ODD).sum() or 0)
    if odd:
        values = {"found": odd, "encoding": site_file.data.encoding or "-"}
        yield Finding("odd_characters", "warning", site_file.place("data.encoding"), values)


def _persons(frame: polars.DataFrame, site_file: SiteFile) -> tuple[list[bytes], Bools, list[Finding]]:
    """Identifiers, the rows that repeat another in a file that identifies nobody, and what is wrong with either."""
    if site_file.person not in frame.columns:
        return _unidentified(frame, site_file)
    text = _as_text(frame[site_file.person])
    findings = []
    unnamed = int((text.is_null() | (text == "")).sum())
    repeated = len(text) - text.n_unique() if not unnamed else len(text) - unnamed - text.filter(text != "").n_unique()
    place = site_file.place("person")
    if unnamed:
        findings.append(Finding("person_missing", place=place, values={"found": unnamed}))
    if repeated:
        findings.append(Finding("person_repeated", place=place, values={"found": repeated}))
    persons = [identifier.encode() for identifier in text.fill_null("")]
    return persons, np.zeros(frame.height, dtype=bool), findings


def _unidentified(frame: polars.DataFrame, site_file: SiteFile) -> tuple[list[bytes], Bools, list[Finding]]:
    duplicates = np.zeros(frame.height, dtype=bool)
    if frame.width and frame.height:
        duplicates = ~frame.to_struct("row").is_first_distinct().to_numpy()
    findings = []
    if duplicates.any():
        values = {"found": int(duplicates.sum())}
        findings.append(Finding("identical_rows", "warning", site_file.place("data"), values))
    return [str(position).encode() for position in range(frame.height)], duplicates, findings


# ── the report as text ────────────────────────────────────────────────────────────────────────────────────────────


def _finding_json(finding: Finding) -> dict[str, Any]:
    place = finding.place
    return {"code": finding.code, "severity": finding.severity, "file": place.file, "line": place.line}


def _render(report: MappingReport, language: Language) -> str:
    def say(key: str, **values: object) -> str:
        return translate(f"mapping.{key}", language, **values)

    lines = [say("title", site=report.site), say("stays"), ""]
    lines.append(say("people", people=report.people, columns=len(report.file_columns)))
    if report.file_columns:
        lines.append(say("columns", names=", ".join(report.file_columns)))
    if not report.identified:
        lines.append(say("unidentified", rows=report.identical_rows))
    for variable in report.variables:
        lines += ["", *_render_variable(variable, say)]
    if report.findings:
        lines += ["", say("findings")]
        lines += [f"  {say(finding.severity)} {finding.text(language)}" for finding in report.findings]
    return "\n".join(lines) + "\n"


def _render_variable(variable: VariableReport, say: Any) -> Iterator[str]:
    if variable.absent:
        yield say("absent", name=variable.name, reason=variable.reason or "-")
        return
    yield say("variable", name=variable.name, column=variable.column)
    share = 100 * variable.present / variable.people if variable.people else 0.0
    yield "  " + say("coverage", present=variable.present, people=variable.people, percent=f"{share:.1f}")
    if variable.empty:
        yield "  " + say("empty", count=variable.empty)
    for marker, count in variable.marked.items():
        yield "  " + say("marked", marker=marker, count=count)
    if variable.unit != variable.study_unit or (variable.factor, variable.offset) != (1.0, 0.0):
        yield "  " + say("converted", **_conversion_words(variable))
    if variable.minimum is not None:
        yield "  " + say("values", **_spread_words(variable))
    if variable.levels:
        yield "  " + say("levels", levels=", ".join(f"{name} {count}" for name, count in variable.levels.items()))
    if variable.out_of_range:
        yield "  " + say("out_of_range", count=variable.out_of_range)
    if variable.unreadable:
        shown = ", ".join(f"{label!r} ({count})" for label, count in variable.unmapped)
        yield "  " + say("unmapped", count=variable.unreadable, labels=shown)


def _conversion_words(variable: VariableReport) -> dict[str, str]:
    offset = f" {variable.offset:+.6g}" if variable.offset else ""
    return {
        "source": variable.unit or "1",
        "target": variable.study_unit or "1",
        "rule": f"× {variable.factor:.6g}{offset}",
    }


def _spread_words(variable: VariableReport) -> dict[str, str]:
    shown = zip(("minimum", "median", "maximum"), (variable.minimum, variable.median, variable.maximum), strict=True)
    return {name: _said(value, variable.kind) for name, value in shown if value is not None}


def _said(value: float, kind: str) -> str:
    """A number, or the day that so many days since 1970 are."""
    if kind == "date" and np.isfinite(value):
        return (EPOCH + timedelta(days=round(value))).isoformat()
    return f"{value:.6g}"
