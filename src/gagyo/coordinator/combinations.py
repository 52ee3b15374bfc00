"""Of whose combinations of traits a plan tells the numbers, though no rule counts them: said before anyone approves."""

from __future__ import annotations

from gagyo.errors import FileFault
from gagyo.protocol.formula import parse
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.variables import levels_of

SUMS_ONCE = ("linear", "mixed", "repeated", "meta")
"""Methods of which no fit weighs people anew in each round: their sums are of two traits at most."""

FEWEST = 3
"""Each two traits are counted in every fit."""


def told_together(analysis: Analysis, study: Study) -> tuple[str, ...]:
    """The yes/no and category covariates of a fit whose combinations are not counted, since something is measured too.

    Each round weighs people by what is expected of them, so that the rounds, and another outcome's, are equations in
    how many people have each combination (ADR 0111). None where there are fewer than three, or nothing measured.
    """
    text = str(analysis.options.get("formula") or f"{analysis.options.get('event')} ~ {analysis.options.get('adjust')}")
    try:
        formula = parse(text, study.variables, unplaced=True)
    except FileFault:  # a method without covariates
        return ()
    traits = tuple(name for name in formula.predictors if levels_of(study.variables[name]))
    counted = len(traits) == len(formula.predictors)
    return () if counted or len(traits) < FEWEST or analysis.method in SUMS_ONCE else traits
