"""Reads delimited text strictly in the encoding that the site file declares: nothing is guessed, all is text."""

from __future__ import annotations

import codecs
import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars

from gagyo.errors import DataFault
from gagyo.finding import Finding
from gagyo.protocol.guards import listed

if TYPE_CHECKING:
    from gagyo.site.site_file import SiteFile

# The longer mark first: UTF-32's begins with UTF-16's.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
"""How .xlsx (a ZIP archive) and .xls files begin."""
QUOTE = ord('"')
NEWLINE = ord("\n")


def read(site_file: SiteFile, folder: Path) -> polars.DataFrame:
    """The file's rows as text columns; an empty field is null.

    Raises:
        DataFault: no such file, a workbook, not the declared encoding, another file's byte order mark, a row with more
            or fewer fields than the header, or a column name twice. Rows count from 1, the header included.
    """
    source = site_file.data
    try:
        raw = (folder / source.path).read_bytes()
    except OSError:
        raise _fault("data_not_found", found=source.path) from None
    if raw.startswith(WORKBOOKS):
        raise _fault("data_is_workbook")
    text = decode(raw, source.encoding)
    del raw
    plain = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").encode()
    header = _header(plain, source.delimiter, source.header)
    _check_ragged(plain, source.delimiter, len(header))
    return _frame(plain, source.delimiter, header, skip=int(source.header))


def decode(raw: bytes, encoding: str) -> str:
    """Text from bytes, by the declared encoding and no other."""
    mark = next((name for mark, name in MARKS if raw.startswith(mark)), "")
    if mark and not _agrees(mark, encoding):
        raise _fault("bom_mismatch", found=mark, expected=encoding)
    try:
        return raw.decode("utf-8-sig" if encoding == "utf-8" else encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as fault:
        row = raw[: fault.start].count(b"\n") + 1
        raise _fault("not_decodable", found=fault.start, row=row, expected=encoding) from None


def _agrees(mark: str, encoding: str) -> bool:
    return encoding.startswith(mark)


def _header(plain: bytes, delimiter: str, written: bool) -> list[str]:
    """The column names; numbers from 1 where the file has no header row."""
    if not plain.strip():
        raise _fault("data_empty")
    first = next(csv.reader(io.StringIO(plain.decode(), newline=""), delimiter=delimiter))
    if not written:
        return [str(index + 1) for index in range(len(first))]
    names = [name.strip() for name in first]
    if repeated := [index + 1 for index, name in enumerate(names) if names.count(name) > 1]:
        raise _fault("column_repeated", found=listed(repeated))
    return names


def _check_ragged(plain: bytes, delimiter: str, width: int) -> None:
    """Every row must have as many fields as the header; separators and line ends inside quotes do not count."""
    codes = np.frombuffer(plain, dtype=np.uint8)
    outside = np.ones(len(codes), dtype=bool)
    if (quotes := codes == QUOTE).any():
        outside = np.cumsum(quotes, dtype=np.uint8) % 2 == 0
    ends = np.flatnonzero((codes == NEWLINE) & outside)
    separators = np.flatnonzero((codes == ord(delimiter)) & outside)
    before = np.append(np.searchsorted(separators, ends), len(separators))
    fields = np.diff(before, prepend=0) + 1
    bad = np.flatnonzero(fields != width)
    if len(bad):
        raise _fault("row_ragged", row=int(bad[0]) + 1, found=int(fields[bad[0]]), expected=width, count=len(bad))


def _frame(plain: bytes, delimiter: str, header: list[str], skip: int) -> polars.DataFrame:
    """polars's message is dropped, since it quotes the row that it could not read."""
    schema = dict.fromkeys(header, polars.String)
    if skip and plain.count(b"\n") == 0:
        return polars.DataFrame(schema=schema)
    try:
        frame = polars.read_csv(plain, separator=delimiter, has_header=bool(skip), infer_schema=False)
    except polars.exceptions.PolarsError:
        raise _fault("data_unreadable", found="csv") from None
    frame.columns = header
    return frame


def _fault(code: str, **values: object) -> DataFault:
    return DataFault(Finding(code, values=values))
