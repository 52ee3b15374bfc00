"""`gagyo site review submit`: hand what was referred to the reviewers, again with another note, which resets votes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("submit", help=say("site_review_submit.help"))(submit)


def submit(
    site_file: Annotated[Path, typer.Argument(help=say("site_check.site_file"))],
    review: Annotated[str, typer.Argument(help=say("site_review.review"))],
    key: Annotated[Path, typer.Option(help=say("site_review.key"))],
    note: Annotated[str, typer.Option(help=say("site_review.note"))] = "",
) -> None:
    """Submit; where that was done already, update."""
    from gagyo.cli.reviewing import act, review_at, tell
    from gagyo.governance.review import TRANSITIONS

    state = review_at(site_file, review).state
    _, stands = act(site_file, review, key, "submit" if (state, "submit") in TRANSITIONS else "update", note=note)
    tell(stands)
