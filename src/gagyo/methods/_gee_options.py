"""What a study file may say of generalised estimating equations, and what of it does not fit together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gagyo.finding import Finding
from gagyo.methods._sampling import faults_of_weights
from gagyo.methods._sandwich import FEW_CLUSTERS
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study


class Options(BaseModel):
    """What a study file may say of generalised estimating equations."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    family: Literal["gaussian", "binomial", "poisson"]
    """A measurement (identity link), yes or no (logit), a count (log)."""
    cluster: str = ""
    """A category or whole number, such as the ward: a cluster for each of its values in each hospital. Without it each
    hospital is a cluster."""
    weights: str = ""
    """A variable that says how much each person counts, such as the inverse of the probability of being observed. Not
    with errors that are corrected for few clusters."""
    correlation: Literal["auto", "independence", "exchangeable"] = "auto"
    """The working correlation within a cluster; `auto`: of hospitals independence, of named clusters exchangeable."""
    errors: Literal["auto", "sandwich", "CR2", "mancl_derouen"] = "auto"
    """The sandwich as it is, or corrected for few clusters; `auto` is CR2 for fewer than ten hospitals as clusters."""
    denominator: Literal["N-p", "N"] = "N-p"
    """Of the dispersion and, with pairs, of the correlation: numbers less that of coefficients, or numbers alone. With
    weights means are weighted, and the first are multiplied by N / (N - p)."""


def errors_of(options: Options, clusters: int) -> str:
    """Which sandwich, of so many clusters."""
    if options.errors != "auto":
        return options.errors
    return "CR2" if not options.cluster and clusters < FEW_CLUSTERS else "sandwich"


def faults(options: Options, formula: Formula, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """All that does not fit together."""
    one = study.variables[formula.outcome]
    suits = {
        "gaussian": one.type in ("number", "integer", "date"),
        "binomial": one.type == "boolean",
        "poisson": one.type in ("number", "integer") and one.bounds[0] >= 0,
    }
    if not suits[options.family]:
        values = {"found": formula.outcome, "family": options.family, "expected": OUTCOMES[options.family]}
        yield Finding("glm_outcome", place=analysis.place("formula"), values=values)
    over = study.variables.get(options.cluster)
    if options.cluster and (over is None or over.type not in ("category", "integer") or over.name in formula.variables):
        values = {"found": options.cluster, "expected": "category, integer"}
        yield Finding("mixed_cluster", place=analysis.place("cluster"), values=values)
    if options.weights:
        yield from faults_of_weights(options.weights, (*formula.variables, options.cluster), analysis, study)
        errors = errors_of(options, len(study.sites))
        if errors != "sandwich":
            values = {"found": f"errors: {errors}", "expected": "errors: sandwich, cluster: …"}
            yield Finding("gee_weights", place=analysis.place("weights"), values=values)


OUTCOMES = {"gaussian": "number, integer, date", "binomial": "boolean", "poisson": "number, integer: range [>= 0, …]"}
