"""`gagyo site review show`: what would leave, shown to a person in a role; that it was looked at is recorded first."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gagyo.cli.speech import language, say

if TYPE_CHECKING:
    from gagyo.governance.review import Act, Review


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("show", help=say("site_review_show.help"))(show)


def show(
    site_file: Annotated[Path, typer.Argument(help=say("site_check.site_file"))],
    review: Annotated[str, typer.Argument(help=say("site_review.review"))],
    key: Annotated[Path, typer.Option(help=say("site_review.key"))],
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """Record the view, then show."""
    import json

    from gagyo.canonical import restore
    from gagyo.cli.reviewing import act
    from gagyo.site.folder import state_folder
    from gagyo.site.store import Store

    _, seen = act(site_file, review, key, "view")
    with closing(Store(state_folder(site_file) / "memory.sqlite")) as store:
        shown = restore(json.loads(store.shown(seen.review)))
    if as_json:
        told = {"review": seen.review, "state": seen.state, "shown": _plain(shown)}
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
        return
    typer.echo("\n".join([*_head(seen), *_numbers(seen, shown), "", *_done(seen)]))


def _head(seen: Review) -> list[str]:
    from gagyo.result import Words

    about = Words(f"review.kind.{seen.kind}", {"analysis": seen.analysis})
    state = Words(f"review.state.{seen.state}")
    return [say("site_review_list.line", review=seen.review, about=about, state=state), f"  {seen.plan}", ""]


def _numbers(seen: Review, shown: dict[str, Any]) -> list[str]:
    """What would leave: values by name, `*` where the gate withholds; or what the plan says of sums."""
    from gagyo.cli.plan import sent_text

    if seen.kind == "study":
        return [say("site_review_show.refusals", number=shown["refusals"])]
    if seen.kind == "analysis":
        return [say("site_review_show.sums"), *("  " + sent_text(one) for one in shown["sends"])]
    lines = [say("site_review_show.values")]
    for name, values in shown["values"].items():
        withheld = shown["withheld"][name].ravel()
        told = ["*" if gone else repr(float(value)) for value, gone in zip(values.ravel(), withheld, strict=True)]
        lines.append(f"  {name} {list(values.shape)}: {', '.join(told)}")
    return lines


def _done(seen: Review) -> list[str]:
    """Who did what; votes only once both are in."""
    from gagyo.governance.review import SHOWN

    hidden = seen.state not in SHOWN
    done = [one for one in seen.acts if one.doing != "view"]
    return [_line(one, hidden and one.doing == "vote" and one in seen.votes) for one in done]


def _line(one: Act, hidden: bool) -> str:
    from gagyo.result import Words

    if hidden:
        return say("site_review_show.hidden", at=_when(one.at))
    who = say("site_review_show.itself")
    if one.key:
        who = say("site_review_show.person", person=one.person, role=Words(f"approval.role.{one.role}"))
    words = [Words(f"review.doing.{one.verdict}")] if one.verdict else []
    words += [Words(f"review.reason.{one.reason}")] if one.reason else []
    rest = say("power.comma").join([*(word.to(language()) for word in words), *([one.note] if one.note else [])])
    told = {"at": _when(one.at), "doing": Words(f"review.doing.{one.doing}"), "who": who, "rest": rest}
    return say("site_review_show.done", **told).rstrip()


def _when(at: str) -> str:
    """In UTC to the minute, as every other time here."""
    from datetime import UTC, datetime

    return datetime.fromisoformat(at).astimezone(UTC).strftime("%Y-%m-%d %H:%MZ") if at else "-"


def _plain(shown: Any) -> Any:
    """Numbers as lists, null where withheld."""
    import math

    if isinstance(shown, dict):
        return {name: _plain(value) for name, value in shown.items()}
    if hasattr(shown, "tolist"):
        return _plain(shown.tolist())
    if isinstance(shown, list):
        return [_plain(one) for one in shown]
    return None if isinstance(shown, float) and math.isnan(shown) else shown
