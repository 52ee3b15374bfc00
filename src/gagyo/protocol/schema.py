"""JSON Schema (2020-12) of the study file and the site file, for editors; the readers say more, and say it better."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from gagyo.protocol.analytes import ANALYTES
from gagyo.protocol.declared import KINDS, LEVEL
from gagyo.protocol.designs import COMMON, NUMBERS, REGION, SHAPES, WORDS, Bound
from gagyo.protocol.encodings import ENCODINGS
from gagyo.protocol.governance import CHAPTERS, DATA, LEAVES, PARTY, STUDY, THINGS, Key
from gagyo.protocol.study import DURATION, FLOOR, LEAD, OPTIONAL, PERIOD, PURPOSES, REQUIRED, VERSION
from gagyo.protocol.written import COUNTRY, ID, NAME, SITE
from gagyo.text import LANGUAGES

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
DAY = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
LABEL: Schema = {"$ref": "#/$defs/label"}
TEXT = {"type": "string", "minLength": 1}
END: Schema = {"anyOf": [{"type": "number"}, DAY]}
SCALAR = {"type": ["string", "number", "boolean", "null"]}


def study_schema() -> Schema:
    """The schema of a study file."""
    properties = _study_properties()
    return {
        "$schema": DIALECT,
        "title": "Gagyo study file",
        **_table(properties, REQUIRED),
        "$defs": {"label": _label()},
    }


def site_schema() -> Schema:
    """The schema of a site file."""
    properties: Schema = {
        "site": _pattern(SITE),
        "country": _pattern(COUNTRY),
        "label": LABEL,
        "data": _data(),
        "person": {"type": ["string", "integer"]},
        "missing": _markers(),
        "variables": _named(_column(), NAME),
        "identical_rows": {"enum": ["keep", "drop"]},
        "absent": {"anyOf": [_list(_pattern(NAME)), _named(TEXT, NAME)]},
        "policy": _policy(),
        "governance": _party({}),
    }
    required = ("site", "country", "data", "variables")
    return {
        "$schema": DIALECT,
        "title": "Gagyo site file",
        **_table(properties, required),
        "$defs": {"label": _label()},
    }


# ── the study file ────────────────────────────────────────────────────────────────────────────────────────────────


def _study_properties() -> Schema:
    every: Schema = {
        "gagyo": {"enum": [VERSION, int(VERSION)]},
        "study": _pattern(ID),
        "title": LABEL,
        "notice": LABEL,
        "purpose": {"enum": list(PURPOSES)},
        "lead": _table({"name": TEXT, "organisation": TEXT, "country": _pattern(COUNTRY)}, LEAD),
        "period": _table({"from": DAY, "until": DAY}, PERIOD),
        "sites": {**_list(_pattern(SITE)), "minItems": 1, "uniqueItems": True},
        "may_go_on_without": {"type": "integer", "minimum": 0},
        "patience": _pattern(DURATION),
        "variables": {**_named(_variable(), NAME), "minProperties": 1},
        "cohorts": {**_named(_cohort(), NAME), "minProperties": 1},
        "analyses": _named(_analysis(), NAME),
        "release": _table({"minimum_people": {"type": "integer", "minimum": FLOOR}}),
        "seed": {"type": "integer", "minimum": 0, "maximum": 2**53},
        "governance": _governance(),
        "planning": _named(_design(), NAME),
    }
    return {key: every[key] for key in (*REQUIRED, *OPTIONAL)}


def _variable() -> Schema:
    properties = {
        "type": {"enum": list(KINDS)},
        "unit": {"type": ["string", "integer"], "description": "a UCUM code"},
        "range": {"type": "array", "prefixItems": [END, END], "items": False, "minItems": 2},
        "levels": {**_named(LABEL, LEVEL), "minProperties": 2},
        "label": LABEL,
        "analyte": {"enum": list(ANALYTES)},
        "description": LABEL,
    }
    needs = [_needs(("number", "integer", "date"), "range"), _needs(("category",), "levels")]
    return {**_table(properties, ("type", "label")), "allOf": needs}


def _needs(kinds: tuple[str, ...], key: str) -> Schema:
    """Variables of some kinds must have a key."""
    return {"if": {"properties": {"type": {"enum": list(kinds)}}}, "then": {"required": [key]}}


def _cohort() -> Schema:
    properties = {"where": {"type": ["string", "null"]}, "label": LABEL, "complete": _list(_pattern(NAME))}
    return {"anyOf": [{"type": "null"}, _table(properties)]}


def _analysis() -> Schema:
    """Each method has options of its own, which its own page describes."""
    properties = {"method": _pattern(NAME), "cohort": _pattern(NAME), "label": LABEL}
    return {"type": "object", "properties": properties, "required": ["method"]}


def _design() -> Schema:
    """Each design has keys of its own."""
    return {"anyOf": [_one_design(kind) for kind in SHAPES]}


def _one_design(kind: str) -> Schema:
    shape = SHAPES[kind]
    keys = ("design", *shape.needs, *shape.may, *COMMON, shape.parts)
    return _table(
        {key: {"const": kind} if key == "design" else _design_key(key) for key in keys}, keys[: 1 + len(shape.needs)]
    )


def _design_key(key: str) -> Schema:
    if key in WORDS:
        return {"enum": list(WORDS[key])}
    if key in NUMBERS:
        return _bounded(NUMBERS[key])
    if key == "regions":
        return {**_named(_bounded(NUMBERS["fraction"]), REGION), "minProperties": 2}
    return LABEL if key == "label" else _pattern(NAME)


def _bounded(bound: Bound) -> Schema:
    low = {} if bound.low == -inf else {"minimum" if bound.closed else "exclusiveMinimum": bound.low}
    high = {} if bound.high == inf else {"exclusiveMaximum": bound.high}
    return {"type": "integer" if bound.whole else "number", **low, **high}


# ── the site file ─────────────────────────────────────────────────────────────────────────────────────────────────


def _data() -> Schema:
    properties = {
        "connector": {"enum": ["csv", "parquet"]},
        "path": TEXT,
        # Editors offer these; other names of them, and capitals, are taken too.
        "encoding": {"anyOf": [{"enum": list(ENCODINGS)}, TEXT]},
        "delimiter": {"type": "string", "minLength": 1, "maxLength": 1},
        "header": {"type": "boolean"},
    }
    declared = {"if": {"properties": {"connector": {"const": "csv"}}}, "then": {"required": ["encoding"]}}
    return {**_table(properties, ("connector", "path")), **declared}


def _column() -> Schema:
    properties = {
        "column": {"type": ["string", "integer"]},
        "unit": {"type": ["string", "integer"], "description": "a UCUM code"},
        "scale": {"type": "number", "not": {"const": 0}},
        "missing": _markers(),
        "values": {"type": "object", "additionalProperties": SCALAR},
        "date_format": {"type": "string", "pattern": "%[Yy]"},
    }
    return _table(properties, ("column",))


def _policy() -> Schema:
    properties = {
        "minimum_people": {"type": "integer", "minimum": FLOOR},
        "methods": {"anyOf": [{"const": "all"}, _list(_pattern(SITE))]},
        "referral": _list(_pattern(SITE)),
        "independent_partners": _list(_pattern(SITE)),
        "feasibility": {"type": "integer", "minimum": 0},
        "automatic_approval": _list(_pattern(r"sha256:[0-9a-f]{64}")),
        "approvals": _approvals(),
        "rules": _table({"evidence": TEXT, "packs": _list(TEXT)}),
    }
    return _table(properties)


def _approvals() -> Schema:
    asked = ("custodian", "review_board", "data_protection", "lead")
    others = ("analyst", "site_engineer", "reviewer", "hub_operator", "auditor")
    keys = {role: _list(_pattern(r"[0-9a-f]{64}")) for role in (*asked, *others)}
    properties = {"required": {**_list({"enum": list(asked)}), "minItems": 1}, "roles": _table(keys)}
    properties["at_least"] = _table({role: {"type": "integer", "minimum": 1} for role in asked})
    properties["amendments"] = {"enum": ["sign_anew", "carry_over"]}
    return _table(properties, ("roles",))


def _markers() -> Schema:
    return {"anyOf": [SCALAR, _list(SCALAR)]}


# ── the governance part of both ───────────────────────────────────────────────────────────────────────────────────


def _governance() -> Schema:
    """What a study file states for the rules. Whatever is absent is unknown."""
    chapters = {name: {"anyOf": [{"const": "none"}, _table(_stated(keys))]} for name, keys in CHAPTERS.items()}
    party = _party({"country": _pattern(COUNTRY), "label": LABEL})
    leaves = {
        "what": {"enum": list(THINGS)},
        "from": _list(_pattern(SITE)),
        "to": _list(_pattern(SITE)),
        "people": {"type": "integer", "minimum": 0},
        **_stated(LEAVES),
    }
    return _table(
        {
            **_stated(STUDY),
            **chapters,
            "data": _table(_stated(DATA)),
            "parties": _named(party, SITE),
            "leaves": _list(_table(leaves, ("what", "from", "to"))),
        }
    )


def _party(beside: Schema) -> Schema:
    countries = {"anyOf": [{"const": "unknown"}, _pattern(COUNTRY), {**_list(_pattern(COUNTRY)), "minItems": 1}]}
    return _table({**beside, "controlled_by": countries, "data": _table(_stated(DATA)), **_stated(PARTY)})


def _stated(keys: Mapping[str, Key]) -> Schema:
    return {name: {"anyOf": [{"const": "unknown"}, _shape(key)]} for name, key in keys.items()}


def _shape(key: Key) -> Schema:
    shapes: dict[str, Schema] = {
        "bool": {"type": "boolean"},
        "count": {"type": "integer", "minimum": 0},
        "date": DAY,
        "enum": {"enum": list(key.names)},
        "set": _list({"enum": list(key.names)}),
    }
    return shapes[key.shape]


# ── shapes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _label() -> Schema:
    return _table(dict.fromkeys(LANGUAGES, TEXT), LANGUAGES)


def _table(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    table: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**table, "required": list(required)} if required else table


def _named(item: Schema, pattern: str) -> Schema:
    """A table whose keys the writer names."""
    return {"type": "object", "propertyNames": {"pattern": f"^{pattern}$"}, "additionalProperties": item}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _pattern(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^{pattern}$"}
