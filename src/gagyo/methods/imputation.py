"""Multiple imputation by chained equations, then a linear or logistic regression, pooled by Rubin's rules.

Numbers are imputed by Bayesian linear, yes or no by Bayesian logistic, categories by Bayesian multinomial logistic
regression on everything else: the outcome, the other terms, auxiliary variables, and a level of each hospital that
never leaves it; for a prediction without outcome and hospitals' levels. Each round opens the sums of one model in all
chains; what is drawn comes from a written generator, and people's own numbers from their keyed hashes, with a secret of
their hospital, so that the completed data are the same whenever they are made. Given the draws it is lossless: every
model is the fit of the pooled rows. van Buuren & Groothuis-Oudshoorn (2011) J Stat Softw 45(3); Rubin (1987) Multiple
Imputation for Nonresponse in Surveys; Barnard & Rubin (1999) Biometrika 86:948. Reference: R `mice` (`pool`; `norm`
and `logreg` in distribution, `polyreg` but for its parameters, which it does not draw), statsmodels `MNLogit`, and the
same draws on the pooled rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from gagyo.errors import check_none
from gagyo.federation.ask import Conversation, Sends
from gagyo.finding import Finding
from gagyo.methods._imputation_chains import Spec
from gagyo.methods._imputation_steps import everyone as everyone
from gagyo.methods._imputation_steps import model as model
from gagyo.methods._imputation_steps import newton as newton
from gagyo.methods._imputation_steps import products as products
from gagyo.methods._imputation_steps import start as start
from gagyo.methods._imputation_steps import sums as sums
from gagyo.methods._imputation_told import Told
from gagyo.methods._imputation_walk import Walk
from gagyo.methods._newton import MOST_ROUNDS
from gagyo.methods._profile_fit import size_of
from gagyo.methods._validation.options import FOLDS
from gagyo.protocol import formula as formulas
from gagyo.protocol.formula import Formula
from gagyo.protocol.guards import unknown_variable
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.terms import Category, Plain
from gagyo.result import Result

MOST_IMPUTED = 6
"""Variables that one analysis imputes: the patterns of what is missing, each ruled on, double with each."""

MOST_LEVELS = 8
"""Levels of an imputed category: each but the first has coefficients of its own in every chain."""

IMPUTED_TYPES = ("number", "integer", "boolean", "category")


class Options(BaseModel):
    """What a study file may say of an analysis by multiple imputation."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    model: Literal["linear", "logistic"]
    """The analysis of each completed data set."""
    impute: list[str] = Field(min_length=1)
    """The variables whose missing values are imputed, in the order of each sweep: numbers by Bayesian linear, yes or no
    by Bayesian logistic, categories of at most eight levels by Bayesian multinomial logistic regression. Each stands in
    the formula as it is, or among the auxiliary variables."""
    auxiliary: list[str] = []
    """Variables that help to impute, and are not in the formula."""
    times: int = Field(default=20, ge=2, le=100)
    """How many completed data sets, each from a chain of its own (m)."""
    sweeps: int = Field(default=5, ge=1, le=50)
    """How often each chain goes over the variables before its data set is taken."""
    hospitals: Literal["own", "pooled"] | None = None
    """Levels of the imputation models: each hospital's own, which stays inside it, or one for all. Each hospital's own
    where nothing is written; for a prediction always one for all."""
    purpose: Literal["association", "prediction"] = "association"
    """A prediction is imputed without the outcome and with one level for all hospitals, so that `validate` can do the
    same for people of whom neither is known."""
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    """Another number draws others."""

    @property
    def levels(self) -> Literal["own", "pooled"]:
        """The levels of the imputation models."""
        return self.hospitals or ("pooled" if self.purpose == "prediction" else "own")


@dataclass(frozen=True)
class Method:
    """An analysis by multiple imputation of a study."""

    formula: Formula
    options: Options
    study: Study

    name: ClassVar[str] = "imputation"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where outcome, imputed or auxiliary variables do not fit."""
        options = Options(**analysis.options)
        formula = formulas.parse(options.formula, study.variables)
        check_none(list(_faults(options, formula, analysis, study)))
        return cls(formula, options, study)

    @property
    def imputes(self) -> tuple[str, ...]:
        """The variables whose missing values are imputed."""
        return tuple(self.options.impute)

    @property
    def complete(self) -> frozenset[str]:
        """All variables of the formula and the auxiliary ones, but those that are imputed."""
        return frozenset([*self.formula.variables, *self.options.auxiliary]) - set(self.imputes)

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def spec(self) -> Spec:
        """What is imputed from what."""
        one = self.options
        auxiliary = tuple(dict.fromkeys(one.auxiliary))
        return Spec(
            self.formula,
            self.imputes,
            auxiliary,
            one.levels,
            one.purpose,
            one.times,
            one.sweeps,
            _swept(self.study),
            one.seed,
            "",
            self.study.variables,
        )

    def sends(self) -> tuple[Sends, ...]:
        """Moments; of each variable its model in every chain, sweep by sweep; the fits of the completed data."""
        one, spec, p = self.options, self.spec, self.formula.width
        given = len(spec.by_column)
        sends = [Sends("imputation.start", 2 + len(spec.impute) + 2 * given, 1)]
        for name in spec.impute:
            rounds = one.sweeps * (1 if spec.is_measured(name) else MOST_ROUNDS)
            numbers = one.times * (size_of(spec.width(name)) + spec.columns(name))
            sends.append(Sends("imputation.model", numbers, rounds))
        if one.model == "logistic":
            return (*sends, Sends("imputation.newton", one.times * (size_of(p) - p + given), MOST_ROUNDS))
        products = (p + 1) * (p + 2) // 2
        sends.append(Sends("imputation.sums", one.times * (p + 1 + given), 1))
        return (*sends, Sends("imputation.products", one.times * products, 1))

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Impute, fit, pool, tell."""
        logistic = self.options.model == "logistic"
        walk = Walk(self.spec, f"{self.study.study} {self.study.seed}")
        fits = yield from walk.walk(logistic)
        told = Told(self.spec, self.options.model).result(fits)
        return replace(told, kept=walk.chained(fits)) if logistic else told


def _swept(study: Study) -> int:
    """Chains times sweeps, of all analyses of a study that impute: other draws tell more of the same people. Those of
    each fold that is imputed for itself count.

    Each column of a category that is drawn tells as much of them as a number does.
    """
    imputing = {name: Options(**one.options) for name, one in study.analyses.items() if one.method == Method.name}
    return sum(
        one.times * one.sweeps * max(_columns(name, study) for name in one.impute) * (1 + _folds(study, analysis))
        for analysis, one in imputing.items()
    )


def _folds(study: Study, analysis: str) -> int:
    """How often the people of an analysis are imputed again, for the folds of its validations."""
    validations = (one.options for one in study.analyses.values() if one.method == "validate")
    mine = [one for one in validations if one.get("model") == analysis and not one.get("equation")]
    folds = [one.get("folds", FOLDS) for one in mine]
    return sum(one for one in folds if isinstance(one, int))


def _columns(name: str, study: Study) -> int:
    return max(len(study.variables[name].levels) - 1, 1) if name in study.variables else 1


def _faults(options: Options, formula: Formula, analysis: Analysis, study: Study) -> Iterator[Finding]:
    outcome = study.variables[formula.outcome]
    allowed = ("boolean",) if options.model == "logistic" else ("number", "integer", "date", "boolean")
    if outcome.type not in allowed:
        values = {"found": outcome.name, "expected": ", ".join(allowed)}
        yield Finding("imputation_outcome", place=analysis.place("formula"), values=values)
    if options.purpose == "prediction" and options.levels == "own":
        yield Finding("imputation_levels", place=analysis.place("hospitals"), values={"found": "own"})
    yield from _of_imputed(options, formula, analysis, study)
    for name in options.auxiliary:
        if name not in study.variables:
            yield replace(unknown_variable(name, study.variables), place=analysis.place("auxiliary"))
        elif name in formula.variables:
            yield Finding("auxiliary_in_formula", place=analysis.place("auxiliary"), values={"found": name})


def _of_imputed(options: Options, formula: Formula, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """What is wrong with the imputed variables: unknown, twice, too many, or not imputable where they stand."""
    place = analysis.place("impute")
    if len(options.impute) > MOST_IMPUTED:
        yield Finding("impute_many", place=place, values={"found": len(options.impute), "expected": MOST_IMPUTED})
    for name in dict.fromkeys(options.impute):
        if options.impute.count(name) > 1:
            yield Finding("impute_twice", place=place, values={"found": name})
        if name not in study.variables:
            yield replace(unknown_variable(name, study.variables), place=place)
        elif name == formula.outcome:
            yield Finding("impute_outcome", place=place, values={"found": name})
        elif study.variables[name].type not in IMPUTED_TYPES:
            values = {"found": name, "expected": ", ".join(IMPUTED_TYPES)}
            yield Finding("impute_type", place=place, values=values)
        elif len(study.variables[name].levels) > MOST_LEVELS:
            levels = {"variable": name, "found": len(study.variables[name].levels), "expected": MOST_LEVELS}
            yield Finding("impute_levels", place=place, values=levels)
        elif name not in (*formula.predictors, *options.auxiliary):
            yield Finding("impute_unused", place=place, values={"found": name})
        else:
            yield from _in_products(name, formula, analysis)


def _in_products(name: str, formula: Formula, analysis: Analysis) -> Iterator[Finding]:
    """A product or spline of an imputed variable: its imputation model would not know of it."""
    for term in formula.terms:
        if name in term.names and (len(term.factors) > 1 or not isinstance(term.factors[0], Plain | Category)):
            yield Finding("impute_product", place=analysis.place("impute"), values={"found": name, "term": str(term)})
