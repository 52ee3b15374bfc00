"""Examples of rules, kept beside their pack: what is known, and whether a rule then applies or cannot be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal, get_args

from gagyo.errors import check_none
from gagyo.governance.facts import Value, Vocabulary
from gagyo.governance.pack import Pack, Rule, words_of
from gagyo.protocol.governance import Key, read_facts
from gagyo.protocol.written import Entry, read_entries

Expected = Literal["applies", "does_not", "unknown", "lifted"]
EXPECTED: tuple[Expected, ...] = get_args(Expected)


@dataclass(frozen=True)
class Example:
    """Facts that are known (all others are not) and evidence that is held, with what they must come to."""

    rule: str
    expect: Expected
    facts: Mapping[str, Value]
    held: tuple[str, ...]
    line: int


def comes_to(rule: Rule, facts: Mapping[str, Value], held: Sequence[str]) -> Expected:
    """What facts and evidence make of a rule."""
    applies = rule.when.holds(facts, held)
    if applies is not True:
        return "unknown" if applies is None else "does_not"
    return "lifted" if rule.unless is not None and rule.unless.holds(facts, held) else "applies"


def installed_examples(pack: Pack) -> tuple[Example, ...]:
    """The examples of a pack that Gagyo brings."""
    name = f"{pack.name}.examples.yaml"
    text = (files("gagyo.governance") / "packs" / name).read_text(encoding="utf-8")
    return parse_examples(text, name, pack)


def parse_examples(text: str, file: str, pack: Pack) -> tuple[Example, ...]:
    """The examples of a YAML text.

    Raises:
        FileFault: with a finding, with its line, for each fault; a rule without examples or unknown is one.
    """
    root = read_entries(text, file)
    words = words_of([pack])
    rules = root.table([rule.id for rule in pack.rules])
    found = [_example(name, one, words) for name, entry in rules.items() for one in entry.items()]
    check_none(sorted(root.document.findings, key=lambda finding: finding.place.line or 0))
    return tuple(found)


def _example(rule: str, entry: Entry, words: Vocabulary) -> Example:
    inner = entry.table(("expect", "facts"), ("held",))
    keys = {name: Key(name, fact.shape, fact.values) for name, fact in words.facts.items()}
    facts = read_facts(inner["facts"].table((), keys), keys) if "facts" in inner else {}
    held = inner["held"].items() if "held" in inner else []
    expect = inner["expect"].one_of(EXPECTED) if "expect" in inner else None
    named = tuple(name for one in held if (name := one.one_of(words.evidence)) is not None)
    return Example(rule, expect or "unknown", facts, named, entry.line)  # type: ignore[arg-type]
