"""Cross-validation in which every fold is imputed for itself: nothing of its people is in what scores them.

For each fold, the imputation models, what is drawn around them and the equation are those of the people outside it, as
they are of the other hospitals when one is left out. No outcome tells an imputed value. So missing values are imputed
within training people and filled in by their models in the people held out, which is what the literature finds unbiased
(Wahl et al. 2016, BMC Med Res Methodol 16:144; Musoro et al. 2014, BMC Med Res Methodol 14:116).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gagyo.errors import Stopped
from gagyo.federation.ask import Ask, Pooled, Sends
from gagyo.federation.dispensable import WITHHELD
from gagyo.federation.local import LocalStep, Name, Whole, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods import _imputation_steps as steps
from gagyo.methods._imputation_cells import fold_of_imputed
from gagyo.methods._imputation_chains import DRAWN, SPEC, Spec
from gagyo.methods._imputation_walk import Chained, Fits, Walk
from gagyo.methods._validation.filled import held_out, outside, training
from gagyo.release.aggregate import Aggregate, Floats, Measure, joined

FOLD: dict[str, Any] = {**SPEC, "folds": Whole(2, 100), "fold": Whole(0, 99)}


def _outside(
    step: LocalStep, rows: Rows, folds: int, fold: int, said: dict[str, Any], more: dict[str, Any]
) -> Aggregate:
    """A step of the imputation over the people outside a fold, ruled on with the fold's: its sums follow."""
    spec = Spec.of(rows, **said)
    answer, there = step(training(rows, spec, folds, fold), **said, **more), held_out(rows, spec, folds, fold)
    held = there.kept(("fold cells", spec), lambda: fold_of_imputed(there, spec, rows.n))
    return {name: _with(one, held) if one.kind == "joint" else one for name, one in answer.items()}


def _with(one: Measure, held: Measure) -> Measure:
    cells = joined(one, held)
    return replace(one, people=cells.people, others=cells.others, structural=cells.structural, spread=cells.spread)


@local("validate", **FOLD)
def fold_start(rows: Rows, *, folds: int, fold: int, **said: Any) -> Aggregate:
    """`imputation.start` over the people outside a fold."""
    return _outside(steps.start, rows, folds, fold, said, {})


@local("validate", **FOLD, **DRAWN, variable=Name(), coefficients=steps.COEFFICIENTS)
def fold_model(
    rows: Rows,
    *,
    folds: int,
    fold: int,
    starts: Floats,
    draws: Floats,
    variable: str,
    coefficients: Floats,
    **said: Any,
) -> Aggregate:
    """`imputation.model` over the people outside a fold."""
    more = {"starts": starts, "draws": draws, "variable": variable, "coefficients": coefficients}
    return _outside(steps.model, rows, folds, fold, said, more)


@local("validate", **FOLD, **DRAWN, coefficients=steps.COEFFICIENTS)
def fold_newton(
    rows: Rows, *, folds: int, fold: int, starts: Floats, draws: Floats, coefficients: Floats, **said: Any
) -> Aggregate:
    """`imputation.newton` over the people outside a fold."""
    more = {"starts": starts, "draws": draws, "coefficients": coefficients}
    return _outside(steps.newton, rows, folds, fold, said, more)


# Outside the hospitals.

PRIVATE = WITHHELD | {"impute_few"}
"""Why a fold's imputation stops for privacy."""

OF_FOLD = {"imputation.start": fold_start, "imputation.model": fold_model, "imputation.newton": fold_newton}


@dataclass
class FoldWalk(Walk):
    """The imputation and the fits of the people outside a fold; Newton's steps start at everyone's fits."""

    folds: int = 0
    fold: int = 0

    def start_question(self) -> Ask:
        """The first question."""
        return self._of_fold(super().start_question())

    def _question(self, step: LocalStep, fit: str, width: int, starts: Floats, draws: Floats, **more: Any) -> Ask:
        return self._of_fold(super()._question(step, fit, width, starts, draws, **more))

    def _of_fold(self, ask: Ask) -> Ask:
        arguments = {**ask.arguments, "folds": self.folds, "fold": self.fold}
        fit = f"{ask.fit} outside fold {self.fold}" if ask.fit else ""
        return replace(ask, step=OF_FOLD[ask.step.name], arguments=arguments, fit=fit)


def fold_equations(chained: Chained, folds: int) -> Generator[Ask, Pooled, dict[str, Any]]:
    """Starts, draws and pooled coefficients of each fold's training people, first axis the folds.

    Raises:
        Stopped: a fold's models have no estimates, or leave out other columns than everyone's.
    """
    found: list[Chained] = []
    for fold in range(folds):
        spec = outside(chained.spec, folds, fold)
        walk = FoldWalk(spec, f"{chained.seed} {spec.walk}", near=chained, folds=folds, fold=fold)
        fits = yield from _walked(walk)
        if not np.array_equal(fits.aliased, chained.aliased):
            raise Stopped(Finding("folds_separated", values={"found": chained.spec.formula.text}))
        found.append(walk.chained(fits))
    return {
        "starts": np.array([one.starts for one in found]),
        "draws": np.array([one.draws for one in found]),
        "coefficients": np.array([one.coefficients for one in found]),
    }


def _walked(walk: FoldWalk) -> Generator[Ask, Pooled, Fits]:
    """A walk to its end; where a privacy rule stops it, the folds are a part that is withheld."""
    try:
        return (yield from walk.walk(True))
    except Stopped as why:
        if PRIVATE.isdisjoint(one.code for one in why.findings):
            raise
        raise Stopped(Finding("withheld_fit")) from None


def sent_folds(imputing: Sequence[Sends], folds: int) -> list[Sends]:
    """What the folds' imputations and fits send. imputing: what everyone's do."""
    return [replace(one, step=OF_FOLD[one.step].name, rounds=one.rounds * folds) for one in imputing]
