"""What is wrong with the options of a study's analyses, by the model of options that each method has, with lines."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

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
        values = {"found": analysis.method, "expected": listed(sorted(models)), "hint": near}
        return [Finding("unknown_method", place=analysis.place("method"), values=values)]
    findings = _check_formula(analysis, _known(analysis, study, models[analysis.method])) if formulas else []
    try:
        models[analysis.method].model_validate(analysis.options)
    except ValidationError as fault:
        fields = models[analysis.method].model_fields
        findings += [_from_pydantic(analysis, dict(error), list(fields)) for error in fault.errors()]
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


def _from_pydantic(analysis: Analysis, error: dict[str, Any], fields: list[str]) -> Finding:
    """One of pydantic's errors as a finding at the option's line."""
    # Of an option of several kinds each kind that was tried is part of the path.
    path = [str(part) for part in error["loc"] if str(part).isidentifier() and str(part)[0].islower()]
    last = path[-1] if path else ""
    code, values = _told(error, last, listed(analysis.options), fields)
    return Finding(code, place=analysis.place(".".join(path)), values=values)


def _told(error: dict[str, Any], last: str, given: str, fields: list[str]) -> tuple[str, Values]:
    """The code and the values of the finding that one of pydantic's errors is; a method's own rules have their own."""
    kind, limits, found = str(error["type"]), error.get("ctx", {}), _shown(error["input"])
    if kind == "missing":
        return "missing_key", {"found": given, "expected": last}
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
