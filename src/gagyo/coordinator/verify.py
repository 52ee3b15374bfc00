"""Verifies a finished run: chains, signatures, receipts on both sides, every result again from the journal alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from operator import eq
from pathlib import Path
from typing import Any

from gagyo.coordinator.acts import check_acts
from gagyo.coordinator.arithmetic import near
from gagyo.coordinator.document import document, receipts_of
from gagyo.coordinator.run import Carrier, Run
from gagyo.errors import FileFault, GagyoError, Tampered, found_in
from gagyo.exchange.envelope import PublicKeys
from gagyo.federation.local import unlike_sources
from gagyo.federation.secure_sum import check_answer
from gagyo.federation.wire import answer_from
from gagyo.protocol.plan import Plan
from gagyo.release.decision import Answer
from gagyo.release.ledger import Entry, Seen, check_chain, read

MACHINE = ("versions", "arithmetic")
"""What results.json says of the machine that computed it."""


@dataclass(frozen=True)
class Verified:
    """What was checked: links of the journal and of each ledger, and how many analyses came out the same.

    people: acts of people (approvals, withdrawals, reviews) on each ledger. kept_there: receipts by hospital whose
    ledger is not in the folder (it stays at the hospital after a remote run). exact: to the last bit, as it must be on
    a machine that rounds like that of the run; elsewhere fractions are the same to nine digits. reports: the pages
    there that say what the results say.
    """

    journal: int
    ledgers: Mapping[str, int]
    kept_there: Mapping[str, int]
    analyses: int
    people: Mapping[str, int]
    exact: bool
    reports: tuple[str, ...] = ()


def verify(folder: Path, audit: Carrier) -> Verified:
    """Check a run's folder; `audit` answers from the journal alone.

    Raises:
        Tampered: naming the first thing that does not fit.
        FileFault: `made_by_other_version`, where methods that are installed here ask otherwise than those of the run.
    """
    plan = Plan.from_bytes((folder / "plan.json").read_bytes())
    publics = {name: PublicKeys(**keys) for name, keys in plan.keys.items()}
    links = _links(folder, "journal.jsonl", publics["coordinator"])
    answers = [answer_from(link.record) for link in links]
    for answer in answers:
        if answer.outcome == "released":
            check_answer(answer, publics)
        elif answer.outcome == "silent" and plan.study.may_go_on_without:
            continue  # the coordinator's own word, and the study says that it may go on: the results name the hospital
        elif answer.outcome == "behind":
            continue  # nothing left with it, and what the hospital sent when the fit began again has its receipts
        else:
            _check_receipt(answer, publics)
    others = sorted({str(one.receipt.record["plan"]) for one in answers if one.receipt} - {plan.digest})
    if others:
        raise Tampered.of("other_plan_answered", found=plan.digest, expected=others[0])
    here = [site for site in plan.study.sites if (folder / _ledger(site)).exists()]
    ledgers = {site: _check_ledger(folder, site, publics[site], answers) for site in here}
    people = {site: check_acts(site, list(read(folder / _ledger(site)))) for site in here}
    there = {site: _check_linked(site, answers) for site in plan.study.sites if site not in here}
    if there and _runtime(folder) == "embedded":
        raise Tampered.of("no_ledger", found=", ".join(there))
    analyses, exact = _check_results(folder, plan, audit, answers)
    return Verified(len(links), ledgers, there, analyses, people, exact)


@contextmanager
def same_version(plan: Plan) -> Iterator[None]:
    """A run's results are derived from its journal: a method of another version asks what stands in none.

    Raises:
        FileFault: `made_by_other_version`, in the place of what is missing then.
    """
    try:
        yield
    except GagyoError:
        if unlike := unlike_sources(plan.methods):
            raise FileFault.of("made_by_other_version", found=", ".join(unlike)) from None
        raise


def _ledger(site: str) -> str:
    return f"ledgers/{site}.jsonl"


def _links(folder: Path, file: str, public: PublicKeys) -> list[Entry]:
    """The links of a record whose chain is whole; a fault names the file."""
    with found_in(file):
        links = list(read(folder / file))
        check_chain(links, public)
    return links


def _runtime(folder: Path) -> str:
    return str(json.loads((folder / "results.json").read_bytes())["runtime"])


def _check_linked(site: str, answers: list[Answer]) -> int:
    """The receipts of a hospital are of one ledger; how many there are."""
    seen = Seen()
    for answer in answers:
        if answer.site == site and answer.receipt is not None:
            seen.note(site, answer.receipt)
    return len(seen)


def _check_receipt(answer: Answer, publics: Mapping[str, PublicKeys]) -> None:
    """A refusal, too, is signed by the hospital that it names."""
    if answer.receipt is None:
        raise Tampered.of("no_receipt", found=answer.site)
    answer.receipt.check(publics[answer.site].verify)
    if answer.outcome != "relay" and answer.receipt.record["request"] != answer.request:
        raise Tampered.of("unlike_receipt", found=answer.site)


def _check_ledger(folder: Path, site: str, public: PublicKeys, answers: list[Answer]) -> int:
    """The ledger's chain, and that both sides hold the same receipts, down to the closing one."""
    entries = _links(folder, _ledger(site), public)
    given = [answer.receipt for answer in answers if answer.site == site and answer.receipt is not None]
    closing = [one for one in given if one.record["step"] == "close"]
    if closing and entries[closing[-1].sequence : closing[-1].sequence + 1] != closing[-1:]:
        last = entries[-1].head if entries else ""
        with found_in(_ledger(site)):
            raise Tampered.of("bad_tail", found=last or "–", expected=closing[-1].head)
    # After it stand at most reviews, and refusals of a run that was taken up again: what left is looked for below.
    here = {entry.head: entry for entry in entries}
    there = {entry.head: entry for entry in given}
    plan = {entry.record["plan"] for entry in given}
    released = {head for head, entry in here.items() if _must_match(entry, plan)}
    if any(head not in there for head in released) or any(here.get(head) != entry for head, entry in there.items()):
        raise Tampered.of("other_ledger", found=site)
    return len(entries)


def _must_match(entry: Entry, plan: set[str]) -> bool:
    """Everything that left under this plan is in the journal; a refusal may have been asked for again after a crash."""
    return entry.record["outcome"] in ("released", "relay") and entry.record["plan"] in plan


def _check_results(folder: Path, plan: Plan, audit: Carrier, answers: list[Answer]) -> tuple[int, bool]:
    """How many analyses were derived again, and whether to the last bit: so it must be where this machine rounds alike.

    Another release may verify, and so may another processor; then fractions are the same but for rounding.
    """
    run = Run(plan, audit)
    with same_version(plan):
        for _ in run:
            pass
    found: dict[str, Any] = json.loads((folder / "results.json").read_bytes())
    again = json.loads(json.dumps(document(run, found["runtime"], receipts_of(answers))))
    alike = all(again[part] == found.get(part) for part in MACHINE)
    same = eq if alike else near
    _check_same(again["analyses"], found["analyses"], set(), same)
    _check_same(again, found, {"gagyo", "analyses", *MACHINE}, same)
    return len(again["analyses"]), again["analyses"] == found["analyses"]


def _check_same(
    again: Mapping[str, Any], found: Mapping[str, Any], but: set[str], same: Callable[[Any, Any], bool]
) -> None:
    for part in sorted((set(again) | set(found)) - but):
        if not same(again.get(part), found.get(part)):
            raise Tampered.of("other_results", found=part)
