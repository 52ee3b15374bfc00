"""Files that people write (YAML 1.2): every entry with its line, and all faults collected before any is raised."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from gagyo.errors import FileFault, GagyoError
from gagyo.finding import Finding, Place
from gagyo.protocol.guards import listed, nearest, short
from gagyo.result import Words
from gagyo.text import LANGUAGES, Text
from gagyo.tree import Items, Node, Pairs, Scalar, tree_of

LARGEST = 1_000_000
NAME = r"[a-z][a-z0-9_]*"
ID = r"[a-z][a-z0-9-]*"
SITE = r"[a-z][a-z0-9_-]*"
COUNTRY = r"[A-Z]{2}"
EPOCH = date(1970, 1, 1)

Table = dict[str, "Entry"]


@dataclass
class Document:
    """One file while it is read: its name and the findings so far."""

    file: str
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class Entry:
    """One entry of a file. `value` is a scalar, a list of entries or a table; `raw` is a scalar as it was written."""

    document: Document
    line: int
    path: str
    value: Any
    raw: str = ""

    @property
    def place(self) -> Place:
        return Place(self.document.file, self.line, self.path)

    def fault(self, code: str, **values: object) -> None:
        """Note a fault at this entry."""
        self.document.findings.append(Finding(code, place=self.place, values=values))

    def attempt(self, read: Callable[[], Any]) -> Any:
        """What `read` gives; where it raises, its findings are noted at this entry and None is given."""
        try:
            return read()
        except GagyoError as fault:
            self.document.findings += [replace(finding, place=self.place) for finding in fault.findings]
            return None

    def wrong(self, expected: str) -> None:
        """Note that this entry is not of the expected kind, a key of the `expected` page."""
        self.fault("wrong_type", found=self.shown, expected=Words(f"expected.{expected}"))

    @property
    def shown(self) -> object:
        """What was found, for a message."""
        if isinstance(self.value, dict):
            return Words("expected.table")
        if isinstance(self.value, list):
            return Words("expected.list")
        return short(self.raw) or '""'

    # ── shapes: each gives None (or nothing) and notes a fault where the entry is something else ──────────────────

    def table(self, required: Iterable[str] = (), optional: Iterable[str] | None = ()) -> Table:
        """The entries by key; missing and unknown keys are noted. `optional=None` allows any key."""
        if not isinstance(self.value, dict):
            self.wrong("table")
            return {}
        required = tuple(required)
        for key in required:
            if key not in self.value:
                self.fault("missing_key", found=listed(self.value), expected=key)
        if optional is not None:
            self._check_keys(tuple(dict.fromkeys((*required, *optional))))
        return self.value

    def _check_keys(self, known: tuple[str, ...]) -> None:
        for key, entry in self.value.items():
            if key not in known:
                entry.fault("unknown_key", found=short(key), expected=listed(known), hint=nearest(key, known))

    def check_kind(self, other: str, marks: Iterable[str], own: Iterable[str]) -> None:
        """Raise FileFault `other` where the entries are another kind of file's: all of its `marks`, none of its `own`.

        Two files lie side by side and are taken for each other; thirty faults would hide that.
        """
        if isinstance(self.value, dict) and not set(own) & set(self.value) and set(marks) <= set(self.value):
            raise _fault(other, self.document.file)

    def named(self, pattern: str = NAME) -> Table:
        """A table whose keys are names that the writer chose."""
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            self.wrong("table")
            return {}
        for key, entry in self.value.items():
            if not re.fullmatch(pattern, key):
                entry.fault("bad_name", found=short(key), expected=pattern)
        return self.value

    def items(self) -> list[Entry]:
        """The entries of a list."""
        if isinstance(self.value, list):
            return self.value
        self.wrong("list")
        return []

    def text(self, pattern: str | None = None, code: str = "bad_name") -> str | None:
        """A text that is not empty; numbers and dates count as they were written. code: of one of another form."""
        if isinstance(self.value, (dict, list)) or self.value is None or not self.raw.strip():
            self.wrong("text")
            return None
        if pattern is not None and not re.fullmatch(pattern, self.raw):
            self.fault(code, found=short(self.raw), expected=pattern)
            return None
        return self.raw

    def one_of(self, names: Iterable[str]) -> str | None:
        """One of some names."""
        names = list(names)
        if isinstance(self.value, (dict, list)) or self.raw not in names:
            self.fault("not_one_of", found=self.shown, expected=listed(names), hint=nearest(self.raw, names))
            return None
        return self.raw

    def whole(self, least: int, most: int | None = None) -> int | None:
        """A whole number of at least `least`."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            self.wrong("integer")
            return None
        if self.value < least or (most is not None and self.value > most):
            shown = f"≥ {least}" if most is None else f"{least}–{most}"
            self.fault("out_of_bounds", found=self.value, expected=shown)
            return None
        return self.value

    def number(self) -> float | None:
        """A finite number."""
        if isinstance(self.value, (int, float)) and not isinstance(self.value, bool) and abs(self.value) < 1e300:
            return float(self.value)
        self.wrong("number")
        return None

    def truth(self) -> bool | None:
        """`true` or `false`."""
        if isinstance(self.value, bool):
            return self.value
        self.wrong("boolean")
        return None

    def day(self) -> date | None:
        """A date, YYYY-MM-DD."""
        try:
            if isinstance(self.value, (dict, list)) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", self.raw):
                raise ValueError
            return date.fromisoformat(self.raw)
        except ValueError:
            self.fault("bad_date", found=self.shown)
            return None

    def label(self) -> Text:
        """A text in all three languages."""
        if not isinstance(self.value, dict):
            self.fault("translation_missing", found=self.shown, expected=listed(LANGUAGES))
            return Text("")
        self._check_keys(LANGUAGES)
        absent = [language for language in LANGUAGES if not self._said(language)]
        if absent:
            self.fault("translation_missing", found=listed(self.value), expected=listed(absent))
        return Text(**{language: self._said(language) for language in LANGUAGES})

    def _said(self, language: str) -> str:
        entry = self.value.get(language)
        return entry.raw.strip() if entry is not None and not isinstance(entry.value, (dict, list)) else ""

    def plain(self) -> Any:
        """The entry as plain Python: dates as text, tables as dictionaries."""
        if isinstance(self.value, dict):
            return {key: entry.plain() for key, entry in self.value.items()}
        if isinstance(self.value, list):
            return [entry.plain() for entry in self.value]
        return self.value

    def lines(self) -> Iterator[tuple[str, int]]:
        """The line of every entry below this one, by its dotted path from here."""
        inner: Iterable[tuple[str, Entry]] = ()
        if isinstance(self.value, dict):
            inner = self.value.items()
        elif isinstance(self.value, list):
            inner = ((str(index), entry) for index, entry in enumerate(self.value))
        for key, entry in inner:
            yield key, entry.line
            yield from ((f"{key}.{path}", line) for path, line in entry.lines())


# ── from bytes to entries ─────────────────────────────────────────────────────────────────────────────────────────


def read_text(path: Path) -> str:
    """A file's text, UTF-8 with or without a byte order mark.

    Raises:
        FileFault: there is no such file, it is over 1 MB, or it is not UTF-8.
    """
    file = str(path)
    try:
        if path.stat().st_size > LARGEST:
            raise _fault("file_too_large", file, found=path.stat().st_size, expected=LARGEST)
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise _fault("file_encoding", file, found=fault.start, expected="UTF-8") from None
    except IsADirectoryError:
        raise _fault("file_is_folder", "", found=file) from None
    except OSError:
        raise _fault("file_not_found", "", found=file) from None


def read_entries(text: str, file: str) -> Entry:
    """The root entry of a YAML text. Duplicate keys, anchors, aliases and tags are noted or refused, with their lines.

    Raises:
        FileFault: the text is over 1 MB, is not YAML, or uses what can make a small text a large one.
    """
    if len(text.encode()) > LARGEST:
        raise _fault("file_too_large", file, found=len(text.encode()), expected=LARGEST)
    try:
        root = tree_of(text)
    except FileFault as fault:
        found = [replace(one, place=replace(one.place, file=file), values=_cut(one.values)) for one in fault.findings]
        raise FileFault(*found) from None
    return _entry(root, "", Document(file))


def _cut(values: Mapping[str, object]) -> dict[str, object]:
    return {name: short(value) for name, value in values.items()}


def _fault(code: str, file: str, **values: object) -> FileFault:
    return FileFault(Finding(code, place=Place(file), values=values))


def _entry(node: Node, path: str, document: Document, line: int | None = None) -> Entry:
    line = node.line if line is None else line
    if isinstance(node, Pairs):
        return Entry(document, line, path, _table(node, path, document))
    if isinstance(node, Items):
        items = [_entry(item, f"{path}[{index}]", document) for index, item in enumerate(node.nodes)]
        return Entry(document, line, path, items)
    return Entry(document, line, path, node.value, node.raw)


def _table(pairs: Pairs, path: str, document: Document) -> Table:
    entries: Table = {}
    for key, node in pairs.nodes:
        if not isinstance(key, Scalar):
            document.findings.append(Finding("yaml_key", place=Place(document.file, key.line, path)))
            continue
        inner = f"{path}.{key.raw}" if path else key.raw
        entry = _entry(node, inner, document, key.line)
        if key.raw in entries:
            entry.fault("yaml_duplicate_key", found=short(key.raw), expected=entries[key.raw].line)
        entries[key.raw] = entry
    return entries
