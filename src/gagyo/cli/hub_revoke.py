"""`gagyo hub revoke`: refuse an institution from its next call on, or take back an invitation that nobody used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("revoke", help=say("hub.revoke.help"))(revoke)


def revoke(
    name: Annotated[str, typer.Argument(help=say("hub.institution"))],
    folder: Annotated[Path, typer.Option("--hub", metavar="DIR", help=say("hub.folder"))] = Path("."),
) -> None:
    """Revoke; others go on undisturbed."""
    from gagyo.exchange.hub_folder import HubFolder
    from gagyo.exchange.operator import revoke as refuse

    came = refuse(HubFolder.open(folder), name)
    typer.echo(say("hub.revoke.done" if came else "hub.revoke.taken_back", name=name))
