"""Which head counts the sums of a mixed model give away: those of one hospital by itself, and those of its clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.rows import Rows
from gagyo.methods._traits import first_levels, measured
from gagyo.protocol.formula import Formula
from gagyo.protocol.terms import DesignColumn
from gagyo.release.aggregate import NO_SPREAD, Counts, Floats, Measure, Spread, behind, few_or_none, joined
from gagyo.release.few_values import supported

Bools = NDArray[np.bool_]


def block_cells(rows: Rows, formula: Formula, slopes: Sequence[str]) -> Measure:
    """What a hospital's own sums and its products with the variables of `slopes` give away.

    Of everybody, and of those with and without each 0/1 slope: how many have each 0/1 column and how many do not, at
    least k; and of each measurement how many are away from zero and from the ends of its range, nobody or k.
    """
    traits = [name for name in slopes if rows.variables[name].type == "boolean"]
    sides: list[tuple[str, Bools]] = [("", np.ones(rows.n, bool))]
    sides += [(name, rows[name] == 1) for name in traits]
    parts = [_side(rows, formula, name, inside) for name, inside in sides]
    parts += [few_or_none(_both(rows, formula, rows[name] == 0)) for name in traits]
    return joined(*parts, *(supported(measured(rows, formula), inside) for _, inside in sides))


def _side(rows: Rows, formula: Formula, name: str, inside: Bools) -> Measure:
    """With and without each 0/1 column among some; of those with a 0/1 slope nobody lacks it, which is no secret."""
    counts = _both(rows, formula, inside)
    return few_or_none(counts) if name else behind(counts[~_known(rows, formula)])


def _known(rows: Rows, formula: Formula) -> Bools:
    """Of the counts of `_both`, the intercept's, which are everybody and nobody."""
    first = np.zeros(2 * first_levels(rows, formula).shape[1], bool)
    columns = _traits(formula.columns(rows.variables))
    intercept = np.array([column.indicator == () for _, column in columns], bool)
    return np.concatenate([np.zeros(len(columns), bool), intercept, first])


def _both(rows: Rows, formula: Formula, inside: Bools) -> Counts:
    at = [j for j, _ in _traits(formula.columns(rows.variables))]
    having = rows.design(formula)[inside][:, at].sum(axis=0)
    first = first_levels(rows, formula)[inside].sum(axis=0)
    return _whole(np.concatenate([having, inside.sum() - having, first, inside.sum() - first]))


def _whole(people: Floats) -> Counts:
    return np.asarray(np.rint(people), dtype=np.int64)


def _traits(columns: Sequence[DesignColumn]) -> list[tuple[int, DesignColumn]]:
    return [(j, column) for j, column in enumerate(columns) if column.indicator is not None]


def hospital_people(rows: Rows, formula: Formula) -> Counts:
    """How many of a hospital have each trait and each two of them, and how many do not: nobody, or k. A trait is a 0/1
    column, or a value of a measurement that holds a few.

    A product within hospitals is a count less a product of counts over the hospital's number of people. Sums of
    fractions with unlike denominators come apart into each hospital's counts.
    """
    having = _having(rows, formula)
    sides = np.column_stack([having, 1 - having])
    return _whole((sides.T @ sides)[np.triu_indices(sides.shape[1])])


def _having(rows: Rows, formula: Formula) -> Floats:
    """Who has each trait (n, q)."""
    columns = rows.design(formula)[:, [j for j, _ in _traits(formula.columns(rows.variables))]]
    few = (one.holding() for one in measured(rows, formula))
    return np.column_stack([columns, first_levels(rows, formula), *few])


class Clusters:
    """The people of one hospital by cluster: `place` (n,) is each person's cluster, `sizes` (m,) how many each has."""

    def __init__(self, rows: Rows, cluster: str) -> None:
        codes = rows[cluster] if cluster else np.arange(rows.n)
        _, self.place, self.sizes = np.unique(codes, return_inverse=True, return_counts=True)

    def sums(self, columns: Floats) -> Floats:
        """The sum (m, q) of each column in each cluster."""
        m = len(self.sizes)
        every = [np.bincount(self.place, weights=column, minlength=m) for column in columns.T]
        return np.stack(every, axis=1) if every else np.zeros((m, 0))

    def people(self, some: Bools) -> Counts:
        """How many of some people (n,) are in each cluster (m,)."""
        return np.bincount(self.place[some], minlength=len(self.sizes)).astype(np.int64)


def cluster_people(rows: Rows, formula: Formula, clusters: Clusters) -> Counts:
    """Of each cluster how many people, how many have each trait and how many do not, and of each measurement how many
    are away from zero and from the ends of its range: nobody, or k.

    Clusters weigh otherwise at each variance ratio: as the rounds go by, the sums of one of a size of its own follow.
    """
    having = clusters.sums(_having(rows, formula))
    away = [one.x != value for one in measured(rows, formula) for value in (0.0, *one.ends)]
    places = clusters.sums(np.array(away, bool).reshape(len(away), rows.n).T)  # a design of traits alone has none
    every = [having, clusters.sizes[:, None] - having, places]  # everybody has the intercept
    return _whole(np.concatenate([one.ravel() for one in every]))


def cluster_spread(columns: Floats, clusters: Clusters) -> Spread:
    """The spread (m * q,) of each column's sum in each cluster: nobody may make up most of one."""
    if not len(clusters.sizes):
        return NO_SPREAD
    total = clusters.sums(np.abs(columns)).ravel()
    order = np.argsort(clusters.place, kind="stable")
    place, starts = clusters.place[order], np.cumsum(clusters.sizes) - clusters.sizes
    largest, second = np.zeros((2, len(starts), columns.shape[1]))
    for j in range(columns.shape[1]):
        size = np.abs(columns[order, j])
        largest[:, j] = np.maximum.reduceat(size, starts)
        # Without the first of those who have the most, the most is the second: another may have just as much.
        most = np.flatnonzero(size == largest[place, j])
        size[most[np.append(True, place[most[1:]] != place[most[:-1]])]] = 0.0
        second[:, j] = np.maximum.reduceat(size, starts)
    return Spread(total, largest.ravel(), second.ravel())
