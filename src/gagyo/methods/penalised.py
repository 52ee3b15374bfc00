"""Ridge, lasso and elastic net with a whole path and cross-validation, equal to the pooled fit (lossless).

glmnet's objective: columns are divided by their pooled 1/n standard deviation, the penalties go down from the least
that selects nothing. Linear: one round of cross-products by fold gives every path. Logistic: proximal quasi-Newton with
the scores of all penalties and folds in one round and the information of few fits, until each squared step is under
1e-20 a person. Folds are dealt out by keyed hash. Friedman, Hastie & Tibshirani (2010) J Stat Softw 33(1). Reference:
the Karush-Kuhn-Tucker conditions on pooled rows at 1e-8, and R glmnet and cv.glmnet as far as their threshold goes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.local import Name, Numbers, Whole, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods import _knots as knots
from gagyo.methods._newton import MOST_ROUNDS, symmetric
from gagyo.methods._penalised_sums import fold_products, fold_spreads, many_informations, many_scores
from gagyo.methods._penalised_told import Path, Told
from gagyo.methods._penalised_walk import Walk
from gagyo.methods._products import column_sums
from gagyo.methods._values import bins_step, present_step
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import Aggregate, Floats
from gagyo.result import Result
from gagyo.statistics import penalised
from gagyo.statistics.penalised import Moments

MOST_FITS = 51 * 201
"""Fifty folds and everyone, at two hundred penalties and one named beforehand."""

CENTRE = Numbers((None,), -1e9, 1e9)


present = present_step("penalised")
value_bins = bins_step("penalised")
KNOTS = knots.Knots(present, value_bins)
"""Knots of splines without any are found before a fit."""


@local(formula=Name())
def means(rows: Rows, formula: str) -> Aggregate:
    """The sum of each column of the design (p) and of the outcome, and how many people."""
    return column_sums(rows, rows.formula(formula))


@local(formula=Name(), centre=CENTRE, folds=Whole(0, 50))
def products(rows: Rows, formula: str, centre: Floats, folds: int) -> Aggregate:
    """Of each fold: people, sums and cross-products (upper triangle) of columns and outcome about `centre` (p)."""
    return {"products": fold_products(rows, rows.formula(formula), centre, folds)}


@local(formula=Name(), centre=CENTRE, folds=Whole(0, 50))
def spreads(rows: Rows, formula: str, centre: Floats, folds: int) -> Aggregate:
    """Of each fold: people, sums and squares of columns and outcome about `centre`; of everyone columns x outcome."""
    return {"spreads": fold_spreads(rows, rows.formula(formula), centre, folds)}


@local(
    formula=Name(),
    centre=CENTRE,
    size=Numbers((None,), 1e-12, 1e12),
    without=Numbers((None,), -1, 50),
    coefficients=Numbers((None, None), -1e6, 1e6),
    folds=Whole(0, 50),
    informed=Whole(0, MOST_FITS),
)
def scores(
    rows: Rows,
    formula: str,
    centre: Floats,
    size: Floats,
    without: Floats,
    coefficients: Floats,
    folds: int,
    informed: int,
) -> Aggregate:
    """Of each fit: score, log-likelihood, that of the fold that it leaves out; of the first `informed` informations."""
    read = rows.formula(formula)
    found = {"fits": many_scores(rows, read, centre, size, without, coefficients, folds)}
    if informed:
        first = without[:informed], coefficients[:informed]
        found["informations"] = many_informations(rows, read, centre, size, *first, folds)
    return found


class Options(BaseModel):
    """What a study file may say of a penalised regression."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    family: Literal["gaussian", "binomial"]
    """Linear regression of a measured outcome, or logistic regression of a yes/no one."""
    mixing: float = Field(1.0, ge=0, le=1)
    """glmnet's alpha: 1 lasso, 0 ridge, between them the elastic net."""
    values: int = Field(20, ge=2, le=200)
    """How many penalties the path has."""
    folds: int = Field(5, ge=0, le=50)
    """Of cross-validation, 3 or more; 0 for none, where `penalty` says which model to show."""
    penalty: float | None = Field(None, gt=0)
    """One penalty more, agreed on before."""


@dataclass(frozen=True)
class Method:
    """A penalised regression of a study's analysis."""

    formula: Formula
    options: Options
    study: Study

    name: ClassVar[str] = "penalised"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where formula, family or folds do not fit."""
        options = Options(**analysis.options)
        formula = knots.parse(options.formula, analysis, study)
        check_none(list(_faults(options, formula, analysis, study)))
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
        """The design's columns, the intercept among them."""
        return len(self.formula.columns(self.study.variables))

    @property
    def folds(self) -> int:
        """Into how many folds people are dealt out."""
        return self.options.folds

    @property
    def within(self) -> str:
        """Folds are balanced by a yes/no outcome."""
        return self.formula.outcome if self.options.family == "binomial" else ""

    @property
    def _triangle(self) -> int:
        """The numbers of one information."""
        return self.width * (self.width + 1) // 2

    @property
    def fits(self) -> int:
        """How many models are fitted: of everyone, and without each fold, at each penalty."""
        return (self.options.folds + 1) * (self.options.values + (self.options.penalty is not None))

    @KNOTS.sent
    def sends(self) -> tuple[Sends, ...]:
        """Sums; products by fold, once; or sums by fold, and each fit's score and information a round."""
        p, groups = self.width, max(self.options.folds, 1)
        first = Sends("penalised.means", p + 2, 1)
        if self.options.family == "gaussian":
            return (first, Sends("penalised.products", groups * (1 + p + p * (p + 1) // 2), 1))
        once = Sends("penalised.spreads", (groups + 1) * (1 + 2 * p), 1)
        numbers = self.fits * (p + 2 + self._triangle)
        return (first, once, Sends("penalised.scores", numbers, MOST_ROUNDS))

    @KNOTS.first
    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """The path, the folds' paths, the choice; then tell."""
        first: Pooled = yield Ask(means, {"formula": self.formula.text}, doing="summing")
        people = _whole(first, "people")[0]
        centre = (_whole(first, "sums") / people)[1:]
        path = yield from (self._gaussian(centre) if self.options.family == "gaussian" else self._binomial(centre))
        return Told(self.formula, self.study, self.options.family, self.options.mixing, self.options.folds).result(
            path, int(people), first.sites
        )

    def _penalties(self, largest_score: float, people: float) -> Floats:
        if not largest_score > 0:
            raise Stopped(Finding("penalised_nothing", values={"found": self.formula.outcome}))
        ratio = 1e-4 if people > self.width - 1 else 1e-2
        found = penalised.grid(largest_score, self.options.mixing, self.options.values, ratio)
        return np.append(found, self.options.penalty) if self.options.penalty is not None else found

    def _gaussian(self, centre: Floats) -> Generator[Ask, Pooled, Path]:
        named = {"formula": self.formula.text, "centre": centre, "folds": self.options.folds}
        answer = yield Ask(products, named, doing="fitting")
        groups = [_moments(row, len(centre)) for row in _whole(answer, "products")]
        everyone = Moments.of(groups)
        if not np.diag(everyone.covariance)[-1] > 0:
            raise Stopped(Finding("outcome_constant", values={"found": self.formula.outcome}))
        penalties = self._penalties(penalised.gaussian_score(everyone), everyone.people)
        line = penalised.gaussian_path(everyone, penalties, self.options.mixing)
        losses = np.zeros((0, len(penalties)))
        if self.options.folds:
            rest = [Moments.of([one for one in groups if one is not out]) for out in groups]
            fits = [penalised.gaussian_path(one, penalties, self.options.mixing) for one in rest]
            losses = np.array([fit.loss(out) for fit, out in zip(fits, groups, strict=True)])
        size = np.sqrt(np.maximum(np.diag(everyone.covariance)[:-1], 0.0))
        null = everyone.covariance[-1, -1]
        explained = 1 - line.loss(everyone) / null
        intercepts = line.intercepts + centre[-1] - line.slopes @ centre[:-1]
        sizes = np.array([one.people for one in groups])
        return Path(penalties, intercepts, line.slopes, size, explained, losses, sizes, 2, self._given)

    @property
    def _given(self) -> bool:
        return self.options.penalty is not None

    def _binomial(self, centre: Floats) -> Generator[Ask, Pooled, Path]:
        named = {"formula": self.formula.text, "centre": centre, "folds": self.options.folds}
        answer = yield Ask(spreads, named, doing="summing")
        walk = Walk(_whole(answer, "spreads"), centre, self.options.folds, self.options.mixing)
        walk.start(self._penalties(walk.largest_score, walk.people), self._given)
        counted = 0
        while True:
            at = {"size": walk.size, "without": walk.without, "coefficients": walk.coefficients}
            # Fits at other penalties are no iterates of one fit: each counts, and each information when it is new.
            new, counted = walk.opened - counted, walk.opened
            pooled = yield Ask(
                scores,
                {**named, "centre": centre[:-1], **at, "informed": walk.informed},
                fit=f"{self.formula.text} {self.options.mixing} {counted}",
                parameters=(self.fits * self.width if walk.rounds == 2 else 0) + new * self._triangle,
                fits_at_once=self.fits,
                doing="fitting",
            )
            informations = _whole(pooled, "informations") if walk.informed else np.zeros((0, self._triangle))
            if walk.hears(_whole(pooled, "fits"), informations):
                return walk.path()
            if walk.rounds >= MOST_ROUNDS:
                raise Stopped(Finding("no_convergence", values={"found": walk.rounds}))


def _whole(pooled: Pooled, name: str) -> Floats:
    if not pooled.whole(name):
        raise Stopped(Finding("withheld_fit"))
    return pooled[name]


def _moments(row: Floats, q: int) -> Moments:
    return Moments(float(row[0]), row[1 : 1 + q], symmetric(row[1 + q :], q))


def _faults(options: Options, formula: Formula, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """All that does not fit together."""
    kinds = {"gaussian": ("number", "integer", "date"), "binomial": ("boolean",)}[options.family]
    if study.variables[formula.outcome].type not in kinds or not formula.intercept or not formula.terms:
        values: dict[str, Any] = {"found": formula.text, "family": options.family, "expected": ", ".join(kinds)}
        yield Finding("penalised_formula", place=analysis.place("formula"), values=values)
    if options.folds in (1, 2) or (options.folds == 0 and options.penalty is None):
        values = {"found": options.folds, "expected": 3}
        yield Finding("penalised_folds", place=analysis.place("folds"), values=values)
