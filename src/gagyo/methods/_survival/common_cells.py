"""Every head count that the sums by interval of a Cox model with one baseline hazard give away.

With entries the sums by interval are over those at risk, so that one less another is over those who left and those who
came in between. Nobody's share in any combination of these sums stands alone where people of one time of entry, k of
them and without the event, leave each interval, and where these bundles hang together: `lag` says which they are. Of
those who can change, who never do have bundles from the start, and who have changed come when they change: at the end
of the first interval at the earliest, but for those who had at time zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from math import prod

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.methods._regression import MOST_TRAITS, part_traits
from gagyo.methods._survival.common_people import Bools, People
from gagyo.methods._survival.episodes import Changing
from gagyo.methods._traits import all_traits, variables_of, without_column
from gagyo.protocol.formula import Formula
from gagyo.protocol.variables import levels_of
from gagyo.release.aggregate import Counts, Floats, Measure, behind, few_or_none, joined

BOTH, CHANGED, NEVER = "both", "changed", "never"
"""Whether a group is of people who had changed when they left, of people who had not, or of either, by the plan."""


def bundles(people: People, chosen: Bools, lag: int, until: Floats, root: int = 0) -> list[Measure]:
    """Head counts behind combinations of sums over those at risk, of the chosen people; none where all are there
    from the start.

    Who enters late, by the cell from which on they are at risk: nobody, or k. And the bundles: those without the
    event who leave in an interval and are first at risk `lag` - 1 intervals before it (or from the start), k in
    each interval before a stratum's last with an exit. Take intervals for places, and a person for a line from the
    interval before they are at risk to that in which they leave. A combination of the sums spares those lines
    alone whose two ends it counts alike. The bundles join every place with an earlier one, and so with the start, or
    with place `root` where nobody comes sooner.
    """
    if people.first is None:
        return []
    n, size = people.size, people.shape[0] * people.shape[1]
    first, last, event, row = people.first[:n], people.last[:n], people.event[:n], people.stratum[:n] * people.shape[1]
    came = np.bincount((row + first)[chosen], minlength=size).reshape(people.shape)
    bundled = ~event & (first == np.maximum(last - lag + 1, root))
    tied = np.bincount((row + last)[chosen & bundled], minlength=size).reshape(people.shape)
    places = np.arange(people.shape[1])
    return [few_or_none(came[:, 1:].ravel()), behind(tied[(places >= root) & (places < until[:, None])])]


def cells_of(people: People, there: Changing, formula: Formula, lag: int, until: Floats) -> Measure:
    """Every head count that the sums give away: traits, in all and in each stratum; who leaves in each cell, with
    the event and without, and `bundles`, of all, of those over whom a column's sums are and of combinations of
    traits; and who leaves in each cell of those whom the sums of two columns leave.
    """
    rows = there.rows
    levels = range(people.shape[0] if people.shape[0] > 1 else 0)
    parts = [part_traits(rows, formula, people.stratum[: people.size] == level) for level in levels]
    together = ((chosen, BOTH) for chosen in _combinations(there, formula, people.first is not None))
    for chosen, side in (np.ones(rows.n, bool), BOTH), *_behind_columns(there, formula), *together:
        for part, lagging, root in _apart(people, chosen, side, lag):
            parts += [few_or_none(people.exits(part).ravel()), *bundles(people, part, lagging, until, root)]
            if root and people.first is not None:  # who had changed at time zero comes before the others' root
                parts.append(few_or_none(people.exits(part & (people.first[: people.size] < root)).ravel()))
    parts += [few_or_none(people.exits(chosen).ravel()) for chosen in _behind_two_columns(rows, formula)]
    parts.append(behind(_of_many_values(rows, formula)))
    return joined(there.cells(formula, rows.n), *parts)


def changed_as_they_left(rows: Rows, there: Changing, formula: Formula) -> Iterator[Measure]:
    """Who changed in the interval in which they left, and so counts as unchanged on the grid alone: nobody, or k."""
    for name, at in zip(there.changed, there.at, strict=True):
        yield part_traits(there.rows, formula, (rows[at] < rows[there.time]) & (there.rows[name] == 0))


def _apart(people: People, chosen: Bools, side: str, lag: int) -> Iterator[tuple[Bools, int, int]]:
    """Who of the chosen had changed when they left, and who had not, each with the lag and the root of their bundles.

    The sums over both follow, as having changed is a column. Weights of one and the other may be taken so that a
    person's two lines are one again: so only those who never change are bundles of how people are before.
    """
    if people.changed is None:
        yield chosen, lag, 0
        return
    if side in (BOTH, CHANGED):
        yield chosen & people.changed, lag, 1
    if side in (BOTH, NEVER):
        yield chosen & ~people.changed, people.shape[1], 0


def _behind_columns(there: Changing, formula: Formula) -> Iterator[tuple[Bools, str]]:
    """Over whom the sums of a column are: those with each trait, and those without, of which the sums follow; those
    whose measurement is not zero, where it may be.
    """
    rows = there.rows
    columns = [(column, term) for term in formula.terms for column in term.columns(rows.variables)]
    named = [{one[0]: 1 for one in column.indicator} for column, _ in columns if column.indicator]
    named += [{one.variable: one.code for one in at} for at in without_column(rows, formula)]
    for trait, codes in zip(all_traits(rows, formula).T, named, strict=True):
        code = next((codes[one] for one in there.changed if one in codes), None)
        side = BOTH if code is None else CHANGED if code == 1 else NEVER
        yield trait, side
        # Who lacks a product's trait may lack either part of it.
        yield ~trait, {CHANGED: NEVER, NEVER: CHANGED}.get(side, BOTH) if len(codes) == 1 else BOTH
    for j, (column, term) in enumerate(columns, start=1):
        one = rows.variables.get(column.name) if column.indicator is None else None
        never_zero = one is not None and one.bounds[0] * one.bounds[1] > 0
        if column.indicator is None and not never_zero:
            yield rows.design(formula)[:, j] != 0, CHANGED if term.names & set(there.changed) else BOTH


def _behind_two_columns(rows: Rows, formula: Formula) -> Iterator[Bools]:
    """Whom the sums of two columns leave, one less the other: those with and without each, of each two traits."""
    traits = all_traits(rows, formula)
    sides = np.concatenate([traits, ~traits], axis=1).T
    yield from (one & other for one, other in combinations(sides, 2))


def _combinations(there: Changing, formula: Formula, late: bool) -> Iterator[Bools]:
    """Whom sums of several traits are over, whether they changed or not.

    Of a design of traits alone, who has each combination: weights are then known, and sums of a few rounds are
    equations in how many have which. Else, where some come `late` or change, who has one trait of two and not the
    other, and who has both or neither: one's sum less another's spares the latter at any time, their sum the former.
    """
    rows, names = there.rows, [name for name in formula.predictors if name not in there.changed]
    levels = {name: levels_of(rows.variables[name]) for name in names}
    if len(names) > 1 and 0 < prod(levels.values()) <= 1 << MOST_TRAITS:
        for codes in product(*map(range, levels.values())):
            yield np.all([rows[name] == code for name, code in zip(names, codes, strict=True)], axis=0)
    elif late:
        for one, other in combinations((name for name in names if levels[name]), 2):
            for code, beside in product(range(levels[one] == 2, levels[one]), range(levels[other] == 2, levels[other])):
                alike = (rows[one] == code) == (rows[other] == beside)
                yield from (alike, ~alike)


def _of_many_values(rows: Rows, formula: Formula) -> Counts:
    """By measurement of the design everybody, or nobody where it holds a few values here: at some hospital it has to
    hold many. Else it is a trait, and a number does not say beforehand which levels there are.
    """
    return np.array([rows.n * (one.values is None) for one in variables_of(rows, formula.predictors)], np.int64)
