"""`gagyo site review vote`: a reviewer's signed vote on what would leave, after looking at it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("vote", help=say("site_review_vote.help"))(vote)


def vote(
    site_file: Annotated[Path, typer.Argument(help=say("site_check.site_file"))],
    review: Annotated[str, typer.Argument(help=say("site_review.review"))],
    verdict: Annotated[str, typer.Argument(help=say("site_review.verdict"))],
    key: Annotated[Path, typer.Option(help=say("site_review.key"))],
    reason: Annotated[str, typer.Option(help=say("site_review.reason"))] = "",
    note: Annotated[str, typer.Option(help=say("site_review.note"))] = "",
) -> None:
    """Vote."""
    from gagyo.cli.reviewing import act, check_words, tell

    check_words(verdict, reason)
    _, stands = act(site_file, review, key, "vote", verdict, reason, note)
    tell(stands)
