"""`gagyo rehearse`: a study on drawn people, before anyone is asked: what runs, what is withheld, what is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gagyo.cli.speech import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gagyo.rehearsal import Rehearsed
    from gagyo.rehearsal.rehearse import Budget

NEAR = 0.8
"""From this part of what the gate opens on, a study that grows may be stopped by it."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rehearse", help=say("rehearse.help"))(rehearse)


def rehearse(
    study: Annotated[Path, typer.Argument(help=say("check.study"))],
    out: Annotated[Path, typer.Option(help=say("rehearse.out"))],
    people: Annotated[int, typer.Option(min=1, help=say("rehearse.people"))] = 200,
    expect: Annotated[Path | None, typer.Option(help=say("rehearse.expect"))] = None,
    seed: Annotated[int, typer.Option(min=0, help=say("rehearse.seed"))] = 0,
) -> None:
    """Draw people, run the study on them, and say what it came to."""
    from gagyo.cli.exits import STOPPED
    from gagyo.cli.progress import Teller
    from gagyo.protocol.study import Study
    from gagyo.rehearsal import Expected
    from gagyo.rehearsal import rehearse as rehearsed
    from gagyo.report import write
    from gagyo.report.numbers import count

    read = Study.read(study)
    expected = Expected.read(expect, read, people) if expect else Expected.of(read, people)
    counted = ", ".join(f"{site} {count(number)}" for site, number in expected.people.items())
    typer.echo(say("rehearse.drawn", people=counted))
    teller = Teller()
    found = rehearsed(study, out, expected, seed, teller.told, teller.ended)
    pages = write(found.finished.document, found.finished.folder)
    typer.echo("\n".join([*_lines(found), "", *map(str, pages), say("rehearse.done", out=out)]))
    if found.finished.stopped:
        raise typer.Exit(STOPPED)


def _lines(found: Rehearsed) -> Iterator[str]:
    """Which rules kept numbers back; numbers that were opened, of those that the gate would open."""
    if found.kept_back:
        yield say("rehearse.kept_back")
        yield from (f"  {line} ({', '.join(sites)})" for line, sites in found.kept_back.items())
    yield say("rehearse.sums", spent=found.sums.spent, most=found.sums.most)
    site, most = max(found.each.items(), key=lambda one: _part(one[1]))
    yield say("rehearse.each", site=site, spent=most.spent, most=most.most)
    if max(_part(found.sums), _part(most)) >= NEAR:
        yield say("rehearse.near")


def _part(budget: Budget) -> float:
    return budget.spent / max(budget.most, 1)
