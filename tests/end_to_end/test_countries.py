"""A study of six hospitals in two countries, each a host of its own that can only dial out, over a bad line."""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gagyo.api import run_embedded, verify
from gagyo.demo import breast
from gagyo.demo.hospitals import approve_all, copy_ledgers
from gagyo.exchange.operator import status
from gagyo.site.folder import state_folder
from tests.countries import COUNTRIES, CUTS, HUB, PORT, Countries, Loopback, not_permitted, six

ANALYSES = """analyses:
  characteristics: {method: describe, cohort: all, variables: [radius, texture], by: malignant}
  algorithm: {method: logistic, cohort: all, formula: "malignant ~ texture + smoothness"}
"""


class Ran(NamedTuple):
    """The hosts, the study's output folder, and what an embedded run gave."""

    world: Loopback
    out: Path
    expected: object


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """The study, run once."""
    folder = tmp_path_factory.mktemp("countries")
    study, files = six(folder, *breast.prepare(folder))
    text = study.read_text(encoding="utf-8")
    study.write_text(text[: text.index("analyses:")] + ANALYSES, encoding="utf-8")
    expected = run_embedded(study, files["seoul"].parent, folder / "embedded").document["analyses"]
    for file in files.values():
        for one in state_folder(file).iterdir():
            one.unlink()
    why = not_permitted()
    if why:
        warnings.warn(f"hosts of their own are not permitted here ({why}): processes on loopback instead", stacklevel=1)
    with (Loopback if why else Countries)(folder, files, COUNTRIES) as world:
        world.open_hubs()
        world.enrol()
        world.start_sites()
        approving = threading.Thread(target=approve_all, args=(world,), daemon=True)
        approving.start()
        out = folder / "run"
        done = world.gagyo("coordinator", "run", str(study), "--hub", str(world.coordinator), "--out", str(out))
        assert done.returncode == 0, done.stderr
        approving.join()
        copy_ledgers(world, out)
        yield Ran(world, out, json.loads(json.dumps(expected)))


def test_six_hospitals_in_two_countries_give_the_embedded_results(ran: Ran) -> None:
    record = json.loads((ran.out / "results.json").read_text(encoding="utf-8"))
    assert record["analyses"] == ran.expected
    assert {site: one["country"] for site, one in record["sites"].items()} == COUNTRIES
    assert verify(ran.out).analyses == 2
    if isinstance(ran.world, Countries):
        cuts = (ran.world.folder / "line.log").read_text().split()
        assert len(cuts) == len(CUTS), "the line between the countries broke on the way"


def test_hubs_of_both_countries_know_their_own_hospitals_services(ran: Ran) -> None:
    for country, hub in ran.world.hubs.items():
        found = {one["name"]: one["service"] for one in status(hub)["members"] if not one["hub"]}
        own = {name for name, where in COUNTRIES.items() if where == country}
        assert {name for name, service in found.items() if service and service["state"] == "serving"} == own


def test_a_hospital_reaches_its_own_hub_and_nobody_reaches_a_hospital(ran: Ran) -> None:
    world = ran.world
    if not isinstance(world, Countries):
        pytest.skip(f"no hosts of their own here ({not_permitted()})")
    assert world.reaches("seoul", HUB["KR"], PORT)
    assert world.reaches("beijing", HUB["CN"], PORT)
    assert not world.reaches("seoul", HUB["CN"], PORT)
    assert not world.reaches("beijing", HUB["KR"], PORT)
    assert not world.reaches("seoul", world.address("busan"), 22)
    with world.listening("seoul", 7777):
        assert world.reaches("seoul", world.address("seoul"), 7777), "it listens"
        assert not world.reaches("hub-kr", world.address("seoul"), 7777), "and its firewall lets nobody in"
