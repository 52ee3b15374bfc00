"""Rank tests: Mann-Whitney, Kruskal-Wallis, Spearman; van Elteren within hospitals, on cells of values.

People are counted in cells of values as by the method `quantiles`, by group, and those of one cell are tied: the tests
are the pooled ones of values so rounded, and of the values themselves where each cell holds one value. What ties may
hide is told as bounds of the probability of superiority. For Spearman's correlation the midranks of everyone's cells
go back to the hospitals, which add up their products. Van Elteren's test ranks exact values inside each hospital; its
sums come apart into each hospital's groups, and tables of few values, which must hold enough people. Tests and papers
(van Elteren 1960 and others): `gagyo.statistics.ranks`. Reference: R's wilcox, kruskal and cor tests.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.dispensable import Kept, unless_withheld
from gagyo.federation.local import Name, Names, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods._groups import membership
from gagyo.methods._kept import lacking
from gagyo.methods._rank_told import Correlated, Ranked, Told
from gagyo.methods._validation.present import everyone
from gagyo.methods._value_cells import Grouped, Values
from gagyo.methods._values import Asked, bins_step, descend_by_group, present_step, value_faults
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.variables import levels_of
from gagyo.release.aggregate import (
    Aggregate,
    Counts,
    Floats,
    everybody,
    few_or_none,
    joined,
    joint,
    own_table,
    spread_of,
)
from gagyo.result import Result
from gagyo.statistics import ranks
from gagyo.statistics.multiplicity import Adjustment

present = present_step("rank_tests")
value_bins = bins_step("rank_tests")

FEW_CELLS = 25
"""Cells of two variables crossed, up to which one sum of products may tell how many people are in one of them."""


@local(variables=Names(), beside=Name(), cells=Numbers((None, 3), -(2.0**60), 2.0**60))
def products(rows: Rows, variables: list[str], beside: str, cells: Floats) -> Aggregate:
    """Sums of products of centred midranks of each variable and the one beside it.

    cells: (variable's number, lower end, centred midrank), the one beside last, each variable's in order.
    """
    names = [*variables, beside]
    out = dict(everyone(rows))
    placed = [_placed(rows[name], cells[cells[:, 0] == number]) for number, name in enumerate(names)]
    other, at_other, many = placed[-1]
    for name, (rank, at, size) in zip(variables, placed, strict=False):
        together = rank * other
        behind = everybody(rows.n)
        if size * many <= FEW_CELLS:
            behind = joined(behind, few_or_none(np.bincount(at * many + at_other, minlength=size * many)))
        bound = np.prod(
            [np.abs(cells[cells[:, 0] == number, 2]).max() for number in (names.index(name), len(variables))]
        )
        out[f"{name}.products"] = joint(np.array([together.sum()]), bound, behind, spread_of(together[:, None]))
    return out


def _placed(x: Floats, cells: Floats) -> tuple[Floats, NDArray[np.int64], int]:
    """Each person's centred midrank and cell, and the number of cells."""
    at = np.maximum(np.searchsorted(cells[:, 1], x, side="right") - 1, 0)
    return cells[at, 2], at, len(cells)


@local(variables=Names(), by=Name())
def strata(rows: Rows, variables: list[str], by: str) -> Aggregate:
    """What the hospital, as a stratum, adds to van Elteren's statistic of each variable and its variance."""
    member = membership(rows, by) == 1
    behind = joined(everybody(rows.n), few_or_none(member.sum(axis=0)))
    out = dict(everyone(rows))
    for name in variables:
        sums, parts = ranks.stratum(rows[name], member[:, 1])
        # A person adds at most half of a rank's share to the statistic; the variance is under n / 48.
        bounds, own = np.array([0.5, 1.0]), stratum_people(rows[name], member)
        out[f"{name}.strata"] = joint(sums, bounds, behind, spread_of(parts[:, None]), own)
    return out


FEW_VALUES = 8
"""Values at a hospital, up to which the sums hold about as many digits as its table of values by group."""


def stratum_people(x: Floats, member: NDArray[np.bool_]) -> Counts:
    """The hospital's own groups that van Elteren's sums can give away: member (n, 2) are the groups compared.

    How many people each group has, and of few values how many of each group have each; of many, how many people do not
    have the commonest, which weighs most in the correction for ties.
    """
    groups = own_table(member.sum(axis=0))
    values, at, ties = np.unique(x, return_inverse=True, return_counts=True)
    if 1 < len(values) <= FEW_VALUES:
        table = [np.bincount(at[one], minlength=len(values)) for one in member.T]
        return np.concatenate([groups, own_table(table)])
    return np.append(groups, len(x) - ties.max(initial=0))


class Options(BaseModel):
    """What a study file may say of rank tests. People who lack the group or one of the variables are left out."""

    model_config = ConfigDict(extra="forbid")

    variables: list[str]
    """The measurements: of type number or integer."""
    by: str = ""
    """The variable whose levels are compared: two by Mann and Whitney's test, more by Kruskal and Wallis'."""
    beside: str = ""
    """A measurement with which each of the variables is correlated (Spearman)."""
    stratified: bool = False
    """Also compare two groups within hospitals (van Elteren).

    Each hospital must then have enough people in both groups, and of a variable of few values in each value's too."""
    continuity: bool = True
    """The continuity correction of Mann and Whitney's test."""
    adjust: Adjustment = "none"
    """Adjust the p values of the variables' tests between groups for their number."""


@dataclass(frozen=True)
class Method:
    """The rank tests of a study's analysis."""

    options: Options
    study: Study

    name: ClassVar[str] = "rank_tests"
    lossless: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault names everything that does not fit."""
        options = Options(**analysis.options)
        check_none(list(_faults(options, analysis, study)))
        return cls(options, study)

    @property
    def complete(self) -> frozenset[str]:
        """All variables that it names."""
        return frozenset([*self.options.variables, *filter(None, [self.options.by, self.options.beside])])

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def _asked(self, by: str) -> Asked:
        beside = [self.options.beside] if self.options.beside and not by else []
        return Asked(present, value_bins, self.study, by, tuple([*self.options.variables, *beside]))

    def sends(self) -> tuple[Sends, ...]:
        """Cells of everyone and by group; products of ranks; strata."""
        bys = dict.fromkeys(["", self.options.by])
        sends = [one for by in bys for one in self._asked(by).sends()]
        many = len(self.options.variables)
        sends += [Sends("rank_tests.products", many + 1, 1)] if self.options.beside else []
        sends += [Sends("rank_tests.strata", ranks.STRATUM * many + 1, 1)] if self.options.stratified else []
        return tuple(sends)

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Cells of everyone, cells of groups, products, strata; then the tests."""
        asked = self._asked("")
        first, people = yield from asked.begin()
        values = asked.everyone(people)
        for one in values.values():
            one.width, one.enough = 0.0, float(one.people.sum()) / FINE
        rounds = 1 + (yield from asked.descend(values))
        if not any(one.opened for one in values.values()):
            raise Stopped(Finding("values_too_few", values={"expected": self.study.release.minimum_people}))
        tests: list[Ranked] = []
        if self.options.by:
            tests, more = yield from self._compare(asked, values)
            rounds += more
        inside: list[Ranked] | Kept = tests
        if self.options.stratified:
            inside = yield from unless_withheld(self._strata(tests))
            tests = tests if isinstance(inside, Kept) else inside
            rounds += 1
        # Where groups are compared, correlations are told beside; else they are all that is asked for.
        correlate = self._correlate(values)
        part = yield from (unless_withheld(correlate) if self.options.by else correlate)
        correlations = [] if isinstance(part, Kept) else part
        told = Told(self.study, self.options.by, self.options.beside, self.options.adjust, self.options.continuity)
        people_there = int(first["people"][0])
        result = told.result(tests, correlations, people_there, first.sites, rounds + bool(correlations))
        return lacking(lacking(result, "strata", inside), "correlations", part)

    def _strata(self, tests: Sequence[Ranked]) -> Generator[Ask, Pooled, list[Ranked]]:
        """The tests, with those within hospitals."""
        named = {"variables": list(self.options.variables), "by": self.options.by}
        pooled = yield Ask(strata, named, doing="comparing")
        return [one.within(ranks.van_elteren(pooled[f"{one.name}.strata"])) for one in tests]

    def _compare(self, asked: Asked, values: Mapping[str, Values]) -> Generator[Ask, Pooled, tuple[list[Ranked], int]]:
        """Counts by group in every cell that can be opened, and the tests."""
        by_group = self._asked(self.options.by)
        _, people = yield from by_group.begin()
        parts = {name: Grouped.under(values[name], one) for name, one in people.items() if name in values}
        for part in parts.values():
            part.width = 0.0
        rounds = 1 + (yield from descend_by_group(by_group, parts, asked))
        return [self._test(name, parts.get(name)) for name in self.options.variables], rounds

    def _test(self, name: str, part: Grouped | None) -> Ranked:
        kind = "mann_whitney" if levels_of(self.study.variables[self.options.by]) == 2 else "kruskal_wallis"
        if part is None or not part.opened:
            return Ranked(name, kind)
        table, single = part.counts, part.single
        cells, exact = int((table.sum(axis=1) > 0).sum()), bool(single[table.sum(axis=1) > 0].all())
        if kind == "kruskal_wallis":
            return Ranked(name, kind, ranks.kruskal_wallis(table), None, cells, exact)
        test, superiority = ranks.mann_whitney(table, self.options.continuity, single)
        return Ranked(name, kind, test, superiority, cells, exact)

    def _correlate(self, values: Mapping[str, Values]) -> Generator[Ask, Pooled, list[Correlated]]:
        """Spearman's correlations with the variable beside."""
        beside = self.options.beside
        if not beside:
            return []
        open_ones = [one for one in (*self.options.variables, beside) if one in values and values[one].opened]
        names = open_ones[:-1] if beside in open_ones else []
        found: dict[str, Correlated] = {}
        if names:
            cells = np.concatenate([_cells(number, values[name]) for number, name in enumerate([*names, beside])])
            pooled = yield Ask(products, {"variables": names, "beside": beside, "cells": cells}, doing="comparing")
            for name in names:
                x, y = (values[one].counts[:, 0] for one in (name, beside))
                total = float(pooled[f"{name}.products"][0])
                if not np.isnan(total):
                    rho, test = ranks.spearman(total, x[x > 0], y[y > 0])
                    exact = bool(values[name].single[x > 0].all() and values[beside].single[y > 0].all())
                    found[name] = Correlated(name, rho, test, exact)
        return [found.get(name, Correlated(name)) for name in self.options.variables]


FINE = 1000
"""Cells with fewer than a thousandth of the people, and at least twice the minimum, are divided no further."""


def _cells(number: int, values: Values) -> Floats:
    """(number, lower end, centred midrank) of a variable's cells with people."""
    counts = values.counts[:, 0]
    filled = counts > 0
    low = np.array([leaf.low for leaf in values.leaves])[filled]
    rank = ranks.midranks(counts[filled]) - (counts.sum() + 1) / 2
    return np.column_stack([np.full(len(low), float(number)), low, rank])


def _faults(options: Options, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """All that does not fit together."""
    known = ", ".join(study.variables)
    named = (("variables", options.variables), ("by", [options.by]), ("beside", [options.beside]))
    for option, names in named:
        for name in dict.fromkeys(one for one in names if one and one not in study.variables):
            yield Finding("describe_unknown", place=analysis.place(option), values={"found": name, "expected": known})
    if options.by in study.variables and not levels_of(study.variables[options.by]):
        values = {"found": options.by, "expected": "boolean, category"}
        yield Finding("describe_by", place=analysis.place("by"), values=values)
    if not options.variables or options.beside in options.variables or not (options.by or options.beside):
        found = f"variables: {', '.join(options.variables)}; by: {options.by}; beside: {options.beside}"
        yield Finding("rank_nothing", place=analysis.place("variables"), values={"found": found})
    yield from value_faults(analysis, study, [*options.variables, *filter(None, [options.beside])])
    groups = levels_of(study.variables[options.by]) if options.by in study.variables else 0
    if options.stratified and groups != 2:
        values = {"found": "stratified", "expected": "2"}
        yield Finding("rank_stratified", place=analysis.place("stratified"), values=values)
