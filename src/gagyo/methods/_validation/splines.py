"""Restricted cubic splines: the calibration curve, and the check of each measured predictor for non-linearity.

Knots stand at quantiles that bins of the secure sum give, as Harrell (Regression Modeling Strategies, 2nd ed., section
2.4.6) places them; given the knots, the fits equal pooled ones (lossless).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.local import Names, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.methods._newton import triangle
from gagyo.methods._regression import column_bounds, design_cells
from gagyo.methods._validation import fits
from gagyo.methods._validation.descent import Grown, Tree, moments, spread, variable_trees
from gagyo.methods._validation.performance import Asked, Set, weighted_fit
from gagyo.methods._validation.scores import SETS, Layout, outcome, scores
from gagyo.protocol.formula import Formula
from gagyo.protocol.terms import Plain
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import Aggregate, Floats, count, joint, side_by_side
from gagyo.statistics import calibration, newton
from gagyo.statistics.distributions import chi2_sf
from gagyo.statistics.newton import NEARLY

BASIS = 512.0
"""Over any spline of a linear predictor: each is at most 5 times the reach of the scale, 72."""


@local("validate", **SETS, knots=Numbers((None,), -100, 100), curve=Numbers((None, None), -1e6, 1e6))
def smooth(
    rows: Rows, formula: str, coefficients: Floats, layout: Floats, sets: Floats, knots: Floats, curve: Floats
) -> Aggregate:
    """Score, information and log-likelihood of the outcome on a spline of the first set's linear predictor."""
    y = outcome(rows, formula).astype(np.float64)
    lp = scores(rows, formula, coefficients, Layout.of(layout), sets[0]).lp
    X = np.column_stack([np.ones(rows.n), calibration.spline_basis(lp, knots)])
    values, contributed = weighted_fit(X, y, curve[0])
    bound = np.array([1.0, *[BASIS] * (X.shape[1] - 1)])
    cells = count(np.column_stack([np.ones(rows.n, bool), y == 1]))
    return {"fit": joint(values[None, :], _bounds(bound), cells, contributed)}


def _bounds(bound: Floats) -> Floats:
    upper, right = triangle(len(bound))
    return np.concatenate([bound, 0.25 * bound[upper] * bound[right], [1e6]])


@local(
    "validate",
    formula=SETS["formula"],
    variables=Names(),
    knots=Numbers((None, None), -1e12, 1e12),
    curve=Numbers((None, None), -1e6, 1e6),
)
def bent(rows: Rows, formula: str, variables: list[str], knots: Floats, curve: Floats) -> Aggregate:
    """Score, information and log-likelihood of the model with one predictor as a spline, for each of `variables`."""
    parsed, y = rows.formula(formula), outcome(rows, formula).astype(np.float64)
    parts, bounds = [], []
    for name, at, beta in zip(variables, knots, curve, strict=True):
        low, high = rows.variables[name].bounds
        added = calibration.spline_basis(rows[name], at)[:, 1:]
        parts.append(weighted_fit(np.column_stack([rows.design(parsed), added]), y, beta))
        reach = np.full(added.shape[1], 5 * (high - low))
        bounds.append(_bounds(np.concatenate([column_bounds(rows, parsed), reach])))
    spreads = side_by_side(*(one for _, one in parts))
    values = np.stack([value for value, _ in parts])
    return {"fit": joint(values, np.stack(bounds), design_cells(rows, parsed), spreads)}


def calibration_curve(
    asked: Asked, one: Set, grown: Grown, name: str
) -> Generator[Ask, Pooled, calibration.Band | None]:
    """The curve from the 1st to the 99th percentile of the scores; None where the bins are too few for three knots."""
    knots = _knots(grown, 4)
    if len(knots) < 3:
        return None

    def ask(curve: Floats, active: NDArray[np.intp]) -> Ask:
        arguments = {**asked.arguments([one]), "knots": knots, "curve": curve}
        return Ask(smooth, arguments, fit=f"{name}.smooth", parameters=len(knots), doing="fitting")

    start = _on_bins(grown, knots)[None, :]
    found = yield from fits.newton_fits(ask, start, np.ones(start.shape, bool))
    if not found.estimable[0]:
        return None
    grid = np.linspace(grown.quantile(0.01), grown.quantile(0.99), 60)
    return calibration.recalibration_curve(grid, knots, found.coefficients[0], found.covariance()[0])


def _on_bins(grown: Grown, knots: Floats) -> Floats:
    """Coefficients (knots,) near those of the curve: of bins that are open, everyone in the middle of theirs."""
    people, cases = grown.counts.sum(axis=1), grown.counts[:, 1]
    X = np.column_stack([np.ones(len(people)), calibration.spline_basis(grown.middles, knots)])
    found = newton.fit(X, cases / np.maximum(people, 1), people)
    return found.coefficients if found.estimable else np.array([0.0, 1.0, *[0.0] * (len(knots) - 2)])


def _knots(grown: Grown, number: int) -> Floats:
    """Knots at quantiles of the binned people: `number`, else three, else none, where many people share a value."""
    if not grown.opened:
        return np.zeros(0)
    filled = int((grown.counts.sum(axis=1) > 0).sum())
    for wanted in (number, 3):
        found = np.array([grown.quantile(share) for share in calibration.QUANTILES[wanted]])
        if filled >= wanted and np.diff(found).min() > APART * (found[-1] - found[0]):
            return found
    return np.zeros(0)


PLACES = Tree(0.0, 1.0, 0.0, 1.0, quantiles=tuple(sorted({*calibration.QUANTILES[3], *calibration.QUANTILES[4]})))
"""What a descent on a predictor starts from: it closes in on where three or four knots would stand, and no further."""

APART = 0.02
"""Neighbouring knots are further apart than this share of their range."""


@dataclass(frozen=True)
class Bend:
    """A predictor's likelihood-ratio test of its spline's non-linear terms; NaN where it could not be fitted."""

    variable: str
    knots: Floats
    chi_square: float
    freedom: int
    p: float


def measured(formula: Formula, variables: dict[str, Variable]) -> list[str]:
    """The predictors that stand in the formula as plain numbers."""
    plain = [term.factors[0] for term in formula.terms if len(term.factors) == 1]
    return [one.name for one in plain if isinstance(one, Plain) and variables[one.name].type in ("number", "integer")]


def nonlinearity(
    formula: Formula,
    variables: dict[str, Variable],
    start: Floats,
    likelihood: float,
    people: int,
    least: int,
    name: str,
) -> Generator[Ask, Pooled, list[Bend]]:
    """Each measured predictor with four knots against the joint model (p,), whose log-likelihood is given."""
    names = measured(formula, variables)
    if not names:
        return []
    middle = np.array([sum(variables[one].bounds) / 2 for one in names])
    pooled = yield Ask(spread, {"variables": names}, doing="summing")
    centre, deviation = moments(pooled, people)
    ends = [_ends(variables[one]) for one in names]
    trees = [
        replace(PLACES, low=low, high=high, centre=float(c), deviation=float(d), people=people)
        for (low, high), c, d in zip(ends, centre + middle, deviation, strict=True)
    ]
    grown = yield from variable_trees(names, trees, least)
    knots = {one: _knots(tree, 4) for one, tree in zip(names, grown, strict=True)}
    bends: dict[str, Bend] = {}
    for size in sorted({len(at) for at in knots.values() if len(at) >= 3}):
        chosen = [one for one in names if len(knots[one]) == size]
        bends |= yield from _bends(formula, chosen, np.array([knots[one] for one in chosen]), start, likelihood, name)
    nothing = float("nan")
    return [bends.get(one, Bend(one, np.zeros(0), nothing, 0, nothing)) for one in names]


def _ends(variable: Variable) -> tuple[float, float]:
    """The declared range, a little beyond its end, since a bin is open at its upper end."""
    low, high = variable.bounds
    return low, high + (high - low) * 1e-6


def _bends(
    formula: Formula, names: Sequence[str], knots: Floats, start: Floats, likelihood: float, name: str
) -> Generator[Ask, Pooled, dict[str, Bend]]:
    added = knots.shape[1] - 2

    def ask(curve: Floats, active: NDArray[np.intp]) -> Ask:
        chosen = [names[int(one)] for one in active]
        arguments = {"formula": formula.text, "variables": chosen, "knots": knots[active], "curve": curve}
        return Ask(
            bent,
            arguments,
            fit=f"{name}.bent{added}",
            parameters=(len(start) + added) * len(names),
            fits_at_once=len(names),
            doing="fitting",
        )

    many = np.tile(np.concatenate([start, np.zeros(added)]), (len(names), 1))
    found = yield from fits.newton_fits(ask, many, np.ones(many.shape, bool), NEARLY)
    chi = np.where(found.estimable, 2 * (found.likelihood - likelihood), np.nan)
    return {
        one: Bend(one, at, float(value), added, float(chi2_sf(value, added)))
        for one, at, value in zip(names, knots, chi, strict=True)
    }
