"""`gagyo export dossier`: everything about a finished run but its data and numbers, in a folder for an auditor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import language, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("dossier", help=say("export_dossier.help"))(dossier)


def dossier(
    run: Annotated[Path, typer.Argument(help=say("verify.out"))],
    out: Annotated[Path, typer.Option(help=say("export_dossier.out"))],
    ledger: Annotated[list[Path] | None, typer.Option(help=say("export_dossier.ledger"))] = None,
    evidence: Annotated[Path | None, typer.Option(help=say("rules.evidence"))] = None,
    pack: Annotated[list[Path] | None, typer.Option(help=say("rules.pack"))] = None,
) -> None:
    """Verify the run; check the rules where the study has a governance part; write."""
    from datetime import date

    from gagyo.api import export_dossier
    from gagyo.cli.rules import check_rules
    from gagyo.coordinator.dossier import Brought
    from gagyo.governance.evidence import held_in
    from gagyo.governance.pack import own_packs
    from gagyo.protocol.plan import read_plan

    own, today = own_packs(pack or []), date.today()
    held = held_in(evidence, own)
    study = read_plan(run / "plan.json").written
    checks = check_rules(study, today, None, own, evidence) if study.governance is not None else None
    told = export_dossier(run, out, Brought(held, checks, ledger or ()), language(), today)
    typer.echo(say("export_dossier.done", file=told))
