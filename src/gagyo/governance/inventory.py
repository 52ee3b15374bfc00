"""What a study still needs: each document and each unknown fact once, by hospital, sorted by who must act."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gagyo.governance.check import Answer, Checked, Outcome
from gagyo.governance.facts import ISSUERS, EvidenceKind, Vocabulary
from gagyo.governance.pack import words_of
from gagyo.protocol.governance import CHAPTERS, DATA, LEAVES, PARTY, STUDY

STATED = frozenset(key.fact for keys in (DATA, PARTY, STUDY, LEAVES, *CHAPTERS.values()) for key in keys.values()) | {
    "site.country",
    "party.foreign_controlled",
    "egress.leaves_country",
    "egress.recipient_foreign_controlled",
}
"""Facts that a party can state in a file, by a key of their own or by countries and control."""


@dataclass(frozen=True)
class Needed:
    """A document that is still needed at a hospital. `why`: rules that ask for it; `things`: for what leaves.

    lifts: whether it is one way to lift a rule that forbids, and not simply a condition.
    """

    site: str
    kind: EvidenceKind
    why: tuple[str, ...]
    things: tuple[str, ...]
    lifts: bool = False


@dataclass(frozen=True)
class Question:
    """A fact that nobody stated, and the rules that hang on it."""

    site: str
    fact: str
    why: tuple[str, ...]


@dataclass(frozen=True)
class Inventory:
    """What a study still needs."""

    needed: tuple[Needed, ...]
    questions: tuple[Question, ...]


def inventory(checked: Checked, site: str | None = None) -> Inventory:
    """What is still needed at one hospital, or at all. Documents are sorted by who must act, then by hospital."""
    words = words_of(checked.packs)
    found: dict[tuple[str, str, bool], tuple[dict[str, None], dict[str, None]]] = {}
    asked: dict[tuple[str, str], dict[str, None]] = {}
    for answer in checked.answers if site is None else checked.at(site):
        for kind, rule, lifts in _documents(answer):
            why, things = found.setdefault((answer.subject.site, kind, lifts), ({}, {}))
            why[rule], things[answer.subject.thing] = None, None
        for fact, rule in _facts(answer, words):
            asked.setdefault((answer.subject.site, fact), {})[rule] = None
    needed = [
        Needed(place, words.evidence[kind], tuple(why), tuple(things), lifts)
        for (place, kind, lifts), (why, things) in found.items()
    ]
    needed.sort(key=lambda one: (ISSUERS.index(one.kind.issuer), one.lifts, one.site, one.kind.id))
    questions = [Question(place, fact, tuple(why)) for (place, fact), why in sorted(asked.items())]
    return Inventory(tuple(needed), tuple(questions))


def _documents(answer: Answer) -> Iterator[tuple[str, str, bool]]:
    for one in answer.deciding:
        if one.verdict in ("needs_first", "forbidden") or _tells(one) or _settles(one):
            yield from ((kind, one.rule.id, False) for kind in one.missing if _asked_now(one))
            yield from ((kind, one.rule.id, True) for kind in one.lifts if one.applies)


def _tells(one: Outcome) -> bool:
    return one.applies is True and one.rule.effect == "notify"


def _settles(one: Outcome) -> bool:
    """An unknown answer that only documents settle: the rule is read from memory, or no party can state the fact."""
    return one.verdict == "unknown" and (one.applies is True or bool(set(one.asks) - STATED))


def _asked_now(one: Outcome) -> bool:
    """A rule that forbids asks for nothing but what lifts it."""
    return one.verdict != "forbidden"


def _facts(answer: Answer, words: Vocabulary) -> Iterator[tuple[str, str]]:
    """Facts to ask for; where a document answers first (what an output carries), nobody is asked before it is there."""
    for one in answer.deciding:
        if one.verdict == "unknown":
            yield from ((fact, one.rule.id) for fact in one.asks)
    yield from ((fact, "") for fact in answer.gap_asks if not words.facts[fact].shown_by)
