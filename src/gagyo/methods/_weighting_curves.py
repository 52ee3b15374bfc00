"""Survival of treated and untreated under propensity weights, on the grid of times of the cohort, merged.

The grid is that of all curves of the cohort; neighbours are merged until in each interval each group has nobody or k
people who leave with the event, and nobody or k who leave without. Then the sums of weights and of squared weights are
opened for each of these, once, from which curves, risk differences and restricted means follow with their errors, the
weights as given. Cole & Hernan (2004) Comput Methods Programs Biomed 75:45; Xie & Liu (2005) Stat Med 24:3089.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.errors import Stopped
from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.local import Name, Numbers, Whole, local
from gagyo.federation.rows import Rows
from gagyo.methods._survival import grid as grids
from gagyo.methods._survival.agreed import Grid
from gagyo.methods._traits import design_traits, measured_columns
from gagyo.methods._weighting_steps import HOW, WORST, weighed
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import NOBODY, Aggregate, Counts, Floats, Spread, few_or_none, side_by_side, spread_of
from gagyo.release.aggregate import exits as measured
from gagyo.statistics.weighted_life_table import WeightedLifeTable

exits = grids.exit_step("weighting")

TRIES = (1, 2, 4)
"""Times the study's minimum of people: a hospital may ask for more than the study does."""


@local("weighting", **HOW, time=Name(), edges=Numbers((None,), 0, 1e12), least=Whole(1, 1_000_000))
def weighted_exits(rows: Rows, *, time: str, edges: Floats, least: int, **how: Any) -> Aggregate:
    """Sums of weights and of their squares of those who leave in each interval (2, K, 2, 2): by group, the untreated
    first, and by whether without or with the event. least: how many leave at the least where anybody does.
    """
    asked, _, found = weighed(rows, **how)
    K, w = len(edges) - 1, found.weight
    interval = np.minimum(np.searchsorted(edges[1:], rows[time], side="left"), K - 1)
    treated = rows[asked.formula.outcome] == 1
    cell = (2 * interval + treated) * 2 + (rows[asked.outcome] == 1)
    counts = np.bincount(cell, minlength=4 * K).astype(np.int64)
    values = np.array([np.bincount(cell, one, minlength=4 * K) for one in (w, w**2)]).reshape(2, K, 2, 2)
    bounds = np.array([WORST, WORST**2]).reshape(2, 1, 1, 1)
    spread = _spread(np.column_stack([w, w**2]), treated, least)
    fit = asked.together(rows, values, bounds, spread, few_or_none(counts), _patterns(rows, asked.formula, cell))
    return {"exits": measured(counts.reshape(1, K, 2, 2), rows.n), "fit": fit}


def _spread(values: Floats, treated: NDArray[np.bool_], least: int) -> Spread:
    """Of a sum over `least` people of a group (n, 2): the two greatest there are here, and else people of average size.

    Who leaves beside somebody is at other hospitals too; were those of average weight, nobody may outweigh them.
    """
    parts = [of_few(values[group], least) for group in (treated, ~treated)]
    return side_by_side(*parts)


def of_few(values: Floats, least: int) -> Spread:
    """Of a sum over at least so many people (n, m): the two greatest there are here, else people of average size."""
    whole = spread_of(values)
    others = max(least - 2, 1) * whole.total / max(len(values), 1)
    return Spread(whole.largest + whole.second + others, whole.largest, whole.second)


def _patterns(rows: Rows, formula: Formula, cell: Counts) -> Counts:
    """Where no column of the propensity model is a measurement here: who leaves so, with each combination of traits.

    A weight is then one of a few numbers that are known, and the sum of some tells how many there are of each.
    """
    columns = measured_columns(rows, formula)
    if any(one.values is None for one in columns):
        return NOBODY
    table = np.column_stack([cell, design_traits(rows, formula), *(one.holding() for one in columns)])
    return np.unique(table, axis=0, return_counts=True)[1].astype(np.int64)


@dataclass(frozen=True)
class Drawn:
    """What was opened: the merged grid, and sums of weights and of squared weights (2, K, 2, 2); the rounds it took."""

    grid: Grid
    sums: Floats
    rounds: int

    def table(self, group: int) -> WeightedLifeTable:
        """The untreated (0) or the treated (1)."""
        kept, grid = self.grid.kept(group), self.grid
        sums, squares = self.sums[:, :, group].transpose(0, 2, 1)
        return WeightedLifeTable.of(grid.edges[: kept + 1], sums, squares, grid.single[:kept])


@dataclass(frozen=True)
class Undrawn:
    """Not even two intervals hold enough of each group for curves; the rounds that it took to see that."""

    rounds: int


def draw(asked: grids.Asked, how: Mapping[str, Any]) -> Generator[Ask, Pooled, Drawn | Undrawn]:
    """Agree on the cohort's grid, and open the weights on the finest merged one on which the hospitals do.

    Raises:
        Stopped: the hospitals refused them on every grid.
    """
    grid = yield from grids.agree(asked)
    rounds = grid.rounds
    refused: Stopped | None = None
    for number, times in enumerate(TRIES, 1):
        least = times * asked.least
        merged = grid.coarser(least, apart=True, keep=asked.cuts)
        if len(merged.exits) < 2:
            break
        arguments = {**how, "time": asked.time.name, "edges": merged.edges, "least": least}
        rounds = grid.rounds + number
        try:
            answer = yield Ask(weighted_exits, arguments, doing="weighting")
        except Stopped as why:
            refused = why
            continue
        if answer.whole("fit"):
            return Drawn(merged, answer["fit"], rounds)
    if refused is not None:
        raise refused
    return Undrawn(rounds)
