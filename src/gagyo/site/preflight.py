"""The preflight of a plan at one hospital: which cohorts it can answer for, and how many people were counted out.

This is the only answer that names variables; everything in it passes the same gate as any other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gagyo.protocol.study import Study
from gagyo.release.aggregate import Aggregate, exclusions
from gagyo.release.decision import Release
from gagyo.site.cohorts import Cohorts


def preflight(study: Study, name: str, cohorts: Cohorts) -> Aggregate:
    """flow: people analysed, not selected, left out for a missing value. missing: by variable, among those selected."""
    cohort = cohorts[name]
    analysed = int(cohort.complete.sum())
    selected = int(cohort.selected.sum())
    flow = np.array([analysed, len(cohort.selected) - selected, selected - analysed])
    masks = [cohorts.missing(variable) for variable in study.variables]
    missing = np.array([0 if mask is None else int((mask & cohort.selected).sum()) for mask in masks])
    return {"flow": exclusions(flow), "missing": exclusions(missing, selected)}


def preflight_told(release: Release, isolates: bool, lacking: NDArray[np.bool_]) -> Release:
    """What is told of a cohort beside the number analysed: less than the gate would allow, never more.

    A withheld number of missing follows from the number not selected, once the hospital's size is known from another
    cohort; and where two selections differ by a few people (`isolates`), so do the numbers that describe them. lacking:
    (1 + variables,), where those who lack any value, or a variable, differ so.
    """
    hide = isolates or bool(release.withheld["flow"].any()) or bool(lacking[0])
    withheld = {name: mask.copy() for name, mask in release.withheld.items()}
    withheld["flow"][1:] |= hide
    withheld["missing"] |= isolates | lacking[1:]
    values = {name: np.where(withheld[name], np.nan, value) for name, value in release.values.items()}
    return replace(release, values=values, withheld=withheld)
