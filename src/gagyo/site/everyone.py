"""Everyone at this hospital: how many of some of them are of a group, and who makes up most of what it has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gagyo.protocol.variables import Variable, levels_of
from gagyo.release.aggregate import Counts, Floats, Spread, side_by_side
from gagyo.release.few_values import Bools, Measured
from gagyo.release.parts import spread_in_parts
from gagyo.site.groups_told import HAVE, LACK, Group, column_of, variable_of

BLOCK = 8192


@dataclass(frozen=True)
class Everyone:
    """Everyone at this hospital, by columns."""

    columns: Mapping[str, Floats]
    variables: Mapping[str, Variable]
    known: dict[str, Measured] = field(default_factory=dict)

    def counts(self, among: Bools, groups: Sequence[Group]) -> Counts:
        """How many of some people (n,) are of each group."""
        levels = sorted({level for group in groups for level in group})
        at = {level: number for number, level in enumerate(levels, start=1)}
        having = [self._of(*level) for level in levels]
        gram = np.zeros((1 + len(levels), 1 + len(levels)))
        places = np.flatnonzero(among)
        for start in range(0, len(places), BLOCK):
            some = places[start : start + BLOCK]
            block = np.column_stack([np.ones(len(some)), *(one(some) for one in having)])
            gram += block.T @ block
        pairs = [tuple(at[level] for level in group) for group in groups]
        rows, beside = ([pair[which] if pair else 0 for pair in pairs] for which in (0, -1))
        return np.rint(gram[rows, beside]).astype(np.int64)

    def spread(self, among: Bools, groups: Sequence[Group], names: Collection[str]) -> Spread:
        """Who makes up how much of what some people (n,), and those of them of a group of one level, have."""
        columns, who = [self._measured(name) for name in sorted(names)], np.flatnonzero(among)
        having = [self._of(*group[0])(who) for group in groups]
        parts = np.column_stack([np.zeros((len(who), 0), bool), *having])
        whole = spread_in_parts(columns, np.ones((len(who), 1), bool), who, squares=True)
        return side_by_side(whole, spread_in_parts(columns, parts, who))

    def _of(self, name: str, level: int) -> Callable[[Counts], Bools]:
        """Who of some people has a level of a variable, or a value at a place."""
        x, variable = column_of(name, self.columns), variable_of(name, self.variables)
        if level in (HAVE, LACK):
            return lambda some: np.isnan(x[some]) == (level == LACK)
        if levels_of(variable):
            return lambda some: np.asarray(x[some] == level)
        measured = self._measured(name)
        return lambda some: measured.at_place(level, some)

    def _measured(self, name: str) -> Measured:
        if name not in self.known:
            self.known[name] = Measured.of(self.columns[name], self.variables[name].bounds)
        return self.known[name]
