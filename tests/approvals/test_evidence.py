"""Documents that are held: noted by digest, and counted only for the study, hospital, things and days they cover."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gagyo.canonical import digest
from gagyo.cli import exits, main
from gagyo.coordinator import planning
from gagyo.demo import rules as demo
from gagyo.governance.check import Checked, check
from gagyo.governance.derive import given
from gagyo.governance.evidence import EVERY, Evidence, digest_of, read_held
from gagyo.governance.pack import vocabulary
from gagyo.protocol.study import Study
from tests.shapes import read_json

FILE = Path(demo.__file__).parent / "files" / "rules" / "aggregates.yaml"
DAY = date(2026, 11, 25)
STUDY = Study.read(FILE)


def checked(study: str, **change: Any) -> Checked:
    """The check of a study where every document is held, with one scope."""
    every = [Evidence(kind, EVERY, (EVERY,), date(2020, 1, 1), study=study) for kind in vocabulary().evidence]
    held = [replace(one, **change) for one in every]
    return check(given(STUDY, planning.sends_of(STUDY)), DAY, held)


@pytest.mark.parametrize("scope", [EVERY, STUDY.study, digest_of(STUDY)])
def test_a_document_counts_for_the_study_that_it_covers(scope: str) -> None:
    assert {checked(scope).verdict(site) for site in STUDY.sites} == {"may_go_ahead"}


@pytest.mark.parametrize("scope", ["another-study", "sha256:" + "0" * 64])
def test_a_document_for_another_study_or_version_counts_for_nothing(scope: str) -> None:
    assert {checked(scope).verdict(site) for site in STUDY.sites} == {"needs_first"}


def test_an_amended_study_is_another_version() -> None:
    amended = Study.parse(FILE.read_text().replace("until: ", "until:  ").replace("2027-", "2028-", 1))
    assert digest_of(amended) != digest_of(STUDY)
    one = Evidence("kr.irb_approval", EVERY, (EVERY,), DAY, study=digest_of(STUDY))
    assert one.about(STUDY)
    assert not one.about(amended)
    assert replace(one, study=STUDY.study).about(amended)


def typed(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> str:
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    out = capsys.readouterr()
    assert (left.value.code or 0) == code, out.err
    return out.out + out.err


def noted(tmp_path: Path, *more: object) -> tuple[object, ...]:
    document = tmp_path / "letter.pdf"
    document.write_bytes(b"the board approves")
    return (
        *("evidence", "add", document, "--to", tmp_path / "evidence.yaml", "--kind", "kr.irb_approval"),
        *("--site", "seoul", "--thing", "aggregate_table", "--from", "2026-11-01", "--study", FILE, *more),
    )


def test_a_document_is_noted_by_its_digest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "evidence.yaml"
    path.write_text("# our documents\n- {kind: kr.irb_approval, site: busan, things: ['*'], from: 2026-01-01}")
    before = path.read_text()
    facts = ("--until", "2027-10-31", "--issuer", "한빛병원 IRB", "--number", "2026-11-03", "--issued", "2026-10-30")
    typed(capsys, *noted(tmp_path, *facts))
    assert path.read_text().startswith(before), "what stood there stays as it was written"
    first, second = read_held(path, vocabulary().evidence)
    assert first == Evidence("kr.irb_approval", "busan", (EVERY,), date(2026, 1, 1))
    assert second == Evidence(
        *("kr.irb_approval", "seoul", ("aggregate_table",), date(2026, 11, 1), date(2027, 10, 31), digest_of(STUDY)),
        *(digest(b"the board approves"), "한빛병원 IRB", "2026-11-03", date(2026, 10, 30)),
    )
    assert "the board" not in path.read_text(), "only the record is kept"
    typed(capsys, "rules", FILE, "--evidence", path, code=exits.NOT_YET)


def test_a_file_that_is_no_list_is_called_so_and_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "evidence.yaml"
    path.write_text("gagyo: '1'\nstudy: glucose\n")
    told = typed(capsys, "--language", "en", *noted(tmp_path), code=exits.FAULT)
    assert "a list" in told
    assert "YAML" not in told
    assert path.read_text() == "gagyo: '1'\nstudy: glucose\n"
    path.write_text("# our documents\n")
    typed(capsys, *noted(tmp_path))


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (("--kind", "kr.no_such_kind"), "kr.no_such_kind"),
        (("--thing", "everything"), "everything"),
        (("--study", "no such file"), "no such file"),
        (("--until", "2026-10-01"), "2026-10-01"),
    ],
)
def test_a_record_that_would_be_wrong_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, str], word: str
) -> None:
    assert word in typed(capsys, *noted(tmp_path, *more), code=exits.FAULT)
    assert not (tmp_path / "evidence.yaml").exists()


def test_the_list_says_what_is_in_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed(capsys, *noted(tmp_path, "--until", "2027-10-31"))
    path = tmp_path / "evidence.yaml"

    def states(*more: object) -> list[str]:
        return [
            one["state"] for one in read_json("evidence list", typed(capsys, "evidence", "list", path, "--json", *more))
        ]

    assert states("--as-of", "2026-12-01", "--study", FILE) == ["in_force"]
    assert states("--as-of", "2026-10-31") == ["not_yet"]
    assert states("--as-of", "2027-11-01") == ["expired"]
    other = tmp_path / "study.yaml"
    other.write_text(FILE.read_text().replace("2027-", "2028-", 1))
    assert states("--study", other, "--as-of", "2026-12-01") == ["other_study"]
    for language, word in (("en", "expired on"), ("ko", "만료"), ("zh", "到期")):
        told = typed(capsys, "--language", language, "evidence", "list", path, "--as-of", "2027-11-01")
        assert word in told
        assert digest(b"the board approves") in told
