"""The hazard ratio of a treatment under propensity weights: a Cox model of the treatment, stratified by hospital.

A round opens score, information and log-likelihood of the hospitals' weighted partial likelihoods; then how the score
follows the propensity model, and one number from which the error follows: the sum of squares of what each person adds
to the log hazard ratio when the weights are estimated (Shu, Young, Toh & Wang 2021, Biometrics 77:1101), or when they
are taken as given (Lin & Wei 1989, J Am Stat Assoc 84:1074; Binder 1992, Biometrika 79:139).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.local import Name, Numbers, Whole, local
from gagyo.federation.rows import Rows
from gagyo.methods._newton import Solved
from gagyo.methods._profile_fit import check_whole
from gagyo.methods._propensity import Scored, is_own, reaches
from gagyo.methods._survival.climb import Climb, fit_scales
from gagyo.methods._weighting_steps import HOW, WORST, Asked, squares_about, weighed
from gagyo.release.aggregate import Aggregate, Floats, spread_of
from gagyo.statistics import weighted_cox as kernel
from gagyo.statistics.cox import TIES, Ties
from gagyo.statistics.weighting import Weights

TIMED: dict[str, Any] = {
    **HOW,
    "time": Name(),
    "ties": Whole(0, len(TIES) - 1),
    "log_ratio": Numbers((1,), -1e12, 1e12),
}


@dataclass(frozen=True)
class _Partial:
    """A hospital's people: the question, their part of the propensity model, their weights, and of the weighted
    partial likelihood."""

    asked: Asked
    scored: Scored
    weights: Weights
    fitted: kernel.Fitted

    @classmethod
    def of(cls, rows: Rows, *, time: str, ties: int, log_ratio: Floats, **how: Any) -> _Partial:
        asked, scored, weights = weighed(rows, **how)

        def made() -> kernel.Exits:
            return kernel.Exits.of(rows[asked.formula.outcome], rows[time], rows[asked.outcome] == 1)

        exits: kernel.Exits = rows.kept(("weighted exits", asked.formula.outcome, time, asked.outcome), made)
        fitted = kernel.evaluate(exits, weights.weight, float(log_ratio[0]), TIES[ties])
        return cls(asked, scored, weights, fitted)


@local("weighting", **TIMED)
def hazard(rows: Rows, **timed: Any) -> Aggregate:
    """Score, information, log-likelihood and log-likelihood of no effect of the weighted partial likelihood."""
    one = _Partial.of(rows, **timed)
    null = _Partial.of(rows, **{**timed, "log_ratio": np.zeros(1)})
    fitted, w = one.fitted, one.weights.weight
    values = np.array([fitted.score, fitted.information, fitted.likelihood, null.fitted.likelihood])
    spread = spread_of(np.column_stack([w * fitted.residuals, fitted.expected]))
    return {"fit": one.asked.together(rows, values, WORST * fit_scales(np.ones(1)), spread)}


@local("weighting", **TIMED, centres=Numbers((2, None), -1e12, 1e12))
def hazard_slopes(rows: Rows, *, centres: Floats, **timed: Any) -> Aggregate:
    """Derivatives of the score in the coefficients (q) and in the share of the treated.

    Beside them weighted squares of the balance columns about their weighted means `centres` (2, b).
    """
    one = _Partial.of(rows, **timed)
    u, weights, asked = one.fitted.residuals, one.weights, one.asked
    squares = squares_about(rows, asked, centres, weights.weight)
    by_coefficient = one.scored.columns * (weights.slope * u)[:, None]
    parts = np.column_stack([by_coefficient, weights.by_share * u, squares])
    own = reaches(rows, asked.formula, is_own(asked.hospitals))
    scales = (2 * WORST * own, np.full(1, 2 * WORST), np.tile(4 * WORST * asked.reach(rows)[1:] ** 2, 2))
    return {"slopes": asked.together(rows, parts.sum(axis=0), np.concatenate(scales), spread_of(parts))}


@local("weighting", **TIMED, estimated=Whole(0, 1), directions=Numbers((None,), -1e12, 1e12))
def hazard_errors(rows: Rows, *, estimated: int, directions: Floats, **timed: Any) -> Aggregate:
    """The sum of z^2, z what each person adds to the score: with the weights as they are, or when all is estimated.

    directions (1 + q,): how the score follows the equations of the share and of the coefficients.
    """
    one = _Partial.of(rows, **timed)
    u, weights, scored = one.fitted.residuals, one.weights, one.scored
    z = weights.weight * u
    if estimated:
        behind = np.column_stack([scored.response - float(timed["share"][0]), scored.score])
        z = scored.with_intercept(z, weights.slope * u) + behind @ directions
    squared = (z**2)[:, None]
    return {"errors": one.asked.together(rows, squared.sum(axis=0), np.array([(2 * WORST) ** 2]), spread_of(squared))}


@dataclass(frozen=True)
class Ratio:
    """The log hazard ratio with its standard error, its information, the rounds it took; and the weighted squares of
    the balance columns (2, b)."""

    log: float
    error: float
    squares: Floats
    rounds: int


@dataclass(frozen=True)
class Hazard:
    """A hazard ratio to be found. treatment, time: variables; estimated: whether errors count that weights are."""

    treatment: str
    time: str
    ties: Ties
    estimated: bool
    people: int

    def find(self, how: Mapping[str, Any], solved: Solved, centres: Floats, name: str) -> Generator[Ask, Pooled, Ratio]:
        """Climb the weighted partial likelihood, then ask what the error follows from.

        how: the arguments that say which weights; solved: the propensity fit; centres (2, b): weighted means.
        """
        timed = {**how, "time": self.time, "ties": TIES.index(self.ties)}

        def ask(log_ratio: Floats) -> Ask:
            return Ask(hazard, {**timed, "log_ratio": log_ratio}, fit=name, parameters=1, doing="fitting")

        climb = Climb(np.zeros(1), [self.treatment], self.people)
        _, rounds = yield from climb.to_the_top(ask, 0)
        top = {**timed, "log_ratio": climb.best}
        third = yield Ask(hazard_slopes, {**top, "centres": centres}, doing="weighting")
        check_whole(third, "slopes")
        q = len(solved.step)
        slopes, squares = third["slopes"][: q + 1], third["slopes"][q + 1 :].reshape(2, -1)
        directions = np.append(slopes[q] / self.people, slopes[:q] @ np.nan_to_num(solved.inverse))
        more = {"estimated": int(self.estimated), "directions": directions}
        fourth = yield Ask(hazard_errors, {**top, **more}, doing="weighting")
        check_whole(fourth, "errors")
        error = float(np.sqrt(fourth["errors"][0]) / climb.information[0, 0])
        return Ratio(float(climb.best[0]), error, squares, rounds + 2)
