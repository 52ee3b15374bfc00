"""The page of commands: every verb with its arguments, options and exit codes, from the command line's own code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer

from gagyo.cli import application, exits, speech
from made.words import MADE, cell


def commands() -> str:
    """All verbs with their arguments, options and exit codes."""
    before = speech.language()
    speech.speak("en")
    try:
        root = typer.main.get_command(application())
        lines = [
            MADE,
            "",
            "# Commands",
            "",
            "`--language ko|zh|en` may stand anywhere on the line; else `GAGYO_LANGUAGE`, then the system's language.",
        ]
        lines += [*exit_codes(), *(line for name, verb in verbs(root) for line in command(name, verb))]
    finally:
        speech.speak(before)
    return "\n".join(lines) + "\n"


def verbs(root: Any, before: str = "gagyo") -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its whole name."""
    for name, one in root.commands.items():
        if hasattr(one, "commands"):
            yield from verbs(one, f"{before} {name}")
        else:
            yield f"{before} {name}", one


def command(name: str, verb: Any) -> Iterator[str]:
    """One command's section."""
    arguments = [one for one in verb.params if one.param_type_name == "argument"]
    options = [one for one in verb.params if one.param_type_name == "option" and "--help" not in one.opts]
    shown = " ".join(
        [f"{one.name.upper()}" if one.required else f"[{one.name.upper()}]" for one in arguments]
        + [f"{one.opts[0]} {one.name.upper()}" for one in options if one.required]
    )
    yield from ("", f"## {name}", "", verb.help or "", "", "```text", f"{name} {shown}".rstrip(), "```")
    if arguments or options:
        yield from ("", "| | | default |", "|---|---|---|")
    for one in arguments:
        yield f"| `{one.name.upper()}` | {cell(one.help)} | {default(one)} |"
    for one in options:
        yield f"| {', '.join(f'`{opt}`' for opt in one.opts)} | {cell(one.help)} | {default(one)} |"


def default(one: Any) -> str:
    """What holds where nothing is given."""
    if one.required:
        return "required"
    return f"`{one.default}`" if one.default not in (None, "", False) else ""


def exit_codes() -> Iterator[str]:
    """The table of exit codes, from the lines of cli/exits.py."""
    yield from ("", "## Exit codes", "", "| code | meaning |", "|---|---|")
    for code, meaning in re.findall(r"^[A-Z]+ = (\d+)(?:  # (.+))?$", inspect.getsource(exits), re.M):
        yield f"| {code} | {meaning or 'done'} |"
    yield "| 130 | interrupted by Ctrl-C; the same command goes on |"
