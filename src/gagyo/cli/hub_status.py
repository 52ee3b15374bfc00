"""`gagyo hub status`: members, boxes, the line to the partner hub, and what expires within 30 days."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status", help=say("hub.status.help"))(status)


def status(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=say("hub.folder"))],
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """Show it."""
    from gagyo.cli.hub_members import day, line, moment
    from gagyo.exchange.hub_folder import HubFolder
    from gagyo.exchange.operator import status as look

    found = look(HubFolder.open(folder))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    typer.echo(say("hub.status.hub", name=found["hub"], country=found["country"], url=found["url"]))
    typer.echo(say("hub.status.boxes", letters=found["letters"], bytes=found["bytes"], **found["studies"]))
    for one in found["members"]:
        typer.echo(line(one))
    for hub, how in found["lines"].items():
        key = "up" if how["state"] == "up" else "down"
        typer.echo(say(f"hub.status.line_{key}", hub=hub, at=moment(how["at"]), code=how["state"]))
    for one in found["expiring"]:
        typer.echo(say(f"hub.status.expiring_{one['what']}", name=one["name"], until=day(one["until"])))
