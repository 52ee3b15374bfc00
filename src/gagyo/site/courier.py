"""A hospital that no line reaches: what a courier brings is answered here, and the answers go back on a file."""

from __future__ import annotations

from pathlib import Path

from gagyo.errors import ExchangeFault
from gagyo.exchange.courier import HUB, Courier, Trust
from gagyo.exchange.envelope import Keys
from gagyo.exchange.membership import FILE, KEYS, Membership
from gagyo.exchange.parcel import Parcel, read
from gagyo.site.folder import state_folder
from gagyo.site.serving import serve_once
from gagyo.site.site_file import SiteFile


def take_in(file: Path, parcel: Path, trust: Trust) -> tuple[Parcel, int]:
    """Take a courier's file in and answer it; what was in it, and how many of its letters were new.

    The first file makes the hospital's keys and its membership. `file` is the site file.

    Raises:
        FileFault: what is wrong with the site file.
        ExchangeFault: what is wrong with the courier's file; `courier_has_hub` where the hospital is at a hub.
    """
    folder = state_folder(file)
    known = (folder / FILE).exists()
    membership = _membership(folder) if known else _first_membership(file, folder, parcel)
    with Courier(folder, membership) as courier:
        taken = courier.take_in(parcel, trust)
    if not known:
        membership.save(folder)
    serve_once(file)
    return taken


def export(file: Path, to: Path) -> Parcel:
    """Write the file for the coordinator: answers, states and decisions since the last that was kept there.

    Raises:
        ExchangeFault: `no_courier_yet` before any file came, `courier_exists`, `courier_has_hub`.
    """
    folder = state_folder(file)
    if not (folder / FILE).exists():
        raise ExchangeFault.of("no_courier_yet", found=folder)
    membership = _membership(folder)
    serve_once(file)
    with Courier(folder, membership) as courier:
        return courier.export(membership.hub_name, to)


def _membership(folder: Path) -> Membership:
    membership = Membership.open(folder)
    if membership.hub != HUB:
        raise ExchangeFault.of("courier_has_hub", found=membership.hub_name)
    return membership


def _first_membership(file: Path, folder: Path, parcel: Path) -> Membership:
    site, lead = SiteFile.read(file), read(parcel).sender
    if lead.role != "coordinator":
        raise ExchangeFault.of("courier_not_a_coordinator", found=lead.name)
    return Membership(site.site, site.country, "site", HUB, lead.name, lead.keys, Keys.open(folder / KEYS))
