"""The calls in which letters come in and go out: by themselves, in chunks, or together with the wait for the next."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gagyo.errors import ExchangeFault
from gagyo.exchange.access import refusal
from gagyo.exchange.call import Answer, Call, Caller, Counter, told
from gagyo.exchange.letter import (
    DIGEST,
    SMALL,
    TOGETHER,
    Letter,
    chunk_count,
    chunk_digest,
    is_name,
    is_study,
    letter_id,
)
from gagyo.exchange.mailbox import letters, register
from gagyo.exchange.mailbox.port import Rows
from gagyo.exchange.mailbox.register import Enrolled
from gagyo.exchange.records import texts

INLINE = 1 << 20
"""Bytes of bodies that travel in one answer."""
LONGEST_WAIT = 55.0
"""Seconds of a long poll; proxies often cut at 60."""
HOLD_SECONDS = 0.05
"""How long letters are held back while there are fewer than the caller waits for."""
MOST_LETTERS = 256
PLACE = re.compile(r"[0-9]{1,5}")


# Letters in.


@dataclass(frozen=True)
class _Way:
    sender: Enrolled
    recipient: Enrolled


async def _way(counter: Counter, caller: Enrolled, query: Mapping[str, str]) -> _Way:
    """Whose letter to whom; ExchangeFault where the table does not allow it."""
    study, recipient, sender = (query.get(name, "") for name in ("study", "recipient", "sender"))
    if not is_study(study) or not is_name(recipient):
        raise ExchangeFault.of("malformed", found="study, recipient")

    def look(rows: Rows) -> _Way:
        return allowed_way(rows, caller, sender, recipient, study)

    return await counter.mailbox.read(look)


def allowed_way(rows: Rows, caller: Enrolled, sender: str, recipient: str, study: str) -> _Way:
    """The way of a letter that `caller` brings; a hub brings those of its own institutions, to ours only.

    Raises:
        ExchangeFault: what `refusal` says, or `not_allowed`.
    """
    writer = register.member(rows, sender) if caller.role == "hub" else caller
    reader = register.member(rows, recipient)
    if caller.role == "hub" and (writer is None or writer.home != caller.name or writer.country != caller.country):
        raise ExchangeFault.of("not_allowed", found=sender)
    if caller.role == "hub" and reader is not None and reader.home:
        raise ExchangeFault.of("no_such_recipient", found=recipient)
    known, now = register.study(rows, study), int(time.time())
    reason = refusal(
        writer.standing(now) if writer else None,
        reader.standing(now) if reader else None,
        known.openness if known else None,
    )
    if reason is not None or writer is None or reader is None:
        found = {"no_such_recipient": recipient, "study_not_open": study, "not_a_member": study}.get(
            reason or "", sender or caller.name
        )
        raise ExchangeFault.of(reason or "not_allowed", found=found)
    return _Way(writer, reader)


async def post_letter(counter: Counter, caller: Caller, call: Call) -> Answer:
    """A small letter: its body is the call's."""
    way = await _way(counter, caller.enrolled, call.query)
    letter = _small(way, call.query["study"], call.body)
    await _post(counter, way, letter)
    return told({"id": letter.id}, 201)


def _small(way: _Way, study: str, body: bytes) -> Letter:
    chunks = (chunk_digest(body),)
    name = letter_id(way.sender.name, way.recipient.name, study, chunks)
    return Letter(name, way.sender.name, way.recipient.name, study, len(body), chunks, body)


async def post_parcel(counter: Counter, caller: Caller, call: Call) -> Answer:
    """A large letter: posted where all its chunks are here, else those that are missing."""
    record = call.record()
    size, chunks = record.get("size"), texts(record, "chunks", 1 << 12)
    if type(size) is not int or size <= SMALL or len(chunks) != chunk_count(size):
        raise ExchangeFault.of("malformed", found="size, chunks")
    if not all(DIGEST.fullmatch(one) for one in chunks):
        raise ExchangeFault.of("malformed", found="chunks")
    way = await _way(counter, caller.enrolled, call.query)
    name = letter_id(way.sender.name, way.recipient.name, call.query["study"], chunks)
    letter = Letter(name, way.sender.name, way.recipient.name, call.query["study"], size, chunks)
    lacking = await _post(counter, way, letter)
    return told({"id": name, "missing": lacking}, 202 if lacking else 201)


async def _post(counter: Counter, way: _Way, letter: Letter) -> tuple[str, ...]:
    box = way.recipient.box

    def work(rows: Rows) -> tuple[str, ...]:
        return letters.post(rows, box, letter, counter.limits, int(time.time()))

    return await counter.mailbox.write(work, rings=(box,))


async def put_chunk(counter: Counter, caller: Caller, call: Call) -> Answer:
    """A chunk, under its digest and its sender's name."""
    if call.rest != [chunk_digest(call.body)]:
        raise ExchangeFault.of("malformed", found="chunk")
    owner = caller.enrolled
    sender = call.query.get("sender", owner.name)
    if sender != owner.name:
        known = await counter.mailbox.read(lambda rows: register.member(rows, sender))
        if owner.role != "hub" or known is None or known.home != owner.name:
            raise ExchangeFault.of("not_allowed", found=sender)

    def work(rows: Rows) -> None:
        letters.stage(rows, sender, call.body, counter.limits, int(time.time()))

    await counter.mailbox.write(work)
    return told({}, 201)


# Letters out.


async def open_box(counter: Counter, caller: Caller, call: Call) -> Answer:
    """Post small letters and acknowledge others, in one transaction; then wait for the next.

    A letter that may not be posted keeps back none of the others: `refused` are the places of such letters, and who
    posts one by itself is told why.
    """
    record, box = call.record(), caller.enrolled.name
    done = texts(record, "acknowledged", 4096)
    wait, limit, enough = record.get("wait", 0), record.get("limit", 64), record.get("enough", 1)
    whole = type(limit) is int and type(enough) is int and limit >= 0
    if not whole or type(wait) not in (int, float) or not 0 <= wait < 1e6:
        raise ExchangeFault.of("malformed", found="wait, limit, enough")
    if not all(DIGEST.fullmatch(one) for one in done):
        raise ExchangeFault.of("malformed", found="acknowledged")
    refused = await _turn(counter, caller.enrolled, _brought(record, call), done)
    wanted = _Wanted(box, min(limit, MOST_LETTERS), max(1, min(enough, limit, MOST_LETTERS)))
    found = await _next_letters(counter, call, wanted, min(wait, LONGEST_WAIT))
    answer: dict[str, Any] = {"letters": [_letter(one) for one in found]}
    return told(answer | {"refused": refused} if refused else answer)


@dataclass(frozen=True)
class _Brought:
    """A letter as it came along with a call."""

    query: Mapping[str, str]
    body: bytes


def _brought(record: Mapping[str, Any], call: Call) -> list[_Brought]:
    """The letters that came along; each counts as the call that it saves."""
    given = record.get("letters", [])
    if not isinstance(given, list) or len(given) > TOGETHER:
        raise ExchangeFault.of("malformed", found="letters")
    call.charge(len(given))
    try:
        bodies = [base64.b64decode(one["body"], validate=True) for one in given]
        queries = [{name: str(one[name]) for name in ("recipient", "study", "sender") if name in one} for one in given]
    except (KeyError, TypeError, ValueError):
        raise ExchangeFault.of("malformed", found="letters") from None
    return [_Brought(query, body) for query, body in zip(queries, bodies, strict=True)]


async def _turn(counter: Counter, caller: Enrolled, brought: Sequence[_Brought], done: Sequence[str]) -> list[int]:
    """Post and acknowledge; the places of the letters that may not be posted."""
    ways: dict[int, _Way] = {}
    for place, one in enumerate(brought):
        with suppress(ExchangeFault):
            ways[place] = await _way(counter, caller, one.query)

    def work(rows: Rows) -> list[int]:
        letters.acknowledge(rows, caller.name, done)
        full = []
        for place, way in ways.items():
            try:
                letter = _small(way, brought[place].query["study"], brought[place].body)
                letters.post(rows, way.recipient.box, letter, counter.limits, int(time.time()))
            except ExchangeFault:
                full.append(place)
        return full

    if not ways and not done:
        return list(range(len(brought)))
    rings = {way.recipient.box for way in ways.values()}
    full = await counter.mailbox.write(work, durable=bool(ways), rings=rings)
    return sorted({*full, *(place for place in range(len(brought)) if place not in ways)})


@dataclass(frozen=True)
class _Wanted:
    """What a caller waits for: letters of a box, at most `limit`, and `enough` of them if they come within a moment."""

    box: str
    limit: int
    enough: int

    def look(self, rows: Rows) -> list[Letter]:
        return letters.waiting(rows, self.box, self.limit, INLINE)

    def holds(self, found: Sequence[Letter]) -> bool:
        """Whether these go out now: there are enough, or no more would fit into one answer."""
        return len(found) >= self.enough or sum(letter.size for letter in found) >= INLINE // 2


async def _next_letters(counter: Counter, call: Call, wanted: _Wanted, wait: float) -> list[Letter]:
    until = time.monotonic() + wait if wanted.limit else 0.0
    with counter.mailbox.watch(wanted.box) as bell:
        found = await counter.mailbox.read(wanted.look)
        if wanted.holds(found) or until <= time.monotonic():
            return found
        hung_up = asyncio.ensure_future(call.gone())
        hung_up.add_done_callback(lambda _: bell.ring())
        try:
            while not wanted.holds(found) and not hung_up.done() and not counter.closing.is_set():
                if found:
                    until = min(until, time.monotonic() + HOLD_SECONDS)
                if (left := until - time.monotonic()) <= 0:
                    break
                await bell.wait(left)
                found = await counter.mailbox.read(wanted.look)
        finally:
            hung_up.cancel()
    return found


def _letter(letter: Letter) -> dict[str, Any]:
    record: dict[str, Any] = {"id": letter.id, "sender": letter.sender, "recipient": letter.recipient}
    record |= {"study": letter.study, "size": letter.size}
    if letter.body is None:
        return record | {"chunks": letter.chunks}
    return record | {"body": base64.b64encode(letter.body).decode()}


async def get_chunk(counter: Counter, caller: Caller, call: Call) -> Answer:
    """A chunk of a letter in the caller's own box."""
    if len(call.rest) != 2 or not DIGEST.fullmatch(call.rest[0]) or not PLACE.fullmatch(call.rest[1]):
        raise ExchangeFault.of("malformed", found="path")
    letter, place, box = call.rest[0], int(call.rest[1]), caller.enrolled.name
    body = await counter.mailbox.read(lambda rows: letters.chunk_of(rows, box, letter, place))
    return Answer(200, body, "application/octet-stream")
