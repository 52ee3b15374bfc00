"""`gagyo site approve`: approve a plan that came to this hospital, by its digest, after reading it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.asking import check_agreed
from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("approve", help=say("site_approve.help"))(approve)


def approve(
    site_file: Annotated[Path, typer.Argument(help=say("site_check.site_file"))],
    plan: Annotated[str, typer.Argument(help=say("site_inbox.plan"))],
    approval: Annotated[list[Path] | None, typer.Option(help=say("site_approve.approval"))] = None,
    yes: Annotated[bool, typer.Option("--yes", help=say("site_approve.yes"))] = False,
) -> None:
    """Show the plan, ask, and approve."""
    from gagyo.cli.approve import statement_text
    from gagyo.cli.site_inbox import plan_text
    from gagyo.governance.approval import read_statement
    from gagyo.site.decisions import take
    from gagyo.site.folder import state_folder
    from gagyo.site.inbox import Inbox

    folder = state_folder(site_file)
    box = Inbox(folder / "inbox.sqlite")
    proposed = box.plan(plan)
    box.close()
    signed = [read_statement(path) for path in approval or []]
    if not yes:
        typer.echo(plan_text(proposed))
        for one in signed:
            typer.echo("\n" + statement_text(one))
        check_agreed(say("site_approve.ask"))
    taken = take(site_file, folder, "approve", proposed.plan, statements=signed)
    typer.echo(say("site_approve.done", plan=taken.plan))
