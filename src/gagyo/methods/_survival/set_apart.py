"""Whom entry, strata and changes of a model of times set apart, which the same model without them does not have.

Without any effect a model's score is made of the means of its risk sets. Where all but one are at risk from the start,
one with `entry` and one without it differ by that one's columns, in the risk sets before they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.methods._set_apart import apart, of_part, sides_of
from gagyo.methods._survival.times import entries, strata_of
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import NOBODY, Floats, Measure, compared, few_or_none, joined
from gagyo.release.few_values import Bools
from gagyo.release.parts import HOSPITALS


def set_apart_in_time(
    rows: Rows, formula: Formula, time: str, entry: str, strata: str, changes: Sequence[str], exact: bool
) -> Measure:
    """Who enters after time zero; and on exact times who is in each stratum, who enters after the first event here, and
    who is at risk in one before they change. On a grid the sums by interval say of these themselves (`common_cells`).

    changes: times of changes.
    """
    sides = sides_of(rows, formula) if exact else np.ones((rows.n, 1), bool)
    parts = strata_of(rows, strata) if exact else []
    found = [of_part(inside, sides) for inside in parts if strata]
    came, event = entries(rows, time, entry), rows[formula.outcome] == 1
    start = np.zeros(rows.n) if came is None else came
    missed = _passed(rows[time], event, start, parts)
    if came is not None:
        found.append(of_part(came > 0, sides))
    if came is not None and exact:
        found.append(_late(missed, sides))
    for at in changes if exact else ():
        changed = np.where(rows[at] < rows[time], rows[at], -np.inf)  # who never does is without it throughout
        found.append(_late(np.maximum(_passed(rows[time], event, changed, parts) - missed, 0.0), sides))
    whole = joined(few_or_none(NOBODY), *found)
    return replace(compared(whole.people), spread=whole.spread)


def _late(hazard: Floats, sides: Bools) -> Measure:
    """Who is set apart by the hazard that they missed, or went through: nobody, or k, and nobody is most of it."""
    return apart(of_part(hazard > 0, sides), hazard, sides, HOSPITALS)


def _passed(time: Floats, event: Bools, until: Floats, parts: Sequence[Bools]) -> Floats:
    """The hazard of their stratum here that has passed for each person by a time (n,), were all there all along."""
    passed = np.zeros(len(time))
    for inside in parts:
        exits, deaths = np.sort(time[inside]), np.sort(time[inside & event])
        at_risk = len(exits) - np.searchsorted(exits, deaths, side="left")
        hazard = np.append(0.0, np.cumsum(1 / at_risk))
        passed[inside] = hazard[np.searchsorted(deaths, until[inside], side="right")]
    return passed
