"""How each variable of a study is read at a hospital: the entries of its site file, held against the study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gagyo.errors import FileFault, check_none
from gagyo.federation.local import method_names
from gagyo.finding import Finding
from gagyo.protocol.guards import listed, nearest
from gagyo.protocol.study import Study
from gagyo.protocol.variables import Variable
from gagyo.site.mapping.units import Conversion, conversion
from gagyo.site.site_file import Column, Given, Marker, SiteFile

UNCHANGED = Conversion(1.0)
TRUTHS: dict[str, Given] = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True)
class VariableMapping:
    """How one variable of the study is read here; `column` is None where the hospital never records it."""

    variable: Variable
    column: Column | None
    conversion: Conversion = UNCHANGED
    codes: Mapping[str, float] = field(default_factory=dict)
    markers: tuple[Marker, ...] = ()


def mappings(site_file: SiteFile, study: Study) -> tuple[dict[str, VariableMapping], list[Finding]]:
    """How every variable is read, and what is worth knowing.

    Raises:
        FileFault: with everything in the site file that does not fit the study.
    """
    findings = [*_check_names(site_file, study), *_check_policy(site_file)]
    found: dict[str, VariableMapping] = {}
    for name, variable in study.variables.items():
        column = site_file.variables.get(name)
        if column is None:
            found[name] = VariableMapping(variable, None)
            continue
        faults = list(_check_column(column, variable, site_file))
        findings += faults
        if not faults:
            found[name] = _mapping(column, variable, site_file)
    check_none(findings, FileFault)
    return found, findings


def _mapping(column: Column, variable: Variable, site_file: SiteFile) -> VariableMapping:
    factor = Conversion(column.scale) if column.scale else conversion(column.unit, variable.unit, variable.analyte)
    return VariableMapping(variable, column, factor, _codes(column, variable), _markers(column, site_file))


def _markers(column: Column, site_file: SiteFile) -> tuple[Marker, ...]:
    """What means missing in a column: the file's markers, the column's own, and what its map gives as null."""
    mapped = (Marker.of(raw) for raw, given in column.values.items() if given is None)
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
            values = {"found": str(given), "expected": choices(variable), "hint": nearest(given, _names(variable))}
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


def choices(variable: Variable) -> str:
    """What a raw value of a variable may be, for a person to read."""
    if variable.type == "category":
        return listed(_names(variable))
    numbers = {"integer": "0, 1, 2, …", "number": "0, 1.5, …"}
    return {"boolean": "true, false", "date": "YYYY-MM-DD", **numbers}[variable.type]


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
