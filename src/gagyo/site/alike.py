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
from gagyo.site.groups_told import changes_told, column_of, exposures_told, names_in, variable_of

Pairs = tuple[tuple[str, str], ...]


def pairs_of(line: Line, analysis: str, before: Collection[str]) -> dict[str, Pairs]:
    """By cohort each two variables by which sums of an analysis, or of it and earlier ones of that cohort, are formed;
    without those of earlier analyses alone. Of another cohort that holds this one, sums of a third leave this one.
    """
    analyses = line.study.analyses
    mine, told = _forming(line, analysis), {analyses[analysis].cohort: set[str]()}
    for name in before:
        told.setdefault(analyses[name].cohort, set()).update(_forming(line, name) | _beside(line, name, mine, analysis))
    own = told[analyses[analysis].cohort]
    # Raters may agree on all but a few: what agreement tells of its own has a rule of its own.
    rated = [_forming(line, name) for name in before if analyses[name].method == RATED]
    own_raters = mine if analyses[analysis].method == RATED else set[str]()
    found = {cohort: _pairs(mine, there | own, rated, own_raters) for cohort, there in told.items()}
    first = set(found[analyses[analysis].cohort])
    return {
        cohort: pairs if there is own else tuple(pair for pair in pairs if pair not in first)
        for (cohort, pairs), there in zip(found.items(), told.values(), strict=True)
    }


def _pairs(mine: set[str], told: set[str], rated: Collection[set[str]], own_raters: set[str]) -> Pairs:
    """Each two of which one is new; and raters of one analysis, once another tells one of them."""
    every = (pair for pair in combinations(sorted(mine | told), 2) if not own_raters.issuperset(pair))
    again = [one for one in rated if not mine.isdisjoint(one)]
    return tuple(
        pair
        for pair in every
        if not told.issuperset(pair) or (not mine.isdisjoint(pair) and any(one.issuperset(pair) for one in again))
    )


def nested(one: Bools, other: Bools) -> Bools:
    """The people of the smaller of two cohorts, where the other holds them all; else nobody, whom no sums leave."""
    both = one & other
    smaller = min(np.count_nonzero(one), np.count_nonzero(other))
    return both if np.count_nonzero(both) == smaller else np.zeros_like(both)


def _forming(line: Line, analysis: str) -> set[str]:
    """The variables of an analysis; of a table those alone that form its groups, since of others it counts. And who had
    changed when they left, of a covariate that changes; and the logarithm of an exposure.
    """
    one = line.study.analyses[analysis]
    named = set(names_in(line, analysis)) & (
        {str(one.options.get("by", ""))} if one.method in TABLES else {*line.study.variables}
    )
    return named | changes_told(line, analysis) | exposures_told(line, analysis)


def _beside(line: Line, table: str, mine: Collection[str], analysis: str) -> set[str]:
    """Of an earlier table before an analysis that is none: the variables that it told by groups of one of its own, and
    those of whose values it told sums. Of two tables single cells stay shut (`tables.py`).
    """
    one, variables = line.study.analyses[table], line.study.variables
    if one.method not in TABLES or line.study.analyses[analysis].method in TABLES:
        return set()
    grouped = str(one.options.get("by", "")) in mine
    return {name for name in names_in(line, table) if grouped or not levels_of(variables[name])}


TABLES = ("compare", "describe", "quantiles", "rank_tests")
"""Methods that tell of each variable by itself, or by group."""

RATED = "agreement"
"""The method whose variables are meant to be nearly the same."""


def unlike_cells(pairs: Pairs, columns: Mapping[str, Floats], variables: Mapping[str, Variable], who: Bools) -> Counts:
    """For each two variables of how many people they differ; of yes/no variables also of how many they do not; of a
    category who has one of a level and of the other's, but not both.
    """
    chosen: slice | Bools = slice(None) if who.all() else who
    names = {name for pair in pairs for name in pair}
    variables = {name: variable_of(name, variables) for name in names}
    some = {name: column_of(name, columns)[chosen] for name in names}
    of_levels = {name for name, one in variables.items() if one.type == "category"}
    levels = [pair for pair in pairs if not of_levels.isdisjoint(pair)]
    plain = [pair for pair in pairs if of_levels.isdisjoint(pair)]
    by_level = [_by_level(some[a], some[b], variables[a], variables[b]) for a, b in levels]
    return np.concatenate([NOBODY, _plain(plain, some, variables), *by_level])


FIRST = 1 << 10
"""People who are looked at first."""

MANY = 256
"""So many are no few at any hospital: how many more there are need not be counted."""


def _plain(pairs: Sequence[tuple[str, str]], some: Mapping[str, Floats], variables: Mapping[str, Variable]) -> Counts:
    """The cells of variables that are no categories: of the first people, where these are many already."""
    if not pairs:
        return NOBODY
    names = sorted({name for pair in pairs for name in pair})
    at = {name: number for number, name in enumerate(names)}
    first = np.asfortranarray(np.column_stack([some[name][:FIRST] for name in names]))
    places = np.array([(at[a], at[b]) for a, b in pairs])
    differ = _unlike(first)[tuple(places.T)]
    both = np.array([variables[name].type == "boolean" for name in names])[places].all(axis=1)
    people = np.full(len(pairs), len(first))
    for number in np.flatnonzero((differ < MANY) | both & (people - differ < MANY)).tolist():
        x, y = (some[name] for name in pairs[number])
        differ[number], people[number] = _unlike(np.column_stack([x, y]))[0, 1], len(x)
    return np.concatenate([differ, (people - differ)[both]])


def _unlike(table: Floats) -> Counts:
    """(m, m), at [j, k > j]: for how many people columns j and k (n, m) differ; who lacks a value does not."""
    lacking, found = np.isnan(table), np.zeros((table.shape[1], table.shape[1]), np.int64)
    some_lack = bool(lacking.any())
    for j in range(len(found)):
        others = slice(j + 1, None)
        unlike = table[:, others] != table[:, [j]]
        if some_lack:
            unlike &= ~(lacking[:, others] | lacking[:, [j]])
        found[j, others] = np.count_nonzero(unlike, axis=0)
    return found


def _by_level(x: Floats, y: Floats, one: Variable, other: Variable) -> Counts:
    found = [np.count_nonzero(a != b) for a in _levels(x, one) for b in _levels(y, other)]
    return np.array([*found, *(len(x) - n for n in found)], np.int64)


def _levels(x: Floats, variable: Variable) -> Iterator[Bools]:
    """Who has each level; of a measurement nobody is asked."""
    for level in range(levels_of(variable)) if variable.type == "category" else (1,) if levels_of(variable) else ():
        yield x == level
