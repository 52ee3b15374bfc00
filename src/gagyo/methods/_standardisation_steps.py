"""What a hospital computes for standardised means: outcome models of both groups, predictions, and their errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gagyo.federation.local import Name, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.methods._balance import middle_of
from gagyo.methods._newton import triangle
from gagyo.methods._propensity import (
    Predicted,
    Scored,
    fit_bounds,
    fit_values,
    is_own,
    predicted,
    profile,
    raw_columns,
    reaches,
    scored,
)
from gagyo.methods._standardisation_cells import both_groups, model_cells, model_own
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import (
    Aggregate,
    Counts,
    Floats,
    Measure,
    Spread,
    everybody,
    joint,
    side_by_side,
    spread_of,
)

WORST = 64.0
"""Scale, in sizes of the outcome, of what a person adds to an augmented mean: more fits the ring too."""

WHO: dict[str, Any] = {"formula": Name(), "treatment": Name(), "propensity": Name(), "hospitals": Name()}
FIT = Numbers((2, None), -1e12, 1e12)
SCORES: dict[str, Any] = {"scores": Numbers((None,), -1e12, 1e12), "bounds": Numbers((2,), 0, 1)}


@dataclass(frozen=True)
class Asked:
    """A question's people: outcome formula, treatment, propensity formula ("" for none), hospitals' intercepts."""

    formula: Formula
    treatment: str
    propensity: str
    hospitals: str

    @classmethod
    def of(cls, rows: Rows, formula: str, treatment: str, propensity: str, hospitals: str) -> Asked:
        """The question of a step's arguments."""
        return cls(rows.formula(formula), treatment, propensity, hospitals)

    def together(self, rows: Rows, values: Floats, bounds: Floats, spread: Spread) -> Measure:
        """Numbers that are ruled on together, by all that they could give away."""
        key = (self.formula.text, self.treatment, self.propensity, self.hospitals)
        cells: Measure = rows.kept(("standardisation cells", key), lambda: model_cells(rows, *self._named))
        own: Counts = rows.kept(("standardisation own", key), lambda: model_own(rows, *self._named, self.hospitals))
        return joint(values, bounds, cells, spread, own)

    @property
    def _named(self) -> tuple[Formula, str, str]:
        return self.formula, self.treatment, self.propensity

    def outcomes(self, rows: Rows) -> Floats:
        """The outcome (n,), a measurement about the middle of its range."""
        return rows[self.formula.outcome] - middle_of(rows.variables[self.formula.outcome])

    def size(self, rows: Rows) -> float:
        """The greatest size of the outcome about its middle."""
        variable = rows.variables[self.formula.outcome]
        return float(max(abs(end - middle_of(variable)) for end in variable.bounds))

    def models(self, rows: Rows, coefficients: Floats) -> tuple[Scored, Scored]:
        """The outcome model of the treated and of the untreated, each of that group's people."""

        def made() -> list[Scored]:
            own = is_own(self.hospitals)
            raw, y = raw_columns(rows, self.formula, own), self.outcomes(rows)
            linear = rows.variables[self.formula.outcome].type != "boolean"
            groups = both_groups(rows, self.treatment)
            return [profile(raw[g], y[g], own, beta, linear) for g, beta in zip(groups, coefficients, strict=True)]

        key = ("outcome models", self.formula.text, self.treatment, self.hospitals, coefficients.tobytes())
        one, other = rows.kept(key, made)
        return one, other


@local("standardisation", **WHO)
def groups(rows: Rows, **who: Any) -> Aggregate:
    """How many people; of treated and untreated: people, and the sum of their outcomes (2, 2)."""
    asked = Asked.of(rows, **who)
    inside = [np.column_stack([group, asked.outcomes(rows) * group]) for group in both_groups(rows, asked.treatment)]
    parts = np.column_stack(inside)
    measured = rows.variables[asked.formula.outcome].type != "boolean"  # other sums are head counts, ruled as such
    spread = spread_of(parts[:, [1, 3]] if measured else parts[:, :0])
    sums = asked.together(rows, parts.sum(axis=0), np.array([1.0, asked.size(rows)] * 2), spread)
    return {"people": everybody(rows.n), "sums": sums}


@local("standardisation", **WHO, coefficients=FIT)
def outcomes(rows: Rows, *, coefficients: Floats, **who: Any) -> Aggregate:
    """Score, information, squares and log-likelihood of both groups' outcome models at coefficients (2, q).

    With hospitals' own intercepts they are those of the profile likelihood, each hospital at its own best intercepts.
    """
    asked = Asked.of(rows, **who)
    found = [fit_values(one) for one in asked.models(rows, coefficients)]
    bounds = fit_bounds(reaches(rows, asked.formula, is_own(asked.hospitals)), max(asked.size(rows), 1.0))
    spread = side_by_side(*(one for _, one in found))
    return {"fit": asked.together(rows, np.concatenate([values for values, _ in found]), np.tile(bounds, 2), spread)}


@local("standardisation", **WHO, coefficients=Numbers((None,), -1e12, 1e12))
def propensities(rows: Rows, *, coefficients: Floats, **who: Any) -> Aggregate:
    """Score, information, squares and log-likelihood of the propensity model at coefficients (r,)."""
    asked = Asked.of(rows, **who)
    model = rows.formula(asked.propensity)
    values, spread = fit_values(scored(rows, model, asked.hospitals, coefficients))
    return {"fit": asked.together(rows, values, fit_bounds(reaches(rows, model, is_own(asked.hospitals))), spread)}


@local("standardisation", **WHO, **SCORES, coefficients=FIT)
def means(rows: Rows, *, scores: Floats, bounds: Floats, coefficients: Floats, **who: Any) -> Aggregate:
    """The sums (2,) of what everyone would have as treated and as untreated: predicted, or augmented."""
    asked = Asked.of(rows, **who)
    parts = _parts(rows, asked, scores, bounds, coefficients)
    return {"means": asked.together(rows, parts.sum(axis=0), np.full(2, WORST * asked.size(rows)), spread_of(parts))}


@local("standardisation", **WHO, coefficients=FIT)
def slopes(rows: Rows, *, coefficients: Floats, **who: Any) -> Aggregate:
    """Derivatives (2, q) of the sums of everyone's predictions in the coefficients of their model."""
    asked = Asked.of(rows, **who)
    parts = np.column_stack([one.columns * one.slope[:, None] for one in _everyone(rows, asked, coefficients)])
    reach = np.tile(2 * reaches(rows, asked.formula, is_own(asked.hospitals)), 2)
    return {"slopes": asked.together(rows, parts.sum(axis=0), reach, spread_of(parts))}


@local(
    "standardisation",
    **WHO,
    **SCORES,
    coefficients=FIT,
    centre=Numbers((2,), -1e12, 1e12),
    directions=Numbers((2, None), -1e12, 1e12),
)
def errors(
    rows: Rows,
    *,
    scores: Floats,
    bounds: Floats,
    coefficients: Floats,
    centre: Floats,
    directions: Floats,
    **who: Any,
) -> Aggregate:
    """The sum of z z' (3: upper triangle), z what each person adds to both means (2,), about them.

    directions (2, q): of predictions, how both sums follow their model's equations, which are estimated too.
    """
    asked = Asked.of(rows, **who)
    z = _parts(rows, asked, scores, bounds, coefficients) - centre
    if not asked.propensity:
        z = z + _behind(rows, asked, coefficients, directions)
    upper, right = triangle(2)
    scale = (2 * WORST * asked.size(rows)) ** 2
    return {"errors": asked.together(rows, (z.T @ z)[upper, right], np.full(3, scale), spread_of(z**2))}


def _everyone(rows: Rows, asked: Asked, coefficients: Floats) -> list[Predicted]:
    """Everyone under the model of the treated, and under that of the untreated."""
    raw = raw_columns(rows, asked.formula, is_own(asked.hospitals))
    models = asked.models(rows, coefficients)
    return [predicted(one, raw, beta) for one, beta in zip(models, coefficients, strict=True)]


def _parts(rows: Rows, asked: Asked, scores: Floats, bounds: Floats, coefficients: Floats) -> Floats:
    """What each person adds to both sums (n, 2)."""
    under = [one.mean for one in _everyone(rows, asked, coefficients)]
    if not asked.propensity:
        return np.column_stack(under)
    y, share = asked.outcomes(rows), _shares(rows, asked, scores, bounds)
    groups_ = both_groups(rows, asked.treatment)
    return np.column_stack([m + g * (y - m) / p for m, g, p in zip(under, groups_, (share, 1 - share), strict=True)])


def _shares(rows: Rows, asked: Asked, scores: Floats, bounds: Floats) -> Floats:
    """Everyone's probability of the treatment within the bounds."""
    one = scored(rows, rows.formula(asked.propensity), asked.hospitals, scores)
    return np.clip(one.response - one.rest, *bounds)


def _behind(rows: Rows, asked: Asked, coefficients: Floats, directions: Floats) -> Floats:
    """What each person adds to both sums through the models that they helped to fit (n, 2)."""
    found = np.zeros((rows.n, 2))
    models, everyone = asked.models(rows, coefficients), _everyone(rows, asked, coefficients)
    for number, (one, at, group) in enumerate(zip(models, everyone, both_groups(rows, asked.treatment), strict=True)):
        found[group, number] = one.score @ directions[number] + float(at.slope.sum()) * one.answer
    return found
