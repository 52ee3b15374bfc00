"""How a hospital's file was read, as its own data engineer sees it: values from rows stand in here, and stay there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from math import isfinite
from typing import Any

from gagyo.finding import Finding
from gagyo.protocol.written import EPOCH
from gagyo.text import Language, translate


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

    def to_json(self, language: Language) -> dict[str, Any]:
        """The report as plain data, findings in a language; it holds values from rows, as the text does."""
        record = asdict(self)
        record["findings"] = [finding.to_json(language) for finding in self.findings]
        return record


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
    return {name: said(value, variable.kind) for name, value in shown if value is not None}


def said(value: float, kind: str) -> str:
    """A number, or the day that so many days since 1970 are."""
    if kind == "date" and isfinite(value):
        return (EPOCH + timedelta(days=round(value))).isoformat()
    return f"{value:.6g}"
