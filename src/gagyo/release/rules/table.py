"""Table: a withheld cell must not come back by subtraction from its row's or column's total."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gagyo.release.aggregate import Measure
from gagyo.release.case import Breach, Case, too_few


def table(case: Case) -> Iterator[Breach]:
    """Complementary suppression of tables of counts, along levels and along groups."""
    if case.scope == "share":
        return
    for name, measure in case.aggregate.items():
        if measure.kind == "cells":
            primary = primary_suppression(measure, case.limits.minimum_people)
            both = complete(measure.people, primary, case.limits.minimum_people)
            if np.any(both & ~primary):
                yield Breach("table", name, both)


def primary_suppression(measure: Measure, least: int) -> NDArray[np.bool_]:
    """Cells that are too small themselves, or whose complement is."""
    few = too_few(measure.people, measure.structural, least)
    return np.asarray(few | ((measure.others > 0) & (measure.others < least)))


def complete(people: NDArray[np.int64], primary: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """Grow the suppression until every line hides none, or at least two cells with k people among them.

    The next cell taken is the smallest one with people in it, then by position, so that every hospital finds the same.
    """
    hidden = primary.copy()
    changed = True
    while changed:
        changed = any(
            _complete_line(people[line], hidden, line, least)
            for axis in range(people.ndim)
            for line in _lines(people.shape, axis)
        )
    return hidden


def _lines(shape: tuple[int, ...], axis: int) -> Iterator[tuple[int | slice, ...]]:
    if shape[axis] == 1:
        return
    for index in np.ndindex(*(size for number, size in enumerate(shape) if number != axis)):
        yield (*index[:axis], slice(None), *index[axis:])


def _complete_line(
    cells: NDArray[np.int64], hidden: NDArray[np.bool_], line: tuple[int | slice, ...], least: int
) -> bool:
    now = hidden[line]
    sum_hidden = cells[now].sum()
    if not now.any() or (now.sum() >= 2 and (sum_hidden >= least or sum_hidden == 0)):
        return False
    candidates = np.flatnonzero(~now & (cells > 0))
    if candidates.size == 0:
        return False
    chosen = candidates[np.argmin(cells[candidates])]
    grown = now.copy()
    grown[chosen] = True
    hidden[line] = grown
    return True
