"""The line that this hub dials to a partner hub: letters out, letters in, and what both know of members and studies."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gagyo.errors import ExchangeFault
from gagyo.exchange import partners
from gagyo.exchange.call import Counter
from gagyo.exchange.letter import SMALL, Letter, carried, chunk_count, chunk_digest, letter_id
from gagyo.exchange.letter_calls import allowed_way
from gagyo.exchange.line import Line, Reply
from gagyo.exchange.mailbox import letters, register
from gagyo.exchange.mailbox.port import Rows
from gagyo.exchange.mailbox.register import Enrolled
from gagyo.exchange.membership import FILE, Membership

SYNC_SECONDS = 10.0
PAUSE_SECONDS = 1.0
NOTE_SECONDS = 5.0
"""Between two notes on disk that the line is as it was."""
BATCH = 32
GIVE_UP_SECONDS = 5.0
"""Of one attempt on the line; what waits is tried again without end."""
LOST = frozenset(
    {"no_such_recipient", "study_not_open", "not_allowed", "not_a_member", "revoked", "keys_expired", "not_enrolled"}
)
"""Refusals of a letter that no later attempt changes: it is dropped and logged; its sender asks again."""


def partner_folders(folder: Path) -> list[Path]:
    """The memberships at partner hubs that a hub dials."""
    return sorted(path.parent for path in (folder / "partners").glob(f"*/{FILE}"))


class Relay:
    """The work of one line. Every letter is kept at one hub until the other has it on disk."""

    def __init__(self, counter: Counter, folder: Path, log: Callable[[dict[str, Any]], None]) -> None:
        membership = Membership.open(folder)
        self._counter, self._mailbox, self._log = counter, counter.mailbox, log
        self._hub = membership.hub_name
        self._line = Line(membership, patience=GIVE_UP_SECONDS)
        self._told = ""
        self._syncing = asyncio.Lock()
        self._state, self._noted = "", 0.0

    async def run(self) -> None:
        """Carry until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for work in (self._sync, self._outward, self._inward):
                    group.create_task(self._again(work))
        finally:
            self._line.close()

    async def _again(self, work: Callable[[], Any]) -> None:
        while True:
            try:
                await work()
                await self._note("up")
            except ExchangeFault as fault:
                await self._note(fault.code)
                await asyncio.sleep(PAUSE_SECONDS)
            except Exception as error:
                # Whatever a partner sends, the line is tried again, and the other work of this hub goes on.
                await self._note(f"hub_forged {type(error).__name__}")
                await asyncio.sleep(PAUSE_SECONDS)

    async def _note(self, state: str) -> None:
        if state != self._state:
            self._log({"event": "line", "partner": self._hub, "state": state})
        elif time.monotonic() - self._noted < NOTE_SECONDS:
            return
        self._state, self._noted = state, time.monotonic()
        try:
            now = int(time.time())
            await self._mailbox.write(lambda rows: partners.note_line(rows, self._hub, state, now), durable=False)
        except ExchangeFault as fault:
            self._log({"event": "line", "partner": self._hub, "code": fault.code})

    async def _call(self, *given: Any, **named: Any) -> Reply:
        return await asyncio.to_thread(self._line.call, *given, **named)

    # Members and studies.

    async def _sync(self) -> None:
        await self._exchange_registers()
        for _ in range(int(SYNC_SECONDS)):
            await asyncio.sleep(1)
            if partners.told_digest(await self._tell()) != self._told:
                return

    async def _tell(self) -> dict[str, Any]:
        return await self._mailbox.read(lambda rows: partners.tell(rows, self._hub))

    async def _exchange_registers(self) -> None:
        async with self._syncing:
            own = await self._tell()
            theirs = (await self._call("POST", "/v1/partner", body=json.dumps(own).encode())).record()
            await self._mailbox.write(lambda rows: partners.accept(rows, _known(rows, self._hub), theirs))
            # Of what was told, not of what there is now: whoever joined during the call is told next.
            self._told = partners.told_digest(own)

    # Letters of our institutions to the partner's.

    async def _outward(self) -> None:
        with self._mailbox.watch(self._hub) as bell:
            while True:
                found = await self._mailbox.read(lambda rows: letters.waiting(rows, self._hub, BATCH, 1 << 20))
                if not found:
                    await bell.wait(SYNC_SECONDS)
                    continue
                if partners.told_digest(await self._tell()) != self._told:
                    await self._exchange_registers()
                await self._send_all(found)
                await self._forget([letter.id for letter in found])
                await self._note("up")

    async def _forget(self, sent: list[str]) -> None:
        await self._mailbox.write(lambda rows: letters.acknowledge(rows, self._hub, sent), durable=False)

    async def _send_all(self, found: Sequence[Letter]) -> None:
        """The small ones in one call; those that are refused in it again by themselves, as the large ones are sent."""
        small, others = carried(letter for letter in found if letter.body is not None)
        others += [letter for letter in found if letter.body is None]
        if small:
            asked = {"wait": 0, "limit": 0, "letters": [_as_record(letter) for letter in small]}
            reply = await self._call("POST", "/v1/box", body=json.dumps(asked).encode())
            others += [small[place] for place in reply.record().get("refused", [])]
        await asyncio.gather(*(self._send(letter) for letter in others))

    async def _send(self, letter: Letter) -> None:
        query = {"recipient": letter.recipient, "study": letter.study, "sender": letter.sender}
        try:
            if letter.body is not None:
                await self._call("POST", "/v1/letters", query, letter.body)
            else:
                await self._send_large(letter, query)
        except ExchangeFault as fault:
            if fault.code not in LOST:
                raise
            self._lost(letter, fault.code)

    async def _send_large(self, letter: Letter, query: Mapping[str, str]) -> None:
        manifest = json.dumps({"size": letter.size, "chunks": letter.chunks}).encode()
        while missing := (await self._call("POST", "/v1/parcels", query, manifest)).record().get("missing"):
            for digest in missing:
                if digest not in letter.chunks:
                    raise ExchangeFault.of("hub_forged", found=self._hub)
                chunk = await self._chunk_here(letter.id, letter.chunks.index(digest))
                await self._call("PUT", f"/v1/chunks/{digest}", {"sender": letter.sender}, chunk)

    async def _chunk_here(self, letter: str, place: int) -> bytes:
        return await self._mailbox.read(lambda rows: letters.chunk_of(rows, self._hub, letter, place))

    def _lost(self, letter: Letter, code: str) -> None:
        record = {"event": "letter", "code": code, "partner": self._hub, "bytes": letter.size}
        self._log(record | {"sender": letter.sender, "recipient": letter.recipient})

    # Letters of the partner's institutions to ours.

    async def _inward(self) -> None:
        done: list[str] = []
        while True:
            asked = {"wait": 25, "limit": BATCH, "acknowledged": done}
            reply = await self._call("POST", "/v1/box", body=json.dumps(asked).encode(), wait=25)
            came = [_letter(record) for record in reply.record()["letters"]]
            # Small ones together: those that wait at the same time are one commit. Large ones one after the other: the
            # chunks of many at once would be more than a sender may have on the way, and none would ever be whole.
            await asyncio.gather(*(self._take(letter) for letter in came if letter.body is not None))
            for letter in came:
                if letter.body is None:
                    await self._take(letter)
            done = [letter.id for letter in came]
            await self._note("up")

    async def _take(self, letter: Letter) -> None:
        try:
            try:
                await self._check(letter)
            except ExchangeFault as fault:
                if fault.code not in LOST:
                    raise
                # The partner may have opened the study a moment ago.
                await self._exchange_registers()
                await self._check(letter)
            await self._post(letter)
        except ExchangeFault as fault:
            if fault.code not in LOST:
                raise
            self._lost(letter, fault.code)

    async def _check(self, letter: Letter) -> None:
        def look(rows: Rows) -> None:
            allowed_way(rows, _known(rows, self._hub), letter.sender, letter.recipient, letter.study)

        await self._mailbox.read(look)

    async def _post(self, letter: Letter) -> None:
        """Into the recipient's box; a large letter chunk by chunk, so that none is whole in memory."""
        now = int(time.time())

        def work(rows: Rows) -> tuple[str, ...]:
            return letters.post(rows, letter.recipient, letter, self._counter.limits, now)

        while missing := await self._mailbox.write(work, rings=(letter.recipient,)):
            for digest in missing:
                await self._fetch(letter, digest)

    async def _fetch(self, letter: Letter, digest: str) -> None:
        chunk = (await self._call("GET", f"/v1/letters/{letter.id}/{letter.chunks.index(digest)}")).body
        if chunk_digest(chunk) != digest:
            raise ExchangeFault.of("hub_forged", found=self._hub)
        now, limits = int(time.time()), self._counter.limits
        await self._mailbox.write(lambda rows: letters.stage(rows, letter.sender, chunk, limits, now))


def _known(rows: Rows, hub: str) -> Enrolled:
    known = register.member(rows, hub)
    if known is None or known.role != "hub" or known.state != "active":
        raise ExchangeFault.of("not_enrolled", found=hub)
    return known


def _as_record(letter: Letter) -> dict[str, str]:
    record = {"sender": letter.sender, "recipient": letter.recipient, "study": letter.study}
    return record | {"body": base64.b64encode(letter.body or b"").decode()}


def _letter(record: Mapping[str, Any]) -> Letter:
    """A letter as the partner's hub gave it, addressed by its content again."""
    try:
        names = [str(record[name]) for name in ("id", "sender", "recipient", "study")]
        body = base64.b64decode(record["body"], validate=True) if "body" in record else None
        chunks = tuple(record["chunks"]) if body is None else (chunk_digest(body),)
        size = int(record["size"]) if body is None else len(body)
    except (KeyError, TypeError, ValueError):
        raise ExchangeFault.of("hub_forged", found="letter") from None
    if (
        letter_id(names[1], names[2], names[3], chunks) != names[0]
        or len(chunks) != chunk_count(size)
        or (body and size > SMALL)
    ):
        raise ExchangeFault.of("hub_forged", found=names[0])
    return Letter(names[0], names[1], names[2], names[3], size, chunks, body)
