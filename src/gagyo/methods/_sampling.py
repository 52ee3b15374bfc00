"""Weights of a survey: what they could single out, how great they may be, and which variables can weigh."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.variables import Variable


def widened(rows: Rows, formula: Formula, weights: str) -> Formula:
    """The formula with the weights as a column, and their product with each term.

    Each sum of a weighted fit, such as of w x_j x_k, stands in the information of that model: what it would give away
    is what the weights can.
    """
    if not weights:
        return formula
    terms = [weights, *(f"{term}:{weights}" for term in formula.terms)]
    return rows.formula(" + ".join([formula.text, *terms]))


def heaviest(rows: Rows, weights: str) -> float:
    """The greatest weight that its declared range allows; 1 without any."""
    return most(rows.variables[weights]) if weights else 1.0


def most(variable: Variable) -> float:
    """The greatest size that a variable's declared range allows."""
    return float(np.abs(variable.bounds).max())


def faults_of_weights(weights: str, others: Iterable[str], analysis: Analysis, study: Study) -> Iterator[Finding]:
    """A finding where weights are no such variable, or one of the others of the analysis."""
    if not can_weigh(study, weights) or weights in others:
        values = {"found": weights, "expected": "number, integer; range: [> 0, …]"}
        yield Finding("weights_variable", place=analysis.place("weights"), values=values)


def can_weigh(study: Study, weights: str) -> bool:
    """Whether a study has such a variable, and it is a measurement over zero."""
    one = study.variables.get(weights)
    return one is not None and one.type in ("number", "integer") and one.bounds[0] > 0
