"""Logistic regression, equal to the pooled fit: Newton-Raphson on summed scores and information (lossless).

Each round a hospital sends the score X'(y - mu), the information X'WX, W = mu (1 - mu), and the log-likelihood at the
coefficients of the round; the sums are those of the pooled data, so are the steps. Wu Y et al. (2012) Grid binary
logistic regression (GLORE), J Am Med Inform Assoc 19:758. Reference: R `glm(family = binomial, epsilon = 1e-12)`,
statsmodels `Logit`. Robust errors: White (1980), HC0 and HC1.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PositiveFloat
from scipy import linalg, special, stats

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.local import LocalStep, Name, Numbers, Whole, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods._logistic_told import Fit, Told
from gagyo.methods._newton import (
    DECREMENT,
    MOST_ROUNDS,
    Solved,
    aliased_columns,
    check_running_away,
    check_separation,
    secant,
    solve,
    symmetric,
    triangle,
)
from gagyo.methods._regression import about_zero, column_bounds, design_cells, middles, term_columns
from gagyo.protocol import formula as formulas
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import Aggregate, Floats, Measure, Spread, count, joint, spread_of
from gagyo.result import Result

BLOCK = 8192
"""Rows at a time: a block of 50 columns and its weighted copy stay in the processor's cache."""

LIKELIHOOD_BOUND = 64.0
"""Scale of the log-likelihood in the ring; one person's share at honest coefficients is far below it."""

MANY_PEOPLE = 200_000
"""From here on a fit starts on a part of the people, since its first rounds need not be exact."""

PART = 16
"""One row in so many, for the first rounds on many people."""

ENOUGH_ROWS = 2000
"""A hospital's part has at least so many rows."""

ENOUGH_PEOPLE = 30
"""Nor does any head count in a part fall under this, unless the whole has no more: a few would carry its sums."""


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
    sample = rows.kept(("logistic", formula, part), lambda: _sample(rows, parsed, part))
    largest = _largest(rows, parsed)
    values, spread = _models(rows, parsed, sample, coefficients, largest)
    if sample.people < rows.n and not _settled(spread):
        sample = _whole(rows, parsed)  # among all, nobody may stand out
        values, spread = _models(rows, parsed, sample, coefficients, largest)
    # A part is scaled up by little more than `part`; the bounds are public, so they are the same at all hospitals.
    bounds = _bounds(largest) * (1 if part == 1 else 2 * part)
    return {"fit": joint(values, bounds, sample.cells, spread)}


@local(formula=Name(), coefficients=Numbers((None,), -1e12, 1e12))
def score(rows: Rows, formula: str, coefficients: Floats) -> Aggregate:
    """The score (p) of everyone at coefficients (p,); columns are about their middles, as in `newton`."""
    parsed = rows.formula(formula)
    largest = _largest(rows, parsed)
    values, spread = _score(rows, parsed, coefficients, largest)
    return {"score": joint(values, largest, _whole(rows, parsed).cells, spread)}


@dataclass(frozen=True)
class _Sample:
    """The rows that a round uses: one in `part`, their number, and the head counts that their sums give away."""

    part: int
    people: int
    cells: Measure


def _sample(rows: Rows, formula: Formula, part: int) -> _Sample:
    """About one row in `part`; more where the hospital has few, or few of some kind."""
    part = max(1, min(part, rows.n // ENOUGH_ROWS))
    if part == 1:
        return _whole(rows, formula)
    chosen = np.zeros(rows.n, bool)
    for one in rows.slices(BLOCK, part):
        chosen[one] = True
    cells, whole = design_cells(rows, formula, chosen), _whole(rows, formula)
    if bool(np.any(_fewer(cells, whole.cells))):
        return _sample(rows, formula, part // 2)
    return _Sample(part, int(chosen.sum()), cells)


def _whole(rows: Rows, formula: Formula) -> _Sample:
    whole: _Sample = rows.kept(
        ("logistic whole", formula.text), lambda: _Sample(1, rows.n, design_cells(rows, formula))
    )
    return whole


def _fewer(cells: Measure, whole: Measure) -> NDArray[np.bool_]:
    """Which head counts are of few people in a part, and not of just as few in the whole."""
    least, of = (np.minimum(one.people, one.others) for one in (cells, whole))
    return (least < ENOUGH_PEOPLE) & (least < of) & ~cells.structural


SPREAD = ("total", "largest", "second")


def _middles(rows: Rows, formula: Formula) -> Floats:
    middle: Floats = rows.kept(("middles", formula.text), lambda: middles(formula, rows.variables))
    return middle


def _largest(rows: Rows, formula: Formula) -> Floats:
    """The greatest size of each column about its middle."""
    largest: Floats = rows.kept(
        ("largest", formula.text), lambda: column_bounds(rows, formula) - np.abs(_middles(rows, formula))
    )
    return largest


def _bounds(bound: Floats) -> Floats:
    upper, right = triangle(len(bound))
    return np.concatenate([bound, 0.25 * bound[upper] * bound[right], [LIKELIHOOD_BOUND]])


def _models(
    rows: Rows, formula: Formula, sample: _Sample, coefficients: Floats, largest: Floats
) -> tuple[Floats, Spread]:
    """The sums of each model (models, values), and their spread one after the other."""
    models = [_one_model(rows, formula, sample, beta, largest) for beta in coefficients]
    spread = Spread(*(np.concatenate([getattr(one, name) for _, one in models]) for name in SPREAD))
    return np.stack([values for values, _ in models]), spread


def _one_model(rows: Rows, formula: Formula, sample: _Sample, beta: Floats, largest: Floats) -> tuple[Floats, Spread]:
    """The sums of one model over a sample of the rows, block by block, at everyone's rate, and their spread."""
    y, p = rows[formula.outcome], formula.width
    score, information, likelihood = np.zeros(p), np.zeros((p, p), order="F"), 0.0
    root = np.empty((min(BLOCK, rows.n), p), order="F")
    residual, heaviest = 0.0, 0.0
    for part, block in _centred(rows, formula, sample.part):
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
    values = np.concatenate([score, information[triangle(p)], [likelihood]]) * (rows.n / max(sample.people, 1))
    bounds = _spread_bounds(np.diag(information), largest, residual, heaviest)
    return values, bounds if _settled(bounds) else _exact_spread(rows, formula, sample.part, beta)


def _score(rows: Rows, formula: Formula, beta: Floats, largest: Floats) -> tuple[Floats, Spread]:
    """Everyone's score and its spread, for which the first block stands where its sum alone is great enough."""
    y, score, residual = rows[formula.outcome], np.zeros(formula.width), 0.0
    first = np.zeros(formula.width)
    for part, block in _centred(rows, formula):
        rest = y[part] - special.expit(block @ beta)
        score += rest @ block
        residual = max(residual, float(rest.max()), -float(rest.min()))
        if part.start == 0:
            first = np.abs(rest) @ np.abs(block)
    bounds = Spread(first, largest * residual, largest * residual)
    if not _settled(bounds):
        exact = _exact_spread(rows, formula, 1, beta)
        bounds = Spread(*(getattr(exact, name)[: formula.width] for name in SPREAD))
    return score, bounds


def _centred(rows: Rows, formula: Formula, part: int = 1) -> Iterator[tuple[slice, Floats]]:
    """The blocks of the design, measured columns about the middles of their ranges."""
    middle = _middles(rows, formula)
    for chosen, block in rows.blocks(formula, BLOCK, part):
        if middle.any():
            block -= middle
        yield chosen, block


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


def _exact_spread(rows: Rows, formula: Formula, part: int, beta: Floats) -> Spread:
    blocks = [(rows[formula.outcome][chosen], block.copy()) for chosen, block in _centred(rows, formula, part)]
    y, X = np.concatenate([one for one, _ in blocks]), np.concatenate([block for _, block in blocks])
    mu = special.expit(X @ beta)
    exact = [spread_of(X * (y - mu)[:, None]), spread_of(X**2 * (mu * (1 - mu))[:, None])]
    return Spread(*(np.concatenate([getattr(one, name) for one in exact]) for name in SPREAD))


@local(formula=Name(), coefficients=Numbers((None,), -1e12, 1e12))
def meat(rows: Rows, formula: str, coefficients: Floats) -> Aggregate:
    """The sum of u u', u = x (y - mu), x about the middles of the ranges: the middle of White's sandwich."""
    parsed = rows.formula(formula)
    X, y = rows.design(parsed) - _middles(rows, parsed), rows[parsed.outcome]
    u = X * (y - special.expit(X @ coefficients))[:, None]
    bound = _largest(rows, parsed)
    upper = triangle(len(bound))
    cells = _whole(rows, parsed).cells
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

DECREMENT_A_PERSON = 1e-17
"""A squared decrement of this a person moves people's linear predictors by less than 1e-8 on average."""

NEAR = 8.0
"""Rough rounds end once the squared decrement is of the size that chance gives a part; a last step is then taken."""

ROUGH_ROUNDS, CHORD_ROUNDS = 8, 12


@dataclass
class Walk:
    """Where a fit is: its coefficients, and by round the diagonal of the information, to see it run away."""

    beta: Floats
    terms: list[str]
    people: int
    rounds: int = 1
    information: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    likelihood: float = 0.0
    diagonals: list[Floats] = field(default_factory=list)

    def note(self, information: Floats, likelihood: float) -> None:
        """Take in a round."""
        self.rounds += 1
        self.information, self.likelihood = information, likelihood
        self.diagonals.append(np.diag(information))

    def check_separation(self) -> None:
        """Raise Stopped where variances have run away."""
        check_separation(self.diagonals[0], self.diagonals[-1], self.likelihood, self.people, self.terms)


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
        sends.append(Sends("logistic.score", p, CHORD_ROUNDS))
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
        """Newton-Raphson to a squared decrement under 1e-16 (1e-17 a person, where that is more)."""
        terms = [column.name for column in self.formula.columns(self.study.variables)]
        counts = yield Ask(outcome, {"formula": self.formula.text}, doing="counting")
        people, events = (int(number) for number in counts["people"])
        if events in (0, people) or np.isnan(counts["people"]).any():
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
            check_running_away(walk.diagonals, walk.terms)
            raise
        score, information, likelihood = split(pooled["fit"], len(walk.terms))
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
            now = split_score(answer["score"])
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


def split_score(values: Floats) -> Floats:
    """A score (p,).

    Raises:
        Stopped: a privacy rule withheld it.
    """
    if np.isnan(values).any():
        raise Stopped(Finding("withheld_fit"))
    return values


def split(values: Floats, p: int) -> tuple[Floats, Floats, Floats]:
    """Scores (models, p), informations (models, p, p) and log-likelihoods (models,) of a stack of fits.

    Raises:
        Stopped: a privacy rule withheld the fit.
    """
    if np.isnan(values).any():
        raise Stopped(Finding("withheld_fit"))
    return values[:, :p], symmetric(values[:, p:-1], p), values[:, -1]
