"""kill -9 of a hub's process in the middle of sending, a mailbox that is lost, a stop on SIGTERM, memory at rest."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gagyo.exchange import partners
from gagyo.exchange.client import Client
from tests.exchange.hubs import HubProcess, Place, free_port, new_hub
from tests.postgres import Cluster, programs

LETTERS = 120


@pytest.fixture(autouse=True)
def _none_is_left() -> Iterator[None]:
    """A test that fails leaves no hub behind."""
    yield
    for hub in list(HubProcess.running):
        hub.kill()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    one = Place(new_hub(tmp_path / "kr"))
    yield one
    one.close()


def clients(place: Place) -> tuple[Client, Client]:
    lead, seoul = place.client("lead", "coordinator", patience=40), place.client("seoul", patience=40)
    lead.open_study("s", ["seoul"])
    return lead, seoul


class Taker(threading.Thread):
    """Takes letters and acknowledges each batch with the next call; keeps what it saw, by id."""

    def __init__(self, client: Client, expected: int) -> None:
        super().__init__(daemon=True)
        self.client, self.expected = client, expected
        self.bodies: dict[str, bytes] = {}
        self.fault: BaseException | None = None

    def run(self) -> None:
        done: list[str] = []
        try:
            while len(self.bodies) < self.expected:
                letters = self.client.receive(5, acknowledged=done)
                done = [one.id for one in letters]
                self.bodies |= {one.id: one.body for one in letters}
            self.client.acknowledge(done)
        except BaseException as error:
            self.fault = error


def send_all(lead: Client, large: bytes) -> dict[str, bytes]:
    sent = {}
    for number in range(LETTERS):
        body = number.to_bytes(4) * 2000
        sent[lead.send("seoul", "s", body)] = body
    sent[lead.send("seoul", "s", large)] = large
    return sent


def test_a_hub_that_is_killed_three_times_loses_and_doubles_nothing(place: Place) -> None:
    hub = HubProcess(place.hub)
    hub.start()
    lead, seoul = clients(place)
    taker = Taker(seoul, LETTERS + 1)
    taker.start()
    sent: dict[str, bytes] = {}
    large = os.urandom(8 << 20)
    sender = threading.Thread(target=lambda: sent.update(send_all(lead, large)), daemon=True)
    sender.start()
    for _ in range(3):
        time.sleep(0.25)
        hub.kill()
        hub.start()
    sender.join(60)
    taker.join(60)
    assert not sender.is_alive()
    assert taker.fault is None
    assert taker.bodies == sent
    assert seoul.receive(0) == []
    assert hub.stop() == 0


def test_a_mailbox_that_is_lost_is_filled_again_by_sending_again(place: Place) -> None:
    hub = HubProcess(place.hub)
    hub.start()
    lead, seoul = clients(place)
    large = os.urandom(2 << 20)
    before = {lead.send("seoul", "s", body) for body in (b"1", b"2", large)}
    hub.kill()
    for path in place.hub.folder.glob("mailbox.sqlite*"):
        path.unlink()
    hub.start()
    assert seoul.receive(0) == []
    after = {lead.send("seoul", "s", body) for body in (b"1", b"2", large)}
    assert after == before
    assert {one.id for one in seoul.receive(5)} == before
    assert hub.stop() == 0


def test_a_stop_ends_long_polls_and_is_quick(place: Place) -> None:
    hub = HubProcess(place.hub)
    hub.start()
    _, seoul = clients(place)
    outcome: list[object] = []
    poll = threading.Thread(target=lambda: outcome.append(seoul.receive(30)))
    poll.start()
    time.sleep(0.5)
    start = time.monotonic()
    assert hub.stop() == 0
    assert time.monotonic() - start < 5
    poll.join(5)
    assert outcome == [[]]


def resident(pid: int) -> int:
    """MB that a process holds."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1]) // 1024


def test_a_hub_at_rest_is_small_and_knows_nothing_of_statistics(place: Place) -> None:
    hub = HubProcess(place.hub)
    hub.start()
    assert hub.process is not None
    clients(place)
    assert resident(hub.process.pid) <= 120
    maps = Path(f"/proc/{hub.process.pid}/maps").read_text()
    assert not [name for name in ("numpy", "scipy", "polars") if f"/{name}/" in maps]
    assert hub.stop() == 0


def test_memory_is_level_over_many_rounds(place: Place) -> None:
    """The trend over 800 rounds: what is taken is forgotten."""
    hub = HubProcess(place.hub)
    hub.start()
    assert hub.process is not None
    lead, seoul = clients(place)
    done: list[str] = []

    def rounds(count: int) -> None:
        nonlocal done
        for number in range(count):
            lead.send("seoul", "s", number.to_bytes(4) * 2750)
            done = [one.id for one in seoul.receive(5, acknowledged=done)]

    rounds(200)
    before = resident(hub.process.pid)
    rounds(600)
    # 1,200 nonces of about 200 bytes are remembered for two minutes.
    assert resident(hub.process.pid) - before <= 4
    assert hub.stop() == 0


# Two processes on one database.


def test_two_processes_on_one_database_and_both_and_the_database_are_killed(tmp_path: Path) -> None:
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: .ci/system installs it")
    cluster = Cluster.make()
    try:
        place = Place(new_hub(tmp_path / "kr"))
        text = (place.hub.folder / "hub.yaml").read_text().replace("mailbox: sqlite ", f"mailbox: {cluster.url} ")
        (place.hub.folder / "hub.yaml").write_text(text)
        place = Place(type(place.hub).open(place.hub.folder))
        one, other = HubProcess(place.hub), HubProcess(place.hub, port=free_port())
        one.start()
        other.start()
        lead, seoul = clients(place)
        membership = seoul.membership
        beside = place.client_of(type(membership)(**vars(membership) | {"hub": f"https://127.0.0.1:{other.port}"}), 40)
        lead.send("seoul", "s", b"from one process")
        [taken] = beside.receive(10)
        beside.acknowledge([taken.id])
        taker = Taker(beside, LETTERS + 1)
        taker.start()
        sent: dict[str, bytes] = {}
        large = os.urandom(3 << 20)
        sender = threading.Thread(target=lambda: sent.update(send_all(lead, large)), daemon=True)
        sender.start()
        for victim in (one, other):
            time.sleep(0.4)
            victim.kill()
            victim.start()
        cluster.kill()
        cluster.start()
        sender.join(60)
        taker.join(60)
        assert taker.fault is None
        assert taker.bodies == sent
        place.close()
        assert (one.stop(), other.stop()) == (0, 0)
    finally:
        cluster.remove()


def test_a_hub_that_dials_stops_as_quickly(place: Place, tmp_path: Path) -> None:
    from tests.exchange.test_two_hubs import link, wait_for

    other = Place(new_hub(tmp_path / "cn", "CN"))
    listening, dialling = HubProcess(place.hub), HubProcess(other.hub)
    listening.start()
    link(place, other, tmp_path)
    dialling.start()
    wait_for(lambda: any(one["state"] == "up" for one in other.hub.operate(partners.lines).values()))
    time.sleep(0.5)
    start = time.monotonic()
    assert dialling.stop() == 0
    assert time.monotonic() - start < 5
    assert listening.stop() == 0
