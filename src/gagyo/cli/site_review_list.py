"""`gagyo site review list`: what was referred to people at this hospital, and how each review stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gagyo.cli.speech import say

if TYPE_CHECKING:
    from gagyo.governance.review import Review


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("list", help=say("site_review_list.help"))(listing)


def listing(
    site_file: Annotated[Path, typer.Argument(help=say("site_check.site_file"))],
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """List all; what waits for somebody comes with whom it waits for."""
    import json

    from gagyo.cli.reviewing import reviews_at

    found = reviews_at(site_file)
    if as_json:
        typer.echo(json.dumps([_record(one) for one in found], ensure_ascii=False, indent=1))
        return
    typer.echo("\n".join([_line(one) for one in found] or [say("site_review_list.empty")]))


def _record(one: Review) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("review", "plan", "kind", "analysis", "state", "version", "reason")}


def _line(one: Review) -> str:
    from gagyo.result import Words

    about = Words(f"review.kind.{one.kind}", {"analysis": one.analysis})
    return say("site_review_list.line", review=one.review, about=about, state=Words(f"review.state.{one.state}"))
