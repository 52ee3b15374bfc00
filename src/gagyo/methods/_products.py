"""Sums of a design's columns and of the outcome, and cross-products about a centre: what least squares needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.rows import Rows
from gagyo.methods._newton import triangle
from gagyo.methods._regression import column_bounds, design_cells
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Aggregate, Floats, Measure, Spread, everybody, joint, spread_of, together

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
    sums, least = np.zeros(len(bound)), np.zeros(len(bound))
    for some, block in rows.blocks(formula, BLOCK, outcome=True):
        sums += block.sum(axis=0)
        if some.start == 0:  # its sizes alone are less than everybody's
            least = np.abs(block).sum(axis=0)
    spread = spread_within(least, bound, lambda columns: (x[:, columns] for x in _blocks(rows, formula)))
    return {"people": everybody(rows.n), "sums": joint(sums, bound, cells, spread)}


def centred_products(rows: Rows, formula: Formula, centre: Floats) -> Measure:
    """Cross-products (upper triangle) of the design's columns and the outcome about `centre` (p + 1)."""
    bound = 2 * np.append(*bounds(rows, formula))
    products = np.zeros((len(bound), len(bound)))
    for block in _blocks(rows, formula):
        block -= centre
        products += block.T @ block

    def squares(columns: NDArray[np.intp]) -> Iterator[Floats]:
        return ((x[:, columns] - centre[columns]) ** 2 for x in _blocks(rows, formula))

    upper, right = triangle(len(bound))
    spread = spread_within(np.diag(products), bound**2, squares)
    return joint(products[upper, right], bound[upper] * bound[right], product_cells(rows, formula), spread)


def _blocks(rows: Rows, formula: Formula) -> Iterator[Floats]:
    """The design and the outcome, some rows at a time."""
    return (block for _, block in rows.blocks(formula, BLOCK, outcome=True))


Columns = Callable[[NDArray[np.intp]], Iterable[Floats]]
"""What people add to some of several sums, some rows at a time."""


def spread_within(least: Floats, most: Floats, columns: Columns) -> Spread:
    """The spread of sums (m,) whose sizes add up to `least` or more and of which nobody adds more than `most`.

    Where these bounds do not settle who makes up most, it is found in the columns.
    """
    found = Spread(least.copy(), most.copy(), most.copy())
    if len(some := found.unsettled):
        exact = together(len(some), map(spread_of, columns(some)))
        found.total[some], found.largest[some], found.second[some] = exact.total, exact.largest, exact.second
    return found
