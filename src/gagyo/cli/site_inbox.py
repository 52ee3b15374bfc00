"""`gagyo site inbox`: the plans that came to this hospital, and what one of them would have it send."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gagyo.cli.speech import language, say, stands

if TYPE_CHECKING:
    from gagyo.site.inbox import Proposed


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("inbox", help=say("site_inbox.help"))(inbox)


def inbox(
    site_file: Annotated[Path, typer.Argument(help=say("site_check.site_file"))],
    plan: Annotated[str, typer.Argument(help=say("site_inbox.plan"))] = "",
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """List, or show one plan whole."""
    import json

    from gagyo.site.folder import state_folder
    from gagyo.site.inbox import Inbox

    box = Inbox(state_folder(site_file) / "inbox.sqlite")
    found = [box.plan(plan)] if plan else box.plans()
    box.close()
    if as_json:
        typer.echo(json.dumps([_record(one) for one in found], ensure_ascii=False, indent=1))
    elif plan:
        typer.echo(plan_text(found[0]))
    else:
        lines = [_line(one) for one in found] or [say("site_inbox.empty")]
        typer.echo("\n".join(lines))


def _record(one: Proposed) -> dict[str, Any]:
    return {
        **{name: getattr(one, name) for name in ("plan", "study", "coordinator", "state", "reason", "came", "changed")},
        "name": one.read().study.study,
    }


def _line(one: Proposed) -> str:
    study = one.read().study
    state = stands(one.state, one.reason)
    values = {"plan": one.plan, "title": study.title.to(language()), "lead": study.lead.organisation}
    return say("site_inbox.line", came=_day(one.came), state=state, **values)


def plan_text(one: Proposed) -> str:
    """A plan as a person reads it before deciding: who, what for, whose keys, what would leave."""
    from gagyo.cli.plan import asked_text, keys_text, sends_text
    from gagyo.text import translate

    plan = one.read()
    study = plan.study
    people = {"lead": study.lead.name, "organisation": study.lead.organisation, "country": study.lead.country}
    lines = [
        study.title.to(language()),
        say("site_inbox.state", state=stands(one.state, one.reason)),
    ]
    lines += [say("plan.digest", digest=one.plan), say("site_inbox.lead", **people)]
    lines.append(say("site_inbox.purpose", purpose=translate(f"report.purpose.{study.purpose}", language())))
    lines.append(say("site_inbox.period", start=study.period.start, until=study.period.until))
    lines.append(say("plan.limits", people=int(plan.limits["minimum_people"]), rounds=int(plan.limits["rounds"])))
    return "\n".join([*lines, *asked_text(plan), *keys_text(plan), *sends_text(plan)])


def _day(seconds: float) -> str:
    """A time as the hub tells it, in UTC: people compare both over a border."""
    return time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(seconds))
