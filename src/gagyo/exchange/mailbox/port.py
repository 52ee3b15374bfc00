"""The port of a hub's mailbox: durable transactions, bells that ring when a box gets a letter, and used nonces."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

Rows = Callable[..., list[tuple[Any, ...]]]
"""Runs one statement with its values, written with `?`, and gives the rows that it returns."""
Work = Callable[[Rows], T]
"""What is done in one transaction. It may run again where the database asks for that, so it keeps nothing itself."""


class Bell(Protocol):
    """Rings when its box may have changed."""

    def ring(self) -> None:
        """Wake who waits."""

    async def wait(self, seconds: float) -> None:
        """Return when the bell rang since the last wait, or after `seconds`."""


class Mailbox(Protocol):
    """Where a hub keeps everything. Methods raise ExchangeFault `hub_storage` where the disk or database fails."""

    async def write(self, work: Work[T], *, durable: bool = True, rings: Collection[str] = ()) -> T:
        """One transaction; on disk when this returns if `durable`. Then the bells of `rings` ring, in every process."""

    async def read(self, work: Work[T]) -> T:
        """One transaction that changes nothing."""

    async def first_use(self, nonces: Sequence[tuple[str, int]], now: int) -> bool:
        """Whether none of these (nonce, second until which it is remembered) was used before, in any process."""

    def watch(self, box: str) -> AbstractContextManager[Bell]:
        """A bell for a box; letters that come after this call ring it."""

    def wake_all(self) -> None:
        """Ring every bell of this process."""

    async def close(self) -> None:
        """End all connections."""
