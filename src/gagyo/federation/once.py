"""Requests as records of a message: what a hospital has travels to it once or, being its own, never, and is named.

A round relays the signed shares of all hospitals three times: to open the people, to open the values, and as history.
The coordinator's `Outgoing` notes what a hospital has; the hospital's `Incoming` keeps it. Where that was lost (the
hospital's service was restarted) it says that it is behind, and everything travels again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from gagyo.errors import Tampered
from gagyo.federation.line import Cursor
from gagyo.federation.opened import Opened
from gagyo.federation.secure_sum import Record
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer
from gagyo.release.ledger import Entry

PLAIN = ("plan", "analysis", "cohort", "round", "site", "step", "arguments", "roster", "attempt", "receiver")
ANSWER = tuple(field.name for field in fields(Answer))


class Behind(Exception):
    """The hospital lacks what a request names; it has to be sent whole."""


class Outgoing:
    """What one hospital has: what it was sent, and what it answered itself."""

    def __init__(self) -> None:
        self._has: set[str] = set()
        self._opened = 0

    def forget(self) -> None:
        """Send everything again."""
        self._has.clear()
        self._opened = 0

    def came(self, answer: Answer) -> None:
        """The hospital gave this answer, and so has it."""
        if answer.receipt is not None:
            self._has.add(answer.receipt.head)

    def record(self, request: Request) -> dict[str, Any]:
        """A request as a record, without what the hospital has."""
        relay = {name: self._relayed(name, value) for name, value in sorted(request.relay.items())}
        return {name: getattr(request, name) for name in PLAIN} | {"relay": relay}

    def _relayed(self, name: str, value: Any) -> Any:
        if name == "history":
            fresh = value[self._opened :]
            start, self._opened = self._opened, len(value)
            return {"from": min(start, len(value)), "opened": [self._opening(one) for one in fresh]}
        if name in ("shares", "people"):
            return [self._answer(one) for one in value]
        return value

    def _opening(self, opened: Opened) -> dict[str, Any]:
        record = opened.record
        parts = record and {
            "values": [self._answer(one) for one in record.values],
            "shares": [self._answer(one) for one in record.shares],
        }
        cursor = [opened.cursor.analysis, opened.cursor.round]
        told = {"at": cursor, "record": parts, "stopped": opened.stopped, "why": dict(opened.values)}
        refused = [[site, _receipt_record(receipt)] for site, receipt in opened.refused]
        return told | ({"refused": refused} if refused else {})

    def _answer(self, answer: Answer) -> Any:
        if answer.receipt is None:
            return answer_record(answer)
        if answer.receipt.head in self._has:
            return answer.receipt.head
        self._has.add(answer.receipt.head)
        return answer_record(answer)


class Incoming:
    """What one hospital got under a plan."""

    def __init__(self) -> None:
        self._answers: dict[str, Answer] = {}
        self._history: list[Opened] = []

    def gave(self, answer: Answer) -> None:
        """This hospital gives an answer, which will not be brought back to it."""
        if answer.receipt is not None:
            self._answers[answer.receipt.head] = answer

    def request(self, record: Mapping[str, Any]) -> Request:
        """The request of a record.

        Raises:
            Behind: it names what this hospital does not have.
            Tampered: `bad_wire` where it is no request.
        """
        try:
            relay = {name: self._relayed(name, value) for name, value in sorted(record["relay"].items())}
            given = {name: record[name] for name in PLAIN}
        except (KeyError, TypeError, AttributeError, ValueError):
            raise Tampered.of("bad_wire", found="request") from None
        texts = all(isinstance(given[name], str) for name in ("plan", "analysis", "cohort", "site", "step", "receiver"))
        if not texts or type(given["round"]) is not int or type(given["attempt"]) is not int:
            raise Tampered.of("bad_wire", found="request")
        if not isinstance(given["arguments"], dict) or not _texts(given["roster"]):
            raise Tampered.of("bad_wire", found="request")
        return Request(**{**given, "roster": tuple(given["roster"]), "relay": relay})

    def _relayed(self, name: str, value: Any) -> Any:
        if name == "history":
            return self._followed(value)
        if name in ("shares", "people"):
            return [self._answer(one) for one in value]
        return value

    def _followed(self, value: Mapping[str, Any]) -> list[Opened]:
        start = value["from"]
        if type(start) is not int or start < 0:
            raise Tampered.of("bad_wire", found="history")
        if start > len(self._history):
            raise Behind
        fresh = [self._opened(one) for one in value["opened"]]
        self._history.extend(fresh[len(self._history) - start :])
        return self._history[: start + len(fresh)]

    def _opened(self, one: Mapping[str, Any]) -> Opened:
        analysis, number = one["at"]
        parts = one["record"]
        record = parts and Record(*(tuple(self._answer(a) for a in parts[name]) for name in ("values", "shares")))
        refused = tuple((str(site), _receipt_of(receipt)) for site, receipt in one.get("refused", ()))
        return Opened(Cursor(analysis, number), record, one["stopped"], tuple(sorted(one["why"].items())), refused)

    def _answer(self, one: Any) -> Answer:
        if isinstance(one, str):
            if one not in self._answers:
                raise Behind
            return self._answers[one]
        answer = answer_of(one)
        if answer.receipt is not None:
            self._answers[answer.receipt.head] = answer
        return answer


def answer_record(answer: Answer) -> dict[str, Any]:
    """An answer as a record of a message."""
    receipt = answer.receipt and _receipt_record(answer.receipt)
    return {name: getattr(answer, name) for name in ANSWER} | {"receipt": receipt}


def answer_of(record: Any) -> Answer:
    """The answer of a record; Tampered `bad_wire` where it is none."""
    try:
        given = {name: record[name] for name in ANSWER}
        receipt = given["receipt"] and Entry(**given["receipt"])
    except (KeyError, TypeError):
        raise Tampered.of("bad_wire", found="answer") from None
    texts = all(isinstance(given[name], str) for name in ("request", "site", "outcome", "code"))
    if not texts or not isinstance(given["payload"], dict) or (receipt is not None and not _sound(receipt)):
        raise Tampered.of("bad_wire", found="answer")
    return Answer(**{**given, "receipt": receipt})


def _receipt_record(receipt: Entry) -> dict[str, Any]:
    return {field.name: getattr(receipt, field.name) for field in fields(Entry)}


def _receipt_of(record: Mapping[str, Any]) -> Entry:
    """The receipt of a record; TypeError, as of any request that is none, where it is not one."""
    receipt = Entry(**record)
    if not _sound(receipt):
        raise TypeError
    return receipt


def _sound(receipt: Entry) -> bool:
    texts = all(isinstance(one, str) for one in (receipt.previous, receipt.head, receipt.signature))
    return texts and type(receipt.sequence) is int and isinstance(receipt.record, dict)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
