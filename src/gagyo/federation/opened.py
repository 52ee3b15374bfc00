"""What was opened so far in a run: the history that the coordinator hands on, so that each hospital can follow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gagyo.errors import Stopped
from gagyo.federation.line import Cursor, Line
from gagyo.federation.secure_sum import Record, each, pooled
from gagyo.finding import Finding
from gagyo.release.ledger import Entry


@dataclass(frozen=True)
class Opened:
    """The answers to one question, or (`record` None) that the analysis was stopped there, and why.

    refused: that hospitals withheld what is dispensable, so that the analysis goes on: their names, with the receipts
    of their refusals, which they signed.
    """

    cursor: Cursor
    record: Record | None
    stopped: str = ""
    values: tuple[tuple[str, str], ...] = ()
    refused: tuple[tuple[str, Entry], ...] = ()


def apply(line: Line, opened: Opened) -> None:
    """Move a line on by what was opened."""
    if opened.refused:
        line.withhold([site for site, _ in opened.refused])
    elif opened.record is None:
        line.stop(Stopped(Finding(opened.stopped, values=dict(opened.values))))
    else:
        line.answer(numbers(opened.record))


def numbers(record: Record) -> Any:
    """What a method is told: the secure sum, or each hospital's numbers."""
    return pooled(record) if record.shares else each(record)
