"""What commands ask, of a person and of a program; and what a run says on the terminal."""

from __future__ import annotations

import io
import sys
import warnings
from pathlib import Path

import pytest
import typer

from gagyo.cli import asking, feasibility, main, speech
from gagyo.cli.progress import Teller
from gagyo.result import Result
from gagyo.runtime.remote import SiteState

SECRET = "a long passphrase"


def piped(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


class Typist(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person at a terminal types, line by line."""
    lines: list[str] = []
    monkeypatch.setattr(sys, "stdin", Typist())
    monkeypatch.setattr(typer, "prompt", lambda question, **_: lines.pop(0))
    return lines


def test_a_passphrase_through_a_pipe_is_asked_once_and_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped(monkeypatch, SECRET)
    monkeypatch.delenv("GAGYO_PASSPHRASE", raising=False)
    key = tmp_path / "kim.key"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _left("approval", "key", "--role", "lead", "--name", "Kim", "--out", key, "--language", "en") == 0
    assert key.is_file()
    assert capsys.readouterr().err.splitlines() == ["Passphrase: "]


def test_a_person_types_a_passphrase_until_both_are_alike(typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    speech.speak("zh")
    typed[:] = [SECRET, "another", SECRET, SECRET]
    assert asking.secret("口令", "请再次输入口令") == SECRET
    assert "两次输入不一致" in capsys.readouterr().err
    assert not typed


def test_yes_and_no_are_understood_in_each_language(typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    speech.speak("ko")
    for answer, meant in (("예", True), ("是", True), ("Y", True), ("", False), ("아니요", False), ("否", False)):
        typed.append(answer)
        assert asking.agreed("?") is meant
    typed[:] = ["perhaps", "yes"]
    assert asking.agreed("?")
    assert "perhaps: 예도 아니오도 아닙니다" in capsys.readouterr().err


def test_a_pipe_that_says_nothing_is_no_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch)
    with pytest.raises(typer.Abort):
        asking.agreed("?")
    piped(monkeypatch, "no")
    with pytest.raises(typer.Abort):
        asking.check_agreed("?")


def test_a_key_has_a_name_and_what_is_there_is_said_before_a_passphrase_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(asking, "line", lambda *_, **__: pytest.fail("asked"))
    monkeypatch.delenv("GAGYO_PASSPHRASE", raising=False)
    assert _left("approval", "key", "--role", "lead", "--name", " ", "--out", tmp_path / "key", "--language", "en") == 2
    assert _left("approval", "key", "--role", "lead", "--name", "Kim", "--out", tmp_path, "--language", "en") == 1
    said = capsys.readouterr().err
    assert "a name is expected" in said
    assert f"There is a file {tmp_path} already" in said


def test_every_walk_of_a_courier_is_told_with_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    speech.speak("en")
    teller = Teller(Path("coordinator"))
    for doing in ("to_carry", "to_carry", "answered", "to_carry"):
        teller.states({"jeju": SiteState(doing, 0.0, "2026-12-08 10:00Z")})
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert all("gagyo courier export FILE --hub coordinator --to jeju" in line for line in told)
    assert all("until 2026-12-08 10:00Z" in line for line in told)


def test_numbers_of_people_look_as_in_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever a person reads them: two thousand without a comma, a hundred thousand with a narrow space."""
    speech.speak("en")
    for people, said in ((2139, "2139"), (120000, "120\u202f000")):
        Teller().ended("effect", Result("weighting", True, people, ("seoul", "busan", "beijing"), 3))
        assert f"effect: done, {said} people" in capsys.readouterr().err
        assert feasibility._number(people) == said


def _left(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(one) for one in arguments])
    return int(left.value.code or 0)
