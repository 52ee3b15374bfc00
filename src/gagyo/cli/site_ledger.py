"""`gagyo site ledger`: what left this hospital, receipt by receipt, for the people who answer for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gagyo.cli.speech import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gagyo.release.ledger import Entry

CHANNELS = frozenset({"each", "pooled", "masked", "masked_people", "people", "sealed", "close"})


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("ledger", help=say("site_ledger.help"))(ledger)


def ledger(
    site_file: Annotated[Path, typer.Argument(help=say("site_check.site_file"))],
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """Check the ledger's chain, then list it."""
    import json

    from gagyo.exchange.envelope import Keys
    from gagyo.release.ledger import check_chain, read
    from gagyo.site.folder import state_folder
    from gagyo.site.site_file import SiteFile

    SiteFile.read(site_file)
    folder = state_folder(site_file)  # only read: the service may be writing it now
    entries = list(read(folder / "ledger.jsonl")) if (folder / "ledger.jsonl").exists() else []
    check_chain(entries, Keys.open(folder / "keys").public)
    if as_json:
        typer.echo(json.dumps([_record(entry) for entry in entries], ensure_ascii=False, indent=1))
        return
    for line in lines(entries):
        typer.echo(line)
    if any(entry.record["channel"] == "pooled" and not entry.record["numbers"] for entry in entries):
        typer.echo(say("site_ledger.counted_once"))
    typer.echo(say("site_ledger.whole", links=len(entries)))


def lines(entries: Iterable[Entry]) -> Iterator[str]:
    """A line for each entry, under the digest of the plan that it is about."""
    plan = ""
    for entry in entries:
        if entry.record["plan"] not in ("", plan):
            plan = entry.record["plan"]
            yield say("plan.digest", digest=plan)
        yield _line(entry)


def _record(entry: Entry) -> dict[str, Any]:
    return {"sequence": entry.sequence, **entry.record}


def _line(entry: Entry) -> str:
    record = entry.record
    values = {"sequence": entry.sequence, "analysis": record["analysis"] or "-", "step": record["step"]}
    if record["outcome"] == "noted":
        return _noted(values, record["told"])
    if record["outcome"] in ("refused", "referred"):
        return say(f"site_ledger.{record['outcome']}", code=record["code"], **values)
    way = record["channel"] if record["channel"] in CHANNELS else "each"
    return say(f"site_ledger.{way}", numbers=record["numbers"], receiver=record["receiver"], **values)


def _verdicts(told: dict[str, Any]) -> Iterator[str]:
    for one in told["answers"]:
        yield f"{say('rules.thing.' + (one['thing'] or 'none'))}: {say('rules.verdict.' + one['verdict'])}"


def _noted(values: dict[str, Any], told: dict[str, Any]) -> str:
    """What people did: who, where the acts are open already."""
    from gagyo.result import Words

    if told["doing"] == "rotate":
        return say("site_ledger.keys", to=told["to"], **values)
    if told["doing"] == "check":
        key = "plan_check" if told.get("decides", True) else "plan_told"
        return say(f"site_ledger.{key}", day=told["day"], verdicts="; ".join(_verdicts(told)), **values)
    # Beside a withdrawal stand the approvals that it ends: their people did not withdraw.
    signed = [one for one in told.get("statements", ()) if one["decision"] == told["doing"]]
    people = ", ".join(one["person"] for one in [*told.get("acts", ()), *signed] if one["person"])
    if "review" not in told:
        line = say(f"site_ledger.plan_{told['doing']}", **values)
        line = say("site_ledger.by", line=line, people=people) if people else line
        return say("site_ledger.why", line=line, reason=told["reason"]) if "reason" in told else line
    doing = Words(f"review.doing.{told['doing']}")
    return say("site_ledger.review", review=told["review"], doing=doing, people=people or "-", **values)
