"""The text of a Word document (.docx), paragraph by paragraph: a zip of XML that may be hostile, read without trust.

Office Open XML (ECMA-376, part 1, 17.3): runs of text in paragraphs. A word may be cut into many runs, so a paragraph
is put together before it is read. A document type, which entity attacks need, is refused; so is what unpacks too large.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from gagyo.errors import FileFault
from gagyo.finding import Finding, Place
from gagyo.zipped import NO_ZIP, TooLarge, part

LARGEST = 20_000_000
"""Bytes of one part, unpacked."""
NAMESPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main "
TEXT, PARAGRAPH = NAMESPACE + "t", NAMESPACE + "p"
BREAKS = {NAMESPACE + "tab": "\t", NAMESPACE + "br": "\n", NAMESPACE + "noBreakHyphen": "-"}
HIDDEN = {NAMESPACE + "moveFrom", "http://schemas.openxmlformats.org/markup-compatibility/2006 Fallback"}
"""What a reader does not see: text that a tracked change moved away, and the second copy of a text box."""
PARTS = ("word/document.xml", "word/footnotes.xml", "word/endnotes.xml")


class _Doctype(Exception):
    """The XML declares a document type."""


@dataclass
class _Reader:
    """Collects the paragraphs of one part."""

    paragraphs: list[str] = field(default_factory=list)
    _open: list[list[str]] = field(default_factory=list)
    _hidden: int = 0
    _in_text: bool = False

    def start(self, name: str, _: Any) -> None:
        """An element begins."""
        self._hidden += name in HIDDEN
        self._in_text = name == TEXT
        if name == PARAGRAPH:
            self._open.append([])
        elif name in BREAKS and self._open:
            self._open[-1].append(BREAKS[name])

    def end(self, name: str) -> None:
        """An element ends."""
        self._hidden -= name in HIDDEN
        self._in_text = False
        if name == PARAGRAPH and self._open:
            self.paragraphs.append("".join(self._open.pop()))

    def characters(self, text: str) -> None:
        """Text of an element."""
        if self._in_text and not self._hidden and self._open:
            self._open[-1].append(text)

    def doctype(self, *_: Any) -> None:
        """A document type: Word writes none."""
        raise _Doctype


def paragraphs(path: Path) -> list[str]:
    """The paragraphs of a document in order: the body, with tables and text boxes, then foot- and endnotes.

    Raises:
        FileFault: it is no Word document, is damaged, declares a document type, or unpacks too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if PARTS[0] not in names:
                raise _fault("prose_unreadable", path)
            parts = [name for name in PARTS if name in names]
            return [one for name in parts for one in _read(part(archive, name, LARGEST))]
    except FileNotFoundError:
        raise _fault("file_not_found", path) from None
    except TooLarge:
        values = {"found": f"> {LARGEST}", "expected": LARGEST}
        raise FileFault(Finding("file_too_large", place=Place(str(path)), values=values)) from None
    except (*NO_ZIP, expat.ExpatError, _Doctype):
        raise _fault("prose_unreadable", path) from None


def _read(content: bytes) -> list[str]:
    reader, parser = _Reader(), expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = reader.characters, reader.doctype
    parser.Parse(content, True)
    return reader.paragraphs


def _fault(code: str, path: Path) -> FileFault:
    return FileFault(Finding(code, place=Place(str(path)), values={"found": path.name}))
