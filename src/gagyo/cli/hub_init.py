"""`gagyo hub init`: make a hub's folder, with a certificate authority of its own unless a certificate is given."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init", help=say("hub.init.help"))(init)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=say("hub.folder"))],
    country: Annotated[str, typer.Option(help=say("hub.country"))],
    name: Annotated[str, typer.Option(help=say("hub.init.name"))] = "",
    url: Annotated[str, typer.Option(help=say("hub.init.url"))] = "https://127.0.0.1:8443",
    certificate: Annotated[Path | None, typer.Option(help=say("hub.init.certificate"))] = None,
    key: Annotated[Path | None, typer.Option(help=say("hub.init.key"))] = None,
) -> None:
    """Make the folder and say what comes next."""
    from gagyo.exchange.enrolment import fingerprint
    from gagyo.exchange.hub_folder import make_hub

    if (certificate is None) != (key is None):
        raise typer.BadParameter(say("hub.init.both"), param_hint="--certificate --key")
    folder = Path(os.path.abspath(folder))
    hub = make_hub(folder, country, name=name, url=url, certificate=certificate, key=key)
    typer.echo(say("hub.init.done", name=hub.name, folder=folder, url=hub.url))
    typer.echo(say("hub.fingerprint", fingerprint=fingerprint(hub.keys.public)))
    typer.echo(say("hub.init.next", folder=folder))
