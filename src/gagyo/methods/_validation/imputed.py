"""Validation of a model whose people lack predictors: the hospital that is left out.

The model is the equation that is pooled over the data sets; it is evaluated in each of them, and what is found is
pooled by Rubin's rules. No outcome told an imputed value: it is the performance in practice, where people lack
predictors (Wood et al. 2015, Biom J 57:614). For a hospital that is left out, imputation models, draws and equation are
those of the others, in which nothing of it is.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.errors import Stopped
from gagyo.federation.ask import Allowed, Ask, LeaveOut, Near, Numerals, Pooled
from gagyo.finding import Finding
from gagyo.methods import _imputation_steps as steps
from gagyo.methods._imputation_chains import Spec
from gagyo.methods._imputation_walk import Chained, Modelled, Walk
from gagyo.methods._newton import symmetric
from gagyo.methods._profile_fit import check_whole
from gagyo.methods._validation.completed import completed_own
from gagyo.methods._validation.options import Equation
from gagyo.release.aggregate import Floats

Bools = NDArray[np.bool_]

EVERY_PATTERN = 2**31 - 1
"""Chains times sweeps as the others are told them: whoever is left out chooses draws within what they allow, so that
every pattern of missing values is ruled on."""

HALF = 0.5
"""Of logits of several levels one person adds at most (I - 1/levels) / 2 to the information, by squared unit of a
column; of yes or no that is a quarter (Boehning 1992, Ann Inst Stat Math 44:197).
"""


def leave_out(chained: Chained, silent: Sequence[str]) -> Generator[Any, Any, Mapping[str, Numerals]]:
    """Each hospital's accuracy by what is made of the others; silent ones tell only how many people they have."""
    drawn = {**chained.spec.arguments, "starts": chained.starts, "draws": chained.draws}
    products = yield from _everyone(chained, drawn)
    return (yield leave_one_out(chained, products, silent))  # type: ignore[no-any-return]


def _everyone(chained: Chained, drawn: Mapping[str, Any]) -> Generator[Ask, Pooled, dict[str, Floats]]:
    """By imputed variable the cross-products (chains, p, p) of its model's columns over everyone."""
    found = {}
    for name in chained.spec.impute:
        answer = yield Ask(steps.everyone, {**drawn, "variable": name}, doing="summing")
        check_whole(answer, "products")
        found[name] = symmetric(answer["products"], chained.spec.slopes(name))
    return found


def leave_one_out(chained: Chained, products: Mapping[str, Floats], silent: Sequence[str] = ()) -> LeaveOut:
    """The question to each hospital in turn: the others' imputation and equation, and its own accuracy by them."""
    spec = replace(chained.spec, swept=EVERY_PATTERN)

    def walk_of(site: str) -> Walk:
        return Walk(replace(spec, walk=f"without {site}"), chained.seed, site, chained)

    def fit(site: str) -> Generator[Ask, Pooled, dict[str, Any]]:
        walk = walk_of(site)
        named = {"walk": walk.spec.walk}
        try:
            fits = yield from walk.walk(True)
        except Stopped as why:
            nothing = {"starts": chained.starts, "draws": np.zeros((spec.times, 0)), "coefficients": np.zeros(0)}
            return named | nothing | {"shut": int(any(found.code == "withheld_fit" for found in why.findings))}
        there = walk.chained(fits)
        known = bool(np.array_equal(fits.aliased, chained.aliased))
        coefficients = there.coefficients if known else np.zeros(0)
        return named | {"starts": there.starts, "draws": there.draws, "coefficients": coefficients, "shut": 0}

    def allows(site: str) -> Sequence[Allowed]:
        return allowed(chained, spec, products, walk_of(site))

    return LeaveOut(
        fit, completed_own, {**spec.arguments, "silent": list(silent)}, allows, chained.people, fits_of(spec)
    )


def fits_of(spec: Spec) -> int:
    """How many fits a walk has one after the other: of each model in each sweep, and of the completed data; a start."""
    return spec.sweeps * len(spec.impute) + 2


# What the others answer: questions near those of all hospitals.


def allowed(chained: Chained, spec: Spec, products: Mapping[str, Floats], walk: Walk) -> Sequence[Allowed]:
    """The questions of a walk without a hospital, in order: its start, each model, the completed fits."""
    found = [Allowed(walk.start_question(), {})]
    starts = _near_starts(chained)
    drawn: list[Near] = []
    for one in chained.models:
        moved = _moved(one, spec, products[one.name])
        width = spec.width(one.name)
        zero = np.zeros((spec.times, width))
        ask = walk.model_question(one.name, zero, chained.starts, _prefix(drawn, spec.times))
        # A linear model is asked once, at zero; a logistic one at each step of its fit.
        near = {} if spec.is_measured(one.name) else {"coefficients": (Near(one.fitted, moved, one.aliased),)}
        found.append(Allowed(ask, {"starts": starts, "draws": tuple(drawn) or _nothing(spec.times), **near}))
        drawn += _near_draws(one, spec, moved, chained.having[one.name])
    ask = walk.completed_question(chained.fitted, chained.starts, _prefix(drawn, spec.times))
    still = np.broadcast_to(chained.aliased, chained.fitted.shape)
    fitted = Near(chained.fitted, chained.information, still)
    found.append(Allowed(ask, {"starts": starts, "draws": tuple(drawn), "coefficients": (fitted,)}))
    return found


def _prefix(drawn: Sequence[Near], times: int) -> Floats:
    return np.column_stack([np.zeros((times, 0)), *(one.centre for one in drawn)])


def _nothing(times: int) -> tuple[Near]:
    return (Near(np.zeros((times, 0)), np.zeros((times, 0, 0)), np.zeros((times, 0), bool)),)


def _near_starts(chained: Chained) -> tuple[Near, Near]:
    """Means within the information of a mean; deviations within that of a deviation, of shares as they are: none."""
    spec = chained.spec
    having = np.array([chained.having[name] for name in spec.by_column], dtype=np.float64)
    measured = np.array([spec.is_measured(name) for name in spec.by_column])
    mean, deviation = chained.starts.T
    variance = np.where(measured, deviation**2, mean * (1 - mean))
    still = variance <= 0
    information = having / np.where(still, 1.0, variance)
    one = Near(mean[:, None], information[:, None, None], still[:, None])
    return one, Near(deviation[:, None], 2 * information[:, None, None], (~measured | still)[:, None])


def _moved(one: Modelled, spec: Spec, products: Floats) -> Floats:
    """By data set (q, q) what a change of a model's coefficients moves in all people, in residual deviations."""
    if not spec.is_measured(one.name):
        columns = spec.columns(one.name)
        most = HALF * (np.eye(columns) - 1 / (columns + 1))
        return np.array([np.kron(most, product) for product in products])
    residual = np.maximum(one.draws[:, -1] ** 2, np.finfo(float).tiny)
    return products / residual[:, None, None]


def _near_draws(one: Modelled, spec: Spec, moved: Floats, having: int) -> list[Near]:
    """Coefficients, and of a linear model the residual deviation; of other models the fit, and what is drawn."""
    width = spec.width(one.name)
    if not spec.is_measured(one.name):
        return [Near(one.draws[:, side], moved, one.aliased) for side in (slice(0, width), slice(width, None))]
    sigma = one.draws[:, -1:]
    still = sigma <= 0
    information = 2 * having / np.where(still, 1.0, sigma**2)
    return [Near(one.draws[:, :-1], moved, one.aliased), Near(sigma, information[:, :, None], still)]


def starts_from(result: Any, name: str, given: Equation | None) -> Chained:
    """The chains of the analysis that imputes, with the coefficients of a given equation; Stopped where it has none."""
    if not isinstance(result.kept, Chained):
        raise Stopped(Finding("needs_result", values={"found": name}))
    if given is None:
        return result.kept
    spec = result.kept.spec
    terms = (column.name for column in spec.formula.columns(spec.variables))
    return replace(result.kept, coefficients=np.array([given.coefficients[term] for term in terms]))
