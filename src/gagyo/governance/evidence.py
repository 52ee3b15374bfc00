"""Evidence held: what a document is, for which hospital and which things, and from when until when it counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from gagyo.errors import check_none
from gagyo.governance.facts import EvidenceKind
from gagyo.protocol.governance import THINGS
from gagyo.protocol.written import SITE, Entry, read_entries, read_text

EVERY = "*"
"""A scope that is said to cover every hospital, or everything that leaves."""


@dataclass(frozen=True)
class Evidence:
    """A document that somebody holds. Its scope is stated, never assumed: a hospital's name or `*`; things or `*`.

    things: kinds of things that leave which it covers. start, until: first and last day in force; None is open.
    """

    kind: str
    site: str
    things: tuple[str, ...]
    start: date
    until: date | None = None

    def covers(self, site: str, thing: str, day: date) -> bool:
        """Whether it counts for a thing that leaves a hospital, on a day."""
        inside = self.site in (EVERY, site) and (EVERY in self.things or thing in self.things)
        return inside and self.start <= day and (self.until is None or day <= self.until)


def held(
    evidence: Iterable[Evidence], kinds: Mapping[str, EvidenceKind], site: str, thing: str, day: date
) -> frozenset[str]:
    """The kinds of evidence that are satisfied for a thing, a hospital and a day, groups included."""
    shown = {one.kind for one in evidence if one.covers(site, thing, day) and _exists(kinds.get(one.kind), day)}
    return frozenset(name for name in kinds if _satisfied(name, kinds, shown))


def _exists(kind: EvidenceKind | None, day: date) -> bool:
    return kind is not None and (kind.available_from is None or kind.available_from <= day)


def _satisfied(name: str, kinds: Mapping[str, EvidenceKind], shown: set[str]) -> bool:
    return name in shown or any(_satisfied(member, kinds, shown) for member in kinds[name].one_of)


def read_held(path: Path, kinds: Collection[str]) -> tuple[Evidence, ...]:
    """The evidence of a YAML file: a list of `{kind, site, things, from, until}`.

    Raises:
        FileFault: with a finding, with its line, for each fault.
    """
    root = read_entries(read_text(path), str(path))
    found = [_record(entry, kinds) for entry in root.items()]
    check_none(root.document.findings)
    return tuple(one for one in found if one is not None)


def _record(entry: Entry, kinds: Collection[str]) -> Evidence | None:
    inner = entry.table(("kind", "site", "things", "from"), ("until",))
    kind = inner["kind"].one_of(kinds) if "kind" in inner else None
    site = inner["site"].text(f"{SITE}|[*]") if "site" in inner else None
    things = [one.one_of((*THINGS, EVERY)) for one in inner["things"].items()] if "things" in inner else []
    start = inner["from"].day() if "from" in inner else None
    until = inner["until"].day() if "until" in inner else None
    if kind is None or site is None or start is None:
        return None
    return Evidence(kind, site, tuple(one for one in things if one), start, until)
