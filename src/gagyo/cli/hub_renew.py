"""`gagyo hub renew`: a new server certificate from the hub's own authority; nobody has to do anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("renew", help=say("hub.renew.help"))(renew)


def renew(folder: Annotated[Path, typer.Argument(metavar="DIR", help=say("hub.folder"))]) -> None:
    """Renew."""
    from gagyo.exchange.certificates import expiry
    from gagyo.exchange.hub_folder import HubFolder
    from gagyo.exchange.hub_folder import renew as sign_again

    sign_again(folder)
    until = expiry(HubFolder.open(folder).certificate).date().isoformat()
    typer.echo(say("hub.renew.done", until=until))
