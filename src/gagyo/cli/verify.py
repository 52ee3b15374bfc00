"""`gagyo verify`: check a run's records and signatures, every result again, and that reports say the same."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify", help=say("verify.help"))(verify)


def verify(
    out: Annotated[Path, typer.Argument(help=say("verify.out"))],
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """Verify, and say what was checked."""
    from gagyo.api import verify as check
    from gagyo.coordinator.crate import METADATA
    from gagyo.coordinator.dossier import check_dossier

    if (out / METADATA).exists():
        files = check_dossier(out)
        typer.echo(json.dumps({"ok": True, "files": files}) if as_json else say("verify.dossier", files=files))
        return
    checked = check(out)
    if as_json:
        typer.echo(json.dumps({"ok": True, **asdict(checked)}))
        return
    typer.echo(say("verify.journal", links=checked.journal))
    for site, links in checked.ledgers.items():
        typer.echo(say("verify.ledger", site=site, links=links))
    for site, number in checked.people.items():
        typer.echo(say("verify.people", site=site, number=number))
    for site, receipts in checked.kept_there.items():
        typer.echo(say("verify.there", site=site, receipts=receipts))
    typer.echo(say("verify.results" if checked.exact else "verify.results_rounded", analyses=checked.analyses))
    if checked.reports:
        typer.echo(say("verify.reports", files=", ".join(checked.reports)))
