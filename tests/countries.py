"""Two countries on one machine: six hospitals, two hubs and a coordinator as hosts of their own (network namespaces).

Each host has an own network stack. A hospital has one line, to its own country's hub, and a firewall that lets nothing
in; hubs do not forward. Between the countries lies a slow line that is cut. Where the system does not permit
namespaces, the same processes meet on loopback: `Loopback`, and who runs it says so.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gagyo.demo.world import GAGYO, World
from gagyo.exchange import enrolment, operator
from gagyo.exchange.access import Role
from gagyo.exchange.hub_folder import HubFolder, make_hub
from gagyo.exchange.membership import Membership
from gagyo.site.folder import state_folder
from tests.faults import BadLine

COUNTRIES = {"seoul": "KR", "busan": "KR", "incheon": "KR", "beijing": "CN", "tianjin": "CN", "shanghai": "CN"}
HALVED = {"seoul": "incheon", "beijing": "shanghai"}
"""By demo hospital, the one that gets every second of its rows."""
PORT, BEHIND = 8443, 9443
"""The line's port and, at the Korean hub, the one behind it."""
DELAY, BANDWIDTH = 0.01, 2.5e6
"""Seconds each way and bytes a second (20 Mbit/s) of all lines to the Korean hub."""
CUTS = [60_000, 400_000]
"""After so many bytes towards the Korean hub all its lines break."""
DIAL_OUT_ONLY = """table inet wall {
  chain input {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    iif lo accept
  }
}
"""
"""A hospital's firewall, as nftables reads it."""
HUB = {"KR": "10.70.0.1", "CN": "10.71.0.1"}


def six(folder: Path, study: Path, hospitals: Path) -> tuple[Path, dict[str, Path]]:
    """The demo's study for six hospitals, of which two share what was one file."""
    for name, other in HALVED.items():
        file = (hospitals / f"{name}.yaml").read_text(encoding="utf-8")
        (hospitals / f"{other}.yaml").write_text(
            file.replace(f"site: {name}", f"site: {other}").replace(f"{name}.csv", f"{other}.csv"), encoding="utf-8"
        )
        header, *rows = (hospitals / f"{name}.csv").read_bytes().splitlines(keepends=True)
        (hospitals / f"{name}.csv").write_bytes(header + b"".join(rows[::2]))
        (hospitals / f"{other}.csv").write_bytes(header + b"".join(rows[1::2]))
    text = study.read_text(encoding="utf-8").replace(
        "sites: [seoul, busan, beijing, tianjin]", f"sites: [{', '.join(COUNTRIES)}]"
    )
    assert "shanghai" in text
    path = folder / "six.yaml"
    path.write_text(text, encoding="utf-8")
    return path, {name: hospitals / f"{name}.yaml" for name in COUNTRIES}


def not_permitted() -> str:
    """Why hosts of their own cannot be made here; empty where they can."""
    missing = [tool for tool in ("ip", "nft") if shutil.which(tool) is None]
    if missing:
        return f"no program {', '.join(missing)}"
    if os.geteuid() != 0:
        return "not root"
    made = subprocess.run(["ip", "netns", "add", "gagyo-try"], capture_output=True, text=True, check=False)
    if made.returncode:
        return made.stderr.strip()
    tried = subprocess.run([*_inside("gagyo-try"), "nft", DIAL_OUT_ONLY], capture_output=True, text=True, check=False)
    _do("ip", "netns", "del", "gagyo-try")
    return tried.stderr.strip()


def _inside(host: str) -> list[str]:
    return ["ip", "netns", "exec", host]


def _do(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


class Loopback(World):
    """Six hospitals on loopback."""

    def gagyo(self, host: str, *typed: str, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
        """A command, typed at a host."""
        return subprocess.run([*GAGYO, *typed], capture_output=True, text=True, check=False, timeout=timeout)


class Countries(Loopback):
    """Six hospitals, two hubs and a coordinator, each a host of its own."""

    def __init__(self, folder: Path, sites: Mapping[str, Path], countries: Mapping[str, str]) -> None:
        super().__init__(folder, sites, countries)
        self._prefix = f"g{os.getpid()}-"
        self._hosts: list[str] = []
        self._line: subprocess.Popen[bytes] | None = None

    def host(self, name: str) -> str:
        """The namespace of an institution."""
        return self._prefix + name

    # The wires.

    def lay_lines(self) -> None:
        """Make all hosts, and a line from each to its hub."""
        for name in ("hub-kr", "hub-cn", "coordinator", *self.sites):
            _do("ip", "netns", "add", self.host(name))
            self._hosts.append(self.host(name))
            self._at(name, "ip", "link", "set", "lo", "up")
        for country, address in HUB.items():
            self._at(f"hub-{country.lower()}", "ip", "addr", "add", f"{address}/32", "dev", "lo")
        for number, name in enumerate(("coordinator", *self.sites)):
            country = self.countries.get(name, "KR")
            self._wire(name, f"hub-{country.lower()}", number + 1, HUB[country])
            self._at(name, "nft", DIAL_OUT_ONLY)
        self._wire("hub-cn", "hub-kr", 100, HUB["KR"])

    def _wire(self, name: str, hub: str, number: int, reaches: str) -> None:
        """A line whose near end can reach one address."""
        near, far = f"gn{number}", f"gf{number}"
        _do("ip", "link", "add", near, "netns", self.host(name), "type", "veth", "peer", far, "netns", self.host(hub))
        for at, link, last in ((name, near, 2), (hub, far, 1)):
            self._at(at, "ip", "addr", "add", f"10.80.{number}.{last}/30", "dev", link)
            self._at(at, "ip", "link", "set", link, "up")
        self._at(name, "ip", "route", "add", f"{reaches}/32", "via", f"10.80.{number}.1")

    def _at(self, name: str, *command: str) -> None:
        _do(*_inside(self.host(name)), *command)

    def address(self, name: str) -> str:
        """A hospital's own address on its line."""
        return f"10.80.{('coordinator', *self.sites).index(name) + 1}.2"

    def stop(self) -> None:
        """End all processes, then take the hosts away."""
        super().stop()
        if self._line is not None:
            self._line.kill()
            self._line.wait()
        for host in self._hosts:
            subprocess.run(["ip", "netns", "del", host], capture_output=True, check=False)

    # The same ceremony as on loopback, typed at the hosts.

    def open_hubs(self) -> None:
        """A hub in each country; the Chinese one dials the Korean one, over the bad line."""
        self.lay_lines()
        for country, address in HUB.items():
            folder = self.folder / f"hub-{country.lower()}"
            self.hubs[country] = make_hub(folder, country, url=f"https://{address}:{PORT}")
        command = [*_inside(self.host("hub-kr")), sys.executable, "-m", "tests.countries"]
        with (self.folder / "line.log").open("w") as log:
            self._line = subprocess.Popen(command, stdout=log)
        self.start("hub-kr")
        kr, cn = self.hubs.values()
        startup = self.folder / "hub-cn.startup"
        pin = operator.invite(kr, cn.name, "CN", "hub", startup)
        self._typed("hub-cn", "hub", "partner", str(startup), "--pin", pin, "--hub", str(cn.folder))
        operator.confirm(kr, cn.name, enrolment.fingerprint(cn.keys.public))
        self.start("hub-cn")

    def join(self, hub: HubFolder, name: str, role: Role, folder: Path) -> None:
        """The institution types it at its own host."""
        startup = self.folder / f"{name}.startup"
        pin = operator.invite(hub, name, hub.country, role, startup)
        self._typed(name, "site", "join", str(startup), "--folder", str(folder), "--pin", pin)
        operator.confirm(hub, name, enrolment.fingerprint(Membership.open(folder).keys.public))

    def _typed(self, host: str, *typed: str) -> None:
        done = self.gagyo(host, *typed)
        if done.returncode:
            raise RuntimeError(done.stderr)

    def gagyo(self, host: str, *typed: str, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
        """A command, typed at a host."""
        command = [*_inside(self.host(host)), *GAGYO, *typed]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)

    def command(self, name: str) -> tuple[str, ...]:
        """A hub listens on its host's addresses, the Korean one behind the bad line."""
        if name == "hub-kr":
            return ("hub", "start", str(self.folder / name), "--host", "127.0.0.1", "--port", str(BEHIND))
        if name == "hub-cn":
            return ("hub", "start", str(self.folder / name), "--host", HUB["CN"], "--port", str(PORT))
        return super().command(name)

    def launcher(self, name: str) -> tuple[str, ...]:
        """Every process runs at its host."""
        return tuple(_inside(self.host(name)))

    @contextmanager
    def listening(self, name: str, port: int) -> Iterator[None]:
        """Something at a host listens on a port."""
        program = f"import socket; s = socket.create_server(('', {port})); print('ready', flush=True); s.accept()"
        command = [*_inside(self.host(name)), sys.executable, "-c", f"{program}; s.accept()"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield
            process.kill()

    def reaches(self, name: str, address: str, port: int) -> bool:
        """Whether a host can open a connection."""
        program = f"import socket; socket.create_connection(({address!r}, {port}), 1)"
        tried = subprocess.run(
            [*_inside(self.host(name)), sys.executable, "-c", program], capture_output=True, check=False
        )
        return tried.returncode == 0


def folder_of(world: World, name: str) -> Path:
    """Where an institution keeps its membership."""
    return world.coordinator if name == "coordinator" else state_folder(world.sites[name])


class Told(BadLine):
    """A bad line that writes its cuts down."""

    def _cut(self) -> None:
        super()._cut()
        print("cut", flush=True)


async def _bad_line() -> None:
    line = Told(BEHIND, delay=DELAY, bandwidth=BANDWIDTH, cuts=list(CUTS))
    line._loop = asyncio.get_running_loop()
    server = await asyncio.start_server(line.serve, HUB["KR"], PORT)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_bad_line())
