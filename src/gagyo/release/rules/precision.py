"""Precision: a hospital's own accuracy on fewer than 10 people of a class says nothing; that is no privacy matter."""

from __future__ import annotations

from collections.abc import Iterator

from gagyo.release.case import Breach, Case, by_entry


def precision(case: Case) -> Iterator[Breach]:
    """Withhold own scalars that rest on too small a class; the code says so openly, the number stays inside."""
    if case.scope == "each":
        cells = {
            name: measure.people < case.limits.precision_people
            for name, measure in case.aggregate.items()
            if measure.kind == "scalar"
        }
        yield from by_entry(case, "precision", cells)
