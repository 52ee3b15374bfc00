"""`gagyo plan`: the plan of a study and its digest: what is approved, and what would leave each hospital."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gagyo.cli.speech import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gagyo.protocol.amendment import Amendment, Change, Sending
    from gagyo.protocol.plan import Plan


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan", help=say("plan.help"))(plan)


def plan(
    study: Annotated[Path, typer.Argument(help=say("plan.study"))],
    sites: Annotated[Path | None, typer.Option(help=say("plan.sites"))] = None,
    pack: Annotated[list[Path] | None, typer.Option(help=say("rules.pack"))] = None,
    evidence: Annotated[Path | None, typer.Option(help=say("rules.evidence"))] = None,
    compare: Annotated[Path | None, typer.Option(help=say("plan.compare"), metavar="OLD_PLAN")] = None,
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """Print the plan, with the hospitals' keys where their folder is given."""
    from gagyo.protocol.plan import read_plan

    made = read_plan(study) if study.suffix == ".json" else _made(study, sites, pack or [], evidence)
    if compare is not None:
        _compare(read_plan(compare), made, as_json)
    else:
        typer.echo(made.to_bytes().decode() if as_json else plan_text(made))


def _made(study: Path, sites: Path | None, pack: list[Path], evidence: Path | None) -> Plan:
    """The plan of a study file."""
    from gagyo.api import open_hospitals, public_keys
    from gagyo.coordinator.planning import make_plan
    from gagyo.governance.evidence import held_in
    from gagyo.governance.pack import own_packs
    from gagyo.protocol.study import Study

    read = Study.read(study)
    keys = public_keys(read, open_hospitals(read, sites)) if sites else None
    own = own_packs(pack)
    return make_plan(read, keys, held_in(evidence, own), own)


def plan_text(plan: Plan) -> str:
    """A plan as a person reads it: digest, limits, whose keys, and what each hospital would send."""
    lines = [say("plan.digest", digest=plan.digest)]
    if not plan.keys:
        lines.append(say("plan.draft"))
    lines.append(say("plan.limits", people=int(plan.limits["minimum_people"]), rounds=int(plan.limits["rounds"])))
    return "\n".join([*lines, *asked_text(plan), *keys_text(plan), *sends_text(plan)])


def asked_text(plan: Plan) -> list[str]:
    """What is asked, of whom, as the study file says it: cohorts with their conditions, analyses with their options."""
    import json

    study = plan.study
    if study.counts_only:  # its cohorts are told with what would leave
        return []
    # Also those that no analysis uses: a preflight counts them, and two that differ by a few people tell of these.
    lines = ["", say("plan.cohorts"), *cohort_lines(plan), "", say("plan.asked")]
    for name, analysis in study.analyses.items():
        options = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in analysis.options.items())
        lines += [f"  {name}: {analysis.method}", *(f"    {option}" for option in options)]
    return lines


def keys_text(plan: Plan) -> list[str]:
    """The participants' key fingerprints, which people compare by telephone; none of a draft."""
    from gagyo.exchange.enrolment import fingerprint
    from gagyo.exchange.envelope import PublicKeys

    told = [f"  {name}: {fingerprint(PublicKeys(**keys))}" for name, keys in plan.keys.items()]
    return ["", say("plan.keys"), *told] if told else []


def sends_text(plan: Plan) -> list[str]:
    """What each hospital would send, analysis by analysis, and what follows from it that no rule counts."""
    from gagyo.coordinator.combinations import told_together

    lines = []
    if plan.study.counts_only:
        lines = ["", say("plan.counts_only", cohorts=len(plan.study.cohorts)), *cohort_lines(plan)]
    lines += ["", say("plan.first", **_counted_first(plan))]
    for name, analysis in plan.study.analyses.items():
        lines += ["", say("plan.analysis", name=name, method=analysis.method, cohort=analysis.cohort)]
        lines += ["  " + sent_text(sends) for sends in plan.sends[name]]
        traits = told_together(analysis, plan.study)
        lines += ["  " + say("plan.combinations", found=", ".join(traits))] if traits else []
    return lines


def _counted_first(plan: Plan) -> dict[str, int]:
    """What each hospital counts before all else (site/preflight.py): three numbers and one a variable, a cohort."""
    cohorts, variables = len(plan.study.cohorts), len(plan.study.variables)
    return {"numbers": cohorts * (3 + variables), "cohorts": cohorts, "variables": variables}


def cohort_lines(plan: Plan) -> list[str]:
    """Whom a plan that only counts people is about."""
    return [f"  {name}: {one.where or say('feasibility.everyone')}" for name, one in plan.study.cohorts.items()]


def sent_text(sends: Mapping[str, Any]) -> str:
    """What leaves in one step."""
    way = "left_out" if sends["to"] == "left_out" else "each" if sends["each"] else "sum"
    return say(f"plan.sends_{way}", step=sends["step"], numbers=sends["numbers"], rounds=sends["rounds"])


def _compare(old: Plan, new: Plan, as_json: bool) -> None:
    import json

    from gagyo.protocol.amendment import Amendment

    found = Amendment(old, new)
    typer.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=1) if as_json else amendment_text(found))


def amendment_text(found: Amendment) -> str:
    """The difference of two plans as those read it who approved the old one."""
    lines = [say("plan.old", digest=found.old.digest), say("plan.new", digest=found.new.digest)]
    if not found.changes:
        return "\n".join([*lines, say("plan.same")])
    if not found.new.keys:
        lines.append(say("plan.draft"))
    lines += ["", say("plan.now_sends"), *(_sending_lines(found) or ["  " + say("plan.nothing_new")])]
    lines += ["", say("plan.look"), *_touched_lines(found), "", say("plan.changed")]
    # What is sent was told above, hospital by hospital; a draft has no keys to compare.
    untold = {"sends", *(() if found.new.keys else ("keys",))}
    lines += [_change_line(one) for one in found.changes if one.path[0] not in untold]
    return "\n".join([*lines, "", say("plan.new_yes")])


def _sending_lines(found: Amendment) -> list[str]:
    """Hospitals for which the same changes are told together."""
    by_site: dict[str, list[str]] = {}
    for one in found.sendings:
        by_site.setdefault(one.site, []).append(_sending_line(one))
    told: dict[tuple[str, ...], list[str]] = {}
    for site, lines in by_site.items():
        told.setdefault(tuple(lines), []).append(site)
    first = ["  " + say("plan.first", **_counted_first(found.new))] if _counts_otherwise(found) else []
    return first + [line for lines, sites in told.items() for line in ("  " + ", ".join(sites), *lines)]


def _counts_otherwise(found: Amendment) -> bool:
    """Whether what each hospital counts before all else is of other cohorts or variables."""
    old, new = (one.study.canonical() for one in (found.old, found.new))
    return any(
        {name: _without_label(one) for name, one in old[part].items()}
        != {name: _without_label(one) for name, one in new[part].items()}
        for part in ("cohorts", "variables")
    )


def _without_label(one: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key not in ("label", "description")}


def _sending_line(one: Sending) -> str:
    before, after = (sent_text(sends) if sends else "" for sends in (one.before, one.after))
    kind = "sends_new" if not before else "sends_gone" if not after else "sends_other"
    return "    " + say(f"plan.{kind}", analysis=one.analysis, before=before, after=after)


def _touched_lines(found: Amendment) -> list[str]:
    lines = []
    for name, why in found.touched.items():
        reasons = "; ".join(say(f"plan.touch.{one}") for one in why)
        lines.append("  " + (f"{name}: {reasons}" if why else say("plan.untouched", name=name)))
    return lines


def _change_line(one: Change) -> str:
    import json

    from gagyo.protocol.guards import short

    before, after = (
        say("plan.nothing") if value is None else short(json.dumps(value, ensure_ascii=False))
        for value in (one.before, one.after)
    )
    return f"  {'.'.join(one.path)}: {before} → {after}"
