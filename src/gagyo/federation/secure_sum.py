"""The secure sum as a conversation: shares, then the cells to the hospitals, then the values to the receiver.

Where its roster was opened before, the cells' masks come with the shares, and one of the three turns is saved.

Used by whoever receives a sum: the coordinator, or the hospital that is left out. Every number that it reads is signed
by the hospital that sent it; `check_record` lets a third party (each hospital, `gagyo verify`) repeat the sum.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from gagyo.errors import GagyoError, Tampered
from gagyo.federation.ask import Numerals, Pooled
from gagyo.finding import Finding
from gagyo.protocol.request import Request
from gagyo.release import sharing
from gagyo.release.decision import Answer

Asking = Generator[list[Request], list[Answer], Any]
Verifiers = Mapping[str, Any]
"""By hospital, an object with `verify(signature, message)`."""


class IncompleteError(GagyoError):
    """Some hospitals of a roster did not release: `answers` are theirs."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        super().__init__(
            *(
                Finding(f"answer_{answer.code or answer.outcome}", values={"site": answer.site, "found": answer.site})
                for answer in answers
            )
        )
        self.answers = tuple(answers)


@dataclass(frozen=True)
class Record:
    """What was opened of one question: the signed answers from which anyone can derive the numbers again.

    A secure sum has `shares` and `values`; a question to each hospital has `values` alone.
    """

    values: tuple[Answer, ...]
    shares: tuple[Answer, ...] = ()

    @cached_property
    def _sum(self) -> Pooled:
        """Worked out once: whoever follows a run looks at it before the method does."""
        header = sharing.check_same_header(self.shares)
        masked = sharing.sum_of(answer.payload["values"] for answer in self.shares)
        openings = [(answer.payload["opened"], answer.payload["mask"]) for answer in self.values]
        if any(opened.size != len(masked) or int(opened.sum()) != len(mask) for opened, mask in openings):
            raise Tampered.of("unlike_openings")
        values, withheld = sharing.pooled_values(header, masked, openings)
        return Pooled(values, withheld, sites=tuple(answer.site for answer in self.shares))


def secure_sum(first: Request) -> Asking:
    """Ask the roster of `first` (its `site` is set here); gives (Pooled, Record).

    Raises:
        IncompleteError: a hospital did not release.
    """
    roster = first.roster
    shares = yield [first.to(site) for site in roster]
    _check_released(shares)
    opening = replace(first, arguments={"statement": first.statement}).relaying(shares=shares)
    asking_values = replace(opening, step="open.values")
    if not all("boxes" in one.payload for one in shares):
        asking_people = replace(opening, step="open.people")
        people = yield [asking_people.to(site) for site in roster]
        _check_released(people)
        asking_values = asking_values.relaying(people=people)
    values = yield [asking_values.to(site) for site in roster]
    _check_released(values)
    record = Record(tuple(values), tuple(shares))
    return pooled(record), record


def ask_each(first: Request, sites: Sequence[str]) -> Asking:
    """Ask each hospital for itself; returns (dict of Numerals, Record)."""
    answers = yield [first.to(site) for site in sites]
    _check_released(answers)
    record = Record(tuple(answers))
    return each(record), record


def _check_released(answers: Sequence[Answer]) -> None:
    others = [answer for answer in answers if answer.outcome != "released"]
    if others:
        raise IncompleteError(others)


def pooled(record: Record) -> Pooled:
    """The sum that a record opens."""
    found = record._sum
    # Each who asks has arrays of their own, which a method may write into.
    values = {name: one.copy() for name, one in found.values.items()}
    withheld = {name: one.copy() for name, one in found.withheld.items()}
    return Pooled(values, withheld, sites=found.sites)


def each(record: Record) -> dict[str, Numerals]:
    """The numbers by hospital that a record opens."""
    return {
        answer.site: Numerals(answer.payload["values"], answer.payload["withheld"], answer.payload["reasons"])
        for answer in record.values
    }


def check_answer(answer: Answer, verifiers: Verifiers) -> None:
    """Raise Tampered unless the answer's receipt is signed by its hospital and fits what it holds."""
    if answer.receipt is None:
        raise Tampered.of("no_receipt", found=answer.site)
    answer.receipt.check(verifiers[answer.site].verify)
    record = answer.receipt.record
    if record["request"] != answer.request or record["payload"] != answer.payload_digest:
        raise Tampered.of("unlike_receipt", found=answer.site)


def check_record(record: Record, verifiers: Verifiers) -> None:
    """Raise Tampered unless every answer of a record is signed by the hospital that it names, once a hospital."""
    for answers in (record.values, record.shares):
        if len({answer.site for answer in answers}) != len(answers):
            raise Tampered.of("doubled_answer")
        for answer in answers:
            check_answer(answer, verifiers)
    if record.shares and [one.site for one in record.shares] != [one.site for one in record.values]:
        raise Tampered.of("unlike_rosters")
    if record.shares:
        _check_one_sum(record)


def _check_one_sum(record: Record) -> None:
    """All answers are about one statement, over one roster, in one attempt: other masks do not cancel."""
    receipts = [answer.receipt.record for answer in (*record.shares, *record.values) if answer.receipt]
    about = {(one["statement"], tuple(one["roster"]), one["attempt"], one["receiver"]) for one in receipts}
    sites = [answer.site for answer in record.shares]
    if len(about) != 1 or list(receipts[0]["roster"]) != sites:
        raise Tampered.of("unlike_rosters")
