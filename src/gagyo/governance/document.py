"""A check as one plain record, for programs and for pages: answers, rules, documents and facts, in three languages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from gagyo.canonical import plain
from gagyo.governance.check import Answer, Checked, Outcome
from gagyo.governance.derive import LEAD, Given
from gagyo.governance.evidence import Evidence
from gagyo.governance.exports import exported
from gagyo.governance.inventory import Inventory, inventory
from gagyo.governance.pack import Pack, Rule, words_of

WEIGHTS = ("law", "platform", "own")


def document(what: Given, checked: Checked, evidence: Sequence[Evidence] = ()) -> dict[str, Any]:
    """The record of a check: `day` and the packs' digests say what it was made for and by."""
    needs = inventory(checked)
    words = words_of(checked.packs)
    rules = {one.rule.id: one.rule for answer in checked.answers for one in answer.outcomes}
    return {
        "study": checked.study,
        "title": plain(what.study.title),
        "notice": plain(what.study.notice) if what.study.notice.en else None,
        "day": checked.day.isoformat(),
        "legal_advice": False,
        "lead": plain(what.study.lead),
        "packs": [_pack(pack) for pack in checked.packs],
        "parties": {name: _party(name, what) for name in _parties(what, checked)},
        "sites": {site: _site(site, checked) for site in what.study.sites},
        "answers": [_answer(one) for one in checked.answers],
        "rules": {name: _rule(rule, checked.day) for name, rule in sorted(rules.items())},
        "evidence": {
            name: {
                "name": plain(kind.name),
                "issuer": kind.issuer,
                "takes": plain(kind.takes),
                "one_of": list(kind.one_of),
            }
            for name, kind in words.evidence.items()
        },
        "facts": {name: plain(fact.name) for name, fact in words.facts.items()},
        "needed": _needed(needs),
        "questions": [{"site": one.site, "fact": one.fact, "why": list(one.why)} for one in needs.questions],
        "exported": [plain(exported(site, (one.subject for one in checked.answers))) for site in what.study.sites],
        "bounds": plain(checked.bounds),
        "held": [one.to_json() for one in evidence],
    }


def _pack(pack: Pack) -> dict[str, Any]:
    said = {"name": pack.name, "version": pack.version, "weight": pack.weight, "title": plain(pack.title)}
    return {**said, "digest": pack.digest, "rules": len(pack.rules), "sources": dict(pack.sources)}


def _parties(what: Given, checked: Checked) -> Iterable[str]:
    return sorted({*what.study.sites, LEAD, *(name for one in checked.answers for name in one.subject.to)})


def _party(name: str, what: Given) -> dict[str, Any]:
    party = what.parties.get(name)
    label = plain(party.label) if party and party.label.en else None
    controlled = list(party.controlled_by) if party and party.controlled_by else None
    return {"country": party.country if party else "", "controlled_by": controlled, "label": label}


def _site(site: str, checked: Checked) -> dict[str, Any]:
    return {"verdict": checked.verdict(site)}


def _answer(one: Answer) -> dict[str, Any]:
    subject = one.subject
    return {
        "site": subject.site,
        "thing": subject.thing or "none",
        "to": list(subject.to),
        "planned": subject.planned,
        "verdict": one.verdict,
        **{weight: one.of(weight) for weight in WEIGHTS},  # type: ignore[arg-type]
        "gap": one.gap,
        "gap_asks": list(one.gap_asks),
        "outcomes": [_outcome(found) for found in one.outcomes],
    }


def _outcome(one: Outcome) -> dict[str, Any]:
    return {
        "rule": one.rule.id,
        "verdict": one.verdict,
        "applies": one.applies,
        "lifted": one.lifted,
        "decides": one.decides,
        "missing": list(one.missing),
        "lifts": list(one.lifts),
        "asks": list(one.asks),
    }


def _rule(rule: Rule, day: date) -> dict[str, Any]:
    texts = {name: plain(getattr(rule, name)) for name in ("explain", "next_step", "note", "penalty", "doubt")}
    return {
        "instrument": {"original": rule.original, **plain(rule.instrument)},
        "jurisdiction": rule.jurisdiction,
        "article": plain(rule.article),
        "from": rule.start.isoformat() if rule.start else None,
        "until": rule.until.isoformat() if rule.until else None,
        "status": "in_force" if rule.status == "future" and rule.decides(day) else rule.status,
        "basis": rule.basis,
        "weight": rule.weight,
        "effect": rule.effect,
        "sources": list(rule.sources),
        "limit": dict(rule.limit),
        "retain_years": rule.retain_years,
        **texts,
    }


def _needed(needs: Inventory) -> list[dict[str, Any]]:
    return [
        {
            "issuer": one.kind.issuer,
            "site": one.site,
            "kind": one.kind.id,
            "why": list(one.why),
            "things": list(one.things),
            "lifts": one.lifts,
        }
        for one in needs.needed
    ]
