"""Validation of a model whose people lack predictors: the conversation, and the hospital that is left out.

The model is the equation that is pooled over the data sets; it is evaluated in each of them, and what is found is
pooled by Rubin's rules. No outcome told an imputed value: it is the performance in practice, where people lack
predictors (Wood et al. 2015, Biom J 57:614). For a hospital that is left out, imputation models, draws and equation are
those of the others, in which nothing of it is.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.errors import Stopped
from gagyo.federation.ask import Allowed, Ask, LeaveOut, Near, Numerals, Pooled
from gagyo.federation.dispensable import Kept, unless_withheld
from gagyo.finding import Finding
from gagyo.methods import _imputation_steps as steps
from gagyo.methods._imputation_chains import Spec
from gagyo.methods._imputation_walk import Chained, Modelled, Walk
from gagyo.methods._newton import symmetric
from gagyo.methods._profile_fit import check_whole
from gagyo.methods._validation.completed import completed, completed_lines, completed_own, on_logit
from gagyo.methods._validation.findings import Lacking
from gagyo.methods._validation.options import Equation
from gagyo.methods._validation.performance import (
    EXPECTED,
    Performance,
    fitted_lines,
    line_question,
    performance_of,
)
from gagyo.release.aggregate import Floats
from gagyo.statistics import rubin

Bools = NDArray[np.bool_]

EVERY_PATTERN = 2**31 - 1
"""Chains times sweeps as the others are told them: whoever is left out chooses draws within what they allow, so that
every pattern of missing values is ruled on."""

HALF = 0.5
"""Of logits of several levels one person adds at most (I - 1/levels) / 2 to the information, by squared unit of a
column; of yes or no that is a quarter (Boehning 1992, Ann Inst Stat Math 44:197).
"""

MEASURED = ("auc", "oe", "slope", "citl")
"""What is pooled over all hospitals with errors: the AUC on the logit scale, O/E on the logarithmic."""


@dataclass(frozen=True)
class Foreseen:
    """What was found: by data set over all hospitals, then by hospital, and by hospital that was left out."""

    people: int
    cases: int
    sites: tuple[str, ...]
    each: tuple[Performance, ...]
    hospitals: Mapping[str, Numerals]
    left_out: Mapping[str, Numerals]
    kept: tuple[Lacking, ...] = ()

    def pooled(self) -> rubin.Pooled:
        """The measures of MEASURED over the data sets; NaN where one of these does not determine it."""
        pairs = np.array([[_on_scale(one, name) for name in MEASURED] for one in self.each])
        return rubin.pool(pairs[:, :, 0], pairs[:, :, 1] ** 2, np.inf)

    def mean(self, name: str) -> float:
        """The mean of a measure without an error."""
        return float(np.mean([getattr(one, name) for one in self.each]))


def _on_scale(one: Performance, name: str) -> tuple[float, float]:
    if name == "auc":
        return on_logit(one.auc, one.auc_error)
    if name == "oe":
        return float(np.log(one.oe)), one.log_oe_error
    line = one.slope if name == "slope" else one.citl
    return line.value, line.standard_error


def foresee(chained: Chained, leave_out: bool, fewest: int, analysis: str) -> Generator[Any, Any, Foreseen]:
    """Evaluate the pooled equation over all hospitals, at each, and made without each."""
    drawn = {**chained.spec.arguments, "starts": chained.starts, "draws": chained.draws}
    asked = {**drawn, "coefficients": chained.coefficients}
    times = chained.spec.times
    answer: Pooled = yield Ask(completed, asked, doing="summing")
    check_whole(answer, "people", "sums", "expected")

    def ask(lines: Floats, active: NDArray[np.intp]) -> Ask:
        more = {"sets": (active // 2).astype(np.float64)}
        return line_question(completed_lines, {**asked, **more}, lines, f"{analysis}.recalibration", times)

    lines = yield from fitted_lines(ask, times)
    people, cases = (int(one) for one in answer["people"])
    sums = np.insert(answer["sums"], EXPECTED, answer["expected"], axis=1)
    each = tuple(performance_of(people, cases, one, line) for one, line in zip(sums, lines, strict=True))
    own = yield from unless_withheld(_own({**asked, "shut": 0}))
    left_out: Mapping[str, Numerals] | Kept = {}
    if leave_out and len(answer.sites) >= fewest:
        left_out = yield from unless_withheld(_leave_out(chained, drawn))
    parts = {"hospitals": own, "left_out": left_out}
    kept = tuple((name, None, one) for name, one in parts.items() if isinstance(one, Kept))
    here, apart = ({} if isinstance(one, Kept) else one for one in parts.values())
    return Foreseen(people, cases, answer.sites, each, here, apart, kept)


def _own(asked: dict[str, Any]) -> Generator[Any, Any, Mapping[str, Numerals]]:
    return (yield Ask(completed_own, asked, each=True, doing="summing"))  # type: ignore[no-any-return]


def _leave_out(chained: Chained, drawn: Mapping[str, Any]) -> Generator[Any, Any, Mapping[str, Numerals]]:
    products = yield from _everyone(chained, drawn)
    return (yield leave_one_out(chained, products))  # type: ignore[no-any-return]


def _everyone(chained: Chained, drawn: Mapping[str, Any]) -> Generator[Ask, Pooled, dict[str, Floats]]:
    """By imputed variable the cross-products (chains, p, p) of its model's columns over everyone."""
    found = {}
    for name in chained.spec.impute:
        answer = yield Ask(steps.everyone, {**drawn, "variable": name}, doing="summing")
        check_whole(answer, "products")
        found[name] = symmetric(answer["products"], chained.spec.slopes(name))
    return found


def leave_one_out(chained: Chained, products: Mapping[str, Floats]) -> LeaveOut:
    """The question to each hospital in turn: the others' imputation and equation, and its own accuracy by them."""
    spec = replace(chained.spec, swept=EVERY_PATTERN)

    def fit(site: str) -> Generator[Ask, Pooled, dict[str, Any]]:
        walk = Walk(spec, chained.seed, site, chained)
        try:
            fits = yield from walk.walk(True)
        except Stopped as why:
            nothing = {"starts": chained.starts, "draws": np.zeros((spec.times, 0)), "coefficients": np.zeros(0)}
            return nothing | {"shut": int(any(found.code == "withheld_fit" for found in why.findings))}
        there = walk.chained(fits)
        known = bool(np.array_equal(fits.aliased, chained.aliased))
        coefficients = there.coefficients if known else np.zeros(0)
        return {"starts": there.starts, "draws": there.draws, "coefficients": coefficients, "shut": 0}

    def allows(site: str) -> Sequence[Allowed]:
        return allowed(chained, spec, products, Walk(spec, chained.seed, site, chained))

    return LeaveOut(fit, completed_own, spec.arguments, allows, chained.people, fits_of(spec))


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
