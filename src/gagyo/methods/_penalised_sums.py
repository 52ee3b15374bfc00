"""One hospital's sums for penalised regression, by fold: moments of the columns, and scores of many fits at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.rows import Rows
from gagyo.methods._newton import triangle
from gagyo.methods._products import BLOCK, Columns, bounds, product_cells, spread_within
from gagyo.methods._regression import design_cells, fold_cells
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Floats, Measure, Spread, joined, joint, side_by_side, spread_of, together

Bools = NDArray[np.bool_]
ROWS, AT_ONCE = 256, 1 << 19
"""Rows that are looked at together at least; numbers beside them, at most, where there are more rows."""
LIKELIHOOD = 64.0
"""Scale of the log-likelihood in the ring; one person's share at honest coefficients is far below it."""


def in_folds(rows: Rows, formula: Formula, folds: int) -> list[Bools]:
    """Who is in each fold (n,): by keyed hash, of a yes/no outcome within its classes; everyone where there is none."""
    if not folds:
        return [np.ones(rows.n, bool)]
    strata = rows[formula.outcome] if rows.variables[formula.outcome].type == "boolean" else None
    place: NDArray[np.int64] = rows.kept(("folds", formula.outcome, folds), lambda: rows.folds(folds, strata=strata))
    return [place == number for number in range(folds)]


def fold_products(rows: Rows, formula: Formula, centre: Floats, folds: int) -> Measure:
    """Of each fold: people, sums and cross-products of columns and outcome about `centre` (p + 1), a row a fold.

    They are the fold's own tables of its 0/1 columns, so that every cell of each fold counts.
    """
    every, (upper, right) = in_folds(rows, formula, folds), triangle(len(centre))
    values, spread = _by_fold(rows, formula, centre, every, lambda x: (x.T @ x)[upper, right])
    bound = 2 * np.append(*bounds(rows, formula))[1:]
    scales = np.concatenate([[1.0], bound, bound[upper] * bound[right]])
    whole = (design_cells(rows, formula, fold) for fold in every)
    cells = joined(*whole) if folds else product_cells(rows, formula)
    return joint(values, np.tile(scales, (len(every), 1)), cells, spread)


def fold_spreads(rows: Rows, formula: Formula, centre: Floats, folds: int) -> Measure:
    """Of each fold: people, sums and squares of columns and outcome about `centre`; then x y of all, a row more."""
    every, width = in_folds(rows, formula, folds), len(centre)
    values, spread = _by_fold(rows, formula, centre, every, lambda x: (x**2).sum(axis=0))
    across = np.zeros(width)
    for _, plain in _blocks(rows, formula):
        across += (plain - centre).T @ (plain[:, -1] - centre[-1])
    values = np.vstack([values, np.concatenate([[0.0], across, np.zeros(width)])])
    bound = 2 * np.append(*bounds(rows, formula))[1:]
    scales = np.concatenate([[1.0], np.maximum(bound, bound * bound[-1]), bound**2])
    return joint(values, np.tile(scales, (len(values), 1)), all_cells(rows, formula, folds), spread)


def _by_fold(
    rows: Rows, formula: Formula, centre: Floats, every: Sequence[Bools], second: Callable[[Floats], Floats]
) -> tuple[Floats, Spread]:
    """Of each fold people, sums and second moments about the centre, a row each.

    And who makes up how much: of squares about the centre, and of measurements as they are; of a 0/1 column the cells
    say enough.
    """
    raw = np.append(*bounds(rows, formula))[1:]
    reach = 2 * raw
    measured = np.array([column.indicator is None for column in formula.columns(rows.variables)[1:]], bool)
    measured = np.append(measured, rows.variables[formula.outcome].type != "boolean")
    values = [np.concatenate([np.zeros(1 + len(centre)), second(np.zeros((0, len(centre))))]) for _ in every]
    squares = np.zeros((len(every), len(centre)))
    for some, plain in _blocks(rows, formula):
        columns = plain - centre
        for number, fold in enumerate(every):
            x = _among(columns, fold[some])
            values[number] += np.concatenate([[len(x)], x.sum(axis=0), second(x)])
            squares[number] += np.einsum("ij,ij->j", x, x)

    def added(fold: Bools, about: Floats, power: int, chosen: NDArray[np.intp]) -> Columns:
        return lambda some: (
            (_among(plain, fold[at])[:, chosen[some]] - about[chosen[some]]) ** power
            for at, plain in _blocks(rows, formula)
        )

    spreads, every_one, plains = [], np.arange(len(centre)), np.flatnonzero(measured)
    for fold, known, square in zip(every, values, squares, strict=True):
        # The sum of sizes is at least that of squares over the greatest size.
        raw_squares = square + 2 * centre * known[1 : 1 + len(centre)] + known[0] * centre**2
        least = (raw_squares / np.where(raw > 0, raw, 1.0))[plains]
        spreads.append(spread_within(square, reach**2, added(fold, centre, 2, every_one)))
        spreads.append(spread_within(least, raw[plains], added(fold, np.zeros(len(centre)), 1, plains)))
    return np.array(values), side_by_side(*spreads)


def _blocks(rows: Rows, formula: Formula) -> Iterator[tuple[slice, Floats]]:
    """The design without its intercept, and the outcome, some rows at a time."""
    return ((some, block[:, 1:]) for some, block in rows.blocks(formula, BLOCK, outcome=True))


def all_cells(rows: Rows, formula: Formula, folds: int) -> Measure:
    """The head counts of everyone's sums, and of each fold's: everyone's less the training people's tell them."""
    every = in_folds(rows, formula, folds) if folds else []
    cells: Measure = rows.kept(
        ("penalised cells", formula.text, folds),
        lambda: joined(design_cells(rows, formula), *(fold_cells(rows, formula, fold) for fold in every)),
    )
    return cells


def _among(columns: Floats, fold: Bools) -> Floats:
    """The rows of a fold; all as they are, where everyone is in it."""
    return columns if fold.all() else columns[fold]


def many_scores(
    rows: Rows, formula: Formula, centre: Floats, size: Floats, without: Floats, coefficients: Floats, folds: int
) -> Measure:
    """Of each fit (fits, p + 2): score, log-likelihood, and the log-likelihood of the fold that is left out.

    centre, size: of the columns (p - 1,), which are scaled by them; without: by fit the fold that it leaves out, -1 for
    none. The gate looks at each fit's own people.
    """
    scaled = _Scaled(rows, formula, centre, size)
    people = _People(scaled, _left_out(rows, formula, without, folds), coefficients)
    fits, p = coefficients.shape
    score, likelihood, first = np.zeros((fits, p)), np.zeros((fits, 2)), np.zeros((fits, p))
    residual, furthest = np.zeros(fits), np.zeros(fits)
    for number, (x, rest, inside, out) in enumerate(people.shares()):
        score += rest.T @ x
        likelihood += np.column_stack([inside.sum(axis=0), out.sum(axis=0)])
        np.maximum(residual, np.abs(rest).max(axis=0, initial=0.0), out=residual)
        np.maximum(furthest, -out.min(axis=0, initial=0.0), out=furthest)
        if number == 0:
            first = np.abs(rest).T @ np.abs(x)
    # Of scores the first block's alone is less than the whole; a held-out fold's likelihood is a sum over few.
    tops = np.column_stack([residual[:, None] * scaled.largest, furthest]).ravel()
    spread = Spread(np.column_stack([first, -likelihood[:, 1]]).ravel(), tops, tops)
    if not spread.settled:
        spread = people.spread_of_scores()
    scales = np.concatenate([scaled.bound, [LIKELIHOOD, LIKELIHOOD]])
    values = np.column_stack([score, likelihood])
    return joint(values, np.tile(scales, (fits, 1)), all_cells(rows, formula, folds), spread)


def many_informations(
    rows: Rows, formula: Formula, centre: Floats, size: Floats, without: Floats, coefficients: Floats, folds: int
) -> Measure:
    """Of each fit the information's upper triangle (fits, p (p + 1) / 2); the arguments as for `many_scores`."""
    scaled = _Scaled(rows, formula, centre, size)
    people = _People(scaled, _left_out(rows, formula, without, folds), coefficients)
    fits, p = coefficients.shape
    upper, right = triangle(p)
    informations = np.zeros((fits, p, p))
    for x, weights in people.weights():
        for information, weight in zip(informations, weights.T, strict=True):
            weighted = x * np.sqrt(weight)[:, None]
            information += weighted.T @ weighted
    totals = np.array([np.diag(one) for one in informations])
    # No weight is over a quarter.
    tops = np.tile(scaled.largest**2 / 4, fits)
    spread = Spread(totals.ravel(), tops, tops)
    if not spread.settled:
        spread = people.spread_of_informations()
    scales = scaled.bound[upper] * scaled.bound[right] / 4
    values = informations[:, upper, right]
    return joint(values, np.tile(scales, (fits, 1)), all_cells(rows, formula, folds), spread)


class _Scaled:
    """The design in columns about their centres, divided by their sizes, some rows at a time."""

    def __init__(self, rows: Rows, formula: Formula, centre: Floats, size: Floats) -> None:
        self._rows, self._formula = rows, formula
        self._centre, self._size = np.append(0.0, centre), np.append(1.0, size)
        self.y = rows[formula.outcome]
        self.bound = np.append(1.0, 2 * bounds(rows, formula)[0][1:] / size)
        self.largest = rows.kept(
            ("largest scaled", formula.text, centre.tobytes(), size.tobytes()),
            lambda: np.max([np.abs(x).max(axis=0) for _, x in self.blocks(1)], axis=0, initial=0.0),
        )

    def blocks(self, beside: int) -> Iterator[tuple[slice, Floats]]:
        """So many rows that the columns, and as many others `beside` them, stay near the processor."""
        for some, block in self._rows.blocks(self._formula, max(ROWS, AT_ONCE // max(beside, 1))):
            block -= self._centre
            block /= self._size
            yield some, block


def _left_out(rows: Rows, formula: Formula, without: Floats, folds: int) -> Callable[[slice], Bools]:
    """Which of some rows each fit leaves out (rows, fits)."""
    every = np.array([np.zeros(rows.n, bool), *(in_folds(rows, formula, folds) if folds else [])])
    left = without.astype(int) + 1
    return lambda some: every[:, some][left].T


@dataclass(frozen=True)
class _People:
    """What each person adds to each fit, some rows at a time: nothing where the fit leaves the person's fold out."""

    scaled: _Scaled
    held_of: Callable[[slice], Bools]
    coefficients: Floats

    def shares(self) -> Iterator[tuple[Floats, Floats, Floats, Floats]]:
        """Columns (some, p); residuals, log-likelihoods, and those of who is left out (some, fits)."""
        for some, x in self.scaled.blocks(len(self.coefficients)):
            eta, y, held = x @ self.coefficients.T, self.scaled.y[some][:, None], self.held_of(some)
            small = np.exp(-np.abs(eta))  # exp of what is never positive cannot overflow
            each = y * eta - np.maximum(eta, 0.0) - np.log1p(small)
            rest = y - np.where(eta >= 0, 1.0, small) / (1.0 + small)
            rest[held] = 0.0
            yield x, rest, np.where(held, 0.0, each), np.where(held, each, 0.0)

    def weights(self) -> Iterator[tuple[Floats, Floats]]:
        """Columns (some, p), and what weighs their squares in the information (some, fits)."""
        for some, x in self.scaled.blocks(self.coefficients.shape[1]):
            small = np.exp(-np.abs(x @ self.coefficients.T))
            yield x, np.where(self.held_of(some), 0.0, small / (1.0 + small) ** 2)

    def spread_of_scores(self) -> Spread:
        """The exact spread of each fit's scores and of its left-out likelihood, one after the other."""
        fits, p = self.coefficients.shape
        parts: list[list[Spread]] = [[] for _ in range(2 * fits)]
        for x, rest, _, out in self.shares():
            for at in range(fits):
                parts[2 * at].append(spread_of(x * rest[:, at : at + 1]))
                parts[2 * at + 1].append(spread_of(out[:, at : at + 1]))
        return side_by_side(*(together(width, one) for one, width in zip(parts, [p, 1] * fits, strict=True)))

    def spread_of_informations(self) -> Spread:
        """The exact spread of the diagonal of each fit's information, one after the other."""
        fits, p = self.coefficients.shape
        parts: list[list[Spread]] = [[] for _ in range(fits)]
        for x, weights in self.weights():
            for part, weight in zip(parts, weights.T, strict=True):
                part.append(spread_of(x**2 * weight[:, None]))
        return side_by_side(*(together(p, one) for one in parts))
