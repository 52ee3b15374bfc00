"""Remainder: a value covers everyone or leaves at least k people out; 495 of 500 gives away the five."""

from __future__ import annotations

from collections.abc import Iterator

from gagyo.release.case import Breach, Case, by_entry


def remainder(case: Case) -> Iterator[Breach]:
    """Cells whose complement holds 1 to k-1 people. Scalars rest on a whole hospital; bins and times have own rules."""
    if case.scope == "share":
        return
    least = case.limits.minimum_people
    cells = {
        name: (measure.others > 0) & (measure.others < least)
        for name, measure in case.aggregate.items()
        if measure.kind not in ("scalar", "bins", "grouped", "times")
    }
    yield from by_entry(case, "remainder", cells)
