"""What a study file may say of a Cox model, and what of it does not fit together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PositiveFloat

from gagyo.finding import Finding
from gagyo.methods._sampling import faults_of_weights
from gagyo.methods._survival.episodes import Change, unused_faults
from gagyo.methods._survival.times import per_faults, time_faults
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study


class Options(BaseModel):
    """What a study file may say of a Cox model."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    """The event (a boolean) on the left, the columns of the model on the right."""
    time: str
    """How long each person was observed."""
    hospitals: Literal["strata", "pooled"] = "strata"
    """A baseline hazard for each hospital, on exact times; or one for all, on the agreed grid of times, which goes with
    neither `weights` nor the test of proportional hazards, nor with `changes` that are several or beside an `entry`."""
    times: list[PositiveFloat] = []
    """The grid's times, for a pooled fit; empty for a grid as fine as the minimum of people allows."""
    entry: str = ""
    """The time at which each person came under observation, where that is not zero (left truncation). All pooled models
    of a cohort and time have the same."""
    strata: str = ""
    """A variable with levels that divides each hospital into further strata, or all hospitals together where they are
    pooled. All pooled models of a cohort and time have the same."""
    weights: str = ""
    """A variable that says how much each person counts, such as the inverse of the probability of being sampled. Errors
    are then robust, and the model's test is Wald's; hazards are not tested to be proportional."""
    ties: Literal["efron", "breslow"] = "efron"
    robust: bool = False
    """Lin and Wei's standard errors instead of the model's."""
    proportional: Literal["identity", "log", "none"] = "identity"
    """The transform of time in the test of proportional hazards; a pooled fit has none."""
    changes: dict[str, Change] = {}
    """Covariates by name that are 0 until a person's own time and 1 after it; a person without a time never changes.
    All pooled models of a cohort and time have the same."""
    per: dict[str, PositiveFloat] = {}
    """By column of the model, the increment that its hazard ratio is given for; 1 where none is stated."""


def faults(options: Options, formula: Formula, analysis: Analysis, study: Study, known: Study) -> list[Finding]:
    """All that does not fit together; `study` has each change as a variable, `known` those of the file alone."""
    named = {"time": options.time, "entry": options.entry, "strata": options.strata, "event": formula.outcome}
    findings = [*time_faults(analysis, known, **named), *unused_faults(analysis, formula, options.changes)]
    if not formula.intercept or not formula.terms:
        findings.append(Finding("cox_intercept", place=analysis.place("formula"), values={"found": formula.text}))
    findings += per_faults(analysis, formula.columns(study.variables)[1:], options.per)
    if not findings and options.proportional == "log" and study.variables[options.time].bounds[0] <= 0:
        found = {"found": f"{options.time}: {study.variables[options.time].bounds[0]:g}"}
        findings.append(Finding("cox_log_time", place=analysis.place("proportional"), values=found))
    if options.hospitals == "pooled":
        findings += _faults_of_pooling(options, analysis)
    if options.weights:
        findings += _faults_of_weights(options, formula, analysis, known)
    return findings + _unlike(options, analysis, study)


def _faults_of_pooling(options: Options, analysis: Analysis) -> list[Finding]:
    findings = []
    if options.weights:
        findings.append(Finding("cox_pooled", place=analysis.place("weights"), values={"found": "weights"}))
    if len(options.changes) > 1 or (options.changes and options.entry):
        found = ", ".join([*options.changes, *([f"entry: {options.entry}"] if options.entry else [])])
        findings.append(Finding("cox_pooled_changes", place=analysis.place("changes"), values={"found": found}))
    return findings


def _faults_of_weights(options: Options, formula: Formula, analysis: Analysis, known: Study) -> list[Finding]:
    times = {options.time, options.entry, options.strata, *(one.at for one in options.changes.values())}
    wrong = list(faults_of_weights(options.weights, {*formula.variables, *times}, analysis, known))
    if wrong:
        return wrong
    if "proportional" in options.model_fields_set and options.proportional != "none":
        values = {"found": f"proportional: {options.proportional}"}
        return [Finding("cox_weights_beside", place=analysis.place("proportional"), values=values)]
    return []


def _unlike(options: Options, analysis: Analysis, study: Study) -> list[Finding]:
    """Fits on a grid of one cohort's times that divide its people otherwise: of two divisions a few may follow."""
    if options.hospitals != "pooled":
        return []
    own = _division(options.model_dump())
    for name, one in study.analyses.items():
        also = one.method == "cox" and one.options.get("hospitals") == "pooled" and one.cohort == analysis.cohort
        if not also or one.options.get("time") != options.time:
            continue
        for option, other in _division(one.options).items():
            if own[option] != other:
                values = {"name": name, "option": option, "found": own[option] or "-", "expected": other or "-"}
                return [Finding("cox_pooled_unlike", place=analysis.place(option), values=values)]
    return []


def _division(options: Mapping[str, Any]) -> dict[str, str]:
    """By option what divides people's time on the grid."""
    at = sorted(str(dict(one).get("at", "")) for one in dict(options.get("changes") or {}).values())
    named = {option: str(options.get(option) or "") for option in ("entry", "strata")}
    return named | {"changes": ", ".join(at)}
