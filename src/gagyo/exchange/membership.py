"""What an institution keeps after it joined a hub: its keys, and how to reach and to recognise the hub."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gagyo.errors import ExchangeFault
from gagyo.exchange.envelope import Keys, PublicKeys

FILE, KEYS, NEXT_KEYS, CA = "membership.json", "keys", "keys.next", "ca.pem"


@dataclass(frozen=True)
class Membership:
    """An institution's place at a hub.

    `ca` is the PEM of the hub's own certificate authority; empty to use the machine's trust. `extra_ca` is a PEM file
    of another authority to trust beside it (a company's TLS inspection). `proxy` is `http://user:password@host:port`;
    empty to use the environment's HTTPS_PROXY and NO_PROXY.
    """

    name: str
    country: str
    role: str
    hub: str
    hub_name: str
    hub_keys: PublicKeys
    keys: Keys = field(repr=False)
    ca: str = field(default="", repr=False)
    extra_ca: str = ""
    proxy: str = field(default="", repr=False)

    @classmethod
    def open(cls, folder: Path) -> Membership:
        """The membership kept in a folder; ExchangeFault `no_membership`, `bad_membership`."""
        if not (folder / FILE).exists() or not (folder / KEYS).exists():
            raise ExchangeFault.of("no_membership", found=folder)
        try:
            record = json.loads((folder / FILE).read_text(encoding="utf-8"))
            texts = {name: str(record[name]) for name in ("name", "country", "role", "hub", "hub_name")}
            public = PublicKeys(**record["hub_keys"])
            keys = Keys.open(folder / KEYS)
        except (ValueError, KeyError, TypeError):
            raise ExchangeFault.of("bad_membership", found=folder / FILE) from None
        ca = (folder / CA).read_text(encoding="ascii") if (folder / CA).exists() else ""
        more = {name: str(record.get(name, "")) for name in ("extra_ca", "proxy")}
        return cls(**texts, hub_keys=public, keys=keys, ca=ca, **more)

    def save(self, folder: Path) -> None:
        """Write the membership into a folder (mode 0700) that already holds its keys."""
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        record: dict[str, Any] = {"gagyo_membership": 1, "name": self.name, "country": self.country, "role": self.role}
        record |= {"hub": self.hub, "hub_name": self.hub_name, "proxy": self.proxy, "extra_ca": self.extra_ca}
        record |= {"hub_keys": {"signing": self.hub_keys.signing, "sealing": self.hub_keys.sealing}}
        write_private(folder / FILE, json.dumps(record, indent=1, ensure_ascii=False).encode() + b"\n")
        if self.ca:
            write_private(folder / CA, self.ca.encode("ascii"))


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
