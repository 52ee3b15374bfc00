"""What carries letters between institutions: a hub, a courier, or both at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from gagyo.exchange.access import Doing
from gagyo.exchange.client import Member
from gagyo.exchange.letter import Received, Sending
from gagyo.exchange.membership import Membership

DAY_SECONDS = 86_400
COURIER_DAYS = 90


class Carrier(Protocol):
    """An institution's letters. Methods raise ExchangeFault as `exchange.client.Client` does."""

    membership: Membership

    @property
    def clock_offset(self) -> float:
        """Seconds that the common clock is ahead of this machine's."""
        ...

    @property
    def trouble(self) -> str:
        """What keeps letters from being carried while that is still tried, as a code; empty where nothing does."""
        ...

    def send(self, recipient: str, study: str, body: bytes) -> str:
        """Hand over a letter and give its id; the same letter is carried once."""
        ...

    def receive(
        self,
        wait: float = 25.0,
        limit: int = 64,
        acknowledged: Sequence[str] = (),
        enough: int = 1,
        sending: Sequence[Sending] = (),
    ) -> list[Received]:
        """Letters that came; each comes again until it is acknowledged. For `enough` of them it may wait a moment.

        The letters of `sending` are handed over first. Where that is refused, they may be carried in part, and what
        came is left for the next time.
        """
        ...

    def acknowledge(self, ids: Sequence[str]) -> None:
        """These letters are kept here."""
        ...

    def open_study(self, study: str, members: Sequence[str]) -> None:
        """Let this coordinator and `members` write to each other under a study."""
        ...

    def close_study(self, study: str) -> None:
        """The study is over."""
        ...

    def directory(self) -> Mapping[str, Member]:
        """The institutions that can be written to, by name."""
        ...

    def status(self, patience: float | None = None) -> Mapping[str, object]:
        """Raise ExchangeFault where letters cannot be carried now."""
        ...

    def tell_doing(self, doing: Doing, plans: int) -> None:
        """Say what this hospital's service does, and how many plans wait for a person."""
        ...

    def by_courier(self, name: str) -> bool:
        """Whether letters to an institution travel on a file that a person carries."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


def lasting_seconds(carrier: Carrier, recipient: str) -> int:
    """How long a message to an institution stays good: a day over a hub, longer in a courier's bag."""
    return DAY_SECONDS * (COURIER_DAYS if carrier.by_courier(recipient) else 1)
