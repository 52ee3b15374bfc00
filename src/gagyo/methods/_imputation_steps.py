"""What a hospital computes for multiple imputation: moments, one imputation model in every chain, completed fits."""

from __future__ import annotations

from typing import Any

import numpy as np

from gagyo.federation.local import Name, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.methods._imputation_cells import imputation_cells, own_cells
from gagyo.methods._imputation_chains import DRAWN, SPEC, Chains, Spec, told_by
from gagyo.methods._imputation_levels import fit_values as category_values
from gagyo.methods._imputation_levels import leveled
from gagyo.methods._logistic_sums import Sample, bounds_of, fit_sums, largest_of
from gagyo.methods._newton import triangle
from gagyo.methods._products import bounds
from gagyo.methods._propensity import fit_bounds, fit_values, profile
from gagyo.methods._regression import middles
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Aggregate, Floats, Measure, Spread, everybody, joint, side_by_side, spread_of

COEFFICIENTS = Numbers((None, None), -1e12, 1e12)


def _together(rows: Rows, spec: Spec, values: Floats, bound: Floats, spread: Spread) -> Measure:
    """Numbers of an analysis, ruled on by all that they could give away."""
    return joint(values, bound, imputation_cells(rows, spec), spread, own_cells(rows, spec))


@local("imputation", **SPEC)
def start(rows: Rows, **said: Any) -> Aggregate:
    """How many people; the sum of their outcomes; by imputed variable how many have it; of each its sum and sum of
    squares, of a category how many have each level but the first.

    Measurements are about the middles of their ranges.
    """
    spec = Spec.of(rows, **said)
    present = np.column_stack([rows.present(name) for name in spec.impute])
    ends = np.array([rows.variables[name].bounds for name in spec.by_column])
    measured = np.array([spec.is_measured(name) for name in spec.by_column])
    middle = np.where(measured, ends.mean(axis=1), 0.0)
    columns = np.concatenate([told_by(spec.levels(name), rows[name]) for name in spec.impute])
    x = np.nan_to_num(columns.T - middle)
    reach = np.where(measured, (ends[:, 1] - ends[:, 0]) / 2, 1.0)
    outcome = spec.formula.outcome
    most = float(np.abs(rows.variables[outcome].bounds).max())
    values = np.concatenate([[rows[outcome].sum()], present.sum(axis=0), x.sum(axis=0), (x**2).sum(axis=0)])
    bound = np.concatenate([[most], np.ones(present.shape[1]), reach, reach**2])
    # Sums of yes or no and of levels are head counts, and ruled on as such.
    spread = spread_of(np.column_stack([x[:, measured], x[:, measured] ** 2]))
    return {"people": everybody(rows.n), "sums": _together(rows, spec, values, bound, spread)}


@local("imputation", **SPEC, **DRAWN, variable=Name(), coefficients=COEFFICIENTS)
def model(rows: Rows, *, starts: Floats, draws: Floats, variable: str, coefficients: Floats, **said: Any) -> Aggregate:
    """One variable's imputation model in every chain at its coefficients (chains, q), over those who have it.

    Score (q), information (upper triangle), squares (q) and log-likelihood, each hospital at its own best level; then
    the sum of what those who lack the variable were given last, of a category how many each level but the first.
    """
    spec = Spec.of(rows, **said)
    chains = Chains.at(rows, spec, starts, draws)
    response, present = chains.observed(variable), ~chains.lacking[variable]
    fits = [
        _fit(spec, variable, chains.raw(variable, chain, present), response, beta)
        for chain, beta in enumerate(coefficients)
    ]
    low, high = rows.variables[variable].bounds if spec.is_measured(variable) else (0.0, 1.0)
    columns, place = spec.columns(variable), spec.place(variable)
    reach = np.tile(_reach(spec, spec.models[variable])[int(spec.own) :], columns)
    bound = np.append(fit_bounds(reach, high - low), np.full(columns, _most(spec, variable)))
    values = np.column_stack([np.array([one for one, _ in fits]), chains.imputed()[place].T])
    return {"fit": _together(rows, spec, values, bound, side_by_side(*[one for _, one in fits]))}


def _fit(spec: Spec, name: str, raw: Floats, response: Floats, beta: Floats) -> tuple[Floats, Spread]:
    """A chain's sums of a variable's model over the people of columns raw (n, p), and their spread."""
    if spec.levels(name):
        return category_values(leveled(raw, response, spec.levels(name), spec.own, beta))
    return fit_values(profile(raw, response, spec.own, beta, spec.is_measured(name)))


@local("imputation", **SPEC, **DRAWN, variable=Name())
def everyone(rows: Rows, *, starts: Floats, draws: Floats, variable: str, **said: Any) -> Aggregate:
    """The cross-products (chains, upper triangle) of the columns of a variable's model, over everyone.

    They say how far a change of its coefficients moves what is imputed: those who lack the variable may be unlike those
    who have it, on whom the model is fitted.
    """
    spec = Spec.of(rows, **said)
    chains = Chains.at(rows, spec, starts, draws)
    raw = [chains.raw(variable, chain, np.ones(rows.n, bool)) for chain in range(spec.times)]
    reach = _reach(spec, spec.models[variable])[int(spec.own) :]
    upper, right = triangle(len(reach))
    values = np.array([(one.T @ one)[upper, right] for one in raw])
    spread = side_by_side(*[spread_of(one**2) for one in raw])
    return {"products": _together(rows, spec, values, reach[upper] * reach[right], spread)}


def _reach(spec: Spec, formula: Formula) -> Floats:
    """The greatest size of each column about its middle, imputed values among them."""
    sizes = np.array([column.bound for column in formula.columns(spec.wide)])
    return np.asarray(sizes - np.abs(middles(formula, spec.wide)))


def _most(spec: Spec, name: str) -> float:
    """The greatest size of a variable's column."""
    return float(np.abs(spec.wide[name].bounds).max()) if spec.is_measured(name) else 1.0


def _given(spec: Spec, chains: Chains) -> tuple[Floats, Floats]:
    """What those who lack each variable were given last: sums (chains, columns), and their bounds.

    They are random numbers, not people's values: that one of them is large says nothing of anyone.
    """
    return chains.imputed().T, np.array([_most(spec, name) for name in spec.by_column])


@local("imputation", **SPEC, **DRAWN)
def sums(rows: Rows, *, starts: Floats, draws: Floats, **said: Any) -> Aggregate:
    """The sums of the design's columns (p) and the outcome in each chain's completed data, and of what was given."""
    spec = Spec.of(rows, **said)
    chains = Chains.at(rows, spec, starts, draws)
    columns = [_columns(chains, chain) for chain in range(spec.times)]
    given, most = _given(spec, chains)
    values = np.column_stack([np.array([one.sum(axis=0) for one in columns]), given])
    bound = np.concatenate([np.append(*bounds(chains.completed(0), spec.formula)), most])
    return {"sums": _together(rows, spec, values, bound, side_by_side(*[spread_of(one) for one in columns]))}


@local("imputation", **SPEC, **DRAWN, centre=COEFFICIENTS)
def products(rows: Rows, *, starts: Floats, draws: Floats, centre: Floats, **said: Any) -> Aggregate:
    """Cross-products (upper triangle) of the design's columns and the outcome about `centre` (chains, p + 1)."""
    spec = Spec.of(rows, **said)
    chains = Chains.at(rows, spec, starts, draws)
    columns = [_columns(chains, chain) - middle for chain, middle in enumerate(centre)]
    bound = 2 * np.append(*bounds(chains.completed(0), spec.formula))
    upper, right = triangle(len(bound))
    values = np.array([(one.T @ one)[upper, right] for one in columns])
    spread = side_by_side(*[spread_of(one**2) for one in columns])
    return {"products": _together(rows, spec, values, bound[upper] * bound[right], spread)}


def _columns(chains: Chains, chain: int) -> Floats:
    one, formula = chains.completed(chain), chains.spec.formula
    return np.column_stack([one.design(formula), one[formula.outcome]])


@local("imputation", **SPEC, **DRAWN, coefficients=COEFFICIENTS)
def newton(rows: Rows, *, starts: Floats, draws: Floats, coefficients: Floats, **said: Any) -> Aggregate:
    """Score, information and log-likelihood of the logistic model in each chain at its coefficients (chains, p)."""
    spec = Spec.of(rows, **said)
    chains = Chains.at(rows, spec, starts, draws)
    cells = imputation_cells(rows, spec)
    found = []
    for chain, beta in enumerate(coefficients):
        one = chains.completed(chain)
        sample = Sample(1, rows.n, cells)
        found.append(fit_sums(one, spec.formula, sample, beta[None, :], largest_of(one, spec.formula)))
    given, most = _given(spec, chains)
    values = np.column_stack([np.concatenate([one for one, _ in found]), given])
    bound = np.concatenate([bounds_of(largest_of(chains.completed(0), spec.formula)), most])
    return {"fit": _together(rows, spec, values, bound, side_by_side(*[one for _, one in found]))}
