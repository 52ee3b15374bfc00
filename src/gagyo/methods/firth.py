"""Logistic regression by Firth's penalised likelihood, finite where outcomes are separated, equal to the pooled fit
(lossless).

The log-likelihood plus half the logarithm of the information's determinant is maximised; its score has
x (y - mu + h (1/2 - mu)) of each person. A round opens score, information and log-likelihood at coefficients as in
`logistic`; then the hospitals are told the inverse of the summed information and send the sum of x h (1/2 - mu), h =
mu (1 - mu) x' inverse x. Tests and intervals are those of the penalised likelihood ratio, every other coefficient
maximised over.
Firth (1993) Biometrika 80:27; Heinze & Schemper (2002) Stat Med 21:2409; limits: Venzon & Moolgavkar (1988) Appl Stat
37:87. Reference: the penalised likelihood maximised in R on pooled rows, its limits by `uniroot`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveFloat
from scipy import special

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.local import LocalStep, Name, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods import _knots as knots
from gagyo.methods._firth_told import Fit, Told
from gagyo.methods._firth_walk import Bools, Seen, Walk
from gagyo.methods._logistic_sums import bounds_of, everyone, fit_sums, largest_of, middles_of
from gagyo.methods._newton import MOST_ROUNDS, aliased_columns, solve, symmetric, triangle
from gagyo.methods._regression import about_zero, middles, yes_or_no
from gagyo.methods._values import bins_step, present_step
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import Aggregate, Floats, Measure, count, joint, side_by_side, spread_of
from gagyo.result import Result
from gagyo.statistics.distributions import chi2_quantile

CHI = float(chi2_quantile(0.95, 1))
"""A profile interval ends where twice the log-likelihood has fallen by this."""


present = present_step("firth")
value_bins = bins_step("firth")
KNOTS = knots.Knots(present, value_bins)
"""Knots of splines without any are found before a fit."""


@local(formula=Name())
def outcome(rows: Rows, formula: str) -> Aggregate:
    """How many people, and how many with the outcome."""
    y = rows[rows.formula(formula).outcome] == 1
    return {"people": count(np.column_stack([np.ones(rows.n, bool), y]))}


@local(formula=Name(), coefficients=Numbers((None, None), -1e12, 1e12))
def score(rows: Rows, formula: str, coefficients: Floats) -> Aggregate:
    """Score (p), information (upper triangle) and log-likelihood of each model at its coefficients, (models, p)."""
    parsed = rows.formula(formula)
    largest = largest_of(rows, parsed)
    values, spread = fit_sums(rows, parsed, everyone(rows, parsed), coefficients, largest)
    return {"fit": joint(values, bounds_of(largest), _cells(rows, parsed), spread)}


@local(formula=Name(), coefficients=Numbers((None, None), -1e12, 1e12), inverses=Numbers((None, None), -1e30, 1e30))
def penalty(rows: Rows, formula: str, coefficients: Floats, inverses: Floats) -> Aggregate:
    """What the penalty adds to each model's score (p), given the inverse of its information (upper triangle)."""
    parsed = rows.formula(formula)
    X = rows.design(parsed) - middles_of(rows, parsed)
    models = [_penalty(X, beta, matrix) for beta, matrix in zip(coefficients, inverses, strict=True)]
    spread = side_by_side(*(spread_of(one) for one in models))
    values = np.stack([one.sum(axis=0) for one in models])
    return {"penalty": joint(values, largest_of(rows, parsed), _cells(rows, parsed), spread)}


def _cells(rows: Rows, formula: Formula) -> Measure:
    """The head counts that a fit gives away: those of `logistic`."""
    return everyone(rows, formula).cells


def _penalty(X: Floats, beta: Floats, upper: Floats) -> Floats:
    """Each person's share (n, p)."""
    mu = special.expit(X @ beta)
    hat = mu * (1 - mu) * np.einsum("ij,jk,ik->i", X, symmetric(upper, X.shape[1]), X, optimize=True)
    return np.asarray(X * (hat * (0.5 - mu))[:, None])


class Options(BaseModel):
    """What a study file may say of a Firth regression."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    intervals: Literal["profile", "wald"] = "profile"
    """Intervals and tests by the penalised likelihood ratio; or by Wald, in fewer rounds and nearer the estimate."""
    per: dict[str, PositiveFloat] = {}
    """By column of the design, the increment that its odds ratio is given for; 1 where none is stated."""


@dataclass(frozen=True)
class Method:
    """Firth's regression of a study's analysis."""

    formula: Formula
    options: Options
    study: Study

    name: ClassVar[str] = "firth"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where formula, outcome or increments do not fit the study."""
        options = Options(**analysis.options)
        formula = knots.parse(options.formula, analysis, study)
        names = [column.name for column in formula.columns(study.variables)]
        found, unknown = yes_or_no(formula, analysis, study), [name for name in options.per if name not in names]
        if unknown:
            values = {"found": ", ".join(unknown), "expected": ", ".join(names)}
            found.append(Finding("per_unknown", place=analysis.place("per"), values=values))
        if not formula.intercept or not formula.terms:
            values = {"found": formula.text, "expected": f"{formula.outcome} ~ 1 + …"}
            found.append(Finding("firth_formula", place=analysis.place("formula"), values=values))
        check_none(found)
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
    def width(self) -> int:
        """The design's columns."""
        return len(self.formula.columns(self.study.variables))

    @KNOTS.sent
    def sends(self) -> tuple[Sends, ...]:
        """Two sums a round of the fit, and again of all restricted models and limits at once."""
        p = self.width
        size, models = p + p * (p + 1) // 2 + 1, 1 + 3 * p * (self.options.intervals == "profile")
        return (
            Sends("firth.outcome", 2, 1),
            Sends("firth.score", size, MOST_ROUNDS),
            Sends("firth.penalty", p, MOST_ROUNDS),
            Sends("firth.score", size * models, MOST_ROUNDS),
            Sends("firth.penalty", p * models, MOST_ROUNDS),
        )

    @KNOTS.first
    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Fit, then restrict and walk to the limits, then tell."""
        counts = yield Ask(outcome, {"formula": self.formula.text}, doing="counting")
        people, events = (int(number) for number in np.nan_to_num(counts["people"]))
        if events in (0, people):  # 0 also where a few have the outcome, or lack it
            raise Stopped(Finding("outcome_constant", values={"found": self.formula.outcome}))
        null = np.zeros(self.width)
        null[0] = np.log(events / (people - events))
        first = Walk(null, np.ones(self.width, bool), np.eye(self.width), np.zeros((self.width, self.width)))
        sites, best = yield from self._walk([first], "fit", None)
        others = list(self._others(first, best))
        yield from self._walk(others, "restricted", first.free)
        turn = about_zero(middles(self.formula, self.study.variables))
        rounds = 1 + 2 * (first.rounds + max(one.rounds for one in others))
        fit = Fit(turn @ first.beta, ~first.free, best, people, events, sites, rounds)
        return Told(self.formula, self.study, self.options.per).result(fit, turn, others)

    def _others(self, first: Walk, best: Seen) -> Iterator[Walk]:
        """All slopes at zero; and where intervals are profiled, each coefficient at zero, and its two limits."""
        p = self.width
        alone, one = np.arange(p) == 0, np.eye(p)
        yield Walk(np.where(alone, first.beta, 0.0), alone, one, first.penalty)
        raw = np.asarray(np.linalg.inv(about_zero(middles(self.formula, self.study.variables))), np.float64)
        for j in np.flatnonzero(first.free) if self.options.intervals == "profile" else []:
            # The intercept of columns as they are is a sum over all coefficients of columns about the middles.
            yield from first.profiled(best, int(j), raw if j == 0 else one, CHI / 2)

    def _walk(
        self, walks: Sequence[Walk], name: str, kept: Bools | None
    ) -> Generator[Ask, Pooled, tuple[tuple[str, ...], Seen]]:
        """All walks to their ends, a round of all at a time; who answered, and what was opened at the end of the first.

        kept: the columns (p,) that are not aliased; None where the first round is to tell, of the only walk.
        """
        for _ in range(MOST_ROUNDS):
            going = [one for one in walks if not one.done]
            named: dict[str, object] = {
                "formula": self.formula.text,
                "coefficients": np.array([one.asked for one in going]),
            }
            pooled = yield self._ask(score, named, name, len(walks))
            opened = [_split(values, self.width) for values in _whole(pooled, "fit")]
            if kept is None:
                kept = walks[0].free = ~aliased_columns(opened[0].information)
            inverses = np.array([_inverse(one.information, kept) for one in opened])
            added = yield self._ask(penalty, {**named, "inverses": inverses}, name, len(walks))
            for walk, one, more in zip(going, opened, _whole(added, "penalty"), strict=True):
                log = float(np.linalg.slogdet(one.information[np.ix_(kept, kept)])[1])
                walk.hears(Seen(one.score + more, one.information, one.likelihood + log / 2))
            if all(one.done for one in walks):
                last = walks[0].seen
                assert last is not None
                return pooled.sites, last
        raise Stopped(Finding("no_convergence", values={"found": MOST_ROUNDS}))

    def _ask(self, step: LocalStep, arguments: dict[str, object], name: str, models: int) -> Ask:
        fit, parameters = f"{self.formula.text} firth {name}", self.width * models
        return Ask(step, arguments, fit=fit, parameters=parameters, fits_at_once=models, doing="fitting")


def _whole(pooled: Pooled, name: str) -> Floats:
    if not pooled.whole(name):
        raise Stopped(Finding("withheld_fit"))
    return pooled[name]


def _split(values: Floats, p: int) -> Seen:
    """What one model's sums say, before its penalty."""
    return Seen(values[:p], symmetric(values[p:-1], p), float(values[-1]))


def _inverse(information: Floats, kept: Bools) -> Floats:
    """The upper triangle of the inverse, 0 for aliased columns."""
    inverse = np.nan_to_num(solve(np.zeros(len(kept)), information, ~kept).inverse)
    return np.asarray(inverse[triangle(len(kept))])
