"""Accuracy of a model in completed data sets: sums over all hospitals by data set, and a hospital's own, pooled there.

A hospital pools its own data sets by Rubin's rules before anything leaves, so that one estimate with one error does:
the AUC on the logit scale, O/E on the logarithmic, the others as they are (Marshall et al. 2009, BMC Med Res Methodol
9:57).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.federation.local import Names, Numbers, Whole, local
from gagyo.federation.rows import Rows
from gagyo.methods._imputation_cells import imputation_cells
from gagyo.methods._imputation_chains import DRAWN, SPEC, Spec
from gagyo.methods._silent import but_silent, zeroed
from gagyo.methods._validation.filled import EQUATIONS, filled, outcome, predictors
from gagyo.methods._validation.performance import (
    EXPECTED,
    OTHERS,
    contributions,
    line_bounds,
    weighted_fit,
)
from gagyo.release.aggregate import (
    Aggregate,
    Floats,
    Measure,
    count,
    everybody,
    expected,
    joint,
    scalar,
    side_by_side,
    spread_of,
)
from gagyo.statistics import calibration, delong, rubin

MODEL: dict[str, Any] = {**SPEC, **DRAWN, "coefficients": Numbers((None,), -1e12, 1e12)}

POOLED = ("auc", "citl", "slope", "log_loss")
"""Measures of a hospital that are pooled with their errors, beside O/E; the AUC on the logit scale."""

OWN = (*(f"{name}{part}" for name in POOLED for part in ("", "_error", "_freedom")), "brier")
RATIO = ("oe", "oe_error", "oe_freedom")
"""Of log O/E."""


@local("validate", **EQUATIONS)
def completed(rows: Rows, *, starts: Floats, draws: Floats, coefficients: Floats, **said: Any) -> Aggregate:
    """By data set (times, 5) a model's sums of `performance`, and its expected cases; people, and the cases."""
    spec = Spec.of(rows, **said)
    y, one = outcome(rows, spec), filled(rows, spec, starts, draws, coefficients)
    columns = [contributions(one.scores(number), y) for number in range(spec.times)]
    others = [np.delete(one, EXPECTED, axis=1) for one in columns]
    values, spread = np.array([one.sum(axis=0) for one in others]), side_by_side(*[spread_of(one) for one in others])
    return {
        "people": count(np.column_stack([np.ones(rows.n, bool), y])),
        "sums": joint(values, OTHERS, imputation_cells(rows, spec), spread),
        "expected": expected(np.column_stack([one[:, EXPECTED] for one in columns])),
    }


@local("validate", **EQUATIONS, sets=Numbers((None,), 0, 1000), lines=Numbers((None, 2), -1e3, 1e3))
def completed_lines(
    rows: Rows,
    *,
    starts: Floats,
    draws: Floats,
    coefficients: Floats,
    sets: Floats,
    lines: Floats,
    **said: Any,
) -> Aggregate:
    """Of some data sets the sums of `recalibration`, each at its line (a, b)."""
    spec = Spec.of(rows, **said)
    y, lps = outcome(rows, spec).astype(np.float64), filled(rows, spec, starts, draws, coefficients).lps
    designs = [np.column_stack([np.ones(rows.n), lps[int(one)]]) for one in sets]
    parts = [weighted_fit(design, y, line) for design, line in zip(designs, lines, strict=True)]
    values, spread = np.array([one for one, _ in parts]), side_by_side(*[one for _, one in parts])
    return {"fit": joint(values, line_bounds(), imputation_cells(rows, spec), spread)}


@local("validate", **MODEL)
def completed_withheld(rows: Rows, *, starts: Floats, draws: Floats, coefficients: Floats, **said: Any) -> Aggregate:
    """How many people, and zeros in the place of what `completed_own` tells: of these is withheld what would be."""
    return zeroed(_own(rows, starts, draws, coefficients, 0, **said))


@local("validate", **MODEL, shut=Whole(0, 1), silent=Names())
def completed_own(
    rows: Rows, *, starts: Floats, draws: Floats, coefficients: Floats, shut: int, silent: list[str], **said: Any
) -> Aggregate:
    """The hospital's accuracy of a model (p,) on its own people; of a silent one only how many these are."""
    return but_silent(rows, _own(rows, starts, draws, coefficients, shut, **said), silent)


def _own(rows: Rows, starts: Floats, draws: Floats, coefficients: Floats, shut: int, **said: Any) -> dict[str, Measure]:
    """The hospital's accuracy, pooled over the data sets inside it.

    coefficients is empty where the others' data gave no model; shut: whether that is as their sums were withheld. What
    is pooled rests on those who lack a value as on the classes: of one person's imputed values the spread between data
    sets would tell.
    """
    spec = Spec.of(rows, **said)
    y = outcome(rows, spec)
    lacking = [int((~rows.present(name)).sum()) for name in spec.impute]
    least = min(int(y.sum()), int((~y).sum()), *(one for one in lacking if one))
    people = {
        "people": everybody(rows.n),
        "cases": count(y),
        "shut": scalar(np.array([float(shut)]), rows.n),
    }
    if least < 2 or not len(coefficients):
        nothing = np.full(len(OWN), np.nan), np.full(len(RATIO), np.nan)
        return people | {"scalars": scalar(nothing[0], least), "ratio": scalar(nothing[1], least)}
    lps = predictors(rows, spec, starts, draws, coefficients)
    cases = special.expit(lps).sum(axis=1)
    fewest = int(np.floor(min(cases.min(), rows.n - cases.max())))
    return people | {
        "scalars": scalar(own_accuracy(lps, y), least),
        "ratio": scalar(_pooled(np.array([_log_ratio(one, y) for one in cases])), min(least, fewest)),
    }


def own_accuracy(lps: Floats, y: NDArray[np.bool_]) -> Floats:
    """The numbers of OWN from linear predictors (times, n); NaN where a data set does not determine them."""
    seen = y.astype(np.float64)
    found: list[Floats] = []
    for name in POOLED:
        found.append(_pooled(np.array([MEASURES[name](lp, y) for lp in lps])))
    brier = float(np.mean([calibration.brier(np.asarray(special.expit(lp)), seen) for lp in lps]))
    return np.append(np.concatenate(found), brier)


def _pooled(pairs: Floats) -> Floats:
    """Value, standard error and degrees of freedom from values and errors (times, 2)."""
    if not np.isfinite(pairs).all():
        return np.full(3, np.nan)
    one = rubin.pool(pairs[:, :1], pairs[:, 1:] ** 2, np.inf)
    return np.array([one.value[0], one.error[0], one.freedom[0]])


def _area(lp: Floats, y: NDArray[np.bool_]) -> tuple[float, float]:
    found = delong.delong(lp, y)
    return on_logit(float(found.auc[0]), float(np.sqrt(found.covariance[0, 0])))


def on_logit(area: float, error: float) -> tuple[float, float]:
    """An area and its standard error on the logit scale; NaN where it is 0 or 1."""
    if not 0 < area < 1:
        return float("nan"), float("nan")
    return float(special.logit(area)), error / (area * (1 - area))


def _log_ratio(cases: float, y: NDArray[np.bool_]) -> tuple[float, float]:
    ratio, error = calibration.observed_expected(float(y.sum()), cases, len(y))
    return float(np.log(ratio)), error


def _large(lp: Floats, y: NDArray[np.bool_]) -> tuple[float, float]:
    found = calibration.in_the_large(lp, y.astype(np.float64))
    return found.value, found.standard_error


def _slope(lp: Floats, y: NDArray[np.bool_]) -> tuple[float, float]:
    found = calibration.slope(lp, y.astype(np.float64))
    return found.value, found.standard_error


def _loss(lp: Floats, y: NDArray[np.bool_]) -> tuple[float, float]:
    loss = calibration.log_loss(lp, y.astype(np.float64))
    return float(loss.mean()), float(loss.std(ddof=1) / np.sqrt(len(loss)))


MEASURES = {"auc": _area, "citl": _large, "slope": _slope, "log_loss": _loss}
