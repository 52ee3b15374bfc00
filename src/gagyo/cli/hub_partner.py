"""`gagyo hub partner`: join the hub of another country, which this hub then dials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.asking import line
from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("partner", help=say("hub.partner.help"))(partner)


def partner(
    startup: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help=say("site_join.file"))],
    pin: Annotated[str, typer.Option(help=say("site_join.pin"))] = "",
    proxy: Annotated[str, typer.Option(help=say("site_join.proxy"))] = "",
    extra_ca: Annotated[str, typer.Option(help=say("site_join.extra_ca"))] = "",
    folder: Annotated[Path, typer.Option("--hub", metavar="DIR", help=say("hub.folder"))] = Path("."),
) -> None:
    """Enrol this hub there, and show the fingerprints to compare."""
    from gagyo.exchange.enrolment import fingerprint
    from gagyo.exchange.hub_folder import HubFolder
    from gagyo.exchange.operator import join_partner

    asked = pin or line(f"{say('site_join.ask_pin')}: ")
    joined = join_partner(HubFolder.open(folder), startup.read_bytes(), asked, proxy=proxy, extra_ca=extra_ca)
    typer.echo(say("hub.partner.done", hub=joined.hub_name, name=joined.name))
    typer.echo(say("site_join.own", fingerprint=fingerprint(joined.keys.public)))
    typer.echo(say("site_join.hub", fingerprint=fingerprint(joined.hub_keys)))
