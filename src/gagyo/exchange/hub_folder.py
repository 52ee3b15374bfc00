"""A hub's folder: `hub.yaml` that its operator may edit, its keys, its certificates, its mailbox."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from gagyo.errors import ExchangeFault, FileFault, check_none
from gagyo.exchange.certificates import Pair, check_pair, make_authority, make_server
from gagyo.exchange.envelope import Keys
from gagyo.exchange.letter import is_name
from gagyo.exchange.mailbox.letters import Limits
from gagyo.exchange.mailbox.port import Rows, T
from gagyo.exchange.membership import write_private
from gagyo.finding import Finding, Place
from gagyo.tree import Items, Node, Pairs, Scalar, tree_of

FILE = "hub.yaml"
COUNTRY = re.compile(r"[A-Z]{2}")

TEMPLATE = """# A Gagyo hub. After a change: end `gagyo hub start` and start it again.
name: {name}
country: {country}
url: {url}                  # how institutions reach this hub
listen: "{listen}"          # address and port of this machine
mailbox: sqlite             # or postgresql://user@host/database, for several processes on one database
certificate: {certificate}
key: {key}
limits:
  letter_mib: 256           # the largest letter
  box_mib: 1024             # all letters that wait for one institution
  box_letters: 4096
  letter_days: 30           # letters that nobody took vanish; their senders send again
"""


@dataclass(frozen=True)
class HubFolder:
    """What `hub.yaml` says, with its paths made whole."""

    folder: Path
    name: str
    country: str
    url: str
    listen: str
    mailbox: str
    certificate: Path
    key: Path
    limits: Limits

    @classmethod
    def open(cls, folder: Path) -> HubFolder:
        """Read a hub's folder; FileFault with every fault of `hub.yaml`, ExchangeFault `no_hub`."""
        if not (folder / FILE).exists():
            raise ExchangeFault.of("no_hub", found=folder)
        record = _read(folder / FILE)
        check_none(_faults(record, folder / FILE))
        limits = record.get("limits") or {}
        texts = {name: str(record[name]) for name in ("name", "country", "url", "listen", "mailbox")}
        return cls(
            folder,
            **texts,
            certificate=folder / str(record["certificate"]),
            key=folder / str(record["key"]),
            limits=Limits(
                letter_bytes=int(limits.get("letter_mib", 256) * (1 << 20)),
                box_bytes=int(limits.get("box_mib", 1024) * (1 << 20)),
                box_letters=int(limits.get("box_letters", 4096)),
                letter_days=float(limits.get("letter_days", 30)),
            ),
        )

    @property
    def keys(self) -> Keys:
        """The hub's own keys: they sign its answers, and open no letter."""
        return Keys.open(self.folder / "keys")

    @property
    def ca(self) -> str:
        """The PEM of the hub's own certificate authority; empty where the operator brought a certificate."""
        path = self.folder / "ca.pem"
        return path.read_text(encoding="ascii") if path.exists() else ""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    def operate(self, work: Callable[[Rows], T]) -> T:
        """One transaction on the mailbox from outside the serving process."""
        if self.mailbox == "sqlite":
            from gagyo.exchange.mailbox import sqlite

            return sqlite.run(self.folder, work)
        from gagyo.exchange.mailbox import postgresql

        return postgresql.run(self.mailbox, work)


def make_hub(
    folder: Path,
    country: str,
    *,
    name: str = "",
    url: str = "https://127.0.0.1:8443",
    certificate: Path | None = None,
    key: Path | None = None,
) -> HubFolder:
    """Make a hub's folder; with a certificate authority of its own unless a certificate and its key are given.

    Raises:
        ExchangeFault: `hub_exists`, `bad_certificate`. FileFault: a value that `hub.yaml` cannot have.
    """
    if (folder / FILE).exists():
        raise ExchangeFault.of("hub_exists", found=folder)
    parts = urlsplit(url)
    port = (parts.port if _is_port(parts) else 0) or 443
    record = {"name": name or f"hub-{country.lower()}", "country": country, "url": url.rstrip("/")}
    record |= {"listen": f"0.0.0.0:{port}", "mailbox": "sqlite"}
    record |= {"certificate": str(certificate.resolve()) if certificate else "server.pem"}
    record |= {"key": str(key.resolve()) if key else "server.key"}
    check_none(_faults(record, folder / FILE))
    if certificate is not None and key is not None:
        check_pair(certificate, key)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    Keys.open(folder / "keys")
    if certificate is None:
        _make_certificates(folder, record["name"], parts.hostname or "")
    write_private(folder / FILE, TEMPLATE.format(**record).encode())
    return HubFolder.open(folder)


def _make_certificates(folder: Path, name: str, host: str) -> None:
    authority = make_authority(name)
    write_private(folder / "ca.pem", authority.certificate)
    write_private(folder / "ca.key", authority.key)
    _write_server(folder, make_server(authority, host))


def _write_server(folder: Path, server: Pair) -> None:
    write_private(folder / "server.key", server.key)
    write_private(folder / "server.pem", server.certificate)


def renew(folder: Path) -> None:
    """A new server certificate of the hub's own authority; a serving process takes it up within a minute.

    Raises:
        ExchangeFault: `own_certificate`, where the operator brought the certificate.
    """
    hub = HubFolder.open(folder)
    if not (folder / "ca.key").exists():
        raise ExchangeFault.of("own_certificate", found=hub.certificate)
    authority = Pair((folder / "ca.pem").read_bytes(), (folder / "ca.key").read_bytes())
    _write_server(folder, make_server(authority, urlsplit(hub.url).hostname or ""))


class _Table(dict[str, Any]):
    """A table of the file, with the line of each key."""

    def __init__(self, pairs: Pairs) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}
        for key, node in pairs.nodes:
            if not isinstance(key, Scalar) or key.raw in self:
                raise FileFault(Finding("hub_file_unreadable", place=Place(line=key.line)))
            self[key.raw], self.lines[key.raw] = _value(node), key.line


def _value(node: Node) -> Any:
    if isinstance(node, Pairs):
        return _Table(node)
    return [_value(item) for item in node.nodes] if isinstance(node, Items) else node.value


def _read(path: Path) -> _Table:
    line = None
    try:
        record = _value(tree_of(path.read_text(encoding="utf-8")))
        if isinstance(record, _Table):
            return record
    except FileFault as fault:
        line = fault.findings[0].place.line
    except UnicodeDecodeError:
        pass
    raise FileFault(Finding("hub_file_unreadable", place=Place(str(path), line)))


def _is_url(value: Any) -> bool:
    parts = urlsplit(value) if isinstance(value, str) else None
    whole = parts is not None and parts.scheme == "https" and bool(parts.hostname) and parts.path in ("", "/")
    return whole and _is_port(parts)


def _is_port(parts: SplitResult | None) -> bool:
    try:
        return parts is not None and (parts.port is None or parts.port > 0)
    except ValueError:  # over 65,535, or no number
        return False


def _is_listen(value: Any) -> bool:
    port = re.fullmatch(r"\S+:(\d{1,5})", value) if isinstance(value, str) else None
    return port is not None and int(port[1]) < 1 << 16


def _is_mailbox(value: Any) -> bool:
    return value == "sqlite" or (isinstance(value, str) and value.startswith(("postgresql://", "postgres://")))


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_country(value: Any) -> bool:
    return isinstance(value, str) and COUNTRY.fullmatch(value) is not None


KEYS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "name": (is_name, "A-Z a-z 0-9 _ . -"),
    "country": (_is_country, "KR, CN"),
    "url": (_is_url, "https://host:port"),
    "listen": (_is_listen, "0.0.0.0:8443"),
    "mailbox": (_is_mailbox, "sqlite, postgresql://..."),
    "certificate": (_is_path, "server.pem"),
    "key": (_is_path, "server.key"),
}
LIMITS = ("letter_mib", "box_mib", "box_letters", "letter_days")


def _faults(record: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    """Every fault of a hub file."""
    for name, (holds, expected) in KEYS.items():
        if name not in record:
            yield Finding("hub_file_missing", place=Place(str(path)), values={"found": name, "expected": expected})
        elif not holds(record[name]):
            yield _fault("hub_file_value", path, record, name, record[name], expected)
    for name in record:
        if name not in KEYS and name != "limits":
            yield _fault("hub_file_unknown", path, record, name, name, ", ".join([*KEYS, "limits"]))
    limits = record.get("limits") or {}
    if not isinstance(limits, dict):
        yield _fault("hub_file_value", path, record, "limits", limits, ", ".join(LIMITS))
        return
    for name, value in limits.items():
        if name not in LIMITS:
            yield _fault("hub_file_unknown", path, limits, name, name, ", ".join(LIMITS))
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e9:
            yield _fault("hub_file_value", path, limits, name, value, "1-1000000")


def _fault(code: str, path: Path, record: Mapping[str, Any], name: Any, found: Any, expected: str) -> Finding:
    line = record.lines[name] if isinstance(record, _Table) else None
    return Finding(code, place=Place(str(path), line, str(name)), values={"found": found, "expected": expected})
