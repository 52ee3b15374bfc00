"""`gagyo site review withdraw`: take what was referred back before it is released; it then never leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("withdraw", help=say("site_review_withdraw.help"))(withdraw)


def withdraw(
    site_file: Annotated[Path, typer.Argument(help=say("site_check.site_file"))],
    review: Annotated[str, typer.Argument(help=say("site_review.review"))],
    key: Annotated[Path, typer.Option(help=say("site_review.key"))],
    note: Annotated[str, typer.Option(help=say("site_review.note"))] = "",
) -> None:
    """Withdraw, for good."""
    from gagyo.cli.reviewing import act, tell

    _, stands = act(site_file, review, key, "withdraw", note=note)
    tell(stands)
