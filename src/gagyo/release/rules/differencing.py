"""Differencing: two cohorts that differ by a few people give those few away."""

from __future__ import annotations

from collections.abc import Iterator

from gagyo.release.case import Breach, Case, too_few


def differencing(case: Case) -> Iterator[Breach]:
    """Refuse a cohort within k-1 people of an answered one, or whose combination with answered ones isolates a few;
    weights that differ from those of another plan for a few; an equation that is a step, and so a cohort.

    In the sum: where 1 to k-1 people with a trait are left between cohorts of the plan, or between numbers of folds.
    """
    least = case.limits.minimum_people
    if case.weighed_apart or case.step:
        yield Breach("differencing")
        return
    if case.scope == "pooled":
        groups = (measure for measure in case.aggregate.values() if measure.kind == "compared")
        if any(too_few(one.people, one.structural, least).any() for one in groups):
            yield Breach("differencing")
        return
    difference, atom = case.overlap.difference, case.overlap.atom
    if (difference is not None and 0 < difference < least) or (atom is not None and 0 < atom < least):
        yield Breach("differencing")
