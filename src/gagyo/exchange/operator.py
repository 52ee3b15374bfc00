"""What a hub's operator does: invite, confirm, revoke, join a partner hub, look at the hub, back it up."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gagyo.errors import ExchangeFault
from gagyo.exchange import enrolment, partners
from gagyo.exchange.access import ROLES, Role
from gagyo.exchange.certificates import expiry
from gagyo.exchange.enrolment import Startup, new_pin
from gagyo.exchange.hub_folder import COUNTRY, FILE, HubFolder
from gagyo.exchange.joining import join
from gagyo.exchange.mailbox import letters, register
from gagyo.exchange.mailbox.port import Rows
from gagyo.exchange.mailbox.register import Enrolled
from gagyo.exchange.membership import Membership, write_private

SILENT_SECONDS = 150
"""A service that serves calls at least once a minute; after so long it is away."""
SOON = 30 * 86400
"""What expires within so many seconds is announced."""


def invite(hub: HubFolder, name: str, country: str, role: Role, out: Path) -> str:
    """Write a startup file for an institution and give its PIN, which goes by another channel.

    Raises:
        ExchangeFault: `name_taken`, `bad_institution`, `bad_country`, `bad_role`, `other_country`.
    """
    if COUNTRY.fullmatch(country) is None:
        raise ExchangeFault.of("bad_country", found=country)
    if role not in ROLES:
        raise ExchangeFault.of("bad_role", found=role, expected=", ".join(ROLES))
    if role != "hub" and country != hub.country:
        raise ExchangeFault.of("other_country", found=country, expected=hub.country)
    if name == hub.name:
        raise ExchangeFault.of("name_taken", found=name)
    secret = hub.operate(lambda rows: enrolment.invite(rows, name, country, role, int(time.time())))
    pin = new_pin()
    startup = Startup(name, country, role, hub.url, hub.name, hub.country, hub.keys.public, hub.ca, secret)
    write_private(out, startup.locked(pin))
    return pin


def waiting_fingerprint(hub: HubFolder, name: str) -> str:
    """The fingerprint of the keys that an institution brought; ExchangeFault `no_such_institution`."""
    return enrolment.fingerprint(hub.operate(lambda rows: enrolment.own_member(rows, name)).keys)


def confirm(hub: HubFolder, name: str, said: str) -> Enrolled:
    """Let an institution in whose fingerprint was compared."""
    return hub.operate(lambda rows: enrolment.confirm(rows, name, said))


def revoke(hub: HubFolder, name: str) -> Enrolled | None:
    """Refuse an institution from its next call on, and remove what waits in its box.

    None where it had been invited and had not come: then its startup file is worth nothing any more.
    """

    def work(rows: Rows) -> Enrolled | None:
        if (revoked := enrolment.revoke(rows, name)) is None:
            return None
        ids = [letter.id for letter in letters.waiting(rows, name, 1 << 30, 1 << 60)]
        letters.acknowledge(rows, name, ids)
        return revoked

    return hub.operate(work)


def members(hub: HubFolder) -> list[dict[str, Any]]:
    """All institutions with fingerprint, last call, and what waits for them; and open invitations."""

    def work(rows: Rows) -> list[dict[str, Any]]:
        seen, boxes, doings = letters.last_seen(rows), letters.boxes(rows), letters.doings(rows)
        found = []
        for one in register.members(rows):
            # Of one that is refused nothing is known but what it said before.
            said = doings.get(one.name) if one.state == "active" else None
            more = {"service": _service(said, seen.get(one.name, 0)), "dialled": _dialled(hub, one)}
            found.append(_shown(one, seen, boxes) | more)
        return found + [
            {"name": one.name, "country": one.country, "role": one.role, "state": "invited", "until": one.until}
            for one in register.invitations(rows)
        ]

    return hub.operate(work)


def _shown(one: Enrolled, seen: Mapping[str, int], boxes: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    waiting, size = boxes.get(one.name, (0, 0))
    record = one.to_json() | {"fingerprint": enrolment.fingerprint(one.keys), "hub": one.home}
    return record | {"last_seen": seen.get(one.name), "letters": waiting, "bytes": size}


def _dialled(hub: HubFolder, one: Enrolled) -> bool:
    """Whether this hub calls the other, which then never calls here."""
    return one.role == "hub" and (hub.folder / "partners" / one.name).exists()


def _service(said: letters.Doing | None, seen: int) -> dict[str, Any] | None:
    """What a hospital's service does, by its own word while it calls; None where it never said."""
    if said is None:
        return None
    silent = said.doing != "stopped" and time.time() - seen > SILENT_SECONDS
    since = seen if silent else said.at
    return {"state": "silent" if silent else said.doing, "since": since, "plans": said.plans}


def join_partner(hub: HubFolder, startup: bytes, pin: str, *, proxy: str = "", extra_ca: str = "") -> Membership:
    """Enrol this hub at another one, which then has to confirm it; this hub dials, the other only listens.

    Raises:
        ExchangeFault: what `joining.join` raises; `bad_role` where the file is for an institution;
            `partner_country` where both are of one country.
    """
    opened = Startup.unlock(startup, pin)
    if opened.role != "hub":
        raise ExchangeFault.of("bad_role", found=opened.role, expected="hub")
    if opened.name != hub.name or opened.country != hub.country:
        raise ExchangeFault.of("other_name", found=opened.name, expected=hub.name)
    if opened.hub_country == hub.country:
        raise ExchangeFault.of("partner_country", found=opened.hub_country)
    folder = hub.folder / "partners" / opened.hub_name
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "keys").exists():
        write_private(folder / "keys", (hub.folder / "keys").read_bytes())
    joined = join(startup, pin, folder, proxy=proxy, extra_ca=extra_ca)
    now = int(time.time())
    partner = Enrolled(
        opened.hub_name, opened.hub_country, "hub", "active", opened.hub_keys, now, now + enrolment.KEY_DAYS * 86400
    )
    hub.operate(lambda rows: register.put_member(rows, partner))
    return joined


@dataclass(frozen=True)
class Expiring:
    """Something that has to be renewed: a certificate or an institution's keys; seconds since 1970."""

    what: str
    name: str
    until: int


def expiring(hub: HubFolder, now: float) -> list[Expiring]:
    """What expires within 30 days, the first first."""
    until = [Expiring("certificate", str(hub.certificate), int(expiry(hub.certificate).timestamp()))]
    if hub.ca:
        ca = hub.folder / "ca.pem"
        until.append(Expiring("authority", str(ca), int(expiry(ca).timestamp())))
    known = hub.operate(register.members)
    until += [Expiring("keys", one.name, one.until) for one in known if one.state == "active" and not one.home]
    return sorted((one for one in until if one.until - now < SOON), key=lambda one: one.until)


def status(hub: HubFolder) -> dict[str, Any]:
    """Members, boxes, partner lines, studies, and what expires soon."""

    def work(rows: Rows) -> dict[str, Any]:
        boxes = letters.boxes(rows)
        studies = register.studies(rows)
        return {
            "letters": sum(count for count, _ in boxes.values()),
            "bytes": sum(size for _, size in boxes.values()),
            "lines": partners.lines(rows),
            "studies": {"open": sum(one.open for one in studies), "closed": sum(not one.open for one in studies)},
        }

    record = {"hub": hub.name, "country": hub.country, "url": hub.url, "members": members(hub)}
    soon = [{"what": one.what, "name": one.name, "until": one.until} for one in expiring(hub, time.time())]
    return record | hub.operate(work) | {"expiring": soon}


KEPT = (FILE, "keys", "ca.pem", "ca.key", "server.pem", "server.key")


def backup(hub: HubFolder, out: Path) -> list[Path]:
    """Copy what cannot be made again: keys, certificates, members and studies. Letters are sent again by themselves.

    While the hub serves, too. A hub on PostgreSQL is backed up there; its folder is copied here.

    Raises:
        ExchangeFault: `backup_exists`.
    """
    if out.exists():
        raise ExchangeFault.of("backup_exists", found=out)
    out.mkdir(parents=True, mode=0o700)
    kept = [path for name in KEPT if (path := hub.folder / name).exists()]
    made = [Path(shutil.copy2(path, out / path.name)) for path in kept]
    if (hub.folder / "partners").exists():
        made.append(Path(shutil.copytree(hub.folder / "partners", out / "partners")))
    if hub.mailbox == "sqlite":
        made.append(_copy_register(hub.folder / "register.sqlite", out / "register.sqlite"))
    return made


def _copy_register(source: Path, target: Path) -> Path:
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)
    target.chmod(0o600)
    return target
