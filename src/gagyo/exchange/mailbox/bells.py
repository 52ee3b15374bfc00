"""Bells of one process: long polls sleep on them until a letter comes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress


class LoopBell:
    """One sleeper's bell."""

    def __init__(self) -> None:
        self._rang = asyncio.Event()

    def ring(self) -> None:
        """Wake the sleeper."""
        self._rang.set()

    async def wait(self, seconds: float) -> None:
        """Return when the bell rang since the last wait, or after `seconds`."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._rang.wait(), max(seconds, 0.0))
        self._rang.clear()


class Bells:
    """All bells of a process, by box. To be used on the event loop only."""

    def __init__(self) -> None:
        self._bells: defaultdict[str, set[LoopBell]] = defaultdict(set)

    @contextmanager
    def watch(self, box: str) -> Iterator[LoopBell]:
        """A bell for a box, hung up until the block ends."""
        bell = LoopBell()
        self._bells[box].add(bell)
        try:
            yield bell
        finally:
            self._bells[box].discard(bell)
            if not self._bells[box]:
                del self._bells[box]

    def ring(self, boxes: Iterable[str]) -> None:
        """Ring the bells of boxes."""
        for box in boxes:
            for bell in self._bells.get(box, ()):
                bell.ring()

    def ring_all(self) -> None:
        """Ring every bell: something may have been missed."""
        self.ring(list(self._bells))
