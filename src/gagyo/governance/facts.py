"""The words of the rules: facts that are true, false or unknown, and kinds of evidence, named in three languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, get_args

from gagyo.protocol.governance import Facts, Shape, Value
from gagyo.protocol.written import Entry, Table
from gagyo.text import Text

__all__ = ["EvidenceKind", "Fact", "Facts", "Truth", "Value", "Vocabulary", "read_evidence", "read_vocabulary"]

Truth = bool | None
"""True, false or unknown (None)."""
Issuer = Literal[
    "site",
    "releaser",
    "partner_releaser",
    "tester",
    "platform",
    "sponsor",
    "parties",
    "ai_operator",
    "persons",
    "guardian",
    "ethics",
    "foreign_ethics",
    "irb",
    "drb",
    "agency",
    "cac",
    "provincial_cac",
    "certifier",
    "nhc",
    "lingang",
    "commerce",
    "competent_authority",
    "pipc",
    "mfds",
    "motie",
]
"""Who gives a document: inside the institution first, then persons, boards and authorities."""
ISSUERS: tuple[Issuer, ...] = get_args(Issuer)
DOTTED = r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?"


@dataclass(frozen=True)
class Fact:
    """A fact. `shown_by`: the kind of evidence that shows it, where no party can simply state it."""

    id: str
    shape: Shape
    values: tuple[str, ...]
    name: Text
    shown_by: str = ""


@dataclass(frozen=True)
class EvidenceKind:
    """A kind of document. With `one_of` it is a group, which any of its members satisfies.

    takes: how long it takes, where known. kept: how long it is kept. available_from: it cannot exist earlier.
    """

    id: str
    issuer: str
    name: Text
    one_of: tuple[str, ...] = ()
    available_from: date | None = None
    takes: Text = field(default_factory=lambda: Text(""))
    kept: Text = field(default_factory=lambda: Text(""))


@dataclass(frozen=True)
class Vocabulary:
    """All facts and kinds of evidence by name."""

    facts: Mapping[str, Fact]
    evidence: Mapping[str, EvidenceKind]

    def with_evidence(self, more: Mapping[str, EvidenceKind]) -> Vocabulary:
        """This vocabulary with further kinds of evidence; none replaces another."""
        return Vocabulary(self.facts, {**more, **self.evidence})


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────


def read_vocabulary(root: Entry) -> Vocabulary:
    """The vocabulary of a file; faults are noted at their entries."""
    keys = root.table(("format", "facts", "evidence"))
    facts = keys["facts"].named(DOTTED) if "facts" in keys else {}
    return Vocabulary(
        {name: _fact(name, entry) for name, entry in facts.items()},
        read_evidence(keys["evidence"]) if "evidence" in keys else {},
    )


def _fact(name: str, entry: Entry) -> Fact:
    inner = entry.table(("type", "name"), ("values", "shown_by"))
    shape = inner["type"].one_of(get_args(Shape)) if "type" in inner else None
    return Fact(
        id=name,
        shape=shape or "bool",  # type: ignore[arg-type]
        values=names(inner, "values"),
        name=_label(inner, "name"),
        shown_by=_text(inner, "shown_by"),
    )


def read_evidence(entry: Entry) -> dict[str, EvidenceKind]:
    """The kinds of evidence of a table; faults are noted at their entries."""
    return {name: _kind(name, one) for name, one in entry.named(DOTTED).items()}


def _kind(name: str, entry: Entry) -> EvidenceKind:
    inner = entry.table(("issuer", "name"), ("one_of", "available_from", "takes", "kept"))
    return EvidenceKind(
        id=name,
        issuer=(inner["issuer"].one_of(ISSUERS) if "issuer" in inner else None) or "site",
        name=_label(inner, "name"),
        one_of=names(inner, "one_of"),
        available_from=inner["available_from"].day() if "available_from" in inner else None,
        takes=_label(inner, "takes"),
        kept=_label(inner, "kept"),
    )


def names(inner: Table, key: str) -> tuple[str, ...]:
    """The texts of a list; nothing where the key is absent."""
    return tuple(name for one in inner[key].items() if (name := one.text())) if key in inner else ()


def _label(inner: Table, key: str) -> Text:
    return inner[key].label() if key in inner else Text("")


def _text(inner: Table, key: str) -> str:
    return (inner[key].text() or "") if key in inner else ""
