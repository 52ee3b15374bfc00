"""Reads parts of a ZIP file that a stranger may have made: nothing too large is unpacked, and every fault is known."""

from __future__ import annotations

import struct
import zipfile
import zlib

NO_ZIP = (
    *(OSError, EOFError, zipfile.BadZipFile, zlib.error, struct.error),
    *(RuntimeError, OverflowError, LookupError, ValueError),
)
"""What `zipfile` raises for files that are none or damaged, and for versions, ciphers and encodings that it does not
know."""


class TooLarge(ValueError):
    """A part that is larger than it may be."""


def part(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """A part's bytes; TooLarge beyond `most`, one of NO_ZIP where it cannot be read.

    The size that a file states may be a lie, so that no more than the limit is unpacked.
    """
    with archive.open(name) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise TooLarge(name)
    return content
