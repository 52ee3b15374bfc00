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
        heads = np.concatenate([[case.people], measure.people.ravel(), measure.others.ravel()])
        if outside.any() or not ring.heads_fit(heads, case.hospitals):
            yield Breach("range", name, np.ones(measure.values.shape, bool))
