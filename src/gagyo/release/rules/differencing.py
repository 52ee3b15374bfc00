"""Differencing: two cohorts that differ by a few people give those few away."""

from __future__ import annotations

from collections.abc import Iterator

from gagyo.release.case import Breach, Case


def differencing(case: Case) -> Iterator[Breach]:
    """Refuse a cohort within k-1 people of an answered one, or whose combination with answered ones isolates a few."""
    if case.scope == "pooled":
        return
    least = case.limits.minimum_people
    difference, atom = case.overlap.difference, case.overlap.atom
    if (difference is not None and 0 < difference < least) or (atom is not None and 0 < atom < least):
        yield Breach("differencing")
