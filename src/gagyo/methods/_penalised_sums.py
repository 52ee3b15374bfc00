"""One hospital's sums for penalised regression, by fold: moments of the columns, and scores of many fits at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.federation.rows import Rows
from gagyo.methods._newton import triangle
from gagyo.methods._products import BLOCK, bounds
from gagyo.methods._regression import design_cells, fold_cells
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Floats, Measure, Spread, joined, joint, side_by_side, spread_of, together

Bools = NDArray[np.bool_]
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
    cells = joined(*(design_cells(rows, formula, fold) for fold in every))
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
    measured = np.array([column.indicator is None for column in formula.columns(rows.variables)[1:]], bool)
    measured = np.append(measured, rows.variables[formula.outcome].type != "boolean")
    values = [np.concatenate([np.zeros(1 + len(centre)), second(np.zeros((0, len(centre))))]) for _ in every]
    squares: list[list[Spread]] = [[] for _ in every]
    plains: list[list[Spread]] = [[] for _ in every]
    for some, plain in _blocks(rows, formula):
        columns = plain - centre
        for number, fold in enumerate(every):
            x = _among(columns, fold[some])
            values[number] += np.concatenate([[len(x)], x.sum(axis=0), second(x)])
            squares[number].append(spread_of(x**2))
            plains[number].append(spread_of(_among(plain, fold[some])[:, measured]))
    spreads = [
        together(width, parts)
        for pair in zip(squares, plains, strict=True)
        for width, parts in zip((len(centre), int(measured.sum())), pair, strict=True)
    ]
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
    """Of each fit (fits, values): score, information (upper triangle), log-likelihood; and that of the fold left out.

    centre, size: of the columns (p,), which are scaled by them; without: by fit the fold that it leaves out, -1 for
    none. The gate looks at each fit's own people.
    """
    X = np.column_stack([np.ones(rows.n), (rows.design(formula)[:, 1:] - centre) / size])
    y, every = rows[formula.outcome], in_folds(rows, formula, folds)
    upper, right = triangle(X.shape[1])
    values, spreads = [], []
    for left, beta in zip(without.astype(int), coefficients, strict=True):
        out = every[left] if left >= 0 else np.zeros(rows.n, bool)
        eta = X @ beta
        likelihood = y * eta - np.logaddexp(0.0, eta)
        mu = special.expit(eta[~out])
        rest, weight, x = y[~out] - mu, mu * (1 - mu), X[~out]
        held = likelihood[out]
        whole = [rest @ x, (x.T @ (x * weight[:, None]))[upper, right], [likelihood[~out].sum(), held.sum()]]
        values.append(np.concatenate(whole))
        # A held-out fold's likelihood is a sum over few: nobody may make up most of it.
        spreads += [spread_of(x * rest[:, None]), spread_of(x**2 * weight[:, None]), spread_of(held[:, None])]
    bound = np.append(1.0, 2 * bounds(rows, formula)[0][1:] / size)
    scales = np.concatenate([bound, bound[upper] * bound[right] / 4, [LIKELIHOOD, LIKELIHOOD]])
    cells = all_cells(rows, formula, folds)
    return joint(np.array(values), np.tile(scales, (len(values), 1)), cells, side_by_side(*spreads))
