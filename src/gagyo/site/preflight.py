"""The preflight of a plan at one hospital: which cohorts it can answer for, and how many people were counted out."""

This is the only answer that names variables; everything in it passes the same gate as any other.
"""

from __future__ import annotations

import numpy as np

from gagyo.protocol.study import Study
from gagyo.release.aggregate import Aggregate, Counts, Measure
from gagyo.site.cohorts import Cohort, Dataset


def preflight(study: Study, cohort: Cohort, data: Dataset) -> Aggregate:
    """flow: people analysed, not selected, left out for a missing value. missing: by variable, among those selected."""
    analysed = int(cohort.complete.sum())
    selected = int(cohort.selected.sum())
    flow = np.array([analysed, len(cohort.selected) - selected, selected - analysed])
    missing = np.array([int(np.isnan(data.columns[name][cohort.selected]).sum()) for name in study.variables])
    return {"flow": _numbers(flow), "missing": _numbers(missing, selected)}


def _numbers(people: Counts, of: int | None = None) -> Measure:
    """Numbers of people in which nobody at all is no secret: that nobody was left out says nothing of anyone."""
    others = np.zeros_like(people) if of is None else of - people
    return Measure(
        "count", people.astype(np.float64), np.ones(1), people.astype(np.int64), others, np.ones(people.shape, bool)
    )
