"""`gagyo evidence list`: the documents of a list, what each covers, and whether it is in force on a day."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gagyo.cli.speech import language, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from gagyo.governance.evidence import Evidence
    from gagyo.protocol.study import Study
    from gagyo.text import Text


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("list", help=say("evidence_list.help"))(show)


def show(
    file: Annotated[Path, typer.Argument(help=say("evidence_list.file"))],
    study: Annotated[Path | None, typer.Option(help=say("evidence_list.study"))] = None,
    as_of: Annotated[str, typer.Option(help=say("rules.as_of"), metavar="YYYY-MM-DD")] = "",
    pack: Annotated[list[Path] | None, typer.Option(help=say("rules.pack"))] = None,
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """Print each record with its state."""
    import json

    from gagyo.cli.rules import day_of
    from gagyo.governance.evidence import read_held
    from gagyo.governance.pack import own_packs, packs, words_of
    from gagyo.protocol.study import Study

    kinds = words_of((*packs(), *own_packs(pack or []))).evidence
    found, day = read_held(file, kinds), day_of(as_of)
    read = Study.read(study) if study else None
    if as_json:
        records = [{**one.to_json(), "state": state(one, read, day)} for one in found]
        typer.echo(json.dumps(records, ensure_ascii=False, indent=1))
        return
    for one in found:
        typer.echo("\n".join(_lines(one, kinds[one.kind].name, state(one, read, day))))


def state(one: Evidence, study: Study | None, day: date) -> str:
    """Where a document stands: for another study, not yet in force, expired, or in force."""
    if study is not None and not one.about(study):
        return "other_study"
    if day < one.start:
        return "not_yet"
    return "expired" if one.until is not None and one.until < day else "in_force"


def _lines(one: Evidence, kind: Text, where: str) -> Iterator[str]:
    from gagyo.result import Words

    day = one.start if where == "not_yet" else one.until
    things = ", ".join(name if name == "*" else Words(f"rules.thing.{name}").to(language()) for name in one.things)
    said = say(f"evidence_list.{where}", day=day)
    yield say("evidence_list.line", kind=kind, site=one.site, things=things, state=said)
    if one.issuer or one.number or one.issued:
        issued = one.issued.isoformat() if one.issued else ""
        yield say("evidence_list.by", issuer=one.issuer, number=one.number, issued=issued).rstrip()
    yield f"  {one.digest}" if one.digest else say("evidence_list.no_digest")
