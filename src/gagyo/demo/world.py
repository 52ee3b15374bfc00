"""Two hubs and hospitals as processes of their own on loopback, with TLS: what `gagyo demo hospitals` and tests run on.

Each process is started by the command that an operator types. Enrolment is the whole ceremony: invitation, PIN, keys
made at the hospital, fingerprint compared, confirmation.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

from gagyo.exchange import enrolment, operator
from gagyo.exchange.access import Role
from gagyo.exchange.hub_folder import HubFolder, make_hub
from gagyo.exchange.joining import join
from gagyo.site.folder import state_folder

GAGYO = (sys.executable, "-c", "from gagyo.cli import main; main()")
AT_ONCE = 2
"""Institutions that join at the same time: each guesses at a PIN for as long as a processor takes, by design."""
Sides = Literal["KR", "CN"]


class World:
    """Hubs by country, hospitals by name, and a coordinator at the first hub. Processes end with the `with` block."""

    def __init__(self, folder: Path, sites: Mapping[str, Path], countries: Mapping[str, str]) -> None:
        self.folder, self.sites, self.countries = folder, dict(sites), dict(countries)
        self.hubs: dict[str, HubFolder] = {}
        self.coordinator = folder / "coordinator"
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self._logs: dict[str, IO[str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    # Hubs and enrolment.

    def open_hubs(self) -> None:
        """Make and start a hub for each country; each later one is enrolled at the first, and dials it."""
        for country in dict.fromkeys(self.countries.values()):
            folder = self.folder / f"hub-{country.lower()}"
            url = f"https://127.0.0.1:{free_port()}"
            self.hubs[country] = HubFolder.open(folder) if folder.exists() else make_hub(folder, country, url=url)
        first, *others = self.hubs.values()
        self.start(f"hub-{first.country.lower()}")
        for hub in others:
            startup = self.folder / f"{hub.name}.startup"
            pin = operator.invite(first, hub.name, hub.country, "hub", startup)
            joined = operator.join_partner(hub, startup.read_bytes(), pin)
            operator.confirm(first, hub.name, enrolment.fingerprint(joined.keys.public))
            self.start(f"hub-{hub.country.lower()}")

    def enrol(self) -> None:
        """Every hospital joins its country's hub, and the coordinator the first one: each for itself, side by side."""
        first = next(iter(self.hubs.values()))
        with ThreadPoolExecutor(AT_ONCE) as joining:
            joined = [joining.submit(self.join, first, "coordinator", "coordinator", self.coordinator)]
            for name, file in self.sites.items():
                hub = self.hubs[self.countries[name]]
                joined.append(joining.submit(self.join, hub, name, "site", state_folder(file)))
        for one in joined:
            one.result()

    def join(self, hub: HubFolder, name: str, role: Role, folder: Path) -> None:
        """The whole ceremony for one institution."""
        startup = self.folder / f"{name}.startup"
        pin = operator.invite(hub, name, hub.country, role, startup)
        joined = join(startup.read_bytes(), pin, folder)
        operator.confirm(hub, name, enrolment.fingerprint(joined.keys.public))

    # Processes.

    def command(self, name: str) -> tuple[str, ...]:
        """What an operator types to start a hub (`hub-kr`) or a hospital (`seoul`)."""
        if name.startswith("hub-"):
            return ("hub", "start", str(self.folder / name), "--host", "127.0.0.1")
        return ("site", "start", str(self.sites[name]))

    def launcher(self, name: str) -> tuple[str, ...]:
        """What a process is started by, where that is not this machine itself."""
        return ()

    def start(self, name: str) -> None:
        """Start a process and wait until it says that it is ready; its log goes to a file."""
        self._launch(name)
        self._await_ready(name)

    def _launch(self, name: str) -> None:
        if name not in self._logs:
            self._logs[name] = (self.folder / f"{name}.log").open("a", encoding="utf-8")
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
        process = subprocess.Popen(
            [*self.launcher(name), *GAGYO, *self.command(name)],
            stdout=subprocess.PIPE,
            stderr=self._logs[name],
            text=True,
            env=environment,
        )
        self.processes[name] = process

    def _await_ready(self, name: str) -> None:
        out = self.processes[name].stdout
        if out is None or not out.readline():
            raise RuntimeError(f"{name} did not start; see {self.folder / f'{name}.log'}")

    def start_sites(self) -> None:
        """Start every hospital's service, all at once."""
        for name in self.sites:
            self._launch(name)
        for name in self.sites:
            self._await_ready(name)

    def kill(self, name: str) -> None:
        """End a process as a power cut does (SIGKILL)."""
        self._end(name, signal.SIGKILL)

    def approve(self, name: str, plan: str) -> None:
        """What the hospital's custodian types, having read the plan."""
        typed = [*GAGYO, "site", "approve", str(self.sites[name]), plan, "--yes"]
        done = subprocess.run(typed, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)

    def stop(self) -> None:
        """End all processes in an orderly way."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for name in list(self.processes):
            self._end(name, signal.SIGTERM)
        for log in self._logs.values():
            log.close()

    def _end(self, name: str, how: signal.Signals) -> None:
        process = self.processes.pop(name)
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
