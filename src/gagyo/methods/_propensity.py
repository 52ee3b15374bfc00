"""A hospital's part of a model in which it has an intercept of its own: of the treatment, or of the outcome in a group.

With `hospitals: own` each hospital finds its own intercept inside, at the coefficients that were sent, so that it never
leaves; score and information of the others are those of the profile likelihood (Murphy & van der Vaart 2000, J Am Stat
Assoc 95:449), and the fit is that of a pooled model with a column for each hospital. With `pooled` all share one.
Models are logistic, or linear with weights of 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from gagyo.federation.rows import Rows
from gagyo.methods._newton import triangle
from gagyo.methods._regression import column_bounds, middles
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Floats, Spread, spread_of

OWN = "own"
POOLED = "pooled"

FARTHEST = 36.0
"""Log odds past which a probability is 0 or 1 in double precision."""

MOST_STEPS = 200


@dataclass(frozen=True)
class Scored:
    """People's part of a model at some coefficients.

    columns (n, q): the design about `centre` (q,), its mean under the weights `spread` where the intercept is the
    hospital's own, so that a change of the coefficients is told with the intercept's answer to it. raw (n, q): the
    design as it is; response (n,); eta (n,) linear predictors; rest (n,) response less its mean; spread (n,) the mean's
    derivative in eta. own: whether `intercept` is the hospital's own.
    """

    columns: Floats
    centre: Floats
    raw: Floats
    response: Floats
    eta: Floats
    rest: Floats
    spread: Floats
    intercept: float
    own: bool
    linear: bool

    @property
    def score(self) -> Floats:
        """Each person's part of the score (n, q)."""
        return self.columns * self.rest[:, None]

    @property
    def answer(self) -> Floats:
        """Each person's part (n,) of a change of the hospital's own intercept; 0 where it has none."""
        weight = float(self.spread.sum())
        return self.rest / weight if self.own and weight > 0 else np.zeros_like(self.rest)

    @property
    def likelihood(self) -> Floats:
        """Each person's log-likelihood (n,); of a linear model minus half the square of the residual."""
        if self.linear:
            return -0.5 * self.rest**2
        return np.asarray(special.log_expit(np.where(self.response == 1, self.eta, -self.eta)))

    def with_intercept(self, parts: Floats, slope: Floats) -> Floats:
        """Parts (n,) of an equation whose derivative by linear predictor is `slope` (n,), with the intercept's share.

        What an equation gains as the hospital's own intercept follows its people: (sum slope / sum of spread) times
        their rest.
        """
        return np.asarray(parts + float(slope.sum()) * self.answer)


def is_own(hospitals: str) -> bool:
    """Whether hospitals have intercepts of their own."""
    return hospitals == OWN


def raw_columns(rows: Rows, formula: Formula, own: bool) -> Floats:
    """The design (n, q), measured columns about the middles of their ranges; without the intercept where it is own."""

    def made() -> Floats:
        design = rows.design(formula) - middles(formula, rows.variables)
        return np.asarray(design[:, 1:] if own else design)

    columns: Floats = rows.kept(("propensity", formula.text, own), made)
    return columns


def reaches(rows: Rows, formula: Formula, own: bool) -> Floats:
    """The greatest size of each of those columns, from declared ranges."""
    reach = column_bounds(rows, formula) - np.abs(middles(formula, rows.variables))
    return np.asarray(reach[1:] if own else reach)


def scored(rows: Rows, formula: Formula, hospitals: str, coefficients: Floats) -> Scored:
    """The hospital's people at coefficients (q,) of a propensity model, kept for the next question about them."""
    own = is_own(hospitals)
    kept: Scored = rows.kept(
        ("scored", formula.text, own, coefficients.tobytes()),
        lambda: profile(raw_columns(rows, formula, own), rows[formula.outcome], own, coefficients),
    )
    return kept


def profile(raw: Floats, response: Floats, own: bool, coefficients: Floats, linear: bool = False) -> Scored:
    """People's part of a model of `response` (n,) on columns raw (n, q) at coefficients (q,)."""
    eta, intercept = raw @ coefficients, 0.0
    if own and len(raw):
        intercept = float((response - eta).mean()) if linear else own_intercept(eta, response)
    eta = eta + intercept
    if linear:
        rest, spread = response - eta, np.ones_like(eta)
    else:
        probability, other = special.expit(eta), special.expit(-eta)
        rest, spread = np.where(response == 1, other, -probability), probability * other
    weight = float(spread.sum())
    centre = spread @ raw / weight if own and weight > 0 else np.zeros(raw.shape[1])
    return Scored(raw - centre, centre, raw, response, eta, rest, spread, intercept, own, linear)


@dataclass(frozen=True)
class Predicted:
    """People under a model that others made: its mean (n,), the mean's derivative in eta (n,), columns as in Scored."""

    mean: Floats
    slope: Floats
    columns: Floats


def predicted(one: Scored, raw: Floats, coefficients: Floats) -> Predicted:
    """The hospital's people with columns raw (n, q) under its fit of some of them at coefficients (q,)."""
    eta = raw @ coefficients + one.intercept
    if one.linear:
        return Predicted(eta, np.ones_like(eta), raw - one.centre)
    mean = special.expit(eta)
    return Predicted(mean, mean * special.expit(-eta), raw - one.centre)


def own_intercept(eta: Floats, response: Floats) -> float:
    """The intercept at which as many have the response as expected, by Newton's steps within a bracket.

    Where nobody or everybody has it, the intercept has no end, and the probabilities are those; such a hospital is
    refused by the gate.
    """
    events = float(response.sum())
    if not 0 < events < len(response):
        return FARTHEST if events else -FARTHEST
    low, high = -FARTHEST - float(eta.max()), FARTHEST - float(eta.min())
    value = float(special.logit(events / len(response))) - float(eta.mean())
    for _ in range(MOST_STEPS):
        probability = special.expit(value + eta)
        over = float((response - probability).sum())
        low, high = (value, high) if over > 0 else (low, value)
        step = over / max(float((probability * (1 - probability)).sum()), np.finfo(float).tiny)
        moved = value + step if low < value + step < high else (low + high) / 2
        if abs(moved - value) <= 4 * np.finfo(float).eps * (1 + abs(value)):
            break
        value = moved
    return value


def fit_values(one: Scored) -> tuple[Floats, Spread]:
    """Score (q), information (upper triangle), squares of the columns as they are (q), log-likelihood; their spread.

    The squares tell a column that is all but constant within hospitals from one that is small.
    """
    information = one.columns.T @ (one.columns * one.spread[:, None])
    squares = one.raw**2 * one.spread[:, None]
    values = [
        one.score.sum(axis=0),
        information[triangle(len(information))],
        squares.sum(axis=0),
        [one.likelihood.sum()],
    ]
    spread = spread_of(np.column_stack([one.score, one.columns**2 * one.spread[:, None], squares]))
    return np.concatenate(values), spread


def fit_bounds(reach: Floats, size: float = 1.0) -> Floats:
    """One person's greatest share of each number of `fit_values`; size: of the response."""
    upper, right = triangle(len(reach))
    return np.concatenate([2 * size * reach, 4 * reach[upper] * reach[right], reach**2, [2 * FARTHEST * size**2]])
