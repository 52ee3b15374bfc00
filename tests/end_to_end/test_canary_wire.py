"""The canary over the wire: every byte between hospitals and hubs, as it is before TLS, and every file of the hubs."""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from gagyo.api import Finished, run_remote
from gagyo.demo.hospitals import COUNTRIES, approve_all
from gagyo.demo.world import World
from gagyo.exchange.certificates import make_authority
from gagyo.exchange.hub_folder import HubFolder
from gagyo.site.folder import state_folder
from tests.end_to_end.test_canary import Search, forms, plant, write_hospital, write_study
from tests.exchange.test_lines import context, make_server
from tests.faults import Inspector, line

ANALYSES = """\
  table: {method: describe, cohort: all, variables: [glucose, age], by: disease}
  model: {method: logistic, cohort: all, formula: "disease ~ glucose + age"}
  checked: {method: validate, model: model, folds: 0, leave_out: site}
"""


@dataclass(frozen=True)
class Ran:
    """A finished run, what every hospital's line carried, and what must not be in it."""

    root: Path
    finished: Finished
    seen: dict[str, bytes]
    search: Search


def inspected(world: World, name: str, folder: Path) -> Inspector:
    """A TLS inspection between an institution and its hub, whose authority the institution trusts."""
    home = world.coordinator if name == "coordinator" else state_folder(world.sites[name])
    hub: HubFolder = world.hubs[COUNTRIES.get(name, "KR")]
    authority = make_authority("company")
    folder.mkdir()
    (folder / "company.pem").write_bytes(authority.certificate)
    trusted = ssl.create_default_context(cadata=hub.ca)
    own = context(make_server(authority, "127.0.0.1"), folder)
    record = json.loads((home / "membership.json").read_text(encoding="utf-8"))
    record |= {"extra_ca": str(folder / "company.pem")}
    (home / "membership.json").write_text(json.dumps(record), encoding="utf-8")
    return Inspector(hub.address[1], served=own, trusted=trusted)


def redirect(world: World, name: str, port: int) -> None:
    home = world.coordinator if name == "coordinator" else state_folder(world.sites[name])
    record = json.loads((home / "membership.json").read_text(encoding="utf-8")) | {"hub": f"https://127.0.0.1:{port}"}
    (home / "membership.json").write_text(json.dumps(record), encoding="utf-8")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    root = tmp_path_factory.mktemp("wire")
    hospitals = root / "hospitals"
    hospitals.mkdir()
    planted = {site: plant(site) for site in COUNTRIES}
    for site in COUNTRIES:
        write_hospital(hospitals, site, planted[site])
    study = write_study(root)
    text = study.read_text(encoding="utf-8")
    study.write_text(text[: text.index("  table:")] + ANALYSES, encoding="utf-8")
    world = World(root, {site: hospitals / f"{site}.yaml" for site in COUNTRIES}, COUNTRIES)
    lines: dict[str, Inspector] = {}
    with ExitStack() as stack:
        stack.enter_context(world)
        world.open_hubs()
        world.enrol()
        for name in (*COUNTRIES, "coordinator"):
            lines[name] = stack.enter_context(line(inspected(world, name, root / f"tls-{name}")))
            redirect(world, name, lines[name].port)
        world.start_sites()
        threading.Thread(target=approve_all, args=(world,), daemon=True).start()
        finished = run_remote(study, world.coordinator, root / "out")
    search = Search(form for one in planted.values() for form in forms(one))
    return Ran(root, finished, {name: bytes(one.seen) for name, one in lines.items()}, search)


def test_the_study_ran_through_the_inspections(ran: Ran) -> None:
    assert set(ran.finished.results) == {"table", "model", "checked"}
    assert all(b"signature-input" in seen.lower() and len(seen) > 100_000 for seen in ran.seen.values())


def test_nothing_that_was_planted_is_on_any_line(ran: Ran) -> None:
    assert {name: ran.search.found(seen) for name, seen in ran.seen.items()} == {name: set() for name in ran.seen}


def test_nothing_that_was_planted_is_in_any_file_outside_the_hospitals(ran: Ran) -> None:
    files = [one for one in ran.root.rglob("*") if one.is_file() and ran.root / "hospitals" not in one.parents]
    assert {"mailbox.sqlite", "journal.jsonl", "seoul.log"} <= {one.name for one in files}
    assert {str(one): found for one in files if (found := ran.search.found(one.read_bytes()))} == {}
