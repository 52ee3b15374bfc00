"""Logistic regression, equal to the pooled fit: Newton-Raphson on summed scores and information (lossless).

Each round a hospital sends the score X'(y - mu), the information X'WX, W = mu (1 - mu), and the log-likelihood at the
coefficients of the round; the sums are those of the pooled data, so are the steps. Wu Y et al. (2012) Grid binary
logistic regression (GLORE), J Am Med Inform Assoc 19:758. Reference: R `glm(family = binomial, epsilon = 1e-12)`,
statsmodels `Logit`. Robust errors: `sandwich`, `clubSandwich`; papers in `gagyo.methods._sandwich`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveFloat
from scipy import special

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.dispensable import Kept, unless_withheld
from gagyo.federation.local import LocalStep, Name, Numbers, Whole, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods import _knots as knots
from gagyo.methods import _sandwich as sandwich
from gagyo.methods._kept import lacking
from gagyo.methods._logistic_sums import (
    bounds_of,
    everyone,
    fit_sums,
    largest_of,
    middles_of,
    sample_of,
    score_sums,
)
from gagyo.methods._logistic_terms import term_tests
from gagyo.methods._logistic_told import Fit, Told
from gagyo.methods._marginal import average, effects_told, numbers
from gagyo.methods._newton import (
    DECREMENT,
    MOST_ROUNDS,
    Solved,
    aliased_columns,
    check_running_away,
    check_separation,
    opened_fits,
    opened_score,
    pivots,
    secant,
    solve,
)
from gagyo.methods._regression import about_zero, middles, term_columns, yes_or_no
from gagyo.methods._sandwich import ARGUMENTS, Errors, People, Robust, Scales, Variance
from gagyo.methods._values import bins_step, present_step
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import Aggregate, Floats, count, joint
from gagyo.result import Result

MANY_PEOPLE = 200_000
"""From here on a fit starts on a part of the people, since its first rounds need not be exact."""

PART = 16
"""One row in so many, for the first rounds on many people."""


present = present_step("logistic")
value_bins = bins_step("logistic")
KNOTS = knots.Knots(present, value_bins)
"""Knots of splines without any are found before a fit."""


@local(formula=Name())
def outcome(rows: Rows, formula: str) -> Aggregate:
    """How many people, and how many with the outcome."""
    y = rows[rows.formula(formula).outcome] == 1
    return {"people": count(np.column_stack([np.ones(rows.n, bool), y]))}


@local(formula=Name(), coefficients=Numbers((None, None), -1e12, 1e12), part=Whole(1, 64))
def newton(rows: Rows, formula: str, coefficients: Floats, part: int) -> Aggregate:
    """Score (p), information (upper triangle) and log-likelihood of each model at its coefficients, (models, p).

    Measured columns are about the middles of their ranges (`middles`): far from zero, a million give or take one, their
    squares would leave nothing of what tells people apart. part: use about one row in `part`, for the first rounds on
    many people, and give what everyone's sums would be at that rate; 1 is everyone, exactly.
    """
    parsed = rows.formula(formula)
    sample = rows.kept(("logistic", formula, part), lambda: sample_of(rows, parsed, part))
    largest = largest_of(rows, parsed)
    values, spread = fit_sums(rows, parsed, sample, coefficients, largest)
    if sample.people < rows.n and not spread.settled:
        sample = everyone(rows, parsed)  # among all, nobody may stand out
        values, spread = fit_sums(rows, parsed, sample, coefficients, largest)
    # A part is scaled up by little more than `part`; the bounds are public, so they are the same at all hospitals.
    bounds = bounds_of(largest) * (1 if part == 1 else 2 * part)
    return {"fit": joint(values, bounds, sample.cells, spread)}


@local(formula=Name(), coefficients=Numbers((None,), -1e12, 1e12))
def score(rows: Rows, formula: str, coefficients: Floats) -> Aggregate:
    """The score (p) of everyone at coefficients (p,); columns are about their middles, as in `newton`."""
    parsed = rows.formula(formula)
    largest = largest_of(rows, parsed)
    values, spread = score_sums(rows, parsed, coefficients, largest)
    return {"score": joint(values, largest, everyone(rows, parsed).cells, spread)}


@local(formula=Name(), coefficients=Numbers((None,), -1e12, 1e12), **ARGUMENTS)
def meat(rows: Rows, formula: str, coefficients: Floats, errors: str, cluster: str, inverse: Floats) -> Aggregate:
    """The middle of the sandwich, of columns about the middles of their ranges; u is x (y - mu)."""
    parsed = rows.formula(formula)
    X = rows.design(parsed) - middles_of(rows, parsed)
    mu = special.expit(X @ coefficients)
    variance = mu * special.expit(-X @ coefficients)
    people = People(X, rows[parsed.outcome] - mu, variance, variance)
    scales, cells = Scales(largest_of(rows, parsed), 1.0), everyone(rows, parsed).cells
    return sandwich.meat(rows, parsed, people, errors, cluster, inverse, scales, cells)


@local(formula=Name(), coefficients=Numbers((None,), -1e12, 1e12))
def marginal(rows: Rows, formula: str, coefficients: Floats) -> Aggregate:
    """Sums over people of each marginal effect, and of its derivatives in the coefficients (effects, 1 + p)."""
    parsed = rows.formula(formula)
    middle, largest = middles_of(rows, parsed), largest_of(rows, parsed)
    cells, nothing = everyone(rows, parsed).cells, np.zeros(rows.n)
    return {"effects": average(rows, parsed, "logit", coefficients, nothing, middle, largest, 1.0, cells)}


class Options(BaseModel):
    """What a study file may say of a logistic regression."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    robust: Errors = "none"
    """Standard errors: model-based, by White's sandwich over people (HC0 to HC3), or over clusters (CR0 to CR2)."""
    cluster: str = ""
    """For CR0 to CR2 a category or whole number, such as the ward: a cluster for each of its values in each hospital.
    Without it each hospital is a cluster."""
    likelihood_ratio: bool = False
    """Also test each term by refitting without it; the model as a whole is always tested."""
    marginal_effects: bool = False
    """Also tell the average marginal effect of each variable, on the scale of the probability: one more sum."""
    per: dict[str, PositiveFloat] = {}
    """By column of the design, the increment that its odds ratio is given for; 1 where none is stated."""


Fitting = Generator[Ask, Pooled, Fit]

DECREMENT_A_PERSON = 1e-17
"""A squared decrement of this a person moves people's linear predictors by less than 1e-8 on average."""

NEAR = 8.0
"""Rough rounds end once the squared decrement is of the size that chance gives a part; a last step is then taken."""

ROUGH_ROUNDS, CHORD_ROUNDS = 8, 12


@dataclass
class Walk:
    """Where a fit is: its coefficients, and by round the pivots of the information, to see it run away."""

    beta: Floats
    terms: list[str]
    people: int
    rounds: int = 1
    information: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    likelihood: float = 0.0
    pivots: list[Floats] = field(default_factory=list)

    def note(self, information: Floats, likelihood: float) -> None:
        """Take in a round."""
        self.rounds += 1
        self.information, self.likelihood = information, likelihood
        self.pivots.append(pivots(information))

    def check_separation(self) -> None:
        """Raise Stopped where variances have run away."""
        check_separation(self.pivots[0], self.pivots[-1], self.likelihood, self.people, self.terms)


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
        formula = knots.parse(options.formula, analysis, study)
        names = [column.name for column in formula.columns(study.variables)]
        unknown = [name for name in options.per if name not in names]
        values = {"found": ", ".join(unknown), "expected": ", ".join(names)}
        found = [Finding("per_unknown", place=analysis.place("per"), values=values)] if unknown else []
        found += yes_or_no(formula, analysis, study)
        check_none([*found, *Robust(options.robust, options.cluster).faults(formula, analysis, study)])
        return cls(formula, options, study)

    @property
    def robust(self) -> Robust:
        """Which errors, over which clusters."""
        return Robust(self.options.robust, self.options.cluster)

    @property
    def complete(self) -> frozenset[str]:
        """All variables of the formula, and the cluster."""
        return frozenset(self.formula.variables) | self.robust.variables

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @KNOTS.sent
    def sends(self) -> tuple[Sends, ...]:
        """Score, information and log-likelihood a round; one more matrix for robust errors."""
        p = len(self.formula.columns(self.study.variables))
        size = p + p * (p + 1) // 2 + 1
        sends = [Sends("logistic.outcome", 2, 1), Sends("logistic.newton", size, MOST_ROUNDS)]
        sends.append(Sends("logistic.score", p, CHORD_ROUNDS))
        if self.options.robust != "none":
            sends.append(Sends("logistic.meat", self.robust.numbers(p), 1))
        if self._tells_effects:
            sends.append(Sends("logistic.marginal", numbers(self.formula, self.study), 1))
        if self._tests_terms:
            sends.append(Sends("logistic.newton", size * len(self.formula.terms), MOST_ROUNDS))
        return tuple(sends)

    @property
    def _tells_effects(self) -> bool:
        return self.options.marginal_effects and bool(self.formula.terms)

    @property
    def _tests_terms(self) -> bool:
        return self.options.likelihood_ratio and bool(self.formula.terms)

    @KNOTS.first
    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Fit, then test, then tell."""
        fit = yield from self.fit()
        variance = Variance(np.nan_to_num(fit.solved.inverse))
        if self.options.robust != "none":
            variance = yield from self._robust(fit)
        tests: Floats | Kept = np.zeros((0, 3))
        if self._tests_terms:
            tests = yield from unless_withheld(self._without_each_term(fit))
        told = Told(self.formula, self.study, self.robust, self.options.per)
        to_raw = about_zero(middles(self.formula, self.study.variables))
        there = np.zeros((0, 3)) if isinstance(tests, Kept) else tests
        result = told.result(fit.at(to_raw), variance.at(to_raw), there)
        result = lacking(result, "terms", tests, "predictors")
        if not self._tells_effects:
            return result
        named = {"formula": self.formula.text, "coefficients": np.nan_to_num(fit.coefficients)}
        ask = Ask(marginal, named, doing="fitting")
        return (yield from effects_told(result, ask, self.formula, self.study, variance))

    def fit(self) -> Fitting:
        """Newton-Raphson to a squared decrement under 1e-16 (1e-17 a person, where that is more)."""
        terms = [column.name for column in self.formula.columns(self.study.variables)]
        counts = yield Ask(outcome, {"formula": self.formula.text}, doing="counting")
        people, events = (int(number) for number in np.nan_to_num(counts["people"]))
        if events in (0, people):  # 0 also where a few have the outcome, or lack it
            raise Stopped(Finding("outcome_constant", values={"found": self.formula.outcome}))
        walk = Walk(self._start(events, people), terms, people)
        enough = max(DECREMENT, DECREMENT_A_PERSON * people)
        if people >= MANY_PEOPLE:
            yield from self._approach(walk, enough)
        while True:
            pooled, solved = yield from self._step(walk)
            if solved.decrement < enough:
                break
            walk.check_separation()
            if walk.rounds > MOST_ROUNDS:
                raise Stopped(Finding("no_convergence", values={"found": walk.rounds}))
            walk.beta = walk.beta + solved.step
        return Fit(
            np.where(solved.aliased, np.nan, walk.beta + solved.step),
            walk.information,
            solved,
            walk.likelihood,
            people,
            events,
            pooled.sites,
            walk.rounds,
        )

    def _step(self, walk: Walk, part: int = 1) -> Generator[Ask, Pooled, tuple[Pooled, Solved]]:
        """One round of Newton-Raphson: what was opened, and the step from there."""
        try:
            pooled = yield self._ask(walk.beta[None, :], part)
        except Stopped:
            # Where the data are separated, the fit runs away and the gate refuses it; the reason is told.
            check_running_away(walk.pivots, walk.terms)
            raise
        score, information, likelihood = opened_fits(pooled["fit"], len(walk.terms))
        walk.note(information[0], float(likelihood[0]))
        return pooled, solve(score[0], information[0], aliased_columns(information[0]))

    def _approach(self, walk: Walk, enough: float) -> Generator[Ask, Pooled, None]:
        """Come near the solution without a whole information matrix, which is the dear part of a round.

        A part of the people gives coefficients and an information that is off by sqrt(p / their number); on it,
        everyone's score gives steps each of which leaves less than that share of the distance, and what the steps tell
        of everyone's information is put into it (BFGS). Where they do not come nearer, Newton-Raphson goes on.
        """
        start = walk.beta
        for _ in range(ROUGH_ROUNDS):
            _, solved = yield from self._step(walk, PART)
            walk.beta = walk.beta + solved.step
            if solved.decrement < NEAR * PART * len(start):
                break
        else:
            walk.beta = start
            return
        inverse, last = np.nan_to_num(solved.inverse), np.inf
        step, before = np.zeros(len(start)), np.zeros(len(start))
        for _ in range(CHORD_ROUNDS):
            asked = {"formula": self.formula.text, "coefficients": walk.beta}
            answer = yield self._about_fit(score, asked, len(start), "fit")
            walk.rounds += 1
            now = opened_score(answer["score"])
            if np.isfinite(last):
                inverse = secant(inverse, step, before - now)
            step, before = inverse @ now, now
            decrement = float(step @ now)
            if not decrement < last / 4:
                return
            walk.beta = walk.beta + step
            if np.isfinite(last) and decrement * (decrement / last) < enough:
                return
            last = decrement

    def _start(self, events: int, people: int) -> Floats:
        """The null model: the log odds of the outcome as intercept, where there is one."""
        beta = np.zeros(len(self.formula.columns(self.study.variables)))
        if self.formula.intercept:
            beta[0] = np.log(events / (people - events))
        return beta

    def _ask(self, coefficients: Floats, part: int = 1, name: str = "fit") -> Ask:
        arguments = {"formula": self.formula.text, "coefficients": coefficients, "part": part}
        return self._about_fit(newton, arguments, coefficients.size, name, len(coefficients))

    def _about_fit(self, step: LocalStep, arguments: dict[str, Any], parameters: int, name: str, fits: int = 1) -> Ask:
        return Ask(
            step,
            arguments,
            fit=f"{self.formula.text} {name}",
            parameters=parameters,
            fits_at_once=fits,
            doing="fitting",
        )

    def _robust(self, fit: Fit) -> Generator[Ask, Pooled, Variance]:
        inverse = np.nan_to_num(fit.solved.inverse)
        named = {"formula": self.formula.text, "coefficients": np.nan_to_num(fit.coefficients)}
        answer = yield Ask(meat, {**named, **self.robust.arguments(inverse)}, doing="robust_errors")
        if not answer.whole("meat"):
            raise Stopped(Finding("withheld_fit"))
        return self.robust.variance(answer["meat"], inverse, fit.people, int((~fit.solved.aliased).sum()))

    def _without_each_term(self, fit: Fit) -> Generator[Ask, Pooled, Floats]:
        """Chi-square, degrees of freedom and p of each term."""
        null, groups = self._start(fit.events, fit.people), term_columns(self.formula, self.study)
        return (yield from term_tests(fit, null, groups, lambda beta: self._ask(beta, name="without terms")))
