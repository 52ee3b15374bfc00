"""Logistic regression, equal to the pooled fit: Newton-Raphson on summed scores and information (lossless).

Each round a hospital sends the score X'(y - mu), the information X'WX, W = mu (1 - mu), and the log-likelihood at the
coefficients of the round; the sums are those of the pooled data, so are the steps. Wu Y et al. (2012) Grid binary
logistic regression (GLORE), J Am Med Inform Assoc 19:758. Reference: R `glm(family = binomial, epsilon = 1e-12)`,
statsmodels `Logit`. Robust errors: White (1980), HC0 and HC1.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveFloat
from scipy import linalg, special, stats

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.local import Name, Numbers, Whole, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods._logistic_told import Fit, Told
from gagyo.methods._newton import (
    DECREMENT,
    MOST_ROUNDS,
    aliased_columns,
    check_running_away,
    check_separation,
    solve,
    symmetric,
    triangle,
)
from gagyo.methods._regression import about_zero, column_bounds, design_cells, middles, term_columns
from gagyo.protocol import formula as formulas
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import Aggregate, Floats, Spread, count, joint, spread_of
from gagyo.result import Result

BLOCK = 8192
"""Rows at a time: a block of 50 columns and its weighted copy stay in the processor's cache."""

LIKELIHOOD_BOUND = 64.0
"""Scale of the log-likelihood in the ring; one person's share at honest coefficients is far below it."""

MANY_PEOPLE = 50_000
"""From here on, a fit starts on parts of the data: the first rounds need not be exact."""


@local(formula=Name())
def outcome(rows: Rows, formula: str) -> Aggregate:
    """How many people, and how many with the outcome."""
    y = rows[rows.formula(formula).outcome] == 1
    return {"people": count(np.column_stack([np.ones(rows.n, bool), y]))}


@local(formula=Name(), coefficients=Numbers((None, None), -1e12, 1e12), part=Whole(1, 64))
def newton(rows: Rows, formula: str, coefficients: Floats, part: int) -> Aggregate:
    """Score (p), information (upper triangle) and log-likelihood of each model at its coefficients, (models, p).

    Measured columns are about the middles of their ranges (`middles`): far from zero, a million give or take one, their
    squares would leave nothing of what tells people apart. part: use one row in `part` only, for the first rounds on
    many people; 1 is everyone.
    """
    parsed, people = rows.formula(formula), rows.n // part
    # The people behind the fit are counted in the cells, for the part that is summed.
    cells = rows.kept(("logistic", formula, part), lambda: design_cells(rows, parsed, people))
    largest = column_bounds(rows, parsed) - np.abs(middles(parsed, rows.variables))
    models = [_one_model(rows, parsed, people, beta, largest) for beta in coefficients]
    spread = Spread(*(np.concatenate([getattr(one, name) for _, one in models]) for name in SPREAD))
    return {"fit": joint(np.stack([values for values, _ in models]), _bounds(largest), cells, spread)}


SPREAD = ("total", "largest", "second")


def _bounds(bound: Floats) -> Floats:
    upper, right = triangle(len(bound))
    return np.concatenate([bound, 0.25 * bound[upper] * bound[right], [LIKELIHOOD_BOUND]])


def _one_model(rows: Rows, formula: Formula, people: int, beta: Floats, largest: Floats) -> tuple[Floats, Spread]:
    """The sums of one model over the first `people` rows, block by block, and their spread."""
    y, p = rows[formula.outcome], formula.width
    score, information, likelihood = np.zeros(p), np.zeros((p, p), order="F"), 0.0
    root = np.empty((min(BLOCK, people), p), order="F")
    residual, heaviest = 0.0, 0.0
    middle = middles(formula, rows.variables)
    for part, block in rows.blocks(formula, people, BLOCK):
        if middle.any():
            block -= middle
        seen, eta = y[part], block @ beta
        small = np.exp(-np.abs(eta))  # exp of what is never positive cannot overflow
        mu = np.where(eta >= 0, 1.0, small) / (1.0 + small)
        weight = small / (1.0 + small) ** 2
        rest = seen - mu
        score += rest @ block
        likelihood += float(seen @ eta - np.maximum(eta, 0.0).sum() - np.log1p(small).sum())
        weighted = root[: len(block)]
        np.multiply(block, np.sqrt(weight)[:, None], out=weighted)
        information = linalg.blas.dsyrk(1.0, weighted, beta=1.0, c=information, trans=1, overwrite_c=1)
        residual = max(residual, float(rest.max()), -float(rest.min()))
        heaviest = max(heaviest, float(weight.max()))
    values = np.concatenate([score, information[triangle(p)], [likelihood]])
    bounds = _spread_bounds(np.diag(information), largest, residual, heaviest)
    return values, bounds if _settled(bounds) else _exact_spread(rows, formula, people, beta)


def _spread_bounds(diagonal: Floats, largest: Floats, residual: float, heaviest: float) -> Spread:
    """Spread of the score and of the information's diagonal, at least as bad as it is, without a pass over the rows.

    |y - mu| >= mu (1 - mu), so the sum of |x r| is at least the sum of x^2 w over max |x|.
    """
    safe = np.where(largest > 0, largest, 1.0)
    top = np.concatenate([largest * residual, largest**2 * heaviest])
    return Spread(np.concatenate([diagonal / safe, diagonal]), top, top)


def _settled(spread: Spread) -> bool:
    """Whether even the bounds pass the dominance rule, so that the exact spread need not be known."""
    return bool(np.all(spread.total - spread.largest - spread.second >= spread.largest))


def _exact_spread(rows: Rows, formula: Formula, people: int, beta: Floats) -> Spread:
    X, y = rows.design(formula)[:people] - middles(formula, rows.variables), rows[formula.outcome][:people]
    mu = special.expit(X @ beta)
    exact = [spread_of(X * (y - mu)[:, None]), spread_of(X**2 * (mu * (1 - mu))[:, None])]
    return Spread(*(np.concatenate([getattr(one, name) for one in exact]) for name in SPREAD))


@local(formula=Name(), coefficients=Numbers((None,), -1e12, 1e12))
def meat(rows: Rows, formula: str, coefficients: Floats) -> Aggregate:
    """The sum of u u', u = x (y - mu), x about the middles of the ranges: the middle of White's sandwich."""
    parsed = rows.formula(formula)
    X, y = rows.design(parsed) - middles(parsed, rows.variables), rows[parsed.outcome]
    u = X * (y - special.expit(X @ coefficients))[:, None]
    bound = column_bounds(rows, parsed) - np.abs(middles(parsed, rows.variables))
    upper = triangle(len(bound))
    cells = rows.kept(("logistic", formula, 1), lambda: design_cells(rows, parsed))
    return {"meat": joint((u.T @ u)[upper], bound[upper[0]] * bound[upper[1]], cells, spread_of(u**2))}


class Options(BaseModel):
    """What a study file may say of a logistic regression."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    robust: Literal["none", "HC0", "HC1"] = "none"
    likelihood_ratio: bool = False
    """Also test each term by refitting without it; the model as a whole is always tested."""
    per: dict[str, PositiveFloat] = {}
    """By column of the design, the increment that its odds ratio is given for; 1 where none is stated."""


Fitting = Generator[Ask, Pooled, Fit]


@dataclass(frozen=True)
class Method:
    """Logistic regression of a study's analysis."""

    formula: Formula
    options: Options
    study: Study

    name: ClassVar[str] = "logistic"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where its formula does not fit the study."""
        options = Options(**analysis.options)
        formula = formulas.parse(options.formula, study.variables)
        names = [column.name for column in formula.columns(study.variables)]
        unknown = [name for name in options.per if name not in names]
        values = {"found": ", ".join(unknown), "expected": ", ".join(names)}
        check_none([Finding("per_unknown", place=analysis.place("per"), values=values)] if unknown else [])
        return cls(formula, options, study)

    @property
    def complete(self) -> frozenset[str]:
        """All variables of the formula."""
        return frozenset(self.formula.variables)

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def sends(self) -> tuple[Sends, ...]:
        """Score, information and log-likelihood a round; one more matrix for robust errors."""
        p = len(self.formula.columns(self.study.variables))
        size = p + p * (p + 1) // 2 + 1
        sends = [Sends("logistic.outcome", 2, 1), Sends("logistic.newton", size, MOST_ROUNDS)]
        if self.options.robust != "none":
            sends.append(Sends("logistic.meat", p * (p + 1) // 2, 1))
        if self.options.likelihood_ratio:
            sends.append(Sends("logistic.newton", size * len(self.formula.terms), MOST_ROUNDS))
        return tuple(sends)

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Fit, then test, then tell."""
        fit = yield from self.fit()
        variance = fit.solved.inverse
        if self.options.robust != "none":
            variance = yield from self._robust(fit)
        tests = np.zeros((0, 3))
        if self.options.likelihood_ratio:
            tests = yield from self._without_each_term(fit)
        told = Told(self.formula, self.study, self.options.robust, self.options.per)
        to_raw = about_zero(middles(self.formula, self.study.variables))
        return told.result(fit.at(to_raw), to_raw @ variance @ to_raw.T, tests)

    def fit(self) -> Fitting:
        """Newton-Raphson to a squared decrement under 1e-16."""
        columns = self.formula.columns(self.study.variables)
        terms = [column.name for column in columns]
        counts = yield Ask(outcome, {"formula": self.formula.text}, doing="counting")
        people, events = (int(number) for number in counts["people"])
        if events in (0, people) or np.isnan(counts["people"]).any():
            raise Stopped(Finding("outcome_constant", values={"found": self.formula.outcome}))
        beta = self._start(events, people)
        parts = (32, 1) if people >= MANY_PEOPLE else (1,)
        rounds, start = 1, np.zeros(0)
        trail: list[Floats] = []
        for part in parts:
            # On a part of the people a loose fit is enough: the next part starts from it.
            enough = DECREMENT if part == 1 else 1.0
            while True:
                try:
                    pooled = yield self._ask(beta[None, :], part)
                except Stopped:
                    # Where the data are separated, the fit runs away and the gate refuses it; the reason is told.
                    check_running_away(trail, terms)
                    raise
                rounds += 1
                score, information, likelihood = split(pooled["fit"], len(terms))
                start = np.diag(information[0]) if not start.size else start
                trail.append(np.diag(information[0]))
                solved = solve(score[0], information[0], aliased_columns(information[0]))
                if solved.decrement < enough:
                    break
                if part == 1:
                    check_separation(start, np.diag(information[0]), likelihood[0], people, terms)
                if rounds > MOST_ROUNDS:
                    raise Stopped(Finding("no_convergence", values={"found": rounds}))
                beta = beta + solved.step
            start = np.zeros(0)
        return Fit(
            np.where(solved.aliased, np.nan, beta + solved.step),
            information[0],
            solved,
            float(likelihood[0]),
            people,
            events,
            pooled.sites,
            rounds,
        )

    def _start(self, events: int, people: int) -> Floats:
        """The null model: the log odds of the outcome as intercept, where there is one."""
        beta = np.zeros(len(self.formula.columns(self.study.variables)))
        if self.formula.intercept:
            beta[0] = np.log(events / (people - events))
        return beta

    def _ask(self, coefficients: Floats, part: int = 1, name: str = "fit") -> Ask:
        models, p = coefficients.shape
        return Ask(
            newton,
            {"formula": self.formula.text, "coefficients": coefficients, "part": part},
            fit=f"{self.formula.text} {name}",
            parameters=models * p,
            fits_at_once=models,
            doing="fitting",
        )

    def _robust(self, fit: Fit) -> Generator[Ask, Pooled, Floats]:
        beta = np.nan_to_num(fit.coefficients)
        answer = yield Ask(meat, {"formula": self.formula.text, "coefficients": beta}, doing="robust_errors")
        bread = np.nan_to_num(fit.solved.inverse)
        sandwich = bread @ symmetric(answer["meat"], len(beta)) @ bread
        p = int((~fit.solved.aliased).sum())
        return sandwich * (fit.people / (fit.people - p) if self.options.robust == "HC1" else 1.0)

    def _without_each_term(self, fit: Fit) -> Generator[Ask, Pooled, Floats]:
        """Likelihood-ratio chi-square, degrees of freedom and p of each term: all reduced models a round at once."""
        columns = self.formula.columns(self.study.variables)
        groups = term_columns(self.formula, self.study)
        out = np.array([[j in group for j in range(len(columns))] for group in groups], bool)
        # From the null model: far from it, a few people would carry the score, and dominance would refuse.
        beta = np.tile(self._start(fit.events, fit.people), (len(groups), 1))
        for _ in range(MOST_ROUNDS):
            pooled = yield self._ask(beta, name="without terms")
            score, information, likelihood = split(pooled["fit"], len(columns))
            solved = [
                solve(one, matrix, gone | fit.solved.aliased)
                for one, matrix, gone in zip(score, information, out, strict=True)
            ]
            if all(one.decrement < DECREMENT for one in solved):
                break
            beta = beta + np.array([one.step for one in solved])
        chi = 2 * (fit.likelihood - likelihood)
        freedom = np.array([(gone & ~fit.solved.aliased).sum() for gone in out])
        return np.column_stack([chi, freedom, stats.chi2.sf(chi, freedom)])


def split(values: Floats, p: int) -> tuple[Floats, Floats, Floats]:
    """Scores (models, p), informations (models, p, p) and log-likelihoods (models,) of a stack of fits.

    Raises:
        Stopped: a privacy rule withheld the fit.
    """
    if np.isnan(values).any():
        raise Stopped(Finding("withheld_fit"))
    return values[:, :p], symmetric(values[:, p:-1], p), values[:, -1]
