"""What is wrong with the options of a study's analyses, by the model of options that each method has, with lines."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from gagyo.errors import FileFault
from gagyo.finding import Finding
from gagyo.protocol import formula as formulas
from gagyo.protocol.guards import listed, nearest, short
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.variables import Level, Variable
from gagyo.result import Words
from gagyo.text import Text

if TYPE_CHECKING:
    from pydantic import BaseModel


def check_options(study: Study, models: Mapping[str, type[BaseModel]], formulas: bool = True) -> list[Finding]:
    """The findings of all analyses; models: by name of an installed method, the pydantic model of its options.

    formulas: whether formulas are read too, which needs every variable.
    """
    every = study.analyses.values()
    return [finding for analysis in every for finding in _check_analysis(analysis, study, models, formulas)]


def _check_analysis(
    analysis: Analysis, study: Study, models: Mapping[str, type[BaseModel]], formulas: bool
) -> list[Finding]:
    from pydantic import ValidationError

    if not analysis.method:  # whose lack was found already
        return []
    if analysis.method not in models:
        near = nearest(analysis.method, models)
        values = {"found": analysis.method, "expected": ", ".join(sorted(models)), "hint": near}
        return [Finding("unknown_method", place=analysis.place("method"), values=values)]
    findings = _check_formula(analysis, _known(analysis, study, models[analysis.method])) if formulas else []
    try:
        models[analysis.method].model_validate(analysis.options)
    except ValidationError as fault:
        tables = _tables(models[analysis.method])
        errors = _meant([dict(error) for error in fault.errors()], tables)
        findings += [_from_pydantic(analysis, error, models[analysis.method], tables) for error in errors]
    return findings


def _known(analysis: Analysis, study: Study, model: type[BaseModel]) -> dict[str, Variable]:
    """The variables that a formula may have: the study's, and covariates that the analysis itself makes of them."""
    made = analysis.options.get("changes") if "changes" in model.model_fields else None
    names = [str(name) for name in made] if isinstance(made, dict) else []
    measured = analysis.options.get("measured") if "measured" in model.model_fields else None
    more = _occasions(measured) if isinstance(measured, dict) else {}
    return {**study.variables, **{name: Variable(name, "boolean", Text(name)) for name in names}, **more}


def _occasions(measured: Mapping[str, Any]) -> dict[str, Variable]:
    """The outcome that is measured at several visits, the visit and its time."""
    visits = measured.get("visits")
    names = [str(one) for one in visits] if isinstance(visits, dict) and len(visits) > 1 else ["first", "second"]
    levels = tuple(Level(one, Text(one)) for one in names)
    name = str(measured.get("name", ""))
    return {
        name: Variable(name, "number", Text(name)),
        "visit": Variable("visit", "category", Text("visit"), levels=levels),
        "time": Variable("time", "number", Text("time")),
    }


def _check_formula(analysis: Analysis, variables: Mapping[str, Variable]) -> list[Finding]:
    text = analysis.options.get("formula")
    if not isinstance(text, str):
        return []
    try:
        # Whether its splines may be without knots is the method's own matter.
        formulas.parse(text, variables, unplaced=True)
    except FileFault as fault:
        return [replace(finding, place=analysis.place("formula")) for finding in fault.findings]
    return []


KINDS = ("list[", "dict[", "tuple[", "function-")
"""How pydantic's names of kinds begin that are neither tables nor plain values."""

ENTRY = re.compile(r"\.(\d+)(?=\.|$)")
"""The number of a list's entry in a path, which is shown in brackets."""

Tables = dict[str, "type[BaseModel]"]
"""By its name, the model of each table of keys that may stand in an analysis' options."""


def _tables(model: type[BaseModel]) -> Tables:
    """The model of the options and those within it."""
    found: Tables = {model.__name__: model}
    for one in model.model_fields.values():
        found |= _tables_in(one.annotation)
    return found


def _tables_in(kind: Any) -> Tables:
    from pydantic import BaseModel

    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _tables(kind)
    inner = (_tables_in(one) for one in get_args(kind))
    return {name: model for tables in inner for name, model in tables.items()}


def _meant(errors: list[dict[str, Any]], tables: Tables) -> list[dict[str, Any]]:
    """Of an option of several kinds the errors of the kinds that what stands there could be; else of the first kind."""
    kinds: dict[tuple[Any, ...], dict[str, list[dict[str, Any]]]] = {}
    for error in errors:
        loc = tuple(error["loc"])
        at = next((number for number, part in enumerate(loc) if _is_kind(part, tables)), len(loc))
        kinds.setdefault(loc[:at], {}).setdefault("".join(map(str, loc[at : at + 1])), []).append(error)
    return [error for option, by_kind in kinds.items() for error in _of_one_kind(len(option), by_kind)]


def _of_one_kind(depth: int, by_kind: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """depth: of the option's own path. Another kind altogether is what a kind's only error says of the whole option."""
    other = {kind for kind, errors in by_kind.items() if kind and [len(one["loc"]) for one in errors] == [depth + 1]}
    other = {kind for kind in other if by_kind[kind][0]["type"] in TYPES}
    could = [kind for kind in by_kind if kind not in other] or list(by_kind)[:1]
    return [error for kind in could for error in by_kind[kind]]


def _is_kind(part: object, tables: Tables) -> bool:
    """Whether a part of pydantic's path is one of several kinds that it tried, and no key of the file."""
    return str(part) in (*tables, "str", "int", "float", "bool") or str(part).startswith(KINDS)


def _from_pydantic(analysis: Analysis, error: dict[str, Any], model: type[BaseModel], tables: Tables) -> Finding:
    """One of pydantic's errors as a finding at the option's line."""
    loc = error["loc"]
    path = [str(part) for part in loc if not _is_kind(part, tables)]
    last = path[-1] if path else ""
    inner = _owner(loc[:-1], model, tables)
    code, values = _told(error, last, list(inner.model_fields))
    if code == "wrong_type" and str(error["type"]).startswith("model_"):
        keys = listed(list(_owner(loc, model, tables).model_fields))
        values["expected"] = Words("expected.table_of", {"keys": keys})
    place = analysis.place(".".join(path))
    return Finding(code, place=replace(place, path=ENTRY.sub(r"[\1]", place.path)), values=values)


def _owner(loc: Sequence[int | str], model: type[BaseModel], tables: Tables) -> type[BaseModel]:
    """The model of the table that a path leads to."""
    for part in loc:
        if str(part) in tables:
            model = tables[str(part)]
        elif str(part) in model.model_fields:
            inner = _tables_in(model.model_fields[str(part)].annotation)
            model = next(iter(inner.values()), model)
    return model


def _told(error: dict[str, Any], last: str, fields: list[str]) -> tuple[str, Values]:
    """The code and the values of the finding that one of pydantic's errors is; a method's own rules have their own."""
    kind, limits, found = str(error["type"]), error.get("ctx", {}), _shown(error["input"])
    if kind == "missing":
        return "missing_key", {"found": listed(error["input"]) or "–", "expected": last}
    if kind == "extra_forbidden":
        return "unknown_key", {"found": last, "expected": listed(fields), "hint": nearest(last, fields)}
    if kind == "literal_error":
        names = re.findall("'([^']*)'", str(limits["expected"]))
        return "not_one_of", {"found": found, "expected": listed(names), "hint": nearest(found, names)}
    for sign, limit in LIMITS.items():
        if limit in limits:
            return "out_of_bounds", {"found": found, "expected": f"{sign} {limits[limit]:g}"}
    if kind in TYPES:
        return "wrong_type", {"found": found, "expected": Words(f"expected.{TYPES[kind]}")}
    if kind.startswith(OWN):
        return kind, dict(limits)
    return "wrong_type", {"found": found, "expected": Words("expected.option")}


Values = dict[str, int | float | str | Words]

LIMITS = {">": "gt", "≥": "ge", "<": "lt", "≤": "le"}

OWN = "option_"
"""How the codes begin that methods give to what does not fit together in their options."""

TYPES = {
    "too_short": "filled",
    "finite_number": "number",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "integer"),
    **dict.fromkeys(("float_type", "float_parsing"), "number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "boolean"),
    **dict.fromkeys(("list_type", "tuple_type"), "list"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type", "mapping_type"), "table"),
    "string_type": "text",
}
"""By pydantic's kind of error, what was expected."""


def _shown(value: object) -> str:
    """A value as it may stand in a file, on one line."""
    return short(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
