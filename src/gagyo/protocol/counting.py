"""The study that only counts people, made of a study before its analyses are approved: which cohorts tell what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gagyo.protocol import cohort as cohorts
from gagyo.protocol.designs import SHAPES, Design
from gagyo.protocol.study import Cohort, Study
from gagyo.protocol.variables import Variable
from gagyo.protocol.written import read_entries
from gagyo.text import LANGUAGES, Text

SAID = ("gagyo", "title", "purpose", "lead", "period", "sites", "patience", "variables", "release", "notice")
"""What the counting study says as the study does; of its governance part too, whatever it states."""


@dataclass(frozen=True)
class Counting:
    """A counting study. steps: by cohort of the study, each condition with the cohort of who meets it and all before.

    parts: by design, the cohort of each of its parts.
    """

    study: Study
    steps: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def counting_of(study: Study, complete: Mapping[str, Iterable[str]]) -> Counting:
    """The counting study of a study. complete: by cohort, the variables that its analyses need.

    The cohorts themselves come first, and each has the analysis set that it will have: where two differ by a few people
    the gate lets out what was counted first.
    """
    written = {name: _as_written(one, complete[name]) for name, one in study.cohorts.items()}
    parts = {name: _parts(one, study, complete, written) for name, one in study.planning.items()}
    steps = {name: _steps(one, written) for name, one in study.cohorts.items()}
    plain = read_entries(study.source, study.file).plain()
    said = {key: plain[key] for key in (*SAID, "governance") if key in plain}
    said |= {"study": f"{study.study}-feasibility", "may_go_on_without": len(study.sites) - 1}
    text = json.dumps({**said, "cohorts": written, "analyses": {}}, ensure_ascii=False, indent=1)
    return Counting(Study.parse(text, study.file), steps, parts)


Written = dict[str, dict[str, Any]]


def _as_written(one: Cohort, complete: Iterable[str]) -> dict[str, Any]:
    return _cohort(str(one.where) if one.where else None, complete, one.label)


def _cohort(where: str | None, complete: Iterable[str] = (), label: Text | None = None) -> dict[str, Any]:
    said: dict[str, Any] = {"where": where, "complete": sorted(complete)}
    if label is not None and label.en:
        said["label"] = {language: label.to(language) for language in LANGUAGES}
    return said


def _parts(design: Design, study: Study, complete: Mapping[str, Iterable[str]], written: Written) -> dict[str, str]:
    """The cohorts of a design's parts; the cohort itself where no variable tells the parts. Adds them to `written`."""
    if not design.cohort:
        return {}
    where = study.cohorts[design.cohort].where
    names = {}
    for part, condition in _conditions(design, study.variables).items():
        text = f"({where}) and {condition}" if where else condition
        names[part] = _add(written, f"{design.cohort}__{part}", _cohort(text, complete[design.cohort]))
    return names or {"people": design.cohort}


def _conditions(design: Design, variables: Mapping[str, Variable]) -> dict[str, str]:
    """By part of a design, the condition of who is in it."""
    found = {}
    if event := design.variables.get("event"):
        found["events"] = f"{event} = true"
    own = design.variables.get(SHAPES[design.design].parts)
    if own is None or design.design == "prediction":
        return found
    levels = variables[own].levels
    values = [f"'{level.name}'" for level in levels] or ["false", "true"]
    first, second = (f"{own} = {value}" for value in values)
    pair = ("control", "treated") if SHAPES[design.design].parts == "group" else ("others", "cases")
    return {**found, pair[0]: first, pair[1]: second}


def _steps(one: Cohort, written: Written) -> tuple[tuple[str, str], ...]:
    """Everyone, then who meets the first condition, and so on; the last are the cohort's own people."""
    terms: tuple[Any, ...] = ()
    if one.where is not None:
        condition = one.where.condition
        terms = condition.terms if isinstance(condition, cohorts.Every) else (condition,)
    met = [cohorts.Every(terms[:number]) for number in range(1, len(terms))]
    wheres = [None, *(str(condition) for condition in met)][: len(terms)]
    made = [_add(written, f"{one.name}__step{number}", _cohort(where)) for number, where in enumerate(wheres)]
    names = [*made, one.name]
    return tuple(zip(["", *(str(term) for term in terms)], names, strict=True))


def _add(written: Written, name: str, cohort: dict[str, Any]) -> str:
    """Take in a cohort under a name that is not taken; the name of the same cohort where there is one."""
    for known, other in written.items():
        if (other["where"], other["complete"]) == (cohort["where"], cohort["complete"]):
            return known
    while name in written:
        name += "_"
    written[name] = cohort
    return name
