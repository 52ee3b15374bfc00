"""`gagyo feasibility`: how many people each hospital has for a study's cohorts, and what its designs still lack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gagyo.cli.speech import language, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gagyo.coordinator.feasibility import Count, Feasibility, Hospital, Verdict


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("feasibility", help=say("feasibility.help"))(feasibility)


def feasibility(
    study: Annotated[Path, typer.Argument(help=say("check.study"))],
    sites: Annotated[Path | None, typer.Option(help=say("run.sites"))] = None,
    hub: Annotated[Path | None, typer.Option(help=say("run.hub"))] = None,
    out: Annotated[Path | None, typer.Option(help=say("feasibility.out"))] = None,
    pack: Annotated[list[Path] | None, typer.Option(help=say("rules.pack"))] = None,
    evidence: Annotated[Path | None, typer.Option(help=say("rules.evidence"))] = None,
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """Ask the hospitals, and say what they answered."""
    import json

    from gagyo.api import feasibility as asked
    from gagyo.cli.progress import Teller
    from gagyo.governance.evidence import held_in
    from gagyo.governance.pack import own_packs

    if (sites is None) == (hub is None):
        raise typer.BadParameter(say("run.where"), param_hint="--sites, --hub")
    own = own_packs(pack or [])
    folder = out or study.absolute().parent / "feasibility"
    found = asked(study, folder, sites, hub, Teller().told, held_in(evidence, own), own)
    if as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=1))
    else:
        typer.echo("\n".join([*feasibility_lines(found), "", say("feasibility.record", out=folder)]))


def feasibility_lines(found: Feasibility) -> list[str]:
    """Everything that a person reads of it."""
    lines = [line for cohort in found.counts for line in (*_cohort_lines(found, cohort), "")]
    if absent := [one for one in found.hospitals.values() if one.why is not None]:
        lines += [*(one.why.text(language()) for one in absent if one.why is not None), ""]
    lines.append(say("feasibility.note", number=found.study.release.minimum_people))
    for verdict in found.verdicts.values():
        lines += ["", *_verdict_lines(found, verdict)]
    return lines


# ── a cohort ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _cohort_lines(found: Feasibility, cohort: str) -> list[str]:
    from gagyo.cli.aligned import aligned
    from gagyo.report.numbers import count

    counts = found.counts[cohort]
    told = sum(one.state == "counted" for one in counts.values())
    name = found.study.cohorts[cohort].label.to(language()) or cohort
    values = {"people": count(found.total(cohort)), "told": told, "every": len(counts)}
    head = [
        say(f"feasibility.{column}") for column in ("hospital", "country", "analysed", "incomplete", "not_selected")
    ]
    rows = [_row(found, found.hospitals[site], one) for site, one in counts.items()]
    lines = [say("feasibility.cohort", name=name, **values), *_indented(aligned([head, *rows]))]
    if len(found.steps[cohort]) > 1:
        lines += ["  " + say("feasibility.steps"), *_indented(aligned(_steps(found, cohort)), 4)]
    missing = [row for name in found.study.variables if (row := _missing(found, name, counts))]
    if missing:
        columns = [say("feasibility.variable"), *(_name(one) for one in found.hospitals.values())]
        lines += ["  " + say("feasibility.missing"), *_indented(aligned([columns, *missing]), 4)]
    return lines


def _indented(lines: Iterable[str], by: int = 2) -> list[str]:
    return [" " * by + line for line in lines]


def _name(hospital: Hospital) -> str:
    return hospital.label.to(language()) or hospital.name


def _row(found: Feasibility, hospital: Hospital, one: Count) -> list[str]:
    if one.state != "counted":
        state = _few(found) if one.state == "withheld" else say(f"feasibility.state_{one.state}")
        return [_name(hospital), hospital.country, state, "", ""]
    numbers = (one.analysed, one.incomplete, one.not_selected)
    return [_name(hospital), hospital.country, *(_number(number) for number in numbers)]


def _number(number: int | None) -> str:
    from gagyo.report.numbers import count
    from gagyo.text import translate

    return translate("withheld.withheld", language()) if number is None else count(number)


def _few(found: Feasibility) -> str:
    return say("feasibility.few", number=found.study.release.minimum_people)


def _steps(found: Feasibility, cohort: str) -> list[list[str]]:
    columns = ["", *(_name(one) for one in found.hospitals.values())]
    rows = [
        [text or say("feasibility.everyone"), *(_met(found.hospitals[site], number) for site, number in met.items())]
        for text, met in found.steps[cohort]
    ]
    return [columns, *rows]


def _met(hospital: Hospital, number: int | None) -> str:
    return _number(number) if hospital.state == "counted" else ""


def _missing(found: Feasibility, variable: str, counts: Mapping[str, Count]) -> list[str]:
    """A variable's row; nothing where nobody lacks it."""
    numbers = [one.missing.get(variable, None if one.state != "counted" else 0) for one in counts.values()]
    answered = [number for number, one in zip(numbers, counts.values(), strict=True) if one.state == "counted"]
    if all(number == 0 for number in answered):
        return []
    label = found.study.variables[variable].label.to(language())
    shown = ["" if one.state != "counted" else _number(n) for n, one in zip(numbers, counts.values(), strict=True)]
    return [label, *shown]


# ── a design ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _verdict_lines(found: Feasibility, one: Verdict) -> list[str]:
    from gagyo.cli.power import required_lines

    lines = required_lines(one.required)
    if one.feasible is None:
        return [*lines, "  " + say("feasibility.uncounted")]
    return [*lines, *_indented([*_have(one), *_said(found, one)])]


def _have(one: Verdict) -> Iterable[str]:
    from gagyo.cli.power import part_text
    from gagyo.report.numbers import count

    for part, have in one.have.items():
        yield say("feasibility.have", part=part_text(part), have=count(have), need=count(one.need[part]))
    if one.reached is not None:
        kind = "power" if "power" in one.required.design.numbers else "half_width"
        yield say(f"feasibility.reached_{kind}", value=f"{one.reached:.3f}")


def _said(found: Feasibility, one: Verdict) -> Iterable[str]:
    """The verdict, and which hospital would change it."""
    if one.feasible:
        yield say("feasibility.feasible")
        if one.indispensable:
            yield say("feasibility.indispensable", hospitals=_names(found, one.indispensable))
        return
    yield say("feasibility.short", short=_parts(one))
    if one.unheard:
        yield say("feasibility.unheard", hospitals=_names(found, one.unheard), short=_parts(one))
    if one.another:
        yield say("feasibility.another", hospitals=_names(found, one.another))
    elif one.another_country:
        yield say("feasibility.another_country", countries=say("power.comma").join(one.another_country))
    if not one.another and one.times:
        site, times = min(one.times.items(), key=lambda item: item[1])
        yield say("feasibility.times", hospital=_names(found, (site,)), times=times)


def _names(found: Feasibility, sites: Iterable[str]) -> str:
    return say("power.comma").join(_name(found.hospitals[site]) for site in sites)


def _parts(one: Verdict) -> str:
    from gagyo.cli.power import part_text
    from gagyo.report.numbers import count

    return say("power.comma").join(
        say("power.part", part=part_text(part), number=count(number)) for part, number in one.short.items()
    )
