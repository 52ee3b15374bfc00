"""The preflight of a plan at one hospital: which cohorts it can answer for, and how many people were counted out.

This is the only answer that names variables; everything in it passes the same gate as any other.
"""

from __future__ import annotations

import numpy as np

from gagyo.protocol.study import Study
from gagyo.release.aggregate import Aggregate, exclusions
from gagyo.site.cohorts import Cohort, Dataset


def preflight(study: Study, cohort: Cohort, data: Dataset) -> Aggregate:
    """flow: people analysed, not selected, left out for a missing value. missing: by variable, among those selected."""
    analysed = int(cohort.complete.sum())
    selected = int(cohort.selected.sum())
    flow = np.array([analysed, len(cohort.selected) - selected, selected - analysed])
    missing = np.array([int(np.isnan(data.columns[name][cohort.selected]).sum()) for name in study.variables])
    return {"flow": exclusions(flow), "missing": exclusions(missing, selected)}
