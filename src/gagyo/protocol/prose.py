"""Whether a protocol document says what the study file says: values marked in Markdown or Word, each compared.

A marked value is `[[path: value]]`, where the path is the way to an entry of the study file, as its findings write it
(`analyses.algorithm.threshold.sensitivity`). It is plain text, so it survives Word, tracked changes and copying; the
full-width brackets and colon of a Korean or Chinese keyboard are the same, and so are typographic quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from gagyo.errors import FileFault
from gagyo.finding import Finding, Place
from gagyo.protocol.guards import listed, short
from gagyo.protocol.word import paragraphs
from gagyo.protocol.written import Entry, read_entries, read_text

MARK = re.compile(r"(?:\[\[|［［|【【)(.*?)(?:\]\]|］］|】】)", re.DOTALL)
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.DOTALL | re.MULTILINE)
QUOTES = "\"'“”‘’「」『』«»"
TRUTH = {"true": True, "false": False, "yes": True, "no": False, "예": True, "아니오": False, "是": True, "否": False}
OTHERS = frozenset({".doc", ".hwp", ".hwpx", ".odt", ".pages", ".pdf", ".rtf", ".wps"})
"""Documents that are neither text nor Word's own format."""


@dataclass(frozen=True)
class Marked:
    """One marked value, and where it stands: a line of Markdown, or a paragraph of a Word document."""

    text: str
    place: Place


def check_prose(document: Path, study: Path) -> list[Finding]:
    """Everything in which a document's marked values differ from the study file; empty where all agree.

    Raises:
        FileFault: one of the two cannot be read.
    """
    root = read_entries(read_text(study), str(study))
    found = list(marked(document))
    if not found:
        return [Finding("prose_nothing", place=Place(str(document)), values={"found": document.name})]
    return [finding for one in found if (finding := _compare(one, root)) is not None]


def marked(document: Path) -> Iterator[Marked]:
    """The marked values of a document. Code in Markdown shows marks without making any."""
    if document.suffix.lower() == ".docx":
        for number, text in enumerate(paragraphs(document), 1):
            for match in MARK.finditer(text):
                yield Marked(match[1], Place(str(document), path=f"¶ {number}"))
        return
    if document.suffix.lower() in OTHERS:
        raise FileFault(Finding("prose_kind", place=Place(str(document)), values={"found": document.suffix}))
    text = CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), read_text(document))
    for match in MARK.finditer(text):
        yield Marked(match[1], Place(str(document), text.count("\n", 0, match.start()) + 1))


def _compare(one: Marked, root: Entry) -> Finding | None:
    path, said = (part.strip() for part in [*re.split("[:：]", one.text, maxsplit=1), ""][:2])
    if not path or not said:
        return Finding("prose_mark", place=one.place, values={"found": short(one.text)})
    entry, known = _entry(root, path)
    if entry is None:
        values = {"found": short(path), "expected": listed(known) or "-"}
        return Finding("prose_unknown", place=one.place, values=values)
    if same(said, entry):
        return None
    values = {"found": short(said), "expected": short(_shown(entry)), "path": path, "where": str(entry.place)}
    return Finding("prose_differs", place=one.place, values=values)


def _entry(root: Entry, path: str) -> tuple[Entry | None, Sequence[str]]:
    """The entry of a dotted path, or the keys where the path ends in nothing."""
    entry = root
    for name in path.split("."):
        name = name.strip()
        if isinstance(entry.value, dict) and name in entry.value:
            entry = entry.value[name]
        elif isinstance(entry.value, list) and name.isdigit() and int(name) < len(entry.value):
            entry = entry.value[int(name)]
        else:
            inside = list(map(str, range(len(entry.value)))) if isinstance(entry.value, list) else ()
            return None, list(entry.value) if isinstance(entry.value, dict) else inside
    return entry, ()


def same(said: str, entry: Entry) -> bool:
    """Whether a text says what an entry says: numbers by value, 95% as 0.95, lists in any order, else letters."""
    if isinstance(entry.value, dict):
        return False
    if isinstance(entry.value, list):
        parts = [part for part in re.split("[,，、;；]", said.strip().strip("[]")) if part.strip()]
        left = list(entry.value)
        for part in parts:
            match = next((one for one in left if same(part, one)), None)
            if match is None:
                return False
            left.remove(match)
        return not left
    text = said.strip().strip(QUOTES).strip()
    if isinstance(entry.value, bool):
        return TRUTH.get(text.casefold()) is entry.value
    if isinstance(entry.value, (int, float)):
        return _number(text) == _number(entry.raw)
    return " ".join(text.split()) == " ".join(str(entry.value).split())


def _number(text: str) -> Decimal | str:
    """A number's value; a text that is none stays what it is, and so equals no number."""
    plain = re.sub(r"(?<=\d),(?=\d{3}(\D|$))", "", text.replace("−", "-").replace("\u00a0", "").replace("\u202f", ""))
    percent = re.fullmatch(r"(.*?)\s*[%％]", plain)
    try:
        return Decimal(percent[1]) / 100 if percent else Decimal(plain)
    except InvalidOperation:
        return f"not a number: {text}"


def _shown(entry: Entry) -> str:
    if isinstance(entry.value, list):
        return ", ".join(_shown(one) for one in entry.value)
    return listed(entry.value) if isinstance(entry.value, dict) else entry.raw
