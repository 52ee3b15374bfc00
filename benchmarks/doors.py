"""One study through hospitals' doors in one process: gate, masks, ledgers and journal are on, data are in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measure import cpu

SITES = ("seoul", "busan", "beijing", "tianjin")
SHARES = (0.4, 0.3, 0.2, 0.1)

HEAD = """
gagyo: "1"
study: large
title: {en: Large, ko: 대규모, zh: 大规模}
purpose: scientific_research
lead: {name: Benchmark, organisation: Gagyo, country: KR}
period: {from: 2026-11-01, until: 2027-10-31}
"""


@dataclass
class Data:
    """A hospital's mapped data."""

    columns: dict[str, np.ndarray]
    persons: list[bytes]
    absent: tuple[str, ...] = ()


def numbers(names: Sequence[str]) -> str:
    """Declarations of measurements from -8 to 8, for a study's variables."""
    return "\n".join(f"  {n}: {{type: number, range: [-8, 8], label: {{en: {n}, ko: {n}, zh: {n}}}}}" for n in names)


def ends_of(people: int) -> list[int]:
    """Where each of the four hospitals' rows end, from zero on."""
    return [0, *(int(share * people) for share in np.cumsum(SHARES).round(9))]


def divided(columns: Mapping[str, np.ndarray], ends: Sequence[int], sites: Sequence[str] = SITES) -> dict[str, Data]:
    """Rows from one end to the next at each hospital, copied."""
    return {
        site: Data(
            {name: column[start:end].copy() for name, column in columns.items()},
            [b"%d" % person for person in range(start, end)],
        )
        for site, start, end in zip(sites, ends[:-1], ends[1:], strict=True)
    }


@contextmanager
def opened(text: str, hospitals: Mapping[str, Data], before: Callable[[Any], Any] = lambda it: it) -> Iterator[Any]:
    """The run of a study that every hospital approved, and the CPU seconds that their approvals took.

    before: what stands in front of the hospitals' runtime, which it is given.
    """
    from gagyo.coordinator.planning import make_plan
    from gagyo.coordinator.run import Run
    from gagyo.exchange.envelope import Keys
    from gagyo.protocol.study import Study
    from gagyo.runtime.embedded import Embedded
    from gagyo.runtime.journal import Journal
    from gagyo.site.site import Site

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sites = {site: Site(site, folder / site, lambda _, data=data: data) for site, data in hospitals.items()}
        coordinator = Keys.open(folder / "coordinator.keys")
        keys = {"coordinator": coordinator.public} | {site: one.keys.public for site, one in sites.items()}
        plan = make_plan(Study.parse(text), keys)
        with cpu() as approving:
            for one in sites.values():
                one.approve(plan)
        yield Run(plan, Journal(folder / "journal.jsonl", coordinator, before(Embedded(sites)))), approving[0]


def through_doors(text: str, hospitals: Mapping[str, Data], name: str = "a") -> tuple[Any, float]:
    """The result of one analysis, and the CPU seconds of the run."""
    with opened(text, hospitals) as (run, _):
        with cpu() as spent:
            for _ in run:
                pass
        if name not in run.results:
            raise SystemExit(str(run.stopped[name]))
        return run.results[name], spent[0]
