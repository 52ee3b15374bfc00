"""The site file: where a hospital's data is, how its columns become the study's variables, and what its policy is.

It stays at the hospital. Nothing in it travels but through the mapping that it describes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gagyo.errors import check_none
from gagyo.finding import Finding, Place
from gagyo.protocol.encodings import ENCODINGS, encoding_of
from gagyo.protocol.governance import Party, read_party
from gagyo.protocol.ucum import is_unit
from gagyo.protocol.written import COUNTRY, NAME, SITE, Entry, Table, read_entries, read_text
from gagyo.site.policy import Policy, policy_of
from gagyo.text import Text

REQUIRED = ("site", "country", "data", "variables")
OPTIONAL = ("label", "person", "missing", "absent", "identical_rows", "policy", "governance")
DATA = ("connector", "path", "encoding", "delimiter", "header")
COLUMN = ("column", "unit", "scale", "missing", "values", "date_format")
CONNECTORS = ("csv", "parquet")
Given = bool | int | float | str | None


@dataclass(frozen=True)
class Marker:
    """A value that means missing; it matches as text, and as a number where it is one (0 matches "0" and "0.0")."""

    text: str
    number: float | None = None

    @classmethod
    def of(cls, text: str) -> Marker:
        """The marker that a text writes."""
        try:
            number = float(text)
        except ValueError:
            return cls(text)
        return cls(text, number if math.isfinite(number) else None)


@dataclass(frozen=True)
class Source:
    """Where the rows are. `path` is relative to the site file's folder, or absolute."""

    connector: str
    path: str
    encoding: str = ""
    delimiter: str = ","
    header: bool = True

    @property
    def told(self) -> bool:
        """Whether the site file says, without a fault, where the rows are and how they are read."""
        return bool(self.path and self.connector and (self.encoding or self.connector != "csv"))


@dataclass(frozen=True)
class Column:
    """How one column becomes one variable: missing markers first, then `values`, then unit or scale."""

    variable: str
    column: str
    unit: str = ""
    scale: float | None = None
    missing: tuple[Marker, ...] = ()
    values: Mapping[str, Given] = field(default_factory=dict)
    date_format: str = "%Y-%m-%d"
    line: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class SiteFile:
    """One hospital's site file. `absent` gives, by variable, why the hospital never records it.

    governance: what the hospital states of itself and its data for the rules; None where it states nothing.
    """

    site: str
    country: str
    data: Source
    variables: dict[str, Column]
    label: Text = field(default_factory=lambda: Text(""))
    person: str = ""
    missing: tuple[Marker, ...] = ()
    absent: dict[str, str] = field(default_factory=dict)
    identical_rows: str = "keep"
    policy: Policy = field(default_factory=Policy)
    governance: Party | None = None
    file: str = field(default="", compare=False)
    lines: dict[str, int] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def read(cls, path: str | Path) -> SiteFile:
        """The site file at a path.

        Raises:
            FileFault: with a finding, with its line, for each fault.
        """
        return cls.parse(read_text(Path(path)), str(path))

    @classmethod
    def parse(cls, text: str, file: str = "site.yaml") -> SiteFile:
        """The site file of a YAML text; raises as `read` does."""
        site_file, found = _read(text, file)
        check_none(found)
        assert site_file is not None  # what cannot be read at all is a fault
        return site_file

    @classmethod
    def sketch(cls, path: str | Path) -> tuple[SiteFile | None, list[Finding]]:
        """A site file as far as it can be read, and its faults: to say what else is wrong, and for nothing more."""
        return _read(read_text(Path(path)), str(path))

    @property
    def folder(self) -> Path:
        """The folder that the data's path is relative to."""
        return Path(self.file).parent

    def place(self, path: str) -> Place:
        """Where an entry stands."""
        return Place(self.file, self.lines.get(path), path)


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _read(text: str, file: str) -> tuple[SiteFile | None, list[Finding]]:
    root = read_entries(text, file)
    root.check_kind("a_study_file", ("gagyo", "study"), ("site", "data"))
    site_file = _site_file(root)
    return site_file, sorted(root.document.findings, key=lambda finding: finding.place.line or 0)


def _site_file(root: Entry) -> SiteFile | None:
    keys = root.table(REQUIRED, OPTIONAL)
    if not keys:
        return None
    variables, site = _columns(keys), _text(keys, "site", SITE)
    return SiteFile(
        site=site,
        country=_text(keys, "country", COUNTRY, "bad_country"),
        data=_source(keys),
        variables=variables,
        label=keys["label"].label() if "label" in keys else Text(site, site, site),
        person=_text(keys, "person"),
        missing=_markers(keys),
        absent=_absent(keys, variables),
        identical_rows=(keys["identical_rows"].one_of(("keep", "drop")) if "identical_rows" in keys else None)
        or "keep",
        policy=policy_of(keys["policy"]) if "policy" in keys else Policy(),
        governance=_governance(keys),
        file=root.document.file,
        lines=dict(root.lines()),
    )


def _text(keys: Table, key: str, pattern: str | None = None, code: str = "bad_name") -> str:
    return (keys[key].text(pattern, code) or "") if key in keys else ""


def _source(keys: Table) -> Source:
    inner = keys["data"].table(DATA[:2], DATA[2:]) if "data" in keys else {}
    connector = inner["connector"].one_of(CONNECTORS) if "connector" in inner else None
    if connector == "csv" and "encoding" not in inner:
        keys["data"].fault("encoding_undeclared", expected=", ".join(ENCODINGS))
    encoding = _encoding(inner["encoding"]) if "encoding" in inner else None
    header = inner["header"].truth() if "header" in inner else True
    return Source(connector or "", _text(inner, "path"), encoding or "", _delimiter(inner), header is not False)


def _encoding(entry: Entry) -> str | None:
    known = encoding_of(entry.raw) if isinstance(entry.value, str) else None
    return known or entry.one_of(ENCODINGS)


def _delimiter(inner: Table) -> str:
    if "delimiter" not in inner:
        return ","
    raw = inner["delimiter"].raw
    if len(raw) != 1 or raw in '"\r\n' or ord(raw) > 127:
        inner["delimiter"].wrong("delimiter")
        return ","
    return raw


def _markers(keys: Table) -> tuple[Marker, ...]:
    """The missing markers; a scalar and a list are both accepted."""
    if "missing" not in keys:
        return ()
    entry = keys["missing"]
    entries = [entry] if not isinstance(entry.value, (dict, list)) else entry.items()
    return tuple(Marker.of(item.raw.strip()) for item in entries if not _compound(item))


def _compound(entry: Entry) -> bool:
    if isinstance(entry.value, (dict, list)):
        entry.wrong("scalar")
        return True
    return False


def _columns(keys: Table) -> dict[str, Column]:
    entries = keys["variables"].named(NAME) if "variables" in keys else {}
    if "variables" in keys and not entries and keys["variables"].value in (None, {}):
        keys["variables"].wrong("filled")
    return {name: _column(name, entry) for name, entry in entries.items()}


def _column(name: str, entry: Entry) -> Column:
    inner = entry.table(("column",), COLUMN)
    return Column(
        variable=name,
        column=_text(inner, "column").strip(),
        unit=_unit(inner),
        scale=_scale(inner),
        missing=_markers(inner),
        values=_values(inner),
        date_format=_date_format(inner),
        line=entry.line,
    )


def _unit(inner: Table) -> str:
    code = _text(inner, "unit")
    if code in {"", "1"}:
        return ""
    if not is_unit(code):
        inner["unit"].fault("bad_unit", found=code[:60])
    return code


def _scale(inner: Table) -> float | None:
    if "scale" not in inner:
        return None
    scale = inner["scale"].number()
    if scale == 0:
        inner["scale"].fault("out_of_bounds", found=0, expected="≠ 0")
        return None
    return scale


def _values(inner: Table) -> dict[str, Given]:
    if "values" not in inner:
        return {}
    entries = inner["values"].table((), None)
    return {key.strip(): item.plain() for key, item in entries.items() if not _compound(item)}


def _date_format(inner: Table) -> str:
    if "date_format" not in inner:
        return Column.date_format
    written = _text(inner, "date_format")
    if not all(part in written for part in ("%d", "%m")) or not ("%Y" in written or "%y" in written):
        inner["date_format"].wrong("date_format")
    return written


def _absent(keys: Table, variables: Mapping[str, Column]) -> dict[str, str]:
    """Variables that the hospital never records: a list of names, or a table of names and reasons."""
    if "absent" not in keys:
        return {}
    entry = keys["absent"]
    if isinstance(entry.value, dict):
        found = {name: (item.text() or "", item) for name, item in entry.value.items()}
    else:
        found = {item.raw: ("", item) for item in entry.items() if not _compound(item)}
    for name, (_, item) in found.items():
        if name in variables:
            item.fault("absent_and_mapped", found=name)
    return {name: reason for name, (reason, _) in found.items()}


def _governance(keys: Table) -> Party | None:
    """What the hospital states for the rules; its country stands at the top of the file."""
    if "governance" not in keys:
        return None
    return replace(read_party(keys["governance"], beside=()), country=_text(keys, "country", COUNTRY, "bad_country"))
