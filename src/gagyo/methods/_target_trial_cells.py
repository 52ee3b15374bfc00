"""Which head counts an emulated trial gives away: who started when, who left when and how, and with which traits.

Both strategies have clones of the same people, so differences of their sums are groups of people: those who started in
an interval and left in one with the event, or without. Each such group is nobody or k people, never clones.
"""

from __future__ import annotations

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.methods._propensity import is_own
from gagyo.methods._regression import design_cells, part_cells
from gagyo.methods._traits import all_traits, design_traits, measured_columns
from gagyo.methods._weighting_cells import traits_of
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import NOBODY, Counts, Measure, behind, few_or_none, joined, own_table
from gagyo.release.few_values import Bools, supported
from gagyo.statistics.target_trial import Histories


def counted(people: Histories) -> Counts:
    """Who started in each interval, left in each, without and with the event (grace + 1, K + 1, 2)."""
    return np.bincount(people.cells(), minlength=int(np.prod(people.shape))).astype(np.int64).reshape(people.shape)


def pooled_cells(rows: Rows, formula: Formula, people: Histories) -> Measure:
    """Cells over all hospitals.

    Everyone by event and traits. Those who started in each interval, who left in each without a start, and who waited
    to the end of the grace period: what the model of starting is made of. Each end by whether it came after a start
    within the grace period, with each trait: what the curves are made of. Both arms are k people.
    """
    within = people.within
    fitted = [people.starts[:, j] for j in range(people.grace)]
    fitted += [~within & (people.leaves == j) for j in range(people.grace)]
    fitted.append(~within & (people.leaves >= people.grace))
    ends = [
        (within == started) & (people.leaves == j) & (people.event == event)
        for started in (False, True)
        for j in range(people.intervals + 1)
        for event in (False, True)
    ]
    return joined(
        few_or_none(counted(people).ravel()),
        behind(np.array([within.sum(), (~within).sum()], dtype=np.int64)),
        design_cells(rows, formula),
        *(part_cells(rows, formula, one) for one in fitted),
        *(_with_traits(rows, formula, one) for one in ends),
    )


def _with_traits(rows: Rows, formula: Formula, part: Bools) -> Measure:
    """Of a part of the people, who has each trait and who has not, and who is away from a measurement's ends."""
    having = all_traits(rows, formula)[part]
    sides = np.concatenate([having.sum(axis=0), (~having).sum(axis=0)]).astype(np.int64)
    return joined(few_or_none(sides), supported(measured_columns(rows, formula), part))


def own_cells(rows: Rows, formula: Formula, people: Histories, hospitals: str) -> Counts:
    """Cells of this hospital alone, where its intercept is its own: starts by event, and starts in each interval."""
    everyone = np.ones(rows.n, bool)
    found = [_patterns(rows, formula, people)]
    if is_own(hospitals):
        within, event = people.within, rows[formula.outcome] == 1
        found.append(own_table([[(a & b).sum() for b in (event, ~event)] for a in (within, ~within)]))
        found.append(own_table(people.starts.sum(axis=0)))
        found.append(traits_of(rows, formula, everyone, [within, event]))
    return np.concatenate(found)


def _patterns(rows: Rows, formula: Formula, people: Histories) -> Counts:
    """Where no covariate is a measurement here, who has which history with each combination of traits.

    A weight is then one of a few numbers that are known, and the sum of some tells how many there are of each.
    """
    columns = measured_columns(rows, formula)
    if any(one.values is None for one in columns):
        return NOBODY
    table = np.column_stack([people.cells(), design_traits(rows, formula), *(one.holding() for one in columns)])
    return np.unique(table, axis=0, return_counts=True)[1].astype(np.int64)
