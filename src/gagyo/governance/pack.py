"""Rule packs: rules as data, read from YAML with all faults at once, each pack under a digest of what it says."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args

from gagyo.canonical import digest
from gagyo.errors import check_none
from gagyo.governance.facts import EvidenceKind, Vocabulary, read_evidence, read_vocabulary
from gagyo.governance.grammar import Condition, known, read_condition
from gagyo.protocol.guards import short
from gagyo.protocol.written import ID, Entry, Table, read_entries, read_text
from gagyo.text import LANGUAGES, Text

Effect = Literal["forbid", "needs_first", "allow_if", "limit", "notify", "advise"]
"""What a rule does where it applies, the strictest first."""
Status = Literal["in_force", "guidance", "convention", "future", "draft"]
Basis = Literal["first_hand", "second_hand", "memory", "inference", "convention"]
"""How sure: the text was read; somebody's account of it; memory only; a conclusion of ours; a custom of the field."""
BASES: tuple[Basis, ...] = get_args(Basis)
Weight = Literal["law", "platform", "own"]
"""Whose rule: the law's, the platform's own policy, or an operator's own."""
BUILT_IN = ("cn", "kr", "platform")
RULE_ID = r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)*"
LIMITS = (
    *("minimum_people", "floor", "secondary_suppression", "differencing_check", "dominance_check", "named_releaser"),
    *("no_row_memorising_layers", "stay_within_assessment", "important_data_at_persons", "genomic_route"),
    *("check_list_entries", "final_report_months_after_end", "cii_hours", "major_minutes", "no_linkage_without_agency"),
    *("stop_switch_per_site", "objection_days", "answer_days", "start_within_months", "persons_hours"),
    "authority_hours",
)
"""Limits that a rule can set; `rules.limit.<name>` of the catalogue says each in words."""
REQUIRED = ("id", "jurisdiction", "instrument", "article", "effective", "status", "basis", "when", "effect")
OPTIONAL = (
    *("sources", "split_from", "unless", "requires", "still_requires", "limit", "retain_years"),
    *("note", "penalty", "doubt"),
)


def _nothing() -> Text:
    return Text("")


@dataclass(frozen=True)
class Rule:
    """One rule. `original`: its instrument's name in its own language; `instrument`: in three languages.

    start, until: first and last day in force, None where open.
    Where `when` is true the rule applies; where `unless` is true as well it is lifted, and asks for `still_requires`
    instead of `requires` (all of them: alternatives are groups of evidence).
    """

    id: str
    jurisdiction: str
    original: str
    instrument: Text
    article: Text
    start: date | None
    until: date | None
    status: Status
    basis: Basis
    when: Condition
    effect: Effect
    weight: Weight
    explain: Text
    next_step: Text
    sources: tuple[str, ...] = ()
    split_from: str = ""
    unless: Condition | None = None
    requires: tuple[str, ...] = ()
    still_requires: tuple[str, ...] = ()
    limit: Mapping[str, int | str] = field(default_factory=dict)
    retain_years: int | None = None
    note: Text = field(default_factory=_nothing)
    penalty: Text = field(default_factory=_nothing)
    doubt: Text = field(default_factory=_nothing)

    @property
    def facts(self) -> frozenset[str]:
        """Every fact that the rule asks for."""
        return self.when.facts | (self.unless.facts if self.unless else frozenset())

    def decides(self, day: date) -> bool:
        """Whether it is in force on a day. A draft never is; a rule that is over or not yet begun only warns."""
        begun = self.start is None or self.start <= day
        return begun and not self.over(day) and self.status != "draft"

    def over(self, day: date) -> bool:
        """Whether its last day is past."""
        return self.until is not None and self.until < day


@dataclass(frozen=True)
class Pack:
    """Rules of one country, of the platform, or of an operator. `digest` is of what it says, not of its layout."""

    name: str
    version: str
    weight: Weight
    title: Text
    sources: Mapping[str, str]
    rules: tuple[Rule, ...]
    digest: str
    evidence: Mapping[str, EvidenceKind] = field(default_factory=dict)


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def vocabulary() -> Vocabulary:
    """The facts and kinds of evidence of the packs that Gagyo brings."""
    root = read_entries(_installed("vocabulary"), "vocabulary.yaml")
    words = read_vocabulary(root)
    check_none(root.document.findings)
    return words


@cache
def packs() -> tuple[Pack, ...]:
    """The packs that Gagyo brings: both countries' and the platform's."""
    return tuple(parse_pack(_installed(name), f"{name}.yaml", vocabulary()) for name in BUILT_IN)


def _installed(name: str) -> str:
    return (files("gagyo.governance") / "packs" / f"{name}.yaml").read_text(encoding="utf-8")


def read_own(path: Path, others: Sequence[Pack]) -> Pack:
    """An operator's own pack. Its rules join the others; no name of theirs can be taken, so none can be replaced.

    Raises:
        FileFault: with a finding, with its line, for each fault.
    """
    taken = frozenset(rule.id for pack in others for rule in pack.rules)
    return parse_pack(read_text(path), str(path), words_of(others), taken, own=True)


def own_packs(paths: Iterable[Path]) -> tuple[Pack, ...]:
    """An operator's own packs, each read beside Gagyo's and those before it; raises as `read_own`."""
    found: list[Pack] = []
    for path in paths:
        found.append(read_own(path, (*packs(), *found)))
    return tuple(found)


def words_of(some: Sequence[Pack]) -> Vocabulary:
    """The vocabulary of Gagyo with the kinds of evidence that packs bring."""
    words = vocabulary()
    for pack in some:
        words = words.with_evidence(pack.evidence)
    return words


def parse_pack(
    text: str, file: str, words: Vocabulary, taken: Collection[str] = frozenset(), own: bool = False
) -> Pack:
    """The pack of a YAML text. `taken`: rules that exist already. `own`: an operator's, which must say so.

    Raises:
        FileFault: with a finding, with its line, for each fault.
    """
    root = read_entries(text, file)
    pack = _pack(root, words, taken, own)
    check_none(sorted(root.document.findings, key=lambda finding: finding.place.line or 0))
    return pack


def _pack(root: Entry, words: Vocabulary, taken: Collection[str], own: bool) -> Pack:
    keys = root.table(("format", "pack", "version", "weight", "title", "rules"), ("sources", "evidence"))
    weights = ("own",) if own else ("law", "platform")
    weight: Weight = (keys["weight"].one_of(weights) if "weight" in keys else None) or "own"  # type: ignore[assignment]
    evidence = _own_evidence(keys, words)
    words = words.with_evidence(evidence)
    sources = {
        name: one.text() or "" for name, one in (keys["sources"].table((), None) if "sources" in keys else {}).items()
    }
    return Pack(
        name=_text(keys, "pack", ID),
        version=_text(keys, "version"),
        weight=weight,
        title=_label(keys, "title"),
        sources=sources,
        rules=_rules(keys, words, weight, sources, taken),
        digest=digest(root.plain()),
        evidence=evidence,
    )


def _own_evidence(keys: Table, words: Vocabulary) -> dict[str, EvidenceKind]:
    if "evidence" not in keys:
        return {}
    found = read_evidence(keys["evidence"])
    for name in found:
        if name in words.evidence:
            keys["evidence"].value[name].fault("rules_taken", found=name)
    every = {*found, *words.evidence}
    for name, kind in found.items():
        for member in kind.one_of:
            if member not in every or member == name:
                keys["evidence"].value[name].fault("rules_unknown_word", found=short(member), hint="")
    return found


def _rules(
    keys: Table, words: Vocabulary, weight: Weight, sources: Mapping[str, str], taken: Collection[str]
) -> tuple[Rule, ...]:
    found: dict[str, Rule] = {}
    for entry in keys["rules"].items() if "rules" in keys else []:
        rule = _rule(entry, words, weight, sources)
        if rule is None:
            continue
        if rule.id in found or rule.id in taken:
            entry.fault("rules_taken", found=rule.id)
        found[rule.id] = rule
    return tuple(found.values())


def _rule(entry: Entry, words: Vocabulary, weight: Weight, sources: Mapping[str, str]) -> Rule | None:
    """A rule, complete only where no fault was noted."""
    keys = entry.table((*REQUIRED, "explain", "next_step"), OPTIONAL)
    when = read_condition(keys["when"], words) if "when" in keys else None
    unless = read_condition(keys["unless"], words, evidence=True) if "unless" in keys else None
    instrument = keys["instrument"].table(("original", *LANGUAGES)) if "instrument" in keys else {}
    start, until = _days(keys)
    if when is None:
        return None
    return Rule(
        id=_text(keys, "id", RULE_ID),
        jurisdiction=_text(keys, "jurisdiction"),
        original=_text(instrument, "original"),
        instrument=Text(**{language: _text(instrument, language) for language in LANGUAGES}),
        article=_article(keys),
        start=start,
        until=until,
        status=_one(keys, "status", get_args(Status)),  # type: ignore[arg-type]
        basis=_one(keys, "basis", get_args(Basis)),  # type: ignore[arg-type]
        when=when,
        effect=_one(keys, "effect", get_args(Effect)),  # type: ignore[arg-type]
        weight=weight,
        explain=_label(keys, "explain"),
        next_step=_label(keys, "next_step"),
        sources=_sources(keys, sources),
        split_from=_text(keys, "split_from", RULE_ID),
        unless=unless,
        requires=_evidence(keys, "requires", words),
        still_requires=_evidence(keys, "still_requires", words),
        limit=_limits(keys),
        retain_years=keys["retain_years"].whole(1) if "retain_years" in keys else None,
        note=_label(keys, "note"),
        penalty=_label(keys, "penalty"),
        doubt=_label(keys, "doubt"),
    )


def _days(keys: Table) -> tuple[date | None, date | None]:
    inner = keys["effective"].table(("from", "until")) if "effective" in keys else {}
    start, until = (
        inner[key].day() if key in inner and inner[key].value is not None else None for key in ("from", "until")
    )
    if start and until and until < start:
        keys["effective"].fault("period_order", found=until.isoformat(), expected=start.isoformat())
    return start, until


def _evidence(keys: Table, key: str, words: Vocabulary) -> tuple[str, ...]:
    return tuple(one.raw for one in keys[key].items() if known(one, words.evidence)) if key in keys else ()


def _sources(keys: Table, sources: Mapping[str, str]) -> tuple[str, ...]:
    found = keys["sources"].items() if "sources" in keys else []
    return tuple(name for one in found if (name := one.one_of(sources)) is not None)


def _limits(keys: Table) -> dict[str, int | str]:
    inner = keys["limit"].table((), LIMITS) if "limit" in keys else {}
    counted = {name: entry.whole(0) for name, entry in inner.items() if name in ("minimum_people", "floor")}
    said: dict[str, int | str] = {
        name: entry.value for name, entry in inner.items() if isinstance(entry.value, (int, str))
    }
    return {name: value for name, value in {**said, **counted}.items() if value is not None}


def _one(keys: Table, key: str, allowed: tuple[str, ...]) -> str:
    return (keys[key].one_of(allowed) if key in keys else None) or allowed[0]


def _text(keys: Table, key: str, pattern: str | None = None) -> str:
    return (keys[key].text(pattern) or "") if key in keys else ""


def _article(keys: Table) -> Text:
    """The place in the instrument: one text that all readers understand, such as '39', or one in each language."""
    if "article" in keys and isinstance(keys["article"].value, dict):
        return keys["article"].label()
    said = _text(keys, "article")
    return Text(said, said, said)


def _label(keys: Table, key: str) -> Text:
    return keys[key].label() if key in keys else Text("")
