"""Comparisons of groups, from pooled counts, means and squares (lossless): chi-square, t, analysis of variance, trend.

Two rounds as in `describe`: counts and sums, then squares about the pooled mean of each group (Chan, Golub & LeVeque
1983, Am Stat 37:242); one more for Mantel and Haenszel's (1959) odds ratio with the hospitals as strata, whose terms
are summed over the hospitals, and one for Breslow and Day's test that it is the same in all. These sums can be taken
apart into each hospital's table, so that every cell of it must hold enough people. Fisher's and McNemar's tests need no
more than the counts. Tests, effects and their papers: `gagyo.statistics.comparisons`; adjustment for
several variables: `gagyo.statistics.multiplicity`. Reference: R `chisq.test`, `t.test`, `oneway.test`,
`prop.trend.test`, `mantelhaen.test`, `fisher.test`, `mcnemar.test`, `p.adjust`; metafor `rma.mh`; statsmodels
`Table2x2`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.dispensable import Kept, unless_withheld
from gagyo.federation.local import Name, Names, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods._compare_told import Compared, Told
from gagyo.methods._groups import membership, sums
from gagyo.methods._groups import squares as about
from gagyo.methods._kept import lacking
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.variables import levels_of
from gagyo.release.aggregate import Aggregate, Floats, Measure, Spread, cells, crossed, joint, own_table, spread_of
from gagyo.result import Result
from gagyo.statistics import comparisons
from gagyo.statistics.multiplicity import Adjustment


@local(variables=Names(), by=Name())
def counts(rows: Rows, variables: list[str], by: str) -> Aggregate:
    """By group: people; of each category its levels, of each measurement the sum."""
    member = membership(rows, by)
    out = {"people": cells(member.sum(axis=0)[None, :], rows.n)}
    for name in variables:
        variable = rows.variables[name]
        levels = levels_of(variable)
        if levels:
            table = (rows[name][:, None] == np.arange(levels)).T.astype(np.float64) @ member
            out[f"{name}.cells"] = cells(np.rint(table).astype(np.int64), rows.n)
        else:
            out[f"{name}.sum"] = sums(rows[name], member == 1, variable)
    return out


@local(variables=Names(), by=Name(), centres=Numbers((None, None), -1e12, 1e12))
def squares(rows: Rows, variables: list[str], by: str, centres: Floats) -> Aggregate:
    """For each measurement and group, the sum of squares about the group's mean: centres (variables, groups)."""
    among = membership(rows, by) == 1
    pairs = zip(variables, centres, strict=True)
    return {f"{name}.squares": about(rows[name], among, centre, rows.variables[name]) for name, centre in pairs}


@local(variables=Names(), by=Name())
def strata(rows: Rows, variables: list[str], by: str) -> Aggregate:
    """What the hospital, as a stratum, adds to Mantel and Haenszel's sums of each yes/no variable (8 each)."""
    member = membership(rows, by)
    out = {}
    for name in variables:
        table, behind, spread = _stratum(rows, name, member)
        out[f"{name}.strata"] = joint(comparisons.stratum(table), 1.0, behind, spread, own_table(table))
    return out


@local(variables=Names(), by=Name(), odds=Numbers((None,), 0, 1e6))
def homogeneity(rows: Rows, variables: list[str], by: str, odds: Floats) -> Aggregate:
    """What the hospital, as a stratum, adds to the test of one odds ratio (of each variable) in all hospitals."""
    member = membership(rows, by)
    out = {}
    for name, one in zip(variables, odds, strict=True):
        table, behind, spread = _stratum(rows, name, member)
        # A scale alone: departures are of the order of the people, and the ring holds far more.
        departure = comparisons.departure(table, float(one))
        out[f"{name}.homogeneity"] = joint(departure, 4.0, behind, spread, own_table(table))
    return out


def _stratum(rows: Rows, name: str, member: Floats) -> tuple[Floats, Measure, Spread]:
    """A yes/no variable's table by group, the cells behind it, and how people weigh in its association.

    The table is also what the hospital is ruled on by itself: fractions over its own number of people come apart again.
    """
    # Levels of one variable, and the only two: nobody has both, nobody has neither.
    apart = np.array([[False, False, False], [False, False, True], [False, True, False]])
    y = rows[name]
    table = np.array([[float(((y == level) & (group == 1)).sum()) for group in member.T] for level in (0, 1)])
    behind = crossed(np.column_stack([y, member]), apart, None, apart)
    together = (y - y.mean()) * (member[:, 1] - member[:, 1].mean()) if rows.n else np.zeros(0)
    return table, behind, spread_of(together[:, None])


class Options(BaseModel):
    """What a study file may say of a comparison. People who lack the group or one of the variables are left out."""

    model_config = ConfigDict(extra="forbid")

    variables: list[str]
    """What is compared: means of measurements, counts of categories."""
    by: str
    """The variable whose levels are the groups."""
    equal_variances: bool = False
    """Student's t and classical analysis of variance instead of Welch's."""
    continuity: bool = True
    """Yates' correction in tables of two by two, and Mantel and Haenszel's."""
    trend: bool = False
    """Also test yes/no variables for a trend over the groups in their order (Cochran and Armitage)."""
    stratified: bool = False
    """Also compare yes/no variables within hospitals (Mantel and Haenszel), for two groups.

    Every cell of every hospital's table must then hold enough people."""
    homogeneity: bool = False
    """With `stratified`, also test whether the odds ratio is the same in all hospitals (Breslow and Day, Tarone)."""
    exact: bool = False
    """Fisher's exact test of yes/no variables between two groups, instead of the chi-square test; with `paired`,
    McNemar's exact test."""
    paired: bool = False
    """The groups' variable is a yes/no variable of the same people, such as before treatment (McNemar)."""
    adjust: Adjustment = "none"
    """Adjust the p values of the variables' tests for their number."""


@dataclass(frozen=True)
class Method:
    """A comparison of a study's analysis."""

    options: Options
    study: Study

    name: ClassVar[str] = "compare"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault names every variable and option that does not fit."""
        options = Options(**analysis.options)
        check_none(list(_faults(options, analysis, study)))
        return cls(options, study)

    @property
    def complete(self) -> frozenset[str]:
        """The groups and all variables."""
        return frozenset([self.options.by, *self.options.variables])

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return levels_of(self.study.variables[self.options.by])

    def _of(self, levels: bool) -> list[str]:
        """Categories, or measurements."""
        return [one for one in self.options.variables if bool(levels_of(self.study.variables[one])) == levels]

    @property
    def yes_no(self) -> list[str]:
        """The yes/no variables."""
        return [one for one in self.options.variables if self.study.variables[one].type == "boolean"]

    def sends(self) -> tuple[Sends, ...]:
        """Counts and sums, then squares; for stratified comparisons eight sums a variable."""
        numbers = len(self._of(levels=False))
        rows = 1 + numbers + sum(levels_of(self.study.variables[one]) for one in self._of(levels=True))
        sends = [Sends("compare.counts", rows * self.groups, 1)]
        sends += [Sends("compare.squares", numbers * self.groups, 1)] if numbers else []
        if self.options.stratified:
            sends.append(Sends("compare.strata", comparisons.STRATUM * len(self.yes_no), 1))
        if self.options.homogeneity:
            sends.append(Sends("compare.homogeneity", comparisons.HOMOGENEITY * len(self.yes_no), 1))
        return tuple(sends)

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Counts and sums, squares, strata; then the tests."""
        named = {"variables": list(self.options.variables), "by": self.options.by}
        first = yield Ask(counts, named, doing="comparing")
        people = first["people"][0]
        if np.isnan(people).any():
            raise Stopped(Finding("withheld_fit"))
        tables = {name: first[f"{name}.cells"] for name in self._of(levels=True)}
        moments = yield from self._moments(first, people)
        inside = (yield from unless_withheld(self._strata())) if self.options.stratified else {}
        within = {} if isinstance(inside, Kept) else inside
        odds = (yield from unless_withheld(self._homogeneity(within))) if self.options.homogeneity else {}
        alike = {} if isinstance(odds, Kept) else odds
        rounds = 1 + bool(moments) + bool(within) + bool(alike)
        told = Told(self.study, self.options.by, self.options.adjust, self.options.continuity)
        found = [self._compared(name, people, tables, moments, within) for name in self.options.variables]
        found = [
            one.also(alike=comparisons.breslow_day(alike[one.name])) if one.name in alike else one for one in found
        ]
        result = lacking(told.result(found, people, first.sites, rounds), "strata", inside)
        return lacking(result, "homogeneity", odds)

    def _strata(self) -> Generator[Ask, Pooled, dict[str, Floats]]:
        """The sums over tables within hospitals."""
        pooled = yield Ask(strata, {"variables": self.yes_no, "by": self.options.by}, doing="comparing")
        return {name: pooled[f"{name}.strata"] for name in self.yes_no}

    def _homogeneity(self, within: Mapping[str, Floats]) -> Generator[Ask, Pooled, dict[str, Floats]]:
        """The sums of the test of one odds ratio in all hospitals, of the variables that have one."""
        odds = {name: effect.value for name, sums in within.items() if (effect := _common(sums)) is not None}
        if not odds:
            return {}
        named = {"variables": list(odds), "by": self.options.by, "odds": np.array(list(odds.values()))}
        pooled = yield Ask(homogeneity, named, doing="comparing")
        return {name: pooled[f"{name}.homogeneity"] for name in odds if pooled.whole(f"{name}.homogeneity")}

    def _moments(self, first: Pooled, people: Floats) -> Generator[Ask, Pooled, dict[str, tuple[Floats, Floats]]]:
        """Mean and variance (groups,) of each measurement."""
        names = self._of(levels=False)
        if not names:
            return {}
        with np.errstate(invalid="ignore", divide="ignore"):
            means = {name: first[f"{name}.sum"] / people for name in names}
        centres = np.array([np.nan_to_num(means[name]) for name in names])
        second = yield Ask(squares, {"variables": names, "by": self.options.by, "centres": centres}, doing="comparing")
        with np.errstate(invalid="ignore", divide="ignore"):
            return {name: (means[name], second[f"{name}.squares"] / (people - 1)) for name in names}

    def _compared(
        self,
        name: str,
        people: Floats,
        tables: Mapping[str, Floats],
        moments: Mapping[str, tuple[Floats, Floats]],
        within: Mapping[str, Floats],
    ) -> Compared:
        one = self.options
        if name in moments:
            return _means(name, people, *moments[name], one.equal_variances)
        table = tables[name]
        if np.isnan(table).any():
            return Compared(name, "chi_square")
        yes_no = name in self.yes_no
        if yes_no and one.paired:
            if one.exact:
                return Compared(name, "mcnemar_exact", comparisons.mcnemar_exact(table))
            kind = "mcnemar_corrected" if one.continuity else "mcnemar"
            return Compared(name, kind, comparisons.mcnemar(table, one.continuity))
        test, expected = comparisons.chi_square(table, one.continuity)
        corrected = one.continuity and expected.shape == (2, 2)
        found = Compared(name, "chi_square_yates" if corrected else "chi_square", test, sparse=_sparse(expected))
        if yes_no and self.groups == 2 and np.all(people > 0):
            found = found.also(effects=comparisons.two_by_two(table))
        if yes_no and one.exact:
            exact, conditional = comparisons.fisher(table)
            found = found.also(kind="fisher", test=exact, sparse=False)
            if conditional:
                found = found.also(effects={**found.effects, "conditional_odds_ratio": conditional})
        if yes_no and one.trend:
            found = found.also(trend=comparisons.trend(table[1], people))
        if name in within and not np.isnan(within[name]).any():
            found = found.also(within=comparisons.mantel_haenszel(within[name], one.continuity))
        return found


def _common(sums: Floats) -> comparisons.Effect | None:
    """The common odds ratio of sums over strata, None where there is none."""
    return None if np.isnan(sums).any() else comparisons.mantel_haenszel(sums, correct=False)[1]


def _sparse(expected: Floats) -> bool:
    """Cochran's rule (1954): more than a fifth of the expected counts are under 5, or one under 1."""
    return bool((expected < 5).mean() > 0.2 or (expected < 1).any())


def _means(name: str, people: Floats, mean: Floats, variance: Floats, equal: bool) -> Compared:
    there = people > 1
    kind = ("student" if equal else "welch") if len(people) == 2 else ("anova" if equal else "welch_anova")
    if (
        np.isnan(mean).any()
        or np.isnan(variance[there]).any()
        or there.sum() < 2
        or (len(people) == 2 and not all(there))
    ):
        return Compared(name, kind)
    if len(people) == 2:
        test, effect = comparisons.t_test(people, mean, variance, equal)
        return Compared(name, kind, test, {"difference": effect})
    return Compared(name, kind, comparisons.one_way(people[there], mean[there], variance[there], equal))


def _faults(options: Options, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """All that does not fit together."""
    names, known = [*options.variables, options.by], ", ".join(study.variables)
    for name in dict.fromkeys(one for one in names if one not in study.variables):
        yield Finding("compare_unknown", place=analysis.place("variables"), values={"found": name, "expected": known})
    if not options.variables or options.by in options.variables:
        place = analysis.place("variables")
        yield Finding("compare_variables", place=place, values={"found": ", ".join(options.variables)})
    if options.by not in study.variables:
        return
    groups = levels_of(study.variables[options.by])
    if not groups:
        values = {"found": options.by, "expected": "boolean, category"}
        yield Finding("compare_by", place=analysis.place("by"), values=values)
    yes_no = any(study.variables[one].type == "boolean" for one in options.variables if one in study.variables)
    for option, asked, fits in (
        ("trend", options.trend, groups > 2 and yes_no),
        ("stratified", options.stratified, groups == 2 and yes_no),
        ("homogeneity", options.homogeneity, options.stratified and groups == 2 and yes_no),
        ("exact", options.exact, groups == 2 and yes_no),
        ("paired", options.paired, study.variables[options.by].type == "boolean" and yes_no),
    ):
        if asked and not fits:
            values = {"found": option, "expected": "3, 4, …" if option == "trend" else "2"}
            yield Finding("compare_option", place=analysis.place(option), values=values)
