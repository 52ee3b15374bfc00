"""`gagyo evidence add`: note a document that is held, by its digest, in a list that `gagyo rules --evidence` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("add", help=say("evidence_add.help"))(add)


def add(
    document: Annotated[Path, typer.Argument(help=say("evidence_add.document"))],
    to: Annotated[Path, typer.Option(help=say("evidence_add.to"))],
    kind: Annotated[str, typer.Option(help=say("evidence_add.kind"))],
    site: Annotated[str, typer.Option(help=say("evidence_add.site"))],
    thing: Annotated[list[str], typer.Option(help=say("evidence_add.thing"))],
    start: Annotated[str, typer.Option("--from", help=say("evidence_add.start"), metavar="YYYY-MM-DD")],
    study: Annotated[str, typer.Option(help=say("evidence_add.study"))],
    until: Annotated[str, typer.Option(help=say("evidence_add.until"), metavar="YYYY-MM-DD")] = "",
    issuer: Annotated[str, typer.Option(help=say("evidence_add.issuer"))] = "",
    number: Annotated[str, typer.Option(help=say("evidence_add.number"))] = "",
    issued: Annotated[str, typer.Option(help=say("evidence_add.issued"), metavar="YYYY-MM-DD")] = "",
    pack: Annotated[list[Path] | None, typer.Option(help=say("rules.pack"))] = None,
) -> None:
    """Compute the digest, and add the record; every fault of the list is told, and nothing is written then."""
    from gagyo.cli.rules import day_of
    from gagyo.governance.evidence import Evidence, append_held, digest_of, document_digest
    from gagyo.governance.pack import own_packs, packs, words_of
    from gagyo.protocol.study import Study

    scope = digest_of(Study.read(study)) if Path(study).is_file() else study
    one = Evidence(
        kind=kind,
        site=site,
        things=tuple(thing),
        start=day_of(start),
        until=day_of(until) if until else None,
        study=scope,
        digest=document_digest(document),
        issuer=issuer,
        number=number,
        issued=day_of(issued) if issued else None,
    )
    append_held(to, one, words_of((*packs(), *own_packs(pack or []))).evidence)
    typer.echo(say("evidence_add.done", file=to, kind=kind, digest=one.digest))
