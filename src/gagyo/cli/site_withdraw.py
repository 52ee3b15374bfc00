"""`gagyo site withdraw`: withdraw this hospital's approval of a plan; it takes effect at the next request."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("withdraw", help=say("site_withdraw.help"))(withdraw)


def withdraw(
    site_file: Annotated[Path, typer.Argument(help=say("site_check.site_file"))],
    plan: Annotated[str, typer.Argument(help=say("site_withdraw.plan"))],
    approval: Annotated[list[Path] | None, typer.Option(help=say("site_approve.approval"))] = None,
) -> None:
    """Withdraw, for good: a withdrawn plan is not approved again."""
    from gagyo.governance.approval import read_statement
    from gagyo.site.decisions import withdraw
    from gagyo.site.folder import state_folder

    signed = [read_statement(path) for path in approval or []]
    typer.echo(say("site_withdraw.done", plan=withdraw(site_file, state_folder(site_file), plan, signed)))
