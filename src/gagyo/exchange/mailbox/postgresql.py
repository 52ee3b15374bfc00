"""A hub's mailbox in PostgreSQL: several exchange processes on one database, woken by LISTEN and NOTIFY."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any

import psycopg
from psycopg import errors

from gagyo.errors import ExchangeFault
from gagyo.exchange.mailbox.bells import Bells, LoopBell
from gagyo.exchange.mailbox.port import Rows, T, Work
from gagyo.exchange.mailbox.schema import NONCES, PASSING, REGISTER

CONNECTIONS = 8
TRIES = 6
CHANNEL = "gagyo"
CONNECT_SECONDS = 5
PURGE_EVERY = 1000
KINDS = {"serial": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "blob": "BYTEA", "register": ""}
AGAIN = (errors.SerializationFailure, errors.DeadlockDetected, errors.IntegrityError)
"""Two processes met: the work is done again on what the other left."""


class PostgresqlMailbox:
    """One process's connections to the database."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.get_running_loop()
        self._bells = Bells()
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="mailbox")
        self._idle: queue.SimpleQueue[psycopg.Connection] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._nonces = 0
        self._listener = threading.Thread(target=self._listen, name="mailbox-bells", daemon=True)

    @classmethod
    async def open(cls, url: str) -> PostgresqlMailbox:
        """Connect, and make the tables where there are none; ExchangeFault `hub_database`."""
        mailbox = cls(url)
        try:
            await mailbox._run(_make_tables, durable=True, rings=())
        except ExchangeFault as fault:
            raise _told_operator(fault.__cause__) from fault
        mailbox._listener.start()
        return mailbox

    async def write(self, work: Work[T], *, durable: bool = True, rings: Collection[str] = ()) -> T:
        """One transaction, done again where another process was in the way."""
        value = await self._run(work, durable=durable, rings=rings)
        self._bells.ring(rings)
        return value

    async def read(self, work: Work[T]) -> T:
        """One transaction that changes nothing."""
        return await self._run(work, durable=False, rings=())

    async def first_use(self, nonces: Sequence[tuple[str, int]], now: int) -> bool:
        """Nonces are kept for all processes; a database that crashes may forget those of its last half second."""
        self._nonces += 1
        purge = self._nonces % PURGE_EVERY == 0

        def work(rows: Rows) -> bool:
            if purge:
                rows("DELETE FROM nonce WHERE until < ?", now)
            statement = "INSERT INTO nonce VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING nonce"
            return all([rows(statement, nonce, until) for nonce, until in nonces])

        return await self._run(work, durable=False, rings=())

    def watch(self, box: str) -> AbstractContextManager[LoopBell]:
        """A bell for a box."""
        return self._bells.watch(box)

    def wake_all(self) -> None:
        """Ring every bell of this process."""
        self._bells.ring_all()

    async def close(self) -> None:
        """Close all connections."""
        self._closing.set()
        with suppress(ExchangeFault):  # wakes the listener, so that it ends now
            await self._run(_nothing, durable=False, rings=("",))
        await asyncio.to_thread(self._threads.shutdown)
        if self._listener.is_alive():
            await asyncio.to_thread(self._listener.join)
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    async def _run(self, work: Work[T], *, durable: bool, rings: Collection[str]) -> T:
        return await self._loop.run_in_executor(self._threads, partial(self._transaction, work, durable, rings))

    def _transaction(self, work: Work[T], durable: bool, rings: Collection[str]) -> T:
        for turn in range(TRIES):
            try:
                with self._connection() as connection, connection.transaction():
                    return _in_transaction(connection, work, durable, rings)
            except AGAIN as error:
                if turn == TRIES - 1:
                    raise _fault(error) from error
            except psycopg.OperationalError as error:
                # A connection that a restart of the database broke is replaced once, at once.
                if turn:
                    raise _fault(error) from error
            except psycopg.Error as error:
                raise _fault(error) from error
        raise AssertionError("unreachable")

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = _connect(self._url)
        try:
            yield connection
        finally:
            if connection.closed or connection.broken:
                connection.close()
            else:
                self._idle.put(connection)

    def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                with _connect(self._url) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    # Letters may have come while nobody listened.
                    self._on_loop(self._bells.ring_all)
                    self._hear(connection)
            except psycopg.Error:
                self._closing.wait(0.5)

    def _hear(self, connection: psycopg.Connection) -> None:
        while not self._closing.is_set():
            for notice in connection.notifies(timeout=5, stop_after=1):
                self._on_loop(partial(self._bells.ring, [notice.payload]))

    def _on_loop(self, call: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has just ended
            self._loop.call_soon_threadsafe(call)


def _in_transaction(connection: psycopg.Connection, work: Work[T], durable: bool, rings: Collection[str]) -> T:
    if not durable:
        connection.execute("SET LOCAL synchronous_commit = off")
    value = work(_rows(connection))
    for box in rings:
        connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, box))
    return value


def _connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="gagyo hub")


def _rows(connection: psycopg.Connection) -> Rows:
    def rows(statement: str, *values: object) -> list[tuple[Any, ...]]:
        # The statements are this package's own texts; what callers send goes in as values only.
        cursor = connection.execute(statement.replace("?", "%s").encode(), values)
        return cursor.fetchall() if cursor.description is not None else []

    return rows


def _nothing(rows: Rows) -> None:
    pass


def _make_tables(rows: Rows) -> None:
    rows("SELECT pg_advisory_xact_lock(7135)")  # two processes that start together make them once
    for statement in (*REGISTER, *PASSING, *NONCES):
        rows(statement.format(**KINDS))


def _fault(error: psycopg.Error) -> ExchangeFault:
    return ExchangeFault.of("hub_storage", found=type(error).__name__)


def _told_operator(error: BaseException | None) -> ExchangeFault:
    """What the database says, to the hub's operator; those who call the hub are told the kind of fault alone."""
    return ExchangeFault.of("hub_database", found=" ".join(str(error).split()))


def run(url: str, work: Callable[[Rows], T]) -> T:
    """One transaction from outside the serving processes, for the operator's commands; `hub_database`."""
    try:
        with _connect(url) as connection, connection.transaction():
            _make_tables(_rows(connection))
            return work(_rows(connection))
    except psycopg.Error as error:
        raise _told_operator(error) from error
