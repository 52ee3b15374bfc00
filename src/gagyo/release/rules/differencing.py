"""Differencing: two cohorts that differ by a few people give those few away."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gagyo.release.case import Breach, Case, too_few


def differencing(case: Case) -> Iterator[Breach]:
    """Refuse a cohort within k-1 people of an answered one, or whose combination with answered ones isolates a few;
    weights that differ from those of another plan for a few; an equation that is a step, and so a cohort.

    In the sum: where 1 to k-1 people with a trait are left between cohorts of the plan, or between numbers of folds. Of
    a hospital's own numbers: all but how many people it has, where it told of all but 1 to k-1 of them before.
    """
    least = case.limits.minimum_people
    if case.weighed_apart or case.step:
        yield Breach("differencing")
        return
    groups = (measure for measure in case.aggregate.values() if measure.kind == "compared")
    left = case.scope != "share" and any(too_few(one.people, one.structural, least).any() for one in groups)
    if case.scope == "pooled":
        if left:
            yield Breach("differencing")
        return
    for name, measure in case.aggregate.items() if left else ():
        whole = (measure.others == 0) if measure.kind == "count" else np.zeros(1, bool)
        yield Breach("differencing", name, np.broadcast_to(~whole, measure.values.shape).copy())
    difference, atom = case.overlap.difference, case.overlap.atom
    if (difference is not None and 0 < difference < least) or (atom is not None and 0 < atom < least):
        yield Breach("differencing")
