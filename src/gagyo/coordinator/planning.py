"""Makes a study exact: which methods in which version, whose keys, which limits, and what each hospital would send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from gagyo.errors import FileFault, check_none
from gagyo.exchange.envelope import PublicKeys
from gagyo.federation.line import Line
from gagyo.federation.local import method_module, method_names, source_digest
from gagyo.federation.method import read_method
from gagyo.finding import Finding, Place
from gagyo.governance.bounds import bounds_over
from gagyo.governance.check import Bounds
from gagyo.governance.derive import given, subjects
from gagyo.governance.evidence import Evidence
from gagyo.governance.pack import Pack
from gagyo.protocol.options import check_options
from gagyo.protocol.plan import Plan
from gagyo.protocol.study import Analysis, Study
from gagyo.release.limits import Limits
from gagyo.result import Words

if TYPE_CHECKING:
    from pydantic import BaseModel


def check(study: Study) -> list[Finding]:
    """What is wrong with a study's analyses, beyond what reading the file found."""
    findings = check_analyses(study)
    limits = limits_of(study)
    # Numbers of people are each hospital's own word: there is no sum that would need others.
    if len(study.sites) < limits.hospitals and not study.counts_only:
        found = {"found": len(study.sites), "expected": limits.hospitals}
        findings.append(Finding("too_few_sites", place=Place(path="sites"), values=found))
    if findings:
        return findings
    try:
        Line(study)
    except FileFault as fault:
        findings.extend(fault.findings)
    return findings


def check_analyses(study: Study, found: Sequence[Finding] = ()) -> list[Finding]:
    """What is wrong with each analysis by itself, of all of them at once.

    found: what reading the file found. An analysis is left alone where it, or one that it takes its model from, has a
    fault already, and all are where a variable has one: what would be said of them may only follow from that.
    """
    unsure = any(one.place.path.startswith("variables") for one in found)
    findings = check_options(study, _Models(), formulas=not unsure)
    faulty = {name for one in (*found, *findings) for name in study.analyses if _is_of(one, name)}
    for name, analysis in study.analyses.items():
        if unsure or name in faulty or faulty & {one for one in analysis.options.values() if isinstance(one, str)}:
            continue
        try:
            needs = read_method(analysis, study).needs
        except FileFault as fault:
            findings += [one for one in fault.findings if one not in findings]
        else:
            findings += list(_later(analysis, needs, list(study.analyses)))
    return sorted(findings, key=lambda finding: finding.place.line or 0)


def _later(analysis: Analysis, needs: Sequence[str], order: Sequence[str]) -> Iterator[Finding]:
    """Analyses run in the order of the file: one that starts from another's result comes after it."""
    for one in needs:
        if one in order and order.index(one) > order.index(analysis.name):
            option = next((key for key, value in analysis.options.items() if value == one), "")
            yield Finding("model_later", place=analysis.place(option), values={"found": one, "analysis": analysis.name})


def _is_of(finding: Finding, analysis: str) -> bool:
    return f"{finding.place.path}.".startswith(f"analyses.{analysis}.")


class _Models(Mapping[str, "type[BaseModel]"]):
    """The options of each installed method, by its name; only what a study uses is loaded."""

    def __getitem__(self, name: str) -> type[BaseModel]:
        options: type[BaseModel] = method_module(name).Method.Options
        return options

    def __contains__(self, name: object) -> bool:
        return name in method_names()

    def __iter__(self) -> Iterator[str]:
        return iter(method_names())

    def __len__(self) -> int:
        return len(method_names())


def limits_of(study: Study, bounds: Bounds | None = None) -> Limits:
    """The gate's limits: the strictest of the study and of the rules; a hospital's policy can only tighten them."""
    limits = Limits(minimum_people=study.release.minimum_people)
    return limits.stricter(bounds.minimum_people) if bounds else limits


def sends_of(study: Study) -> dict[str, tuple[dict[str, Any], ...]]:
    """What each hospital would send, by analysis."""
    return Line(study).sends


def bounds_of(study: Study, evidence: Sequence[Evidence] = (), own: Sequence[Pack] = ()) -> Bounds | None:
    """What the rules set over the whole time of a study; None where it has no governance part."""
    return bounds_over(given(study, sends_of(study)), evidence, own) if study.governance else None


def make_plan(
    study: Study,
    keys: Mapping[str, PublicKeys] | None = None,
    evidence: Sequence[Evidence] = (),
    own: Sequence[Pack] = (),
) -> Plan:
    """The plan of a study; without `keys` it is a draft that nobody can run.

    evidence, own: documents held, and an operator's own packs, for the rules of a study with a governance part.

    Raises:
        FileFault: with everything that is wrong; also where a rule forbids what the study would send.
    """
    check_none(check(study))
    bounds = bounds_of(study, evidence, own)
    check_none(_shut(study, bounds) if bounds else [])
    limits = limits_of(study, bounds)
    sends = sends_of(replace(study, release=replace(study.release, minimum_people=limits.minimum_people)))
    used = sorted({analysis.method for analysis in study.analyses.values()})
    return Plan(
        text=study.source,
        keys={name: asdict(public) for name, public in sorted((keys or {}).items())},
        methods={name: source_digest(name) for name in used},
        limits=asdict(limits),
        sends=sends,
    )


def _shut(study: Study, bounds: Bounds) -> list[Finding]:
    """A finding for each kind of thing that the plan sends and that a rule forbids."""
    place = Place(path="governance")
    planned = {(one.site, one.thing) for one in subjects(given(study, sends_of(study))) if one.planned}
    shut = [(site, thing) for site, things in bounds.shut.items() for thing in things if (site, thing) in planned]
    return [
        Finding(
            "rules_forbidden",
            place=place,
            values={"site": site, "thing": Words(f"rules.thing.{thing}"), "found": thing},
        )
        for site, thing in shut
    ]
