"""`gagyo courier import`: take in the file that a person carried here; at a hospital, answer what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gagyo.cli.asking import agreed
from gagyo.cli.speech import say

if TYPE_CHECKING:
    from gagyo.exchange.courier import Trust
    from gagyo.exchange.parcel import Card


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import", help=say("courier_import.help"))(take_in)


def take_in(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=say("courier_import.file"))],
    hub: Annotated[Path | None, typer.Option(metavar="DIR", help=say("courier.hub"))] = None,
    site: Annotated[Path | None, typer.Option(metavar="SITE", help=say("courier.site"))] = None,
    told: Annotated[str, typer.Option("--fingerprint", metavar="TEXT", help=say("courier_import.fingerprint"))] = "",
) -> None:
    """Take in, and say how much of it was new and what to do next."""
    from gagyo.exchange.courier import Courier
    from gagyo.exchange.membership import Membership
    from gagyo.site import courier as at_site

    if (hub is None) == (site is None):
        raise typer.BadParameter(say("courier_import.where"), param_hint="--hub DIR, --site SITE")
    if site is not None:
        parcel, fresh = at_site.take_in(site, file, _asking(told))
    else:
        assert hub is not None
        with Courier(hub, Membership.open(hub)) as courier:
            parcel, fresh = courier.take_in(file, _asking(told))
    typer.echo(say("courier_import.done", name=parcel.sender.name, letters=len(parcel.letters), fresh=fresh))
    typer.echo(say("courier_import.next_lead") if site is None else say("courier_import.next_site", site=site))


def _asking(told: str) -> Trust:
    """Ask a person whether keys that are new here are the ones that the institution told by another channel."""

    def trust(card: Card, changed: bool) -> bool:
        from gagyo.exchange.enrolment import fingerprint, same_fingerprint

        values = {"name": card.name, "fingerprint": fingerprint(card.keys)}
        typer.echo(say("courier_import.changed" if changed else "courier_import.new", **values))
        return same_fingerprint(told, card.keys) if told else agreed(say("courier_import.ask"))

    return trust
