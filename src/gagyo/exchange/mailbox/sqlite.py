"""A hub's mailbox in SQLite: one process, WAL, synchronous FULL; writes that wait together are one commit."""

from __future__ import annotations

import asyncio
import heapq
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gagyo.errors import ExchangeFault
from gagyo.exchange.mailbox.bells import Bells, LoopBell
from gagyo.exchange.mailbox.port import Rows, T, Work
from gagyo.exchange.mailbox.schema import PASSING, REGISTER

GROUP = 64
"""Writes in one commit at most."""
KINDS = {"serial": "INTEGER PRIMARY KEY AUTOINCREMENT", "blob": "BLOB", "register": "register."}


@dataclass(frozen=True)
class _Job:
    work: Work[Any]
    durable: bool
    rings: Collection[str]
    done: asyncio.Future[Any]


class SqliteMailbox:
    """The files `mailbox.sqlite` (what passes through) and `register.sqlite` (members, studies) of a folder.

    To be opened on an event loop. Members and studies may be changed by another process at any time; letters are
    this process's own, so that its memory of bells and nonces is the whole one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.get_running_loop()
        self._bells = Bells()
        self._nonces = _Nonces()
        self._writing = _connect(folder)
        self._reading = _connect(folder)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_all, name="mailbox", daemon=True)
        self._writer.start()

    async def write(self, work: Work[T], *, durable: bool = True, rings: Collection[str] = ()) -> T:
        """One transaction, committed with the others that wait."""
        done: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(work, durable, rings, done))
        return await done

    async def read(self, work: Work[T]) -> T:
        """Read on the event loop: a query here takes less than handing it to a thread."""
        try:
            return work(_rows(self._reading))
        except sqlite3.Error as error:
            raise _fault(error) from error

    async def first_use(self, nonces: Sequence[tuple[str, int]], now: int) -> bool:
        """Nonces are in memory only: `server.py` refuses signatures that are older than this process."""
        return self._nonces.first_use(nonces, now)

    def watch(self, box: str) -> AbstractContextManager[LoopBell]:
        """A bell for a box."""
        return self._bells.watch(box)

    def wake_all(self) -> None:
        """Ring every bell."""
        self._bells.ring_all()

    async def close(self) -> None:
        """Finish what waits, then close the files."""
        self._jobs.put(None)
        await asyncio.to_thread(self._writer.join)
        self._reading.close()
        self._writing.close()

    def _write_all(self) -> None:
        while (job := self._jobs.get()) is not None:
            batch, end = [job], False
            while len(batch) < GROUP and not self._jobs.empty():
                following = self._jobs.get()
                if following is None:
                    end = True
                    break
                batch.append(following)
            self._commit(batch)
            if end:
                return

    def _commit(self, batch: Sequence[_Job]) -> None:
        outcomes: list[tuple[_Job, Any, BaseException | None]] = []
        try:
            # An acknowledgement that is lost in a power cut only means that a letter comes again.
            level = "FULL" if any(job.durable for job in batch) else "NORMAL"
            self._writing.execute(f"PRAGMA main.synchronous={level}")
            self._writing.execute("BEGIN IMMEDIATE")
            outcomes = [self._run(job) for job in batch]
            self._writing.execute("COMMIT")
        except sqlite3.Error as error:
            if self._writing.in_transaction:
                self._writing.execute("ROLLBACK")
            outcomes = [(job, None, _fault(error)) for job in batch]
        self._loop.call_soon_threadsafe(self._tell, outcomes)

    def _run(self, job: _Job) -> tuple[_Job, Any, BaseException | None]:
        self._writing.execute("SAVEPOINT job")
        try:
            value = job.work(_rows(self._writing))
        except sqlite3.OperationalError:
            raise  # the disk: it concerns them all
        except Exception as error:
            self._writing.execute("ROLLBACK TO job")
            return job, None, _fault(error) if isinstance(error, sqlite3.Error) else error
        finally:
            if self._writing.in_transaction:
                self._writing.execute("RELEASE job")
        return job, value, None

    def _tell(self, outcomes: Sequence[tuple[_Job, Any, BaseException | None]]) -> None:
        for job, value, error in outcomes:
            if error is None:
                self._bells.ring(job.rings)
            if job.done.cancelled():
                continue
            if error is None:
                job.done.set_result(value)
            else:
                job.done.set_exception(error)


class _Nonces:
    """Nonces that were used, until their time is over."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._until: list[tuple[int, str]] = []

    def first_use(self, nonces: Sequence[tuple[str, int]], now: int) -> bool:
        while self._until and self._until[0][0] < now:
            self._used.discard(heapq.heappop(self._until)[1])
        if any(nonce in self._used for nonce, _ in nonces):
            return False
        for nonce, until in nonces:
            self._used.add(nonce)
            heapq.heappush(self._until, (until, nonce))
        return True


def _connect(folder: Path) -> sqlite3.Connection:
    for name in ("mailbox.sqlite", "register.sqlite"):
        # Never opened again where it exists: closing it would drop this process's POSIX locks on it, and another
        # process would then take the write-ahead log away.
        with suppress(FileExistsError):
            os.close(os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection = sqlite3.connect(folder / "mailbox.sqlite", isolation_level=None, check_same_thread=False, timeout=20)
    connection.execute("ATTACH ? AS register", (str(folder / "register.sqlite"),))
    for pragma in ("auto_vacuum=INCREMENTAL", "journal_mode=WAL", "synchronous=FULL", "cache_size=-4096"):
        connection.execute(f"PRAGMA main.{pragma}")
        connection.execute(f"PRAGMA register.{pragma}")
    for statement in (*REGISTER, *PASSING):
        connection.execute(statement.format(**KINDS))
    return connection


def _rows(connection: sqlite3.Connection) -> Rows:
    def rows(statement: str, *values: object) -> list[tuple[Any, ...]]:
        return connection.execute(statement, values).fetchall()

    return rows


def _fault(error: sqlite3.Error) -> ExchangeFault:
    return ExchangeFault.of("hub_storage", found=type(error).__name__)


def run(folder: Path, work: Callable[[Rows], T]) -> T:
    """One transaction from outside the serving process, for the operator's commands."""
    connection = _connect(folder)
    try:
        connection.execute("BEGIN IMMEDIATE")
        value = work(_rows(connection))
        connection.execute("COMMIT")
        return value
    finally:
        connection.close()
