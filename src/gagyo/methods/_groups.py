"""Groups of people by the levels of one variable: who is in each, and the sums of a measurement in each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.rows import Rows
from gagyo.protocol.variables import Variable, levels_of
from gagyo.release.aggregate import Floats, Measure, few_or_none, joined, joint, reshape, spread_of, total
from gagyo.release.few_values import Measured, supported
from gagyo.text import Text, join


def membership(rows: Rows, by: str) -> Floats:
    """Membership (n, groups) as 0/1; one group of everyone where there is no `by`."""
    if not by:
        return np.ones((rows.n, 1))
    return np.asarray(rows[by][:, None] == np.arange(levels_of(rows.variables[by])), dtype=np.float64)


def sums(x: Floats, among: NDArray[np.bool_], variable: Variable) -> Measure:
    """A variable's sum in each group, all or none: a small group's would follow from the others and from everyone's.

    The cells are those behind each sum: the group's people, and of a rare 0/1 coded as a number, those few.
    """
    column = Measured.of(x, variable.bounds)
    cells = joined(few_or_none(among.sum(axis=0)), *(supported([column], inside) for inside in among.T))
    inside = np.nan_to_num(x)[:, None] * among
    return joint(inside.sum(axis=0), float(np.abs(variable.bounds).max()), cells, spread_of(inside))


def squares(x: Floats, among: NDArray[np.bool_], centre: Floats, variable: Variable) -> Measure:
    """The sum of squares about each group's centre (groups,)."""
    squared = (np.nan_to_num(x)[:, None] - centre) ** 2
    reach = variable.bounds[1] - variable.bounds[0]
    return reshape(total(squared, 4 * reach**2, among), (among.shape[1],))


NO_YES = (Text("no", "아니오", "否"), Text("yes", "예", "是"))


def level_label(variable: Variable, level: int) -> Text:
    """`label: level`, as the name of a column or row."""
    own = NO_YES[level] if variable.type == "boolean" else variable.levels[level].label
    return join(": ", variable.label, own)
