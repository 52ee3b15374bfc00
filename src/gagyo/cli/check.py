"""`gagyo check`: everything that is wrong with a study file, at once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gagyo.cli.speech import language, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gagyo.finding import Finding
    from gagyo.protocol.study import Study


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check", help=say("check.help"))(check)


def check(
    study: Annotated[Path, typer.Argument(help=say("check.study"))],
    protocol: Annotated[list[Path] | None, typer.Option(help=say("check.protocol"))] = None,
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """Read the study file and each method's options; say what would leave each hospital."""
    from gagyo.errors import FileFault

    try:
        read = _checked(study)
        for one in protocol or []:
            _agree(one, study)
    except FileFault as fault:
        if not as_json:
            raise
        typer.echo(json.dumps(_record(fault.findings), ensure_ascii=False, indent=2))
        raise typer.Exit(1) from None
    typer.echo(json.dumps(_whole(read), indent=2) if as_json else _summary(read))
    if not as_json:
        for one in protocol or []:
            typer.echo(say("check.agrees", file=one))


def _agree(document: Path, study: Path) -> None:
    """Raise FileFault with everything in which a protocol document differs from the study file."""
    from gagyo.errors import check_none
    from gagyo.protocol.prose import check_prose

    check_none(check_prose(document, study))


def _checked(path: Path) -> Study:
    """The study, with its analyses' options looked at by the installed methods."""
    from gagyo.coordinator import planning
    from gagyo.errors import check_none
    from gagyo.protocol.study import Study

    sketch, found = Study.sketch(path)
    if sketch is not None and found:
        more = planning.check_analyses(sketch, found)
        check_none(sorted((*found, *more), key=lambda finding: finding.place.line or 0))
    study = Study.read(path)
    check_none(planning.check(study))
    return study


def _record(findings: Sequence[Finding]) -> dict[str, Any]:
    return {"ok": not findings, "findings": [finding.to_json(language()) for finding in findings]}


def _whole(study: Study) -> dict[str, Any]:
    """The record of a study without faults; with the rules' verdicts where it has a governance part."""
    if study.governance is None:
        return _record(())
    day, sites = _verdicts(study)
    return {**_record(()), "rules": {"day": day, "legal_advice": False, "sites": sites}}


def _summary(study: Study) -> str:
    counts = {"variables": len(study.variables), "cohorts": len(study.cohorts), "analyses": len(study.analyses)}
    from gagyo.cli.plan import sends_text
    from gagyo.coordinator.planning import make_plan

    sentence = say("check.ok", study=study.study, sites=", ".join(study.sites), **counts)
    # A plan that a rule forbids cannot be made: what would leave is shown all the same, and then why it may not.
    return "\n".join([sentence, *sends_text(make_plan(_without_rules(study))), *_rules(study)])


def _without_rules(study: Study) -> Study:
    return replace(study, governance=None)


def _rules(study: Study) -> list[str]:
    """The verdict for each hospital, and how much is missing."""
    if study.governance is None:
        return ["", say("check.no_rules", study=study.file)]
    from gagyo.text import translate

    day, sites = _verdicts(study)
    found = ["", say("check.rules", day=day, study=study.file)]
    for site, one in sites.items():
        verdict = translate(f"rules.verdict.{one['verdict']}", language())
        counts = {"documents": one["documents_missing"], "questions": one["facts_unknown"]}
        found.append("  " + say("check.rules_site", site=site, verdict=verdict, **counts))
    return found


def _verdicts(study: Study) -> tuple[str, dict[str, dict[str, Any]]]:
    """The day, and by hospital the verdict with how many documents are missing and facts unknown."""
    from gagyo.cli.rules import check_rules

    record = check_rules(study, date.today())
    sites = {}
    for site, one in record["sites"].items():
        documents = [need for need in record["needed"] if need["site"] == site and not need["lifts"]]
        questions = [asked for asked in record["questions"] if asked["site"] == site]
        sites[site] = {**one, "documents_missing": len(documents), "facts_unknown": len(questions)}
    return record["day"], sites
