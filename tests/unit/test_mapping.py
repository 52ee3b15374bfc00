"""From a hospital's rows to the study's numbers: values, units, markers, faults that count, and a report that stays."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars
import pytest

from gagyo.errors import DataFault, FileFault
from gagyo.protocol.study import Study
from gagyo.site.mapping.load import Loaded, examine, load
from gagyo.site.site_file import SiteFile
from gagyo.text import LANGUAGES

STUDY = """\
gagyo: "1"
study: mapping
title: {en: Mapping, ko: 매핑, zh: 映射}
purpose: scientific_research
lead: {name: A, organisation: B, country: KR}
period: {from: 2026-01-01, until: 2026-12-31}
sites: [busan]
variables:
  age: {type: integer, unit: a, range: [0, 120], label: {en: Age, ko: 나이, zh: 年龄}}
  glucose: {type: number, unit: mmol/L, analyte: glucose, range: [0, 60], label: {en: G, ko: 혈, zh: 糖}}
  size: {type: number, range: [0, 10], label: {en: Size, ko: 크기, zh: 大小}}
  disease: {type: boolean, label: {en: D, ko: 질, zh: 病}}
  smoking:
    type: category
    levels: {never: {en: N, ko: 비, zh: 否}, former: {en: F, ko: 과, zh: 曾}}
    label: {en: S, ko: 흡, zh: 吸}
  seen: {type: date, range: [2000-01-01, 2026-12-31], label: {en: V, ko: 방, zh: 访}}
  chol: {type: number, unit: mmol/L, range: [0, 30], label: {en: C, ko: 콜, zh: 胆}}
cohorts: {all: {}}
analyses: {table: {method: describe, variables: [age]}}
"""
SITE = """\
site: busan
country: KR
data: {connector: csv, path: rows.csv, encoding: cp949}
person: 번호
missing: ["-"]
variables:
  age: {column: 나이, unit: a}
  glucose: {column: 혈당, unit: mg/dL, missing: [0]}
  size: {column: 크기, scale: 0.1}
  disease: {column: 질환, values: {예: true, 아니오: false, 모름: null}}
  smoking: {column: 흡연, values: {1: never, 2: former}}
  seen: {column: 방문, date_format: "%Y.%m.%d"}
absent: {chol: not measured}
"""
ROWS = """\
번호,나이,혈당,크기,질환,흡연,방문
SECRET1,34,90,55,예,1,2020.01.02
SECRET2,-,0,12,아니오,2.0,
SECRET3,51,0.0,,모름,-,2026.12.31
SECRET4, 60 ,180.156,100,예,2,2000.01.01
"""


def site(folder: Path, text: str = SITE, rows: str = ROWS) -> SiteFile:
    (folder / "rows.csv").write_bytes(rows.encode("cp949"))
    (folder / "busan.yaml").write_text(text, encoding="utf-8")
    return SiteFile.read(folder / "busan.yaml")


def loaded(folder: Path, text: str = SITE, rows: str = ROWS) -> Loaded:
    return load(site(folder, text, rows), Study.parse(STUDY))


def same(found: np.ndarray, expected: list[float | None]) -> bool:
    return np.allclose(found, [np.nan if x is None else x for x in expected], equal_nan=True, rtol=1e-12)


def test_columns_are_in_the_studys_terms(tmp_path: Path) -> None:
    read = loaded(tmp_path)
    day = (date(2020, 1, 2) - date(1970, 1, 1)).days
    assert same(read.columns["age"], [34, None, 51, 60])
    assert same(read.columns["glucose"], [900 / 180.156, None, None, 10])
    assert same(read.columns["size"], [5.5, 1.2, None, 10])
    assert same(read.columns["disease"], [1, 0, None, 1])
    assert same(read.columns["smoking"], [0, 1, None, 1])
    assert same(read.columns["seen"], [day, None, 20818, 10957])
    assert same(read.columns["chol"], [None] * 4)
    assert all(column.dtype == np.float64 for column in read.columns.values())
    assert read.persons == [b"SECRET1", b"SECRET2", b"SECRET3", b"SECRET4"]
    assert read.n == 4
    assert not read.duplicates.any()


def test_parquet_with_types_reads_the_same(tmp_path: Path) -> None:
    text = SITE.replace("connector: csv, path: rows.csv, encoding: cp949", "connector: parquet, path: rows.parquet")
    text = text.replace("{예: true, 아니오: false, 모름: null}", "{true: true, false: false}")
    frame = polars.DataFrame(
        {
            "번호": [1, 2],
            "나이": [34, None],
            "혈당": [90.0, 0.0],
            "크기": [55, 12],
            "질환": [True, False],
            "흡연": [1, 2],
            "방문": [date(2020, 1, 2), None],
        }
    )
    frame.write_parquet(tmp_path / "rows.parquet")
    read = loaded(tmp_path, text)
    assert same(read.columns["glucose"], [900 / 180.156, None])
    assert same(read.columns["disease"], [1, 0])
    assert same(read.columns["smoking"], [0, 1])
    assert same(read.columns["seen"], [18263, None])
    assert read.persons == [b"1", b"2"]


def faults(folder: Path, text: str = SITE, rows: str = ROWS) -> list[str]:
    """The codes of what is wrong with the rows; no value of theirs is in any message."""
    with pytest.raises(DataFault) as fault:
        loaded(folder, text, rows)
    for language in LANGUAGES:
        assert "SECRET" not in fault.value.text(language)
    return [finding.code for finding in fault.value.findings]


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("SECRET2", "SECRET1", "person_repeated"),
        ("SECRET2", "", "person_missing"),
        ("51,", "151,", "values_out_of_range"),
        ("51,", "SECRET,", "numbers_unread"),
        ("51,", "51.5,", "numbers_unread"),
        ("51,", "nan,", "numbers_unread"),
        ("51,", "inf,", "numbers_unread"),
        ("51,", "５１,", "numbers_unread"),
        ("51,", '"1,051",', "numbers_unread"),
        (",예,1", ",SECRET,1", "values_unmapped"),
        (",예,1", ",예,3", "values_unmapped"),
        ("2020.01.02", "2020-01-02", "dates_unread"),
        ("2020.01.02", "1999.12.31", "dates_out_of_range"),
        ("혈당", "SECRET", "column_not_found"),
    ],
)
def test_faults_count_and_never_quote(tmp_path: Path, before: str, after: str, code: str) -> None:
    assert before in ROWS
    assert faults(tmp_path, rows=ROWS.replace(before, after, 1)) == [code]


def test_all_faults_of_the_rows_are_reported_at_once(tmp_path: Path) -> None:
    rows = ROWS.replace("51,", "151,").replace("SECRET2", "SECRET1").replace(",예,1", ",SECRET,1")
    assert faults(tmp_path, rows=rows) == ["values_out_of_range", "values_unmapped", "person_repeated"]


def test_a_date_that_means_missing(tmp_path: Path) -> None:
    text = SITE.replace('"%Y.%m.%d"}', '"%Y.%m.%d", missing: ["2026.12.31"], values: {2000.01.01: null}}')
    assert same(loaded(tmp_path, text).columns["seen"], [18263, None, None, None])


def test_rounding_at_the_end_of_a_range_is_no_fault(tmp_path: Path) -> None:
    rows = ROWS.replace("180.156", f"{60 * 18.0156!r}")
    assert np.nanmax(loaded(tmp_path, rows=rows).columns["glucose"]) <= 60


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("site: busan", "site: seoul", "site_not_in_study"),
        ("  size: {column: 크기, scale: 0.1}\n", "", "variable_unmapped"),
        ("unit: mg/dL, ", "", "unit_missing"),
        ("unit: mg/dL", "unit: cm", "unit_mismatch"),
        ("scale: 0.1", "unit: cm", "unit_unexpected"),
        ("나이, unit: a", "나이, unit: a, scale: 2", "scale_not_allowed"),
        ("2: former", "2: formr", "value_not_in_study"),
        ("예: true", "예: 1", "value_not_in_study"),
    ],
)
def test_a_site_file_that_does_not_fit_the_study(tmp_path: Path, before: str, after: str, code: str) -> None:
    assert before in SITE
    with pytest.raises(FileFault) as fault:
        loaded(tmp_path, SITE.replace(before, after, 1))
    assert [finding.code for finding in fault.value.findings] == [code]
    assert fault.value.findings[0].place.line is not None
    for language in LANGUAGES:
        assert fault.value.text(language)


def test_mass_needs_the_analyte(tmp_path: Path) -> None:
    text = SITE.replace("absent: {chol: not measured}", "").replace(
        "  size:", "  chol: {column: 혈당, unit: mg/dL}\n  size:"
    )
    with pytest.raises(FileFault, match="must name the analyte"):
        loaded(tmp_path, text)


def test_a_variable_of_another_study_is_a_warning(tmp_path: Path) -> None:
    text = SITE.replace("  size:", "  bmi: {column: 나이}\n  size:")
    assert [finding.code for finding in loaded(tmp_path, text).report.findings] == ["variable_not_in_study"]


def test_identical_rows_of_no_one_are_flagged_and_kept(tmp_path: Path) -> None:
    rows = "나이,혈당,크기,질환,흡연,방문\n" + "34,90,5,예,1,2020.01.02\n" * 3 + "35,90,5,예,1,2020.01.02\n"
    read = loaded(tmp_path, SITE.replace("person: 번호\n", ""), rows)
    assert read.n == 4
    assert read.duplicates.tolist() == [False, True, True, False]
    assert read.report.identical_rows == 2
    assert read.persons == [b"0", b"1", b"2", b"3"]
    assert [finding.code for finding in read.report.findings] == ["identical_rows"]


def test_a_sensitivity_analysis_can_leave_identical_rows_out(tmp_path: Path) -> None:
    rows = "나이,혈당,크기,질환,흡연,방문\n" + "34,90,5,예,1,2020.01.02\n" * 3 + "35,90,5,예,1,2020.01.02\n"
    source = SITE.replace("person: 번호\n", "identical_rows: drop\n")
    read = loaded(tmp_path, source, rows)
    assert read.n == 2
    assert read.columns["age"].tolist() == [34, 35]
    assert read.persons == [b"0", b"3"], "places in the file stay, so that folds do"


def test_the_wrong_encoding_trap(tmp_path: Path) -> None:
    """CP949 bytes decode as GB18030 without an error, into other characters: the names then match nothing."""
    with pytest.raises(DataFault) as fault:
        loaded(tmp_path, SITE.replace("cp949", "gb18030"))
    assert {finding.code for finding in fault.value.findings} == {"column_not_found"}
    assert "gb18030" in fault.value.text("en")


def test_characters_that_nobody_types_are_a_warning(tmp_path: Path) -> None:
    source = site(tmp_path, SITE.replace("cp949", "utf-8"))
    (tmp_path / "rows.csv").write_text(ROWS.replace("모름", "\ue000"), encoding="utf-8")
    codes = [(finding.code, finding.severity) for finding in examine(source, Study.parse(STUDY)).report.findings]
    assert ("odd_characters", "warning") in codes


def test_the_report_is_for_the_hospital(tmp_path: Path) -> None:
    rows = ROWS.replace(",예,1", ",아마도,1").replace("51,", "151,")
    report = examine(site(tmp_path, rows=rows), Study.parse(STUDY)).report
    by_name = {variable.name: variable for variable in report.variables}
    assert by_name["disease"].unmapped == (("아마도", 1),)
    assert by_name["age"].out_of_range == 1
    assert by_name["glucose"].marked == {"0": 2}
    assert by_name["age"].marked == {"-": 1}
    assert by_name["disease"].marked == {"모름": 1}
    assert by_name["glucose"].factor == pytest.approx(10 / 180.156)
    assert by_name["chol"].absent
    assert by_name["chol"].missing == 4
    for language in LANGUAGES:
        text = report.to_text(language)
        assert "아마도" in text
        assert "× 0.05550" in text
        assert "혈당" in text
    assert "SECRET" not in report.to_text("en")
    assert report.to_json("en")["people"] == 4


def test_no_one_is_read_too(tmp_path: Path) -> None:
    read = loaded(tmp_path, rows=ROWS.splitlines()[0] + "\n")
    assert read.n == 0
    assert all(len(column) == 0 for column in read.columns.values())
    assert read.report.to_text("ko")
    assert [(one.code, one.severity) for one in read.report.findings] == [("data_no_rows", "warning")]


def test_what_a_value_may_be_suits_the_variable(tmp_path: Path) -> None:
    """A whole number is not told to be 1.5."""
    with pytest.raises(DataFault) as fault:
        loaded(tmp_path, rows=ROWS.replace("51,", "51.5,", 1))
    assert "expected 0, 1, 2, …" in fault.value.text("en")


def test_booleans_and_levels_need_no_map_where_they_are_written_as_in_the_study(tmp_path: Path) -> None:
    text = SITE.replace(", values: {예: true, 아니오: false, 모름: null}", "").replace(
        ", values: {1: never, 2: former}", ""
    )
    rows = "번호,나이,혈당,크기,질환,흡연,방문\n1,34,90,5,TRUE,never,2020.01.02\n2,34,90,5,0,former,2020.01.02\n"
    read = loaded(tmp_path, text, rows)
    assert same(read.columns["disease"], [1, 0])
    assert same(read.columns["smoking"], [0, 1])


def test_dates_are_told_as_days_and_by_their_format(tmp_path: Path) -> None:
    rows = ROWS.replace("2020.01.02", "2020/01/02")
    report = examine(site(tmp_path, rows=rows), Study.parse(STUDY)).report
    (finding,) = [one for one in report.findings if one.code == "dates_unread"]
    assert finding.values["expected"] == "%Y.%m.%d"
    assert "2026-12-31" in report.to_text("en")


def test_a_column_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    report = examine(site(tmp_path, SITE.replace("column: 나이", "column: 연령")), Study.parse(STUDY)).report
    assert [one.code for one in report.findings] == ["column_not_found"]


def test_rows_that_are_not_divided_are_told_to_be_so(tmp_path: Path) -> None:
    text = SITE.replace("encoding: cp949", 'encoding: cp949, delimiter: "|"')
    report = examine(site(tmp_path, text), Study.parse(STUDY)).report
    assert [one.code for one in report.findings] == ["one_column"]


def test_bytes_of_another_encoding_are_told_with_their_file(tmp_path: Path) -> None:
    with pytest.raises(DataFault) as told:
        examine(site(tmp_path, SITE.replace("encoding: cp949", "encoding: utf-8")), Study.parse(STUDY))
    assert told.value.findings[0].place.file == "rows.csv"


def test_methods_of_a_policy_that_are_none_are_told(tmp_path: Path) -> None:
    report = examine(site(tmp_path, SITE + "policy: {methods: [descrbe]}\n"), Study.parse(STUDY)).report
    assert [(one.code, one.severity) for one in report.findings] == [("unknown_method", "warning")]
    with pytest.raises(FileFault) as told:
        examine(site(tmp_path, SITE + "policy: {referral: [mixd]}\n"), Study.parse(STUDY))
    assert [one.code for one in told.value.findings] == ["referral_unknown"]
