"""A hospital's own accuracy, computed inside on raw scores; only scalars leave.

AUC with DeLong's variance; calibration in the large, slope, O/E; Brier score with Murphy's decomposition; log-loss. The
gate withholds scalars that rest on fewer than ten people of a class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gagyo.federation.ask import Numerals
from gagyo.federation.local import Name, Names, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.methods._silent import but_silent, zeroed
from gagyo.methods._validation.equation_cells import own_groups
from gagyo.methods._validation.scores import APPARENT, Layout, outcome, scores
from gagyo.release.aggregate import NOBODY, Aggregate, Counts, Floats, Measure, count, expected, scalar
from gagyo.result import Cell, Interval, Withheld
from gagyo.statistics import calibration, delong

SCALARS = (
    "auc",
    "auc_variance",
    "citl",
    "citl_error",
    "slope",
    "slope_error",
    "brier",
    "reliability",
    "resolution",
    "uncertainty",
    "log_loss",
    "log_loss_error",
)


@local("validate", formula=Name(), coefficients=Numbers((None, None), -1e12, 1e12))
def own_withheld(rows: Rows, formula: str, coefficients: Floats) -> Aggregate:
    """How many people, and zeros in the place of what `own` tells: of these is withheld what would be of it."""
    return zeroed(_of_model(rows, formula, coefficients))


@local("validate", formula=Name(), coefficients=Numbers((None, None), -1e12, 1e12), silent=Names())
def own(rows: Rows, formula: str, coefficients: Floats, silent: list[str]) -> Aggregate:
    """The hospital's accuracy of a model (1, p) on its own people; of a silent one only how many these are."""
    return but_silent(rows, _of_model(rows, formula, coefficients), silent)


def _of_model(rows: Rows, formula: str, coefficients: Floats) -> dict[str, Measure]:
    one = scores(rows, formula, coefficients, Layout(), np.array(APPARENT, dtype=np.float64))
    y = outcome(rows, formula)
    return own_accuracy(one.lp, y, own_groups(rows, rows.formula(formula), coefficients[0], one.lp, y))


def own_accuracy(lp: Floats, y: NDArray[np.bool_], groups: Counts = NOBODY) -> dict[str, Measure]:
    """People, cases, expected cases, and the scalars in the order of SCALARS. groups: whom these give away."""
    least = int(min(y.sum(), (~y).sum()))
    values = _scalars(lp, y) if least > 1 else np.zeros(len(SCALARS))
    return {
        "people": count(np.ones(len(y), bool)),
        "cases": count(y),
        "expected": replace(expected(np.asarray(special.expit(lp))), own=groups),
        "scalars": replace(scalar(values, least), own=groups),
    }


def _scalars(lp: Floats, y: NDArray[np.bool_]) -> Floats:
    seen, p = y.astype(np.float64), np.asarray(special.expit(lp))
    area = delong.delong(lp, y)
    citl, slope = calibration.in_the_large(lp, seen), calibration.slope(lp, seen)
    parts, loss = calibration.decompose(p, seen), calibration.log_loss(lp, seen)
    return np.array(
        [
            area.auc[0],
            area.covariance[0, 0],
            citl.value,
            citl.standard_error,
            slope.value,
            slope.standard_error,
            calibration.brier(p, seen),
            parts.reliability,
            parts.resolution,
            parts.uncertainty,
            loss.mean(),
            loss.std(ddof=1) / np.sqrt(len(loss)),
        ]
    )


@dataclass(frozen=True)
class Hospital:
    """What one hospital's answer says; `least` is the study's minimum of people. reasons: the answer that says why."""

    name: str
    answer: Numerals
    least: int
    reasons: Numerals

    def number(self, measure: str, index: int = 0) -> float:
        """A number of the answer; NaN where it was withheld or is not estimable."""
        return float(self.answer[measure].ravel()[index])

    def why(self, measure: str, index: int = 0) -> Withheld:
        """Why a number is not there."""
        if not self.answer.withheld[measure].ravel()[index]:
            return Withheld("not_estimable")
        if not self.reasons.withheld.get(measure, np.ones(1, bool)).ravel()[0]:
            return Withheld("withheld")  # it is silent
        if self.reasons.reasons.get(measure) == "precision":
            return Withheld("fewer_than", 10)
        return Withheld("below_minimum", self.least) if measure in ("people", "cases") else Withheld("withheld")

    def count(self, measure: str) -> Cell:
        """A number of people, or why it is not there."""
        found = self.number(measure)
        return self.why(measure) if np.isnan(found) else int(found)

    def scalar(self, name: str) -> Cell:
        """A scalar, or why it is not there."""
        found = self.number("scalars", SCALARS.index(name))
        return self.why("scalars") if np.isnan(found) else found

    def estimate(self, name: str) -> tuple[float, float]:
        """A scalar with its standard error."""
        return self.number("scalars", SCALARS.index(name)), self.number("scalars", SCALARS.index(f"{name}_error"))

    def interval(self, name: str) -> Cell:
        """A scalar with limits at 1.96 standard errors."""
        value, error = self.estimate(name)
        if np.isnan(value):
            return self.why("scalars")
        return Interval(value, value - Z95 * error, value + Z95 * error)

    @property
    def auc(self) -> tuple[float, float]:
        """The area and its standard error."""
        value, variance = (self.number("scalars", SCALARS.index(name)) for name in ("auc", "auc_variance"))
        return value, float(np.sqrt(variance))

    def area(self, on_logit: bool) -> Cell:
        """The area with DeLong limits: on the logit scale for a fixed model on independent data only."""
        value, error = self.auc
        if np.isnan(value):
            return self.why("scalars")
        low, high = delong.logit_interval(value, error**2) if on_logit else (value - Z95 * error, value + Z95 * error)
        if np.isnan(low):
            return Interval(value, value, value)
        return Interval(value, low, min(high, 1.0))

    def on_scale(self, name: str) -> Floats:
        """Value and standard error (2,) on the scale of summaries: logit AUC, log O/E, slope."""
        if name == "slope":
            return np.array(self.estimate("slope"))
        value, error = self.auc if name == "auc" else self.oe
        if not np.isfinite(value) or (name == "auc" and not 0 < value < 1):
            return np.full(2, np.nan)
        if name == "oe":
            return np.array([np.log(value), error])
        return np.array([special.logit(value), error / (value * (1 - value))])

    @property
    def oe(self) -> tuple[float, float]:
        """O/E and the standard error of its logarithm."""
        cases, expected, people = (self.number(name) for name in ("cases", "expected", "people"))
        if np.isnan([cases, expected, people]).any():
            return float("nan"), float("nan")
        return calibration.observed_expected(cases, expected, people)

    def oe_interval(self) -> Cell:
        """O/E with limits on the logarithmic scale."""
        value, error = self.oe
        if np.isnan(value):
            return self.why("cases") if np.isnan(self.number("cases")) else self.why("expected")
        reach = float(np.exp(Z95 * error))
        return Interval(value, value / reach, value * reach)


Z95 = 1.959963984540054


def hospitals(
    answers: Mapping[str, Numerals], least: int, reasons: Mapping[str, Numerals] | None = None
) -> tuple[Hospital, ...]:
    """Answers by hospital. reasons: by hospital the answer that says why something is withheld, if it is another."""
    return tuple(Hospital(name, answer, least, (reasons or answers)[name]) for name, answer in answers.items())
