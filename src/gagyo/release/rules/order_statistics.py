"""Order statistics: a quantile, a minimum or a fine bin is somebody's value; a descent stops before bins get small."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gagyo.release.case import Breach, Case, left_few, too_few


def order_statistics(case: Case) -> Iterator[Breach]:
    """Bins: refused by hospital; in the sum of three or more, sibling bins with 1 to k-1 people stay shut together.

    So do those with 1 to k-1 people of a group, where groups are counted for themselves, and those with 1 to k-1 people
    who are left between this cohort and one counted before. An empty bin next to one of k or more is open, where its
    measure lets bins be empty: it says only that the others' bin is not empty.
    """
    for name, measure in case.aggregate.items():
        if measure.kind != "bins":
            continue
        if case.scope == "each" or (case.scope == "pooled" and case.hospitals < case.limits.hospitals):
            yield Breach("order_statistics", name, np.ones(measure.values.shape, bool))
        elif case.scope == "pooled":
            small = too_few(measure.people, measure.structural, case.limits.minimum_people)
            shut = _shut(small | left_few(case, name))
            if shut.any():
                yield Breach("order_statistics", name, np.broadcast_to(shut[:, None], measure.values.shape).copy())


def _shut(small: NDArray[np.bool_]) -> NDArray[np.bool_]:
    pairs = small.any(axis=1).reshape(-1, 2).any(axis=1)
    return np.repeat(pairs, 2)
