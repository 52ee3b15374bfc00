"""One hospital's sums of a generalised linear fit: design and parts by person, their cells, and the ring's scales."""

from __future__ import annotations

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.methods._glm_cells import fit_cells
from gagyo.methods._newton import triangle
from gagyo.methods._offset import Offset
from gagyo.methods._regression import column_bounds, middles
from gagyo.methods._sampling import heaviest, most, widened
from gagyo.methods._set_apart import weighed_apart
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Floats, Measure, joined
from gagyo.statistics.families import Family, Parts

WORST = 64.0
"""Scale of a score factor without a unit; honest ones are below it. A larger one still fits the ring."""

DIFFERENCES = ("poisson", "gaussian")
"""Families whose score has the difference of an outcome from its mean as it is."""


def design_and_parts(
    rows: Rows, formula: Formula, family: Family, offset: Offset, weights: str, beta: Floats
) -> tuple[Floats, Parts]:
    """The design about the middles (n, p), and every person's parts at coefficients (p,), times their weights."""
    X = plain_of(rows, formula)
    eta = X @ beta + offset.of(rows)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # What runs past the largest number is not finite, and the gate's rule of ranges refuses it.
        parts = family.parts(rows[formula.outcome], eta)
        return X, parts.times(rows[weights]) if weights else parts


def plain_of(rows: Rows, formula: Formula) -> Floats:
    """The design (n, p), measured columns about the middles of their ranges."""
    X: Floats = rows.kept(("glm", formula.text), lambda: rows.design(formula) - middles(formula, rows.variables))
    return X


def cells_of(rows: Rows, formula: Formula, model: tuple[str, str], offset: Offset, weights: str = "") -> Measure:
    """Every head count that a fit gives away, also beside the same fit without offset or weights.

    model: the family and its link.
    """
    wide = widened(rows, offset.beside(rows, formula), weights)

    def count() -> Measure:
        roles = offset.weighing(rows, *model) if offset.text else []
        roles += [rows[weights]] if weights else []
        apart = (weighed_apart(rows, formula, one) for one in roles)
        return joined(fit_cells(rows, wide), *apart)

    cells: Measure = rows.kept(("glm cells", wide.text, model, offset), count)
    return cells


def reach_of(rows: Rows, formula: Formula) -> Floats:
    """The greatest size of each column about its middle."""
    return column_bounds(rows, formula) - np.abs(middles(formula, rows.variables))


def worst_of(rows: Rows, formula: Formula, family: str, offset: Offset, weights: str = "") -> float:
    """The scale of a score factor: that of the outcome where it is a difference of its values; times the weights'."""
    plain = size_of(rows, formula, family, offset) if family in DIFFERENCES else WORST
    return plain * heaviest(rows, weights)


def size_of(rows: Rows, formula: Formula, family: str, offset: Offset) -> float:
    """The greatest size of an outcome, or of its difference from the offset."""
    return most(rows.variables[formula.outcome]) + (offset.reach(rows) if family == "gaussian" else 0.0)


def scales_of(rows: Rows, formula: Formula, family: str, offset: Offset, weights: str = "") -> Floats:
    """The ring's scales by value, from declared ranges alone: a mean is of the size of the outcome's range.

    They fix the rounding, 2^-64 of each. A mean past the range fits the ring for 2^62 scales over the hospitals; what
    does not is refused.
    """
    reach, worst = reach_of(rows, formula), worst_of(rows, formula, family, offset, weights)
    upper, right = triangle(len(reach))
    weight = worst if family == "poisson" else heaviest(rows, weights)
    likelihood = worst * (size_of(rows, formula, family, offset) if family == "gaussian" else WORST)
    return np.concatenate([reach * worst, reach[upper] * reach[right] * weight, [likelihood]])
