"""`gagyo run`: run a study in this process, or over a hub; the same command takes up an interrupted run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gagyo.cli.speech import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gagyo.api import Finished
    from gagyo.cli.progress import Teller
    from gagyo.governance.approval import Statement
    from gagyo.governance.evidence import Evidence
    from gagyo.governance.pack import Pack


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run", help=say("run.help"))(run)


def run(
    study: Annotated[Path, typer.Argument(help=say("run.study"))],
    out: Annotated[Path, typer.Option(help=say("run.out"))],
    sites: Annotated[Path | None, typer.Option(help=say("run.sites"))] = None,
    hub: Annotated[Path | None, typer.Option(help=say("run.hub"))] = None,
    pack: Annotated[list[Path] | None, typer.Option(help=say("rules.pack"))] = None,
    evidence: Annotated[Path | None, typer.Option(help=say("rules.evidence"))] = None,
    approval: Annotated[list[Path] | None, typer.Option(help=say("run.approval"))] = None,
) -> None:
    """Run, report in three languages, and say where everything is."""
    from gagyo.cli.exits import STOPPED
    from gagyo.cli.progress import Teller
    from gagyo.governance.approval import read_statement
    from gagyo.governance.evidence import held_in
    from gagyo.governance.pack import own_packs
    from gagyo.report import write

    if (sites is None) == (hub is None):
        raise typer.BadParameter(say("run.where"), param_hint="--sites, --hub")
    own = own_packs(pack or [])
    held = held_in(evidence, own)
    signed = [read_statement(path) for path in approval or []]
    try:
        finished = _run(study, sites, hub, out, Teller(hub), held, own, signed)
    except KeyboardInterrupt:
        typer.echo(say("run.interrupted"), err=True)
        raise typer.Exit(130) from None
    for page in write(finished.document, out):
        typer.echo(page)
    typer.echo(say("run.done", out=out))
    if finished.stopped:
        raise typer.Exit(STOPPED)


def _run(
    study: Path,
    sites: Path | None,
    hub: Path | None,
    out: Path,
    teller: Teller,
    evidence: Sequence[Evidence],
    own: Sequence[Pack],
    approvals: Sequence[Statement],
) -> Finished:
    from gagyo.api import run_embedded, run_remote

    if hub is None:
        assert sites is not None
        return run_embedded(study, sites, out, teller.told, teller.ended, evidence, own, approvals)
    return run_remote(study, hub, out, teller.told, teller.ended, teller.states, evidence, own)
