"""The rules at this hospital's door: what its own check says of a plan on a day, by its own evidence and packs.

A coordinator's check says what a study still needs; this one decides. It reads the hospital's list of evidence anew for
each request, so that a document that ends, or a rule that comes into force, counts from that day on. A hospital that
keeps no list is still bound by what its packs forbid, by their minimum, and by the person whom they want to release.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from gagyo.canonical import plain
from gagyo.errors import FileFault
from gagyo.finding import Finding
from gagyo.governance.bounds import bounds_over
from gagyo.governance.check import BLOCKING, Answer, Bounds, Checked, check
from gagyo.governance.derive import Given, given, subjects, things_of
from gagyo.governance.evidence import EVERY, Evidence, held_in
from gagyo.governance.pack import Basis, Pack, Rule, own_packs
from gagyo.protocol.governance import Party
from gagyo.protocol.plan import Plan
from gagyo.protocol.study import Study
from gagyo.result import Words
from gagyo.site.policy import RuleTerms
from gagyo.site.site_file import SiteFile
from gagyo.text import Language, translate

Sends = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Named:
    """Rules by name, each with how sure it is, as a text in any language."""

    rules: tuple[tuple[str, Basis], ...]

    def to(self, language: Language) -> str:
        """The text in a language; a dash where there is none."""
        told = (f"{name} [{translate(f'rules.basis.{basis}', language)}]" for name, basis in self.rules)
        return ", ".join(told) or "-"


@dataclass(frozen=True)
class Ruling:
    """One check of a plan at this hospital: for the day, by the packs and the evidence that it was made with."""

    site: str
    checked: Checked
    evidence: tuple[Evidence, ...]
    things: Mapping[str, str]

    @property
    def answers(self) -> tuple[Answer, ...]:
        """What the rules say of each kind of thing that the plan itself would send from here."""
        return tuple(one for one in self.checked.at(self.site) if one.subject.planned)

    @property
    def short(self) -> tuple[Answer, ...]:
        """The answers that are no yes."""
        return tuple(one for one in self.answers if one.verdict != "may_go_ahead")

    def released_by_person(self, analysis: str) -> bool:
        """Whether a rule in force wants a named person to release what an analysis sends from here."""
        return self.things.get(analysis) in self.checked.bounds.releaser.get(self.site, ())

    def ending(self, days: int) -> list[Evidence]:
        """Documents that are in force, and will not be after so many days."""
        day = self.checked.day
        held = [one for one in self.evidence if one.until is not None and one.start <= day]
        return [one for one in held if one.until is not None and 0 <= (one.until - day).days <= days]

    def findings(self) -> list[Finding]:
        """What keeps a plan from running here, a finding for each kind of thing."""
        return [
            Finding(
                "rules_not_met",
                values={
                    "site": self.site,
                    "thing": Words(f"rules.thing.{one.subject.thing or 'none'}"),
                    "verdict": Words(f"rules.verdict.{one.verdict}"),
                    "found": Named(tuple((each.id, each.basis) for each in _against(one))),
                    "expected": ", ".join(_missing(one)) or "-",
                    "day": self.checked.day.isoformat(),
                },
            )
            for one in self.short
        ]

    def told(self) -> dict[str, Any]:
        """The check as the ledger keeps it: packs and documents by their digests."""
        return {
            "doing": "check",
            "day": self.checked.day.isoformat(),
            "packs": [{"name": one.name, "version": one.version, "digest": one.digest} for one in self.checked.packs],
            "evidence": [_evidence(one) for one in self.evidence],
            "answers": [
                {
                    "thing": one.subject.thing,
                    "to": list(one.subject.to),
                    "verdict": one.verdict,
                    "against": [each.id for each in _against(one)],
                    "missing": list(_missing(one)),
                }
                for one in self.answers
            ],
        }


def _against(one: Answer) -> tuple[Rule, ...]:
    """The rules in force that are against it."""
    return tuple(each.rule for each in one.deciding if each.verdict != "may_go_ahead")


def _missing(one: Answer) -> tuple[str, ...]:
    """Kinds of documents that those rules ask for, or that would lift them."""
    asked = [each for each in one.deciding if each.verdict != "may_go_ahead" and each.rule.effect in BLOCKING]
    return tuple(sorted({kind for each in asked for kind in (*each.missing, *each.lifts)}))


def _evidence(one: Evidence) -> dict[str, Any]:
    said = {name: value for name, value in vars(one).items() if value not in (None, "")}
    return {name: value.isoformat() if isinstance(value, date) else plain(value) for name, value in said.items()}


@dataclass(frozen=True)
class Bound:
    """What the packs set for a plan at a hospital over the study's whole time, whatever its coordinator left out."""

    site: str
    bounds: Bounds = field(default_factory=Bounds)
    things: Mapping[str, str] = field(default_factory=dict)
    planned: tuple[str, ...] = ()

    def released_by_person(self, analysis: str) -> bool:
        """Whether a rule wants a named person to release what an analysis sends from here."""
        return self.things.get(analysis) in self.bounds.releaser.get(self.site, ())

    def findings(self) -> list[Finding]:
        """A finding for each kind of thing that the plan would send from here, and that a rule forbids."""
        shut = [thing for thing in self.bounds.shut.get(self.site, ()) if thing in self.planned]
        return [
            Finding(
                "rules_forbidden_here",
                values={"site": self.site, "thing": Words(f"rules.thing.{thing or 'none'}")},
            )
            for thing in shut
        ]


class Unlisted:
    """The rules at a hospital that keeps no list of evidence: nothing is shown to hold, so prohibitions are not lifted.

    party: what the hospital states of itself, which counts beside what a study states.
    """

    def __init__(self, site: str, party: Party | None, today: Callable[[], date] = date.today) -> None:
        self._site, self._today = site, today
        self._parties = {site: party} if party is not None else {}

    def bound(self, study: Study, sends: Sends) -> Bound:
        """What the packs set for a plan; nothing where neither the study nor the hospital states a fact."""
        if study.governance is None and not self._parties:
            return Bound(self._site)
        what = given(study, sends, self._parties)
        planned = tuple(one.thing for one in subjects(what) if one.planned and one.site == self._site)
        return Bound(self._site, bounds_over(what), things_of(self._site, what), planned)

    def told(self, plan: Plan) -> dict[str, Any] | None:
        """The check of today for the ledger, of a plan whose study states facts: told to people, and not decisive."""
        if plan.study.governance is None:
            return None
        what = given(plan.study, plan.sends, self._parties)
        checked = check(what, self._today())
        return {**Ruling(self._site, checked, (), things_of(self._site, what)).told(), "decides": False}


class Ruled:
    """A hospital's own check of the rules, made again where its day or its list of evidence is another."""

    def __init__(
        self, site: str, terms: RuleTerms, folder: Path, party: Party | None, today: Callable[[], date] = date.today
    ) -> None:
        self._site, self._folder, self._today = site, folder, today
        self._parties = {site: party} if party is not None else {}
        self._own: tuple[Pack, ...] = own_packs([folder / name for name in terms.packs])
        self._evidence = folder / terms.evidence if terms.evidence else None
        self._list: tuple[bytes, tuple[Evidence, ...]] = b"", ()
        self._last: dict[str, tuple[date, tuple[Evidence, ...], Ruling]] = {}

    @classmethod
    def of(cls, file: SiteFile, today: Callable[[], date] = date.today) -> Ruled | None:
        """The check that a site file asks for; None where its policy asks for none.

        Raises:
            FileFault: a rule pack that it names cannot be read.
        """
        terms = file.policy.rules
        return None if terms is None else cls(file.site, terms, file.folder, file.governance, today)

    def bound(self, study: Study, sends: Sends) -> Bound:
        """The largest minimum that a rule sets over the study's whole time, the hospital's own packs among them.

        What is forbidden, and who must release, its check says on each day.
        """
        return Bound(self._site, Bounds(bounds_over(self._given(study, sends), (), self._own).minimum_people))

    def on(self, plan: Plan) -> Ruling:
        """The check of a plan today.

        Raises:
            FileFault: the list of evidence cannot be read.
        """
        day, held = self._today(), self._held(plan.study)
        last = self._last.get(plan.digest)
        if last is None or last[:2] != (day, held):
            what = self._given(plan.study, plan.sends)
            checked = check(what, day, held, self._own)
            last = day, held, Ruling(self._site, checked, held, things_of(self._site, what))
            self._last[plan.digest] = last
        return last[2]

    def _given(self, study: Study, sends: Sends) -> Given:
        return given(study, sends, self._parties)

    def _held(self, study: Study) -> tuple[Evidence, ...]:
        return tuple(one for one in self._every() if one.about(study) and one.site in (self._site, EVERY))

    def _every(self) -> tuple[Evidence, ...]:
        """The whole list; it is read at each request, and understood anew only where it is another."""
        if self._evidence is None:
            return ()
        try:
            written = self._evidence.read_bytes()
        except OSError:
            raise FileFault.of("file_not_found", found=str(self._evidence)) from None
        if written != self._list[0]:
            self._list = written, held_in(self._evidence, self._own)
        return self._list[1]
