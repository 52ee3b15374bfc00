"""`gagyo hub backup`: copy what cannot be made again, while the hub serves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backup", help=say("hub.backup.help"))(backup)


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=say("hub.folder"))],
    out: Annotated[Path, typer.Argument(help=say("hub.backup.out"))],
) -> None:
    """Copy."""
    from gagyo.exchange.hub_folder import HubFolder
    from gagyo.exchange.operator import backup as copy

    hub = HubFolder.open(folder)
    made = copy(hub, out)
    typer.echo(say("hub.backup.done", out=out, files=", ".join(path.name for path in made)))
    if hub.mailbox != "sqlite":
        typer.echo(say("hub.backup.database"))
