"""`gagyo hub confirm`: let an institution in after its fingerprint was compared by telephone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.asking import check_agreed
from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("confirm", help=say("hub.confirm.help"))(confirm)


def confirm(
    name: Annotated[str, typer.Argument(help=say("hub.institution"))],
    said: Annotated[str, typer.Option("--fingerprint", help=say("hub.confirm.fingerprint"))] = "",
    folder: Annotated[Path, typer.Option("--hub", metavar="DIR", help=say("hub.folder"))] = Path("."),
) -> None:
    """Show the fingerprint and ask, unless it was given."""
    from gagyo.exchange.hub_folder import HubFolder
    from gagyo.exchange.operator import confirm as let_in
    from gagyo.exchange.operator import waiting_fingerprint

    hub = HubFolder.open(folder)
    if not said:
        shown = waiting_fingerprint(hub, name)
        typer.echo(say("hub.confirm.shown", name=name, fingerprint=shown))
        check_agreed(say("hub.confirm.ask"))
        said = shown
    let_in(hub, name, said)
    typer.echo(say("hub.confirm.done", name=name))
