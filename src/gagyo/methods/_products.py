"""Sums of a design's columns and of the outcome, and cross-products about a centre: what least squares needs."""

from __future__ import annotations

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.methods._newton import triangle
from gagyo.methods._regression import column_bounds, design_cells
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Aggregate, Floats, Measure, count, joint, spread_of, together

BLOCK = 4096
"""Rows that are worked on together: a whole copy of the design for each step of the work costs more than the work."""


def bounds(rows: Rows, formula: Formula) -> tuple[Floats, float]:
    """The greatest size of each column (p,) and of the outcome that the declared ranges allow."""
    return column_bounds(rows, formula), float(np.abs(rows.variables[formula.outcome].bounds).max())


def product_cells(rows: Rows, formula: Formula) -> Measure:
    """The head counts that the products give away; kept for the next round."""
    cells: Measure = rows.kept(("linear", formula.text), lambda: design_cells(rows, formula))
    return cells


def column_sums(rows: Rows, formula: Formula) -> Aggregate:
    """The sum of each column of the design (p) and of the outcome, and how many people."""
    bound, cells = np.append(*bounds(rows, formula)), product_cells(rows, formula)
    sums, spreads = np.zeros(len(bound)), []
    for _, block in rows.blocks(formula, BLOCK, outcome=True):
        sums += block.sum(axis=0)
        spreads.append(spread_of(block))
    spread = together(len(bound), spreads)
    return {"people": count(np.ones(rows.n, bool)), "sums": joint(sums, bound, cells, spread)}


def centred_products(rows: Rows, formula: Formula, centre: Floats) -> Measure:
    """Cross-products (upper triangle) of the design's columns and the outcome about `centre` (p + 1)."""
    bound = 2 * np.append(*bounds(rows, formula))
    products, spreads = np.zeros((len(bound), len(bound))), []
    for _, block in rows.blocks(formula, BLOCK, outcome=True):
        block -= centre
        products += block.T @ block
        spreads.append(spread_of(block**2))
    upper, right = triangle(len(bound))
    spread, scales = together(len(bound), spreads), bound[upper] * bound[right]
    return joint(products[upper, right], scales, product_cells(rows, formula), spread)
