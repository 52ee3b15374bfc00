"""Hospitals as processes of their own, over two hubs with TLS: the embedded run's results, whatever happens."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.chaos import Place, place, run_one

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
    record = json.loads((at.world.folder / "run-undisturbed" / "progress.json").read_text(encoding="utf-8"))
    assert {one["doing"] for one in record["sites"].values()} == {"answered"}


def test_run_keys_are_destroyed_when_a_run_is_closed(at: Place) -> None:
    from gagyo.site.folder import state_folder
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
