"""Sums over groups of people to which a hospital adds only the groups in which it has enough people.

A share of a secure sum leaves whole or not at all, so one hospital with two people of a group would stop the analysis.
It keeps out of that group instead, from the counts as from the sums: means then cover the people who are counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.ask import Pooled
from gagyo.federation.rows import Rows
from gagyo.release.aggregate import Aggregate, Floats, count, everybody, few_or_none, joined, joint, spread_of

ENOUGH = 5
"""People of a group at a hospital; also the floor of every study's minimum."""

SHARE = 0.25
"""What all but the two largest contributions must come to, of the largest: a little more than the gate asks."""


def everyone(rows: Rows) -> Aggregate:
    """How many people there are: always open, so that a question whose other numbers all stay shut has an answer."""
    return {"people": everybody(rows.n)}


def adds(columns: Floats, groups: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """To which groups (n, g) the hospital adds: enough people, and no sum that one person makes up."""
    enough = groups.sum(axis=0) >= ENOUGH
    for g in np.flatnonzero(enough):
        spread = spread_of(columns[groups[:, g]])
        rest = spread.total - spread.largest - spread.second
        enough[g] = bool(np.all((spread.largest == 0) | (rest >= SHARE * spread.largest)))
    return np.asarray(enough)


def present(
    rows: Rows, columns: Floats, groups: NDArray[np.bool_], bounds: Floats, apart: Sequence[NDArray[np.bool_]] = ()
) -> Aggregate:
    """`groups`, (g, 1 + c): by group (n, g) to which the hospital adds, its people and the sums of columns (n, c).

    All groups are opened together or none: of one group that stays shut, the sums would follow from the others and from
    those over everyone. So would those of the people who are kept out, if they are 1 to k-1 over all hospitals.
    apart: people (n,) of whom a group, and those who are kept out of it, have nobody or k, too.
    """
    among = groups & adds(columns, groups)
    inside = columns[:, None, :] * among[:, :, None]
    values = np.concatenate([among.sum(axis=0)[:, None], inside.sum(axis=0)], axis=1)
    parts = [few_or_none((side & one[:, None]).sum(axis=0)) for one in apart for side in (among, groups & ~among)]
    cells = joined(count(among), few_or_none((groups & ~among).sum(axis=0)), *parts)
    spread = spread_of(inside.reshape(rows.n, -1))
    return {"groups": joint(values, np.append(1.0, bounds), cells, spread), **everyone(rows)}


def grouped(pooled: Pooled) -> tuple[Floats, Floats]:
    """People (g,) and sums (g, c) of an answer by group; NaN where the groups stayed shut."""
    return pooled["groups"][:, 0], pooled["groups"][:, 1:]
