"""`gagyo site doctor`: whether this hospital's service can work, line by line, with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import language, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", help=say("site_doctor.help"))(doctor)


def doctor(
    site_file: Annotated[Path, typer.Argument(help=say("site_check.site_file"))],
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """Print each look; leave with 1 where one is a fault."""
    import json

    from gagyo.site.doctor import examine_site

    looks = list(examine_site(site_file))
    if as_json:
        told = [
            {"about": one.about, "state": one.state, "code": one.finding.code, "text": one.finding.text(language())}
            for one in looks
        ]
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        for one in looks:
            typer.echo(f"{say(f'site_doctor.{one.state}')}  {one.finding.text(language())}")
    if any(one.state == "fault" for one in looks):
        raise typer.Exit(1)
