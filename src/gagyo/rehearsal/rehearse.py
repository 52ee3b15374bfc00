"""A study, run in this process at hospitals of drawn people, through the same doors and the same gate."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gagyo.api import Finished, run_embedded
from gagyo.coordinator.planning import check
from gagyo.coordinator.run import Progress
from gagyo.errors import FileFault, Stopped, check_none
from gagyo.protocol.study import Study
from gagyo.rehearsal.draw import people_of, person_column
from gagyo.rehearsal.expected import Expected
from gagyo.result import Result
from gagyo.site.folder import state_folder
from gagyo.text import LANGUAGES, translate
from gagyo.tree import changed


@dataclass(frozen=True)
class Budget:
    """Numbers that were opened, and how many the gate opens of so many people and variables at the most."""

    spent: int
    most: int


@dataclass(frozen=True)
class Rehearsed:
    """A rehearsal. sums: of the sums over all hospitals. each: by hospital, of its own numbers.

    kept_back: what hospitals' own logs say of numbers that they kept back, each line with the hospitals that have it.
    Of people who are drawn there is nothing to hide.
    """

    finished: Finished
    sums: Budget
    each: Mapping[str, Budget]
    kept_back: Mapping[str, tuple[str, ...]]


def rehearse(
    study: str | Path,
    out: str | Path,
    expected: Expected | None = None,
    seed: int = 0,
    tell: Callable[[Progress], None] | None = None,
    ended: Callable[[str, Result | Stopped], None] | None = None,
) -> Rehearsed:
    """Draw people, write them as hospitals' files into `out`, and run the study on them.

    Its plan is another than the study's, so that nothing of a rehearsal can be taken for the study's results, and every
    page says that its people are drawn. The same seed draws the same people.

    Raises:
        FileFault: what is wrong with the study, or `out` is not empty.
    """
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileFault.of("rehearsal_exists", found=str(folder))
    read = Study.read(study)
    check_none(check(read))
    expected = expected or Expected.of(read)
    hospitals = folder / "hospitals"
    hospitals.mkdir(parents=True)
    file = folder / "study.yaml"
    file.write_text(_said(read), encoding="utf-8")
    for number, site in enumerate(read.sites):
        people_of(read, expected, site, np.random.default_rng([seed, number])).write_parquet(
            hospitals / f"{site}.parquet"
        )
        (hospitals / f"{site}.yaml").write_text(_site_file(read, expected, site), encoding="utf-8")
    finished = run_embedded(file, hospitals, folder / "run", tell, ended)
    return Rehearsed(finished, *_budgets(finished, expected), _kept_back(hospitals, read.sites))


def _kept_back(hospitals: Path, sites: Sequence[str]) -> dict[str, tuple[str, ...]]:
    said: dict[str, tuple[str, ...]] = {}
    for site in sites:
        log = state_folder(hospitals / f"{site}.yaml") / "faults.log"
        for line in dict.fromkeys(log.read_text(encoding="utf-8").splitlines() if log.exists() else []):
            said[line] = (*said.get(line, ()), site)
    return said


def _said(study: Study) -> str:
    """The study file, with a title and a notice that say what it is.

    Without its governance part: the law has nothing to say of people who are none.
    """
    put = {
        "title": {one: translate("rehearsal.title", one, title=study.title.to(one)) for one in LANGUAGES},
        "notice": {one: translate("rehearsal.notice", one) for one in LANGUAGES},
    }
    return changed(study.source, {*put, "governance"}, json.dumps(put, ensure_ascii=False))


def _site_file(study: Study, expected: Expected, site: str) -> str:
    """A site file for a hospital whose columns are named as the study's variables."""
    columns: dict[str, dict[str, Any]] = {}
    for name, variable in study.variables.items():
        columns[name] = {"column": name} | ({"unit": variable.unit} if variable.unit else {})
    said = {
        "site": site,
        "country": expected.countries[site],
        "label": dict.fromkeys(LANGUAGES, site),
        "data": {"connector": "parquet", "path": f"{site}.parquet"},
        "person": person_column(study),
        "variables": columns,
        "policy": {"minimum_people": study.release.minimum_people},
    }
    return json.dumps(said, ensure_ascii=False, indent=1)


def _budgets(finished: Finished, expected: Expected) -> tuple[Budget, dict[str, Budget]]:
    study = finished.plan.study
    limits, columns = finished.plan.limits, len(study.variables)
    (table,) = finished.document["egress"]["tables"]
    names = [column["name"] for column in table["columns"]]
    rows = [dict(zip(names, row, strict=True)) for row in table["rows"]]
    each = {
        site: Budget(int(row["each"]), int(limits["numbers_each"] * expected.people[site] * columns))
        for site, row in zip(study.sites, rows, strict=True)
    }
    everyone = sum(expected.people.values())
    return Budget(max(int(row["pooled"]) for row in rows), int(limits["numbers_sum"] * everyone * columns)), each
