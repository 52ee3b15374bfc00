"""`gagyo hub invite`: a startup file for an institution, and the PIN that goes by another channel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from gagyo.cli.fresh import check_fresh
from gagyo.cli.speech import say

if TYPE_CHECKING:
    from gagyo.exchange.access import Role


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("invite", help=say("hub.invite.help"))(invite)


def invite(
    name: Annotated[str, typer.Argument(help=say("hub.institution"))],
    country: Annotated[str, typer.Option(help=say("hub.country"))],
    out: Annotated[Path, typer.Option(help=say("hub.invite.out"))],
    role: Annotated[str, typer.Option(help=say("hub.invite.role"), metavar="site|coordinator|hub")] = "site",
    folder: Annotated[Path, typer.Option("--hub", metavar="DIR", help=say("hub.folder"))] = Path("."),
) -> None:
    """Write the file, print the PIN."""
    from gagyo.exchange.enrolment import INVITATION_DAYS
    from gagyo.exchange.hub_folder import HubFolder
    from gagyo.exchange.operator import invite as write

    check_fresh(out)
    pin = write(HubFolder.open(folder), name, country, cast("Role", role), out)
    typer.echo(say("hub.invite.done", out=out, name=name, days=INVITATION_DAYS))
    typer.echo(say("hub.invite.pin", pin=pin))
