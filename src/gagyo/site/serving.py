"""One hospital's service as a process: its folder, lock, membership and health page, and an orderly end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import FrameType

from gagyo.errors import FileFault
from gagyo.exchange.courier import open_carrier
from gagyo.exchange.membership import Membership
from gagyo.site.folder import held, state_folder
from gagyo.site.health import health_page
from gagyo.site.service import Service
from gagyo.site.site_file import SiteFile


def serve(file: Path, health: int, ready: Callable[[str, str, int], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told the hospital's name, its hub and the port of the health page.

    Raises:
        FileFault: `site_in_use`, `other_membership`, `port_in_use`, or what is wrong with the site file.
        ExchangeFault: the hospital has not joined a hub.
    """
    folder = state_folder(file)
    site, membership = SiteFile.read(file), Membership.open(folder)
    if site.site != membership.name:
        raise FileFault.of("other_membership", found=membership.name, expected=site.site)
    with held(folder) as here:
        if not here:
            raise FileFault.of("site_in_use", found=site.site)
        with closing(open_carrier(folder)) as client:
            service, ending = Service(file, folder, client), threading.Event()
            _end_on_signals(service, ending)
            with suppress(_Ended), health_page(health, service.health) as page:
                ready(site.site, membership.hub, page)
                service.run(ending)


def serve_once(file: Path) -> bool:
    """Answer what a courier brought, unless a service of this hospital is running and does; whether it was done here.

    Raises:
        FileFault, ExchangeFault: as `serve`.
    """
    folder = state_folder(file)
    with held(folder) as here:
        if here:
            with closing(open_carrier(folder)) as client:
                Service(file, folder, client).drain()
        return here


class _Ended(BaseException):
    """The process was asked to end while it waited."""


def _end_on_signals(service: Service, ending: threading.Event) -> None:
    def end(number: int, frame: FrameType | None) -> None:
        ending.set()
        if not service.busy:
            raise _Ended

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
