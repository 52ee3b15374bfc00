"""Hospitals as processes of their own, over two hubs with TLS: the embedded run's results, whatever happens."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from gagyo.api import run_remote
from gagyo.demo.world import GAGYO
from gagyo.errors import FileFault
from gagyo.exchange.envelope import Keys
from gagyo.protocol.study import Study
from gagyo.site.folder import state_folder
from tests.chaos import Place, place, run_one
from tests.shapes import read_json

RUNS = 5


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Two hubs, four hospitals; an undisturbed run has given the embedded run's results, and was verified."""
    with place(tmp_path_factory.mktemp("hospitals")) as found:
        yield found


@pytest.mark.parametrize("seed", range(RUNS))
def test_a_run_survives_a_kill_a_halt_or_a_cut(at: Place, seed: int) -> None:
    assert run_one(at, 1000 + seed)


def test_results_name_the_runtime_and_the_hospitals(at: Place) -> None:
    record = json.loads((at.world.folder / "run-undisturbed" / "results.json").read_text(encoding="utf-8"))
    assert record["runtime"] == "remote"
    assert [one["state"] for one in record["sites"].values()] == ["answered"] * 4


def test_progress_says_where_each_hospital_stands(at: Place) -> None:
    record = read_json(
        "progress.json", (at.world.folder / "run-undisturbed" / "progress.json").read_text(encoding="utf-8")
    )
    assert {one["doing"] for one in record["sites"].values()} == {"answered"}


@pytest.mark.parametrize("killed", [False, True], ids=["it had ended", "before its keys went"])
def test_the_same_command_after_the_results_asks_nobody(at: Place, killed: bool) -> None:
    """A coordinator may be killed between its results and its end: the same command reports, and removes the keys."""
    study, out = at.world.folder / "undisturbed.yaml", at.world.folder / "run-undisturbed"
    assert at.run_keys
    assert not at.key_file.exists()
    if killed:
        at.key_file.write_bytes(at.run_keys)
    (out / "report.ko.html").unlink()
    before = (out / "results.json").read_bytes(), ledgers(at)
    command = [*GAGYO, "run", str(study), "--hub", str(at.world.coordinator), "--out", str(out)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stderr
    assert (out / "report.ko.html").exists()
    assert not at.key_file.exists()
    assert ((out / "results.json").read_bytes(), ledgers(at)) == before


def test_keys_of_another_run_stay(at: Place) -> None:
    out = at.world.folder / "run-undisturbed"
    Keys.open(at.key_file)
    try:
        run_remote(at.world.folder / "undisturbed.yaml", at.world.coordinator, out)
        assert at.key_file.exists()
    finally:
        at.key_file.unlink()


def test_a_folder_with_the_results_of_another_study_is_refused(at: Place) -> None:
    study = Study.read(at.world.folder / "undisturbed.yaml")
    other = Study.parse(study.source.replace("scientific_research", "statistics"), study.file)
    with pytest.raises(FileFault) as fault:
        run_remote(other, at.world.coordinator, at.world.folder / "run-undisturbed")
    assert [one.code for one in fault.value.findings] == ["other_plan"]


def ledgers(at: Place) -> dict[str, bytes]:
    """The hospitals' ledgers as they are."""
    return {name: (state_folder(file) / "ledger.jsonl").read_bytes() for name, file in at.world.sites.items()}


def test_run_keys_are_destroyed_when_a_run_is_closed(at: Place) -> None:
    from gagyo.site.inbox import Inbox
    from gagyo.site.store import Store

    for file in at.world.sites.values():
        inbox, store = Inbox(state_folder(file) / "inbox.sqlite"), Store(state_folder(file) / "memory.sqlite")
        closed = [one.study for one in inbox.plans() if one.state == "closed"]
        assert closed
        assert all(not store.run_key(study) for study in closed)
        inbox.close()
        store.close()


def test_hubs_keep_nothing_of_a_run(at: Place) -> None:
    from gagyo.exchange.operator import status

    for hub in at.world.hubs.values():
        assert status(hub)["letters"] == 0
