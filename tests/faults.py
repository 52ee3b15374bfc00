"""Bad lines for tests: a TCP proxy with delay, bandwidth and cuts, a CONNECT proxy with a password, TLS inspection."""

from __future__ import annotations

import asyncio
import base64
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

PIECE = 16 << 10


@dataclass
class BadLine:
    """A line to a port of this machine. Its attributes may be changed while it is in use.

    `delay` in seconds each way; `bandwidth` in bytes a second each way (0: no limit); `cuts` are numbers of bytes
    from the dialling side (`cuts_back`: to it) after which all connections break, each once; `down` refuses new
    connections.
    """

    target: int
    delay: float = 0.0
    bandwidth: float = 0.0
    cuts: list[int] = field(default_factory=list)
    cuts_back: list[int] = field(default_factory=list)
    down: bool = False
    up_bytes: int = 0
    down_bytes: int = 0
    cut_count: int = 0
    port: int = 0
    served: ssl.SSLContext | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop | None = None

    def cut(self) -> None:
        """Break all connections now."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        self.cut_count += 1
        for one in list(self._open):
            one.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        if self.down:
            writer.transport.abort()
            return
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        with suppress(asyncio.CancelledError):  # at its end; asyncio would print it as a fault of a callback
            await self.join(reader, writer, to_reader, to_writer)

    async def join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        to_reader: asyncio.StreamReader,
        to_writer: asyncio.StreamWriter,
    ) -> None:
        """Carry bytes both ways until one side ends."""
        both = {writer, to_writer}
        self._open |= both
        tasks = [
            asyncio.ensure_future(self._carry(reader, to_writer, True)),
            asyncio.ensure_future(self._carry(to_reader, writer, False)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open -= both
            for one in both:
                one.transport.abort()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, up: bool) -> None:
        with suppress(OSError):
            while piece := await source.read(PIECE):
                wait = self.delay + (len(piece) / self.bandwidth if self.bandwidth else 0)
                if wait:
                    await asyncio.sleep(wait)
                sink.write(self.passed(piece, up))
                await sink.drain()
                self._count(len(piece), up)

    def passed(self, piece: bytes, up: bool) -> bytes:
        """What goes on of what came."""
        return piece

    def _count(self, size: int, up: bool) -> None:
        self.up_bytes += size if up else 0
        self.down_bytes += 0 if up else size
        cuts, carried = (self.cuts, self.up_bytes) if up else (self.cuts_back, self.down_bytes)
        if cuts and carried >= cuts[0]:
            cuts.pop(0)
            self._cut()


@dataclass
class ConnectProxy(BadLine):
    """An HTTP proxy that opens tunnels (RFC 9110, CONNECT) for those who know the password (RFC 7617)."""

    user: str = "site"
    password: str = "p:w@rd"
    tunnels: int = 0
    refused: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        if self.down:
            writer.transport.abort()
            return
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, place, _ = head.split("\r\n")[0].split(" ")
        expected = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if f"Basic {expected}" not in head:
            self.refused += 1
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            writer.close()
            return
        assert method == "CONNECT"
        host, _, port = place.rpartition(":")
        to_reader, to_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.tunnels += 1
        await self.join(reader, writer, to_reader, to_writer)


@dataclass
class Inspector(BadLine):
    """A company's TLS inspection: it ends TLS under a certificate of its own and speaks TLS to the hub itself.

    `served` is its TLS as a server, `trusted` as a client. `alter` may change what it reads, each way.
    """

    trusted: ssl.SSLContext | None = None
    alter: Callable[[bytes, bool], bytes] = field(default=lambda piece, up: piece)
    seen: bytearray = field(default_factory=bytearray)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        to = await asyncio.open_connection("127.0.0.1", self.target, ssl=self.trusted, server_hostname="127.0.0.1")
        await self.join(reader, writer, *to)

    def passed(self, piece: bytes, up: bool) -> bytes:
        """What goes on."""
        self.seen += piece
        return self.alter(piece, up)


Line = TypeVar("Line", bound=BadLine)


@contextmanager
def line(one: Line) -> Iterator[Line]:
    """The line, served from a thread at `one.port`."""
    loop = asyncio.new_event_loop()
    one._loop = loop
    ready = threading.Event()

    async def run() -> None:
        server = await asyncio.start_server(one.serve, "127.0.0.1", one.port, limit=1 << 16, ssl=one.served)
        one.port = server.sockets[0].getsockname()[1]
        ready.set()
        with suppress(asyncio.CancelledError):
            await server.serve_forever()

    task = loop.create_task(run())
    thread = threading.Thread(target=_until_done, args=(loop, task), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield one
    finally:
        loop.call_soon_threadsafe(one._cut)
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)


def _until_done(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    with suppress(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.run_until_complete(_end_rest())
    loop.close()


async def _end_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for one in rest:
        one.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
