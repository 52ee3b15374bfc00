"""Letters that a person carries on a file, to and from a hospital that no line reaches.

What is to be carried and what came lies in `courier.sqlite` of the institution's folder. A letter is carried in every
file until the other side's file says that it was kept there: a file may be lost, carried twice, or too late.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from gagyo.errors import ExchangeFault
from gagyo.exchange import parcel as files
from gagyo.exchange.access import Doing
from gagyo.exchange.carrier import Carrier
from gagyo.exchange.client import Client, Member
from gagyo.exchange.envelope import PublicKeys
from gagyo.exchange.letter import Letter, Received, Sending, chunk_digest, divide, letter_id
from gagyo.exchange.membership import Membership
from gagyo.exchange.parcel import Card, Parcel

FILE = "courier.sqlite"
HUB = "courier"
"""The hub of a membership whose institution is reached by courier alone."""
LOOK_SECONDS = 0.5
FOR_EVER = 2**40
SCHEMA = """
create table if not exists members (
  name text primary key, country text not null, role text not null, signing text not null, sealing text not null);
create table if not exists outgoing (
  number integer primary key, id text unique not null, recipient text not null, study text not null, body blob,
  written integer not null);
create table if not exists incoming (
  number integer primary key, id text unique not null, sender text not null, study text not null, body blob);
"""

Trust = Callable[[Card, bool], bool]
"""Asks a person whether a card's keys are the institution's own; the second is whether other keys were known before."""


@dataclass(frozen=True)
class Waiting:
    """How many letters wait to be carried to an institution, how many of them no file holds yet, and their bytes."""

    letters: int
    fresh: int
    bytes: int


class Courier:
    """One institution's letters by courier: what `Carrier` asks for, and the files to and from the others."""

    clock_offset = 0.0
    trouble = ""

    def __init__(self, folder: Path, membership: Membership) -> None:
        self.membership = membership
        folder.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(folder / FILE, isolation_level=None, check_same_thread=False, timeout=30)
        self._base.execute("pragma journal_mode=wal")
        self._base.execute("pragma synchronous=full")
        self._base.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def __enter__(self) -> Courier:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # As a carrier.

    def send(self, recipient: str, study: str, body: bytes) -> str:
        """Lay a letter ready for the next file."""
        name = letter_id(self.membership.name, recipient, study, [chunk_digest(chunk) for chunk in divide(body)])
        row = (name, recipient, study, body)
        self._base.execute(
            "insert or ignore into outgoing (id, recipient, study, body, written) values (?, ?, ?, ?, 0)", row
        )
        return name

    def receive(
        self,
        wait: float = 25.0,
        limit: int = 64,
        acknowledged: Sequence[str] = (),
        enough: int = 1,
        sending: Sequence[Sending] = (),
    ) -> list[Received]:
        """Letters that were imported, here or by another process."""
        for one in sending:
            self.send(one.recipient, one.study, one.body)
        self.acknowledge(acknowledged)
        until = time.monotonic() + wait
        query = "select id, sender, study, body from incoming where body is not null order by number limit ?"
        while not (rows := self._base.execute(query, (limit,)).fetchall()) and time.monotonic() < until:
            time.sleep(min(LOOK_SECONDS, max(0.0, until - time.monotonic())))
        return [Received(*row) for row in rows]

    def acknowledge(self, ids: Sequence[str]) -> None:
        """The letters themselves are removed; that they came is remembered, and told with the next file."""
        self._base.executemany("update incoming set body = null where id = ?", [(one,) for one in ids])

    def open_study(self, study: str, members: Sequence[str]) -> None:
        """Nothing: a courier carries what its two ends write."""

    def close_study(self, study: str) -> None:
        """Forget what was carried; what still waits to be carried stays."""
        self._base.execute("delete from outgoing where study = ? and body is null", (study,))

    def directory(self) -> dict[str, Member]:
        """The institutions whose keys were compared."""
        rows = self._base.execute("select name, country, role, signing, sealing from members")
        return {
            name: Member(name, country, PublicKeys(signing, sealing), role, "active", FOR_EVER, None)
            for name, country, role, signing, sealing in rows
        }

    def status(self, patience: float | None = None) -> dict[str, object]:
        """Always able to take letters."""
        return {"state": "active"}

    def tell_doing(self, doing: Doing, plans: int) -> None:
        """Nobody is there to be told."""

    def by_courier(self, name: str) -> bool:
        """Everyone."""
        return True

    # Files.

    def waiting(self, name: str) -> Waiting:
        """What waits to be carried to an institution."""
        query = "select count(*), coalesce(sum(written = 0), 0), coalesce(sum(length(body)), 0) from outgoing"
        return Waiting(*self._base.execute(query + " where recipient = ? and body is not null", (name,)).fetchone())

    def export(self, name: str, path: Path) -> Parcel:
        """Write a file for an institution: this one's card, all that waits, and what was kept of its letters.

        Raises:
            ExchangeFault: `courier_exists`.
        """
        parcel = Parcel(card_of(self.membership), name, self._outgoing(name), self._kept(name))
        files.write(path, parcel, self.membership.keys, self._body)
        marks = [(letter.id,) for letter in parcel.letters]
        self._base.executemany("update outgoing set written = 1 where id = ?", marks)
        return parcel

    def _outgoing(self, name: str) -> tuple[Letter, ...]:
        query = "select id, study, body from outgoing where recipient = ? and body is not null order by number"
        rows = self._base.execute(query, (name,))
        return tuple(
            Letter(one, self.membership.name, name, study, len(body), tuple(chunk_digest(c) for c in divide(body)))
            for one, study, body in rows
        )

    def _kept(self, name: str) -> tuple[str, ...]:
        query = "select id from incoming where sender = ? and body is null order by number"
        return tuple(str(row[0]) for row in self._base.execute(query, (name,)))

    def _body(self, letter: str) -> bytes:
        return bytes(self._base.execute("select body from outgoing where id = ?", (letter,)).fetchone()[0])

    def take_in(self, path: Path, trust: Trust) -> tuple[Parcel, int]:
        """Take a file in, all of it or nothing; the number of letters that were new.

        Raises:
            ExchangeFault: `courier_unreadable`, `courier_forged`, `courier_other_recipient`, `courier_not_trusted`.
        """
        parcel = files.read(path)
        own = self.membership.name
        if parcel.recipient != own or parcel.sender.name == own:
            raise ExchangeFault.of("courier_other_recipient", found=parcel.recipient, expected=own)
        letters = files.bodies(path, parcel)
        self._check_trusted(parcel.sender, trust)
        with self._transaction():
            before = self._count()
            row = (parcel.sender.name, parcel.sender.country, parcel.sender.role)
            keys = (parcel.sender.keys.signing, parcel.sender.keys.sealing)
            self._base.execute("insert or replace into members values (?, ?, ?, ?, ?)", (*row, *keys))
            self._base.executemany(
                "insert or ignore into incoming (id, sender, study, body) values (?, ?, ?, ?)",
                [(one.id, one.sender, one.study, one.body) for one in letters],
            )
            self._forget(parcel)
            return parcel, self._count() - before

    def _check_trusted(self, card: Card, trust: Trust) -> None:
        known = self.directory().get(card.name)
        if (known is None or known.keys != card.keys) and not trust(card, known is not None):
            raise ExchangeFault.of("courier_not_trusted", found=card.name)

    def _forget(self, parcel: Parcel) -> None:
        """What the other side kept need not be carried again; what it no longer carries need not be remembered."""
        kept = [(one, parcel.sender.name) for one in parcel.kept]
        # Its name stays: a run that has no answer yet sends the same letter again, and it is not carried twice.
        self._base.executemany("update outgoing set body = null where id = ? and recipient = ?", kept)
        carried = {letter.id for letter in parcel.letters}
        gone = [(one,) for one in self._kept(parcel.sender.name) if one not in carried]
        self._base.executemany("delete from incoming where id = ? and body is null", gone)

    def _count(self) -> int:
        return int(self._base.execute("select count(*) from incoming where body is not null").fetchone()[0])

    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        self._base.execute("begin immediate")
        return self._base


def card_of(membership: Membership) -> Card:
    """An institution's own card."""
    return Card(membership.name, membership.country, membership.role, membership.keys.public)


class Both:
    """A coordinator's letters: by courier to those whom the courier knows, by the hub to all others."""

    def __init__(self, client: Client, courier: Courier) -> None:
        self.membership = client.membership
        self._client, self._courier = client, courier
        self._carried = frozenset(courier.directory())
        doubled = self._carried & set(client.directory())
        if doubled:
            raise ExchangeFault.of("courier_also_at_hub", found=", ".join(sorted(doubled)))

    @property
    def clock_offset(self) -> float:
        """By the hub's clock."""
        return self._client.clock_offset

    @property
    def trouble(self) -> str:
        """That of the hub's line."""
        return self._client.trouble

    def by_courier(self, name: str) -> bool:
        """Whether the courier knows the institution."""
        return name in self._carried

    def send(self, recipient: str, study: str, body: bytes) -> str:
        """By the way that leads there."""
        return (self._courier if self.by_courier(recipient) else self._client).send(recipient, study, body)

    def receive(
        self,
        wait: float = 25.0,
        limit: int = 64,
        acknowledged: Sequence[str] = (),
        enough: int = 1,
        sending: Sequence[Sending] = (),
    ) -> list[Received]:
        """What came by either way; while the courier has nothing, the hub is waited for, a little at a time."""
        by_hub = [one for one in sending if not self.by_courier(one.recipient)]
        by_bag = [one for one in sending if self.by_courier(one.recipient)]
        carried = self._courier.receive(0, limit, acknowledged, sending=by_bag)
        short = min(wait, LOOK_SECONDS) if self._carried else wait
        return carried + self._client.receive(0 if carried else short, limit, acknowledged, enough, by_hub)

    def acknowledge(self, ids: Sequence[str]) -> None:
        """At both: each knows its own."""
        self._courier.acknowledge(ids)
        self._client.acknowledge(ids)

    def open_study(self, study: str, members: Sequence[str]) -> None:
        """At the hub, for those who are there."""
        self._client.open_study(study, [one for one in members if not self.by_courier(one)])

    def close_study(self, study: str) -> None:
        """At the hub."""
        self._client.close_study(study)

    def directory(self) -> Mapping[str, Member]:
        """Of both."""
        return {**self._client.directory(), **self._courier.directory()}

    def status(self, patience: float | None = None) -> Mapping[str, object]:
        """The hub's."""
        return self._client.status(patience)

    def tell_doing(self, doing: Doing, plans: int) -> None:
        """To the hub."""
        self._client.tell_doing(doing, plans)

    def close(self) -> None:
        """Both."""
        self._courier.close()
        self._client.close()


def open_carrier(folder: Path) -> Carrier:
    """What carries the letters of the institution whose membership is in a folder.

    Raises:
        ExchangeFault: there is no membership, or the hub cannot be reached.
    """
    membership = Membership.open(folder)
    if membership.hub == HUB:
        return Courier(folder, membership)
    if not (folder / FILE).exists():
        return Client(membership)
    return Both(Client(membership), Courier(folder, membership))
