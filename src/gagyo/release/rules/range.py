"""Range: values that overflow the ring, or are not finite, could carry something else than what was asked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gagyo.release import ring
from gagyo.release.case import Breach, Case


def value_range(case: Case) -> Iterator[Breach]:
    """Refuse what cannot be summed exactly, head counts too; scalars are shown alone and need only be finite."""
    if case.scope == "pooled":
        return
    for name, measure in case.aggregate.items():
        if measure.kind == "scalar":
            continue  # an own scalar that is not finite is shown as withheld
        scale = np.broadcast_to(measure.scale, measure.values.shape)
        outside = ~ring.fits(measure.values, scale, case.hospitals)
        heads = ring.heads_fit(measure.people, case.hospitals) and ring.heads_fit(measure.others, case.hospitals)
        if outside.any() or not heads:
            yield Breach("range", name, np.ones(measure.values.shape, bool))
