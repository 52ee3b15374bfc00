"""The calls that a hub answers, and those about studies, members and the hub itself."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gagyo.errors import ExchangeFault
from gagyo.exchange import enrolment, letter_calls, partners
from gagyo.exchange.access import DOING, Role
from gagyo.exchange.call import Answer, Call, Caller, Counter, told
from gagyo.exchange.letter import CHUNK, SMALL, is_name, is_study
from gagyo.exchange.mailbox import letters, register
from gagyo.exchange.mailbox.port import Rows
from gagyo.exchange.mailbox.register import Enrolled
from gagyo.exchange.records import texts

MOST_PLANS = 1_000_000

# Studies, directory, status.


async def put_study(counter: Counter, caller: Caller, call: Call) -> Answer:
    """Open a study, change its members, or close it."""
    record, coordinator = call.record(), caller.enrolled.name
    name, members = record.get("study"), texts(record, "members", 1000)
    if not is_study(name) or type(record.get("open")) is not bool or not all(is_name(one) for one in members):
        raise ExchangeFault.of("malformed", found="study")
    study = register.Study(str(name), coordinator, tuple(dict.fromkeys(members)), record["open"])

    def work(rows: Rows) -> None:
        partners.check_study(rows, study)
        register.put_study(rows, study)

    await counter.mailbox.write(work)
    return told({}, 200)


async def directory(counter: Counter, caller: Caller, call: Call) -> Answer:
    """Every institution, ours and the partner's."""
    known = await counter.mailbox.read(register.members)
    seen = await counter.mailbox.read(letters.last_seen)
    return told({"members": [one.to_json() | {"seen": seen.get(one.name)} for one in known]})


async def status(counter: Counter, caller: Caller, call: Call) -> Answer:
    """The hub's version and clock, the caller's own box and standing, and the lines to partner hubs."""
    own = caller.enrolled
    waiting, size = await counter.mailbox.read(lambda rows: letters.box(rows, own.name))
    lines = await counter.mailbox.read(partners.lines)
    record = {"hub": counter.name, "country": counter.country, "version": counter.version, "time": int(time.time())}
    record |= {"state": own.state, "role": own.role, "until": own.until, "partners": lines}
    return told(record | {"box": {"letters": waiting, "bytes": size}})


async def put_doing(counter: Counter, caller: Caller, call: Call) -> Answer:
    """A hospital's service says what it does, for the hub's operator."""
    record, name = call.record(), caller.enrolled.name
    doing, plans = record.get("doing"), record.get("plans")
    if doing not in DOING or type(plans) is not int or not 0 <= plans <= MOST_PLANS:
        raise ExchangeFault.of("malformed", found="doing")
    said = letters.Doing(str(doing), plans, int(time.time()))
    await counter.mailbox.write(lambda rows: letters.note_doing(rows, name, said), durable=False)
    return told({})


# Enrolment and partners.


async def enrol(counter: Counter, caller: Caller, call: Call) -> Answer:
    """An invited institution brings its public keys."""
    asked = enrolment.Asked.read(caller.name, call.query.get("key", ""), call.record())

    def work(rows: Rows) -> Enrolled:
        return enrolment.enrol(rows, asked, counter.keys, int(time.time()))

    enrolled = await counter.mailbox.write(work)
    return told({"state": enrolled.state}, 201)


async def rotate(counter: Counter, caller: Caller, call: Call) -> Answer:
    """An institution replaces its keys; the call is signed by the old ones."""
    own = caller.enrolled
    asked = enrolment.Asked.read(own.name, str(call.record().get("signing", "")), call.record())

    def work(rows: Rows) -> None:
        enrolment.rotate(rows, asked, counter.keys, int(time.time()))

    await counter.mailbox.write(work)
    return told({})


async def partner(counter: Counter, caller: Caller, call: Call) -> Answer:
    """A partner hub tells its institutions and studies, and is told ours."""
    hub, record = caller.enrolled, call.record()

    def work(rows: Rows) -> dict[str, Any]:
        partners.accept(rows, hub, record)
        return partners.tell(rows, hub.name)

    return told(await counter.mailbox.write(work))


@dataclass(frozen=True)
class CallKind:
    """One kind of call: what answers it, the limit of its body, and who may make it.

    `strangers`: signed by a key that the hub does not know yet. `waiting`: also before an operator confirmed, and
    after the keys expired. `roles`: only these; empty for all.
    """

    answer: Callable[[Counter, Caller, Call], Awaitable[Answer]]
    limit: int = 4096
    strangers: bool = False
    waiting: bool = False
    roles: tuple[Role, ...] = ()


CALLS: Mapping[tuple[str, str], CallKind] = {
    ("POST", "/v1/letters"): CallKind(letter_calls.post_letter, SMALL),
    ("POST", "/v1/parcels"): CallKind(letter_calls.post_parcel, 512 << 10),
    ("PUT", "/v1/chunks"): CallKind(letter_calls.put_chunk, CHUNK),
    ("POST", "/v1/box"): CallKind(letter_calls.open_box, 1 << 20),
    ("GET", "/v1/letters"): CallKind(letter_calls.get_chunk),
    ("PUT", "/v1/studies"): CallKind(put_study, 128 << 10, roles=("coordinator",)),
    ("PUT", "/v1/doing"): CallKind(put_doing, roles=("site",)),
    ("GET", "/v1/directory"): CallKind(directory),
    ("GET", "/v1/status"): CallKind(status, waiting=True),
    ("POST", "/v1/enrol"): CallKind(enrol, strangers=True),
    ("POST", "/v1/rotate"): CallKind(rotate, waiting=True),
    ("POST", "/v1/partner"): CallKind(partner, 4 << 20, roles=("hub",)),
}
"""Method and fixed path of every call."""
