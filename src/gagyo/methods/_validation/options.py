"""What a study file may say of a validation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Share = Annotated[float, Field(gt=0, lt=1)]

FEWEST_HOSPITALS = 4
"""To leave one out, three others must remain for a secure sum."""


FOLDS = 10
"""Of cross-validation, where a study file does not say."""


class Threshold(BaseModel):
    """A probability from which people count as positive: declared, or found for a wanted sensitivity."""

    model_config = ConfigDict(extra="forbid")

    sensitivity: Share | None = None
    value: Share | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Threshold:
        if (self.sensitivity is None) == (self.value is None):
            raise PydanticCustomError("option_threshold", "option_threshold")
        return self


class Subgroup(BaseModel):
    """A variable whose groups are told apart; cuts divide a measured one."""

    model_config = ConfigDict(extra="forbid")

    variable: str
    cuts: list[float] = []


class Equation(BaseModel):
    """A model that stands in the plan: its outcome, its formula (`outcome ~ predictors`), and a coefficient for each
    column of the formula, `Intercept` among them."""

    model_config = ConfigDict(extra="forbid")

    outcome: str
    formula: str
    coefficients: dict[str, float]


class Options(BaseModel):
    """A model of this study, or an equation, and the designs and measures that are wanted.

    folds: of cross-validation, 0 for none. repeats: of the division into folds. bootstrap: replicates, of which a study
    opens as many sums and models: some two hundred on five hundred people pass the gate. countries: by hospital, for
    summaries by country. imputation: of an equation, the analysis that imputes what people lack, if any does.
    decision: thresholds of the decision curve; all edges of bins without any.
    """

    model_config = ConfigDict(extra="forbid")

    model: str = ""
    equation: Equation | None = None
    imputation: str = ""
    folds: int = Field(FOLDS, ge=0, le=50)
    repeats: int = Field(1, ge=1, le=20)
    bootstrap: int = Field(0, ge=0, le=500)
    leave_out: Literal["site"] | None = None
    joining: bool = False
    threshold: Threshold | list[Threshold] = []
    decision: list[Share] = []
    subgroups: list[str | Subgroup] = []
    nonlinearity: bool = False
    countries: dict[str, str] = {}

    @model_validator(mode="after")
    def _fits_together(self) -> Options:
        if bool(self.model) == bool(self.equation):
            raise PydanticCustomError("option_one_model", "option_one_model")
        names = [one if isinstance(one, str) else one.variable for one in self.subgroups]
        if len(set(names)) < len(names):
            # Two divisions of one variable, a person apart, would give that person away.
            raise PydanticCustomError("option_subgroups", "option_subgroups")
        if self.folds == 1:
            raise PydanticCustomError("option_folds", "option_folds")
        if self.equation and (self.bootstrap or self.leave_out or self.joining or self.nonlinearity):
            raise PydanticCustomError("option_given_equation", "option_given_equation")
        if self.joining and not (self.leave_out and self.folds):
            raise PydanticCustomError("option_joining", "option_joining")
        if not self.cross and any(one.sensitivity is not None for one in self.thresholds):
            raise PydanticCustomError("option_sensitivity", "option_sensitivity")
        return self

    @property
    def starts_from(self) -> str:
        """The analysis that gives the model, or that imputes what an equation needs; empty where none does."""
        return self.imputation or self.model

    @property
    def cross(self) -> int:
        """The folds, none for a given equation."""
        return 0 if self.equation else self.folds

    @property
    def thresholds(self) -> list[Threshold]:
        """One or several, as a list."""
        return self.threshold if isinstance(self.threshold, list) else [self.threshold]

    @property
    def groups(self) -> list[Subgroup]:
        """Subgroups in their long form."""
        return [Subgroup(variable=one) if isinstance(one, str) else one for one in self.subgroups]
