"""What every page has: one frame, one shelf of templates, its style, and the same page in the other languages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from gagyo.text import HTML_LANG, LANGUAGES, Language, translate

NAMES: dict[Language, str] = {"en": "English", "ko": "한국어", "zh": "中文"}


def frame(
    language: Language, title: str, kind: str, file: Callable[[Language], str], styles: Sequence[str], foot: str = ""
) -> dict[str, Any]:
    """What `templates/page.html` needs. file: the page's name in a language; foot: what a printed page says below."""
    style = "".join(_style(name) for name in styles).replace("%TITLE%", _css_string(foot))
    others = [
        {"lang": HTML_LANG[other], "name": NAMES[other], "file": file(other), "here": other == language}
        for other in LANGUAGES
    ]
    choose = translate("report.languages", language)
    return {
        "lang": HTML_LANG[language],
        "title": title,
        "kind": kind,
        "choose": choose,
        "languages": others,
        "style": Markup(style),  # our own file, and a title in which nothing is left that ends a string
    }


@cache
def template(name: str) -> Template:
    """A template; what it is not given is an error, and what it is given is escaped."""
    loader = PackageLoader("gagyo.report", "templates")
    shelf = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    return shelf.get_template(name)


@cache
def _style(name: str) -> str:
    return (files("gagyo.report") / "templates" / name).read_text(encoding="utf-8")


def _css_string(text: str) -> str:
    """A text inside a CSS string: every character that could end it is written as its code."""
    return "".join(c if c.isalnum() or c in " ,.:-()" else f"\\{ord(c):x} " for c in text)
