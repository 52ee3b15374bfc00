"""The hospital's service: takes messages from the exchange, answers them by the one door, and tells where it stands.

It dials out and never listens, but for a health page on loopback. A fault in one study is logged and told, and touches
no other. What matters is on disk before it is sent: the process may be killed at any moment and started again.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gagyo.canonical import digest
from gagyo.errors import DataFault, ExchangeFault, GagyoError, Tampered, is_full
from gagyo.exchange.access import Doing
from gagyo.exchange.carrier import Carrier
from gagyo.exchange.letter import Received
from gagyo.federation.message import Message
from gagyo.federation.once import Behind, answer_record
from gagyo.finding import Finding
from gagyo.protocol.plan import Plan
from gagyo.protocol.request import COORDINATOR
from gagyo.protocol.study import Study
from gagyo.site.arrived import Arrived
from gagyo.site.inbox import Inbox, Proposed, Wish
from gagyo.site.post import Post
from gagyo.site.run_keys import RunKeys
from gagyo.site.site_file import SiteFile
from gagyo.site.store import Store
from gagyo.site.telling import Telling
from gagyo.site.wishes import decide

if TYPE_CHECKING:
    from gagyo.site.site import Site

WAIT_SECONDS = 10.0
WATCH_SECONDS = 0.25
PAUSE_SECONDS = 5.0
TELL_AFTER_SECONDS, TELL_EVERY_SECONDS = 2.0, 10.0
DISK_FULL: Doing = "disk_full"
SHUT = frozenset({"study_not_open", "not_a_member", "no_such_recipient"})
"""Refusals of one study's letters, or of those to one coordinator: the hub takes all others."""
PASSING = (ExchangeFault, OSError, sqlite3.Error, MemoryError)
"""Faults of the line or of this machine, a full disk say: the letter comes again."""

Log = Callable[[dict[str, Any]], None]


def log_line(record: dict[str, Any]) -> None:
    """One event as a line of JSON on standard error: names, codes, sizes and times; never a value of a row."""
    print(json.dumps({"at": round(time.time(), 3), **record}, ensure_ascii=False), file=sys.stderr, flush=True)


class Service:
    """One hospital at its hub. `file` is its site file; `folder` holds membership, keys, ledger, memory and inbox."""

    def __init__(self, file: Path, folder: Path, client: Carrier, log: Log = log_line) -> None:
        self.name = client.membership.name
        self.inbox = Inbox(folder / "inbox.sqlite")
        self._file, self._folder, self._client, self._log = file, folder, client, log
        self._policy = SiteFile.read(file).policy
        self._store = Store(folder / "memory.sqlite")
        self._arrived = Arrived(self._store, client)
        self._opened: Site | None = None
        self._turn = threading.Lock()
        self._busy: tuple[Proposed, str, float] | None = None
        self._told = 0.0
        self._state = "starting"
        self._fault = ""
        self._told_full: set[str] = set()
        """Letters whose senders were told that they are not answered, since the disk is full: once is enough."""
        self._said: tuple[Doing, int] | None = None
        self._post = Post(client, self.inbox, RunKeys(client.membership.keys, self._store))
        self._telling = Telling(self._post, self.inbox, log)

    @property
    def busy(self) -> bool:
        """Whether an answer is being made."""
        return self._turn.locked()

    def health(self) -> dict[str, Any]:
        """What the health page says: all is well while the hub takes calls and this machine has no fault."""
        plans = [{"plan": one.plan, "state": one.state, "since": one.changed} for one in self.inbox.plans()]
        hub = self._client.trouble or self._state
        ok = hub == "connected" and not self._fault
        now = {"hub": hub, "fault": self._fault, "computing": self._busy is not None}
        return {"site": self.name, "ok": ok, **now, "plans": plans}

    def run(self, ending: threading.Event) -> None:
        """Serve until `ending` is set."""
        watching = threading.Thread(target=self._watch, args=(ending,), daemon=True)
        watching.start()
        try:
            self._serve(ending)
        finally:
            self._say("stopped")

    def _serve(self, ending: threading.Event) -> None:
        self._post.serve_here()
        done: list[str] = []
        while not ending.is_set():
            try:
                if self._state != "connected":
                    self._connect()
                letters = self._client.receive(WAIT_SECONDS, acknowledged=done, sending=self._post.taken_out())
                # What is not acknowledged when the service ends comes again, and is answered from the record.
                done = [letter.id for letter in self._by_study(letters) if self._take(letter, ending)]
                if not letters:  # also of what met a fault, since its study is closed say
                    self._fault = ""
                self._telling.tell_again()
            except ExchangeFault as fault:
                if fault.code in SHUT:
                    self._telling.note_shut(str(fault.findings[0].values["found"]))
                    continue
                # An answer that was not sent is asked for again, and given from the record.
                self._note_hub(fault.code)
                ending.wait(PAUSE_SECONDS)
        with suppress(ExchangeFault):
            self._post.flush()

    def _by_study(self, letters: Sequence[Received]) -> Iterator[Received]:
        """The letters; answers that are ready leave before those of another study are worked on."""
        for before, letter in zip([None, *letters], letters, strict=False):
            if before is not None and before.study != letter.study:
                self._post.flush()
            yield letter

    def drain(self) -> None:
        """Answer what lies ready, once, and end: for a hospital by courier that keeps no service running."""
        self._fulfil_wishes()
        ending = threading.Event()
        while letters := self._client.receive(0):
            done = [letter.id for letter in letters if self._take(letter, ending)]
            self._client.acknowledge(done)
            if len(done) < len(letters):
                raise ExchangeFault.of("courier_not_answered", found=len(letters) - len(done))
        self._telling.tell_changes()
        self._telling.tell_reviews(self._site().reviews.all())

    def _connect(self) -> None:
        """At the start, and after the hub was away: say where each plan stands, for that may have changed meanwhile."""
        self._client.status(PAUSE_SECONDS)
        # Who waits for the operator to confirm is told its own status, and nothing more.
        self._client.directory()
        self._note_hub("connected")
        self._telling.tell_open()

    def _say(self, doing: Doing | None = None) -> None:
        """Tell the hub's operator what this service does, when that changes; what cannot be told now is told later."""
        plans = sum(one.state == "waiting" for one in self.inbox.plans())
        busy = self._busy is not None and time.monotonic() - self._busy[2] > TELL_AFTER_SECONDS
        full = self._fault == DISK_FULL
        now: Doing = doing or (DISK_FULL if full else "computing" if busy else "waiting" if plans else "serving")
        if self._state != "connected" or self._said == (now, plans):
            return
        with suppress(ExchangeFault):
            self._client.tell_doing(now, plans)
            self._said = (now, plans)

    def _note_hub(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self._said = None
            self._log({"event": "hub", "state": state})

    # Messages.

    def _take(self, letter: Received, ending: threading.Event) -> bool:
        """Whether a letter is done with.

        One that met a fault of this machine (a full disk) comes again.
        """
        try:
            with self._turn:
                self._handle(letter)
        except PASSING as fault:
            what = DISK_FULL if is_full(fault) else type(fault).__name__
            if not isinstance(fault, ExchangeFault):
                self._fault = what
            self._log({"event": "fault", "study": letter.study[:12], "fault": what})
            self._leave_site()
            ending.wait(PAUSE_SECONDS)
            return False
        self._fault = ""
        self._told_full.discard(letter.id)
        return True

    def _handle(self, letter: Received) -> None:
        self._telling.heard_of(letter.study)
        try:
            message = self._post.read(letter)
            handlers = {"propose": self._on_propose, "plan": self._on_plan, "request": self._on_request}
            if message.kind not in handlers:
                raise Tampered.of("bad_wire", found=message.kind)
        except Tampered as why:
            self._log({"event": "refused", "from": letter.sender, "code": why.findings[0].code})
            if not self._again_closed(letter) and why.findings[0].code == "bad_envelope":
                self._post.tell_unopened(letter)
            return
        try:
            handlers[message.kind](message)
        except PASSING as fault:
            if is_full(fault) and letter.id not in self._told_full:
                self._told_full.add(letter.id)
                self._post.answer(message, "state", {"state": DISK_FULL})
            raise
        except DataFault:
            self._refuse(message, "data_fault")
        except GagyoError as why:
            self._refuse(message, why.findings[0].code.removeprefix("answer_"))
        except Exception as fault:  # one study's fault touches no other
            self._log({"event": "fault", "study": letter.study[:12], "fault": type(fault).__name__})
            self._refuse(message, "fault")

    def _refuse(self, message: Message, code: str) -> None:
        self._log({"event": "refused", "from": message.sender, "kind": message.kind, "code": code})
        self._post.refuse(message, code)

    # A study is proposed, then planned.

    def _on_propose(self, message: Message) -> None:
        study = Study.parse(str(message.body["study"]))
        if digest(study.canonical()) != message.study or self.name not in study.sites:
            raise Tampered.of("other_study", found=message.study)
        keys = self._post.coordinator(message.sender)
        self.inbox.keep_study(message.study, message.sender, (keys.signing, keys.sealing))
        own = self._site().run_keys.make(message.study).public
        self._log({"event": "proposed", "study": message.study, "by": message.sender})
        self._post.reply(message.study, "key", {"signing": own.signing, "sealing": own.sealing})

    def _on_plan(self, message: Message) -> None:
        plan = Plan.from_bytes(message.body["plan"])
        leader = self.inbox.leader(message.study)
        study = digest(plan.written.canonical())
        if leader is None or study != message.study or plan.digest != message.plan:
            raise Tampered.of("other_study", found=message.plan)
        if plan.keys[COORDINATOR]["signing"] != leader[1]:
            raise Tampered.of("other_leader", found=message.sender, expected=leader[0])
        self.inbox.keep_plan(plan, study, message.sender)
        proposed = self.inbox.plan(plan.digest)
        if proposed.state == "waiting" and (wish := self._by_policy(plan)):
            self._carry_out(wish)
            proposed = self.inbox.plan(plan.digest)
        self._log({"event": "plan", "plan": plan.digest, "state": proposed.state})
        self._telling.tell(proposed)

    def _by_policy(self, plan: Plan) -> Wish | None:
        """What the policy decides without a person: a plan that only counts people is never left waiting for one."""
        if plan.digest in self._policy.automatic_approval:
            return Wish(0, plan.digest, "approve", "policy")
        if not plan.study.counts_only:
            return None
        return Wish(0, plan.digest, "approve" if self._site().decided.may_count(plan) else "refuse", "feasibility")

    # Requests.

    def _on_request(self, message: Message) -> None:
        proposed = self.inbox.known(message.plan)
        if proposed is None or proposed.study != message.study:
            raise Tampered.of("plan_unknown_here", found=message.plan)
        if proposed.state in ("waiting", "refused"):
            self._telling.tell(proposed, message.request)
            return
        try:
            request = self._arrived.request(message)
        except Behind:
            self._post.reply(proposed.study, "behind", {}, proposed, message.request)
            return
        named = (request.plan, request.digest, request.roster, request.attempt)
        if named != (message.plan, message.request, message.roster, message.attempt):
            raise Tampered.of("bad_signature")
        self._busy = (proposed, message.request, time.monotonic())
        try:
            self._answer(proposed, request)
        finally:
            self._busy = None

    def _answer(self, proposed: Proposed, request: Any) -> None:
        began = time.monotonic()
        site = self._site()
        site.ensure_open(proposed.plan, proposed.read)
        answer = site.answer(request)
        spent = {"outcome": answer.outcome, "code": answer.code, "ms": round((time.monotonic() - began) * 1000)}
        told = {"plan": proposed.plan[:19], "analysis": request.analysis, "step": request.step, "round": request.round}
        self._log({"event": "answer", **told, **spent})
        if answer.outcome == "referred" and site.reviews.possible:
            # No answer yet: it is asked again until the people here have decided.
            self._post.reply(proposed.study, "state", {"state": "reviewing"}, proposed, request.digest)
            return
        self._arrived.gave(proposed.plan, answer)
        self._post.reply(proposed.study, "answer", answer_record(answer), proposed, request.digest)
        if request.step == "close" and answer.outcome == "released":
            self._close_study(proposed, request.digest)

    def _close_study(self, proposed: Proposed, request: str) -> None:
        """The run is over: its sealing key is destroyed, so that what was sealed to it stays closed."""
        self.inbox.set_state(proposed.plan, "closed", request)
        self._site().leave(proposed.plan)
        self._site().run_keys.destroy(proposed.study)
        self._site().forget_answers(proposed.plan, request)
        self._arrived.close(proposed.plan)
        self._log({"event": "closed", "plan": proposed.plan})

    def _again_closed(self, letter: Received) -> bool:
        """A letter about a closed run cannot be opened any more; its sender may have missed the closing answer."""
        closed = [one for one in self.inbox.plans() if one.study == letter.study and one.state == "closed"]
        if closed and closed[0].coordinator == letter.sender:
            answer = self._store.answered(closed[0].reason)
            if answer is not None:
                self._post.reply(letter.study, "answer", answer_record(answer), closed[0], closed[0].reason)
        return bool(closed)

    # What people decide, and what takes long.

    def _watch(self, ending: threading.Event) -> None:
        while not ending.wait(WATCH_SECONDS):
            try:
                self._fulfil_wishes()
                self._tell_busy()
                self._say()
            except Exception as fault:  # the watch goes on; a state that was not told is told when it is asked for
                self._log({"event": "fault", "fault": DISK_FULL if is_full(fault) else type(fault).__name__})
                ending.wait(PAUSE_SECONDS)

    def _fulfil_wishes(self) -> None:
        for wish in self.inbox.wishes():
            with self._turn:
                self.inbox.fulfil(wish.number, self._carry_out(wish))
            self._telling.tell_decided(wish)

    def _carry_out(self, wish: Wish) -> tuple[Finding, ...]:
        """Do what a person decided; the faults that forbid it."""
        faults = decide(self._site(), self.inbox, wish)
        self._log({"event": wish.verb, "plan": wish.plan, "faults": [one.code for one in faults]})
        return faults

    def _tell_busy(self) -> None:
        busy, now = self._busy, time.monotonic()
        if busy and now - busy[2] > TELL_AFTER_SECONDS and now - self._told > TELL_EVERY_SECONDS:
            self._told = now
            body = {"state": "computing", "seconds": round(now - busy[2])}
            self._post.reply(busy[0].study, "state", body, busy[0], busy[1])

    def _site(self) -> Site:
        """The hospital itself, opened when it is first needed: a service that waits stays small."""
        if self._opened is None:
            from gagyo.site.site import Site

            self._opened = Site.open(self._file, self._folder)
        return self._opened

    def _leave_site(self) -> None:
        """After a fault of the machine, ledger and memory are read again from what is on disk."""
        if self._opened is not None:
            self._opened.close()
        self._opened = None
        self._arrived.clear()
