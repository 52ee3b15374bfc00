"""How the consistency of an effect across regions is told: effects by region, both methods, and the interaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Estimate, Interval, Table, Withheld, Words
from gagyo.statistics.consistency import Consistency, observed
from gagyo.statistics.distributions import normal_quantile
from gagyo.text import LANGUAGES, Text

Z95 = float(normal_quantile(0.975))


@dataclass(frozen=True)
class AcrossRegions:
    """What a study asks of regions: the hospitals of each, and the fraction of the overall effect to keep."""

    regions: Mapping[str, Sequence[str]]
    fraction: float
    model: str

    def told(
        self, term: str, label: Text, hospitals: Sequence[str], values: Floats, errors: Floats
    ) -> tuple[list[Estimate], Table]:
        """Estimates and table of a term, from the hospitals that have an estimate of it."""
        known = {name: [one for one in sites if one in hospitals] for name, sites in self.regions.items()}
        there = [name for name, sites in known.items() if sites]
        where = [next(at for at, name in enumerate(there) if site in known[name]) for site in hospitals]
        found = observed(values, errors, np.array(where), self.fraction)
        return self._estimates(term, Words(text=label), there, found), self._table(term, label, known, there, found)

    def _estimates(self, term: str, label: Words, there: Sequence[str], found: Consistency) -> list[Estimate]:
        estimates = [
            Estimate(f"{term}.interaction", label, found.q, p=found.p if found.freedom else None),
            Estimate(f"{term}.same_direction", label, float(found.all)),
        ]
        for name, one in zip(there, found.regions, strict=True):
            low, high = one.value - Z95 * one.standard_error, one.value + Z95 * one.standard_error
            estimates.append(Estimate(f"{term}.region.{name}", label, one.value, one.standard_error, low, high))
            estimates.append(Estimate(f"{term}.kept.{name}", label, one.ratio, p=one.p))
        return estimates

    def _table(
        self,
        term: str,
        label: Text,
        known: Mapping[str, Sequence[str]],
        there: Sequence[str],
        found: Consistency,
    ) -> Table:
        scale = "odds_ratio" if self.model == "logistic" else "difference"
        columns = (
            Column("region", Words("meta.region"), "text"),
            Column("hospitals", Words("meta.hospitals"), "count"),
            Column(scale, Words(f"meta.{scale}"), "interval", 3),
            Column("ratio", Words("meta.ratio"), "number", 3),
            Column("kept", Words("meta.kept", {"fraction": f"{self.fraction:g}"}), "text"),
            Column("p", Words("meta.p_kept"), "p"),
        )
        by = dict(zip(there, found.regions, strict=True))
        rows: list[tuple[Cell, ...]] = []
        for name, sites in known.items():
            named = Words(text=Text(name, name, name))
            if name not in by:
                rows.append((named, 0, Withheld("withheld"), None, None, None))
                continue
            one = by[name]
            effect = self._interval(one.value, one.standard_error)
            verdict = Words("meta.yes" if one.kept else "meta.no")
            rows.append((named, len(sites), effect, one.ratio, verdict, one.p))
        whole = self._interval(found.value, found.standard_error)
        rows.append((Words("meta.summary_fixed"), sum(map(len, known.values())), whole, None, None, None))
        title = Text(*(Words("meta.regions", {"term": label.to(one)}).to(one) for one in LANGUAGES))
        return Table(
            f"meta_regions_{term}", Words(text=title), columns, tuple(rows), "forest", self._notes(known, found)
        )

    def _notes(self, known: Mapping[str, Sequence[str]], found: Consistency) -> tuple[Words, ...]:
        """Method 2 and the interaction; neither where a region has no estimate, for then its question is open."""
        if not all(known.values()):
            return (Words("meta.regions_open"),)
        q: dict[str, int | float | str] = {"q": f"{found.q:.2f}", "freedom": found.freedom, "p": f"{found.p:.3f}"}
        return (Words("meta.same_direction" if found.all else "meta.other_direction"), Words("meta.interaction", q))

    def _interval(self, value: float, error: float) -> Interval:
        ends = (value, value - Z95 * error, value + Z95 * error)
        return Interval(*(float(np.exp(one)) for one in ends)) if self.model == "logistic" else Interval(*ends)

    @property
    def text(self) -> Words:
        """The methods text."""
        return Words("meta.text_regions", {"fraction": f"{self.fraction:g}"})
