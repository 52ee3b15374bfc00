"""One hospital's sums of a generalised linear fit: design and parts by person, their cells, and the ring's scales."""

from __future__ import annotations

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.methods._glm_cells import fit_cells
from gagyo.methods._newton import triangle
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
    rows: Rows, formula: Formula, family: Family, exposure: str, weights: str, beta: Floats
) -> tuple[Floats, Parts]:
    """The design about the middles (n, p), and every person's parts at coefficients (p,), times their weights."""
    X = plain_of(rows, formula)
    eta = X @ beta + offset_of(rows, exposure)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # What runs past the largest number is not finite, and the gate's rule of ranges refuses it.
        parts = family.parts(rows[formula.outcome], eta)
        return X, parts.times(rows[weights]) if weights else parts


def plain_of(rows: Rows, formula: Formula) -> Floats:
    """The design (n, p), measured columns about the middles of their ranges."""
    X: Floats = rows.kept(("glm", formula.text), lambda: rows.design(formula) - middles(formula, rows.variables))
    return X


def offset_of(rows: Rows, exposure: str) -> Floats | float:
    """The logarithm of the exposure (n,); 0 without one."""
    return np.log(rows[exposure]) if exposure else 0.0


def cells_of(rows: Rows, formula: Formula, exposure: str, weights: str = "") -> Measure:
    """Every head count that a fit gives away, also beside the same fit without exposure or weights."""
    wide = widened(rows, formula, weights)
    roles = [name for name in (exposure, weights) if name]

    def count() -> Measure:
        return joined(fit_cells(rows, wide, exposure), *(weighed_apart(rows, formula, name) for name in roles))

    cells: Measure = rows.kept(("glm cells", wide.text, exposure), count)
    return cells


def reach_of(rows: Rows, formula: Formula) -> Floats:
    """The greatest size of each column about its middle."""
    return column_bounds(rows, formula) - np.abs(middles(formula, rows.variables))


def worst_of(rows: Rows, formula: Formula, family: str, weights: str = "") -> float:
    """The scale of a score factor: that of the outcome where it is a difference of its values; times the weights'."""
    plain = most(rows.variables[formula.outcome]) if family in DIFFERENCES else WORST
    return plain * heaviest(rows, weights)


def scales_of(rows: Rows, formula: Formula, family: str, weights: str = "") -> Floats:
    """The ring's scales by value, from declared ranges alone: a mean is of the size of the outcome's range.

    They fix the rounding, 2^-64 of each. A mean past the range fits the ring for 2^62 scales over the hospitals; what
    does not is refused.
    """
    reach, worst = reach_of(rows, formula), worst_of(rows, formula, family, weights)
    upper, right = triangle(len(reach))
    weight = worst if family == "poisson" else heaviest(rows, weights)
    likelihood = worst * most(rows.variables[formula.outcome]) if family == "gaussian" else WORST * worst
    return np.concatenate([reach * worst, reach[upper] * reach[right] * weight, [likelihood]])
