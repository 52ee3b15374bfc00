"""Makes a study exact: which methods in which version, whose keys, which limits, and what each hospital would send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gagyo.errors import FileFault, check_none
from gagyo.exchange.envelope import PublicKeys
from gagyo.federation.line import Line
from gagyo.federation.local import method_module, method_names, source_digest
from gagyo.finding import Finding, Place
from gagyo.protocol.plan import Plan
from gagyo.protocol.study import Study, check_options
from gagyo.release.limits import Limits


def check(study: Study) -> list[Finding]:
    """What is wrong with a study's analyses, beyond what reading the file found."""
    models = {name: method_module(name).Method.Options for name in method_names()}
    findings = check_options(study, models)
    limits = limits_of(study)
    if len(study.sites) < limits.hospitals:
        found = {"found": len(study.sites), "expected": limits.hospitals}
        findings.append(Finding("too_few_sites", place=Place(path="sites"), values=found))
    if findings:
        return findings
    try:
        Line(study)
    except FileFault as fault:
        findings.extend(fault.findings)
    return findings


def limits_of(study: Study) -> Limits:
    """The gate's limits as the study sets them; a hospital's policy can only tighten them."""
    return Limits(minimum_people=study.release.minimum_people)


def make_plan(study: Study, keys: Mapping[str, PublicKeys] | None = None) -> Plan:
    """The plan of a study; without `keys` it is a draft that nobody can run.

    Raises:
        FileFault: with everything that is wrong.
    """
    check_none(check(study))
    line = Line(study)
    sends = {name: tuple(asdict(one) for one in method.sends()) for name, method in line.methods.items()}
    used = sorted({analysis.method for analysis in study.analyses.values()})
    return Plan(
        text=study.source,
        keys={name: asdict(public) for name, public in sorted((keys or {}).items())},
        methods={name: source_digest(name) for name in used},
        limits=_limits(limits_of(study)),
        sends=sends,
    )


def _limits(limits: Limits) -> dict[str, Any]:
    return asdict(limits)
