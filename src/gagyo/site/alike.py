"""Variables that are the same for all but a few: what sums of one and of the other differ by is these few people's.

A model with `ventilated` and another of the same people with `ventilated or oxygen` differ by the one person who had
oxygen alone: by that person's every other value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from gagyo.federation.line import Line
from gagyo.protocol.variables import Variable, levels_of
from gagyo.release.aggregate import NOBODY, Counts, Floats
from gagyo.release.few_values import Bools
from gagyo.site.groups_told import names_in

Pairs = tuple[tuple[str, str], ...]


def pairs_of(line: Line, analysis: str, before: Collection[str]) -> Pairs:
    """Each two variables by which sums of an analysis, or of it and an earlier one of its cohort, are formed; without
    those of earlier analyses alone.
    """
    cohort = line.study.analyses[analysis].cohort
    mine, told = _forming(line, analysis), set[str]()
    for name in before:
        told |= _forming(line, name) if line.study.analyses[name].cohort == cohort else set()
    every = combinations(sorted(mine | told), 2)
    return tuple(pair for pair in every if not told.issuperset(pair))


def _forming(line: Line, analysis: str) -> set[str]:
    """The variables of an analysis; of a table those alone that form its groups, since of others it counts."""
    one = line.study.analyses[analysis]
    return set(names_in(line, analysis)) & (
        {str(one.options.get("by", ""))} if one.method in TABLES else {*line.study.variables}
    )


TABLES = ("agreement", "compare", "describe", "quantiles", "rank_tests")
"""Methods that tell of each variable by itself, or by group; agreement has a rule of its own."""


def unlike_cells(pairs: Pairs, columns: Mapping[str, Floats], variables: Mapping[str, Variable], who: Bools) -> Counts:
    """For each two variables of how many people they differ; of yes/no variables also of how many they do not; of a
    category who has one of a level and of the other's, but not both. Of the first people, where these are many already.
    """
    names, first = sorted({name for pair in pairs for name in pair}), np.flatnonzero(who[:FIRST])
    unlike = _unlike([columns[name][first] for name in names])
    at = {name: number for number, name in enumerate(names)}
    whole: dict[str, Floats] = {}
    cells = [NOBODY]
    for a, b in pairs:
        found = _of_two(variables[a], variables[b], int(unlike[at[a], at[b]]), len(first))
        if not len(found) or found.min() < MANY:
            whole |= {name: columns[name][who] for name in (a, b) if name not in whole}
            found = _pair(whole[a], whole[b], variables[a], variables[b])
        cells.append(found)
    return np.concatenate(cells)


FIRST = 1 << 10
"""People who are looked at first."""

MANY = 256
"""So many are no few at any hospital: how many more there are need not be counted."""


def _unlike(columns: Sequence[Floats]) -> Counts:
    """(m, m), of how many people each two of m columns differ; who lacks a value does not."""
    table = np.column_stack(columns) if columns else np.zeros((0, 0))
    lacking = np.isnan(table)
    found = np.empty((table.shape[1], table.shape[1]), np.int64)
    for j, column in enumerate(table.T):
        found[j] = np.count_nonzero((table != column[:, None]) & ~(lacking | lacking[:, [j]]), axis=0)
    return found


def _of_two(one: Variable, other: Variable, unlike: int, people: int) -> Counts:
    """The cells of two variables that differ so often; none of a category, of which other things are counted."""
    if "category" in (one.type, other.type):
        return NOBODY
    both = one.type == other.type == "boolean"
    return np.array([unlike, people - unlike] if both else [unlike], np.int64)


def _pair(x: Floats, y: Floats, one: Variable, other: Variable) -> Counts:
    if "category" not in (one.type, other.type):
        return _of_two(one, other, int(_unlike([x, y])[0, 1]), len(x))
    found = [np.count_nonzero(a != b) for a in _levels(x, one) for b in _levels(y, other)]
    return np.array([*found, *(len(x) - n for n in found)], np.int64)


def _levels(x: Floats, variable: Variable) -> Iterator[Bools]:
    """Who has each level; of a measurement nobody is asked."""
    for level in range(levels_of(variable)) if variable.type == "category" else (1,) if levels_of(variable) else ():
        yield x == level
