"""`gagyo run`: run a study at hospitals in this process; the same command again takes up an interrupted run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run", help=say("run.help"))(run)


def run(
    study: Annotated[Path, typer.Argument(help=say("run.study"))],
    sites: Annotated[Path, typer.Option(help=say("run.sites"))],
    out: Annotated[Path, typer.Option(help=say("run.out"))],
    pack: Annotated[list[Path] | None, typer.Option(help=say("rules.pack"))] = None,
    evidence: Annotated[Path | None, typer.Option(help=say("rules.evidence"))] = None,
) -> None:
    """Run, report in three languages, and say where everything is."""
    from gagyo.api import run_embedded
    from gagyo.cli.exits import STOPPED
    from gagyo.cli.progress import Teller
    from gagyo.cli.rules import held_in, own_packs
    from gagyo.report import write

    teller = Teller()
    own = own_packs(pack or [])
    try:
        finished = run_embedded(study, sites, out, teller.told, teller.ended, held_in(evidence, own), own)
    except KeyboardInterrupt:
        typer.echo(say("run.interrupted"), err=True)
        raise typer.Exit(130) from None
    for page in write(finished.document, out):
        typer.echo(page)
    typer.echo(say("run.done", out=out))
    if finished.stopped:
        raise typer.Exit(STOPPED)
