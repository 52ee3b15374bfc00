"""Generalised linear models, equal to the pooled fit: Fisher scoring on summed score and information (lossless).

Binomial with a probit or complementary log-log link, Poisson, negative binomial (NB2) and gamma with a log link. Any
may have an offset, such as a given risk score; of counts, or hazards (complementary log-log), it may be the logarithm
of an exposure. A Poisson model of a yes/no outcome gives risk ratios (Zou 2004, Am J Epidemiol 159:702). People may
have weights, as of a survey; with these or an offset there are logit and gaussian models too. Each round a hospital
sends the score, the expected information and the log-likelihood, and once Pearson's chi-square where standard errors
depend on it; of a negative binomial also two sums that theta's maximum likelihood needs.
Nelder & Wedderburn (1972) J R Stat Soc A 135:370; McCullagh & Nelder (1989); Lawless (1987) Can J Stat 15:209; robust
errors: papers in `gagyo.methods._sandwich`. Reference: R `glm(epsilon = 1e-14)`, MASS `glm.nb`, `sandwich` and
`clubSandwich`, statsmodels `GLM` and `NegativeBinomial`. The plain logit link is the method `logistic`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from pydantic import BaseModel

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.local import Name, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods import _knots as knots
from gagyo.methods import _sandwich as sandwich
from gagyo.methods._glm_cells import by_combination
from gagyo.methods._glm_negative_binomial import Dispersed, dispersed_meat
from gagyo.methods._glm_negative_binomial import dispersed as dispersed
from gagyo.methods._glm_options import Options, faults
from gagyo.methods._glm_sums import (
    WORST,
    cells_of,
    design_and_parts,
    reach_of,
    scales_of,
    size_of,
    worst_of,
)
from gagyo.methods._glm_told import Fit, Told
from gagyo.methods._glm_walk import Walk
from gagyo.methods._marginal import average, effects_told, numbers, steep_at_levels
from gagyo.methods._newton import (
    MOST_ROUNDS,
    VANISHED,
    VANISHED_COUNTS,
    Solved,
    aliased_columns,
    check_running_away,
    check_separation,
    pivots,
    solve,
    symmetric,
    triangle,
)
from gagyo.methods._offset import Offset
from gagyo.methods._regression import about_zero, middles
from gagyo.methods._sampling import heaviest, most
from gagyo.methods._sandwich import ARGUMENTS, People, Robust, Scales, Variance
from gagyo.methods._values import bins_step, present_step
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import Aggregate, Floats, everybody, joint, side_by_side, spread_of
from gagyo.result import Result
from gagyo.statistics.families import FAMILIES, Family

DECREMENT = 1e-20
"""Fisher scoring is not quadratic away from the canonical link: the squared decrement is followed further down."""


present = present_step("glm")
value_bins = bins_step("glm")
MEASURED = ("gamma", "gaussian")
"""Families of outcomes that separate nobody."""

KNOTS = knots.Knots(present, value_bins)
"""Knots of splines without any are found before a fit."""


COEFFICIENTS = Numbers((None,), -1e12, 1e12)

FITTED: dict[str, Name | Numbers] = {
    **{name: Name() for name in ("formula", "family", "link", "offset", "weights")},
    "coefficients": COEFFICIENTS,
}
"""What the steps of a fit are asked with."""


@local(formula=Name(), family=Name(), link=Name(), offset=Name(), weights=Name())
def outcome(rows: Rows, formula: str, family: str, link: str, offset: str, weights: str) -> Aggregate:
    """How many people; the sums of their outcomes, of their weights, and with an offset of what a null model with it
    begins with: exposures, exponentials of the offset, or how far the outcome is from it.
    """
    parsed, beside = rows.formula(formula), Offset.read(offset)
    each = [(rows[parsed.outcome], most(rows.variables[parsed.outcome])), (np.ones(rows.n), 1.0)]
    each += [beside.over(rows, parsed.outcome, family, link)] if offset else []
    times = rows[weights] if weights else np.ones(rows.n)
    columns = np.column_stack([one for one, _ in each]) * times[:, None]
    reach = np.array([size for _, size in each]) * heaviest(rows, weights)
    cells = cells_of(rows, parsed, (family, link), beside, weights)
    return {
        "people": everybody(rows.n),
        "sums": joint(columns.sum(axis=0), reach, cells, spread_of(columns)),
    }


@local(**FITTED)
def step(
    rows: Rows, formula: str, family: str, link: str, offset: str, weights: str, coefficients: Floats
) -> Aggregate:
    """Score (p), expected information (upper triangle) and log-likelihood at coefficients (p,).

    Measured columns are about the middles of their ranges.
    """
    parsed, beside = rows.formula(formula), Offset.read(offset)
    X, one = design_and_parts(rows, parsed, FAMILIES[family, link], beside, weights, coefficients)
    information = X.T @ (X * one.weight[:, None])
    values = np.concatenate([one.factor @ X, information[triangle(X.shape[1])], [one.likelihood.sum()]])
    combined = by_combination(rows, parsed, beside, weights) if family == "gamma" else np.zeros((rows.n, 0))
    others = np.column_stack([one.likelihood, combined])
    sums = (X * one.factor[:, None], X**2 * one.weight[:, None], others)
    weighed = beside.weighed(rows, parsed, family, one.weight)
    spread = side_by_side(*(spread_of(each) for each in sums), weighed)
    cells = cells_of(rows, parsed, (family, link), beside, weights)
    return {"fit": joint(values, scales_of(rows, parsed, family, beside, weights), cells, spread)}


@local(formula=Name(), family=Name(), link=Name(), offset=Name(), coefficients=COEFFICIENTS)
def pearson(rows: Rows, formula: str, family: str, link: str, offset: str, coefficients: Floats) -> Aggregate:
    """Pearson's chi-square at coefficients (p,)."""
    parsed, beside = rows.formula(formula), Offset.read(offset)
    _, one = design_and_parts(rows, parsed, FAMILIES[family, link], beside, "", coefficients)
    bound = WORST * worst_of(rows, parsed, family, beside)
    spread = spread_of(one.pearson[:, None])
    cells = cells_of(rows, parsed, (family, link), beside)
    return {"pearson": joint(one.pearson.sum(keepdims=True), bound, cells, spread)}


@local(**FITTED, **ARGUMENTS)
def meat(
    rows: Rows,
    formula: str,
    family: str,
    link: str,
    offset: str,
    weights: str,
    coefficients: Floats,
    errors: str,
    cluster: str,
    inverse: Floats,
) -> Aggregate:
    """The middle of the sandwich, of columns about the middles of their ranges."""
    parsed, beside = rows.formula(formula), Offset.read(offset)
    X, one = design_and_parts(rows, parsed, FAMILIES[family, link], beside, weights, coefficients)
    people = People(X, one.factor, one.weight, one.variance)
    scales = Scales(reach_of(rows, parsed), worst_of(rows, parsed, family, beside, weights))
    cells = cells_of(rows, parsed, (family, link), beside, weights)
    return sandwich.meat(rows, parsed, people, errors, cluster, inverse, scales, cells, weights=weights)


@local(formula=Name(), family=Name(), link=Name(), offset=Name(), coefficients=COEFFICIENTS)
def marginal(rows: Rows, formula: str, family: str, link: str, offset: str, coefficients: Floats) -> Aggregate:
    """Sums over people of each marginal effect, and of its derivatives in the coefficients (effects, 1 + p)."""
    parsed, beside = rows.formula(formula), Offset.read(offset)
    middle, added = middles(parsed, rows.variables), np.zeros(rows.n) + beside.of(rows)
    reach, worst = reach_of(rows, parsed), size_of(rows, parsed, family, beside)
    cells = cells_of(rows, parsed, (family, link), beside)
    told = average(rows, parsed, link, coefficients, added, middle, reach, worst, cells)
    if not beside.given:
        return {"effects": told}
    steep = steep_at_levels(rows, parsed, link, coefficients, added, middle)
    weighed = (beside.weighed(rows, parsed, family, one) for one in steep)
    return {"effects": replace(told, spread=side_by_side(told.spread, *weighed))}


@dataclass(frozen=True)
class Method:
    """A generalised linear model of a study's analysis."""

    formula: Formula
    options: Options
    study: Study

    name: ClassVar[str] = "glm"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where formula, outcome, link or offset do not fit."""
        options = Options(**analysis.options)
        formula = knots.parse(options.formula, analysis, study)
        robust = Robust(options.robust, options.cluster)
        check_none([*faults(options, formula, analysis, study), *robust.faults(formula, analysis, study)])
        return cls(formula, options, study)

    @property
    def robust(self) -> Robust:
        """Which errors, over which clusters."""
        return Robust(self.options.robust, self.options.cluster)

    @property
    def complete(self) -> frozenset[str]:
        """All variables of the formula, the offset, the weights and the cluster."""
        others = frozenset([*self.offset, self.options.weights]) - {""}
        return frozenset(self.formula.variables) | others | self.robust.variables

    @property
    def offset(self) -> Offset:
        """What has a coefficient of 1."""
        return Offset(self.options.exposure, self.options.offset)

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def family(self) -> Family:
        """The family with its link."""
        return FAMILIES[self.options.family, self.options.link]

    @property
    def terms(self) -> list[str]:
        """The design's columns by name."""
        return [column.name for column in self.formula.columns(self.study.variables)]

    @KNOTS.sent
    def sends(self) -> tuple[Sends, ...]:
        """Two sums or three; score, information, likelihood a round; Pearson's chi-square; robust errors' matrix."""
        p = len(self.terms)
        upper = p * (p + 1) // 2
        sends = [Sends("glm.outcome", 3 + bool(self.offset.text), 1), Sends("glm.step", p + upper + 1, MOST_ROUNDS)]
        sends += [Sends("glm.pearson", 1, 1)] if self._asks_pearson else []
        if self._negative_binomial:
            sends.insert(2, Sends("glm.dispersed", 2 * (p + upper) + 3, MOST_ROUNDS))
        if self.options.robust != "none":
            sends.append(
                Sends("glm.dispersed_meat" if self._negative_binomial else "glm.meat", self.robust.numbers(p), 1)
            )
        if self._tells_effects:
            sends.append(Sends("glm.marginal", numbers(self.formula, self.study), 1))
        return tuple(sends)

    @property
    def _negative_binomial(self) -> bool:
        return self.options.family == "negative_binomial"

    @property
    def _asks_pearson(self) -> bool:
        """Where standard errors depend on it: of a gamma always, of counts unless the errors are robust.

        On the way to a fit, or where nobody needs it, one unlikely person would make up most of it, and stop the fit.
        """
        counted = self.study.variables[self.formula.outcome].type != "boolean"
        if self._negative_binomial or self.options.weights:
            return False
        return self.family.dispersed or (counted and self.options.robust == "none")

    @property
    def _tells_effects(self) -> bool:
        return self.options.marginal_effects and bool(self.formula.terms)

    @KNOTS.first
    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Fit, then tell."""
        fit = yield from (self._fit_dispersed() if self._negative_binomial else self._fit())
        variance = Variance(np.nan_to_num(fit.solved.inverse) * fit.dispersion)
        if self.options.robust != "none":
            variance = yield from self._robust(fit)
        to_raw = about_zero(middles(self.formula, self.study.variables))
        one = self.options
        told = Told(self.formula, self.study, one.family, one.link, self.robust, self.offset, one.weights)
        result = told.result(fit.at(to_raw), variance.at(to_raw))
        if not self._tells_effects:
            return result
        ask = Ask(marginal, self._unweighted(fit.coefficients), doing="fitting")
        return (yield from effects_told(result, ask, self.formula, self.study, variance))

    def _fit_dispersed(self) -> Generator[Ask, Pooled, Fit]:
        """A negative binomial fit, from the Poisson fit on."""
        options = self.options.model_copy(update={"family": "poisson", "robust": "HC0"})
        poisson = yield from replace(self, options=options)._fit()
        return (yield from Dispersed(self.formula, self.offset).fit(poisson))

    def _fit(self) -> Generator[Ask, Pooled, Fit]:
        first = yield Ask(outcome, self._model, doing="counting")
        if not (first.whole("people") and first.whole("sums")):
            raise Stopped(Finding("withheld_fit"))
        people, (whole, weight, *_) = int(first["people"][0]), first["sums"]
        family = self.options.family
        if family != "gaussian" and (whole <= 0 or (family == "binomial" and whole >= weight)):
            raise Stopped(Finding("outcome_constant", values={"found": self.formula.outcome}))
        walk = Walk(self._start(first["sums"]), -np.inf, np.zeros(len(self.terms)), 1, [])
        walk.weight = weight / people
        if family == "poisson" and not self.formula.intercept:
            walk.rate = whole / first["sums"][-1]
        while True:
            pooled, solved = yield from self._round(walk, people)
            if solved is not None and solved.decrement < DECREMENT * max(walk.weight, 1.0):
                break
            if walk.rounds > MOST_ROUNDS:
                raise Stopped(Finding("no_convergence", values={"found": walk.rounds}))
            walk.step(solved)
        freedom = people - int((~solved.aliased).sum())
        if freedom <= 0:
            raise Stopped(Finding("withheld_fit"))
        beta = np.where(solved.aliased, np.nan, walk.beta + solved.step)
        over = (yield from self._pearson(beta)) / freedom if self._asks_pearson else float("nan")
        return Fit(
            beta,
            solved,
            walk.likelihood,
            walk.null,
            over if self.family.dispersed and self._asks_pearson else 1.0,
            over,
            people,
            pooled.sites,
            walk.rounds + self._asks_pearson,
            mean=float(whole / people),
        )

    def _pearson(self, beta: Floats) -> Generator[Ask, Pooled, float]:
        answer = yield Ask(pearson, self._unweighted(beta), doing="fitting")
        if not answer.whole("pearson"):
            raise Stopped(Finding("withheld_fit"))
        return float(answer["pearson"][0])

    def _start(self, sums: Floats) -> Floats:
        """The null model, where there is an intercept; with an offset of a yes/no outcome what is near it."""
        beta = np.zeros(len(self.terms))
        if self.formula.intercept:
            one, (mean, over) = self.options, sums[[0, -1]] / sums[1]
            beta[0] = self.offset.start(self.family, one.family, one.link, mean, over)
        return beta

    def _round(self, walk: Walk, people: int) -> Generator[Ask, Pooled, tuple[Pooled, Solved | None]]:
        """One round: what was opened, and the step from there; None where the likelihood fell."""
        try:
            pooled = yield self._ask(walk.beta)
        except Stopped:
            if self.options.family not in MEASURED:
                check_running_away(walk.pivots, self.terms)
            raise
        if not pooled.whole("fit"):
            raise Stopped(Finding("withheld_fit"))
        p, values = len(self.terms), pooled["fit"]
        walk.rounds += 1
        likelihood = float(values[-1])
        if likelihood < walk.likelihood - 1e-9 * (1 + abs(walk.likelihood)):
            return pooled, None
        information = symmetric(values[p:-1], p)
        walk.likelihood = likelihood
        walk.pivots.append(pivots(information))
        if len(walk.pivots) == 1 and self.formula.intercept:
            walk.null = likelihood
        if self.options.family not in MEASURED:
            least = likelihood / walk.weight if self.options.family == "binomial" else -float(people)
            gone = VANISHED_COUNTS if self.options.family == "poisson" else VANISHED
            check_separation(walk.pivots[0] * walk.rate, walk.pivots[-1], least, people, self.terms, gone)
        solved = solve(values[:p], information, aliased_columns(information))
        return pooled, solved if self.family.canonical else walk.mended(solved, values[:p])

    def _ask(self, beta: Floats) -> Ask:
        one = self.options
        fit = f"{self.formula.text} {one.family} {one.link} {self.offset.text} {one.weights}"
        return Ask(step, self._named(beta), fit=fit, parameters=len(beta), doing="fitting")

    @property
    def _model(self) -> dict[str, object]:
        one, named = self.options, {"formula": self.formula.text, "offset": self.offset.text}
        return {**named, "family": one.family, "link": one.link, "weights": one.weights}

    def _named(self, beta: Floats) -> dict[str, object]:
        return {**self._model, "coefficients": beta}

    def _unweighted(self, beta: Floats) -> dict[str, object]:
        return {name: one for name, one in self._named(np.nan_to_num(beta)).items() if name != "weights"}

    def _robust(self, fit: Fit) -> Generator[Ask, Pooled, Variance]:
        beta, inverse = np.nan_to_num(fit.coefficients), np.nan_to_num(fit.solved.inverse)
        step, named = meat, self._named(beta)
        if fit.shape is not None:
            step = dispersed_meat
            named = Dispersed(self.formula, self.offset).named(beta, fit.shape.theta)
        answer = yield Ask(step, {**named, **self.robust.arguments(inverse)}, doing="robust_errors")
        if not answer.whole("meat"):
            raise Stopped(Finding("withheld_fit"))
        return self.robust.variance(answer["meat"], inverse, fit.people, int((~fit.solved.aliased).sum()))
