"""Equations that a plan gives: which are steps, and whom two of them score unlike.

An equation that jumps from no risk to certainty at a value counts who is over it. Two that jump at 71.2 and 71.6 differ
by who is between: expected cases say how many these are, squared errors and log-loss which of them have the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from gagyo.federation.line import Line
from gagyo.protocol import formula as formulas
from gagyo.protocol.request import Request
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import NO_SPREAD, Floats, Spread, side_by_side
from gagyo.site.session import Session

CERTAIN = 20.0
"""A score further from zero than this is a risk of none or of one, to eight digits."""

LARGEST = 36.0
"""Where a validation holds scores: beyond it all are alike."""


@dataclass(frozen=True)
class Given:
    """An equation of a plan: its formula, and coefficients by column."""

    formula: str
    coefficients: Mapping[str, float]

    @classmethod
    def of(cls, line: Line, analysis: str) -> Given | None:
        """Of a validation; None where it validates a model of the study."""
        options = line.study.analyses[analysis].options if analysis in line.study.analyses else {}
        equation = options.get("equation")
        return cls(str(equation["formula"]), dict(equation["coefficients"])) if isinstance(equation, Mapping) else None

    def scores(self, columns: Mapping[str, Floats], variables: Mapping[str, Variable]) -> Floats:
        """The linear predictor of people, given by columns; NaN where it needs what they lack."""
        parsed = formulas.parse(self.formula, variables)
        beta = np.array([float(self.coefficients[one.name]) for one in parsed.columns(variables)])
        return np.asarray(parsed.design(columns) @ beta)


def is_step(session: Session, request: Request) -> bool:
    """Whether an equation makes k people's outcome, or more, certain: it counts who is on one side of a value."""
    given = Given.of(session.line, request.analysis)
    if given is None or not request.cohort:
        return False
    rows = session.cohorts[request.cohort].rows
    columns = {name: rows[name] for name in session.study.variables}

    def beyond() -> int:
        return int((np.abs(given.scores(columns, session.study.variables)) > CERTAIN).sum())

    found: int = rows.kept(("certain", given.formula, str(given.coefficients)), beyond)
    return found >= session.limits.minimum_people


def scored_unlike(one: Floats, other: Floats, least: int, hospitals: int) -> Spread:
    """By how much two equations' risks, and scores as they are held, differ of people (n,): in all, of the one of whom
    they do most, and of the next, who are as many as make k - 1 with that one.

    Other hospitals' people are taken to be as those here.
    """
    spreads = [NO_SPREAD]
    for made in (special.expit, lambda x: np.clip(x, -LARGEST, LARGEST)):
        apart = np.nan_to_num(np.abs(made(one) - made(other)))  # of who lacks a value nothing is known
        most = np.repeat(np.sort(apart)[::-1][:least], hospitals)[: least - 1]
        sums = hospitals * apart.sum(), most[:1].sum(), most[1:].sum()
        spreads.append(Spread(*(np.array([x]) for x in sums)))
    return side_by_side(*spreads)
