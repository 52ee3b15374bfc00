"""Reads a hospital's rows as the study's variables, each row about one person."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gagyo.errors import DataFault, FileFault, check_none
from gagyo.finding import Finding
from gagyo.protocol.study import Study
from gagyo.site.connectors import read_rows
from gagyo.site.mapping.findings import check_characters, check_columns, check_values
from gagyo.site.mapping.persons import persons_of
from gagyo.site.mapping.reading import read_variable
from gagyo.site.mapping.report import MappingReport
from gagyo.site.mapping.variables import mappings
from gagyo.site.site_file import SiteFile

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Loaded:
    """A hospital's people as the study's variables (columns as protocol/variables.py holds them).

    persons: identifier bytes, or the row's position where the file identifies nobody. duplicates: marks each row that
    repeats an earlier identical one in a file that identifies nobody, so that a sensitivity analysis can drop it.
    absent: the study's variables that the hospital never records.
    """

    columns: dict[str, Floats]
    persons: list[bytes]
    n: int
    report: MappingReport
    duplicates: Bools
    absent: frozenset[str]

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
        mapped, warnings = mappings(site_file, study)
    except FileFault as fault:
        raise FileFault(*_by_line([*fault.findings, *_lacking(site_file)])) from None
    frame = read_rows(site_file)
    findings = [*warnings, *check_columns(site_file, frame)]
    if not frame.height:
        findings.append(Finding("data_no_rows", "warning", site_file.place("data"), {"found": site_file.data.path}))
    columns, reports = {}, []
    for name, mapping in mapped.items():
        columns[name], report = read_variable(frame, site_file, mapping)
        reports.append(report)
        findings += check_values(report, mapping, site_file)
    findings += check_characters(frame, site_file)
    absent = frozenset(study.variables).intersection(site_file.absent)
    persons, duplicates, more = persons_of(frame, site_file)
    told = MappingReport(
        site_file.site,
        frame.height,
        tuple(frame.columns),
        tuple(reports),
        tuple(findings + more),
        int(duplicates.sum()),
        bool(site_file.person),
    )
    return Loaded(columns, persons, frame.height, told, duplicates, absent)


def faults_beside(found: list[Finding], sketch: SiteFile, study: Study) -> list[Finding]:
    """What was found wrong with a site file, and where what could be read of it does not fit the study or the rows.

    Nothing is said of an entry that has a fault already, nor of rows where the file does not say where they are.
    """
    more = list(_lacking(sketch)) if sketch.data.told else []
    try:
        mappings(sketch, study)
    except FileFault as fault:
        more += fault.findings
    faulty = [one.place.path for one in found if one.place.path]
    return _by_line([*found, *(one for one in more if not any(_about(_entry(one), path) for path in faulty))])


def _entry(finding: Finding) -> str:
    """The entry that a finding is about: of a variable that is not mapped the one that it would have."""
    unmapped = finding.code == "variable_unmapped"
    return f"variables.{finding.values['expected']}" if unmapped else finding.place.path


def _about(path: str, faulty: str) -> bool:
    """Whether an entry is a faulty one, in it or around it."""
    return f"{path}.".startswith(f"{faulty}.") or f"{faulty}.".startswith(f"{path}.")


def _by_line(found: list[Finding]) -> list[Finding]:
    return sorted(found, key=lambda finding: finding.place.line or 0)


def _lacking(site_file: SiteFile) -> list[Finding]:
    """Beside faults of the site file: the columns that its file of rows lacks, or why that cannot be read."""
    try:
        return list(check_columns(site_file, read_rows(site_file)))
    except DataFault as fault:
        return list(fault.findings)
