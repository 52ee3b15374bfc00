"""Table: a withheld cell must not come back by subtraction from its row's or column's total."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gagyo.release.aggregate import Measure
from gagyo.release.case import Breach, Case, left_few, too_few


def table(case: Case) -> Iterator[Breach]:
    """Complementary suppression of tables of counts, along levels and along groups."""
    if case.scope == "share":
        return
    for name, measure in case.aggregate.items():
        if measure.kind == "cells":
            primary = primary_suppression(measure, case.limits.minimum_people) | left_few(case, name)
            both = complete(measure.people, primary, case.limits.minimum_people)
            if np.any(both & ~primary):
                yield Breach("table", name, both)


def primary_suppression(measure: Measure, least: int) -> NDArray[np.bool_]:
    """Cells that are too small themselves, or whose complement is."""
    few = too_few(measure.people, measure.structural, least)
    return np.asarray(few | ((measure.others > 0) & (measure.others < least)))


def complete(people: NDArray[np.int64], primary: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """Grow the suppression until no small cell follows from the open cells and the totals of rows and columns.

    First every line hides none, or at least two cells with k people among them; then each small cell is audited: where
    the totals still leave it a single value, one more cell of its row, its column or the table is taken. The next cell
    is always the smallest with people in it, then by position, so that every hospital finds the same.
    """
    hidden = primary.copy()
    while True:
        while any(_complete_line(people[line], hidden, line, least) for line in _all_lines(people.shape)):
            pass
        if not any(_determined(people, hidden, at) and _widen(people, hidden, at) for at in np.argwhere(primary)):
            return hidden


def _all_lines(shape: tuple[int, ...]) -> Iterator[tuple[int | slice, ...]]:
    for axis, size in enumerate(shape):
        if size > 1:
            for index in np.ndindex(*(one for number, one in enumerate(shape) if number != axis)):
                yield (*index[:axis], slice(None), *index[axis:])


def _complete_line(
    cells: NDArray[np.int64], hidden: NDArray[np.bool_], line: tuple[int | slice, ...], least: int
) -> bool:
    now = hidden[line]
    if not now.any() or (now.sum() >= 2 and cells[now].sum() >= least):
        return False
    return _hide_next(cells, hidden, line)


def _hide_next(cells: NDArray[np.int64], hidden: NDArray[np.bool_], line: tuple[int | slice, ...]) -> bool:
    """Hide one more cell of a line: the smallest that holds people, or an empty one; False where all are hidden."""
    now = hidden[line].copy()
    candidates = np.flatnonzero(~now)
    if candidates.size == 0:
        return False
    order = np.where(cells[candidates] > 0, cells[candidates], np.iinfo(np.int64).max)
    now[candidates[np.argmin(order)]] = True
    hidden[line] = now
    return True


def _widen(people: NDArray[np.int64], hidden: NDArray[np.bool_], at: NDArray[np.intp]) -> bool:
    """Hide one more cell of a cell's row or column; where those are all hidden, one more of the table."""
    row, column = int(at[0]), int(at[1])
    lines: list[tuple[int | slice, ...]] = [(row, slice(None)), (slice(None), column)]
    if any(_hide_next(people[line], hidden, line) for line in lines):
        return True
    return _hide_next(people.reshape(-1), hidden.reshape(-1), (slice(None),))


def _determined(people: NDArray[np.int64], hidden: NDArray[np.bool_], at: NDArray[np.intp]) -> bool:
    """Whether the totals of rows and columns leave a hidden cell a single value of zero or more (linear programme)."""
    if people.ndim != 2 or 1 in people.shape:
        return False  # a single line is settled by the rule for lines
    from scipy import optimize  # only where a table hides cells: it takes a third of a second to load

    cells = np.argwhere(hidden)
    lines = [*(("row", row) for row in range(people.shape[0])), *(("column", c) for c in range(people.shape[1]))]
    equations = np.array([[float(cell[0 if kind == "row" else 1] == line) for cell in cells] for kind, line in lines])
    totals = equations @ people[hidden]
    goal = np.all(cells == at, axis=1).astype(np.float64)
    least, most = (
        optimize.linprog(sign * goal, A_eq=equations, b_eq=totals, bounds=(0, None), method="highs") for sign in (1, -1)
    )
    return bool(-most.fun - least.fun < 1)
