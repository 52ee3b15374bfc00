"""The encodings of text files that a hospital may declare, by the names that people write for them."""

from __future__ import annotations

import codecs

ENCODINGS = (
    *("utf-8", "utf-8-sig", "cp949", "euc-kr", "gb18030", "gbk", "gb2312", "big5"),
    *("utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1", "ascii"),
)

_BY_CODEC = {codecs.lookup(name).name: name for name in ENCODINGS}


def encoding_of(written: str) -> str | None:
    """The encoding that a name means, in capitals or by another name of it (UTF8, EUC-KR, UHC); None for any other."""
    try:
        return _BY_CODEC.get(codecs.lookup(written).name)
    except (LookupError, ValueError):
        return None
