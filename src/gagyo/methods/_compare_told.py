"""How comparisons of groups are told: a test a variable, effects between two groups, trends, strata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gagyo.methods._groups import level_label
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Estimate, Interval, Result, Table, Withheld, Words
from gagyo.statistics.comparisons import Effect, Test
from gagyo.statistics.multiplicity import Adjustment, adjusted
from gagyo.text import LANGUAGES, Text, translate

EFFECTS = ("difference", "risk_difference", "risk_ratio", "odds_ratio", "conditional_odds_ratio")


@dataclass(frozen=True)
class Compared:
    """What was found of one variable; `test` is None where its numbers were withheld."""

    name: str
    kind: str
    test: Test | None = None
    effects: Mapping[str, Effect] = field(default_factory=dict)
    trend: Test | None = None
    within: tuple[Test, Effect | None] | None = None
    alike: Test | None = None
    sparse: bool = False

    def also(self, **more: Any) -> Compared:
        """With more that was found."""
        return replace(self, **more)


@dataclass(frozen=True)
class Told:
    """What a study asks to be told of a comparison."""

    study: Study
    by: str
    adjust: Adjustment
    continuity: bool

    def result(self, found: Sequence[Compared], people: Floats, sites: tuple[str, ...], rounds: int) -> Result:
        """The result, p values adjusted over the variables."""
        p = adjusted(np.array([one.test.p if one.test else np.nan for one in found]), self.adjust)
        tables = (self._tests(found, p), *self._effects(found), *self._trends(found), *self._strata(found))
        return Result(
            method="compare",
            lossless=True,
            people=int(people.sum()),
            sites=sites,
            rounds=rounds,
            estimates=tuple(one for pair in zip(found, p, strict=True) for one in self._estimates(*pair)),
            tables=tables,
            notes=self._notes(found),
            methods_text=tuple(self._texts(found)),
        )

    def _label(self, one: Compared) -> Words:
        return Words(text=self.study.variables[one.name].label)

    def _estimates(self, one: Compared, p: float) -> Iterator[Estimate]:
        """Every number at full precision, for programs."""
        label = self._label(one)
        yield _statistic(f"{one.name}.statistic", label, one.test)
        if self.adjust != "none":
            yield Estimate(f"{one.name}.p_adjusted", label, None if np.isnan(p) else float(p))
        for name, effect in one.effects.items():
            yield Estimate(f"{one.name}.{name}", label, effect.value, effect.standard_error, effect.lower, effect.upper)
        if one.trend:
            yield _statistic(f"{one.name}.trend", label, one.trend)
        if one.within:
            test, odds = one.within
            yield _statistic(f"{one.name}.mantel_haenszel_chi_square", label, test)
            if odds:
                name = f"{one.name}.mantel_haenszel"
                yield Estimate(name, label, odds.value, odds.standard_error, odds.lower, odds.upper, _known(test.p))
        if one.alike:
            yield _statistic(f"{one.name}.breslow_day", label, one.alike)

    def _tests(self, found: Sequence[Compared], p: Floats) -> Table:
        """The tests; denominator degrees of freedom only where a test has them."""
        below = any(one.test and one.test.below is not None for one in found)
        columns = [
            Column("variable", Words("describe.variable"), "text"),
            Column("test", Words("compare.test"), "text"),
            Column("statistic", Words("compare.statistic"), "number", 3),
            Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "interval", 1),
            *([Column("below", Words("compare.below"), "interval", 1)] if below else []),
            Column("p", Words("regression.p"), "p"),
        ]
        if self.adjust != "none":
            columns.append(Column("p_adjusted", Words(f"compare.p_{self.adjust}"), "p"))
        rows = tuple(self._test_row(*pair, below) for pair in zip(found, p, strict=True))
        return Table("group_tests", Words("compare.tests"), tuple(columns), rows)

    def _test_row(self, one: Compared, p: float, below: bool) -> tuple[Cell, ...]:
        head: tuple[Cell, ...] = (self._label(one), Words(f"compare.{one.kind}"))
        tail: tuple[Cell, ...] = () if self.adjust == "none" else (_known(p),)
        nothing = (None,) * below
        if one.test is None:
            return (*head, Withheld("withheld"), None, *nothing, None, *tail)
        if np.isnan(one.test.p):
            return (*head, Withheld("not_estimable"), None, *nothing, None, *tail)
        if one.kind in ("fisher", "mcnemar_exact"):
            return (*head, None, None, *nothing, one.test.p, *tail)
        second = (_freedom(one.test.below),) if below else ()
        return (*head, one.test.statistic, _freedom(one.test.freedom), *second, one.test.p, *tail)

    def _effects(self, found: Sequence[Compared]) -> Iterator[Table]:
        """Of two groups, the second against the first."""
        there = [name for name in EFFECTS if any(name in one.effects for one in found)]
        if not there:
            return
        columns = [Column("variable", Words("describe.variable"), "text")]
        columns += [Column(name, Words(f"compare.{name}"), "interval", 3) for name in there]
        rows = tuple(
            (self._label(one), *(_interval(one.effects.get(name)) for name in there)) for one in found if one.effects
        )
        yield Table("group_effects", Words("compare.effects"), tuple(columns), rows, notes=(self._direction(),))

    def _direction(self) -> Words:
        variable = self.study.variables[self.by]
        first, second = (level_label(variable, level) for level in range(2))
        told = (translate("compare.direction", one, first=first, second=second) for one in LANGUAGES)
        return Words(text=Text(*told))

    def _trends(self, found: Sequence[Compared]) -> Iterator[Table]:
        rows = tuple((self._label(one), *_test_cells(one.trend)) for one in found if one.trend)
        if rows:
            columns = (Column("variable", Words("describe.variable"), "text"), *TEST_COLUMNS)
            yield Table("group_trend", Words("compare.trend"), columns, rows)

    def _strata(self, found: Sequence[Compared]) -> Iterator[Table]:
        """Within hospitals."""
        columns = (
            Column("variable", Words("describe.variable"), "text"),
            Column("odds_ratio", Words("compare.odds_ratio"), "interval", 3),
            *TEST_COLUMNS,
            *([Column("homogeneity", Words("compare.homogeneity"), "p")] if any(one.alike for one in found) else []),
        )
        rows = tuple(
            (self._label(one), _interval(one.within[1]), *_test_cells(one.within[0]), *self._alike(one, found))
            for one in found
            if one.within
        )
        if rows:
            yield Table("group_strata", Words("compare.strata"), columns, rows, notes=(self._direction(),))

    def _alike(self, one: Compared, found: Sequence[Compared]) -> tuple[Cell, ...]:
        """The p value of one odds ratio in all hospitals, where it is a column."""
        if not any(other.alike for other in found):
            return ()
        return (_known(one.alike.p) if one.alike else None,)

    def _notes(self, found: Sequence[Compared]) -> tuple[Words, ...]:
        names = ", ".join(one.name for one in found if one.sparse)
        return (Words("compare.sparse", {"found": names}),) if names else ()

    def _texts(self, found: Sequence[Compared]) -> Iterator[Words]:
        yield Words("compare.text")
        yield from (Words(f"compare.text_{kind}") for kind in dict.fromkeys(one.kind for one in found))
        if any(one.effects for one in found):
            yield Words("compare.text_effects")
        if any(one.trend for one in found):
            yield Words("compare.text_trend")
        if any(one.within for one in found):
            yield Words("compare.text_strata")
            yield Words("compare.text_strata_corrected" if self.continuity else "compare.text_strata_plain")
        if any(one.alike for one in found):
            yield Words("compare.text_homogeneity")
        if self.adjust != "none":
            yield Words(f"compare.text_{self.adjust}")


TEST_COLUMNS = (
    Column("chi_square", Words("survival.chi_square"), "number", 3),
    Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "count"),
    Column("p", Words("regression.p"), "p"),
)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _freedom(value: float | None) -> int | float | None:
    """Degrees of freedom; those of counts are whole, and are shown so beside Welch's, which are not."""
    return value if value is None or not float(value).is_integer() else int(value)


def _statistic(name: str, label: Words, test: Test | None) -> Estimate:
    return Estimate(name, label, _known(test.statistic) if test else None, p=_known(test.p) if test else None)


def _test_cells(test: Test | None) -> tuple[Cell, ...]:
    if test is None or np.isnan(test.p):
        return (Withheld("not_estimable"), None, None)
    return (test.statistic, int(test.freedom), test.p)


def _interval(effect: Effect | None) -> Cell:
    return None if effect is None else Interval(effect.value, effect.lower, effect.upper)
