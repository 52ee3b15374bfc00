"""What the command line itself says, its help's headings and what is wrong with a command, in the language in use.

Typer has these words in English only. Its errors are told apart by their classes' names, as it brings its own copy of
click in some versions and takes the installed one in others.
"""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from gagyo.cli.speech import say

USAGE_ERROR: type[Exception] = next(one for one in typer.BadParameter.__mro__ if one.__name__ == "UsageError")
"""Whatever is wrong with a command line."""

SAID = (
    (r"No such command '(?P<found>.*?)'\.", "no_command"),
    (r"Missing command\.", "missing_command"),
    (r"Got unexpected extra arguments? ?(?:\(s\) )?\((?P<found>.*)\)", "extra"),
    (r"Option '?(?P<found>[^' ]+)'? requires an argument", "without_value"),
    (r"Option '?(?P<found>[^' ]+)'? does not take a value", "takes_none"),
    (r"(?:Value '.*' is not|Input should be) a valid int(?:eger)?\b", "not_whole"),
    (r"(?:Value '.*' is not|Input should be) a valid (?:float|number)\b", "not_number"),
    (r"(?:Value error, )?'(?P<found>.*)' is not one of (?P<expected>.*?)\.?$", "not_one_of"),
    (r"(?:\S+ is not in the range (?:\S+<=)?x<=|Input should be less than or equal to )(?P<expected>\d+)", "at_most"),
    (r"Input should be greater than or equal to (?P<expected>\d+)", "at_least"),
    (r"(?i)(?:file|path|directory) '(?P<found>.*)' does not exist", "no_file"),
    (r"(?i)(?:file|path|directory) '(?P<found>.*)' is not (?:readable|writable)", "not_permitted"),
    (r"(?i)(?:file|path|directory) '(?P<found>.*)' is a (?:file|directory)", "other_kind"),
)
"""Sentences of Typer and click, and the keys `cli.usage.<key>` that stand for them."""


class _Spoken:
    """Help in one language; mixed into Typer's command and group."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The headings are constants of a module of Typer that only help loads."""
        from typer import rich_utils

        for name in ("arguments", "options", "commands"):
            setattr(rich_utils, f"{name.upper()}_PANEL_TITLE", say(f"usage.{name}"))
        rich_utils.REQUIRED_LONG_STRING = f"[{say('usage.required')}]"
        rich_utils.DEFAULT_STRING = "[" + say("usage.default", found="{}") + "]"
        super().format_help(ctx, formatter)  # type: ignore[misc]

    def get_usage(self, ctx: Any) -> str:
        """The line with the command's pattern."""
        line: str = super().get_usage(ctx)  # type: ignore[misc]
        return line.replace("Usage:", say("usage.usage"), 1)

    def get_help_option(self, ctx: Any) -> Any:
        """`--help`, and what it does."""
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help = say("usage.help")
        return option


class Command(_Spoken, TyperCommand):
    """A command whose help is in one language."""


class Group(_Spoken, TyperGroup):
    """A group of commands whose help is in one language."""


def group(about: str) -> typer.Typer:
    """A group of commands, by the key of what it is about."""
    return typer.Typer(
        cls=Group, help=say(about), no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )


def told(error: Any) -> str:
    """What is wrong with a command line, and how to see what it takes; its help where nothing was asked.

    Help that has frames is printed while it is made, and nothing is left to say.
    """
    if type(error).__name__ == "NoArgsIsHelpError":
        return str(error.ctx.get_help())
    lines = [_wrong(error)]
    if error.ctx is not None:
        lines.append(say("usage.see", found=f"{error.ctx.command_path} --help"))
    return "\n".join(lines)


def _wrong(error: Any) -> str:
    kind, parameter = type(error).__name__, getattr(error, "param", None)
    if kind == "MissingParameter":
        name = parameter.get_error_hint() if parameter is not None else error.param_hint or ""
        return say("usage.missing", found=str(name).strip("'\""))
    if kind == "NoSuchOption":
        near = ", ".join(sorted(error.possibilities or ()))
        return say("usage.no_option_near" if near else "usage.no_option", found=error.option_name, expected=near)
    sentence = str(error.message)
    for pattern, key in SAID:
        if found := re.match(pattern, sentence):
            values = {"found": "", "expected": ""} | found.groupdict()
            sentence = say(f"usage.{key}", **values)
            break
    name = error.param_hint if getattr(error, "param_hint", None) else parameter and parameter.get_error_hint()
    return say("usage.of", option=str(name).strip("'\""), what=sentence) if name else sentence
