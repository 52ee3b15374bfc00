"""A hub in memory that may be hostile: the client's calls, without a network, and a hand on every letter."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gagyo.api import Board, Finished
from gagyo.canonical import digest
from gagyo.coordinator.folder import finish, open_folder
from gagyo.coordinator.planning import make_plan
from gagyo.coordinator.run import Run
from gagyo.errors import ExchangeFault
from gagyo.exchange.client import Member
from gagyo.exchange.envelope import Keys
from gagyo.exchange.letter import Received, Sending, chunk_digest, letter_id
from gagyo.exchange.membership import Membership
from gagyo.protocol.plan import Plan
from gagyo.protocol.study import Study
from gagyo.runtime.journal import Journal
from gagyo.runtime.remote import Remote
from gagyo.site.folder import state_folder
from gagyo.site.service import Service

Mischief = Callable[[str, str, bytes], Sequence[bytes]]
"""Sender, recipient and a letter's body; what the recipient gets instead."""


@dataclass
class Office:
    """All boxes, and what its hostile keeper does to letters; `carried` are all letters as they were posted."""

    members: dict[str, Member] = field(default_factory=dict)
    boxes: dict[str, dict[str, Received]] = field(default_factory=lambda: defaultdict(dict))
    mischief: Mischief = lambda sender, recipient, body: [body]
    carried: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    doings: list[tuple[str, str, int]] = field(default_factory=list)
    shut: dict[str, str] = field(default_factory=dict)
    """Studies of which no letter is taken, and the code that says why."""
    bell: threading.Condition = field(default_factory=threading.Condition)

    def post(self, sender: str, recipient: str, study: str, body: bytes) -> str:
        """Take a letter."""
        with self.bell:
            if study in self.shut:
                found = recipient if self.shut[study] == "no_such_recipient" else study
                raise ExchangeFault.of(self.shut[study], found=found)
            self.carried.append((sender, recipient, study, body))
            for one in self.mischief(sender, recipient, body):
                self.put(sender, recipient, study, one)
        return letter_id(sender, recipient, study, [chunk_digest(body)])

    def put(self, sender: str, recipient: str, study: str, body: bytes) -> None:
        """Lay a letter into a box."""
        with self.bell:
            name = letter_id(sender, recipient, study, [chunk_digest(body)])
            self.boxes[recipient][name] = Received(name, sender, study, body)
            self.bell.notify_all()

    def take(self, name: str, wait: float, acknowledged: Sequence[str]) -> list[Received]:
        """The letters of a box."""
        with self.bell:
            for one in acknowledged:
                self.boxes[name].pop(one, None)
            self.bell.wait_for(lambda: bool(self.boxes[name]), wait)
            return list(self.boxes[name].values())


class Caller:
    """What `exchange.client.Client` offers, at this office."""

    clock_offset = 0.0
    trouble = ""

    def __init__(self, office: Office, membership: Membership) -> None:
        self._office, self.membership = office, membership

    def send(self, recipient: str, study: str, body: bytes) -> str:
        return self._office.post(self.membership.name, recipient, study, body)

    def receive(
        self,
        wait: float = 25.0,
        limit: int = 64,
        acknowledged: Sequence[str] = (),
        enough: int = 1,
        sending: Sequence[Sending] = (),
    ) -> list[Received]:
        for one in sending:
            self.send(one.recipient, one.study, one.body)
        return self._office.take(self.membership.name, min(wait, 0.2), acknowledged)

    def acknowledge(self, ids: Sequence[str]) -> None:
        self._office.take(self.membership.name, 0, ids)

    def status(self, patience: float | None = None) -> dict[str, Any]:
        return {"state": "active"}

    def directory(self) -> dict[str, Member]:
        return dict(self._office.members)

    def tell_doing(self, doing: str, plans: int) -> None:
        self._office.doings.append((self.membership.name, doing, plans))

    def by_courier(self, name: str) -> bool:
        return False

    def open_study(self, study: str, members: Sequence[str]) -> None:
        """Anything goes here."""

    def close_study(self, study: str) -> None:
        """Anything goes here."""


@dataclass
class Town:
    """An office, hospitals that serve from threads, and a coordinator."""

    folder: Path
    office: Office
    files: dict[str, Path]
    services: dict[str, Service] = field(default_factory=dict)
    coordinator: Keys = field(default_factory=Keys.make)
    logs: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    _ends: dict[str, tuple[threading.Event, threading.Thread]] = field(default_factory=dict)

    def caller(self, name: str, keys: Keys, role: str = "site") -> Caller:
        """An institution's calls; it is in the directory from now on."""
        self.office.members[name] = Member(name, "KR", keys.public, role, "active", 2**40, None)
        blank = Keys.make().public
        return Caller(self.office, Membership(name, "KR", role, "https://hub", "hub", blank, keys))

    def start(self, name: str) -> None:
        """Start a hospital's service, or start it again."""
        folder = state_folder(self.files[name])
        caller = self.caller(name, Keys.open(folder / "keys"))
        service = Service(self.files[name], folder, caller, self.logs[name].append)  # type: ignore[arg-type]
        ending = threading.Event()
        thread = threading.Thread(target=service.run, args=(ending,), daemon=True)
        self.services[name], self._ends[name] = service, (ending, thread)
        thread.start()

    def stop(self, name: str) -> None:
        """Stop a hospital's service."""
        ending, thread = self._ends.pop(name)
        ending.set()
        thread.join(10)
        assert not thread.is_alive()

    def approve_all(self, patience: float = 30.0) -> None:
        """Every hospital approves the plan that waits there."""
        waiting, give_up = set(self.services), time.monotonic() + patience
        while waiting and time.monotonic() < give_up:
            for name in list(waiting):
                for one in self.services[name].inbox.plans():
                    if one.state == "waiting":
                        self.services[name].inbox.wish(one.plan, "approve")
                    waiting.discard(name)
            time.sleep(0.02)

    def remote(self, study: Study, patience: float = 60.0) -> Remote:
        """The coordinator's runtime."""
        caller = self.caller("lead", self.coordinator, "coordinator")
        about = digest(study.canonical())
        return Remote(caller, self.coordinator, about, study.sites, patience)  # type: ignore[arg-type]

    def plan(self, study: Study, remote: Remote) -> Plan:
        """Keys, plan, approvals."""
        plan = make_plan(study, remote.gather_keys(study.source))
        approving = threading.Thread(target=self.approve_all, daemon=True)
        approving.start()
        remote.submit(plan)
        approving.join()
        return plan

    def run(self, study: Study, name: str = "out", patience: float = 60.0) -> Finished:
        """A whole run, or what is left of one."""
        remote = self.remote(study, patience)
        plan = self.plan(study, remote)
        out = self.folder / name
        open_folder(out, plan)
        journal = Journal(out / "journal.jsonl", self.coordinator, remote)
        going = Run(plan, journal, Board(out).progress)
        for _ in going:
            pass
        record = finish(out, going, journal.name, journal.answers, {})
        remote.close()
        return Finished(out, plan, going.results, going.stopped, record)


@contextmanager
def town(folder: Path, files: dict[str, Path]) -> Iterator[Town]:
    """Hospitals that serve."""
    built = Town(folder, Office(), files)
    try:
        for name in files:
            built.start(name)
        yield built
    finally:
        for name in list(built._ends):
            built.stop(name)
