"""A hospital that replaced its keys: one chain over both, nobody else's key in it, and the same memory of people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gagyo.coordinator.acts import check_acts
from gagyo.coordinator.planning import make_plan
from gagyo.errors import FileFault, Tampered
from gagyo.exchange.envelope import Keys
from gagyo.protocol.request import Request
from gagyo.release.ledger import HANDED, Entry, Ledger, check_chain, handing_over, read
from gagyo.site.folder import held
from gagyo.site.noting import note
from gagyo.site.rotation import hand_over, rotate
from gagyo.site.site import Site
from gagyo.site.store import TAG
from tests.conftest import MODEL
from tests.hospitals import SITES, STUDY, House, breast, house


class Turned:
    """Seoul before and after its keys were replaced."""

    def __init__(self, folder: Path, study: str = STUDY + MODEL) -> None:
        self.house: House = house(folder, study, breast())
        self.folder = folder / "seoul"
        before = self.house.sites["seoul"]
        self.load, self.old = before.sessions._load, before.keys
        self.data = before._store.approved_data(self.house.plan.digest)
        self.house.run()
        before._store._base.execute("delete from secrets")  # as a version left it that made them of the keys
        before.close()
        self.new = Keys.make()
        hand_over(self.folder, self.old, self.new)
        (self.folder / "keys").unlink()
        self._write(self.new)
        self.site = Site("seoul", self.folder, self.load)

    def _write(self, keys: Keys) -> None:
        raw = [one.private_bytes_raw().hex() for one in (keys.signing, keys.sealing)]
        (self.folder / "keys").write_text("\n".join(raw) + "\n")

    @property
    def entries(self) -> list[Entry]:
        return list(read(self.folder / "ledger.jsonl"))


@pytest.fixture
def turned(tmp_path: Path) -> Turned:
    return Turned(tmp_path)


def refuses(site: Site) -> None:
    assert site.answer(Request("sha256:" + "0" * 64, "", "", 0, "seoul", "preflight")).outcome == "refused"


def test_whoever_trusts_either_key_checks_the_whole_chain(turned: Turned) -> None:
    refuses(turned.site)
    for keys in (turned.old, turned.new):
        check_chain(turned.entries, keys.public)
    with pytest.raises(Tampered):
        check_chain(turned.entries, Keys.make().public)
    assert check_acts("seoul", turned.entries)
    kinds = [entry.record["channel"] for entry in turned.entries]
    assert kinds.count(HANDED) == 1


def test_a_second_replacement_follows_the_first(turned: Turned) -> None:
    turned.site.close()
    last = Keys.make()
    hand_over(turned.folder, turned.new, last)
    hand_over(turned.folder, turned.new, last)
    for keys in (turned.old, turned.new, last):
        check_chain(turned.entries, keys.public)
    assert sum(entry.record["channel"] == HANDED for entry in turned.entries) == 2


def again(folder: Path, entries: list[Entry], change: dict[int, dict[str, Any]], signs: Any) -> list[Entry]:
    """The chain written anew, with something else told in a link, by whoever `signs` gives for each."""
    ledger = Ledger(folder / "forged.jsonl", lambda _: b"")
    for number, entry in enumerate(entries):
        record = json.loads(json.dumps(entry.record))
        record["told"] = (
            {**record.get("told", {}), **change.get(number, {})} if number in change else record.get("told")
        )
        record = {name: value for name, value in record.items() if value is not None}
        ledger._sign = signs(number).sign
        ledger.record([record])
    return ledger.entries


def test_a_stranger_cannot_take_the_chain_over(turned: Turned, tmp_path: Path) -> None:
    """With the hospital's ledger, but neither of its keys; and with the old key, but not the new one's word."""
    refuses(turned.site)
    at = next(number for number, entry in enumerate(turned.entries) if entry.record["channel"] == HANDED)
    stranger, before = Keys.make(), turned.entries[at].previous
    own = {"to": stranger.public.signing}
    proof = stranger.sign(handing_over(turned.old.public.signing, stranger.public.signing, before)).hex()

    def holder(number: int) -> Keys:
        return turned.old if number < at else stranger

    forged = again(tmp_path, turned.entries, {at: {**own, "proof": proof}}, holder)
    with pytest.raises(Tampered):
        check_chain(forged, turned.old.public)
    (tmp_path / "forged.jsonl").unlink()
    unproved = again(tmp_path, turned.entries, {at: own}, lambda number: turned.old if number <= at else stranger)
    with pytest.raises(Tampered):
        check_chain(unproved, turned.old.public)
    (tmp_path / "forged.jsonl").unlink()
    whole = again(tmp_path, turned.entries, {at: {**own, "proof": proof}}, lambda _: stranger)
    with pytest.raises(Tampered):
        check_chain(whole, turned.new.public)


def test_a_chain_of_strangers_that_names_the_trusted_key_is_found(turned: Turned, tmp_path: Path) -> None:
    """Three keys of a thief's, of which the second link of keys claims to come from the hospital's."""
    first, second, third = Keys.make(), Keys.make(), Keys.make()
    ledger = Ledger(tmp_path / "forged.jsonl", first.sign)
    claimed = turned.old.public.signing
    for signs, old, new in ((first, first.public.signing, second), (second, claimed, third)):
        proof = new.sign(handing_over(old, new.public.signing, ledger.head)).hex()
        ledger._sign = signs.sign
        told = {"doing": "rotate", "from": old, "to": new.public.signing, "proof": proof}
        ledger.record([note(HANDED, "", "", told)])
    with pytest.raises(Tampered):
        check_chain(ledger.entries, turned.old.public)


def test_a_link_by_the_old_key_after_the_replacement_is_found(turned: Turned) -> None:
    turned.site.close()
    old = Site("seoul", turned.folder, turned.load)
    old.ledger._sign = turned.old.sign
    refuses(old)
    with pytest.raises(Tampered):
        check_chain(turned.entries, turned.new.public)


def test_people_and_data_keep_their_names(turned: Turned) -> None:
    """Else a cohort of the next study could be subtracted from one of the last, and nobody would notice."""
    assert turned.site._secret("people") != b""
    keys = {name: site.keys.public for name, site in turned.house.sites.items() if name != "seoul"}
    keys |= {"seoul": turned.site.keys.public, "coordinator": Keys.make().public}
    plan = make_plan(turned.house.study, {name: keys[name] for name in ("coordinator", *SITES)})
    turned.site.approve(plan)
    assert turned.site._store.approved_data(plan.digest) == turned.data
    places = turned.site._store._base.execute("select sum(length(tags)) from people").fetchone()[0]
    assert places == TAG * len(breast()["seoul"]), "nobody was counted as a new person"


def test_nothing_is_replaced_under_a_running_service(tmp_path: Path) -> None:
    with held(tmp_path) as here:
        assert here
        with pytest.raises(FileFault) as fault:
            rotate(tmp_path)
    assert fault.value.findings[0].code == "service_running"
