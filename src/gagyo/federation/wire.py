"""Requests and answers as bytes: canonical JSON, signed by who says it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gagyo.canonical import canonical, restore
from gagyo.errors import Tampered
from gagyo.exchange.envelope import Keys, PublicKeys, seal
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer
from gagyo.release.ledger import Entry

ASKED = "asked"
"""In a journal's link: the arguments of the question, beside the first answer to it."""


def answer_from(fields: Mapping[str, Any]) -> Answer:
    """An answer from its JSON fields, or from a journal's link."""
    receipt = Entry(**fields["receipt"]) if fields["receipt"] else None
    said = {name: value for name, value in fields.items() if name != ASKED}
    return Answer(**{**said, "payload": restore(fields["payload"]), "receipt": receipt})


def question_of(link: Mapping[str, Any]) -> Request | None:
    """The question of a journal's link, to the hospital that answered; None where the link does not hold it.

    Raises:
        Tampered: it is not the one that the hospital's receipt names.
    """
    if ASKED not in link:
        return None
    try:
        record, site = link["receipt"]["record"], link["site"]
        about = {name: record[name] for name in ("plan", "analysis", "cohort", "round", "step", "receiver", "attempt")}
        asked = Request(**about, site=site, arguments=restore(link[ASKED]), roster=tuple(record["roster"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Tampered.of("bad_wire", found=ASKED) from None
    if asked.statement != record["statement"]:
        raise Tampered.of("unlike_receipt", found=site)
    return asked


def answer_from_bytes(raw: bytes) -> Answer:
    """The answer of canonical bytes."""
    return answer_from(json.loads(raw))


def request_from(fields: Mapping[str, Any]) -> Request:
    """A request from its JSON fields, with the answers that it relays."""
    relay = {name: [answer_from(one) for one in answers] for name, answers in fields["relay"].items()}
    arguments = restore(fields["arguments"])
    return Request(**{**fields, "arguments": arguments, "roster": tuple(fields["roster"]), "relay": relay})


def sealed_request(request: Request, sender: Keys, to: PublicKeys) -> bytes:
    """A hospital's request to another, signed and then sealed; the coordinator carries it unread."""
    body = canonical(request)
    message = canonical({"body": body, "signature": sender.sign(body)})
    return seal(message, to, request.plan.encode())


def open_request(sealed: bytes, receiver: Keys, sender: PublicKeys, plan: str) -> Request:
    """The request of a sealed envelope; Tampered unless `sender` signed it."""
    message = restore(json.loads(receiver.unseal(sealed, plan.encode())))
    sender.verify(message["signature"], message["body"])
    return request_from(json.loads(message["body"]))


def sealed_answer(answer: Answer, to: PublicKeys, plan: str) -> bytes:
    """An answer that only one institution can read; its receipt is the signature."""
    return seal(answer.written, to, plan.encode())


def open_answer(sealed: bytes, receiver: Keys, plan: str) -> Answer:
    """The answer of a sealed envelope."""
    return answer_from_bytes(receiver.unseal(sealed, plan.encode()))
