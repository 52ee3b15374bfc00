"""`gagyo power`: how many people each design of a study's planning part needs, by which formula."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gagyo.cli.speech import language, say

if TYPE_CHECKING:
    from gagyo.coordinator.sizes import Required
    from gagyo.protocol.designs import Design


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("power", help=say("power.help"))(power)


def power(
    study: Annotated[Path, typer.Argument(help=say("check.study"))],
    as_json: Annotated[bool, typer.Option("--json", help=say("json"))] = False,
) -> None:
    """Print the people, or events, that every design needs."""
    import json

    from gagyo.coordinator.sizes import required
    from gagyo.protocol.study import Study

    found = required(Study.read(study))
    if as_json:
        typer.echo(json.dumps({name: one.to_json() for name, one in found.items()}, ensure_ascii=False, indent=1))
        return
    typer.echo("\n\n".join("\n".join(required_lines(one)) for one in found.values()))


def required_lines(found: Required) -> list[str]:
    """A design with what it needs."""
    from gagyo.report.numbers import count

    lines = [design_line(found.design)]
    lines += ["  " + say("power.part", part=part_text(need.part), number=count(need.number)) for need in found.needs]
    if found.people is not None and all(need.part != "people" for need in found.needs):
        lines.append("  " + say("power.in_all", people=count(found.people)))
    if found.inflation != 1:
        lines.append("  " + say("power.inflated", factor=f"{found.inflation:.3f}"))
    lines.append("  " + say("power.formula", text=formula(found)))
    return [*lines, *("  " + line for line in region_lines(found))]


def region_lines(found: Required) -> list[str]:
    """How consistent the effects of regions would be."""
    one = found.regions
    if one is None:
        return []
    fraction, shares = f"{found.design.get('fraction', 0.5):g}", found.design.regions
    lines = [say("power.regions")]
    for name, kept in one.kept.items():
        lines.append(
            "  " + say("power.kept", region=name, share=f"{shares[name]:.1%}", fraction=fraction, chance=f"{kept:.3f}")
        )
    lines.append("  " + say("power.same_direction", chance=f"{one.same_direction:.3f}"))
    return [*lines, "  " + say("power.least_share", share=f"{one.least_share:.1%}")]


def design_line(design: Design) -> str:
    """A design's name, its kind, and everything that was said of it."""
    from gagyo.text import translate

    kind = translate(f"planning.design.{design.design}", language())
    told = [f"{number_text(key)} {value:g}" for key, value in design.numbers.items() if key != "sides"]
    words = [(key, value) for key, value in design.words.items() if _tells(design, key)]
    chosen = [translate(f"planning.choice.{key}.{value}", language()) for key, value in words]
    name = design.label.to(language()) or design.name
    return say("power.design", name=name, design=kind, said=say("power.comma").join([*chosen, *_level(design), *told]))


def _tells(design: Design, key: str) -> bool:
    """Whether a choice says something of this design."""
    return key == "aim" or (key == "better" and design.words.get("aim") == "non_inferiority")


def _level(design: Design) -> list[str]:
    """The level and the sides of a test, where nothing is written."""
    if "power" not in design.numbers:
        return []
    sides = say(f"power.sides_{design.sides}")
    return [sides] if "alpha" in design.numbers else [sides, f"{number_text('alpha')} {design.alpha:g}"]


def number_text(key: str) -> str:
    """What a number of a design is."""
    from gagyo.text import translate

    return translate(f"planning.number.{key}", language())


def part_text(part: str) -> str:
    """Whom a number counts."""
    from gagyo.text import translate

    return translate(f"planning.part.{part}", language())


def formula(found: Required) -> str:
    """The formula and its source."""
    from gagyo.coordinator.sizes import formula_text

    return formula_text(found).to(language())
