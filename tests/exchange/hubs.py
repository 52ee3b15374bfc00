"""Hubs on real ports, in this process or in one of their own, and institutions that joined them."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from gagyo.demo.world import free_port
from gagyo.exchange import enrolment, operator, signatures
from gagyo.exchange.access import Role
from gagyo.exchange.client import Client
from gagyo.exchange.envelope import Keys
from gagyo.exchange.hub_folder import HubFolder, make_hub
from gagyo.exchange.mailbox import register
from gagyo.exchange.mailbox.register import Enrolled
from gagyo.exchange.membership import Membership
from gagyo.exchange.service import serving

PATIENCE = 15.0


@dataclass
class Place:
    """A hub, and clients of its institutions."""

    hub: HubFolder
    log: list[dict[str, Any]] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)

    def enrol(self, name: str, role: Role = "site", **more: Any) -> Membership:
        """A membership without the ceremony: the keys are put into the register."""
        keys = Keys.make()
        now = int(time.time())
        known = Enrolled(name, self.hub.country, role, "active", keys.public, now, now + 10**7)
        self.hub.operate(lambda rows: register.put_member(rows, known))
        hub = self.hub
        return Membership(*(name, hub.country, role, hub.url, hub.name, hub.keys.public, keys, hub.ca), **more)

    def client(self, name: str, role: Role = "site", patience: float = PATIENCE, **more: Any) -> Client:
        """A client of a new institution."""
        return self.client_of(self.enrol(name, role, **more), patience)

    def client_of(self, membership: Membership, patience: float = PATIENCE) -> Client:
        """A client of a membership, closed at the end."""
        client = Client(membership, patience=patience)
        self.clients.append(client)
        return client

    def close(self) -> None:
        """Close all clients."""
        for client in self.clients:
            client.close()


def new_hub(folder: Path, country: str = "KR", port: int | None = None, **more: Any) -> HubFolder:
    """A hub's folder on a free port of this machine."""
    return make_hub(folder, country, url=f"https://127.0.0.1:{port or free_port()}", **more)


def join_by_hand(hub: HubFolder, folder: Path, name: str, role: Role = "site", country: str = "KR") -> Membership:
    """The whole ceremony: invite, join, confirm."""
    from gagyo.exchange.joining import join

    startup = folder.with_suffix(".startup")
    pin = operator.invite(hub, name, country, role, startup)
    membership = join(startup.read_bytes(), pin, folder)
    operator.confirm(hub, name, enrolment.fingerprint(membership.keys.public))
    return membership


def call_headers(
    membership: Membership,
    method: str,
    path: str,
    query: str = "",
    body: bytes = b"",
    *,
    name: str = "",
    created: int | None = None,
) -> dict[str, str]:
    """A call's signature, with what a hostile caller may choose: the name it gives and the time."""
    digest = signatures.content_digest(body)
    components = signatures.call_components(method, path, query, digest)
    at = int(time.time()) if created is None else created
    signed = signatures.sign(membership.keys.sign, components, name or membership.name, at)
    return {"content-digest": digest, **signed}


def trust(hub: HubFolder) -> ssl.SSLContext:
    """Trust in the hub's own authority."""
    return ssl.create_default_context(cadata=hub.ca)


def after_first_second() -> None:
    """Wait until a hub that has just started accepts signatures of this second."""
    time.sleep(1.05 - time.time() % 1)


@contextmanager
def served(hub: HubFolder, log: list[dict[str, Any]] | None = None, port: int | None = None) -> Iterator[None]:
    """The hub serves in a thread of this process."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    told: list[BaseException] = []
    kept: list[dict[str, Any]] = [] if log is None else log

    async def run() -> None:
        task = asyncio.ensure_future(
            serving(hub, host="127.0.0.1", port=port, ready=lambda _: ready.set(), log=kept.append)
        )
        ends.append(lambda: loop.call_soon_threadsafe(task.cancel))
        try:
            await task
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            told.append(error)
            ready.set()

    ends: list[Any] = []
    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    assert ready.wait(20)
    if told:
        raise told[0]
    try:
        yield
    finally:
        ends[0]()
        thread.join(20)
        assert not thread.is_alive()
        loop.close()


@dataclass
class HubProcess:
    """A hub in a process of its own, so that it can be killed."""

    hub: HubFolder
    port: int | None = None
    process: subprocess.Popen[str] | None = None
    running: ClassVar[list[HubProcess]] = []
    """Those that a test started and has not ended."""

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        self.running.append(self)
        command = [
            sys.executable,
            "-c",
            "from gagyo.cli import main; main()",
            "hub",
            "start",
            str(self.hub.folder),
            "--host",
            "127.0.0.1",
        ]
        command += ["--port", str(self.port)] if self.port else []
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ
        )
        assert self.process.stdout is not None
        assert "https://" in self.process.stdout.readline()

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        assert self.process is not None
        self.running.remove(self)
        self.process.send_signal(how)
        code = self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code
