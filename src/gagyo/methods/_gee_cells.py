"""Which head counts the sums of estimating equations give away: of all people, and of each cluster by itself."""

from __future__ import annotations

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.methods._glm_cells import fit_cells
from gagyo.methods._mixed_cells import Clusters, cluster_people, cluster_spread
from gagyo.methods._products import product_cells
from gagyo.methods._sampling import widened
from gagyo.methods._set_apart import from_usual, weighed_apart
from gagyo.methods._traits import all_traits
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Counts, Measure, Spread, joined, own_table


class Whole(Clusters):
    """All people of a hospital as one cluster."""

    def __init__(self, rows: Rows) -> None:
        self.place = np.zeros(rows.n, np.int64)
        self.sizes = np.array([rows.n] if rows.n else [], np.int64)


def clusters_of(rows: Rows, cluster: str) -> Clusters:
    """The people by cluster; without a variable, the hospital is one."""
    found: Clusters = rows.kept(("gee clusters", cluster), lambda: Clusters(rows, cluster) if cluster else Whole(rows))
    return found


def places_of(rows: Rows, cluster: str) -> list[np.ndarray]:
    """The rows of each cluster."""
    groups = clusters_of(rows, cluster)

    def split() -> list[np.ndarray]:
        order = np.argsort(groups.place, kind="stable")
        return np.split(order, np.cumsum(groups.sizes)[:-1]) if rows.n else []

    found: list[np.ndarray] = rows.kept(("gee places", cluster), split)
    return found


def pooled_cells(rows: Rows, formula: Formula, family: str, weights: str = "") -> Measure:
    """What the sums over all people give away, as of a linear or a generalised linear fit."""

    def count() -> Measure:
        wide = widened(rows, formula, weights)
        plain = product_cells(rows, wide) if family == "gaussian" else fit_cells(rows, wide)
        return joined(plain, weighed_apart(rows, formula, rows[weights])) if weights else plain

    cells: Measure = rows.kept(("gee cells", formula.text, family, weights), count)
    return cells


def cluster_cells(rows: Rows, formula: Formula, family: str, cluster: str, weights: str = "") -> Counts:
    """Of each cluster what a mixed model gives away, and who has the outcome of those with and without each 0/1 column;
    with weights of the model that has these as a column and in products, and who has others than most people here.

    The middle of the sandwich is a sum of products of clusters' own sums, from which with few clusters these follow.
    """
    groups = clusters_of(rows, cluster)

    def count() -> Counts:
        people = cluster_people(rows, widened(rows, formula, weights), groups)
        unusual = [groups.people(from_usual(rows[weights]) > 0)] if weights else []
        return np.concatenate([people, *unusual, *_outcomes(rows, formula, family, groups)])

    found: Counts = rows.kept(("gee own", formula.text, family, cluster, weights), count)
    return found


def _outcomes(rows: Rows, formula: Formula, family: str, groups: Clusters) -> list[Counts]:
    if family == "gaussian":
        return []
    having = np.column_stack([np.ones(rows.n, bool), all_traits(rows, formula)])
    some = (rows[formula.outcome] != 0)[:, None]
    sides = [having & some, ~having & some]
    sides += [having & ~some, ~having & ~some] if family == "binomial" else []
    counts = [np.rint(groups.sums(one.astype(np.float64))).astype(np.int64) for one in sides]
    # A cluster in which all, or none, have a yes/no outcome says of each of its people what they have.
    whole = own_table(np.column_stack([counts[0][:, 0], counts[2][:, 0]])) if family == "binomial" else counts[0][:, 0]
    return [whole, *(one.ravel() for one in counts)]


def own_spread(rows: Rows, formula: Formula, cluster: str, weights: str = "") -> Spread:
    """The spread of each column's and the outcome's sum in each cluster, as they are and as they are weighted, and of
    how far weights are from the usual one.
    """

    def measure() -> Spread:
        columns = np.column_stack([rows.design(formula), rows[formula.outcome]])
        if weights:
            columns = np.column_stack([columns, columns * rows[weights][:, None], from_usual(rows[weights])])
        return cluster_spread(columns, clusters_of(rows, cluster))

    found: Spread = rows.kept(("gee spread", formula.text, cluster, weights), measure)
    return found
