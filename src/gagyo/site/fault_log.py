"""What only a hospital's own engineer reads of numbers that were kept back: faults.log beside its ledger."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path

from gagyo.protocol.request import Request


class FaultLog:
    """A file that people read; nothing of it leaves."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note_rules(self, request: Request, code: str, rules: Sequence[str]) -> None:
        """Which rules kept a request's numbers back, or what is wrong with the rows."""
        if rules:
            with self._path.open("a", encoding="utf-8") as log:
                log.write(f"{request.analysis} {request.step} {code}: {', '.join(rules)}\n")

    def note_behind(self, shown: int, links: int) -> None:
        """That a receipt of this hospital came back which is not on its ledger, and where that ends."""
        with self._path.open("a", encoding="utf-8") as log:
            log.write(f"ledger_behind: link {shown} came back, and the ledger has {links} links\n")

    def note_fault(self, fault: Exception) -> None:
        """Where a fault happened; not its message, which may hold a value."""
        with self._path.open("a", encoding="utf-8") as log:
            log.write(f"{type(fault).__name__}\n" + "".join(traceback.format_tb(fault.__traceback__)))
