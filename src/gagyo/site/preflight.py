"""The preflight of a plan at one hospital: which cohorts it can answer for, and how many people were counted out.

This is the only answer that names variables; everything in it passes the same gate as any other.
"""

from __future__ import annotations

import numpy as np

from gagyo.protocol.study import Study
from gagyo.release.aggregate import Aggregate, exclusions
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
