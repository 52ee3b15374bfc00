"""Regression of an outcome of several levels, equal to the pooled fit: multinomial or proportional odds (lossless).

Newton on summed score, information and log-likelihood until the squared decrement is under 1e-20. Ordered levels: a
proportional-odds model, logit P(Y <= level) = cut - x'b, as R's `polr` writes it, with the observed information.
People may have weights, as of a survey, with robust errors: then each sum is weighted, and a matrix follows the fit.
McCullagh (1980) J R Stat Soc B 42:109; Agresti (2010) Analysis of Ordinal Categorical Data; Binder (1983) Int Stat Rev
51:279. Reference: R `ordinal::clm`, `MASS::polr`, `nnet::multinom`, `survey::svyolr`; statsmodels `MNLogit`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.local import Name, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods import _knots as knots
from gagyo.methods._categorical_told import Fit, Told
from gagyo.methods._newton import (
    MOST_ROUNDS,
    Solved,
    aliased_columns,
    check_running_away,
    check_separation,
    pivots,
    solve,
    symmetric,
    triangle,
)
from gagyo.methods._regression import column_bounds, design_cells, middles
from gagyo.methods._sampling import faults_of_weights, heaviest, widened
from gagyo.methods._sandwich import Robust, Variance
from gagyo.methods._set_apart import weighed_apart
from gagyo.methods._values import bins_step, present_step
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import Aggregate, Floats, Measure, everybody, joined, joint, side_by_side, spread_of
from gagyo.result import Result
from gagyo.statistics import categorical

DECREMENT = 1e-20
WORST = 64.0
"""Scale of a score or log-likelihood of one person; a level with few people has the greatest."""


present = present_step("categorical")
value_bins = bins_step("categorical")
KNOTS = knots.Knots(present, value_bins)
"""Knots of splines without any are found before a fit."""


COEFFICIENTS = Numbers((None,), -1e12, 1e12)


@local(formula=Name(), weights=Name())
def levels(rows: Rows, formula: str, weights: str) -> Aggregate:
    """How many people, and how many have each level of the outcome, or their weights."""
    parsed = rows.formula(formula)
    having = rows[parsed.outcome][:, None] == np.arange(len(rows.variables[parsed.outcome].levels))
    each = having * (rows[weights] if weights else np.ones(rows.n))[:, None]
    spread = spread_of(each if weights else np.ones((rows.n, 1)))
    sums = joint(each.sum(axis=0), heaviest(rows, weights), _cells(rows, parsed, weights), spread)
    return {"people": everybody(rows.n), "levels": sums}


@local(formula=Name(), model=Name(), weights=Name(), coefficients=COEFFICIENTS)
def step(rows: Rows, formula: str, model: str, weights: str, coefficients: Floats) -> Aggregate:
    """Score (q), information (upper triangle) and log-likelihood at coefficients (q,).

    Measured columns are about the middles of their ranges; a proportional-odds model has cuts for an intercept.
    """
    parsed = rows.formula(formula)
    one, bound = _people(rows, parsed, model, weights, coefficients)
    upper, right = triangle(len(coefficients))
    values = np.concatenate([one.scores.sum(axis=0), one.information[upper, right], [one.likelihood.sum()]])
    scales = np.concatenate([bound * WORST, bound[upper] * bound[right] * WORST**2, [WORST]]) * heaviest(rows, weights)
    spread = side_by_side(spread_of(one.scores), spread_of(one.own), spread_of(one.likelihood[:, None]))
    return {"fit": joint(values, scales, _cells(rows, parsed, weights), spread)}


@local(formula=Name(), model=Name(), weights=Name(), coefficients=COEFFICIENTS)
def meat(rows: Rows, formula: str, model: str, weights: str, coefficients: Floats) -> Aggregate:
    """The middle of the sandwich over people (upper triangle) at coefficients (q,)."""
    parsed = rows.formula(formula)
    one, bound = _people(rows, parsed, model, weights, coefficients)
    upper, right = triangle(len(coefficients))
    values = (one.scores.T @ one.scores)[upper, right]
    scales = bound[upper] * bound[right] * (WORST * heaviest(rows, weights)) ** 2
    return {"meat": joint(values, scales, _cells(rows, parsed, weights), spread_of(one.scores**2))}


def _people(
    rows: Rows, formula: Formula, model: str, weights: str, coefficients: Floats
) -> tuple[categorical.People, Floats]:
    """What each person adds at coefficients (q,), and the greatest size of each coefficient's column (q,)."""
    first, others = int(model == "ordinal"), len(rows.variables[formula.outcome].levels) - 1
    middle = middles(formula, rows.variables)
    X, times = (rows.design(formula) - middle)[:, first:], rows[weights] if weights else None
    one = LIKELIHOODS[model](X, rows[formula.outcome], coefficients, others + 1, times)
    reach = (column_bounds(rows, formula) - np.abs(middle))[first:]
    return one, np.concatenate([np.ones(others), reach]) if first else np.tile(reach, others)


LIKELIHOODS = {"multinomial": categorical.multinomial, "ordinal": categorical.ordinal}


def _cells(rows: Rows, formula: Formula, weights: str) -> Measure:
    """Every head count that a fit gives away, also beside the same fit without weights."""

    def count() -> Measure:
        apart = [weighed_apart(rows, formula, rows[weights])] if weights else []
        return joined(design_cells(rows, widened(rows, formula, weights)), *apart)

    cells: Measure = rows.kept(("categorical cells", formula.text, weights), count)
    return cells


class Options(BaseModel):
    """What a study file may say of a regression of an outcome of several levels."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    model: Literal["multinomial", "ordinal"]
    """Each level against the first; or levels in their order, with odds that are proportional."""
    weights: str = ""
    """A variable that says how much each person counts, such as the inverse of the probability of being sampled. With
    `robust` HC0 or HC1."""
    robust: Literal["none", "HC0", "HC1"] = "none"
    """Standard errors: model-based, or by the sandwich over people, HC1 with its small-sample factor."""


@dataclass
class _Walk:
    """Where a fit is: coefficients, the step that led there, and the information's pivots by round."""

    beta: Floats
    likelihood: float
    moved: Floats
    pivots: list[Floats]
    rounds: int = 1
    weight: float = 1.0
    """The mean weight."""


@dataclass(frozen=True)
class Method:
    """A regression of an outcome of several levels, of a study's analysis."""

    formula: Formula
    options: Options
    study: Study

    name: ClassVar[str] = "categorical"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where formula, outcome or weights do not fit."""
        options = Options(**analysis.options)
        formula = knots.parse(options.formula, analysis, study)
        check_none(
            [*_faults(options, formula, analysis, study), *Robust(options.robust, "").faults(formula, analysis, study)]
        )
        return cls(formula, options, study)

    @property
    def complete(self) -> frozenset[str]:
        """All variables of the formula, and the weights."""
        return frozenset([*self.formula.variables, self.options.weights]) - {""}

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def told(self) -> Told:
        """How the fit is told, and the names of its coefficients."""
        return Told(self.formula, self.study, self.options.model, self.robust, self.options.weights)

    @property
    def robust(self) -> Robust:
        """Which errors."""
        return Robust(self.options.robust, "")

    @KNOTS.sent
    def sends(self) -> tuple[Sends, ...]:
        """Numbers of people by level; score, information and log-likelihood a round; a matrix for robust errors."""
        q, others = len(self.told.names), len(self.study.variables[self.formula.outcome].levels)
        sends = [
            Sends("categorical.levels", 1 + others, 1),
            Sends("categorical.step", q + q * (q + 1) // 2 + 1, MOST_ROUNDS),
        ]
        if self.options.robust != "none":
            sends.append(Sends("categorical.meat", self.robust.numbers(q), 1))
        return tuple(sends)

    @KNOTS.first
    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Count, fit, tell."""
        first: Pooled = yield Ask(
            levels, {"formula": self.formula.text, "weights": self.options.weights}, doing="counting"
        )
        if not (first.whole("people") and first.whole("levels")):
            raise Stopped(Finding("withheld_fit"))
        people, counts = int(first["people"][0]), first["levels"]
        if counts.min() <= 0:
            raise Stopped(Finding("categorical_level", values={"found": self._empty(counts)}))
        walk = self._start(counts)
        walk.weight = float(counts.sum()) / people
        while True:
            pooled, solved = yield from self._round(walk, people)
            if solved is not None and solved.decrement < DECREMENT * max(walk.weight, 1.0):
                break
            if walk.rounds > MOST_ROUNDS:
                raise Stopped(Finding("no_convergence", values={"found": walk.rounds}))
            self._move(walk, solved)
        beta = np.where(solved.aliased, np.nan, walk.beta + solved.step)
        variance = yield from self._variance(beta, solved, people)
        null = categorical.null_likelihood(counts)
        fit = Fit(beta, variance, solved.aliased, walk.likelihood, null, people, pooled.sites, walk.rounds)
        return self.told.result(fit)

    def _variance(self, beta: Floats, solved: Solved, people: int) -> Generator[Ask, Pooled, Variance]:
        inverse = np.nan_to_num(solved.inverse)
        if self.options.robust == "none":
            return Variance(inverse)
        answer = yield Ask(meat, self._named(np.nan_to_num(beta)), doing="robust_errors")
        if not answer.whole("meat"):
            raise Stopped(Finding("withheld_fit"))
        return self.robust.variance(answer["meat"], inverse, people, int((~solved.aliased).sum()))

    def _named(self, beta: Floats) -> dict[str, object]:
        one = self.options
        return {"formula": self.formula.text, "model": one.model, "weights": one.weights, "coefficients": beta}

    def _empty(self, counts: Floats) -> str:
        names = [level.name for level in self.study.variables[self.formula.outcome].levels]
        return ", ".join(name for name, people in zip(names, counts, strict=True) if people <= 0)

    def _start(self, counts: Floats) -> _Walk:
        width = len(self.formula.columns(self.study.variables)) - int(self.options.model == "ordinal")
        beta = categorical.start(counts, self.options.model, width)
        return _Walk(beta, -np.inf, np.zeros(len(beta)), [])

    def _round(self, walk: _Walk, people: int) -> Generator[Ask, Pooled, tuple[Pooled, Solved | None]]:
        """One round: what was opened, and the step from there; None where the likelihood fell."""
        q, terms = len(walk.beta), self.told.names
        fit = f"{self.formula.text} {self.options.model} {self.options.weights}".rstrip()
        try:
            pooled = yield Ask(step, self._named(walk.beta), fit=fit, parameters=q, doing="fitting")
        except Stopped:
            check_running_away(walk.pivots, terms)
            raise
        if not pooled.whole("fit"):
            raise Stopped(Finding("withheld_fit"))
        values = pooled["fit"]
        walk.rounds += 1
        likelihood = float(values[-1])
        if likelihood < walk.likelihood - 1e-9 * (1 + abs(walk.likelihood)):
            return pooled, None
        walk.likelihood = likelihood
        information = symmetric(values[q:-1], q)
        walk.pivots.append(pivots(information))
        check_separation(walk.pivots[0], walk.pivots[-1], likelihood / walk.weight, people, terms)
        return pooled, solve(values[:q], information, aliased_columns(information))

    def _move(self, walk: _Walk, solved: Solved | None) -> None:
        """Go on; where the likelihood fell half the way back; never so far that cuts would cross."""
        walk.moved = walk.moved / 2 if solved is None else solved.step
        if solved is None:
            walk.beta = walk.beta - walk.moved
            return
        cuts = len(self.study.variables[self.formula.outcome].levels) - 1
        while self.options.model == "ordinal" and np.any(np.diff((walk.beta + walk.moved)[:cuts]) <= 0):
            walk.moved = walk.moved / 2
        walk.beta = walk.beta + walk.moved


def _faults(options: Options, formula: Formula, analysis: Analysis, study: Study) -> Iterator[Finding]:
    outcome = study.variables[formula.outcome]
    if outcome.type != "category" or len(outcome.levels) < 3 or not formula.intercept or not formula.terms:
        values = {"found": formula.text, "expected": "category (3 …) ~ 1 + …"}
        yield Finding("categorical_formula", place=analysis.place("formula"), values=values)
    if options.weights:
        yield from faults_of_weights(options.weights, formula.variables, analysis, study)
    if options.weights and options.robust == "none":
        values = {"found": "robust: none", "expected": "HC0, HC1"}
        yield Finding("weights_robust", place=analysis.place("weights"), values=values)
