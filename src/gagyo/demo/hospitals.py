"""The demo study at hospitals on machines of their own: two hubs, four services, approvals, one run, verified."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from gagyo.api import Finished, run_remote, verify
from gagyo.coordinator.run import Progress
from gagyo.demo import breast
from gagyo.demo.world import World
from gagyo.errors import Stopped
from gagyo.result import Result
from gagyo.site.folder import state_folder
from gagyo.site.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gagyo.runtime.remote import SiteState

COUNTRIES = {"seoul": "KR", "busan": "KR", "beijing": "CN", "tianjin": "CN"}


def world_of(folder: Path) -> tuple[Path, World]:
    """The demo's study file, and its hospitals' site files in a world that has not started yet."""
    study, hospitals = breast.prepare(folder)
    return study, World(folder, {name: hospitals / f"{name}.yaml" for name in COUNTRIES}, COUNTRIES)


def run(
    folder: Path,
    tell: Callable[[Progress], None] | None = None,
    ended: Callable[[str, Result | Stopped], None] | None = None,
    states: Callable[[Mapping[str, SiteState]], None] | None = None,
) -> Finished:
    """Start everything, run, copy the hospitals' ledgers beside the results as an auditor would, and verify."""
    study, world = world_of(folder)
    with world:
        world.open_hubs()
        world.enrol()
        world.start_sites()
        approving = threading.Thread(target=approve_all, args=(world,), daemon=True)
        approving.start()
        finished = run_remote(study, world.coordinator, folder / "run", tell, ended, states)
        approving.join()
    copy_ledgers(world, folder / "run")
    verify(folder / "run")
    return finished


def approve_all(world: World, patience: float = 120.0) -> None:
    """As soon as a plan waits at a hospital, its custodian approves it; none is approved where none came."""
    with ThreadPoolExecutor(len(world.sites)) as custodians:
        list(custodians.map(lambda name: _approve(world, name, time.monotonic() + patience), world.sites))


def _approve(world: World, name: str, give_up: float) -> None:
    folder = state_folder(world.sites[name])
    while not (plan := _waiting_plan(folder)) and time.monotonic() < give_up:
        time.sleep(0.1)
    if plan:
        world.approve(name, plan)


def _waiting_plan(folder: Path) -> str:
    if not (folder / "inbox.sqlite").exists():
        return ""
    inbox = Inbox(folder / "inbox.sqlite")
    found = [one.plan for one in inbox.plans() if one.state == "waiting"]
    inbox.close()
    return found[0] if found else ""


def copy_ledgers(world: World, out: Path) -> None:
    """Copies of the hospitals' ledgers (digests and counts) where `gagyo verify` compares them with the journal."""
    (out / "ledgers").mkdir(exist_ok=True)
    for name, file in world.sites.items():
        shutil.copy(state_folder(file) / "ledger.jsonl", out / "ledgers" / f"{name}.jsonl")
