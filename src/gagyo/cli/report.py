"""`gagyo report`: the report of a finished run, in a language, as a page that opens offline."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from gagyo.cli.speech import asked, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report", help=say("report.help"))(report)


def report(
    out: Annotated[Path, typer.Argument(help=say("verify.out"))],
    form: Annotated[str, typer.Option("--format", help=say("report.format"), metavar="html")] = "html",
) -> None:
    """Write the report again from results.json: in the language asked for, or in all three."""
    from gagyo.errors import FileFault
    from gagyo.report import write
    from gagyo.text import LANGUAGES

    path = out / "results.json"
    if not path.exists():
        raise FileFault.of("no_run", found=str(out), expected="results.json")
    if form != "html":
        raise typer.BadParameter(say("usage.not_one_of", found=form, expected="html"), param_hint="--format")
    wanted = [one for one in LANGUAGES if asked() in ("", one)]
    try:
        pages = write(json.loads(path.read_bytes()), out, wanted)
    except (ValueError, LookupError, TypeError, AttributeError):
        # Cut off or edited, or its texts have other names in this version.
        raise FileFault.of("results_unreadable", found=str(path), expected=version("gagyo")) from None
    for page in pages:
        typer.echo(page)
