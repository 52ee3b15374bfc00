"""`gagyo hub members`: who is enrolled, waits, was invited or revoked, with fingerprints and last calls."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("members", help=say("hub.members.help"))(members)


def members(
    folder: Annotated[Path, typer.Option("--hub", metavar="DIR", help=say("hub.folder"))] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """List them."""
    from gagyo.exchange.hub_folder import HubFolder
    from gagyo.exchange.operator import members as listed

    found = listed(HubFolder.open(folder))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    for one in found:
        typer.echo(line(one))


def line(one: dict[str, Any]) -> str:
    """One institution in a line."""
    values = {"name": one["name"], "country": one["country"], "role": say(f"hub.role.{one['role']}")}
    state = say(f"hub.state.{one['state']}")
    if one["state"] == "invited":
        return say("hub.members.invited", state=state, until=day(one["until"]), **values)
    seen = _seen(one)
    more = {"fingerprint": one["fingerprint"], "letters": one["letters"], "until": day(one["until"])}
    shown = say("hub.members.line", state=state, seen=seen, **values, **more)
    service = one.get("service")
    if not service:
        return shown
    told = say(f"hub.service.{service['state']}", plans=service["plans"])
    return shown + "\n  " + say("hub.service.line", told=told, since=moment(service["since"]))


def _seen(one: dict[str, Any]) -> str:
    """When it last called; a partner's institutions call there, and a hub that this one dials never calls."""
    if one["hub"]:
        return say("hub.members.elsewhere", hub=one["hub"])
    if one["dialled"]:
        return say("hub.members.dialled")
    return moment(one["last_seen"]) if one["last_seen"] else say("hub.members.never")


def day(seconds: int) -> str:
    """A time as a date."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def moment(seconds: int) -> str:
    """A time as date and time, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
