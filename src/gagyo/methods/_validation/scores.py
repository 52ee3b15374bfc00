"""Whose scores come from which model: the models of a validation, and the sets of scores that they give.

Models stand in one order: the joint model, the fold models (repeat by repeat), the bootstrap models. A score set is a
row (kind, a, b); it says for each person whether it is in the set, its linear predictor, and the cell within which its
score may be ranked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.local import Name, Numbers, Parameter
from gagyo.federation.rows import Rows
from gagyo.release.aggregate import Floats

APPARENT = (0, 0, 0)
"""Everyone by the joint model."""

LARGEST = 36.0
"""Linear predictors are held within this: beyond it a probability is 0 or 1 to the last digit."""

DECIMALS = 10
"""Of a linear predictor: far below what changes any risk, far above what rounding leaves of a sum."""

COMMON: dict[str, Parameter] = {
    "formula": Name(),
    "coefficients": Numbers((None, None), -1e12, 1e12),
    "layout": Numbers((3,), 0, 1000),
}
SETS: dict[str, Parameter] = {**COMMON, "sets": Numbers((None, 3), 0, 1000)}


def out_of_fold(repeat: int) -> tuple[int, int, int]:
    """Everyone by the model of the fold that left them out."""
    return (1, repeat, 0)


def replicate(number: int) -> tuple[int, int, int]:
    """Everyone by a bootstrap model."""
    return (2, number, 0)


def training(repeat: int, fold: int) -> tuple[int, int, int]:
    """The training people of a fold, by its model."""
    return (3, repeat, fold)


def held_out(repeat: int, fold: int) -> tuple[int, int, int]:
    """The people whom a fold leaves out, by its model."""
    return (4, repeat, fold)


@dataclass(frozen=True)
class Layout:
    """How many models of each kind there are."""

    folds: int = 0
    repeats: int = 0
    bootstrap: int = 0

    @classmethod
    def of(cls, numbers: Floats) -> Layout:
        """The layout that travelled as three numbers."""
        return cls(*(int(number) for number in numbers))

    @property
    def numbers(self) -> Floats:
        """The layout as an argument."""
        return np.array([self.folds, self.repeats, self.bootstrap], dtype=np.float64)

    @property
    def fold_models(self) -> int:
        """How many models leave a fold out."""
        return self.folds * self.repeats

    @property
    def models(self) -> int:
        """All of them, the joint model among them."""
        return 1 + self.fold_models + self.bootstrap

    def fold_model(self, repeat: int, fold: int) -> int:
        """The number of a fold's model."""
        return 1 + repeat * self.folds + fold

    def bootstrap_model(self, number: int) -> int:
        """The number of a replicate's model."""
        return 1 + self.fold_models + number


def outcome(rows: Rows, formula: str) -> NDArray[np.bool_]:
    """Who has the outcome (n,)."""
    return np.asarray(rows[rows.formula(formula).outcome] == 1)


def folds(rows: Rows, formula: str, layout: Layout, repeat: int) -> NDArray[np.int64]:
    """The fold of each person in a repeat, balanced by outcome."""
    y = outcome(rows, formula).astype(np.float64)
    key = ("folds", formula, layout.folds, repeat)
    found: NDArray[np.int64] = rows.kept(key, lambda: rows.folds(layout.folds, repeat, y))
    return found


def training_weights(rows: Rows, formula: str, layout: Layout, model: int) -> Floats:
    """How often each person counts in the training of a model."""
    if model == 0:
        return np.ones(rows.n)
    if model <= layout.fold_models:
        repeat, fold = divmod(model - 1, layout.folds)
        return np.asarray(folds(rows, formula, layout, repeat) != fold, dtype=np.float64)
    number = model - 1 - layout.fold_models
    weights: NDArray[np.uint8] = rows.kept(("poisson", number), lambda: rows.poisson(number).astype(np.uint8))
    return np.asarray(weights, dtype=np.float64)


@dataclass(frozen=True)
class Scores:
    """Linear predictors (n,), who is in the set (n,), and the cell within which scores may be ranked (n,)."""

    lp: Floats
    among: NDArray[np.bool_]
    cell: NDArray[np.int64]


def scores(rows: Rows, formula: str, coefficients: Floats, layout: Layout, one: Floats) -> Scores:
    """A score set; those that every round needs again are kept."""
    key = ("scores", formula, coefficients.tobytes(), tuple(one))
    found: Scores = rows.kept(key, lambda: _scores(rows, formula, coefficients, layout, one))
    return found


def _scores(rows: Rows, formula: str, coefficients: Floats, layout: Layout, one: Floats) -> Scores:
    kind, a, b = (int(number) for number in one)
    X = rows.design(rows.formula(formula))
    everyone, no_cells = np.ones(rows.n, bool), np.zeros(rows.n, np.int64)
    if kind == 0:
        return Scores(linear_predictor(X, coefficients[0]), everyone, no_cells)
    if kind == 2:
        return Scores(linear_predictor(X, coefficients[layout.bootstrap_model(a)]), everyone, no_cells)
    fold = folds(rows, formula, layout, a)
    if kind == 1:
        own = coefficients[layout.fold_model(a, 0) : layout.fold_model(a, layout.folds)]
        lp = np.empty(rows.n)
        for number in range(layout.folds):
            lp[fold == number] = linear_predictor(X[fold == number], own[number])
        return Scores(lp, everyone, fold)
    lp = linear_predictor(X, coefficients[layout.fold_model(a, b)])
    return Scores(lp, fold != b if kind == 3 else fold == b, no_cells)


def linear_predictor(X: Floats, beta: Floats) -> Floats:
    """Scores (n,) of people's columns (n, p), no further from 0 than LARGEST.

    Rounded to DECIMALS: processors add in different orders, and people of equal risk, whom an equation with short
    coefficients often has, would be ranked by what rounding left of each.
    """
    return np.asarray(np.clip(np.round(X @ beta, DECIMALS), -LARGEST, LARGEST))
