"""Protocol documents against study files: what differs is found, what agrees passes, hostile files are refused."""

from __future__ import annotations

import zipfile
from pathlib import Path
from random import Random

import pytest

from gagyo.cli import exits, main
from gagyo.errors import FileFault
from gagyo.finding import Finding
from gagyo.protocol import word
from gagyo.protocol.prose import check_prose
from gagyo.text import LANGUAGES
from tests.conftest import MODEL
from tests.hospitals import STUDY
from tests.shapes import read_json

STUDY_TEXT = STUDY + MODEL + "release: {minimum_people: 12}\n"
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
MC = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY_TEXT, encoding="utf-8")
    return path


def markdown(study: Path, text: str) -> list[Finding]:
    path = study.parent / "protocol.md"
    path.write_text(text, encoding="utf-8")
    return check_prose(path, study)


def docx(study: Path, body: str, before: str = "", footnotes: str = "") -> Path:
    """A Word document with this body, as a zip of the parts that matter."""
    path = study.parent / "protocol.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", f"{before}<w:document {W} {MC}><w:body>{body}</w:body></w:document>")
        if footnotes:
            archive.writestr("word/footnotes.xml", f"<w:footnotes {W}>{footnotes}</w:footnotes>")
    return path


def p(*runs: str) -> str:
    """A paragraph of runs."""
    return "<w:p>" + "".join(f'<w:r><w:t xml:space="preserve">{run}</w:t></w:r>' for run in runs) + "</w:p>"


@pytest.mark.parametrize(
    "said",
    [
        "release.minimum_people: 12",
        "release.minimum_people: 12.0",
        "release.minimum_people：１２",
        "variables.smoothness.range.1: 100%",
        "study: “breast-mass”",
        "lead.country: KR",
        "period.until: 2027-10-31",
        "sites: tianjin, seoul, busan, beijing",
        "sites: [seoul、busan，beijing; tianjin]",
        "variables.texture.range: 0, 60",
        "title.ko: 유방 종괴",
        "analyses.model.formula: malignant ~ texture +  smoothness + compactness + symmetry",
    ],
)
def test_what_says_the_same_passes(study: Path, said: str) -> None:
    assert markdown(study, f"Of the study [[{said}]], as agreed.") == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("release.minimum_people: 10", "12"),
        ("release.minimum_people: 12 people", "12"),
        ("release.minimum_people: twelve", "12"),
        ("variables.smoothness.range.1: 95%", "1"),
        ("sites: seoul, busan, beijing", "seoul, busan, beijing, tianjin"),
        ("sites: seoul, busan, beijing, tianjin, tianjin", "seoul, busan, beijing, tianjin"),
        ("period.until: 2027-10-30", "2027-10-31"),
        ("lead.country: CN", "KR"),
        ("lead: Kim", "name, organisation, country"),
    ],
)
def test_what_differs_is_found_with_both_places(study: Path, said: str, expected: str) -> None:
    (finding,) = markdown(study, f"# Protocol\n\nThe value is [[{said}]].\n")
    assert (finding.code, finding.place.line) == ("prose_differs", 3)
    assert finding.values["expected"] == expected
    assert "study.yaml:" in str(finding.values["where"])
    assert all(finding.text(language) for language in LANGUAGES)


def test_all_differences_are_told_at_once_and_code_makes_none(study: Path) -> None:
    text = "[[sites: seoul]] `[[sites: x]]`\n```\n[[sites: y]]\n```\n"
    text += "[[relase.minimum: 1]] [[no value]] 【【lead.country: CN】】\n"
    found = markdown(study, text)
    assert [(one.code, one.place.line) for one in found] == [
        ("prose_differs", 1),
        ("prose_unknown", 5),
        ("prose_mark", 5),
        ("prose_differs", 5),
    ]
    assert "release" in str(found[1].values["expected"])
    (nothing,) = markdown(study, "A text without a mark.")
    assert nothing.code == "prose_nothing", "a comparison of nothing is no agreement"


def test_word_cuts_marks_into_runs_and_they_are_read_whole(study: Path) -> None:
    table = f"<w:tbl><w:tr><w:tc>{p('[', '[lead.', 'country', ': C', 'N]]')}</w:tc></w:tr></w:tbl>"
    tracked = "<w:p><w:r><w:t>[[release.minimum_people: 1</w:t></w:r><w:del><w:r><w:delText>0</w:delText></w:r></w:del>"
    tracked += "<w:ins><w:r><w:t>2</w:t></w:r></w:ins><w:r><w:t>]]</w:t></w:r></w:p>"
    moved = f"<w:moveFrom>{p('[[sites: old]]')}</w:moveFrom>"
    box = f"<mc:AlternateContent><mc:Fallback>{p('[[sites: twice]]')}</mc:Fallback></mc:AlternateContent>"
    note = "<w:footnote>" + p("[[study: other]]") + "</w:footnote>"
    path = docx(study, p("Intro") + table + tracked + moved + box, footnotes=note)
    found = check_prose(path, study)
    assert [(one.code, one.values["path"]) for one in found] == [
        ("prose_differs", "lead.country"),
        ("prose_differs", "study"),
    ]
    assert found[0].place.path == "¶ 2"


def refused(path: Path, study: Path) -> str:
    with pytest.raises(FileFault) as told:
        check_prose(path, study)
    return told.value.findings[0].code


def test_a_hostile_word_file_is_refused(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laughs = '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    assert refused(docx(study, p("&b;"), before=laughs), study) == "prose_unreadable"
    outside = '<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    assert refused(docx(study, p("&x;"), before=outside), study) == "prose_unreadable"
    assert refused(docx(study, "<w:p>"), study) == "prose_unreadable"
    monkeypatch.setattr(word, "LARGEST", 10_000)
    assert refused(docx(study, p("a" * 20_000)), study) == "file_too_large"
    path = docx(study, p("x"))
    path.write_bytes(path.read_bytes()[:100])
    assert refused(path, study) == "prose_unreadable"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other.xml", "<a/>")
    assert refused(path, study) == "prose_unreadable"
    assert refused(study.parent / "missing.docx", study) == "file_not_found"


def test_a_damaged_word_file_is_refused_however_it_is_damaged(study: Path) -> None:
    """Any byte may be any other: the document is read, or it is refused by name."""
    path = docx(study, p("[[lead.country: CN]]"))
    whole, random, refused_as = path.read_bytes(), Random(1), []
    for _ in range(1500):
        broken = bytearray(whole)
        for _ in range(random.choice((1, 1, 4))):
            broken[random.randrange(len(broken))] = random.randrange(256)
        path.write_bytes(broken)
        try:
            word.paragraphs(path)
        except FileFault as fault:
            refused_as.append(fault.findings[0].code)
    assert len(refused_as) > 500
    assert set(refused_as) <= {"prose_unreadable", "file_too_large"}


@pytest.mark.parametrize("suffix", [".hwp", ".PDF", ".doc"])
def test_documents_of_other_programs_are_told_what_to_be_saved_as(study: Path, suffix: str) -> None:
    other = study.parent / f"protocol{suffix}"
    other.write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(FileFault) as fault:
        check_prose(other, study)
    assert [one.code for one in fault.value.findings] == ["prose_kind"]
    assert ".docx" in str(fault.value)


def test_an_entry_of_a_list_that_is_not_there_is_told_those_that_are(study: Path) -> None:
    (study.parent / "a.md").write_text("[[sites.9: seoul]]")
    assert check_prose(study.parent / "a.md", study)[0].values["expected"].startswith("0, 1")


def test_from_the_command_line(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = study.parent / "good.md", study.parent / "bad.md"
    good.write_text("At least [[release.minimum_people: 12]] people.")
    bad.write_text("[[release.minimum_people: 24]] and [[lead.country: CN]]")
    main_with(["check", str(study), "--protocol", str(good)], 0)
    assert "every marked value" in capsys.readouterr().out
    main_with(["check", str(study), "--protocol", str(bad)], exits.FAULT)
    told = capsys.readouterr().err
    assert "24" in told
    assert "CN" in told
    main_with(["check", str(study), "--protocol", str(bad), "--json"], exits.FAULT)
    found = read_json("check", capsys.readouterr().out)
    assert [one["code"] for one in found["findings"]] == ["prose_differs"] * 2


def main_with(words: list[str], code: int) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert (left.value.code or 0) == code
