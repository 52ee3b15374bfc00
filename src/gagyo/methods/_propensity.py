"""A hospital's part of a propensity model: its people's probabilities of the treatment, with an intercept of its own.

With `hospitals: own` each hospital finds its own intercept inside, at the coefficients that were sent, so that it never
leaves; score and information of the others are those of the profile likelihood (Murphy & van der Vaart 2000, J Am Stat
Assoc 95:449), and the fit is that of a pooled model with a column for each hospital. With `pooled` all share one.
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
    """People's part of the propensity model at some coefficients.

    columns (n, q): the design about `centre`, the columns' mean under the weights e (1 - e) where the intercept is the
    hospital's own, so that a change of the coefficients is told with the intercept's answer to it. eta (n,) linear
    predictors, rest (n,) treated less e, spread (n,) e (1 - e). own: whether the intercept is the hospital's own.
    """

    columns: Floats
    raw: Floats
    treated: Floats
    eta: Floats
    rest: Floats
    spread: Floats
    own: bool

    @property
    def score(self) -> Floats:
        """Each person's part of the score (n, q)."""
        return self.columns * self.rest[:, None]

    def with_intercept(self, parts: Floats, slope: Floats) -> Floats:
        """Parts (n,) of an equation whose derivative by linear predictor is `slope` (n,), with the intercept's share.

        What an equation gains as the hospital's own intercept follows its people: (sum slope / sum e (1 - e)) times
        their treated less e.
        """
        weight = float(self.spread.sum())
        if not self.own or weight <= 0:
            return parts
        return np.asarray(parts + float(slope.sum()) / weight * self.rest)


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
    """The hospital's people at coefficients (q,), kept for the next question about the same ones."""
    own = is_own(hospitals)

    def made() -> Scored:
        raw, treated = raw_columns(rows, formula, own), rows[formula.outcome]
        eta = raw @ coefficients
        if own:
            eta = eta + own_intercept(eta, treated)
        probability, other = special.expit(eta), special.expit(-eta)
        rest, spread = np.where(treated == 1, other, -probability), probability * other
        weight = float(spread.sum())
        centre = spread @ raw / weight if own and weight > 0 else np.zeros(raw.shape[1])
        return Scored(raw - centre, raw, treated, eta, rest, spread, own)

    kept: Scored = rows.kept(("scored", formula.text, own, coefficients.tobytes()), made)
    return kept


def own_intercept(eta: Floats, treated: Floats) -> float:
    """The intercept at which as many are treated as expected: Newton's steps, halved where they leave the bracket.

    Where nobody or everybody is treated it has no end, and the probabilities are those; such a hospital is refused by
    the gate.
    """
    events = float(treated.sum())
    if not 0 < events < len(treated):
        return FARTHEST if events else -FARTHEST
    low, high = -FARTHEST - float(eta.max()), FARTHEST - float(eta.min())
    value = float(special.logit(events / len(treated))) - float(eta.mean())
    for _ in range(MOST_STEPS):
        probability = special.expit(value + eta)
        over = float((treated - probability).sum())
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
    likelihood = np.where(one.treated == 1, special.log_expit(one.eta), special.log_expit(-one.eta))
    values = [one.score.sum(axis=0), information[triangle(len(information))], squares.sum(axis=0), [likelihood.sum()]]
    spread = spread_of(np.column_stack([one.score, one.columns**2 * one.spread[:, None], squares]))
    return np.concatenate(values), spread


def fit_bounds(reach: Floats) -> Floats:
    """One person's greatest share of each number of `fit_values`."""
    upper, right = triangle(len(reach))
    return np.concatenate([2 * reach, reach[upper] * reach[right], reach**2, [2 * FARTHEST]])
