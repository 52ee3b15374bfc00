"""The study file: who asks what, of whom, from which variables; read with all its faults at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from gagyo.canonical import plain
from gagyo.errors import check_none
from gagyo.finding import Finding, Place
from gagyo.protocol import cohort_text
from gagyo.protocol.cohort import Expression
from gagyo.protocol.declared import read_variables
from gagyo.protocol.designs import Design, read_designs
from gagyo.protocol.governance import Governance, read_governance
from gagyo.protocol.guards import listed, nearest, short
from gagyo.protocol.variables import Variable
from gagyo.protocol.written import COUNTRY, EPOCH, ID, SITE, Entry, Table, read_entries, read_text
from gagyo.text import Text

VERSION = "1"
PURPOSES = (
    "scientific_research",
    "statistics",
    "public_interest_records",
    "product_development",
    "post_market",
)
REQUIRED = ("gagyo", "study", "title", "purpose", "lead", "period", "sites", "variables", "cohorts", "analyses")
OPTIONAL = ("may_go_on_without", "patience", "release", "seed", "notice", "governance", "planning")
LEAD = ("name", "organisation", "country")
PERIOD = ("from", "until")
COHORT = ("where", "label", "complete")
RELEASE = ("minimum_people",)
FLOOR = 5
DURATION = r"[1-9][0-9]{0,4}(s|m|h|d|w)"
SPANS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Lead:
    """Who leads the study."""

    name: str
    organisation: str
    country: str


@dataclass(frozen=True)
class Period:
    """When the study runs, both days included."""

    start: date
    until: date


@dataclass(frozen=True)
class Cohort:
    """Whom analyses are about. `where` is None for everyone; `text` is the expression as written.

    complete: variables that everyone analysed must have, beside those that the cohort's analyses need.
    """

    name: str
    where: Expression | None = None
    text: str = ""
    label: Text = field(default_factory=lambda: Text(""))
    complete: tuple[str, ...] = ()

    @property
    def variables(self) -> frozenset[str]:
        """The variables whose values decide who belongs."""
        return self.where.variables if self.where else frozenset()


@dataclass(frozen=True)
class Analysis:
    """One analysis. `options` are all keys but method, cohort and label; `lines` gives each key's line, for faults."""

    name: str
    method: str
    cohort: str
    options: dict[str, Any] = field(default_factory=dict)
    label: Text = field(default_factory=lambda: Text(""))
    lines: dict[str, int] = field(default_factory=dict, compare=False, repr=False)
    file: str = field(default="", compare=False, repr=False)

    def place(self, path: str = "") -> Place:
        """Where an option stands; the nearest entry above it where it has no line of its own."""
        parts = path.split(".") if path else []
        while parts and ".".join(parts) not in self.lines:
            parts.pop()
        line = self.lines.get(".".join(parts))
        return Place(self.file, line, ".".join(["analyses", self.name, *([path] if path else [])]))


@dataclass(frozen=True)
class Limits:
    """What the study asks of the release gate; a hospital can only be stricter."""

    minimum_people: int = 10


@dataclass(frozen=True)
class Study:
    """A study as its file says it. `notice` is shown wherever results are: what a reader must know of the data.

    governance: what the rules of each country ask for; None where the file says nothing of it. planning: the designs
    that say how many people are needed.
    """

    study: str
    title: Text
    purpose: str
    lead: Lead
    period: Period
    sites: tuple[str, ...]
    variables: dict[str, Variable]
    cohorts: dict[str, Cohort]
    analyses: dict[str, Analysis]
    release: Limits = field(default_factory=Limits)
    gagyo: str = VERSION
    may_go_on_without: int = 0
    patience: str = "7d"
    seed: int = 0
    notice: Text = field(default_factory=lambda: Text(""))
    governance: Governance | None = None
    planning: dict[str, Design] = field(default_factory=dict)
    file: str = field(default="", compare=False)
    source: str = field(default="", compare=False, repr=False)

    @classmethod
    def read(cls, path: str | Path) -> Study:
        """The study of a file.

        Raises:
            FileFault: with a finding, with its line, for each fault.
        """
        return cls.parse(read_text(Path(path)), str(path))

    @classmethod
    def parse(cls, text: str, file: str = "study.yaml") -> Study:
        """The study of a YAML text; raises as `read` does."""
        study, found = _read(text, file)
        check_none(found)
        assert study is not None  # what cannot be read at all is a fault
        return study

    @classmethod
    def sketch(cls, path: str | Path) -> tuple[Study | None, list[Finding]]:
        """A file's study as far as it can be read, and its faults: to say what else is wrong, and for nothing more."""
        study, found = _read(read_text(Path(path)), str(path))
        return study, list(found)

    @property
    def counts_only(self) -> bool:
        """Whether nothing is asked but how many people its cohorts have: without an analysis nothing else can leave."""
        return not self.analyses

    @property
    def waits(self) -> timedelta:
        """How long a run waits for a hospital that does not answer."""
        return timedelta(**{SPANS[self.patience[-1]]: int(self.patience[:-1])})

    def canonical(self) -> dict[str, Any]:
        """The study as plain data that digests are made of: no comments, no lines, no order but that of levels."""
        return {
            "gagyo": self.gagyo,
            "study": self.study,
            "title": plain(self.title),
            "purpose": self.purpose,
            "lead": plain(self.lead),
            "period": {"from": self.period.start.isoformat(), "until": self.period.until.isoformat()},
            "sites": sorted(self.sites),
            "may_go_on_without": self.may_go_on_without,
            "patience": self.patience,
            "variables": plain(self.variables),
            "cohorts": {name: _canonical_cohort(cohort) for name, cohort in self.cohorts.items()},
            "analyses": {name: _canonical_analysis(analysis) for name, analysis in self.analyses.items()},
            "release": plain(self.release),
            "seed": str(self.seed),
            "notice": plain(self.notice),
            # A study without these parts keeps the digest that it had.
            **({"governance": self.governance.canonical()} if self.governance else {}),
            **({"planning": {name: one.canonical() for name, one in self.planning.items()}} if self.planning else {}),
        }


def _canonical_cohort(cohort: Cohort) -> dict[str, Any]:
    said = {"where": str(cohort.where) if cohort.where else None, "label": plain(cohort.label)}
    return {**said, "complete": sorted(cohort.complete)} if cohort.complete else said


def _canonical_analysis(analysis: Analysis) -> dict[str, Any]:
    said = {"method": analysis.method, "cohort": analysis.cohort, "options": plain(analysis.options)}
    return {**said, "label": plain(analysis.label)}


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=32)
def _read(text: str, file: str) -> tuple[Study | None, tuple[Finding, ...]]:
    """A text is read once: planning, approving, opening and running ask for it each, and YAML takes longest of all."""
    root = read_entries(text, file)
    root.check_kind("a_site_file", ("site", "data"), ("gagyo", "study", "analyses"))
    study = _study(root)
    return study and replace(study, source=text), tuple(_faults(root))


def _faults(root: Entry) -> list[Finding]:
    """What was noted, by line; a variable whose declaration is faulty is no unknown one where it is used."""
    declared = root.value.get("variables") if isinstance(root.value, dict) else None
    names = declared.value if declared is not None and isinstance(declared.value, dict) else {}
    known = (
        one for one in root.document.findings if not (one.code == "unknown_variable" and one.values["found"] in names)
    )
    return sorted(known, key=lambda finding: finding.place.line or 0)


def _study(root: Entry) -> Study | None:
    """The study, complete only where no fault was noted."""
    keys = root.table(REQUIRED, OPTIONAL)
    if not keys:
        return None
    if "gagyo" in keys:
        keys["gagyo"].one_of([VERSION])
    variables = read_variables(_filled(keys, "variables"))
    sites = _sites(keys)
    known = _cohorts(keys, variables)
    return Study(
        study=_text(keys, "study", ID),
        title=keys["title"].label() if "title" in keys else Text(""),
        purpose=(keys["purpose"].one_of(PURPOSES) if "purpose" in keys else None) or "",
        lead=_lead(keys),
        period=_period(keys),
        sites=sites,
        variables=variables,
        cohorts=known,
        analyses=_analyses(keys, known, root.document.file),
        release=_release(keys),
        may_go_on_without=_whole(keys, "may_go_on_without", 0, 0, max(len(sites) - 1, 0)),
        patience=_text(keys, "patience", DURATION, "bad_duration") or "7d",
        seed=_whole(keys, "seed", 0, 0, 2**53),
        notice=keys["notice"].label() if "notice" in keys else Text(""),
        governance=read_governance(keys["governance"], sites) if "governance" in keys else None,
        planning=read_designs(keys["planning"], known, variables) if "planning" in keys else {},
        file=root.document.file,
    )


def _text(keys: Table, key: str, pattern: str | None = None, code: str = "bad_name") -> str:
    return (keys[key].text(pattern, code) or "") if key in keys else ""


def _whole(keys: Table, key: str, default: int, least: int, most: int | None = None) -> int:
    found = keys[key].whole(least, most) if key in keys else None
    return default if found is None else found


def _lead(keys: Table) -> Lead:
    inner = keys["lead"].table(LEAD) if "lead" in keys else {}
    return Lead(_text(inner, "name"), _text(inner, "organisation"), _text(inner, "country", COUNTRY, "bad_country"))


def _period(keys: Table) -> Period:
    inner = keys["period"].table(PERIOD) if "period" in keys else {}
    start, until = (inner[key].day() if key in inner else None for key in PERIOD)
    if start and until and until < start:
        keys["period"].fault("period_order", found=until.isoformat(), expected=start.isoformat())
    return Period(start or EPOCH, until or EPOCH)


def _sites(keys: Table) -> tuple[str, ...]:
    entries = keys["sites"].items() if "sites" in keys else []
    if "sites" in keys and keys["sites"].value == []:
        keys["sites"].wrong("filled")
    names: list[str] = []
    for entry in entries:
        name = entry.text(SITE)
        if name in names:
            entry.fault("duplicate", found=name)
        elif name is not None:
            names.append(name)
    return tuple(names)


def _release(keys: Table) -> Limits:
    inner = keys["release"].table((), RELEASE) if "release" in keys else {}
    return Limits(minimum_people=_whole(inner, "minimum_people", Limits.minimum_people, FLOOR))


def _filled(keys: Table, key: str) -> Table:
    """The entries of a table that must have at least one."""
    if key not in keys:
        return {}
    inner = keys[key].named()
    if not inner and keys[key].value in (None, {}):
        keys[key].wrong("filled")
    return inner


def _cohorts(keys: Table, variables: dict[str, Variable]) -> dict[str, Cohort]:
    return {name: _cohort(name, entry, variables) for name, entry in _filled(keys, "cohorts").items()}


def _cohort(name: str, entry: Entry, variables: dict[str, Variable]) -> Cohort:
    inner = entry.table((), COHORT) if entry.value is not None else {}
    label = inner["label"].label() if "label" in inner else Text("")
    complete = _complete(inner["complete"], variables) if "complete" in inner else ()
    where = inner.get("where")
    text = where.text() if where is not None and where.value is not None else None
    if where is None or text is None:
        return Cohort(name, label=label, complete=complete)
    return Cohort(name, where.attempt(lambda: cohort_text.parse(text, variables)), text, label, complete)


def _complete(entry: Entry, variables: dict[str, Variable]) -> tuple[str, ...]:
    names = [(one, one.text()) for one in entry.items()]
    for one, name in names:
        if name is not None and name not in variables:
            near = nearest(name, variables)
            one.fault("unknown_variable", found=short(name), expected=listed(variables), hint=near)
    return tuple(dict.fromkeys(name for _, name in names if name))


def _analyses(keys: Table, known: Mapping[str, Cohort], file: str) -> dict[str, Analysis]:
    # A study may ask for nothing but numbers of people, where it says so: `analyses: {}`.
    counts_only = "analyses" in keys and keys["analyses"].value == {}
    entries = {} if counts_only else _filled(keys, "analyses")
    tables = {name: entry.table(("method",), None) for name, entry in entries.items()}
    found = {}
    for name, inner in tables.items():
        lines = {"": entries[name].line, **dict(entries[name].lines())}
        options = {key: option.plain() for key, option in inner.items() if key not in {"method", "cohort", "label"}}
        # Looser than methods are called: of `kaplan-meier` or `Cox` the nearest installed one is told.
        method = _text(inner, "method", r"[A-Za-z][A-Za-z0-9_-]*")
        label = inner["label"].label() if "label" in inner else Text("")
        found[name] = Analysis(name, method, _whom(name, entries[name], tables, known), options, label, lines, file)
    return found


def _whom(name: str, entry: Entry, tables: Mapping[str, Table], known: Mapping[str, Cohort]) -> str:
    """The analysis's cohort: its own, else that of the analysis whose model it takes, else the only one there is."""
    seen = [name]
    while "cohort" not in tables[seen[-1]]:
        model = tables[seen[-1]].get("model")
        after = model.raw if model is not None and not isinstance(model.value, (dict, list)) else ""
        if after not in tables or after in seen:
            if len(known) == 1:
                return next(iter(known))
            entry.fault("missing_key", found=listed(tables[name]), expected="cohort")
            return ""
        seen.append(after)
    written = tables[seen[-1]]["cohort"]
    if len(seen) > 1:
        return written.raw
    found = written.text() or ""
    if found and found not in known:
        written.fault("unknown_cohort", found=short(found), expected=listed(known), hint=nearest(found, known))
    return found
