"""The site file: what it reads, and that every fault is found at once, at its line, in three languages."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gagyo.errors import FileFault
from gagyo.protocol.schema import site_schema
from gagyo.protocol.written import read_entries
from gagyo.site.folder import site_files
from gagyo.site.policy import Policy
from gagyo.site.site_file import Marker, SiteFile
from gagyo.text import LANGUAGES, Text

EXAMPLE = """\
site: busan
country: KR
label: {en: Busan, ko: 부산, zh: 釜山}
data: {connector: csv, path: patients.csv, encoding: cp949}
person: 환자번호
missing: ["", "-", 0]
variables:
  glucose: {column: 혈당, unit: mg/dL, missing: [999]}
  disease: {column: 질환, values: {예: true, 아니오: false, 1: true}}
  size: {column: 크기, scale: 0.1}
  seen: {column: 방문일, date_format: "%Y.%m.%d"}
absent: [chol]
policy: {minimum_people: 12, methods: [describe], referral: [models], independent_partners: [seoul, tianjin]}
"""


def faults(text: str) -> list[tuple[str, int | None]]:
    with pytest.raises(FileFault) as fault:
        SiteFile.parse(text)
    for language in LANGUAGES:
        assert fault.value.text(language)
    return [(finding.code, finding.place.line) for finding in fault.value.findings]


def test_the_example_is_read() -> None:
    read = SiteFile.parse(EXAMPLE, "hospital/busan.yaml")
    assert (read.site, read.country, read.person) == ("busan", "KR", "환자번호")
    assert read.missing == (Marker(""), Marker("-"), Marker("0", 0.0))
    assert read.variables["glucose"].missing == (Marker("999", 999.0),)
    assert read.variables["disease"].values == {"예": True, "아니오": False, "1": True}
    assert read.variables["size"].scale == 0.1
    assert read.absent == {"chol": ""}
    assert read.policy == Policy(12, ("describe",), ("models",), ("seoul", "tianjin"))
    assert str(read.folder) == "hospital"
    assert read.place("variables.glucose").line == 8


def test_what_is_left_out_has_its_default() -> None:
    text = "site: a\ncountry: CN\ndata: {connector: parquet, path: p}\nvariables: {x: {column: X}}\n"
    read = SiteFile.parse(text)
    assert read.policy == Policy()
    assert read.policy.methods == "all"
    assert read.policy.independent_partners is None
    assert read.label == Text("a", "a", "a"), "a name for figures and tables, in each language"
    assert (read.data.delimiter, read.data.header, read.person) == (",", True, "")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("UTF-8", "utf-8"), ("utf8", "utf-8"), ("CP949", "cp949"), ("UHC", "cp949"), ("EUC-KR", "euc-kr"), ("GBK", "gbk")],
)
def test_an_encoding_may_be_written_in_capitals_and_by_another_name(written: str, meant: str) -> None:
    text = EXAMPLE.replace("encoding: cp949", f"encoding: {written}")
    assert SiteFile.parse(text).data.encoding == meant
    Draft202012Validator(site_schema()).validate(read_entries(text, "site.yaml").plain())


def test_absent_may_say_why() -> None:
    read = SiteFile.parse(EXAMPLE.replace("absent: [chol]", "absent: {chol: not in the laboratory's panel}"))
    assert read.absent == {"chol": "not in the laboratory's panel"}


@pytest.mark.parametrize(
    ("before", "after", "code", "line"),
    [
        ("site: busan", "site: Busan", "bad_name", 1),
        ("country: KR\n", "", "missing_key", 1),
        ("connector: csv", "connector: exel", "not_one_of", 4),
        (", encoding: cp949", "", "encoding_undeclared", 4),
        ("encoding: cp949", "encoding: cp-949", "not_one_of", 4),
        ("encoding: cp949", "encoding: rot13", "not_one_of", 4),
        ("encoding: cp949", "encoding: cp949, delimiter: ';;'", "wrong_type", 4),
        ("person: 환자번호", "persons: 환자번호", "unknown_key", 5),
        ("unit: mg/dL", "unit: mg per dL", "bad_unit", 8),
        ("column: 혈당, ", "", "missing_key", 8),
        ("scale: 0.1", "scale: 0", "out_of_bounds", 10),
        ("scale: 0.1", "scale: big", "wrong_type", 10),
        ('"%Y.%m.%d"', '"%Y"', "wrong_type", 11),
        ("[chol]", "[size]", "absent_and_mapped", 12),
        ("minimum_people: 12", "minimum_people: 4", "out_of_bounds", 13),
        ("policy:", "policies:", "unknown_key", 13),
        ("missing: [999]", "missing: {a: 1}", "wrong_type", 8),
    ],
)
def test_a_fault_is_found_at_its_line(before: str, after: str, code: str, line: int) -> None:
    assert before in EXAMPLE
    assert (code, line) in faults(EXAMPLE.replace(before, after, 1))


def test_all_faults_are_reported_at_once() -> None:
    text = EXAMPLE.replace("KR", "Korea").replace("mg/dL", "mgdL??").replace("12", "1")
    assert [code for code, _ in faults(text)] == ["bad_country", "bad_unit", "out_of_bounds"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFault) as fault:
        site_files(tmp_path / "nowhere")
    assert [one.code for one in fault.value.findings] == ["no_folder"]
    assert str(tmp_path / "nowhere") in fault.value.findings[0].text("en")


def test_a_study_file_beside_the_site_files_is_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text('gagyo: "1"\nstudy: trial\nsites: [seoul]\n')
    (tmp_path / "seoul.yaml").write_text("site: seoul\n")
    (tmp_path / "wrong.yml").write_text("study : trial\nsite: busan\n")
    assert [one.name for one in site_files(tmp_path)] == ["seoul.yaml", "wrong.yml"]
