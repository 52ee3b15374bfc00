"""Sums over groups of people to which a hospital adds only the groups in which it has enough people.

A share of a secure sum leaves whole or not at all, so one hospital with two people of a group would stop the analysis.
It keeps out of that group instead, from the counts as from the sums: means then cover the people who are counted.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.ask import Pooled
from gagyo.federation.rows import Rows
from gagyo.release.aggregate import Aggregate, Floats, Measure, count, joint, spread_of

ENOUGH = 5
"""People of a group at a hospital; also the floor of every study's minimum."""

SHARE = 0.25
"""What all but the two largest contributions must come to, of the largest: a little more than the gate asks."""


def everyone(rows: Rows) -> Aggregate:
    """How many people there are: always open, so that a question whose other numbers all stay shut has an answer."""
    return {"people": count(np.ones(rows.n, bool))}


def adds(columns: Floats, groups: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """To which groups (n, g) the hospital adds: enough people, and no sum that one person makes up."""
    enough = groups.sum(axis=0) >= ENOUGH
    for g in np.flatnonzero(enough):
        spread = spread_of(columns[groups[:, g]])
        rest = spread.total - spread.largest - spread.second
        enough[g] = bool(np.all((spread.largest == 0) | (rest >= SHARE * spread.largest)))
    return np.asarray(enough)


def present(rows: Rows, columns: Floats, groups: NDArray[np.bool_], bounds: Floats) -> Aggregate:
    """For each group (n, g) to which the hospital adds, its people and the sums of columns (n, c): `group0`, ...

    A group stays shut also where those who are kept out of it come to 1 to k-1 people over all hospitals: whoever knows
    the group's size would know theirs.
    """
    among = groups & adds(columns, groups)
    shown = {f"group{g}": _group(columns, groups[:, g], among[:, g], bounds) for g in range(groups.shape[1])}
    return {**shown, **everyone(rows)}


def _group(columns: Floats, group: NDArray[np.bool_], among: NDArray[np.bool_], bounds: Floats) -> Measure:
    inside = columns * among[:, None]
    values = np.append(float(among.sum()), inside.sum(axis=0))
    both = count(np.column_stack([among, group & ~among]))
    nobody = np.array([False, True])
    cells = replace(both, others=np.where(nobody, 0, both.others), structural=nobody)
    return joint(values, np.append(1.0, bounds), cells, spread_of(inside))


def grouped(pooled: Pooled, number: int) -> tuple[Floats, Floats]:
    """People (g,) and sums (g, c) of an answer by group; NaN where a group stayed shut."""
    table = np.array([pooled[f"group{g}"] for g in range(number)])
    return table[:, 0], table[:, 1:]
