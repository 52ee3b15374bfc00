"""The language that the commands speak, known before they are made since their help is in it too."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from gagyo.text import LANGUAGES, Language, translate

_language: Language = "en"


def language() -> Language:
    """The language in use."""
    return _language


def speak(chosen: Language) -> None:
    """Use a language from here on."""
    global _language  # one process, one language: it is set once, before any command exists
    _language = chosen


def asked() -> str:
    """The language that this command line asks for with `--language`; empty where it does not."""
    return _option(sys.argv)[:2]


def wanted(arguments: Sequence[str]) -> Language:
    """The language that `--language`, GAGYO_LANGUAGE or the locale asks for; English where none does."""
    asked = [_option(arguments), *(os.environ.get(name, "") for name in ("GAGYO_LANGUAGE", "LC_ALL", "LANG"))]
    for name in asked:
        short = name[:2].lower()
        if short in LANGUAGES:
            return short
    return "en"


def _option(arguments: Sequence[str]) -> str:
    """The value of `--language`, before any verb or after it."""
    for index, argument in enumerate(arguments):
        if argument.startswith("--language="):
            return argument.partition("=")[2]
        if argument == "--language" and index + 1 < len(arguments):
            return arguments[index + 1]
    return ""


def ahead(arguments: Sequence[str]) -> list[str]:
    """The arguments with `--language` first, where it is accepted: people write it anywhere."""
    chosen: list[str] = []
    rest: list[str] = []
    index = 0
    while index < len(arguments):
        argument = arguments[index]
        width = 2 if argument == "--language" else 1
        (chosen if argument.partition("=")[0] == "--language" else rest).extend(arguments[index : index + width])
        index += width
    return [*chosen, *rest]


def stands(doing: str, detail: object, **where: object) -> str:
    """Where a plan stands at a hospital, with the reason of a refusal, and for a courier's way `hub` and `name`."""
    return say(f"site_state.{'refused_why' if doing == 'refused' and detail else doing}", detail=detail, **where)


def say(key: str, **values: object) -> str:
    """A text of the `cli` page in the language in use."""
    return translate(f"cli.{key}", _language, **values)
