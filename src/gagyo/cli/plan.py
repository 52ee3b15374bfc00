"""`gagyo plan`: the plan of a study and its digest: what is approved, and what would leave each hospital."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gagyo.cli.speech import say

if TYPE_CHECKING:
    from gagyo.protocol.plan import Plan


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan", help=say("plan.help"))(plan)


def plan(
    study: Annotated[Path, typer.Argument(help=say("run.study"))],
    sites: Annotated[Path | None, typer.Option(help=say("plan.sites"))] = None,
    pack: Annotated[list[Path] | None, typer.Option(help=say("rules.pack"))] = None,
    evidence: Annotated[Path | None, typer.Option(help=say("rules.evidence"))] = None,
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """Print the plan, with the hospitals' keys where their folder is given."""
    from gagyo.api import open_hospitals, public_keys
    from gagyo.cli.rules import held_in, own_packs
    from gagyo.coordinator.planning import make_plan
    from gagyo.protocol.study import Study

    read = Study.read(study)
    keys = public_keys(read, open_hospitals(read, sites)) if sites else None
    own = own_packs(pack or [])
    made = make_plan(read, keys, held_in(evidence, own), own)
    typer.echo(made.to_bytes().decode() if as_json else plan_text(made))


def plan_text(plan: Plan) -> str:
    """A plan as a person reads it: digest, limits, and what each hospital would send."""
    lines = [say("plan.digest", digest=plan.digest)]
    if not plan.keys:
        lines.append(say("plan.draft"))
    lines.append(say("plan.limits", people=int(plan.limits["minimum_people"]), rounds=int(plan.limits["rounds"])))
    return "\n".join([*lines, *sends_text(plan)])


def sends_text(plan: Plan) -> list[str]:
    """What each hospital would send, analysis by analysis."""
    lines = []
    for name, analysis in plan.study.analyses.items():
        lines += ["", say("plan.analysis", name=name, method=analysis.method, cohort=analysis.cohort)]
        for sends in plan.sends[name]:
            way = "left_out" if sends["to"] == "left_out" else "each" if sends["each"] else "sum"
            values = {"step": sends["step"], "numbers": sends["numbers"], "rounds": sends["rounds"]}
            lines.append("  " + say(f"plan.sends_{way}", **values))
    return lines
