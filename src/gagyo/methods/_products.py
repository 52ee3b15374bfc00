"""Sums of a design's columns and of the outcome, and cross-products about a centre: what least squares needs."""

from __future__ import annotations

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.methods._newton import triangle
from gagyo.methods._regression import column_bounds, design_cells
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Aggregate, Floats, Measure, count, joint, spread_of


def bounds(rows: Rows, formula: Formula) -> tuple[Floats, float]:
    """The greatest size of each column (p,) and of the outcome that the declared ranges allow."""
    return column_bounds(rows, formula), float(np.abs(rows.variables[formula.outcome].bounds).max())


def product_cells(rows: Rows, formula: Formula) -> Measure:
    """The head counts that the products give away; kept for the next round."""
    cells: Measure = rows.kept(("linear", formula.text), lambda: design_cells(rows, formula))
    return cells


def column_sums(rows: Rows, formula: Formula) -> Aggregate:
    """The sum of each column of the design (p) and of the outcome, and how many people."""
    columns = np.column_stack([rows.design(formula), rows[formula.outcome]])
    bound, cells = np.append(*bounds(rows, formula)), product_cells(rows, formula)
    return {
        "people": count(np.ones(rows.n, bool)),
        "sums": joint(columns.sum(axis=0), bound, cells, spread_of(columns)),
    }


def centred_products(rows: Rows, formula: Formula, centre: Floats) -> Measure:
    """Cross-products (upper triangle) of the design's columns and the outcome about `centre` (p + 1)."""
    bound = 2 * np.append(*bounds(rows, formula))
    columns = np.column_stack([rows.design(formula), rows[formula.outcome]]) - centre
    upper, right = triangle(len(bound))
    values = (columns.T @ columns)[upper, right]
    return joint(values, bound[upper] * bound[right], product_cells(rows, formula), spread_of(columns**2))
