"""`gagyo approve`: sign an approval of a plan at a hospital, or its withdrawal, in one's role; it writes a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gagyo.cli.asking import check_agreed
from gagyo.cli.fresh import check_fresh
from gagyo.cli.speech import say

if TYPE_CHECKING:
    from gagyo.governance.approval import Statement
    from gagyo.protocol.plan import Plan


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("approve", help=say("approve.help"))(approve)


def approve(
    plan: Annotated[str, typer.Argument(help=say("approve.plan"))],
    key: Annotated[Path, typer.Option(help=say("approve.key"))],
    out: Annotated[Path, typer.Option(help=say("approve.out"))],
    until: Annotated[str, typer.Option(help=say("approve.until"), metavar="YYYY-MM-DD")] = "",
    start: Annotated[str, typer.Option("--from", help=say("approve.start"), metavar="YYYY-MM-DD")] = "",
    site: Annotated[str, typer.Option(help=say("approve.site"))] = "",
    site_file: Annotated[Path | None, typer.Option(help=say("approve.site_file"))] = None,
    data: Annotated[str, typer.Option(help=say("approve.data"))] = "",
    analysis: Annotated[list[str] | None, typer.Option(help=say("approve.analysis"))] = None,
    conditions: Annotated[str, typer.Option(help=say("approve.conditions"))] = "",
    withdraw: Annotated[bool, typer.Option("--withdraw", help=say("approve.withdraw"))] = False,
    yes: Annotated[bool, typer.Option("--yes", help=say("site_approve.yes"))] = False,
) -> None:
    """Show the plan and the statement, ask, sign, and write."""
    from gagyo.cli.approval_key import passphrase
    from gagyo.governance.approval import sign
    from gagyo.governance.role_key import RoleKey

    check_fresh(out)
    about = _about(plan, site, site_file, data)
    draft = _draft(about, (start, until), tuple(analysis or ()), conditions, withdraw)
    holder = RoleKey.read(key, passphrase())
    signed = sign(draft, holder)
    _check_data(signed)
    if not yes:
        typer.echo((_plan_text(about.plan) + "\n\n" if about.plan else "") + statement_text(signed))
        check_agreed(say("approve.ask"))
    out.write_bytes(signed.to_bytes())
    typer.echo(say("approve.done_withdraw" if withdraw else "approve.done", file=out))


@dataclass(frozen=True)
class About:
    """What is signed for. `plan`: the plan itself, None where only its digest is known."""

    digest: str
    site: str
    data: str
    plan: Plan | None


def _about(plan: str, site: str, site_file: Path | None, data: str) -> About:
    """The plan of a file, of a hospital's inbox, or of a whole digest, and the hospital."""
    from gagyo.protocol.plan import read_plan

    if site_file is not None:
        return _at_hospital(plan, site_file)
    if not site:
        raise typer.BadParameter(say("approve.no_site"), param_hint="--site, --site-file")
    if _is_digest(plan):
        return About(plan, site, data, None)
    read = read_plan(Path(plan))
    if site not in read.study.sites:
        raise typer.BadParameter(say("rules.no_site", found=site, expected=", ".join(read.study.sites)))
    return About(read.digest, site, data, read)


def _at_hospital(plan: str, site_file: Path) -> About:
    """At the hospital itself: its plan, its name and its data as they are now."""
    from gagyo.protocol.plan import read_plan
    from gagyo.site.folder import state_folder
    from gagyo.site.inbox import Inbox
    from gagyo.site.keyed_digests import present_data
    from gagyo.site.site_file import SiteFile

    folder = state_folder(site_file)
    if Path(plan).is_file():
        read = read_plan(Path(plan))
    else:
        box = Inbox(folder / "inbox.sqlite")
        try:
            read = box.plan(plan).read()
        finally:
            box.close()
    return About(read.digest, SiteFile.read(site_file).site, present_data(site_file, folder, read.study), read)


def _is_digest(text: str) -> bool:
    import re

    return re.fullmatch(r"sha256:[0-9a-f]{64}", text) is not None


def _draft(
    about: About, days: tuple[str, str], analyses: tuple[str, ...], conditions: str, withdraw: bool
) -> Statement:
    from datetime import date

    from gagyo.cli.rules import day_of
    from gagyo.governance.approval import EVERY, Statement

    start = day_of(days[0])
    if not days[1] and not withdraw:
        raise typer.BadParameter(say("approve.no_until"), param_hint="--until")
    until = day_of(days[1]) if days[1] else start
    if until < max(start, date.min if withdraw else date.today()):
        raise typer.BadParameter(say("approve.bad_until", found=until), param_hint="--until")
    known = list(about.plan.study.analyses) if about.plan else list(analyses)
    for name in analyses:
        if name not in known:
            raise typer.BadParameter(say("approve.no_analysis", found=name, expected=", ".join(known)))
    return Statement(
        plan=about.digest,
        site=about.site,
        role="custodian",
        person="",
        start=start.isoformat(),
        until=until.isoformat(),
        key="",
        decision="withdraw" if withdraw else "approve",
        scope=analyses or (EVERY,),
        conditions=conditions,
        data=about.data,
    )


def _check_data(signed: Statement) -> None:
    if signed.role == "custodian" and signed.decision == "approve" and not signed.data:
        raise typer.BadParameter(say("approve.no_data"), param_hint="--site-file, --data")


def _plan_text(plan: Plan) -> str:
    from gagyo.cli.plan import plan_text

    return plan_text(plan)


def statement_text(one: Statement) -> str:
    """A statement as a person reads it."""
    from gagyo.governance.approval import EVERY
    from gagyo.result import Words

    lines = [
        say(f"approve.{one.decision}s", role=Words(f"approval.role.{one.role}"), person=one.person, site=one.site),
        say("approve.of", plan=one.plan),
    ]
    if one.decision == "approve":
        lines.append(say("approve.days", start=one.start, until=one.until))
        scope = say("approve.every") if EVERY in one.scope else ", ".join(one.scope)
        lines.append(say("approve.scope", scope=scope))
        lines.append(say("approve.on_data", data=one.data) if one.data else say("approve.any_data"))
    if one.conditions:
        lines.append(say("approve.on_conditions", conditions=one.conditions))
    return "\n".join([*lines, say("approve.by_key", public=one.key)])
