"""`gagyo site refuse`: refuse a plan that came to this hospital, with a reason that its coordinator reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("refuse", help=say("site_refuse.help"))(refuse)


def refuse(
    site_file: Annotated[Path, typer.Argument(help=say("site_check.site_file"))],
    plan: Annotated[str, typer.Argument(help=say("site_inbox.plan"))],
    reason: Annotated[str, typer.Option(help=say("site_refuse.reason"))] = "",
) -> None:
    """Refuse."""
    from gagyo.site.decisions import take
    from gagyo.site.folder import state_folder

    typer.echo(say("site_refuse.done", plan=take(site_file, state_folder(site_file), "refuse", plan, reason).plan))
