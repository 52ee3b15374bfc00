"""A hospital's letters: whose word counts in a study, by which keys they are read, and to which they are sealed.

What the serving thread writes is put aside and leaves with its next call: one call a round is enough.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from gagyo.errors import Tampered
from gagyo.exchange.carrier import Carrier, lasting_seconds
from gagyo.exchange.envelope import PublicKeys
from gagyo.exchange.letter import SMALL, Received, Sending
from gagyo.federation.message import Message, read, write
from gagyo.protocol.request import COORDINATOR
from gagyo.site.inbox import Inbox, Proposed
from gagyo.site.run_keys import RunKeys


class Post:
    """Reads and writes what goes between this hospital and the coordinators of its studies."""

    def __init__(self, client: Carrier, inbox: Inbox, run_keys: RunKeys) -> None:
        self._name = client.membership.name
        self._client, self._inbox, self._run_keys = client, inbox, run_keys
        self._serving = 0
        self._outbox: list[Sending] = []

    def serve_here(self) -> None:
        """From now on small letters that this thread writes are put aside."""
        self._serving = threading.get_ident()

    def taken_out(self) -> list[Sending]:
        """What was put aside, to hand over with a call."""
        sending, self._outbox = self._outbox, []
        return sending

    def flush(self) -> None:
        """Send what was put aside."""
        for one in self.taken_out():
            self._client.send(one.recipient, one.study, one.body)

    def read(self, letter: Received) -> Message:
        """A letter's message; Tampered where it is not of the study's coordinator, or not for this hospital."""
        leader = self._inbox.leader(letter.study)
        keys = self._keys_of(letter.study, letter.sender)
        if leader and leader[0] != letter.sender:
            raise Tampered.of("other_leader", found=letter.sender, expected=leader[0])
        message = read(letter.body, self._run_keys.known(letter.study), keys, self._now())
        if (message.sender, message.recipient, message.study) != (letter.sender, self._name, letter.study):
            raise Tampered.of("bad_signature")
        return message

    def coordinator(self, name: str) -> PublicKeys:
        """A coordinator's keys as the hub knows them; people compare their fingerprint before they approve."""
        member = self._client.directory().get(name)
        if member is None or member.role != "coordinator":
            raise Tampered.of("not_a_coordinator", found=name)
        return member.keys

    def _now(self) -> float:
        return time.time() + self._client.clock_offset

    def reply(
        self, study: str, kind: str, body: Mapping[str, Any], proposed: Proposed | None = None, request: str = ""
    ) -> None:
        """Write to a study's coordinator: to its key of the run once there is a plan."""
        leader = self._inbox.leader(study)
        assert leader is not None
        self._send(study, leader[0], PublicKeys(leader[1], leader[2]), kind, body, proposed, request)

    def refuse(self, message: Message, code: str) -> None:
        """Say that a message cannot be answered, and the code of why: what was found may be a value of the hospital."""
        self.answer(message, "state", {"state": "refused", "code": code})

    def answer(self, message: Message, kind: str, body: Mapping[str, Any]) -> None:
        """Write to who sent a message, about it; also where nothing is known of its study."""
        to, proposed = self._keys_of(message.study, message.sender), self._inbox.known(message.plan)
        self._send(message.study, message.sender, to, kind, body, proposed, message.request or message.plan)

    def tell_unopened(self, letter: Received) -> None:
        """Say that a letter cannot be opened, where this hospital has no key of the run: it may have had one."""
        if not self._run_keys.has(letter.study):
            keys = self._keys_of(letter.study, letter.sender)
            self._send(letter.study, letter.sender, keys, "state", {"state": "unopened"}, None, "")

    def _keys_of(self, study: str, sender: str) -> PublicKeys:
        """The keys with which a study's leader was first heard of; before that, as the hub knows them."""
        leader = self._inbox.leader(study)
        return PublicKeys(leader[1], leader[2]) if leader else self.coordinator(sender)

    def _send(
        self,
        study: str,
        recipient: str,
        lasting: PublicKeys,
        kind: str,
        body: Mapping[str, Any],
        proposed: Proposed | None,
        request: str,
    ) -> None:
        to = PublicKeys(**proposed.read().keys[COORDINATOR]) if proposed else lasting
        expires = int(self._now()) + lasting_seconds(self._client, recipient)
        plan = proposed.plan if proposed else ""
        message = Message(kind, self._name, recipient, study, body, plan, request, expires=expires)
        letter = Sending(recipient, study, write(message, self._client.membership.keys, to))
        # A large one would go by itself in any case, and is not kept in memory for it.
        if threading.get_ident() == self._serving and letter.size <= SMALL:
            self._outbox.append(letter)
        else:
            self._client.send(letter.recipient, letter.study, letter.body)
