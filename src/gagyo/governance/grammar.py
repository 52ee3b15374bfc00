"""The grammar of conditions, in Kleene's three-valued logic: all, any, not; is, in, has_any, at_least, below; evidence.

Kleene (1952), Introduction to Metamathematics, section 64, the strong connectives: a condition is unknown exactly
where the unknown facts could still make it either. `not` holds a list and means that none of it is true.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from gagyo.governance.facts import Facts, Truth, Value, Vocabulary
from gagyo.protocol.guards import listed, nearest, short
from gagyo.protocol.written import Entry

CONNECTIVES = ("all", "any", "not")
OPERATORS = {
    "bool": ("is",),
    "enum": ("is", "in"),
    "set": ("has_any",),
    "count": ("at_least", "below"),
    "date": ("at_least", "below"),
}
"""What can be asked of a fact of each shape."""


class Condition(Protocol):
    """Something that facts and the evidence held make true, false or unknown."""

    def holds(self, facts: Facts, held: Collection[str]) -> Truth: ...

    def unknowns(self, facts: Facts, held: Collection[str]) -> frozenset[str]:
        """The unknown facts that can still change the answer; none where it is true or false."""
        ...

    @property
    def facts(self) -> frozenset[str]: ...

    @property
    def evidence(self) -> frozenset[str]: ...


@dataclass(frozen=True)
class _Joined(ABC):
    parts: tuple[Condition, ...]

    @property
    def facts(self) -> frozenset[str]:
        return frozenset().union(*(part.facts for part in self.parts))

    @property
    def evidence(self) -> frozenset[str]:
        return frozenset().union(*(part.evidence for part in self.parts))

    @abstractmethod
    def holds(self, facts: Facts, held: Collection[str]) -> Truth:
        """What the parts come to together."""

    def unknowns(self, facts: Facts, held: Collection[str]) -> frozenset[str]:
        if self.holds(facts, held) is not None:
            return frozenset()
        return frozenset().union(*(part.unknowns(facts, held) for part in self.parts))

    def _each(self, facts: Facts, held: Collection[str]) -> list[Truth]:
        return [part.holds(facts, held) for part in self.parts]


class All(_Joined):
    """Every part is true."""

    def holds(self, facts: Facts, held: Collection[str]) -> Truth:
        return conjunction(self._each(facts, held))


class Some(_Joined):
    """At least one part is true."""

    def holds(self, facts: Facts, held: Collection[str]) -> Truth:
        return disjunction(self._each(facts, held))


class Neither(_Joined):
    """No part is true."""

    def holds(self, facts: Facts, held: Collection[str]) -> Truth:
        return negation(disjunction(self._each(facts, held)))


def conjunction(truths: Iterable[Truth]) -> Truth:
    """False where one is false; else unknown where one is unknown."""
    seen = set(truths)
    return False if False in seen else None if None in seen else True


def disjunction(truths: Iterable[Truth]) -> Truth:
    """True where one is true; else unknown where one is unknown."""
    seen = set(truths)
    return True if True in seen else None if None in seen else False


def negation(truth: Truth) -> Truth:
    """The opposite; unknown stays unknown."""
    return None if truth is None else not truth


@dataclass(frozen=True)
class _Asked:
    fact: str

    def unknowns(self, facts: Facts, held: Collection[str]) -> frozenset[str]:
        return self.facts - facts.keys()

    @property
    def facts(self) -> frozenset[str]:
        return frozenset({self.fact})

    @property
    def evidence(self) -> frozenset[str]:
        return frozenset()


@dataclass(frozen=True)
class Is(_Asked):
    """A fact is a value, or one of several."""

    values: tuple[Value, ...]

    def holds(self, facts: Facts, held: Collection[str]) -> Truth:
        return facts[self.fact] in self.values if self.fact in facts else None


@dataclass(frozen=True)
class HasAny(_Asked):
    """A set holds at least one of some names."""

    names: tuple[str, ...]

    def holds(self, facts: Facts, held: Collection[str]) -> Truth:
        found = facts.get(self.fact)
        return bool(set(self.names) & set(found)) if isinstance(found, tuple) else None


@dataclass(frozen=True)
class AtLeast(_Asked):
    """A count or a day is not under a bound."""

    bound: int | date

    def holds(self, facts: Facts, held: Collection[str]) -> Truth:
        found = facts.get(self.fact)
        return None if found is None else bool(found >= self.bound)  # type: ignore[operator]


@dataclass(frozen=True)
class Below(_Asked):
    """A count or a day is under a bound."""

    bound: int | date

    def holds(self, facts: Facts, held: Collection[str]) -> Truth:
        return negation(AtLeast(self.fact, self.bound).holds(facts, held))


@dataclass(frozen=True)
class Held:
    """A kind of evidence is held, in force and in scope. It is never unknown: what is not shown is not there."""

    kind: str

    def holds(self, facts: Facts, held: Collection[str]) -> Truth:
        return self.kind in held

    def unknowns(self, facts: Facts, held: Collection[str]) -> frozenset[str]:
        return frozenset()

    @property
    def facts(self) -> frozenset[str]:
        return frozenset()

    @property
    def evidence(self) -> frozenset[str]:
        return frozenset({self.kind})


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────

JOINED: dict[str, Callable[[tuple[Condition, ...]], Condition]] = {"all": All, "any": Some, "not": Neither}


def read_condition(entry: Entry, words: Vocabulary, evidence: bool = False) -> Condition | None:
    """The condition of an entry; None, with the faults noted at their lines, where it is not one.

    `evidence`: whether kinds of evidence may stand in it. Under `not` they may not: that a document is missing must
    never be what lets something go ahead.
    """
    if not isinstance(entry.value, dict):
        entry.wrong("table")
        return None
    found = [key for key in CONNECTIVES if key in entry.value]
    if found:
        return _joined(entry, found[0], words, evidence)
    if "evidence" in entry.value:
        return _held(entry, words, evidence)
    return _asked(entry, words)


def _joined(entry: Entry, key: str, words: Vocabulary, evidence: bool) -> Condition | None:
    inner = entry.table((key,))[key]
    parts = [read_condition(part, words, evidence and key != "not") for part in inner.items()]
    if inner.value == []:
        inner.wrong("filled")  # an empty `all` would be true of everything
    complete = tuple(part for part in parts if part is not None)
    return JOINED[key](complete) if complete and len(complete) == len(parts) else None


def _held(entry: Entry, words: Vocabulary, evidence: bool) -> Condition | None:
    kind = entry.table(("evidence",))["evidence"]
    if not evidence:
        kind.fault("rules_evidence_here", found=short(kind.raw))
        return None
    return Held(kind.raw) if known(kind, words.evidence) else None


def known(entry: Entry, names: Collection[str]) -> bool:
    """Whether an entry names a word of the vocabulary; a fault where it does not."""
    if isinstance(entry.value, (dict, list)) or entry.raw not in names:
        entry.fault("rules_unknown_word", found=entry.shown, hint=nearest(entry.raw, names))
        return False
    return True


def _asked(entry: Entry, words: Vocabulary) -> Condition | None:
    every = tuple(dict.fromkeys(name for names in OPERATORS.values() for name in names))
    inner = entry.table(("fact",), every)
    if "fact" not in inner or not known(inner["fact"], words.facts):
        return None
    fact = words.facts[inner["fact"].raw]
    operators = [key for key in inner if key in every]
    if len(operators) != 1 or operators[0] not in OPERATORS[fact.shape]:
        shown = listed(operators) if operators else '""'
        entry.fault("rules_operator", found=shown, expected=listed(OPERATORS[fact.shape]), fact=fact.id)
        return None
    return _comparison(fact.id, operators[0], inner[operators[0]], fact.values, fact.shape)


def _comparison(fact: str, operator: str, entry: Entry, names: tuple[str, ...], shape: str) -> Condition | None:
    if operator in ("at_least", "below"):
        bound = entry.day() if shape == "date" else entry.whole(0)
        return None if bound is None else AtLeast(fact, bound) if operator == "at_least" else Below(fact, bound)
    if shape == "bool":
        truth = entry.truth()
        return None if truth is None else Is(fact, (truth,))
    entries = [entry] if operator == "is" else entry.items()
    chosen = tuple(name for one in entries if (name := one.one_of(names)) is not None)
    if not chosen or len(chosen) != len(entries):
        return None
    return HasAny(fact, chosen) if operator == "has_any" else Is(fact, chosen)
