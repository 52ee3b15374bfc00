"""An institution comes to a hub: the startup file and its PIN, keys that stay, confirmation, rotation, revocation."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gagyo.errors import ExchangeFault
from gagyo.exchange import enrolment, joining, operator
from gagyo.exchange.client import Client
from gagyo.exchange.enrolment import Asked, Startup, fingerprint, proofs, same_fingerprint
from gagyo.exchange.envelope import Keys
from gagyo.exchange.mailbox import register
from gagyo.exchange.membership import Membership
from gagyo.exchange.signatures import signature_base
from tests.exchange.hubs import Place


@pytest.fixture(autouse=True)
def quick_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cheaper scrypt; one test below uses the real one."""
    monkeypatch.setitem(enrolment.SCRYPT, "n", 1 << 10)


def invited(place: Place, tmp_path: Path, name: str, role: str = "site") -> tuple[bytes, str]:
    out = tmp_path / f"{name}.startup"
    pin = operator.invite(place.hub, name, "KR", role, out)  # type: ignore[arg-type]
    return out.read_bytes(), pin


def code_of(call: object, *given: object, **named: object) -> str:
    with pytest.raises(ExchangeFault) as fault:
        call(*given, **named)  # type: ignore[operator]
    return fault.value.code


def test_the_whole_way(place: Place, tmp_path: Path) -> None:
    startup, pin = invited(place, tmp_path, "seoul")
    folder = tmp_path / "seoul"
    joined = joining.join(startup, pin, folder)
    client = place.client_of(Membership.open(folder))
    assert client.status()["state"] == "waiting"
    assert code_of(client.receive, 0) == "not_enrolled"
    other = fingerprint(Keys.make().public)
    assert code_of(operator.confirm, place.hub, "seoul", other) == "other_fingerprint"
    assert code_of(client.receive, 0) == "not_enrolled"
    assert operator.waiting_fingerprint(place.hub, "seoul") == fingerprint(joined.keys.public)
    operator.confirm(place.hub, "seoul", fingerprint(joined.keys.public).replace(" ", "-"))
    assert client.receive(0) == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()} == {0o600}
    assert {one.name for one in folder.iterdir()} == {"membership.json", "keys", "ca.pem"}


def test_private_keys_do_not_travel(place: Place, tmp_path: Path) -> None:
    startup, pin = invited(place, tmp_path, "kept")
    joining.join(startup, pin, tmp_path / "kept")
    private = (tmp_path / "kept" / "keys").read_text().split()
    hub = b"".join(path.read_bytes() for path in place.hub.folder.iterdir() if path.is_file())
    assert not any(key.encode() in hub or bytes.fromhex(key) in hub for key in private)


def test_an_invitation_is_used_once(place: Place, tmp_path: Path) -> None:
    startup, pin = invited(place, tmp_path, "once")
    first = joining.join(startup, pin, tmp_path / "first")
    assert code_of(joining.join, startup, pin, tmp_path / "second") == "bad_invitation"
    assert code_of(joining.join, startup, pin, tmp_path / "first") == "already_joined"
    assert operator.waiting_fingerprint(place.hub, "once") == fingerprint(first.keys.public)
    assert code_of(operator.invite, place.hub, "once", "KR", "site", tmp_path / "x") == "name_taken"


def test_joining_again_after_a_lost_answer_goes_on(place: Place, tmp_path: Path) -> None:
    startup, pin = invited(place, tmp_path, "lost")
    folder = tmp_path / "lost"
    joined = joining.join(startup, pin, folder)
    (folder / "membership.json").unlink()
    assert joining.join(startup, pin, folder).keys.public == joined.keys.public


def test_an_invitation_expires_and_a_newer_one_replaces_it(place: Place, tmp_path: Path) -> None:
    old, old_pin = invited(place, tmp_path, "twice")
    new, new_pin = invited(place, tmp_path, "twice")
    assert code_of(joining.join, old, old_pin, tmp_path / "old") == "bad_invitation"
    place.hub.operate(lambda rows: rows("UPDATE invitation SET until = 1 WHERE name = 'twice'"))
    assert code_of(joining.join, new, new_pin, tmp_path / "new") == "bad_invitation"


@pytest.mark.parametrize(
    ("name", "country", "role", "code"),
    [
        ("a b", "KR", "site", "bad_institution"),
        ("x", "Korea", "site", "bad_country"),
        ("x", "CN", "site", "other_country"),
        ("x", "KR", "king", "bad_role"),
        ("hub-kr", "KR", "site", "name_taken"),
    ],
)
def test_invitations_that_cannot_be(
    place: Place, tmp_path: Path, name: str, country: str, role: str, code: str
) -> None:
    assert code_of(operator.invite, place.hub, name, country, role, tmp_path / "x") == code


def test_a_wrong_pin_opens_nothing_and_the_right_one_may_be_grouped_in_any_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(enrolment.SCRYPT, "n", 1 << 15)
    keys = Keys.make().public
    startup = Startup("seoul", "KR", "site", "https://h", "hub-kr", "KR", keys, "", "secret")
    locked = startup.locked("1234-5678-9012")
    assert b"secret" not in locked
    assert Startup.unlock(locked, "1234 56789012") == startup
    assert code_of(Startup.unlock, locked, "1234-5678-9013") == "bad_pin"
    changed = json.loads(locked) | {"salt": "AAAA"}
    assert code_of(Startup.unlock, json.dumps(changed).encode(), "1234-5678-9012") == "bad_pin"


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=200)
    | st.dictionaries(st.text(max_size=14), st.text(max_size=30)).map(json.dumps).map(str.encode)
)
def test_any_file_is_no_startup_file(file: bytes) -> None:
    assert code_of(Startup.unlock, file, "1") in ("bad_startup_file", "bad_pin")


def test_a_fingerprint_is_eight_groups_of_five_digits() -> None:
    keys = Keys.make().public
    said = fingerprint(keys)
    assert [len(group) for group in said.split(" ")] == [5] * 8
    assert said.replace(" ", "").isdecimal()
    assert same_fingerprint(said, keys)
    assert not same_fingerprint(said, replace(keys, sealing=Keys.make().public.sealing)), "the sealing key counts too"
    assert not same_fingerprint("", keys)


def test_keys_are_brought_only_with_both_private_halves() -> None:
    hub, own, other = Keys.make(), Keys.make(), Keys.make()
    good = proofs("seoul", own, hub.public, "secret")
    Asked.read("seoul", good["signing"], good).check(hub)
    wrong = [
        good | {"sealing": other.public.sealing},
        good | {"possession": proofs("seoul", Keys(own.signing, other.sealing), hub.public, "secret")["possession"]},
        good | {"signature": other.sign(b"x").hex()},
        good | {"secret": "another"},
        good | {"sealing": "00" * 32},
    ]
    for record in wrong:
        assert code_of(Asked.read("seoul", good["signing"], record).check, hub) == "bad_signature_call"
    assert code_of(Asked.read("busan", good["signing"], good).check, hub) == "bad_signature_call"
    assert code_of(Asked.read, "seoul", "xyz", good) == "malformed"


def test_keys_are_replaced_and_nobody_else_notices(place: Place, tmp_path: Path) -> None:
    startup, pin = invited(place, tmp_path, "turning")
    folder = tmp_path / "turning"
    old = joining.join(startup, pin, folder)
    operator.confirm(place.hub, "turning", fingerprint(old.keys.public))
    lead = place.client("lead", "coordinator")
    lead.open_study("r", ["turning"])
    before = lead.send("turning", "r", b"before")
    new = joining.rotate(folder)
    assert new.keys.public != old.keys.public
    assert Membership.open(folder).keys.public == new.keys.public
    assert lead.directory()["turning"].keys == new.keys.public
    assert code_of(place.client_of(old).receive, 0) == "bad_signature_call"
    client = place.client_of(new)
    assert [one.id for one in client.receive(2)] == [before]
    assert client.send("lead", "r", b"after")


def test_replacing_keys_again_after_a_lost_answer_goes_on(place: Place, tmp_path: Path) -> None:
    startup, pin = invited(place, tmp_path, "cut-off")
    folder = tmp_path / "cut-off"
    joining.join(startup, pin, folder)
    operator.confirm(place.hub, "cut-off", operator.waiting_fingerprint(place.hub, "cut-off"))
    old = (folder / "keys").read_bytes()
    new = joining.rotate(folder)
    # As if the answer had not come: the new keys are still beside, the old ones in their place.
    (folder / "keys").rename(folder / "keys.next")
    (folder / "keys").write_bytes(old)
    assert joining.rotate(folder).keys.public == new.keys.public


def test_others_cannot_replace_keys(place: Place, tmp_path: Path) -> None:
    victim, thief = place.enrol("victim"), Keys.make()
    stolen = replace(victim, keys=thief)
    folder = tmp_path / "stolen"
    folder.mkdir()
    stolen.save(folder)
    (folder / "keys").write_bytes(b"")
    (folder / "keys").unlink()
    Keys.open(folder / "keys")
    assert code_of(joining.rotate, folder) == "bad_signature_call"
    assert place.client_of(victim).status()["state"] == "active"


def test_a_revoked_name_may_be_invited_again(place: Place, tmp_path: Path) -> None:
    place.enrol("again")
    operator.revoke(place.hub, "again")
    startup, pin = invited(place, tmp_path, "again")
    joined = joining.join(startup, pin, tmp_path / "again")
    operator.confirm(place.hub, "again", fingerprint(joined.keys.public))
    assert place.client_of(joined).receive(0) == []


@pytest.mark.parametrize("known", [False, True])
def test_an_invitation_that_nobody_used_is_taken_back(place: Place, tmp_path: Path, known: bool) -> None:
    name = f"astray{int(known)}"
    if known:
        place.enrol(name)
        operator.revoke(place.hub, name)
    startup, pin = invited(place, tmp_path, name)
    assert operator.revoke(place.hub, name) is None
    assert code_of(joining.join, startup, pin, tmp_path / name) == "bad_invitation"
    states = {one["name"]: one["state"] for one in operator.members(place.hub)}
    assert states.get(name) == ("revoked" if known else None)
    if not known:
        assert code_of(operator.revoke, place.hub, name) == "no_such_institution"


def test_whoever_was_revoked_joins_again_where_its_keys_and_ledger_are(place: Place, tmp_path: Path) -> None:
    startup, pin = invited(place, tmp_path, "back")
    folder = tmp_path / "back"
    first = joining.join(startup, pin, folder)
    operator.confirm(place.hub, "back", fingerprint(first.keys.public))
    operator.revoke(place.hub, "back")
    assert code_of(joining.join, startup, pin, folder) == "bad_invitation", "the old file is used"
    startup, pin = invited(place, tmp_path, "back")
    again = joining.join(startup, pin, folder)
    assert again.keys.public == first.keys.public
    client = Client(again)
    assert client.status()["state"] == "waiting"
    operator.confirm(place.hub, "back", fingerprint(again.keys.public))
    assert client.receive(0) == []
    assert code_of(joining.join, startup, pin, folder) == "already_joined"
    assert joining.rotate(folder).keys.public != first.keys.public


@pytest.mark.parametrize("since", ["joined", "rotated"])
def test_what_was_done_since_a_hubs_copy_is_done_again_with_the_same_keys(
    place: Place, tmp_path: Path, since: str
) -> None:
    """A restored hub does not know who joined since, and knows who replaced its keys since by the old ones."""
    name, folder = f"restored{since}", tmp_path / since
    startup, pin = invited(place, tmp_path, name)
    joined = joining.join(startup, pin, folder)
    operator.confirm(place.hub, name, fingerprint(joined.keys.public))
    (known,) = [one for one in place.hub.operate(register.members) if one.name == name]
    keys = joined.keys
    if since == "joined":
        place.hub.operate(lambda rows: rows("DELETE FROM member WHERE name = ?", name))
    else:
        keys = joining.rotate(folder).keys
        place.hub.operate(lambda rows: register.put_member(rows, known))
        operator.revoke(place.hub, name)
    startup, pin = invited(place, tmp_path, name)
    again = joining.join(startup, pin, folder)
    assert again.keys.public == keys.public, "its ledger is signed by them"
    operator.confirm(place.hub, name, fingerprint(again.keys.public))
    assert place.client_of(again).receive(0) == []


def test_a_revoked_institution_cannot_come_back_by_itself(place: Place, tmp_path: Path) -> None:
    startup, pin = invited(place, tmp_path, "out")
    folder = tmp_path / "out"
    joined = joining.join(startup, pin, folder)
    operator.confirm(place.hub, "out", fingerprint(joined.keys.public))
    operator.revoke(place.hub, "out")
    assert code_of(joining.rotate, folder) == "revoked"
    (folder / "membership.json").unlink()
    assert code_of(joining.join, startup, pin, folder) == "bad_invitation"
    assert code_of(operator.confirm, place.hub, "out", fingerprint(joined.keys.public)) == "revoked"


def test_what_expires_within_thirty_days_is_announced(place: Place) -> None:
    place.enrol("expiring")
    assert "expiring" not in {one["name"] for one in operator.status(place.hub)["expiring"]}
    import time

    soon = int(time.time()) + 29 * 86400
    place.hub.operate(lambda rows: rows("UPDATE member SET until = ? WHERE name = 'expiring'", soon))
    assert {"what": "keys", "name": "expiring", "until": soon} in operator.status(place.hub)["expiring"]
    year = time.time() + 340 * 86400
    assert "certificate" in {one.what for one in operator.expiring(place.hub, year)}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"name": 1}', '{"name": "a", "hub_keys": {"x": 1}}', "\xff"])
def test_a_damaged_membership_is_named(tmp_path: Path, content: str) -> None:
    assert code_of(Membership.open, tmp_path) == "no_membership"
    Keys.open(tmp_path / "keys")
    (tmp_path / "membership.json").write_text(content, encoding="latin-1")
    assert code_of(Membership.open, tmp_path) == "bad_membership"


def test_the_possession_proof_is_bound_to_what_is_signed() -> None:
    """docs/reference/exchange.md gives these bytes."""
    hub, own = Keys.make(), Keys.make()
    public = own.public
    record = proofs("seoul", own, hub.public, "s")
    said = json.dumps(["gagyo keys 1", "seoul", public.signing, public.sealing], separators=(",", ":")).encode()
    public.verify(bytes.fromhex(record["signature"]), said)
    assert signature_base([], "x") != said


def test_a_client_closes(place: Place) -> None:
    with Client(place.enrol("closes")) as client:
        assert client.status()["role"] == "site"
