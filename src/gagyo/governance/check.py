"""The check: for each hospital and each thing that leaves it, what the rules in force on a day say; the strictest wins.

The answer is one of four, and only one of them is a yes. An unknown fact never gives that one; nor does a rule that
was read from memory only; nor does silence: a thing that no rule of its country speaks of may not leave.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from gagyo.governance.derive import MODELS, SUMMARIES, Given, Subject, subjects
from gagyo.governance.evidence import Evidence, held
from gagyo.governance.facts import Facts, Truth
from gagyo.governance.pack import Pack, Rule, Weight, packs, vocabulary, words_of

Verdict = Literal["may_go_ahead", "needs_first", "unknown", "forbidden"]
STRICTER: tuple[Verdict, ...] = ("may_go_ahead", "needs_first", "unknown", "forbidden")
"""Verdicts from the yes to the strictest no."""
BLOCKING = ("forbid", "needs_first", "allow_if")
"""Effects that can keep something from leaving; the others limit, notify or advise."""
SILENT: Mapping[Weight, list[Verdict]] = {"law": ["unknown"], "platform": ["forbidden"], "own": []}
"""What it comes to where no rule of law speaks of a thing: the law is unknown, and the platform refuses."""
OPEN: Mapping[Weight, list[Verdict]] = {"law": ["unknown"], "platform": ["unknown"], "own": []}
"""The same where an unknown fact keeps it open whether one does."""
SPOKEN_OF = ("egress.kind", "egress.carries_pi")
"""Facts of what leaves: a rule whose answer hangs on them speaks of the thing, not only of the hospital."""


@dataclass(frozen=True)
class Outcome:
    """What one rule says of one subject.

    applies: true, or unknown; a rule that does not apply has no outcome. lifted: whether its `unless` holds. missing:
    evidence that it still asks for. lifts: evidence that would lift it. asks: unknown facts that it hangs on. decides:
    whether it is in force on the day; else it only warns.
    """

    rule: Rule
    verdict: Verdict
    applies: Truth
    lifted: Truth
    decides: bool
    missing: tuple[str, ...] = ()
    lifts: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What all rules say of one subject. `gap`: no rule of law speaks of it; `gap_asks`: facts that could show one."""

    subject: Subject
    outcomes: tuple[Outcome, ...]
    gap: bool = False
    gap_asks: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The strictest of all."""
        return strictest(self.of(weight) for weight in ("law", "platform", "own"))

    def of(self, weight: Weight) -> Verdict:
        """The law's answer, the platform's, or the operator's own packs'. Silence of the law is its "unknown"."""
        found = [one.verdict for one in self.deciding if one.rule.weight == weight]
        if self.gap:
            found += (OPEN if self.gap_asks else SILENT)[weight]
        return strictest(found)

    @property
    def deciding(self) -> tuple[Outcome, ...]:
        """Outcomes of rules in force on the day."""
        return tuple(one for one in self.outcomes if one.decides)

    @property
    def asks(self) -> frozenset[str]:
        """Every unknown fact on which this answer hangs, by any rule that blocks."""
        blocking = (one for one in self.deciding if one.verdict != "may_go_ahead")
        return frozenset(self.gap_asks).union(*(one.asks for one in blocking))


@dataclass(frozen=True)
class Bounds:
    """What the rules hand to the gate. `shut`: by hospital, kinds of things that may not leave at all.

    minimum_people: the largest that a rule in force sets, or may set. releaser: whether a named person must release.
    """

    minimum_people: int = 0
    releaser: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shut: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def strictest(self, other: Bounds) -> Bounds:
        """The larger minimum, and everything that either shuts or gives to a person."""
        least = max(self.minimum_people, other.minimum_people)
        return Bounds(least, _both(self.releaser, other.releaser), _both(self.shut, other.shut))


@dataclass(frozen=True)
class Checked:
    """A study checked: for which day, by which packs (their digests), and the answer for every subject."""

    study: str
    day: date
    packs: tuple[Pack, ...]
    answers: tuple[Answer, ...]

    def at(self, site: str) -> tuple[Answer, ...]:
        """The answers of one hospital."""
        return tuple(one for one in self.answers if one.subject.site == site)

    def verdict(self, site: str) -> Verdict:
        """The strictest answer of a hospital; a hospital of which nothing is known to leave is unknown."""
        found = [one.verdict for one in self.at(site)]
        return strictest(found) if found else "unknown"

    @property
    def bounds(self) -> Bounds:
        """The limits that the rules set, for the gate."""
        limits = [(one, answer) for answer in self.answers for one in answer.deciding if one.rule.limit]
        least = [
            value for one, _ in limits for name, value in one.rule.limit.items() if name in ("minimum_people", "floor")
        ]
        released = [(a.subject.site, a.subject.thing) for one, a in limits if "named_releaser" in one.rule.limit]
        shut = [(one.subject.site, one.subject.thing) for one in self.answers if one.verdict == "forbidden"]
        return Bounds(max((n for n in least if isinstance(n, int)), default=0), _by_site(released), _by_site(shut))


def _by_site(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for site, thing in pairs:
        found.setdefault(site, set()).add(thing)
    return {site: tuple(sorted(things)) for site, things in found.items()}


def _both(one: Mapping[str, tuple[str, ...]], other: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {site: tuple(sorted({*one.get(site, ()), *other.get(site, ())})) for site in {**one, **other}}


def strictest(found: Iterable[Verdict]) -> Verdict:
    """The strictest of some verdicts; a yes where there is none."""
    return max(found, key=STRICTER.index, default="may_go_ahead")


# ── one study ─────────────────────────────────────────────────────────────────────────────────────────────────────


def check(what: Given, day: date, evidence: Sequence[Evidence] = (), own: Sequence[Pack] = ()) -> Checked:
    """What the rules in force on `day` say of a study. `own`: an operator's packs, which can only add rules."""
    every = (*packs(), *own)
    evidence = [one for one in evidence if one.about(what.study)]
    kinds = words_of(every).evidence
    shown = {(one.site, one.thing): held(evidence, kinds, one.site, one.thing, day) for one in subjects(what)}
    found = subjects(what, shown)
    answers = (answer(one, every, shown[one.site, one.thing], day) for one in found)
    return Checked(what.study.study, day, every, tuple(answers))


def answer(subject: Subject, some: Sequence[Pack], shown: Collection[str], day: date) -> Answer:
    """What the rules of some packs say of a subject on a day, with the evidence that is held for it."""
    rules = [rule for pack in some for rule in pack.rules if not rule.over(day)]
    found = [outcome(rule, subject.facts, shown, day) for rule in rules]
    outcomes = tuple(one for one in found if one is not None)
    # Only rules of law can show that the law speaks of a thing: an own pack adds noes, never a ground.
    grounds = [rule for rule in rules if _could_speak(rule) and rule.decides(day)]
    spoken = [_speaks(rule, subject.facts, shown) for rule in grounds]
    if True in spoken:
        return Answer(subject, outcomes)
    open_ones = (rule for rule, one in zip(grounds, spoken, strict=True) if one is None)
    asks = frozenset[str]().union(*(rule.when.unknowns(subject.facts, shown) for rule in open_ones))
    return Answer(subject, outcomes, gap=True, gap_asks=tuple(sorted(asks)))


def _could_speak(rule: Rule) -> bool:
    return rule.weight == "law" and rule.effect in BLOCKING and not rule.when.facts.isdisjoint(SPOKEN_OF)


def _speaks(rule: Rule, facts: Facts, shown: Collection[str]) -> Truth:
    """Whether a rule applies, and would not be known to without what leaves."""
    applies = rule.when.holds(facts, shown)
    if applies is not True:
        return applies
    without = {name: value for name, value in facts.items() if name not in SPOKEN_OF}
    return rule.when.holds(without, shown) is not True


def outcome(rule: Rule, facts: Facts, shown: Collection[str], day: date) -> Outcome | None:
    """What one rule says; None where it does not apply."""
    applies = rule.when.holds(facts, shown)
    if applies is False:
        return None
    lifted = rule.unless.holds(facts, shown) if rule.unless else False
    needed = rule.still_requires if lifted else rule.requires
    missing = tuple(kind for kind in needed if kind not in shown)
    reports = _reports(rule, facts, shown) if applies is None else ()
    if reports:
        return Outcome(
            rule, "needs_first", None, lifted, rule.decides(day), reports, asks=tuple(sorted(_asks(rule, facts, shown)))
        )
    return Outcome(
        rule=rule,
        verdict=_verdict(rule, applies, lifted, bool(missing)),
        applies=applies,
        lifted=lifted,
        decides=rule.decides(day),
        missing=missing,
        lifts=_lifts(rule, lifted, shown),
        asks=tuple(sorted(_asks(rule, facts, shown))),
    )


def _reports(rule: Rule, facts: Facts, shown: Collection[str]) -> tuple[str, ...]:
    """Documents that come before every question: only they show what an output or a model carries."""
    if rule.effect not in BLOCKING or facts.get("egress.kind") not in (*SUMMARIES, *MODELS):
        return ()
    words = vocabulary().facts
    found = {words[name].shown_by for name in rule.when.unknowns(facts, shown)} - {""} - set(shown)
    return tuple(sorted(found))


def _asks(rule: Rule, facts: Facts, shown: Collection[str]) -> frozenset[str]:
    unless = rule.unless.unknowns(facts, shown) if rule.unless else frozenset()
    return rule.when.unknowns(facts, shown) | unless


def _lifts(rule: Rule, lifted: Truth, shown: Collection[str]) -> tuple[str, ...]:
    if rule.unless is None or lifted:
        return ()
    return tuple(sorted(kind for kind in rule.unless.evidence if kind not in shown))


def _verdict(rule: Rule, applies: Truth, lifted: Truth, missing: bool) -> Verdict:
    if rule.effect not in BLOCKING:
        return "may_go_ahead"
    stands = rule.effect == "forbid" and lifted is not True
    if not stands and not missing:
        return "may_go_ahead"
    if applies is None or rule.basis == "memory":
        return "unknown"
    return "forbidden" if stands else "needs_first"
