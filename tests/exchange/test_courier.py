"""The courier's file and its box: nothing is lost, doubled, overwritten or taken from a stranger."""

from __future__ import annotations

import errno
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gagyo.errors import ExchangeFault, FileFault
from gagyo.exchange import parcel as files
from gagyo.exchange.courier import Both, Courier
from gagyo.exchange.envelope import Keys
from gagyo.exchange.membership import Membership
from gagyo.exchange.parcel import Card
from tests.exchange.hubs import Place


def membership(name: str, role: str) -> Membership:
    return Membership(name, "KR", role, "courier", "lead", Keys.make().public, Keys.make())


def yes(card: Card, changed: bool) -> bool:
    return True


def no(card: Card, changed: bool) -> bool:
    return False


def never(card: Card, changed: bool) -> bool:
    raise AssertionError("a known institution is not asked about")


@pytest.fixture
def lead(tmp_path: Path) -> Iterator[Courier]:
    with Courier(tmp_path / "lead", membership("lead", "coordinator")) as one:
        yield one


@pytest.fixture
def jeju(tmp_path: Path) -> Iterator[Courier]:
    with Courier(tmp_path / "jeju", membership("jeju", "site")) as one:
        yield one


def carry(sender: Courier, recipient: Courier, path: Path) -> int:
    sender.export(recipient.membership.name, path)
    return recipient.take_in(path, yes)[1]


def refused(courier: Courier, path: Path, trust: object = yes) -> str:
    with pytest.raises(ExchangeFault) as fault:
        courier.take_in(path, trust)  # type: ignore[arg-type]
    return fault.value.code


def test_letters_of_all_sizes_arrive_in_their_order(lead: Courier, jeju: Courier, tmp_path: Path) -> None:
    bodies = [b"", b"short", bytes(range(256)) * 12_000]
    names = [lead.send("jeju", "study", body) for body in bodies]
    assert carry(lead, jeju, tmp_path / "file") == 3
    came = jeju.receive(0)
    assert [(one.id, one.sender, one.study, one.body) for one in came] == [
        (name, "lead", "study", body) for name, body in zip(names, bodies, strict=True)
    ]


def test_a_letter_is_carried_until_it_was_kept(lead: Courier, jeju: Courier, tmp_path: Path) -> None:
    """The first file is lost, the second is carried twice: one letter, once; then no file holds it any more."""
    name = lead.send("jeju", "study", b"one")
    lead.export("jeju", tmp_path / "lost")
    assert carry(lead, jeju, tmp_path / "second") == 1
    assert jeju.take_in(tmp_path / "second", never)[1] == 0
    assert [one.id for one in jeju.receive(0)] == [name]
    jeju.acknowledge([name])
    assert jeju.receive(0) == []
    assert jeju.take_in(tmp_path / "lost", never)[1] == 0, "a late file brings nothing again"
    assert jeju.receive(0) == []
    assert carry(jeju, lead, tmp_path / "back") == 0
    assert lead.waiting("jeju").letters == 0
    assert lead.export("jeju", tmp_path / "third").letters == ()


def test_a_run_that_sends_again_does_not_carry_again(lead: Courier, jeju: Courier, tmp_path: Path) -> None:
    name = lead.send("jeju", "study", b"one")
    carry(lead, jeju, tmp_path / "there")
    jeju.acknowledge([name])
    carry(jeju, lead, tmp_path / "back")
    assert lead.send("jeju", "study", b"one") == name
    assert lead.waiting("jeju").letters == 0
    lead.close_study("study")
    lead.send("jeju", "study", b"one")
    assert lead.waiting("jeju").letters == 1, "what is forgotten with its study is carried anew"


def test_what_waits_is_told_apart_from_what_a_file_holds(lead: Courier, tmp_path: Path) -> None:
    lead.send("jeju", "study", b"one")
    assert (lead.waiting("jeju").letters, lead.waiting("jeju").fresh, lead.waiting("jeju").bytes) == (1, 1, 3)
    lead.export("jeju", tmp_path / "file")
    assert (lead.waiting("jeju").letters, lead.waiting("jeju").fresh) == (1, 0)
    assert lead.waiting("busan").letters == 0


def test_a_stranger_is_taken_in_only_after_a_person_said_so(lead: Courier, jeju: Courier, tmp_path: Path) -> None:
    lead.send("jeju", "study", b"one")
    lead.export("jeju", tmp_path / "file")
    assert refused(jeju, tmp_path / "file", no) == "courier_not_trusted"
    assert (jeju.receive(0), jeju.directory()) == ([], {})
    asked: list[tuple[str, bool]] = []
    jeju.take_in(tmp_path / "file", lambda card, changed: not asked.append((card.name, changed)))  # type: ignore[func-returns-value]
    assert asked == [("lead", False)]
    assert jeju.directory()["lead"].keys == lead.membership.keys.public


def test_other_keys_of_a_known_name_are_asked_about_again(lead: Courier, jeju: Courier, tmp_path: Path) -> None:
    carry(lead, jeju, tmp_path / "first")
    with Courier(tmp_path / "thief", membership("lead", "coordinator")) as thief:
        thief.export("jeju", tmp_path / "second")
    asked: list[bool] = []

    def trust(card: Card, changed: bool) -> bool:
        asked.append(changed)
        return False

    assert refused(jeju, tmp_path / "second", trust) == "courier_not_trusted"
    assert asked == [True]
    assert jeju.directory()["lead"].keys == lead.membership.keys.public


def test_a_file_for_another_is_not_taken_in(lead: Courier, jeju: Courier, tmp_path: Path) -> None:
    lead.export("busan", tmp_path / "file")
    assert refused(jeju, tmp_path / "file") == "courier_other_recipient"
    assert refused(lead, tmp_path / "file") == "courier_other_recipient"


def test_nothing_is_overwritten(lead: Courier, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("thesis")
    with pytest.raises(ExchangeFault) as fault:
        lead.export("jeju", tmp_path / "file")
    assert fault.value.code == "courier_exists"
    assert (tmp_path / "file").read_text() == "thesis"


def test_a_file_that_is_not_there_is_no_bad_one(jeju: Courier, tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(FileFault) as fault:
            jeju.take_in(path, yes)
        assert [one.code for one in fault.value.findings] == ["courier_missing"]


@pytest.mark.parametrize("name", ["", "../jeju", "제주", "lead"])
def test_a_file_is_for_another_institution(lead: Courier, tmp_path: Path, name: str) -> None:
    with pytest.raises(ExchangeFault) as fault:
        lead.export(name, tmp_path / "file")
    assert fault.value.code == "courier_no_name"
    assert not (tmp_path / "file").exists()


def test_half_a_file_is_not_left_on_a_full_stick(
    lead: Courier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    lead.send("jeju", "study", b"letter")
    stick = tmp_path / "stick"
    stick.mkdir()
    with monkeypatch.context() as broken:
        broken.setattr(zipfile.ZipFile, "writestr", full)
        with pytest.raises(OSError, match="full"):
            lead.export("jeju", stick / "file")
    assert list(stick.iterdir()) == []
    assert lead.waiting("jeju").fresh == 1
    assert len(lead.export("jeju", stick / "file").letters) == 1


def parts_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def write_parts(path: Path, parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, part in parts.items():
            file.writestr(name, part)


def test_every_byte_of_a_file_is_covered(lead: Courier, jeju: Courier, tmp_path: Path) -> None:
    """Each part is changed at many places, taken away, or exchanged: nothing of such a file is taken in."""
    for number in range(3):
        lead.send("jeju", "study", b"letter %d" % number)
    lead.export("jeju", tmp_path / "file")
    parts = parts_of(tmp_path / "file")
    for name, part in parts.items():
        for place in range(0, len(part), max(1, len(part) // 40)):
            changed = bytearray(part)
            changed[place] ^= 1
            write_parts(tmp_path / "changed", {**parts, name: bytes(changed)})
            assert refused(jeju, tmp_path / "changed") in ("courier_forged", "courier_unreadable"), (name, place)
        write_parts(tmp_path / "changed", {one: value for one, value in parts.items() if one != name})
        assert refused(jeju, tmp_path / "changed") in ("courier_forged", "courier_unreadable")
    letters = [name for name in parts if name.startswith(files.FOLDER)]
    swapped = {**parts, letters[0]: parts[letters[1]], letters[1]: parts[letters[0]]}
    write_parts(tmp_path / "changed", swapped)
    assert refused(jeju, tmp_path / "changed") == "courier_forged"
    assert (jeju.receive(0), jeju.directory()) == ([], {})
    assert jeju.take_in(tmp_path / "file", yes)[1] == 3


def test_a_card_with_other_keys_needs_their_signature(lead: Courier, jeju: Courier, tmp_path: Path) -> None:
    lead.export("jeju", tmp_path / "file")
    parts = parts_of(tmp_path / "file")
    record = json.loads(parts[files.MANIFEST])
    record["sender"]["keys"]["signing"] = Keys.make().public.signing
    write_parts(tmp_path / "changed", {**parts, files.MANIFEST: json.dumps(record).encode()})
    assert refused(jeju, tmp_path / "changed") == "courier_forged"


def test_a_file_that_unpacks_to_too_much_is_not_unpacked(lead: Courier, jeju: Courier, tmp_path: Path) -> None:
    """However well it is signed."""
    lead.export("jeju", tmp_path / "file")
    padded = parts_of(tmp_path / "file")[files.MANIFEST] + b" " * files.LARGEST_MANIFEST
    signature = lead.membership.keys.sign(files.LABEL + padded).hex().encode()
    bomb = {files.MANIFEST: padded, files.SIGNATURE: signature}
    write_parts(tmp_path / "bomb", bomb, zipfile.ZIP_DEFLATED)
    assert (tmp_path / "bomb").stat().st_size < 100_000
    assert refused(jeju, tmp_path / "bomb") == "courier_unreadable"


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + bytes(40)])
def test_something_else_is_named(jeju: Courier, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert refused(jeju, tmp_path / "file") == "courier_unreadable"


def test_a_zip_of_a_later_kind_is_named(lead: Courier, jeju: Courier, tmp_path: Path) -> None:
    """Found by `make fuzz`: a version of ZIP that Python does not know."""
    lead.export("jeju", tmp_path / "file")
    raw = bytearray((tmp_path / "file").read_bytes())
    raw[raw.index(b"PK\x01\x02") + 6] = 69
    (tmp_path / "later").write_bytes(raw)
    assert refused(jeju, tmp_path / "later") == "courier_unreadable"


def test_another_version_is_named(jeju: Courier, tmp_path: Path) -> None:
    write_parts(tmp_path / "file", {files.MANIFEST: b'{"gagyo_courier": 2}', files.SIGNATURE: b"00"})
    assert refused(jeju, tmp_path / "file") == "other_version"


# Hub and courier at once.


def test_an_institution_by_both_ways_is_refused(place: Place, tmp_path: Path) -> None:
    client = place.client("lead-both", "coordinator")
    with Courier(tmp_path / "lead", client.membership) as courier:
        with Courier(tmp_path / "jeju", membership("jeju-both", "site")) as other:
            carry(other, courier, tmp_path / "file")
        both = Both(client, courier)
        assert both.by_courier("jeju-both")
        assert not both.by_courier("lead-both")
        place.enrol("jeju-both")
        with pytest.raises(ExchangeFault) as fault:
            Both(client, courier)
        assert fault.value.code == "courier_also_at_hub"


def test_each_letter_takes_its_way(place: Place, tmp_path: Path) -> None:
    client, seoul = place.client("lead-ways", "coordinator"), place.client("seoul-ways")
    with (
        Courier(tmp_path / "lead", client.membership) as courier,
        Courier(tmp_path / "jeju", membership("jeju-ways", "site")) as jeju,
    ):
        carry(jeju, courier, tmp_path / "first")
        both = Both(client, courier)
        both.open_study("ways", ["seoul-ways", "jeju-ways"])
        both.send("seoul-ways", "ways", b"by hub")
        both.send("jeju-ways", "ways", b"by courier")
        assert [one.body for one in seoul.receive(5)] == [b"by hub"]
        carry(courier, jeju, tmp_path / "second")
        assert [one.body for one in jeju.receive(0)] == [b"by courier"]
        seoul.send("lead-ways", "ways", b"hub answers")
        jeju.send("lead-ways", "ways", b"courier answers")
        carry(jeju, courier, tmp_path / "third")
        came = {one.body: one.id for one in [*both.receive(5), *both.receive(0)]}
        assert set(came) == {b"hub answers", b"courier answers"}
        both.acknowledge(list(came.values()))
        assert both.receive(0) == []
        both.close_study("ways")
