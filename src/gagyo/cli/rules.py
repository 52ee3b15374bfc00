"""`gagyo rules`: what the law of Korea and China and the platform's policy say of a study, on a day."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gagyo.cli.speech import language, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gagyo.governance.pack import Pack
    from gagyo.protocol.study import Study
    from gagyo.report.rules import Sheet


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rules", help=say("rules.help"))(rules)


def rules(
    study: Annotated[Path, typer.Argument(help=say("run.study"))],
    as_of: Annotated[str, typer.Option(help=say("rules.as_of"), metavar="YYYY-MM-DD")] = "",
    site: Annotated[str, typer.Option(help=say("rules.site"))] = "",
    sites: Annotated[Path | None, typer.Option(help=say("rules.sites"))] = None,
    pack: Annotated[list[Path] | None, typer.Option(help=say("rules.pack"))] = None,
    evidence: Annotated[Path | None, typer.Option(help=say("rules.evidence"))] = None,
    out: Annotated[Path | None, typer.Option(help=say("rules.out"))] = None,
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """Check and print; the exit code says whether everything may go ahead."""
    from gagyo.cli.exits import NOT_YET
    from gagyo.governance.pack import own_packs
    from gagyo.protocol.study import Study

    read = Study.read(study)
    if site and site not in read.sites:
        raise typer.BadParameter(say("rules.no_site", found=site, expected=", ".join(read.sites)))
    record = check_rules(read, day_of(as_of), sites, own_packs(pack or []), evidence)
    shown = narrowed(record, site) if site else record
    typer.echo(json.dumps(shown, ensure_ascii=False, indent=2) if as_json else "\n".join(lines(shown)))
    if out is not None:
        from gagyo.report.rules import write_pages

        for page in write_pages(record, out):
            typer.echo(page, err=as_json)
    if any(one["verdict"] != "may_go_ahead" for one in shown["sites"].values()):
        raise typer.Exit(NOT_YET)


def day_of(text: str) -> date:
    """The day of `--as-of`; today where it is not given."""
    if not text:
        return date.today()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(say("rules.bad_day", found=text)) from None


def check_rules(
    study: Study, day: date, sites: Path | None = None, own: Sequence[Pack] = (), evidence: Path | None = None
) -> dict[str, Any]:
    """The record of a check. sites: a folder of site files, whose governance parts count as the hospitals' own word."""
    from gagyo.coordinator import planning
    from gagyo.errors import check_none
    from gagyo.governance.check import check
    from gagyo.governance.derive import given
    from gagyo.governance.document import document
    from gagyo.governance.evidence import held_in

    check_none(planning.check(study))
    what = given(study, planning.sends_of(study), _site_parts(sites) if sites else {})
    held = held_in(evidence, own)
    return document(what, check(what, day, held, own), held)


def _site_parts(folder: Path) -> dict[str, Any]:
    from gagyo.site.folder import site_files
    from gagyo.site.site_file import SiteFile

    read = map(SiteFile.read, site_files(folder))
    return {one.site: one.governance for one in read if one.governance is not None}


def narrowed(record: Mapping[str, Any], site: str) -> dict[str, Any]:
    """The record of one hospital."""
    lists = ("answers", "needed", "questions", "exported")
    parts = {name: [one for one in record[name] if one["site"] == site] for name in lists}
    named = {found["rule"] for one in parts["answers"] for found in one["outcomes"]}
    rules = {name: rule for name, rule in record["rules"].items() if name in named}
    return {**record, **parts, "rules": rules, "sites": {site: record["sites"][site]}}


# In words.


def lines(record: Mapping[str, Any]) -> Iterator[str]:
    """A check for a terminal: the answers, what is needed, what is unknown, and the packs that it was made by."""
    from gagyo.report.rules import Sheet

    sheet = Sheet(record, language())
    yield sheet.tell("title", study=record["study"], day=record["day"])
    yield sheet.tell("notice")
    for one in sheet.answers():
        yield from _answer(one, sheet)
    yield from _doubts(sheet)
    yield from _needed(sheet)
    yield from _questions(sheet)
    yield from _exported(sheet)
    yield from ("", *(f"{one['rule']}: {one['when']}." for one in sheet.warnings()))
    yield from (f"{pack['name']} {pack['version']} {pack['digest']}" for pack in record["packs"])


def _answer(one: Mapping[str, Any], sheet: Sheet) -> Iterator[str]:
    yield from ("", f"{one['sites']}: {one['things']} → {one['to']}")
    yield "  " + sheet.tell(f"verdict_long.{one['verdict']}")
    weights = [weight for weight in ("law", "platform", "own") if weight != "own" or one["own"] != "may_go_ahead"]
    yield "  " + "; ".join(f"{sheet.tell(weight)}: {sheet.tell('verdict.' + one[weight])}" for weight in weights)
    if one["gap"]:
        silent = sheet.tell("ask", list=one["asks"]) if one["asks"] else sheet.tell("gap_platform")
        yield f"  - {sheet.tell('gap_law')} {silent}"
    for _, rows in one["parts"]:
        for row in (row for row in rows if row["verdict"] not in ("", "may_go_ahead")):
            how = f"{sheet.tell('verdict.' + row['verdict'])}; {sheet.tell('basis.' + row['basis'])}"
            yield f"  - {row['id']} ({' '.join((row['instrument'], row['article'])).strip()}; {how})"


def _needed(sheet: Sheet) -> Iterator[str]:
    needed = sheet.needed()
    yield from ("", sheet.tell("still") if needed else sheet.tell("nothing_needed"))
    for who in needed:
        yield f"  {who['issuer']}"
        for one in who["documents"]:
            aside = f" [{sheet.tell('way_to_lift')}]" if one["lifts"] else ""
            takes = f" ({one['takes']})" if one["takes"] else ""
            yield f"    - {one['document']}{takes}{aside}: {one['sites']}"
            yield f"      {sheet.tell('asked_by')}: {one['why']}"


def _questions(sheet: Sheet) -> Iterator[str]:
    questions = sheet.questions()
    if questions:
        yield from ("", sheet.tell("questions"))
        yield from (
            f"    - {one['fact']}: {one['sites']}" + (f" [{one['why']}]" if one["why"] else "") for one in questions
        )


def _doubts(sheet: Sheet) -> Iterator[str]:
    if doubts := sheet.doubts():
        yield from ("", sheet.tell("doubts"))
        yield from (f"    - {one['text']} [{one['rule']}]" for one in doubts)


def _exported(sheet: Sheet) -> Iterator[str]:
    """The year's count of persons, for the thresholds of the exporter's law."""
    yield from ("", sheet.tell("exported"))
    for one in sheet.record["exported"]:
        counts = (
            f"{sheet.tell(way)}: {sheet.tell('not_known') if one[key] is None else one[key]}"
            for way, key in (("by_platform", "platform"), ("beside", "beside"))
        )
        yield f"    - {sheet.name(one['site'])}: {'; '.join(counts)}"
