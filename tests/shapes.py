"""Whether what a command writes for programs is as docs/reference/json.md says: nothing more is there, nothing less.

A section of that page has a table of paths: `*` stands for any name, `[]` for every entry of a list, `?` at the end for
what may be absent. A kind is one of `KINDS`, `list of` one, a link to another section, or several, with `or` between.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "json.md"
ROW = re.compile(r"^\| `([^`]*)` \| ([^|]+) \|", re.MULTILINE)
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^]]+\]\(#([a-z0-9-]+)\)")
KINDS: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "whole number": (int,),
    "number": (int, float),
    "yes/no": (bool,),
    "record": (dict,),
    "null": (type(None),),
    "anything": (object,),
}


class Described(NamedTuple):
    """A path's kinds, and whether it may be absent."""

    kinds: tuple[str, ...]
    optional: bool


Section = dict[str, Described]


def read_json(about: str, text: str) -> Any:
    """What a command or a file holds, once it is as the page's section says."""
    record = json.loads(text)
    if "GAGYO_SHAPES" in os.environ:
        Path(os.environ["GAGYO_SHAPES"], f"{about.replace(' ', '_')}.{abs(hash(text))}.json").write_text(text)
        return record
    check(about, record)
    return record


def check(about: str, record: Any) -> None:
    """Raise AssertionError with everything in which a record differs from a section."""
    section = page()[anchor(about)]
    found = list(_faults(record, section[""].kinds, "", "", section))
    assert not found, f"{PAGE.name}, {about}:\n" + "\n".join(found)


@cache
def page() -> dict[str, Section]:
    """The sections by their anchors."""
    parts = SECTION.split(PAGE.read_text(encoding="utf-8"))
    return {anchor(head): _section(text) for head, text in zip(parts[1::2], parts[2::2], strict=True)}


def anchor(head: str) -> str:
    """A heading's anchor."""
    return re.sub(r"[^a-z0-9 -]", "", head.lower()).strip().replace(" ", "-")


def _section(text: str) -> Section:
    rows = ((path, kinds.strip()) for path, kinds in ROW.findall(text))
    return {path.rstrip("?"): Described(tuple(kinds.split(" or ")), path.endswith("?")) for path, kinds in rows}


def _faults(value: Any, kinds: tuple[str, ...], at: str, path: str, section: Section) -> Iterator[str]:
    """`at` is where the value stands, `path` how the section describes that."""
    found = [list(_inside(value, kind, at, path, section)) for kind in kinds if _fits(value, kind)]
    if not found:
        yield f"{at}: {' or '.join(kinds)} is described, and there is {json.dumps(value)[:60]}"
    elif all(found):
        yield from found[0]


def _inside(value: Any, kind: str, at: str, path: str, section: Section) -> Iterator[str]:
    if other := LINK.fullmatch(kind):
        there = page()[other[1]]
        yield from _faults(value, there[""].kinds, at, "", there)
    elif kind.startswith("list of "):
        for number, one in enumerate(value):
            yield from _faults(one, section[f"{path}[]"].kinds, f"{at}[{number}]", f"{path}[]", section)
    elif kind == "record":
        yield from _faults_of_record(value, at, path, section)


def _fits(value: Any, kind: str) -> bool:
    if other := LINK.fullmatch(kind):
        return any(_fits(value, one) for one in page()[other[1]][""].kinds)
    if kind.startswith("list of "):
        return isinstance(value, list)
    return isinstance(value, KINDS[kind]) and (kind == "yes/no" or not isinstance(value, bool) or kind == "anything")


def _faults_of_record(value: dict[str, Any], at: str, path: str, section: Section) -> Iterator[str]:
    inside = f"{path}." if path else ""
    described = {
        name.removeprefix(inside): one
        for name, one in section.items()
        if name and name.startswith(inside) and not re.search(r"[.\[]", name.removeprefix(inside))
    }
    for name, one in value.items():
        known = name if name in described else "*"
        if known not in described:
            yield f"{at}.{name}: is not described"
        else:
            yield from _faults(one, described[known].kinds, f"{at}.{name}", f"{inside}{known}", section)
    for name, one in described.items():
        if name != "*" and not one.optional and name not in value:
            yield f"{at}.{name}: is described and absent"
