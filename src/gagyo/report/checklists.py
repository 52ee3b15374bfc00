"""Reporting checklists (TRIPOD+AI, STARD): which section of the report answers each item, or that the authors must.

`checklists.toml` holds the rules; the items' subjects are in the catalogues as `checklists.<list>.<item>`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from gagyo.result import Words

Status = Literal["report", "partly", "authors", "not_done"]


@dataclass(frozen=True)
class Item:
    """One item: its number, what it is about, who answers it, where, and what the authors must add."""

    number: str
    subject: Words
    status: Status
    sections: tuple[str, ...] = ()
    note: Words | None = None


@dataclass(frozen=True)
class Checklist:
    """A checklist with its groups of items, and the citation of where it is from."""

    name: str
    title: Words
    source: Words
    groups: tuple[tuple[Words, tuple[Item, ...]], ...]


def checklists(there: Collection[str]) -> tuple[Checklist, ...]:
    """The checklists, filled by the sections (and tables and curves, as `shape:<name>`) that are there."""
    return tuple(_checklist(name, groups, there) for name, groups in _rules().items())


@cache
def _rules() -> dict[str, Any]:
    return tomllib.loads((files("gagyo.report") / "checklists.toml").read_text(encoding="utf-8"))


def _checklist(name: str, groups: dict[str, Any], there: Collection[str]) -> Checklist:
    def item(number: str, rule: dict[str, Any]) -> Item:
        return _item(name, number, rule, there)

    filled = tuple(
        (Words(f"checklists.group.{group}"), tuple(item(number, rule) for number, rule in rules.items()))
        for group, rules in groups.items()
    )
    return Checklist(name, Words(f"checklists.title.{name}"), Words(f"checklists.source.{name}"), filled)


def _item(name: str, number: str, rule: dict[str, Any], there: Collection[str]) -> Item:
    sections = tuple(section for section in rule.get("sections", ()) if section in there)
    wanted = rule.get("shape")
    found = bool(sections) and (wanted is None or any(_is(wanted, shape) for shape in there))
    note = Words(f"checklists.note.{rule['note']}") if "note" in rule else None
    return Item(number, Words(f"checklists.{name}.{number}"), _status(rule, found), sections if found else (), note)


def _is(wanted: str, shape: str) -> bool:
    return shape == f"shape:{wanted}" or shape.startswith(f"shape:{wanted}_")


def _status(rule: dict[str, Any], found: bool) -> Status:
    if found:
        return "partly" if "note" in rule else "report"
    return "not_done" if rule.get("optional") else "authors"


def rules() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every rule: the list, the item's number, the rule."""
    for name, groups in _rules().items():
        for items in groups.values():
            yield from ((name, number, rule) for number, rule in items.items())
