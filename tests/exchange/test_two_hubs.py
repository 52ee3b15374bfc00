"""Two hubs, one in each country: letters cross between them, wait while the line is down, and each believes the other
only about its own country."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gagyo.cli.hub_members import line as members_line
from gagyo.errors import ExchangeFault
from gagyo.exchange import enrolment, operator, partners, relay
from gagyo.exchange.access import Role
from gagyo.exchange.client import Client
from gagyo.exchange.envelope import Keys
from gagyo.exchange.hub_folder import HubFolder
from gagyo.exchange.mailbox import register
from gagyo.exchange.mailbox.letters import Limits
from gagyo.exchange.mailbox.register import Enrolled
from tests.exchange.hubs import Place, after_first_second, new_hub, served
from tests.faults import ConnectProxy, line


@dataclass
class Pair:
    """The hub of Korea only listens; that of China dials it through a proxy, which tests may cut."""

    kr: Place
    cn: Place
    between: ConnectProxy
    lead: Client
    seoul: Client
    beijing: Client


def link(kr: Place, cn: Place, folder: Path, **more: str) -> None:
    """The ceremony between two hubs."""
    startup = folder / "cn.startup"
    pin = operator.invite(kr.hub, cn.hub.name, "CN", "hub", startup)
    joined = operator.join_partner(cn.hub, startup.read_bytes(), pin, **more)
    operator.confirm(kr.hub, cn.hub.name, enrolment.fingerprint(joined.keys.public))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("hubs")
    kr, cn = Place(new_hub(folder / "kr", "KR")), Place(new_hub(folder / "cn", "CN"))
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(relay, "SYNC_SECONDS", 2.0)
        patch.setattr(relay, "GIVE_UP_SECONDS", 1.0)
        between = stack.enter_context(line(ConnectProxy(0)))
        stack.enter_context(served(kr.hub, kr.log))
        after_first_second()
        link(kr, cn, folder, proxy=f"http://site:p%3Aw%40rd@127.0.0.1:{between.port}")
        lead, seoul, beijing = kr.client("lead", "coordinator"), kr.client("seoul"), cn.client("beijing")
        stack.enter_context(served(cn.hub, cn.log))
        after_first_second()
        wait_for(lambda: "beijing" in lead.directory())
        lead.open_study("s", ["seoul", "beijing"])
        yield Pair(kr, cn, between, lead, seoul, beijing)
        for place in (kr, cn):
            place.close()


def wait_for(holds: Any, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come to hold"
        time.sleep(0.05)


def taken(client: Client, wait: float = 60.0) -> list[bytes]:
    letters = client.receive(wait)
    client.acknowledge([one.id for one in letters])
    return [one.body for one in letters]


def answer(client: Client, study: str, body: bytes) -> str:
    """Send as soon as the study is known at the client's own hub."""
    until = time.monotonic() + 60
    while True:
        try:
            return client.send("lead", study, body)
        except ExchangeFault as fault:
            if fault.code != "study_not_open" or time.monotonic() > until:
                raise
            time.sleep(0.05)


def test_letters_cross_both_ways(pair: Pair) -> None:
    name = pair.lead.send("beijing", "s", b"question")
    [one] = pair.beijing.receive(60)
    assert (one.id, one.sender, one.body) == (name, "lead", b"question")
    pair.beijing.acknowledge([name])
    pair.beijing.send("lead", "s", b"answer")
    assert taken(pair.lead) == [b"answer"]
    assert pair.kr.hub.operate(lambda rows: rows("SELECT COUNT(*) FROM letter")) == [(0,)]
    wait_for(lambda: pair.cn.hub.operate(lambda rows: rows("SELECT COUNT(*) FROM letter")) == [(0,)])


def test_an_operator_sees_where_institutions_call(pair: Pair) -> None:
    """Those of the partner call there, and a hub that is dialled never calls: neither is one that is away."""
    listening, dialling = (
        {one["name"]: members_line(one) for one in operator.members(place.hub)} for place in (pair.kr, pair.cn)
    )
    assert "Last call: at hub-cn, not here." in listening["beijing"]
    assert "Last call: 20" in listening["hub-cn"]
    assert "Last call: none, since this hub calls it." in dialling["hub-kr"]
    assert "Last call: at hub-kr, not here." in dialling["seoul"]


def test_large_letters_cross_both_ways(pair: Pair) -> None:
    out, back = os.urandom((3 << 20) + 11), os.urandom((2 << 20) + 5)
    pair.lead.send("beijing", "s", out)
    assert taken(pair.beijing) == [out]
    pair.beijing.send("lead", "s", back)
    assert taken(pair.lead) == [back]


def test_a_member_does_not_write_to_a_member_across_the_line(pair: Pair) -> None:
    for sender, recipient in ((pair.beijing, "seoul"), (pair.seoul, "beijing")):
        with pytest.raises(ExchangeFault) as fault:
            sender.send(recipient, "s", b"x")
        assert fault.value.code == "not_allowed"


def test_what_is_sent_while_the_line_is_down_arrives_when_it_is_up_again(pair: Pair) -> None:
    pair.between.down = True
    pair.between.cut()
    wait_for(lambda: pair.cn.hub.operate(partners.lines)[pair.kr.hub.name]["state"] != "up")
    out = [os.urandom(500) for _ in range(5)] + [os.urandom(2 << 20)]
    for body in out:
        pair.lead.send("beijing", "s", body)
    back = [os.urandom(500) for _ in range(5)] + [os.urandom(2 << 20)]
    for body in back:
        pair.beijing.send("lead", "s", body)
    assert pair.beijing.receive(0.2) == []
    assert pair.lead.receive(0.2) == []
    pair.between.down = False
    got: dict[str, list[bytes]] = {"beijing": [], "lead": []}
    for client, expected in ((pair.beijing, out), (pair.lead, back)):
        while len(got[client.membership.name]) < len(expected):
            got[client.membership.name] += taken(client)
    assert sorted(got["beijing"]) == sorted(out)
    assert sorted(got["lead"]) == sorted(back)
    wait_for(lambda: pair.beijing.status()["partners"][pair.kr.hub.name]["state"] == "up")


def test_the_line_is_cut_in_mid_sending(pair: Pair) -> None:
    body = os.urandom(6 << 20)
    sent = pair.between.up_bytes
    pair.between.cuts = [sent + (1 << 20) + 7, sent + (3 << 20)]
    before = pair.between.cut_count
    answer(pair.beijing, "s", body)
    assert taken(pair.lead) == [body]
    assert pair.between.cut_count == before + 2
    assert pair.between.up_bytes - sent < (6 << 20) + 2 * (1 << 20) + 300_000


def test_letters_that_cross_together_do_not_keep_each_other_back(pair: Pair) -> None:
    """One of three is about a study that is closed while it waits: the others arrive, and nothing is left behind."""
    pair.lead.open_study("gone", ["beijing"])
    pair.lead.open_study("s", ["seoul", "beijing"])
    answer(pair.beijing, "gone", b"1")
    assert taken(pair.lead) == [b"1"]
    pair.between.down = True
    pair.between.cut()
    wait_for(lambda: pair.cn.hub.operate(partners.lines)[pair.kr.hub.name]["state"] != "up")
    for body, study in ((b"a", "s"), (b"b", "gone"), (b"c", "s")):
        pair.beijing.send("lead", study, body)
        pair.lead.send("beijing", study, body)
    pair.lead.close_study("gone")
    pair.between.down = False
    for client in (pair.lead, pair.beijing):
        came: set[bytes] = set()
        while not {b"a", b"c"} <= came:
            came |= set(taken(client))
        assert came <= {b"a", b"b", b"c"}
    for place in (pair.kr, pair.cn):
        wait_for(partial(_holds_no_letter, place.hub, "s"))


def test_a_letter_that_finds_a_full_box_waits_for_room(pair: Pair) -> None:
    """It crosses with others and is refused among them: it stays at its own hub until the box has room."""
    most = Limits().box_letters
    fill = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO letter"
        " (box, id, sender, recipient, study, size, posted, chunks, body)"
        " SELECT 'lead', 'filler ' || i, 'seoul', 'lead', 's', 1, ?, '[]', 'x' FROM n"
    )
    pair.kr.hub.operate(lambda rows: rows(fill, most, int(time.time())))
    answer(pair.beijing, "s", b"must not be lost")
    wait_for(lambda: pair.cn.hub.operate(partners.lines)[pair.kr.hub.name]["state"] == "box_full")
    assert not _holds_no_letter(pair.cn.hub, "s")
    pair.kr.hub.operate(lambda rows: rows("DELETE FROM letter WHERE id LIKE 'filler %'"))
    assert taken(pair.lead) == [b"must not be lost"]


def _holds_no_letter(hub: HubFolder, study: str) -> bool:
    return hub.operate(lambda rows: rows("SELECT COUNT(*) FROM letter WHERE study = ?", study)) == [(0,)]


def test_a_study_that_is_closed_is_closed_at_both(pair: Pair) -> None:
    pair.lead.open_study("short", ["beijing"])
    answer(pair.beijing, "short", b"1")
    assert taken(pair.lead) == [b"1"]
    pair.lead.close_study("short")

    def closed() -> bool:
        try:
            pair.beijing.send("lead", "short", b"2")
        except ExchangeFault as fault:
            return fault.code == "study_not_open"
        return False

    wait_for(closed)
    assert taken(pair.lead, 0) in ([], [b"2"]), "a letter that was on its way may have been dropped"


def test_a_revoked_institution_is_revoked_at_both(pair: Pair) -> None:
    gone = pair.cn.client("tianjin")
    wait_for(lambda: "tianjin" in pair.lead.directory())
    pair.lead.open_study("t", ["tianjin"])
    answer(gone, "t", b"1")
    operator.revoke(pair.cn.hub, "tianjin")
    wait_for(lambda: pair.lead.directory()["tianjin"].state == "revoked")
    with pytest.raises(ExchangeFault) as fault:
        pair.lead.send("tianjin", "t", b"x")
    assert fault.value.code == "no_such_recipient"
    taken(pair.lead, 0)


def test_no_file_of_a_hub_opens_a_letter(pair: Pair) -> None:
    """The hubs hold their own keys and public keys of others, nothing else."""
    private = [
        key
        for client in (pair.lead, pair.seoul, pair.beijing)
        for key in (
            client.membership.keys.signing.private_bytes_raw(),
            client.membership.keys.sealing.private_bytes_raw(),
        )
    ]
    for place in (pair.kr, pair.cn):
        for path in place.hub.folder.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            assert not any(key in content or key.hex().encode() in content for key in private)


# A partner hub that lies.


def entry(name: str, country: str, role: Role = "site") -> dict[str, Any]:
    known = Enrolled(name, country, role, "active", Keys.make().public, 1, 1 << 33)
    return known.to_json()


def test_a_partner_is_believed_only_about_its_own_country_and_free_names(pair: Pair) -> None:
    hub = pair.kr.hub
    told = {
        "members": [entry("seoul", "CN"), entry("lead", "CN", "coordinator"), entry("spy", "KR"), entry("new", "CN")],
        "studies": [
            {"study": "s", "coordinator": "new", "members": ["seoul"], "open": True},
            {"study": "x", "coordinator": "lead", "members": ["seoul"], "open": True},
        ],
    }
    seoul = pair.seoul.membership.keys.public

    def work(rows: Any) -> tuple[Any, ...]:
        partner = register.member(rows, pair.cn.hub.name)
        assert partner is not None
        partners.accept(rows, partner, told)
        names = ("seoul", "lead", "spy", "new")
        found = [register.member(rows, name) for name in names]
        return *found, register.study(rows, "s"), register.study(rows, "x")

    known, lead, spy, new, own, claimed = hub.operate(work)
    assert known.keys == seoul
    assert known.home == ""
    assert lead.country == "KR"
    assert spy is None
    assert new.home == pair.cn.hub.name
    assert own.coordinator == "lead"
    assert claimed is None


@pytest.mark.parametrize(
    "told",
    [
        {"members": 1},
        {"members": [1]},
        {"members": [{"name": "a"}]},
        {"members": [{**entry("a", "CN"), "keys": {"signing": "x", "sealing": "y"}}]},
        {"members": [{**entry("a", "CN"), "role": "hub"}]},
        {"members": [{**entry("a", "CN"), "until": 1 << 60}]},
        {"members": [entry("a", "CN")] * 2001},
        {"members": [], "studies": [{"study": "s", "coordinator": "a", "members": "b", "open": True}]},
        {"members": [], "studies": [{"study": "s\n", "coordinator": "a", "members": [], "open": True}]},
    ],
)
def test_what_a_partner_tells_is_read_strictly(pair: Pair, told: dict[str, Any]) -> None:
    def work(rows: Any) -> None:
        partner = register.member(rows, pair.cn.hub.name)
        assert partner is not None
        partners.accept(rows, partner, told)

    with pytest.raises(ExchangeFault) as fault:
        pair.kr.hub.operate(work)
    assert fault.value.code == "malformed"


def test_two_hubs_of_one_country_and_files_for_others_are_refused(pair: Pair, tmp_path: Path) -> None:
    def code(startup: Path, pin: str) -> str:
        with pytest.raises(ExchangeFault) as fault:
            operator.join_partner(pair.cn.hub, startup.read_bytes(), pin)
        return fault.value.code

    out = tmp_path / "x.startup"
    assert code(out, operator.invite(pair.kr.hub, "site-x", "KR", "site", out)) == "bad_role"
    assert code(out, operator.invite(pair.kr.hub, "hub-jp", "JP", "hub", out)) == "other_name"
    same = Place(new_hub(tmp_path / "cn2", "CN", name="hub-cn2"))
    assert code(out, operator.invite(same.hub, "hub-cn", "CN", "hub", out)) == "partner_country"


def test_who_joins_while_the_hubs_tell_each_other_is_told_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the partner would hear of the institution at the next look round only, ten seconds later."""
    there = ["beijing"]
    monkeypatch.setattr(partners, "tell", lambda rows, hub: {"members": list(there), "studies": []})
    monkeypatch.setattr(partners, "accept", lambda rows, partner, told: None)
    monkeypatch.setattr(relay, "_known", lambda rows, hub: None)

    class Mailbox:
        async def read(self, work: Any) -> Any:
            return work(None)

        write = read

    class Reply:
        def record(self) -> dict[str, Any]:
            return {}

    async def call(*given: Any, **named: Any) -> Reply:
        there.append("tianjin")
        return Reply()

    async def exchanged() -> tuple[str, dict[str, Any]]:
        one = object.__new__(relay.Relay)
        one.__dict__ |= {"_mailbox": Mailbox(), "_hub": "kr", "_syncing": asyncio.Lock(), "_call": call}
        await one._exchange_registers()
        return one._told, await one._tell()

    told, now = asyncio.run(exchanged())
    assert told != partners.told_digest(now)
    assert told == partners.told_digest({"members": ["beijing"], "studies": []})
