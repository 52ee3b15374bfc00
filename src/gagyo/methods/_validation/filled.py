"""Scores of people whose missing values are filled in: in each completed data set, by one equation or by each fold's.

With one equation (`coefficients` of one row) it is everyone's. With several each is of the people outside a fold, as
are its imputation models and draws; it scores the people of the fold, whose missing values its models fill in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.local import Numbers
from gagyo.federation.rows import Rows
from gagyo.methods._imputation_chains import SPEC, Chains, Spec
from gagyo.methods._validation.scores import Scores, linear_predictor
from gagyo.release.aggregate import Floats

Bools = NDArray[np.bool_]

EQUATIONS: dict[str, Any] = {
    **SPEC,
    "starts": Numbers((None, None, 2), -1e12, 1e12),
    "draws": Numbers((None, None, None), -1e12, 1e12),
    "coefficients": Numbers((None, None), -1e12, 1e12),
}
"""The arguments of a question about scores: starts, draws and coefficients by equation, first axis."""


@dataclass(frozen=True)
class Filled:
    """Linear predictors (times, n) of everyone in each data set, and the fold of each person (n,)."""

    lps: Floats
    fold: NDArray[np.int64]

    def scores(self, times: int) -> Scores:
        """The scores of one data set; people are ranked within a fold."""
        return Scores(self.lps[times], np.ones(len(self.fold), bool), self.fold)


def filled(rows: Rows, spec: Spec, starts: Floats, draws: Floats, coefficients: Floats) -> Filled:
    """Everyone's scores; kept for the next question about the same equations."""

    def made() -> Filled:
        number = len(coefficients)
        if number == 1:
            lps = predictors(rows, spec, starts[0], draws[0], coefficients[0])
            return Filled(lps, np.zeros(rows.n, np.int64))
        fold, lps = dealt(rows, spec, number), np.empty((spec.times, rows.n))
        for at in range(number):
            held, of_fold = held_out(rows, spec, number, at), outside(spec, number, at)
            lps[:, fold == at] = predictors(held, of_fold, starts[at], draws[at], coefficients[at])
        return Filled(lps, fold)

    key = ("filled", spec, starts.tobytes(), draws.tobytes(), coefficients.tobytes())
    found: Filled = rows.kept(key, made)
    return found


def predictors(rows: Rows, spec: Spec, starts: Floats, draws: Floats, coefficients: Floats) -> Floats:
    """Linear predictors (times, n) of one equation in each data set; kept for the next question about the same."""

    def made() -> Floats:
        chains = Chains.at(rows, spec, starts, draws)
        designs = (chains.completed(chain).design(spec.formula) for chain in range(spec.times))
        return np.array([linear_predictor(design, coefficients) for design in designs])

    key = ("completed", spec, starts.tobytes(), draws.tobytes(), coefficients.tobytes())
    found: Floats = rows.kept(key, made)
    return found


def outside(spec: Spec, number: int, fold: int) -> Spec:
    """What is imputed by the models of the people outside a fold."""
    return replace(spec, walk=f"outside fold {fold} of {number}")


def outcome(rows: Rows, spec: Spec) -> Bools:
    """Who has the outcome (n,)."""
    return np.asarray(rows[spec.formula.outcome] == 1)


def lacking(rows: Rows, spec: Spec) -> Bools:
    """Who lacks one of the imputed variables, or more (n,)."""
    return np.asarray(np.any([~rows.present(name) for name in spec.impute], axis=0))


def dealt(rows: Rows, spec: Spec, number: int) -> NDArray[np.int64]:
    """The fold of each person, balanced by outcome and by which variables people lack."""

    def made() -> NDArray[np.int64]:
        sides = [outcome(rows, spec), *(rows.present(name) for name in spec.impute)]
        return rows.folds(number, 0, np.column_stack(sides) @ 2.0 ** np.arange(len(sides)))

    found: NDArray[np.int64] = rows.kept(("folds of imputed", spec, number), made)
    return found


def held_out(rows: Rows, spec: Spec, number: int, fold: int) -> Rows:
    """The people of a fold."""
    found: Rows = rows.kept(("held out", spec, number, fold), lambda: rows.part(dealt(rows, spec, number) == fold))
    return found


def training(rows: Rows, spec: Spec, number: int, fold: int) -> Rows:
    """The people outside a fold."""
    found: Rows = rows.kept(("training", spec, number, fold), lambda: rows.part(dealt(rows, spec, number) != fold))
    return found
