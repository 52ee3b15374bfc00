"""What a study file may say of a generalised linear model, and what of it does not fit together."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from gagyo.finding import Finding
from gagyo.methods._offset import FARTHEST
from gagyo.methods._sampling import faults_of_weights, most
from gagyo.methods._sandwich import Errors
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.variables import Variable
from gagyo.statistics.families import FAMILIES


class Options(BaseModel):
    """What a study file may say of a generalised linear model."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    family: Literal["binomial", "poisson", "negative_binomial", "gamma", "gaussian"]
    """The outcome's distribution: yes or no, a count (or yes/no, for risk ratios), an overdispersed count, a positive
    measurement, or (with `weights` or `offset`) any measurement."""
    link: Literal["probit", "cloglog", "log", "logit", "identity"] = "log"
    """`probit` or `cloglog` of a binomial, with `weights` or `offset` also `logit`; `identity` of a gaussian; `log` of
    the others. Without these a binomial's logit is the method `logistic`, and a gaussian model the method `linear`."""
    exposure: str = ""
    """A variable, such as person-years, to which a mean count, or with `link: cloglog` a cumulative hazard, is
    proportional: its logarithm is the offset."""
    offset: str = ""
    """A variable, such as a given risk score on the scale of the linear predictor, that is added to it with a
    coefficient of 1. Not together with `exposure`."""
    weights: str = ""
    """A variable that says how much each person counts, such as the inverse of the probability of being sampled. With
    `robust` HC0, HC1, CR0, CR1 or CR1S."""
    robust: Errors = "none"
    """Standard errors: model-based, by White's sandwich over people (HC0 to HC3), or over clusters (CR0 to CR2)."""
    cluster: str = ""
    """For CR0 to CR2 a category or whole number, such as the ward: a cluster for each of its values in each hospital.
    Without it each hospital is a cluster."""
    marginal_effects: bool = False
    """Also tell the average marginal effect of each variable, on the scale of the mean: one more sum."""


def faults(options: Options, formula: Formula, analysis: Analysis, study: Study) -> list[Finding]:
    """All that does not fit together."""
    found = []
    links = [link for family, link in (*FAMILIES, ("negative_binomial", "log")) if family == options.family]
    links = [link for link in links if link not in OWN_METHODS or options.weights or options.offset]
    if options.link not in links:
        values = {"found": f"{options.family}, {options.link}", "expected": ", ".join(links)}
        found.append(Finding("glm_link", place=analysis.place("link"), values=values))
    one = study.variables[formula.outcome]
    if not _suits(one, options.family):
        values = {"found": formula.outcome, "family": options.family, "expected": OUTCOMES[options.family]}
        found.append(Finding("glm_outcome", place=analysis.place("formula"), values=values))
    if options.exposure:
        over = study.variables.get(options.exposure)
        bad = over is None or over.type not in ("number", "integer") or over.bounds[0] <= 0
        proportional = options.family in COUNTS or (options.family, options.link) == ("binomial", "cloglog")
        if bad or not proportional or options.exposure in formula.variables:
            expected = "family: poisson, negative_binomial; link: cloglog; number, integer; range: [> 0, …]"
            values = {"found": options.exposure, "expected": expected}
            found.append(Finding("glm_exposure", place=analysis.place("exposure"), values=values))
    if options.offset and not _can_be_added(options, formula, study):
        size = "" if options.link == "identity" else f"; range: [>= {-FARTHEST:g}, <= {FARTHEST:g}]"
        values = {"found": options.offset, "expected": f"number, integer{size}"}
        found.append(Finding("glm_offset", place=analysis.place("offset"), values=values))
    if options.weights:
        found += _faults_of_weights(options, formula, analysis, study)
    measured = (
        options.exposure
        or options.offset
        or any(column.indicator is None for column in formula.columns(study.variables))
    )
    if options.family == "negative_binomial" and not measured:
        found.append(Finding("glm_measured", place=analysis.place("formula"), values={"found": formula.text}))
    return found


def _can_be_added(options: Options, formula: Formula, study: Study) -> bool:
    one = study.variables.get(options.offset)
    if one is None or one.type not in ("number", "integer"):
        return False
    fits = options.link == "identity" or most(one) <= FARTHEST
    return fits and not options.exposure and options.offset not in formula.variables


def _faults_of_weights(options: Options, formula: Formula, analysis: Analysis, study: Study) -> list[Finding]:
    others = {*formula.variables, options.exposure, options.offset}
    wrong = list(faults_of_weights(options.weights, others, analysis, study))
    if wrong:
        return wrong
    given = {"robust": options.robust, "family": options.family, "marginal_effects": options.marginal_effects}
    unfit = [
        *(["robust"] if options.robust not in WEIGHTED_ERRORS else []),
        *(["family"] if options.family == "negative_binomial" else []),
        *(["marginal_effects"] if options.marginal_effects else []),
    ]
    if not unfit:
        return []
    found = ", ".join(f"{key}: {str(given[key]).lower() if key == 'marginal_effects' else given[key]}" for key in unfit)
    values = {"found": found, "expected": ", ".join(WEIGHTED_ERRORS)}
    return [Finding("glm_weights_beside", place=analysis.place("weights"), values=values)]


OWN_METHODS = ("logit", "identity")
"""Links of models that have methods of their own where nothing is weighted, or has a coefficient of 1."""

WEIGHTED_ERRORS = ("HC0", "HC1", "CR0", "CR1", "CR1S")
"""Errors that do not take weights for numbers of people, and need no leverages."""

COUNTS = ("poisson", "negative_binomial")

OUTCOMES = {
    "binomial": "boolean",
    "poisson": "boolean; number, integer: range [>= 0, …]",
    "negative_binomial": "number, integer: range [>= 0, …]",
    "gamma": "number, integer: range [> 0, …]",
    "gaussian": "number, integer",
}


def _suits(outcome: Variable, family: str) -> bool:
    if outcome.type == "boolean":
        return family in ("binomial", "poisson")
    if outcome.type not in ("number", "integer") or family == "binomial":
        return False
    if family == "gaussian":
        return True
    return outcome.bounds[0] > 0 if family == "gamma" else outcome.bounds[0] >= 0
