"""`gagyo approvals`: every hospital's required roles beside each other, and what is still lacking."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gagyo.cli.speech import say

if TYPE_CHECKING:
    from datetime import date

    from gagyo.protocol.plan import Plan
    from gagyo.site.standing import Standing


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("approvals", help=say("approvals.help"))(approvals)


def approvals(
    plan: Annotated[Path, typer.Argument(help=say("approvals.plan"))],
    sites: Annotated[Path, typer.Option(help=say("approvals.sites"))],
    approval: Annotated[list[Path] | None, typer.Option(help=say("site_approve.approval"))] = None,
    as_of: Annotated[str, typer.Option(help=say("rules.as_of"), metavar="YYYY-MM-DD")] = "",
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """Print the matrix; the exit code says whether anything is lacking."""
    import json

    from gagyo.canonical import plain
    from gagyo.cli.exits import NOT_YET
    from gagyo.cli.rules import day_of
    from gagyo.governance.approval import read_statement
    from gagyo.protocol.plan import read_plan
    from gagyo.site.standing import standings

    read, brought = read_plan(plan), [read_statement(path) for path in approval or []]
    files = _files(sites, read.study.sites)
    day = day_of(as_of)
    found = {site: standings(file, read, day, brought) if file else None for site, file in files.items()}
    ruled = {site: _ruled(file, read, day) if file else None for site, file in files.items()}
    if as_json:
        told = {"plan": read.digest, "sites": plain(found), "rules": ruled}
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        lines = (_line(site, one, ruled[site], day) for site, one in found.items())
        typer.echo("\n".join([say("plan.digest", digest=read.digest), *lines]))
    lacking = any(one is None or any(role.state != "approved" for role in one) for one in found.values())
    if lacking or any(one not in (None, "may_go_ahead") for one in ruled.values()):
        raise typer.Exit(NOT_YET)


def _ruled(file: Path, plan: Plan, day: date) -> str | None:
    """What a hospital's own check of the rules says; None where its policy asks for none."""
    from gagyo.governance.check import strictest
    from gagyo.site.ruled import Ruled
    from gagyo.site.site_file import SiteFile

    own = Ruled.of(SiteFile.read(file), lambda: day)
    return strictest(one.verdict for one in own.on(plan).answers) if own else None


def _files(folder: Path, sites: tuple[str, ...]) -> dict[str, Path | None]:
    """By hospital, its site file; None where it is not in the folder, and its policy is unknown."""
    from gagyo.site.folder import site_files
    from gagyo.site.site_file import SiteFile

    known = {SiteFile.read(file).site: file for file in site_files(folder)}
    return {site: known.get(site) for site in sites}


def _line(site: str, found: tuple[Standing, ...] | None, ruled: str | None, day: date) -> str:
    from gagyo.result import Words

    if found is None:
        return say("approvals.unknown", site=site)
    cells = [say("approvals.ruled", day=day, verdict=Words(f"rules.verdict.{ruled}"))] if ruled else []
    if not found:
        return "; ".join([say("approvals.none_asked", site=site), *cells])
    for one in found:
        values = {"role": Words(f"approval.role.{one.role}"), "person": one.person, "until": one.until}
        reason = Words(f"egress.code_{one.state}") if one.state != "approved" else ""
        cells.append(
            say("approvals.given" if one.state == "approved" else "approvals.lacking", reason=reason, **values)
        )
    return f"{site}: " + "; ".join(cells)
