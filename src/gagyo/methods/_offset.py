"""What a fit adds to its linear predictor with a coefficient of 1: a variable as it is, or an exposure's logarithm.

A model with an offset is the model that has it as a column, at a coefficient that the study chose: what that model's
head counts would give away is what the offset can. Besides, a study may choose an offset that leaves most people at an
end of a yes/no outcome's range, where they weigh nothing, and so a fit of the few whom it does not move there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.methods._sampling import most
from gagyo.methods._traits import all_traits
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import NO_SPREAD, Floats, Spread
from gagyo.release.parts import spread_of_two
from gagyo.statistics.families import Family

FARTHEST = 30.0
"""The greatest size of an offset whose exponential is a mean, an odds or a hazard: 10^13 of the unit."""


class Offset(NamedTuple):
    """A variable that is an exposure, or one that is given as it is, or neither."""

    exposure: str = ""
    given: str = ""

    @property
    def text(self) -> str:
        """As R writes it: what a step is told."""
        return f"log({self.exposure})" if self.exposure else self.given

    @classmethod
    def read(cls, text: str) -> Offset:
        """Of such a text."""
        inside = text.removeprefix("log(")
        return cls(given=text) if inside == text else cls(exposure=inside.removesuffix(")"))

    def of(self, rows: Rows) -> Floats | float:
        """What is added to each person's predictor (n,); 0 without any."""
        return np.log(rows[self.exposure]) if self.exposure else rows[self.given] if self.given else 0.0

    def beside(self, rows: Rows, formula: Formula) -> Formula:
        """The formula with the variable as a column."""
        return rows.formula(f"{formula.text} + {self.exposure or self.given}") if self.text else formula

    def weighing(self, rows: Rows, family: str, link: str) -> list[Floats]:
        """By which each person (n,) counts otherwise than in the model without it: as it is in the likelihood, where an
        outcome is multiplied by it, or of a probit by as much as its square; and as what multiplies a mean.
        """
        given = np.zeros(rows.n) + self.of(rows)
        if link in PROPORTIONAL:
            return [given, np.exp(-given if family == "gamma" else given)]
        return [given, given**2] if link == "probit" else [given]

    def over(self, rows: Rows, outcome: str, family: str, link: str) -> tuple[Floats, float]:
        """What a null model begins with beside the outcome (n,), and the greatest size of it."""
        if self.exposure:
            return rows[self.exposure], most(rows.variables[self.exposure])
        y, given, size = rows[outcome], rows[self.given], most(rows.variables[outcome])
        low, high = rows.variables[self.given].bounds
        if family == "gamma":
            return y * np.exp(-given), size * float(np.exp(-low))
        if family == "gaussian":
            return y - given, size + self.reach(rows)
        return (np.exp(given), float(np.exp(high))) if link in PROPORTIONAL else (given, self.reach(rows))

    def reach(self, rows: Rows) -> float:
        """The greatest size of what is given."""
        return most(rows.variables[self.given]) if self.given else 0.0

    def start(self, family: Family, name: str, link: str, mean: float, over: float) -> float:
        """The null model, or of a yes/no outcome what is near it: of the means of the outcome and of `over`."""
        if not self.text:
            return family.start(mean)
        if name in ("gamma", "gaussian"):
            return family.start(over)
        return float(np.log(mean / over)) if link in PROPORTIONAL else family.start(mean) - over

    def weighed(self, rows: Rows, formula: Formula, family: str, weight: Floats) -> Spread:
        """Who makes up most of the weights (n,) that a fit of a yes/no outcome gives people, of each side and each two:
        what a few have of the information is theirs. None without an offset, whose coefficient is the data's to choose.
        """
        if not self.given or family != "binomial":
            return NO_SPREAD
        traits = all_traits(rows, formula)
        sides = np.column_stack([np.ones(rows.n, bool), traits, ~traits])
        return spread_of_two(weight, sides)


NONE = Offset()
"""Of a model without any."""

PROPORTIONAL = ("log", "cloglog")
"""Links by which an offset's exponential multiplies a mean, or a hazard."""
