"""What people expect of a study's data: how many people each hospital has, and how each variable is distributed.

A file of its own beside the study file (`gagyo rehearse --expect`): nothing in it is part of a plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gagyo.errors import check_none
from gagyo.protocol.study import Study
from gagyo.protocol.variables import Variable
from gagyo.protocol.written import COUNTRY, Entry, Table, read_entries, read_text

PEOPLE = 200
"""People of a hospital of whom nothing is said."""
FEWEST = 1


@dataclass(frozen=True)
class Spread:
    """What is expected of a variable; None where nothing is said.

    mean, sd: of a number (a date's as days since 1970-01-01) before its declared range cuts it off. share: who has a
    yes. shares: by level, which add up to one. missing: who lacks it. cluster_size: people in a cluster of that number.
    """

    mean: float | None = None
    sd: float | None = None
    share: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    missing: float | None = None
    cluster_size: int | None = None


NOTHING = Spread()


@dataclass(frozen=True)
class Expected:
    """People and country by hospital, and variables of which something is expected."""

    people: Mapping[str, int]
    countries: Mapping[str, str]
    variables: Mapping[str, Spread] = field(default_factory=dict)

    @classmethod
    def of(cls, study: Study, people: int = PEOPLE) -> Expected:
        """So many people at each hospital, of whom nothing is known. Its country is that which the study's governance
        part says, or else that of the study's lead.
        """
        parties = study.governance.parties if study.governance else {}
        said = {site: parties[site].country if site in parties else "" for site in study.sites}
        countries = {site: country or study.lead.country for site, country in said.items()}
        return cls(dict.fromkeys(study.sites, people), countries)

    @classmethod
    def read(cls, path: Path, study: Study, people: int = PEOPLE) -> Expected:
        """What a file says; `people` at hospitals of which it says nothing.

        Raises:
            FileFault: with a finding, with its line, for each fault.
        """
        entry = read_entries(read_text(path), str(path))
        keys = entry.table((), ("people", "countries", "variables"))
        plain = cls.of(study, people)
        found = cls(
            {**plain.people, **_people(keys, study.sites)},
            {**plain.countries, **_countries(keys, study.sites)},
            {name: _spread(one, study.variables[name]) for name, one in _variables(keys, study)},
        )
        check_none(entry.document.findings)
        return found


def _people(keys: Table, sites: Iterable[str]) -> dict[str, int]:
    if "people" not in keys:
        return {}
    one = keys["people"]
    by_site = one.table((), sites) if isinstance(one.value, dict) else dict.fromkeys(sites, one)
    return {site: entry.whole(FEWEST) or PEOPLE for site, entry in by_site.items()}


def _countries(keys: Table, sites: Iterable[str]) -> dict[str, str]:
    inner = keys["countries"].table((), sites) if "countries" in keys else {}
    return {site: entry.text(COUNTRY, "bad_country") or "" for site, entry in inner.items()}


def _variables(keys: Table, study: Study) -> list[tuple[str, Entry]]:
    inner = keys["variables"].table((), study.variables) if "variables" in keys else {}
    return [(name, entry) for name, entry in inner.items() if name in study.variables]


MEASURED = ("mean", "sd")
KEYS: dict[str, tuple[str, ...]] = {
    "boolean": ("share",),
    "category": ("shares",),
    "number": MEASURED,
    "integer": (*MEASURED, "cluster_size"),
    "date": MEASURED,
}
"""What can be expected of a variable of each type, besides `missing`."""


def _spread(entry: Entry, variable: Variable) -> Spread:
    keys = entry.table((), (*KEYS[variable.type], "missing"))
    numbers = {name: keys[name].number() for name in ("mean", "sd") if name in keys}
    if (sd := numbers.get("sd")) is not None and sd <= 0:
        keys["sd"].fault("out_of_bounds", found=sd, expected="> 0")
    low, high = variable.bounds
    if (mean := numbers.get("mean")) is not None and not low <= mean <= high:
        keys["mean"].fault("out_of_bounds", found=mean, expected=f"{low:g}–{high:g}")
    shares = {name: _share(keys[name]) for name in ("share", "missing") if name in keys}
    levels = keys["shares"].table([level.name for level in variable.levels]) if "shares" in keys else {}
    by_level = {name: _share(one) or 0.0 for name, one in levels.items()}
    if by_level and abs(sum(by_level.values()) - 1) > 1e-6:
        keys["shares"].fault("shares_not_one", found=f"{sum(by_level.values()):g}")
    size = keys["cluster_size"].whole(1) if "cluster_size" in keys else None
    return Spread(**numbers, **shares, shares=by_level, cluster_size=size)


def _share(entry: Entry) -> float | None:
    value = entry.number()
    if value is not None and not 0 <= value <= 1:
        entry.fault("out_of_bounds", found=value, expected="0–1")
    return value
