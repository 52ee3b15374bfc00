"""`gagyo site join`: make this institution's keys, bring the public halves to the hub; or replace the keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gagyo.cli.asking import line
from gagyo.cli.speech import say

if TYPE_CHECKING:
    from gagyo.exchange.membership import Membership


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("join", help=say("site_join.help"))(join)


def join(
    folder: Annotated[Path, typer.Option(metavar="DIR", help=say("site_join.folder"))],
    startup: Annotated[
        Path | None, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help=say("site_join.file"))
    ] = None,
    pin: Annotated[str, typer.Option(help=say("site_join.pin"))] = "",
    proxy: Annotated[str, typer.Option(help=say("site_join.proxy"))] = "",
    extra_ca: Annotated[str, typer.Option(help=say("site_join.extra_ca"))] = "",
    rotate: Annotated[bool, typer.Option("--rotate", help=say("site_join.rotate"))] = False,
) -> None:
    """Join, or rotate, and show the fingerprints to compare."""
    from gagyo.exchange import joining

    if rotate:
        from gagyo.site.rotation import rotate as replace_keys

        _show(replace_keys(folder), "rotated")
        return
    if startup is None:
        raise typer.BadParameter(say("site_join.no_file"), param_hint="FILE")
    asked = pin or line(f"{say('site_join.ask_pin')}: ")
    _show(joining.join(startup.read_bytes(), asked, folder, proxy=proxy, extra_ca=extra_ca), "done")


def _show(joined: Membership, what: str) -> None:
    from gagyo.exchange.enrolment import fingerprint

    typer.echo(say(f"site_join.{what}", name=joined.name, hub=joined.hub_name))
    typer.echo(say("site_join.own", fingerprint=fingerprint(joined.keys.public)))
    typer.echo(say("site_join.hub", fingerprint=fingerprint(joined.hub_keys)))
