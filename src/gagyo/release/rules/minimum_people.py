"""Minimum people: behind every value stand at least k people; the cohort itself has k at every hospital."""

from __future__ import annotations

from collections.abc import Iterator

from gagyo.release.case import Breach, Case, by_entry, too_few


def minimum_people(case: Case) -> Iterator[Breach]:
    """A share is ruled by the hospital's cohort alone (its cells are ruled on the sum); all else cell by cell."""
    least = case.limits.minimum_people
    if case.people < least:
        yield Breach("minimum_people")
    elif case.scope != "share":
        cells = {
            name: too_few(measure.people, measure.structural, least)
            for name, measure in case.aggregate.items()
            if measure.kind not in ("bins", "times")  # empty and small ones are for order statistics and event times
        }
        yield from by_entry(case, "minimum_people", cells)
