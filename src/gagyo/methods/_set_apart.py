"""Whom a role sets apart that a model without it does not have: entry, strata, changes, weights, exposure.

Two models that are the same but that one has weights, of which all but one person's are 1, differ by that person: a
study, or two, would ask for both. So whoever such a variable sets apart is nobody, or k, over all hospitals, with and
without each 0/1 column, first level and outcome, and nobody is most of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.methods._survival.times import entries, strata_of
from gagyo.methods._traits import all_traits, outcome_columns
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import NOBODY, NO_SPREAD, Floats, Measure, Spread, compared, few_or_none, joined, side_by_side
from gagyo.release.few_values import Bools
from gagyo.release.parts import HOSPITALS, spread_apart


def set_apart_in_time(
    rows: Rows, formula: Formula, time: str, entry: str, strata: str, changes: Sequence[str], exact: bool
) -> Measure:
    """Of a model of times: who enters after time zero; and on exact times who is in each stratum, who enters after the
    first event here, and who is at risk in one before they change. On a grid the sums by interval say of these
    themselves (`common_steps`). changes: times of changes.
    """
    sides = _sides(rows, formula) if exact else np.ones((rows.n, 1), bool)
    parts = strata_of(rows, strata) if exact else []
    found = [_of_part(inside, sides) for inside in parts if strata]
    came = entries(rows, time, entry)
    if came is not None:
        found.append(_of_part(came > 0, sides))
    event = rows[formula.outcome] == 1
    start = np.zeros(rows.n) if came is None else came
    missed = _passed(rows[time], event, start, parts)
    if came is not None and exact:
        found.append(_late(missed, sides))
    for at in changes if exact else ():
        changed = np.where(rows[at] < rows[time], rows[at], -np.inf)  # who never does is at risk without it throughout
        found.append(_late(np.maximum(_passed(rows[time], event, changed, parts) - missed, 0.0), sides))
    whole = joined(few_or_none(NOBODY), *found)
    return replace(compared(whole.people), spread=whole.spread)


def weighed_apart(rows: Rows, formula: Formula, name: str) -> Measure:
    """Of weights, or exposures: who has others than most; none where there is no one value that most have.

    Weights that are nearly alike for all but a few weigh these few alone: they may not be most of what differs.
    """
    x, sides = rows[name], _sides(rows, formula)
    usual = np.partition(x, rows.n // 2)[rows.n // 2] if rows.n else 0.0
    away = np.abs(x - usual)
    has_usual = 2 * np.count_nonzero(away) < rows.n
    whole = _of_two(away > 0 if has_usual else np.ones(rows.n, bool), sides)
    everybody = few_or_none(np.full(whole.people.shape, rows.n, np.int64))
    return replace(whole if has_usual else everybody, spread=_spread(away, sides, 1))


def _sides(rows: Rows, formula: Formula) -> Bools:
    """Everyone, and those with and without each 0/1 column, first level and outcome: (n, sides)."""
    traits = np.column_stack([outcome_columns(rows, formula), all_traits(rows, formula)])
    return np.column_stack([np.ones(rows.n, bool), traits, ~traits])


def _of_part(part: Bools, sides: Bools) -> Measure:
    """How many of a part are on each side: nobody, or k."""
    return few_or_none(np.count_nonzero(sides[part], axis=0).astype(np.int64))


def _late(hazard: Floats, sides: Bools) -> Measure:
    """Who is set apart by the hazard that they missed, or went through: nobody, or k, and nobody is most of it."""
    return replace(_of_part(hazard > 0, sides), spread=_spread(hazard, sides, HOSPITALS))


def _of_two(part: Bools, sides: Bools) -> Measure:
    """How many of a part are on both of each two sides, of which products are summed: nobody, or k."""
    some = sides[part].astype(np.float64)
    return few_or_none(np.rint((some.T @ some)[np.triu_indices(sides.shape[1])]).astype(np.int64))


def _spread(size: Floats, sides: Bools, hospitals: int) -> Spread:
    """Who makes up most of how far people (n,) are set apart, of each side."""
    return side_by_side(NO_SPREAD, *(spread_apart(size[side], hospitals) for side in sides.T))


def _passed(time: Floats, event: Bools, until: Floats, parts: list[Bools]) -> Floats:
    """The hazard of their stratum here that has passed for each person by a time, were all at risk from the start: (n,)."""
    passed = np.zeros(len(time))
    for inside in parts:
        exits, deaths = np.sort(time[inside]), np.sort(time[inside & event])
        at_risk = len(exits) - np.searchsorted(exits, deaths, side="left")
        hazard = np.append(0.0, np.cumsum(1 / at_risk))
        passed[inside] = hazard[np.searchsorted(deaths, until[inside], side="right")]
    return passed
