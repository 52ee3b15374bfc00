"""How rank tests are told: tests between groups, within hospitals, and rank correlations, each with its cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gagyo.methods._groups import level_label
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Estimate, Interval, Result, Table, Withheld, Words
from gagyo.statistics.comparisons import Test
from gagyo.statistics.multiplicity import Adjustment, adjusted
from gagyo.statistics.ranks import Superiority
from gagyo.text import Text, join


@dataclass(frozen=True)
class Ranked:
    """A variable's test between groups, None where its cells were withheld; exact: every cell holds one value."""

    name: str
    kind: str
    test: Test | None = None
    superiority: Superiority | None = None
    cells: int = 0
    exact: bool = False
    inside: Test | None = None

    def within(self, test: Test) -> Ranked:
        """With the test within hospitals."""
        return replace(self, inside=test)


@dataclass(frozen=True)
class Correlated:
    """A variable's rank correlation with the one beside it; None where it was withheld."""

    name: str
    rho: float | None = None
    test: Test | None = None
    exact: bool = False


@dataclass(frozen=True)
class Told:
    """What a study asks to be told of rank tests."""

    study: Study
    by: str
    beside: str
    adjust: Adjustment
    continuity: bool

    def result(
        self,
        tests: Sequence[Ranked],
        correlations: Sequence[Correlated],
        people: int,
        sites: tuple[str, ...],
        rounds: int,
    ) -> Result:
        """The result, p values adjusted over the variables."""
        p = adjusted(np.array([one.test.p if one.test else np.nan for one in tests]), self.adjust)
        tables = [self._tests(tests, p)] if tests else []
        tables += [self._within(tests)] if any(one.inside for one in tests) else []
        tables += [self._correlations(correlations, people)] if correlations else []
        return Result(
            method="rank_tests",
            lossless=all(one.exact for one in tests) and all(one.exact for one in correlations),
            people=people,
            sites=sites,
            rounds=rounds,
            estimates=(*self._estimates(tests, p), *self._correlated(correlations)),
            tables=tuple(tables),
            methods_text=tuple(self._texts(tests, correlations)),
        )

    def _label(self, name: str) -> Words:
        return Words(text=self.study.variables[name].label)

    def _estimates(self, tests: Sequence[Ranked], p: Floats) -> Iterator[Estimate]:
        for one, value in zip(tests, p, strict=True):
            label = self._label(one.name)
            yield _estimate(f"{one.name}.statistic", label, one.test)
            if self.adjust != "none":
                yield Estimate(f"{one.name}.p_adjusted", label, _known(value))
            if one.superiority:
                name = f"{one.name}.superiority"
                yield Estimate(name, label, one.superiority.value)
                yield Estimate(f"{name}.least", label, one.superiority.lower)
                yield Estimate(f"{name}.most", label, one.superiority.upper)
            if one.inside:
                yield _estimate(f"{one.name}.van_elteren", label, one.inside)

    def _correlated(self, correlations: Sequence[Correlated]) -> Iterator[Estimate]:
        for one in correlations:
            p = one.test.p if one.test else float("nan")
            rho = float("nan") if one.rho is None else one.rho
            yield Estimate(f"{one.name}.spearman", self._label(one.name), _known(rho), p=_known(p))

    def _tests(self, tests: Sequence[Ranked], p: Floats) -> Table:
        two = tests[0].kind == "mann_whitney"
        columns = [
            Column("variable", Words("describe.variable"), "text"),
            Column("test", Words("compare.test"), "text"),
            Column("statistic", Words("compare.statistic"), "number", 1 if two else 3),
        ]
        columns += [] if two else [Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "count")]
        columns.append(Column("p", Words("regression.p"), "p"))
        columns += [] if self.adjust == "none" else [Column("p_adjusted", Words(f"compare.p_{self.adjust}"), "p")]
        columns += [Column("superiority", Words("ranks.superiority"), "interval", 3)] if two else []
        columns.append(Column("cells", Words("ranks.cells"), "text"))
        rows = tuple(self._row(one, float(value), two) for one, value in zip(tests, p, strict=True))
        notes = (*([self._direction()] if two else []), Words("ranks.note"))
        return Table("rank_tests", Words("ranks.title"), tuple(columns), rows, notes=notes)

    def _row(self, one: Ranked, p: float, two: bool) -> tuple[Cell, ...]:
        head: list[Cell] = [self._label(one.name), Words(f"ranks.{one.kind}")]
        if one.test is None or np.isnan(one.test.p):
            head += [Withheld("withheld" if one.test is None else "not_estimable"), *([] if two else [None]), None]
        else:
            head += [one.test.statistic, *([] if two else [int(one.test.freedom)]), one.test.p]
        head += [] if self.adjust == "none" else [_known(p)]
        shown = one.superiority
        head += [Interval(shown.value, shown.lower, shown.upper) if shown else None] if two else []
        key = "ranks.exact" if one.exact else "ranks.counted"
        return (*head, Words(key, {"cells": one.cells}) if one.cells else None)

    def _direction(self) -> Words:
        variable = self.study.variables[self.by]
        first, second = (level_label(variable, level) for level in range(2))
        return Words(text=join(" > ", second, first))

    def _within(self, tests: Sequence[Ranked]) -> Table:
        columns = (
            Column("variable", Words("describe.variable"), "text"),
            Column("chi_square", Words("survival.chi_square"), "number", 3),
            Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "count"),
            Column("p", Words("regression.p"), "p"),
        )
        rows = tuple((self._label(one.name), *_cells(one.inside)) for one in tests)
        return Table("rank_strata", Words("ranks.strata"), columns, rows)

    def _correlations(self, correlations: Sequence[Correlated], people: int) -> Table:
        columns = (
            Column("variable", Words("describe.variable"), "text"),
            Column("people", Words("describe.people"), "count"),
            Column("rho", Words("ranks.rho"), "number", 3),
            Column("p", Words("regression.p"), "p"),
            Column("values", Words("ranks.cells"), "text"),
        )
        rows = tuple(self._correlation(one, people) for one in correlations)
        title = Words(text=join(": ", CORRELATIONS, self.study.variables[self.beside].label))
        return Table("rank_correlations", title, columns, rows, notes=(Words("ranks.note"),))

    def _correlation(self, one: Correlated, people: int) -> tuple[Cell, ...]:
        head = (self._label(one.name), people)
        if one.rho is None or one.test is None:
            return (*head, Withheld("withheld"), None, None)
        if np.isnan(one.rho):
            return (*head, Withheld("not_estimable"), None, None)
        return (*head, one.rho, one.test.p, Words("ranks.values" if one.exact else "ranks.rounded"))

    def _texts(self, tests: Sequence[Ranked], correlations: Sequence[Correlated]) -> Iterator[Words]:
        yield Words("ranks.text")
        yield from (Words(f"ranks.text_{kind}") for kind in dict.fromkeys(one.kind for one in tests))
        if any(one.kind == "mann_whitney" for one in tests):
            yield Words("ranks.text_corrected" if self.continuity else "ranks.text_uncorrected")
        if any(one.inside for one in tests):
            yield Words("ranks.text_strata")
        if correlations:
            yield Words("ranks.text_correlations")
        if self.adjust != "none" and tests:
            yield Words(f"compare.text_{self.adjust}")


CORRELATIONS = Text("Spearman's rank correlation", "스피어만 순위상관", "Spearman秩相关")


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _estimate(name: str, label: Words, test: Test | None) -> Estimate:
    return Estimate(name, label, _known(test.statistic) if test else None, p=_known(test.p) if test else None)


def _cells(test: Test | None) -> tuple[Cell, ...]:
    if test is None or np.isnan(test.p):
        return (Withheld("not_estimable" if test else "withheld"), None, None)
    return (test.statistic, int(test.freedom), test.p)
