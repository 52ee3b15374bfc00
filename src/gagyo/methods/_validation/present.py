"""Sums over groups of people to which a hospital adds only the groups in which it has enough people.

A share of a secure sum leaves whole or not at all, so one hospital with two people of a group would stop the analysis.
It keeps out of that group instead, from the counts as from the sums: means then cover the people who are counted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.rows import Rows
from gagyo.release.aggregate import Aggregate, Floats, count, reshape, spread_of, total

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
    """`counts` (g,) and `sums` (g, c) of columns (n, c) over groups (n, g) to which the hospital adds."""
    among = groups & adds(columns, groups)
    width, many = groups.shape[1], columns.shape[1]
    spread_out = np.repeat(among, many, axis=1)
    sums = total(np.tile(columns, (1, width)) * spread_out, np.tile(bounds, width), spread_out)
    return {"counts": count(among), "sums": reshape(sums, (width, many)), **everyone(rows)}
