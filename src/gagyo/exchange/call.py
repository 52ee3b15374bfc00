"""One call to a hub: what it carries, whose it is, what the hub works with, and what is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gagyo.errors import ExchangeFault
from gagyo.exchange.envelope import Keys
from gagyo.exchange.mailbox.letters import Limits
from gagyo.exchange.mailbox.port import Mailbox
from gagyo.exchange.mailbox.register import Enrolled
from gagyo.exchange.records import record_of


@dataclass(frozen=True)
class Counter:
    """What the calls work with: the hub's name, keys, limits and mailbox."""

    name: str
    country: str
    version: str
    keys: Keys
    mailbox: Mailbox
    limits: Limits
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the hub stops: long polls end."""


@dataclass(frozen=True)
class Caller:
    """Who signed a call; `member` is None for a stranger."""

    name: str
    member: Enrolled | None

    @property
    def enrolled(self) -> Enrolled:
        """The institution, where the call is not one for strangers."""
        if self.member is None:
            raise ExchangeFault.of("not_enrolled", found=self.name)
        return self.member


@dataclass(frozen=True)
class Call:
    """One call: its query, what follows its fixed path, and its body."""

    query: Mapping[str, str]
    rest: Sequence[str]
    body: bytes
    gone: Callable[[], Awaitable[None]]
    """Returns when the caller hangs up."""
    charge: Callable[[int], None]
    """Counts further calls in place of which this one stands; ExchangeFault `too_many`."""

    def record(self) -> dict[str, Any]:
        """The body as a JSON object; ExchangeFault `malformed`."""
        return record_of(self.body)


@dataclass(frozen=True)
class Answer:
    """What is answered."""

    status: int
    body: bytes
    kind: str = "application/json"


def told(value: Any, status: int = 200) -> Answer:
    """An answer in JSON."""
    return Answer(status, json.dumps(value, separators=(",", ":")).encode())
