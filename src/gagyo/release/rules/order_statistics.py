"""Order statistics: a quantile, a minimum or a fine bin is somebody's value; a descent stops before bins get small."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gagyo.release.aggregate import BINNED
from gagyo.release.case import Breach, Case, shut_bins


def order_statistics(case: Case) -> Iterator[Breach]:
    """Bins: refused by hospital; in the sum of three or more, halves of a bin with 1 to k-1 people stay shut together.

    So do those with 1 to k-1 people of a group, where groups are counted for themselves, and those with 1 to k-1 people
    who are left between this cohort and one counted before. With them stay shut the halves of these halves, and theirs,
    that the same question asks for, whose sums are what is withheld; and the halves of a half of fewer than 2k people.
    An empty bin next to one of k or more is open, where its measure lets bins be empty: it says only that the others'
    bin is not empty.
    """
    for name, measure in case.aggregate.items():
        if measure.kind not in BINNED:
            continue
        if case.scope == "each" or (case.scope == "pooled" and case.hospitals < case.limits.hospitals):
            yield Breach("order_statistics", name, np.ones(measure.values.shape, bool))
        elif case.scope == "pooled":
            shut = shut_bins(case, name)
            if shut.any():
                yield Breach("order_statistics", name, np.broadcast_to(shut[..., None], measure.values.shape).copy())
