"""Event times: who leaves a risk set when is somebody's own record; only intervals of at least k exits are shown."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gagyo.release.case import Breach, Case, left_few


def event_times(case: Case) -> Iterator[Breach]:
    """Exits by interval: refused by hospital, with all that comes with them, and in a sum of fewer than three.

    In the sum, the parts of an interval stand or fall together: none may hold 1 to k-1 exits in any group, else those
    few would follow from the whole; nor 1 to k-1 of those who are left between this cohort and one counted before. Of k
    exits, how many were events is open.
    """
    for name, measure in case.aggregate.items():
        if measure.kind != "times":
            continue
        if case.scope == "each" or (case.scope == "pooled" and case.hospitals < case.limits.hospitals):
            yield Breach("event_times")
        elif case.scope == "pooled":
            few = (measure.people > 0) & (measure.people < case.limits.minimum_people) | left_few(case, name)
            shut = few.any(axis=tuple(range(1, few.ndim)))
            if shut.any():
                entries = np.broadcast_to(shut.reshape(-1, *[1] * (few.ndim - 1)), measure.values.shape)
                yield Breach("event_times", name, entries.copy())
