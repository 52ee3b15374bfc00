"""CSV and Parquet: declared encodings read to the letter, wrong ones found, and no row quoted in any message."""

from __future__ import annotations

import csv as writer
import io
from pathlib import Path

import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gagyo.errors import DataFault
from gagyo.site.connectors import csv, names, parquet, read_rows
from gagyo.site.site_file import SiteFile, Source
from gagyo.text import LANGUAGES

KOREAN = "환자번호,나이,혈당\nP1,34,5.5\nP2,가나다,\n"
CHINESE = "病案号,年龄,血糖\nP1,34,5.5\nP2,中文,\n"


def site(folder: Path, raw: bytes, encoding: str = "utf-8", delimiter: str = ",", header: bool = True) -> SiteFile:
    (folder / "rows.csv").write_bytes(raw)
    source = Source("csv", "rows.csv", encoding, delimiter, header)
    return SiteFile("seoul", "KR", source, {}, file=str(folder / "site.yaml"))


def code(fault: pytest.ExceptionInfo[DataFault]) -> str:
    for language in LANGUAGES:
        assert fault.value.text(language)
    (finding,) = fault.value.findings
    return finding.code


def test_the_connectors_are_the_files() -> None:
    assert names() == ("csv", "parquet")


@pytest.mark.parametrize(
    ("text", "encoding", "declared"),
    [
        (KOREAN, "cp949", "cp949"),
        (KOREAN, "euc-kr", "euc-kr"),
        (KOREAN, "utf-8", "utf-8"),
        (KOREAN, "utf-8-sig", "utf-8"),
        (KOREAN, "utf-8-sig", "utf-8-sig"),
        (KOREAN, "utf-8", "utf-8-sig"),
        (KOREAN, "utf-16", "utf-16"),
        (KOREAN, "gb18030", "gb18030"),
        (CHINESE, "gb18030", "gb18030"),
        (CHINESE, "gbk", "gb18030"),
        (CHINESE, "utf-8-sig", "utf-8"),
    ],
)
def test_a_file_reads_as_it_was_written(tmp_path: Path, text: str, encoding: str, declared: str) -> None:
    frame = read_rows(site(tmp_path, text.encode(encoding), declared))
    lines = [line.split(",") for line in text.splitlines()]
    assert frame.columns == lines[0]
    assert frame.rows() == [tuple(cell or None for cell in line) for line in lines[1:]]
    assert set(frame.dtypes) == {polars.String}


@pytest.mark.parametrize(
    ("raw", "declared", "expected"),
    [
        (KOREAN.encode("utf-8-sig"), "cp949", "bom_mismatch"),
        (KOREAN.encode("utf-16"), "utf-8", "bom_mismatch"),
        (KOREAN.encode("utf-8"), "ascii", "not_decodable"),
        (KOREAN.encode("cp949"), "utf-8", "not_decodable"),
        (CHINESE.encode("gb18030"), "utf-8", "not_decodable"),
        (b"PK\x03\x04\x14\x00\x06\x00", "utf-8", "data_is_workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", "cp949", "data_is_workbook"),
        (b"", "utf-8", "data_empty"),
        (b"a,a\n1,2\n", "utf-8", "column_repeated"),
        (b"a,b\n1,2\n1\n", "utf-8", "row_ragged"),
        (b"a,b\n1,2,3\n", "utf-8", "row_ragged"),
        (b"a,b\n1,2\n\n3,4\n", "utf-8", "row_ragged"),
        (b'a,b\n1,"2\n3,4\n', "utf-8", "data_unreadable"),
    ],
)
def test_a_fault_has_its_code(tmp_path: Path, raw: bytes, declared: str, expected: str) -> None:
    with pytest.raises(DataFault) as fault:
        read_rows(site(tmp_path, raw, declared))
    assert code(fault) == expected
    assert fault.value.text("en").startswith("rows.csv: ")


def test_messages_say_where_and_never_what(tmp_path: Path) -> None:
    secret = "Hong-Gildong-880101"
    for raw in (f"a,b\n1,2\n{secret},1,2\n".encode(), f"a,b\n1,{secret}\n".encode() + b"\xff\xfe,1\n"):
        with pytest.raises(DataFault) as fault:
            read_rows(site(tmp_path, raw))
        assert secret not in str(fault.value)
        assert fault.value.findings[0].values["row"] == 3
        assert fault.value.__cause__ is None
        assert fault.value.__suppress_context__ or fault.value.__context__ is None


def test_columns_of_one_name_are_told_by_their_places(tmp_path: Path) -> None:
    with pytest.raises(DataFault) as fault:
        read_rows(site(tmp_path, b"id,SECRET,age,SECRET,age\n1,2,3,4,5\n"))
    assert fault.value.findings[0].values["found"] == "2, 3, 4, 5"
    assert "SECRET" not in str(fault.value)


def test_quotes_that_polars_cannot_read_are_a_fault_without_the_row(tmp_path: Path) -> None:
    with pytest.raises(DataFault) as fault:
        read_rows(site(tmp_path, b'a,b\n"SECRET" y,2\n'))
    assert code(fault) == "data_unreadable"
    assert "SECRET" not in str(fault.value)


def test_quoted_delimiters_and_line_ends_are_content(tmp_path: Path) -> None:
    raw = b'a;b\r\n"x;1";"l1\r\nl2"\r\n"q""q";\r\n'
    assert read_rows(site(tmp_path, raw, delimiter=";")).rows() == [("x;1", "l1\nl2"), ('q"q', None)]


def test_a_file_without_a_header_counts_its_columns(tmp_path: Path) -> None:
    frame = read_rows(site(tmp_path, b"1,2\n3,4\n", header=False))
    assert frame.columns == ["1", "2"]
    assert frame.rows() == [("1", "2"), ("3", "4")]


def test_a_header_alone_is_no_one(tmp_path: Path) -> None:
    assert read_rows(site(tmp_path, b"a,b\n")).shape == (0, 2)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    source = Source("csv", "none.csv", "utf-8")
    with pytest.raises(DataFault) as fault:
        csv.read(SiteFile("seoul", "KR", source, {}), tmp_path)
    assert code(fault) == "data_not_found"


cells = st.text(st.characters(codec="cp949", exclude_characters="\r\x00", exclude_categories=["Cs"]), max_size=8)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=8), st.sampled_from(["cp949", "gb18030"]))
def test_what_a_csv_writer_wrote_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], encoding: str
) -> None:
    out = io.StringIO(newline="")
    told = writer.writer(out, quoting=writer.QUOTE_ALL, lineterminator="\r\n")
    told.writerows([["나이", "b", "c"], *rows])
    frame = read_rows(site(tmp_path_factory.mktemp("rows"), out.getvalue().encode(encoding), encoding))
    assert [[cell or "" for cell in row] for row in frame.rows()] == rows


def test_parquet_keeps_types(tmp_path: Path) -> None:
    frame = polars.DataFrame({"나이": [1, 2, None], "b": ["x", None, "y"]})
    frame.write_parquet(tmp_path / "rows.parquet")
    site_file = SiteFile("seoul", "KR", Source("parquet", "rows.parquet"), {}, file=str(tmp_path / "site.yaml"))
    assert read_rows(site_file).equals(frame)


@pytest.mark.parametrize("raw", [None, b"PAR1 SECRET"])
def test_what_is_not_parquet_is_a_fault(tmp_path: Path, raw: bytes | None) -> None:
    if raw is not None:
        (tmp_path / "rows.parquet").write_bytes(raw)
    with pytest.raises(DataFault) as fault:
        parquet.read(SiteFile("seoul", "KR", Source("parquet", "rows.parquet"), {}), tmp_path)
    assert code(fault) == ("data_not_found" if raw is None else "data_unreadable")
    assert "SECRET" not in str(fault.value)
