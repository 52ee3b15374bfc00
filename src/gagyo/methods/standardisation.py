"""Means that everyone would have treated and untreated, by models of the outcome; equal to pooled (lossless).

An outcome model is fitted in the treated and in the untreated (logistic of yes/no, linear of a measurement), in which
each hospital has an intercept of its own, found inside it. g-formula: the mean of everyone's predictions under each
(Robins 1986), with standard errors by stacked estimating equations. AIPW: with what the predictions miss, weighted by a
propensity score (Robins, Rotnitzky & Zhao 1994, J Am Stat Assoc 89:846), right where either model is, with standard
errors by its influence function. Errors: Lunceford & Davidian (2004) Stat Med 23:2937. Reference: R `glm` and
`lm` with a column for each hospital, and the equations written out in base R; statsmodels.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.finding import Finding
from gagyo.methods._balance import middle_of
from gagyo.methods._newton import MOST_ROUNDS, symmetric
from gagyo.methods._one_scheme import scheme_faults
from gagyo.methods._profile_fit import Fitted, check_whole, fit_profiles, size_of
from gagyo.methods._propensity import is_own
from gagyo.methods._standardisation_steps import errors, groups, means, outcomes, propensities, slopes
from gagyo.methods._standardisation_told import Standardised, Told
from gagyo.protocol import formula as formulas
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import Floats
from gagyo.result import Result


class Options(BaseModel):
    """What a study file may say of standardised means. People who lack any of its variables are left out."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    """The outcome model, without the treatment: it is fitted in the treated and in the untreated."""
    treatment: str
    """A yes/no variable."""
    estimator: Literal["g_formula", "aipw"]
    """`g_formula`: mean predictions. `aipw`: with weighted residuals, right where either model is (doubly robust)."""
    propensity: str = ""
    """With `aipw`: the propensity model, the treatment on what may confound it with the outcome."""
    hospitals: Literal["own", "pooled"] = "own"
    """Intercepts of the models: each hospital's own, which stay inside it, or one for all."""
    propensity_within: list[float] = []
    """With `aipw`: two bounds within which propensities are brought before they weigh, such as [0.05, 0.95]."""


@dataclass(frozen=True)
class Method:
    """Standardised means of a study's analysis."""

    formula: Formula
    propensity: Formula | None
    options: Options
    study: Study

    name: ClassVar[str] = "standardisation"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where formulas, treatment or bounds do not fit."""
        options = Options(**analysis.options)
        formula = formulas.parse(options.formula, study.variables)
        propensity = formulas.parse(options.propensity, study.variables) if options.propensity else None
        check_none(list(_faults(options, formula, propensity, analysis, study)))
        return cls(formula, propensity, options, study)

    @property
    def complete(self) -> frozenset[str]:
        """All variables of both formulas, and the treatment."""
        weighed = self.propensity.variables if self.propensity else ()
        return frozenset([*self.formula.variables, *weighed, self.options.treatment])

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def own(self) -> bool:
        """Whether hospitals have intercepts of their own."""
        return is_own(self.options.hospitals)

    @property
    def linear(self) -> bool:
        """Whether the outcome is a measurement."""
        return self.study.variables[self.formula.outcome].type != "boolean"

    def terms(self, formula: Formula) -> list[str]:
        """A model's columns by name, without an intercept that is each hospital's own."""
        return [column.name for column in formula.columns(self.study.variables)][self.own :]

    def sends(self) -> tuple[Sends, ...]:
        """Groups, fits, two means, and what their errors follow from."""
        q = len(self.terms(self.formula))
        sends = [Sends("standardisation.groups", 5, 1), Sends("standardisation.outcomes", 2 * size_of(q), MOST_ROUNDS)]
        if self.propensity:
            sizes = size_of(len(self.terms(self.propensity)))
            sends.append(Sends("standardisation.propensities", sizes, MOST_ROUNDS))
        sends.append(Sends("standardisation.means", 2, 1))
        sends += [] if self.propensity else [Sends("standardisation.slopes", 2 * q, 1)]
        sends.append(Sends("standardisation.errors", 3, 1))
        return tuple(sends)

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Groups, outcome models, propensity model, means, errors; then tell."""
        first = yield Ask(groups, self._who(), doing="counting")
        check_whole(first, "people", "sums")
        people, found = int(first["people"][0]), first["sums"].reshape(2, 2)
        self._check_groups(found)
        models = yield from self._outcomes(float(found[:, 0].min()))
        scores = (yield from self._propensities(people)) if self.propensity else None
        how = self._how(models, scores)
        second = yield Ask(means, how, doing="standardising")
        check_whole(second, "means")
        centre = second["means"] / people
        directions = np.zeros((2, 0)) if scores else (yield from self._directions(models))
        third = yield Ask(errors, {**how, "centre": centre, "directions": directions}, doing="standardising")
        check_whole(third, "errors")
        variance = symmetric(third["errors"], 2) / people**2
        rounds = 3 + models.rounds + (scores.rounds if scores else 1)
        shift = middle_of(self.study.variables[self.formula.outcome])
        told = Told(self.study, self.formula, self.propensity, self.options.treatment, self.own, self._bounds)
        return told.result(
            Standardised(found[:, 0], found[:, 1] / found[:, 0] + shift, centre + shift, variance),
            models,
            people,
            first.sites,
            rounds,
        )

    def _check_groups(self, found: Floats) -> None:
        """Raise Stopped where a group is empty, or all or none of it has the outcome."""
        if found[:, 0].min() < 1:
            raise Stopped(Finding("outcome_constant", values={"found": self.options.treatment}))
        if not self.linear and bool(np.any((found[:, 1] <= 0) | (found[:, 1] >= found[:, 0]))):
            raise Stopped(Finding("outcome_constant", values={"found": self.formula.outcome}))

    def _outcomes(self, people: float) -> Generator[Ask, Pooled, Fitted]:
        """Both outcome models at once."""
        terms = self.terms(self.formula)
        hospitals = len(self.study.sites) if self.own else 0
        name = f"{self.formula.text} by {self.options.treatment} {self.options.hospitals}"

        def ask(beta: Floats) -> Ask:
            asked = {**self._who(), "coefficients": beta}
            parameters = 2 * (len(terms) + hospitals)
            return Ask(outcomes, asked, fit=name, parameters=parameters, fits_at_once=2, doing="fitting")

        return (yield from fit_profiles(ask, 2, terms, people, self.linear))

    def _propensities(self, people: int) -> Generator[Ask, Pooled, Fitted]:
        assert self.propensity is not None
        terms = self.terms(self.propensity)
        parameters = len(terms) + (len(self.study.sites) if self.own else 0)
        name = f"{self.propensity.text} {self.options.hospitals}"

        def ask(beta: Floats) -> Ask:
            asked = {**self._who(), "coefficients": beta[0]}
            return Ask(propensities, asked, fit=name, parameters=parameters, doing="fitting")

        return (yield from fit_profiles(ask, 1, terms, people))

    @property
    def _bounds(self) -> tuple[float, float]:
        low, high = self.options.propensity_within or (0.0, 1.0)
        return float(low), float(high)

    def _who(self) -> dict[str, Any]:
        propensity = self.propensity.text if self.propensity else ""
        one = self.options
        return {
            "formula": self.formula.text,
            "treatment": one.treatment,
            "propensity": propensity,
            "hospitals": one.hospitals,
        }

    def _how(self, models: Fitted, scores: Fitted | None) -> dict[str, Any]:
        """The arguments of a question at fitted models."""
        found = scores.coefficients[0] if scores else np.zeros(0)
        return {**self._who(), "scores": found, "bounds": np.array(self._bounds), "coefficients": models.coefficients}

    def _directions(self, models: Fitted) -> Generator[Ask, Pooled, Floats]:
        """How the sums of predictions follow the equations of their models (2, q)."""
        answer = yield Ask(slopes, {**self._who(), "coefficients": models.coefficients}, doing="standardising")
        check_whole(answer, "slopes")
        found = answer["slopes"].reshape(2, -1)
        return np.array([one @ np.nan_to_num(fit.inverse) for one, fit in zip(found, models.solved, strict=True)])


def _faults(
    options: Options, formula: Formula, propensity: Formula | None, analysis: Analysis, study: Study
) -> Iterator[Finding]:
    """All that does not fit together."""
    one, treatment = study.variables[formula.outcome], study.variables.get(options.treatment)
    suits = one.type in OUTCOMES and formula.intercept and bool(formula.terms)
    if not suits or options.treatment in formula.variables:
        values = {"found": formula.text, "expected": ", ".join(OUTCOMES)}
        yield Finding("standardisation_formula", place=analysis.place("formula"), values=values)
    if treatment is None or treatment.type != "boolean":
        values = {"found": options.treatment, "expected": "boolean"}
        yield Finding("standardisation_treatment", place=analysis.place("treatment"), values=values)
    if bool(propensity) != (options.estimator == "aipw"):
        values = {"found": options.estimator, "expected": "estimator: aipw"}
        yield Finding("standardisation_estimator", place=analysis.place("propensity"), values=values)
    if propensity and (
        propensity.outcome != options.treatment
        or not propensity.intercept
        or not propensity.terms
        or formula.outcome in propensity.variables
    ):
        values = {"found": propensity.text, "expected": f"{options.treatment} ~ 1 + …"}
        yield Finding("weighting_formula", place=analysis.place("propensity"), values=values)
    ends = options.propensity_within
    if ends and not (propensity and len(ends) == 2 and 0 <= ends[0] < ends[1] <= 1):
        values = {"found": str(ends), "expected": "estimator: aipw; 0 ≤ low < high ≤ 1"}
        yield Finding("weighting_bounds", place=analysis.place("propensity_within"), values=values)
    yield from scheme_faults(analysis, study)


OUTCOMES = ("boolean", "number", "integer")
