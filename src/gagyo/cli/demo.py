"""`gagyo demo`: the main job on real data, from site files to reports in three languages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gagyo.cli.speech import language, say

if TYPE_CHECKING:
    from gagyo.api import Finished

RULES = "rules"
HOSPITALS = "hospitals"
MOST_LINES = 20
"""Estimates that are told at the end; the others are in the report."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", help=say("demo.help"))(demo)


def demo(
    name: Annotated[str, typer.Argument(help=say("demo.name"))] = "breast",
    out: Annotated[Path | None, typer.Option(help=say("demo.out"))] = None,
    data: Annotated[Path | None, typer.Option(help=say("demo.data"))] = None,
    url: Annotated[str, typer.Option(help=say("demo.url"))] = "",
) -> None:
    """Write a study and its hospitals, run it, report it."""
    from gagyo.api import run_embedded
    from gagyo.cli.exits import STOPPED
    from gagyo.cli.progress import Teller
    from gagyo.demo import NAMES, prepare
    from gagyo.report import write

    if name == RULES:
        _rules(out or Path("demo-out") / RULES)
        return
    if name not in (*NAMES, HOSPITALS):
        raise typer.BadParameter(say("demo.unknown", found=name, expected=", ".join((*NAMES, HOSPITALS, RULES))))
    folder = out or Path("demo-out") / name
    teller = Teller()
    if name == HOSPITALS:
        from gagyo.demo.hospitals import run

        finished = run(folder, teller.told, teller.ended, teller.states)
    else:
        options = {key: value for key, value in (("data", data), ("url", url)) if value} if name == "heart" else {}
        study, hospitals = prepare(name, folder, **options)
        finished = run_embedded(study, hospitals, folder, teller.told, teller.ended)
    pages = write(finished.document, finished.folder)
    typer.echo(_headline(finished))
    for page in pages:
        typer.echo(page)
    typer.echo(say("run.done", out=finished.folder))
    if finished.stopped:
        raise typer.Exit(STOPPED)


def _rules(folder: Path) -> None:
    """Six studies under the rules of both countries: nothing is run, pages are written."""
    from datetime import date

    from gagyo.demo.rules import write

    for page in write(folder, date.today()):
        typer.echo(page)


def _headline(finished: Finished) -> str:
    """The headline numbers of the last analysis, one a line."""
    from gagyo.result import Estimate

    def line(one: Estimate) -> str:
        limits = "" if one.lower is None or one.upper is None else f" ({one.lower:.3f}, {one.upper:.3f})"
        return f"  {one.label.to(language())}: {one.value:.3f}{limits}"

    last = list(finished.results.values())[-1:]
    known = [one for result in last for one in result.estimates if one.value is not None]
    return "\n".join(line(one) for one in known[:MOST_LINES])
