"""The commands of a hub's operator and of an institution that joins, as they are typed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gagyo.cli import exits, main
from gagyo.errors import FileFault
from gagyo.exchange import enrolment
from gagyo.exchange.hub_folder import HubFolder, make_hub
from gagyo.exchange.membership import Membership
from tests.exchange.hubs import Place, free_port, served
from tests.shapes import read_json

GROUPS = re.compile(r"\d{5}(?: \d{5}){7}")
PIN = re.compile(r"\d{4}-\d{4}-\d{4}")


class Typed:
    """Types a command and reads what it prints."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: object, code: int = 0) -> str:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        out = self.capsys.readouterr()
        assert left.value.code in ((0, None) if code == 0 else (code,)), out.err
        return out.out + out.err


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typed:
    monkeypatch.setitem(enrolment.SCRYPT, "n", 1 << 10)
    return Typed(capsys)


def test_a_hub_and_its_first_institution(typed: Typed, tmp_path: Path) -> None:
    hub, site, startup = tmp_path / "hub", tmp_path / "seoul", tmp_path / "seoul.startup"
    url = f"https://127.0.0.1:{free_port()}"
    assert GROUPS.search(typed("hub", "init", hub, "--country", "KR", "--url", url))
    told = typed("hub", "invite", "seoul", "--country", "KR", "--out", startup, "--hub", hub)
    pin = PIN.search(told)
    assert pin
    assert pin[0] not in startup.read_text()
    assert "seoul" in typed("hub", "members", "--hub", hub)
    with served(HubFolder.open(hub)):
        assert "PIN" in typed("site", "join", startup, "--folder", site, "--pin", "0000-0000-0000", code=exits.EXCHANGE)
        joined = typed("site", "join", startup, "--folder", site, "--pin", pin[0])
        own = GROUPS.search(joined)
        assert own
        assert own[0] == enrolment.fingerprint(Membership.open(site).keys.public)
        wrong = "00000 " * 8
        typed("hub", "confirm", "seoul", "--fingerprint", wrong, "--hub", hub, code=exits.EXCHANGE)
        typed("hub", "confirm", "seoul", "--fingerprint", own[0], "--hub", hub)
        place = Place(HubFolder.open(hub))
        assert place.client_of(Membership.open(site)).receive(0) == []
        place.client_of(Membership.open(site)).tell_doing("computing", 0)
        place.close()
        assert GROUPS.search(typed("site", "join", "--rotate", "--folder", site))[0] != own[0]  # type: ignore[index]
    status = read_json("hub status", typed("hub", "status", hub, "--json"))
    [one] = [one for one in status["members"] if one["name"] == "seoul"]
    assert (one["state"], one["letters"]) == ("active", 0)
    assert one["last_seen"] is not None
    assert status["expiring"] == []
    for language, word in (("en", "computing, since 2"), ("ko", "계산 중"), ("zh", "计算中")):
        assert word in typed("--language", language, "hub", "status", hub)
    members = read_json("hub members", typed("hub", "members", "--hub", hub, "--json"))
    assert [member["name"] for member in members] == ["seoul"]
    typed("hub", "backup", hub, tmp_path / "copy")
    assert {one.name for one in (tmp_path / "copy").iterdir()} >= {"hub.yaml", "keys", "ca.key", "register.sqlite"}
    typed("hub", "backup", hub, tmp_path / "copy", code=exits.EXCHANGE)
    before = (hub / "server.pem").read_bytes()
    typed("hub", "renew", hub)
    assert (hub / "server.pem").read_bytes() != before
    typed("hub", "revoke", "seoul", "--hub", hub)
    assert "revoked" in {
        one["state"] for one in read_json("hub status", typed("hub", "status", hub, "--json"))["members"]
    }
    typed("hub", "invite", "busan", "--country", "KR", "--out", tmp_path / "astray", "--hub", hub)
    assert "taken back" in typed("hub", "revoke", "busan", "--hub", hub)
    assert "busan" not in typed("hub", "members", "--hub", hub)


def test_a_command_overwrites_nothing(typed: Typed, tmp_path: Path) -> None:
    """An operator's startup file, or a custodian's approval, that is given the name of a key or a study."""
    hub, kept = tmp_path / "hub", tmp_path / "study.yaml"
    kept.write_text("a study")
    typed("hub", "init", hub, "--country", "KR")
    invited = ("hub", "invite", "seoul", "--country", "KR", "--out", kept, "--hub", hub)
    assert f"{kept} 已存在" in typed("--language", "zh", *invited, code=exits.FAULT)
    typed("approve", kept, "--key", kept, "--site", "seoul", "--out", kept, "--until", "2027-01-01", code=exits.FAULT)
    assert kept.read_text() == "a study"
    assert "seoul" not in typed("hub", "members", "--hub", hub)


def test_what_a_hub_cannot_serve_with_is_told_before_it_is_made(typed: Typed, tmp_path: Path) -> None:
    hub, none = tmp_path / "hub", tmp_path / "none.pem"
    made = ("hub", "init", hub, "--country", "KR")
    none.write_text("no certificate")
    for pair in ((none, none), (none, tmp_path / "absent")):
        told = typed(*made, "--certificate", pair[0], "--key", pair[1], code=exits.EXCHANGE)
        assert "none.pem" in told
    for url in ("https://127.0.0.1:80000", "https://127.0.0.1:port"):
        assert url in typed(*made, "--url", url, code=exits.FAULT)
    assert not hub.exists()
    inside = tmp_path / "a" / ".." / "hub"
    assert f"gagyo hub start {hub}" in typed("--language", "en", "hub", "init", inside, "--country", "KR")
    for port, said in (("80000", "应不大于 65535"), ("-1", "应不小于 0")):
        assert said in typed("--language", "zh", "hub", "start", hub, "--port", port, code=exits.USAGE)
    text = (hub / "hub.yaml").read_text()
    (hub / "hub.yaml").write_text(text.replace("0.0.0.0:8443", "0.0.0.0:80000"))
    assert "listen" in typed("hub", "status", hub, code=exits.FAULT)


def test_a_copy_serves_in_the_place_of_a_lost_hub(typed: Typed, tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    typed("hub", "init", hub, "--country", "KR", "--url", f"https://127.0.0.1:{free_port()}")
    place = Place(HubFolder.open(hub))
    membership = place.enrol("seoul")
    typed("hub", "backup", hub, tmp_path / "copy")
    with served(HubFolder.open(tmp_path / "copy")):
        assert place.client_of(membership).receive(0) == []
    place.close()


@pytest.mark.parametrize(("language", "word"), [("ko", "허브"), ("zh", "协作中心"), ("en", "hub")])
def test_faults_are_told_in_the_language_of_the_reader(typed: Typed, tmp_path: Path, language: str, word: str) -> None:
    told = typed("--language", language, "hub", "status", tmp_path, code=exits.EXCHANGE)
    assert word in told
    assert "gagyo hub init" in told


def test_every_fault_of_a_hub_file_is_told_at_once(typed: Typed, tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    typed("hub", "init", hub, "--country", "KR")
    text = (hub / "hub.yaml").read_text()
    broken = text.replace("country: KR", "country: Korea").replace("key: server.key\n", "colour: red\n")
    (hub / "hub.yaml").write_text(broken.replace("box_mib: 1024 ", "box_mib: -1 "))
    told = typed("hub", "status", hub, code=exits.FAULT)
    for part in ("Korea", "colour", "key", "-1", "hub.yaml:"):
        assert part in told


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- KR\n", ""),
        ("name: a\nname: b\n", ":2"),
        ("limits:\n  [a]: 1\n", ":2"),
        ("name: [\n", ":2"),
        ("a: &b c\n", ":1"),
    ],
)
def test_a_hub_file_that_is_no_table_is_told_with_its_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "hub.yaml").write_text(text)
    with pytest.raises(FileFault) as fault:
        HubFolder.open(tmp_path)
    (found,) = fault.value.findings
    assert (found.code, str(found.place)) == ("hub_file_unreadable", f"{tmp_path / 'hub.yaml'}{line}")


def test_a_hub_file_without_limits_has_the_usual_ones(tmp_path: Path) -> None:
    usual = make_hub(tmp_path, "KR").limits
    text = (tmp_path / "hub.yaml").read_text()
    (tmp_path / "hub.yaml").write_text(text[: text.index("limits:")] + "limits:\n")
    assert HubFolder.open(tmp_path).limits == usual


def test_a_port_that_is_taken_and_a_certificate_that_is_none(typed: Typed, tmp_path: Path) -> None:
    import socket

    hub = tmp_path / "hub"
    typed("hub", "init", hub, "--country", "KR")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        told = typed("hub", "start", hub, "--host", "127.0.0.1", "--port", one.getsockname()[1], code=exits.EXCHANGE)
        assert "--port" in told
    (hub / "server.pem").write_text("no certificate")
    assert "PEM" in typed("hub", "start", hub, "--host", "127.0.0.1", "--port", 0, code=exits.EXCHANGE)
