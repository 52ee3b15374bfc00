"""A command line that is wrong is answered in the reader's language, and so are the headings of help."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gagyo.cli import exits, main
from gagyo.text import LANGUAGES, Language, translate

WRONG = {
    "missing": (["run"], "study"),
    "no_option": (["plan", "--foo"], "--foo"),
    "no_option_near": (["plan", "--jsno", "study.yaml"], "--json"),
    "no_command": (["runn"], "runn"),
    "extra": (["check", "a.yaml", "b.yaml"], "b.yaml"),
    "without_value": (["hub", "start", "hub", "--port"], "--port"),
    "takes_none": (["check", "a.yaml", "--json=yes"], "--json"),
    "not_whole": (["hub", "start", "hub", "--port", "abc"], "--port"),
    "at_most": (["hub", "start", "hub", "--port", "80000"], "--port"),
    "at_least": (["hub", "start", "hub", "--port", "-1"], "--port"),
    "no_file": (["site", "join", "1.2", "--folder", "x"], "1.2"),
    "other_kind": (["site", "join", "..", "--folder", "x"], ".."),
    "not_one_of": (["schema", "nope"], "nope"),
}
HINT = re.compile("`gagyo.*`")


def said(capsys: pytest.CaptureFixture[str], language: Language, given: list[str]) -> str:
    with pytest.raises(SystemExit) as left:
        main(["--language", language, *given])
    assert left.value.code == 2
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return err


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_in_one_language(
    capsys: pytest.CaptureFixture[str], name: str, language: Language
) -> None:
    given, names = WRONG[name]
    told = said(capsys, language, given)
    assert names in told
    text = translate(f"cli.usage.{name}", language, found="|", expected="|")
    assert all(part in told for part in text.split("|")), "the sentence is that of the catalogue"
    assert HINT.search(told) or name in ("without_value", "takes_none")
    if language != "en":
        words = set(re.findall("[A-Za-z]{3,}", HINT.sub("", told))) - set(re.findall("[A-Za-z]+", " ".join(given)))
        assert words <= {"json", "study", "site", "port", "kind", "FILE"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_help_has_its_headings_in_one_language(capsys: pytest.CaptureFixture[str], language: Language) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--language", language, "run", "--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    for key in ("usage", "arguments", "options", "required", "help"):
        assert translate(f"cli.usage.{key}", language) in told
    if language != "en":
        assert not re.search("Usage|Arguments|Options|Show this|required", told)


@pytest.mark.parametrize("below", ["", "out"])
def test_a_file_where_a_folder_is_needed_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], below: str
) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(SystemExit) as left:
        main(["hub", "init", str(tmp_path / "taken" / below), "--country", "KR", "--language", "en"])
    assert left.value.code == exits.FAULT
    assert f"{tmp_path / 'taken'}" in (told := capsys.readouterr().err)
    assert "a file of this name" in told


def test_a_question_that_is_broken_off_leaves_with_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import typer

    def broken_off() -> None:
        raise typer.Abort

    monkeypatch.setattr("gagyo.cli.new.register", lambda app: app.command("new")(broken_off))
    with pytest.raises(SystemExit) as left:
        main(["--language", "zh", "new"])
    assert left.value.code == 1
    assert translate("cli.usage.aborted", "zh") in capsys.readouterr().err
