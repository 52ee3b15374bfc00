"""Evidence held: what a document is, for which study, hospital and things, and from when until when it counts.

Only this record travels and is kept here; the document stays where its holder keeps it, and is known by its digest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from gagyo.canonical import digest
from gagyo.errors import FileFault, check_none
from gagyo.finding import Finding, Place
from gagyo.governance.facts import EvidenceKind
from gagyo.governance.pack import Pack, packs, words_of
from gagyo.protocol.governance import THINGS
from gagyo.protocol.study import Study
from gagyo.protocol.written import ID, SITE, Entry, read_entries, read_text

EVERY = "*"
"""A scope that is said to cover every study, every hospital, or everything that leaves."""
DIGEST = r"sha256:[0-9a-f]{64}"
LARGEST_DOCUMENT = 1 << 30


@dataclass(frozen=True)
class Evidence:
    """A document that somebody holds. Its scope is stated, never assumed: a hospital's name or `*`; things or `*`.

    things: kinds of things that leave which it covers. start, until: first and last day in force; None is open. study:
    the digest of a study's content (one version of it), its name (every version), or `*`. digest: of the document's
    bytes; issuer, number, issued: as it says itself. They are empty where they are not stated.
    """

    kind: str
    site: str
    things: tuple[str, ...]
    start: date
    until: date | None = None
    study: str = EVERY
    digest: str = ""
    issuer: str = ""
    number: str = ""
    issued: date | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain data, days as ISO dates."""
        days = {"from": self.start, "until": self.until, "issued": self.issued}
        return {
            **{key: getattr(self, key) for key in ("kind", "site", "study", "digest", "issuer", "number")},
            "things": list(self.things),
            **{key: day.isoformat() if day else None for key, day in days.items()},
        }

    def about(self, study: Study) -> bool:
        """Whether its scope holds a study."""
        return self.study in (EVERY, study.study) or self.study == digest_of(study)

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


def digest_of(study: Study) -> str:
    """The digest of what a study says, in any layout: the version that a document can be about."""
    return digest(study.canonical())


def document_digest(path: Path) -> str:
    """The digest of a document's bytes.

    Raises:
        FileFault: there is no such file, or it is over 1 GiB.
    """
    try:
        if path.stat().st_size <= LARGEST_DOCUMENT:
            return digest(path.read_bytes())
    except OSError:
        raise FileFault(Finding("file_not_found", place=Place(str(path)), values={"found": path.name})) from None
    values = {"found": path.stat().st_size, "expected": LARGEST_DOCUMENT}
    raise FileFault(Finding("file_too_large", place=Place(str(path)), values=values))


# ── the list of documents ─────────────────────────────────────────────────────────────────────────────────────────

REQUIRED = ("kind", "site", "things", "from")
OPTIONAL = ("until", "study", "digest", "issuer", "number", "issued")


def read_held(path: Path, kinds: Collection[str]) -> tuple[Evidence, ...]:
    """The evidence of a YAML file: a list of records with REQUIRED and OPTIONAL keys.

    Raises:
        FileFault: with a finding, with its line, for each fault.
    """
    return _parse(read_text(path), path, kinds)


def held_in(path: Path | None, own: Sequence[Pack] = ()) -> tuple[Evidence, ...]:
    """The documents of a list, of Gagyo's kinds and those of own packs; none where there is no list."""
    return () if path is None else read_held(path, words_of((*packs(), *own)).evidence)


def _parse(text: str, path: Path, kinds: Collection[str]) -> tuple[Evidence, ...]:
    root = read_entries(text, str(path))
    found = [_record(entry, kinds) for entry in root.items()]
    check_none(root.document.findings)
    return tuple(one for one in found if one is not None)


def _record(entry: Entry, kinds: Collection[str]) -> Evidence | None:
    inner = entry.table(REQUIRED, OPTIONAL)
    kind = inner["kind"].one_of(kinds) if "kind" in inner else None
    site = inner["site"].text(f"{SITE}|[*]") if "site" in inner else None
    things = [one.one_of((*THINGS, EVERY)) for one in inner["things"].items()] if "things" in inner else []
    start, until, issued = (inner[key].day() if key in inner else None for key in ("from", "until", "issued"))
    if start and until and until < start:
        inner["until"].fault("period_order", found=until.isoformat(), expected=start.isoformat())
    study = inner["study"].text(f"{ID}|{DIGEST}|[*]") if "study" in inner else EVERY
    said = {key: inner[key].text(DIGEST if key == "digest" else None) for key in OPTIONAL[2:5] if key in inner}
    if kind is None or site is None or start is None or study is None:
        return None
    texts = {key: text or "" for key, text in said.items()}
    return Evidence(kind, site, tuple(one for one in things if one), start, until, study, issued=issued, **texts)


def append_held(path: Path, one: Evidence, kinds: Collection[str]) -> None:
    """Add a record to a list, which is made where there is none; what stands there stays as it was written.

    Raises:
        FileFault: with everything that would be wrong in the list; nothing is written then.
    """
    before = read_text(path) if path.exists() else ""
    line = "- " + json.dumps(_written(one), ensure_ascii=False) + "\n"
    text = (before if not before or before.endswith("\n") else before + "\n") + line
    try:
        _parse(text, path, kinds)
    except FileFault:
        if before.strip():
            _parse(before, path, kinds)  # of another file, what is wrong with it, not with the line more
        raise
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _written(one: Evidence) -> dict[str, object]:
    """A record as it stands in a list; JSON is YAML too."""
    days = {"from": one.start, "until": one.until, "issued": one.issued}
    texts = {key: getattr(one, key) for key in ("kind", "site", "study", "digest", "issuer", "number")}
    said = {**texts, **{key: day.isoformat() for key, day in days.items() if day}}
    return {"things": list(one.things), **{key: value for key, value in said.items() if value}}
