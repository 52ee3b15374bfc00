"""Looks whether a hospital's service can work: hub, clock, keys, versions, disk, data, rules; what to do."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from gagyo.errors import ExchangeFault, GagyoError
from gagyo.exchange.client import Client
from gagyo.exchange.courier import HUB, Courier
from gagyo.exchange.membership import Membership
from gagyo.finding import Finding
from gagyo.protocol.plan import Plan
from gagyo.release.ledger import check_chain, read
from gagyo.site.folder import state_folder
from gagyo.site.inbox import Inbox
from gagyo.site.mapping.load import examine
from gagyo.site.ruled import Ruled
from gagyo.site.site_file import SiteFile

EXPIRY_DAYS = 30
LEAST_FREE = 1 << 30
CLOCK_SECONDS = 30.0
HUB_PATIENCE = 5.0


@dataclass(frozen=True)
class Look:
    """One thing that was looked at: `fine`, `soon` (it will not stay so), or `fault`; the finding says what and why."""

    about: str
    state: Literal["fine", "soon", "fault"]
    finding: Finding


def examine_site(file: Path) -> Iterator[Look]:
    """All looks, in the order in which one would mend things."""
    try:
        site = SiteFile.read(file)
    except GagyoError as fault:
        yield from (Look("site_file", "fault", one) for one in fault.findings)
        return
    yield _fine("site_file", "doctor_site_file", found=site.site)
    folder = state_folder(file)
    yield from _disk(folder)
    yield from _hub(folder, site)
    yield from _ledger(folder)
    yield from _data(folder, site)
    yield from _rules(folder, site)


def _disk(folder: Path) -> Iterator[Look]:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    values = {"found": free >> 20, "expected": LEAST_FREE >> 20}
    if free >= LEAST_FREE:
        yield _fine("disk", "doctor_disk_fine", **values)
    else:
        yield Look("disk", "fault", Finding("doctor_disk_fault", values=values))


def _hub(folder: Path, site: SiteFile) -> Iterator[Look]:
    try:
        membership = Membership.open(folder)
    except ExchangeFault as fault:
        yield Look("membership", "fault", fault.findings[0])
        return
    if membership.name != site.site:
        values = {"found": membership.name, "expected": site.site}
        yield Look("membership", "fault", Finding("other_membership", values=values))
        return
    if membership.hub == HUB:
        with Courier(folder, membership) as courier:
            waiting = courier.waiting(membership.hub_name)
        yield _fine("courier", "doctor_courier", found=waiting.letters, expected=membership.hub_name)
        return
    try:
        with Client(membership, patience=HUB_PATIENCE) as client:
            told = client.status(HUB_PATIENCE)
            if client.proxy:
                yield _fine("hub", "doctor_hub_proxied", found=membership.hub, expected=client.proxy)
            else:
                yield _fine("hub", "doctor_hub", found=membership.hub)
            yield _clock(-client.clock_offset)
            yield _version(str(told.get("version", "")))
            yield from _keys(client, membership.name)
    except ExchangeFault as fault:
        yield Look("hub", "fault", fault.findings[0])


def _clock(offset: float) -> Look:
    """How far this machine's clock is ahead of the hub's."""
    if abs(offset) <= CLOCK_SECONDS:
        return _fine("clock", "doctor_clock", found=abs(round(offset, 1)))
    return Look(
        "clock", "soon", Finding("doctor_clock_off", values={"found": round(offset), "expected": CLOCK_SECONDS})
    )


def _version(hub: str) -> Look:
    own = version("gagyo")
    if hub == own:
        return _fine("version", "doctor_version", found=own)
    return Look("version", "soon", Finding("doctor_other_version", values={"found": own, "expected": hub}))


def _keys(client: Client, name: str) -> Iterator[Look]:
    now = time.time() + client.clock_offset
    for member in client.directory().values():
        days = int((member.until - now) // 86_400)
        if member.name == name:
            code = "doctor_keys" if days > EXPIRY_DAYS else "doctor_keys_soon"
            yield Look("keys", "fine" if days > EXPIRY_DAYS else "soon", Finding(code, values={"found": days}))


def _ledger(folder: Path) -> Iterator[Look]:
    path = folder / "ledger.jsonl"
    if not path.exists() or not (folder / "keys").exists():
        return
    from gagyo.exchange.envelope import Keys

    try:
        entries = list(read(path))
        check_chain(entries, Keys.open(folder / "keys").public)
    except GagyoError as fault:
        yield Look("ledger", "fault", fault.findings[0])
    else:
        yield _fine("ledger", "doctor_ledger", found=len(entries))


def _data(folder: Path, site: SiteFile) -> Iterator[Look]:
    for plan in _open_plans(folder):
        study = plan.study
        try:
            findings = [finding for finding in examine(site, study).report.findings if finding.severity == "error"]
        except GagyoError as fault:
            findings = list(fault.findings)
        yield from (Look(f"data: {study.study}", "fault", finding) for finding in findings)
        if not findings:
            yield _fine(f"data: {study.study}", "doctor_data", found=study.study)


def _open_plans(folder: Path) -> list[Plan]:
    if not (folder / "inbox.sqlite").exists():
        return []
    with closing(Inbox(folder / "inbox.sqlite")) as inbox:
        return [one.read() for one in inbox.plans() if one.state in ("waiting", "approved")]


def _rules(folder: Path, site: SiteFile) -> Iterator[Look]:
    """What the hospital's own check says today of each open plan, and which documents will not be in force for long."""
    try:
        ruled = Ruled.of(site)
        rulings = [(one.study.study, ruled.on(one)) for one in _open_plans(folder)] if ruled else []
    except GagyoError as fault:
        yield from (Look("rules", "fault", one) for one in fault.findings)
        return
    for study, ruling in rulings:
        about = f"rules: {study}"
        yield from (Look(about, "fault", one) for one in ruling.findings())
        for one in ruling.ending(EXPIRY_DAYS):
            values = {"found": study, "expected": one.kind, "day": str(one.until)}
            yield Look(about, "soon", Finding("doctor_evidence_soon", values=values))
        if not ruling.short:
            yield _fine(about, "doctor_rules", found=study)


def _fine(about: str, code: str, **values: object) -> Look:
    return Look(about, "fine", Finding(code, "note", values=values))
