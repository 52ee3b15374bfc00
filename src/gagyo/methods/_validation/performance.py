"""Discrimination and calibration of score sets over all hospitals, by sums of what each person adds (lossless).

AUC within hospitals and folds: concordant pairs over all pairs, with the influence-curve variance of LeDell, Petersen &
van der Laan (2015, Electron J Stat 9:1583). Calibration: Cox (1958, Biometrika 45:562).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.local import LocalStep, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.methods._validation import fits
from gagyo.methods._validation.equation_cells import equation_cells
from gagyo.methods._validation.scores import APPARENT, LARGEST, SETS, Layout, Scores, outcome, scores
from gagyo.release.aggregate import (
    Aggregate,
    Floats,
    Spread,
    compared,
    count,
    expected,
    joint,
    side_by_side,
    spread_of,
    total,
)
from gagyo.statistics import calibration, ledell

PAIRS = 2.0**20
"""Over the people of one class in one cell: the most pairs that one person is in."""

EXPECTED = 3
"""Where the expected cases stand among a set's six sums; they are ruled apart, as what they may be: a head count."""

OTHERS = np.array([PAIRS, PAIRS, PAIRS**2, 1.0, 64.0])
"""The most that a person adds to the other five."""

Set = tuple[int, int, int]


@local("validate", **SETS)
def performance(rows: Rows, formula: str, coefficients: Floats, layout: Floats, sets: Floats) -> Aggregate:
    """Per set: concordant pairs, pairs, squared influence, expected cases, squared errors, log-loss; and the cases.

    `told` has no values: the head counts that they give away.
    """
    y = outcome(rows, formula)
    plan = Layout.of(layout)
    columns = [contributions(scores(rows, formula, coefficients, plan, one), y) for one in sets]
    others = [np.delete(one, EXPECTED, axis=1) for one in columns]
    # What a score would be beyond what it is held at follows from everyone's sums.
    held = np.count_nonzero(np.abs(scores(rows, formula, coefficients, plan, np.array(APPARENT)).lp) >= LARGEST)
    return {
        "people": count(np.column_stack([np.ones(rows.n, bool), y])),
        "sums": total(np.concatenate(others, axis=1), np.tile(OTHERS, len(sets))),
        "expected": expected(np.column_stack([one[:, EXPECTED] for one in columns])),
        "told": compared(np.append(equation_cells(rows, formula), held)),
    }


def contributions(one: Scores, y: NDArray[np.bool_]) -> Floats:
    """What each person adds to a set's six sums (n, 6); nothing where not in the set."""
    out = np.zeros((len(y), 6))
    here, seen = one.among, y[one.among]
    lp = one.lp[here]
    right, others = ledell.cell_placements(lp, seen, one.cell[here])
    p = special.expit(lp)
    influence = ledell.influence(right, others, seen)
    out[here] = np.column_stack(
        [right * seen, others * seen, influence**2, p, (p - seen) ** 2, calibration.log_loss(lp, seen.astype(float))]
    )
    return out


@dataclass(frozen=True)
class Performance:
    """A set's performance over all hospitals; `auc` compares people of one hospital (and fold) only."""

    people: int
    cases: int
    pairs: float
    auc: float
    auc_error: float
    oe: float
    log_oe_error: float
    brier: float
    log_loss: float
    citl: calibration.Estimate
    slope: calibration.Estimate


def performance_of(people: int, cases: int, sums: Floats, lines: Floats) -> Performance:
    """Performance from six sums and recalibration (4): citl, its error, slope, its error."""
    concordant, pairs, influence, expected, squared, loss = (float(one) for one in sums)
    oe, error = calibration.observed_expected(cases, expected, people)
    return Performance(
        people,
        cases,
        pairs,
        concordant / pairs if pairs else float("nan"),
        float(np.sqrt(influence)) / pairs if pairs else float("nan"),
        oe,
        error,
        squared / people,
        loss / people,
        calibration.Estimate(float(lines[0]), float(lines[1])),
        calibration.Estimate(float(lines[2]), float(lines[3])),
    )


# Recalibration: the outcome on the linear predictor.


@local("validate", **SETS, lines=Numbers((None, 2), -1e3, 1e3))
def recalibration(
    rows: Rows, formula: str, coefficients: Floats, layout: Floats, sets: Floats, lines: Floats
) -> Aggregate:
    """Score (2), information (3) and log-likelihood of logit P = a + b x predictor, per set at its line (a, b)."""
    y = outcome(rows, formula).astype(np.float64)
    plan = Layout.of(layout)
    parts = [
        weighted_fit(_line_design(scores(rows, formula, coefficients, plan, one)), y, line)
        for one, line in zip(sets, lines, strict=True)
    ]
    cells = rows.kept(("validate classes", formula), lambda: count(np.column_stack([np.ones(rows.n, bool), y == 1])))
    spread = side_by_side(*(one for _, one in parts))
    return {"fit": joint(np.stack([values for values, _ in parts]), line_bounds(), cells, spread)}


def line_bounds() -> Floats:
    """The most that a person adds to each sum of a line's fit."""
    return np.array([1.0, LARGEST, 0.25, 0.25 * LARGEST, 0.25 * LARGEST**2, 1e6])


def _line_design(one: Scores) -> Floats:
    return np.column_stack([one.among.astype(np.float64), one.lp * one.among])


def weighted_fit(X: Floats, y: Floats, beta: Floats) -> tuple[Floats, Spread]:
    """Sums of one unweighted fit with their exact spread."""
    weights = np.ones((len(y), 1))
    mu = special.expit(X @ beta)
    contributed = np.column_stack([X * (y - mu)[:, None], X**2 * (mu * (1 - mu))[:, None]])
    return fits.fit_sums(X, y, weights, beta[None, :])[0], spread_of(contributed)


@dataclass(frozen=True)
class Asked:
    """What every question about scores says: the formula, the models' coefficients (models, p) and their layout."""

    formula: str
    coefficients: Floats
    layout: Layout

    def arguments(self, sets: Sequence[Set]) -> dict[str, Any]:
        """The arguments of a step on score sets."""
        return {
            "formula": self.formula,
            "coefficients": self.coefficients,
            "layout": self.layout.numbers,
            "sets": np.array(sets, dtype=np.float64).reshape(-1, 3),
        }


def recalibrate(asked: Asked, sets: Sequence[Set], name: str) -> Generator[Ask, Pooled, Floats]:
    """Per set (s, 4): calibration-in-the-large with its standard error, slope with its standard error."""

    def ask(lines: Floats, active: NDArray[np.intp]) -> Ask:
        return line_question(recalibration, asked.arguments([sets[one // 2] for one in active]), lines, name, len(sets))

    return (yield from fitted_lines(ask, len(sets)))


def line_question(step: LocalStep, arguments: dict[str, Any], lines: Floats, name: str, sets: int) -> Ask:
    """The question for two lines of each of `sets` score sets, or for those that have not converged."""
    return Ask(
        step, {**arguments, "lines": lines}, fit=name, parameters=3 * sets, fits_at_once=2 * sets, doing="summing"
    )


def fitted_lines(ask: fits.Asking, sets: int) -> Generator[Ask, Pooled, Floats]:
    """Per set (s, 4) what `recalibrate` gives; model 2i is of set i in the large, 2i + 1 its line."""
    free = np.tile([[True, False], [True, True]], (sets, 1))
    found = yield from fits.newton_fits(ask, np.tile([[0.0, 1.0]], (2 * sets, 1)), free)
    out = np.full((sets, 4), np.nan)
    for number in range(sets):
        large, line = 2 * number, 2 * number + 1
        if found.estimable[large]:
            out[number, :2] = found.coefficients[large, 0], found.information[large, 0, 0] ** -0.5
        if found.estimable[line]:
            out[number, 2:] = found.coefficients[line, 1], np.sqrt(np.linalg.inv(found.information[line])[1, 1])
    return out


def measure(asked: Asked, sets: Sequence[Set], name: str) -> Generator[Ask, Pooled, tuple[list[Performance], Pooled]]:
    """The performance of score sets, and the answer that counts the people."""
    pooled = yield Ask(performance, asked.arguments(sets), doing="summing")
    lines = yield from recalibrate(asked, sets, f"{name}.recalibration")
    people, cases = (int(number) for number in pooled["people"])
    sums = np.insert(pooled["sums"].reshape(len(sets), 5), EXPECTED, pooled["expected"], axis=1)
    return [performance_of(people, cases, one, line) for one, line in zip(sums, lines, strict=True)], pooled


def mean_of(repeats: list[Any]) -> Any:
    """Performance averaged over repeats of the folds; errors too, since repeats share all their people."""
    first = repeats[0]
    if len(repeats) == 1:
        return first
    names = ("auc", "auc_error", "oe", "log_oe_error", "brier", "log_loss")
    means: dict[str, Any] = {name: float(np.mean([getattr(one, name) for one in repeats])) for name in names}
    for name in ("citl", "slope"):
        pairs = np.array([[getattr(one, name).value, getattr(one, name).standard_error] for one in repeats])
        means[name] = type(first.citl)(*(float(value) for value in pairs.mean(axis=0)))
    return replace(first, **means)
