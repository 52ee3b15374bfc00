"""Columns whose balance between two groups is told: a measurement as it is, each level of a category, a yes/no once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gagyo.federation.rows import Rows
from gagyo.methods._groups import level_label
from gagyo.methods._labels import with_unit
from gagyo.protocol.variables import Variable, levels_of
from gagyo.release.aggregate import Floats
from gagyo.result import Words
from gagyo.text import LANGUAGES, Language, Text, translate


def middle_of(variable: Variable) -> float:
    """The middle of a measurement's declared range, about which it is summed; 0 of a variable with levels."""
    return 0.0 if levels_of(variable) else float(sum(variable.bounds)) / 2


@dataclass(frozen=True)
class Covariate:
    """A column: a variable, and the level that it indicates, None of a measurement."""

    variable: Variable
    level: int | None

    @property
    def name(self) -> str:
        """As in estimates: `age`, `smoker`, `race.black`."""
        if self.level is None or self.variable.type == "boolean":
            return self.variable.name
        return f"{self.variable.name}.{self.variable.levels[self.level].name}"

    @property
    def label(self) -> Words:
        """With its unit, or its level."""
        if self.level is None:
            return with_unit(self.variable)
        return Words(text=level_label(self.variable, self.level))

    @property
    def reach(self) -> float:
        """The greatest size about the middle."""
        return 1.0 if self.level is not None else (self.variable.bounds[1] - self.variable.bounds[0]) / 2

    def values(self, rows: Rows) -> Floats:
        """About the middle (n,)."""
        x = rows[self.variable.name]
        return x - middle_of(self.variable) if self.level is None else np.asarray(x == self.level, dtype=np.float64)


def covariates(names: Iterable[str], variables: Mapping[str, Variable]) -> tuple[Covariate, ...]:
    """The columns of some variables, each variable once."""
    found: list[Covariate] = []
    for name in dict.fromkeys(names):
        variable = variables[name]
        if variable.type == "boolean":
            found.append(Covariate(variable, 1))
        elif levels_of(variable):
            found.extend(Covariate(variable, level) for level in range(levels_of(variable)))
        else:
            found.append(Covariate(variable, None))
    return tuple(found)


def columns_of(rows: Rows, names: tuple[str, ...]) -> Floats:
    """The columns (n, b) of some variables, about their middles; kept for the next round."""

    def made() -> Floats:
        return np.column_stack(
            [np.zeros((rows.n, 0)), *(one.values(rows) for one in covariates(names, rows.variables))]
        )

    columns: Floats = rows.kept(("balance", names), made)
    return columns


def unbalanced(key: str, far: Sequence[Covariate], limit: float) -> Words:
    """A note that names the covariates that are not balanced, as a reader knows them and for programs."""
    expected = f"{limit:g}"

    def to(language: Language) -> str:
        names = [(one.variable.label if one.level is None else one.label).to(language) for one in far]
        return translate(key, language, found=("、" if language == "zh" else ", ").join(names), expected=expected)

    found = {"found": ", ".join(one.name for one in far), "expected": expected}
    return Words(key, dict(found), Text(*(to(one) for one in LANGUAGES)))
