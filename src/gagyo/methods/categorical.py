"""Regression of an outcome of several levels, equal to the pooled fit: multinomial or proportional odds (lossless).

Newton on summed score, information and log-likelihood until the squared decrement is under 1e-20. Ordered levels: a
proportional-odds model, logit P(Y <= level) = cut - x'b, as R's `polr` writes it, with the observed information.
McCullagh (1980) J R Stat Soc B 42:109; Agresti (2010) Analysis of Ordinal Categorical Data.
Reference: R `ordinal::clm`, `MASS::polr`, `nnet::multinom`; statsmodels `MNLogit`.
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
from gagyo.methods._values import bins_step, present_step
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import Aggregate, Floats, Measure, everybody, joint, side_by_side, spread_of
from gagyo.result import Result
from gagyo.statistics import categorical

DECREMENT = 1e-20
WORST = 64.0
"""Scale of a score or log-likelihood of one person; a level with few people has the greatest."""


present = present_step("categorical")
value_bins = bins_step("categorical")
KNOTS = knots.Knots(present, value_bins)
"""Knots of splines without any are found before a fit."""


@local(formula=Name())
def levels(rows: Rows, formula: str) -> Aggregate:
    """How many people, and how many have each level of the outcome."""
    parsed = rows.formula(formula)
    having = rows[parsed.outcome][:, None] == np.arange(len(rows.variables[parsed.outcome].levels))
    sums = having.sum(axis=0).astype(np.float64)
    spread = spread_of(np.ones((rows.n, 1)))
    return {"people": everybody(rows.n), "levels": joint(sums, 1.0, _cells(rows, parsed), spread)}


@local(formula=Name(), model=Name(), coefficients=Numbers((None,), -1e12, 1e12))
def step(rows: Rows, formula: str, model: str, coefficients: Floats) -> Aggregate:
    """Score (q), information (upper triangle) and log-likelihood at coefficients (q,).

    Measured columns are about the middles of their ranges; a proportional-odds model has cuts for an intercept.
    """
    parsed = rows.formula(formula)
    first = int(model == "ordinal")
    X = (rows.design(parsed) - middles(parsed, rows.variables))[:, first:]
    one = LIKELIHOODS[model](X, rows[parsed.outcome], coefficients, len(rows.variables[parsed.outcome].levels))
    upper, right = triangle(len(coefficients))
    values = np.concatenate([one.scores.sum(axis=0), one.information[upper, right], [one.likelihood.sum()]])
    reach = (column_bounds(rows, parsed) - np.abs(middles(parsed, rows.variables)))[first:]
    others = len(rows.variables[parsed.outcome].levels) - 1
    bound = np.concatenate([np.ones(others), reach]) if first else np.tile(reach, others)
    scales = np.concatenate([bound * WORST, bound[upper] * bound[right] * WORST**2, [WORST]])
    spread = side_by_side(spread_of(one.scores), spread_of(one.own), spread_of(one.likelihood[:, None]))
    return {"fit": joint(values, scales, _cells(rows, parsed), spread)}


LIKELIHOODS = {"multinomial": categorical.multinomial, "ordinal": categorical.ordinal}


def _cells(rows: Rows, formula: Formula) -> Measure:
    cells: Measure = rows.kept(("categorical cells", formula.text), lambda: design_cells(rows, formula))
    return cells


class Options(BaseModel):
    """What a study file may say of a regression of an outcome of several levels."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    model: Literal["multinomial", "ordinal"]
    """Each level against the first; or levels in their order, with odds that are proportional."""


@dataclass
class _Walk:
    """Where a fit is: coefficients, the step that led there, and the information's pivots by round."""

    beta: Floats
    likelihood: float
    moved: Floats
    pivots: list[Floats]
    rounds: int = 1


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
        """The method of an analysis; FileFault where formula or outcome do not fit."""
        options = Options(**analysis.options)
        formula = knots.parse(options.formula, analysis, study)
        check_none(list(_faults(formula, analysis, study)))
        return cls(formula, options, study)

    @property
    def complete(self) -> frozenset[str]:
        """All variables of the formula."""
        return frozenset(self.formula.variables)

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def told(self) -> Told:
        """How the fit is told, and the names of its coefficients."""
        return Told(self.formula, self.study, self.options.model)

    @KNOTS.sent
    def sends(self) -> tuple[Sends, ...]:
        """Numbers of people by level; score, information and log-likelihood a round."""
        q, others = len(self.told.names), len(self.study.variables[self.formula.outcome].levels)
        sends = Sends("categorical.step", q + q * (q + 1) // 2 + 1, MOST_ROUNDS)
        return (Sends("categorical.levels", 1 + others, 1), sends)

    @KNOTS.first
    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Count, fit, tell."""
        first: Pooled = yield Ask(levels, {"formula": self.formula.text}, doing="counting")
        if not (first.whole("people") and first.whole("levels")):
            raise Stopped(Finding("withheld_fit"))
        people, counts = int(first["people"][0]), first["levels"]
        if counts.min() <= 0:
            raise Stopped(Finding("categorical_level", values={"found": self._empty(counts)}))
        walk = self._start(counts)
        while True:
            pooled, solved = yield from self._round(walk, people)
            if solved is not None and solved.decrement < DECREMENT:
                break
            if walk.rounds > MOST_ROUNDS:
                raise Stopped(Finding("no_convergence", values={"found": walk.rounds}))
            self._move(walk, solved)
        beta = np.where(solved.aliased, np.nan, walk.beta + solved.step)
        null = categorical.null_likelihood(counts)
        fit = Fit(beta, solved.inverse, solved.aliased, walk.likelihood, null, people, pooled.sites, walk.rounds)
        return self.told.result(fit)

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
        named = {"formula": self.formula.text, "model": self.options.model, "coefficients": walk.beta}
        fit = f"{self.formula.text} {self.options.model}"
        try:
            pooled = yield Ask(step, named, fit=fit, parameters=q, doing="fitting")
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
        check_separation(walk.pivots[0], walk.pivots[-1], likelihood, people, terms)
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


def _faults(formula: Formula, analysis: Analysis, study: Study) -> Iterator[Finding]:
    outcome = study.variables[formula.outcome]
    if outcome.type != "category" or len(outcome.levels) < 3 or not formula.intercept or not formula.terms:
        values = {"found": formula.text, "expected": "category (3 …) ~ 1 + …"}
        yield Finding("categorical_formula", place=analysis.place("formula"), values=values)
