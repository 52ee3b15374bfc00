"""`gagyo site review decide`: the custodian lets out what both reviewers approved, or rejects it, or gives it back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from gagyo.cli.speech import say

if TYPE_CHECKING:
    from gagyo.governance.review import Doing


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("decide", help=say("site_review_decide.help"))(decide)


def decide(
    site_file: Annotated[Path, typer.Argument(help=say("site_check.site_file"))],
    review: Annotated[str, typer.Argument(help=say("site_review.review"))],
    verdict: Annotated[str, typer.Argument(help=say("site_review.verdict"))],
    key: Annotated[Path, typer.Option(help=say("site_review.key"))],
    reason: Annotated[str, typer.Option(help=say("site_review.reason"))] = "",
    note: Annotated[str, typer.Option(help=say("site_review.note"))] = "",
) -> None:
    """Decide."""
    from gagyo.cli.reviewing import act, check_words, tell

    check_words(verdict, reason)
    _, stands = act(site_file, review, key, cast("Doing", verdict), reason=reason, note=note)
    tell(stands)
