"""Leave one hospital out, and what joining brings each hospital: computed inside it; only its scalars leave.

The hospital that is left out receives the others' sums, fits their model, and scores its own people. Joining compares
three models on those people, ranked within the same folds: of the hospital's own people (out of fold), of the others,
and joint (out of fold). Differences are paired, person by person.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.ask import Allowed, Ask, LeaveOut, Near, Pooled
from gagyo.federation.local import Name, Names, Numbers, Whole, local
from gagyo.federation.rows import Rows
from gagyo.methods._silent import but_silent
from gagyo.methods._validation import fits
from gagyo.methods._validation.equation_cells import own_groups
from gagyo.methods._validation.own import SCALARS, own_accuracy
from gagyo.methods._validation.scores import Layout, folds, linear_predictor, out_of_fold, outcome, scores
from gagyo.release.aggregate import Aggregate, Floats, scalar, total
from gagyo.statistics import calibration, ledell, newton

MODELS = ("own", "others", "joint", "updated")
"""`updated`: the joint model with the hospital's own intercept, which is found in the other folds."""

MEASURES = ("auc", "log_loss", "slope", "citl")
COMPARED = (("joint", "own"), ("joint", "others"), ("updated", "joint"))
NAMES = (
    *(f"{model}.{measure}" for model in MODELS for measure in MEASURES),
    *(f"{a}-{b}.{m}" for a, b in COMPARED for m in ("auc", "auc_error", "log_loss", "log_loss_error")),
)


@local(
    "validate",
    formula=Name(),
    others=Numbers((None,), -1e12, 1e12),
    joint=Numbers((None, None), -1e12, 1e12),
    folds=Whole(0, 100),
    silent=Names(),
)
def left_out(rows: Rows, formula: str, others: Floats, joint: Floats, folds: int, silent: list[str]) -> Aggregate:
    """The others' model (p,) on this hospital's people; beside the joint fold models (1 + folds, p), if there are any.

    silent: as of `own`; accuracy tells how many people have the outcome.

    others is empty where the others' data are separated: nothing then is estimable but the numbers of people.
    """
    y = outcome(rows, formula)
    if not len(others):
        return but_silent(rows, nothing(y, bool(folds)), silent)
    parsed = rows.formula(formula)
    lp = linear_predictor(rows.design(parsed), others)
    accuracy = own_accuracy(lp, y, own_groups(rows, parsed, others, lp, y))
    if folds:
        least = int(min(y.sum(), (~y).sum()))
        values = _joining(rows, formula, lp, joint, folds) if least > 1 else np.zeros(len(NAMES))
        accuracy["joining"] = scalar(values, least)
    return but_silent(rows, accuracy, silent)


def nothing(y: NDArray[np.bool_], joining: bool) -> Aggregate:
    """The numbers of people, and no accuracy."""
    least = int(min(y.sum(), (~y).sum()))
    accuracy = own_accuracy(np.zeros(len(y)), y)
    accuracy |= {"expected": total(np.zeros(len(y)), 1.0), "scalars": scalar(np.full(len(SCALARS), np.nan), least)}
    return accuracy | ({"joining": scalar(np.full(len(NAMES), np.nan), least)} if joining else {})


def _joining(rows: Rows, formula: str, others: Floats, joint: Floats, number: int) -> Floats:
    X, y, layout = rows.design(rows.formula(formula)), outcome(rows, formula), Layout(number, 1, 0)
    fold = folds(rows, formula, layout, 0)
    by_fold = scores(rows, formula, joint, layout, np.array(out_of_fold(0), dtype=np.float64)).lp
    found = {"others": others, "joint": by_fold, "updated": _updated(by_fold, y, fold)}
    own = _own(X, y, fold)
    if own is not None:
        found["own"] = own
    return compare(found, y, fold)


def _own(X: Floats, y: NDArray[np.bool_], fold: NDArray[np.int64]) -> Floats | None:
    """Out-of-fold linear predictors of models of this hospital's people; None where one is separated."""
    lp = np.empty(len(y))
    for number in np.unique(fold):
        train = fold != number
        found = newton.fit(X[train], y[train].astype(np.float64))
        if found.separated or not found.converged:
            return None
        lp[~train] = linear_predictor(X[~train], np.nan_to_num(found.coefficients))
    return lp


def _updated(lp: Floats, y: NDArray[np.bool_], fold: NDArray[np.int64]) -> Floats:
    """The joint model's scores moved by the intercept that fits this hospital's other folds."""
    out = lp.copy()
    for number in np.unique(fold):
        train = fold != number
        shift = calibration.in_the_large(lp[train], y[train].astype(np.float64)).value
        out[~train] += shift if np.isfinite(shift) else 0.0
    return out


def compare(found: dict[str, Floats], y: NDArray[np.bool_], fold: NDArray[np.int64]) -> Floats:
    """The numbers of NAMES from linear predictors by model; NaN for a model that is not there."""
    out = dict.fromkeys(NAMES, float("nan"))
    seen = y.astype(np.float64)
    placed = {model: ledell.cell_placements(lp, y, fold) for model, lp in found.items()}
    losses = {model: calibration.log_loss(lp, seen) for model, lp in found.items()}
    pairs = float(next(iter(placed.values()))[1][y].sum())
    for model, lp in found.items():
        values = (
            placed[model][0][y].sum() / pairs if pairs else float("nan"),
            losses[model].mean(),
            calibration.slope(lp, seen).value,
            calibration.in_the_large(lp, seen).value,
        )
        out |= {f"{model}.{name}": float(value) for name, value in zip(MEASURES, values, strict=True)}
    for a, b in COMPARED:
        if a in found and b in found and pairs:
            gain = placed[a][0] - placed[b][0]
            curve = ledell.influence(gain, placed[a][1], y)
            loss = losses[a] - losses[b]
            out[f"{a}-{b}.auc"] = float(gain[y].sum()) / pairs
            out[f"{a}-{b}.auc_error"] = float(np.sqrt((curve**2).sum())) / pairs
            out[f"{a}-{b}.log_loss"] = float(loss.mean())
            out[f"{a}-{b}.log_loss_error"] = float(loss.std(ddof=1) / np.sqrt(len(loss)))
    return np.array([out[name] for name in NAMES])


def leave_one_out(
    formula: str,
    start: Floats,
    information: Floats,
    people: int,
    keep: NDArray[np.bool_],
    joint: Floats,
    number: int,
    silent: list[str],
) -> LeaveOut:
    """The question to each hospital in turn: the others' model, from the joint fit, and its scalars here."""

    def fit(site: str) -> Generator[Ask, Pooled, dict[str, Any]]:
        def ask(coefficients: Floats, active: NDArray[np.intp]) -> Ask:
            arguments = {"formula": formula, "coefficients": coefficients, "layout": Layout().numbers}
            return Ask(
                fits.newton,
                {**arguments, "models": np.zeros(1)},
                fit=f"left out {site}",
                parameters=int(keep.sum()),
                doing="leaving_out",
            )

        found = yield from fits.newton_fits(ask, start[None, :], keep[None, :], fits.ESTIMATES)
        return {"others": found.coefficients[0] if found.estimable[0] else np.zeros(0)}

    def allows(site: str) -> tuple[Allowed]:
        near = Near(start[None], information[None], ~keep[None])
        return (Allowed(next(fit(site)), {"coefficients": (near,)}),)

    arguments = {"formula": formula, "joint": joint, "folds": number, "silent": silent}
    return LeaveOut(fit, left_out, arguments, allows, people)
