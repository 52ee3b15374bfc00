"""A hub that serves: TLS, the exchange, what is done from time to time, and the lines to partner hubs."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import socket
import ssl
import sys
import time
from asyncio import sslproto
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import uvicorn

from gagyo.errors import ExchangeFault
from gagyo.exchange.call import Counter
from gagyo.exchange.connections import Connections, guarded
from gagyo.exchange.hub_folder import HubFolder
from gagyo.exchange.mailbox import letters
from gagyo.exchange.mailbox.port import Mailbox
from gagyo.exchange.mailbox.sqlite import SqliteMailbox
from gagyo.exchange.relay import Relay, partner_folders
from gagyo.exchange.server import Exchange

Log = Callable[[dict[str, Any]], None]
KEEP_ALIVE_SECONDS = 75
HANDSHAKE_SECONDS = 15.0
GOODBYE_SECONDS = 1.0
"""Clients whose connection is at rest do not answer TLS's goodbye."""
TLS_BUFFER = 32 << 10
LEAVE_SECONDS = 5
HOUSEKEEPING_SECONDS = 30.0


def log_line(record: dict[str, Any]) -> None:
    """One event as a line of JSON on standard error: names, codes and sizes; never a body."""
    print(json.dumps({"at": round(time.time(), 3), **record}, ensure_ascii=False), file=sys.stderr, flush=True)


def serve(
    hub: HubFolder, *, host: str = "", port: int | None = None, ready: Callable[[str], None], log: Log = log_line
) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told the address once calls are accepted.

    Raises:
        ExchangeFault: `port_taken`, `bad_certificate`, `hub_storage`.
    """
    asyncio.run(serving(hub, host=host, port=port, ready=ready, log=log))


async def serving(
    hub: HubFolder, *, host: str, port: int | None, ready: Callable[[str], None], log: Log = log_line
) -> None:
    """As `serve`, on a running event loop."""
    _raise_open_files()
    listening = _listen(host or hub.address[0], hub.address[1] if port is None else port)
    mailbox = await open_mailbox(hub)
    counter = Counter(hub.name, hub.country, version("gagyo"), hub.keys, mailbox, hub.limits)
    server = _Server(_config(hub, Exchange(counter, log)), counter)
    beside = [_housekeeping(counter, hub, server, log)]
    beside += [Relay(counter, folder, log).run() for folder in partner_folders(hub.folder)]
    tasks = [asyncio.create_task(work) for work in beside]
    log({"event": "started", "hub": hub.name, "port": listening.getsockname()[1]})
    try:
        await server.run_until_told(listening, ready)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await mailbox.close()
        log({"event": "stopped", "hub": hub.name})


async def open_mailbox(hub: HubFolder) -> Mailbox:
    """The mailbox that the hub's file names."""
    if hub.mailbox == "sqlite":
        return SqliteMailbox(hub.folder)
    from gagyo.exchange.mailbox.postgresql import PostgresqlMailbox

    return await PostgresqlMailbox.open(hub.mailbox)


class _Server(uvicorn.Server):
    """uvicorn, told to end long polls first when it stops."""

    def __init__(self, config: uvicorn.Config, counter: Counter) -> None:
        super().__init__(config)
        self._counter = counter

    async def run_until_told(self, listening: socket.socket, ready: Callable[[str], None]) -> None:
        """Serve until a signal comes."""
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            # Only the main thread may set these; elsewhere the caller cancels.
            with suppress(ValueError, RuntimeError, NotImplementedError):
                loop.add_signal_handler(name, self._stop)
        self.lifespan = self.config.lifespan_class(self.config)
        await self._open(listening)
        ready("https://{}:{}".format(*listening.getsockname()[:2]))
        try:
            await self.main_loop()
        finally:
            self._stop()
            await self.shutdown(sockets=[listening])

    async def _open(self, listening: socket.socket) -> None:
        """As uvicorn's startup, which has no limit for those who connect and then do not begin TLS."""

        def protocol() -> asyncio.Protocol:
            kept: dict[str, Any] = {"server_state": self.server_state, "app_state": self.lifespan.state}
            return self.config.http_protocol_class(config=self.config, **kept)  # type: ignore[call-arg]

        server = await asyncio.get_running_loop().create_server(
            protocol,
            sock=listening,
            ssl=self.config.ssl,
            backlog=1024,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=GOODBYE_SECONDS,
        )
        # asyncio gives every connection that speaks TLS a buffer of 256 KiB at once: a thousand idle ones, 300 MB.
        sslproto.SSLProtocol.max_size = TLS_BUFFER
        self.servers = [server]
        self.started = True

    def _stop(self) -> None:
        self.should_exit = True
        self._counter.closing.set()
        self._counter.mailbox.wake_all()


def _config(hub: HubFolder, app: Exchange) -> uvicorn.Config:
    try:
        config = uvicorn.Config(
            app,
            http=guarded(Connections()),
            ws="none",
            lifespan="off",
            ssl_certfile=str(hub.certificate),
            ssl_keyfile=str(hub.key),
            server_header=False,
            access_log=False,
            log_config=None,
            log_level="critical",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=LEAVE_SECONDS,
            h11_max_incomplete_event_size=32 << 10,
        )
        config.load()
    except (OSError, ssl.SSLError):
        raise ExchangeFault.of("bad_certificate", found=hub.certificate) from None
    assert config.ssl is not None
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named since asyncio sets TCP_NODELAY only on sockets that say so.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ExchangeFault.of("port_taken", found=f"{host}:{port}", expected=error.strerror) from None
    listening.listen(1024)
    listening.set_inheritable(True)
    return listening


def _raise_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65536) if hard != resource.RLIM_INFINITY else 65536
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _housekeeping(counter: Counter, hub: HubFolder, server: _Server, log: Log) -> None:
    """Remove what is too old, and take up a renewed certificate."""
    known = _modified(hub)
    while True:
        await asyncio.sleep(HOUSEKEEPING_SECONDS)
        try:
            await _expire(counter, log)
            if _modified(hub) != known and server.config.ssl is not None:
                server.config.ssl.load_cert_chain(hub.certificate, hub.key)
                known = _modified(hub)
                log({"event": "certificate"})
        except (ExchangeFault, OSError) as error:
            code = error.code if isinstance(error, ExchangeFault) else type(error).__name__
            log({"event": "housekeeping", "code": code})


async def _expire(counter: Counter, log: Log) -> None:
    now = int(time.time())
    removed = await counter.mailbox.write(lambda rows: letters.expire(rows, counter.limits, now))
    if removed:
        log({"event": "expired", "letters": removed})


def _modified(hub: HubFolder) -> tuple[float, ...]:
    return tuple(path.stat().st_mtime for path in (hub.certificate, hub.key) if path.exists())
