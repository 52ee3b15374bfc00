"""Table 1: numbers, means and standard deviations, categories and missing values, over all and by group (lossless).

Two rounds: counts and sums, then squares about the pooled mean of each group, since a one-pass sum of squares cancels
(Chan, Golub & LeVeque 1983, Am Stat 37:242). Standardised mean differences: |m1 - m2| / sqrt((s1^2 + s2^2) / 2) (Austin
2009, Stat Med 28:3083); for categories the multivariate form of Yang & Dalton (2012, SAS Global Forum 335). Medians
and quartiles, where asked for, are those of the method `quantiles`: estimates within cells, not lossless.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from gagyo.errors import FileFault, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.dispensable import Kept, unless_withheld
from gagyo.federation.local import Name, Names, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods._groups import level_label, membership, sums
from gagyo.methods._groups import squares as about
from gagyo.methods._kept import lacking
from gagyo.methods._labels import with_unit
from gagyo.methods._quantiles_grown import Group, Grown, grow
from gagyo.methods._quantiles_told import Told, median_of
from gagyo.methods._values import MEASURED, Asked, bins_step, present_step, value_faults
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.variables import Variable, levels_of
from gagyo.release.aggregate import Aggregate, Floats, cells
from gagyo.result import Cell, Column, Estimate, Result, Table, Withheld, Words

present = present_step("describe")
value_bins = bins_step("describe")

ALL = Words("describe.all")
QUARTILES = (0.25, 0.5, 0.75)


@local(variables=Names(), by=Name())
def counts(rows: Rows, variables: list[str], by: str) -> Aggregate:
    """By group: people; for each category its levels and missing; for each number how many have it, and their sum."""
    groups = membership(rows, by)
    out = {"people": cells(groups.sum(axis=0)[None, :], rows.n)}
    for name in variables:
        variable = rows.variables[name]
        missing = np.isnan(rows[name])
        levels = levels_of(variable)
        columns = [rows[name] == level for level in range(levels)] if levels else [~missing]
        table = np.column_stack([*columns, missing]).T.astype(np.float64) @ groups
        # That nobody lacks a value is no secret; that a few do is.
        nobody = np.zeros(table.shape, bool)
        nobody[-1] = True
        out[f"{name}.cells"] = cells(np.rint(table).astype(np.int64), rows.n, nobody)
        if not levels:
            out[f"{name}.sum"] = sums(rows[name], (~missing)[:, None] & (groups == 1), variable)
    return out


@local(variables=Names(), by=Name(), centres=Numbers((None, None), -1e12, 1e12))
def squares(rows: Rows, variables: list[str], by: str, centres: Floats) -> Aggregate:
    """For each number and group, the sum of squares about the group's mean: centres (variables, groups)."""
    groups = membership(rows, by)
    out = {}
    for name, centre in zip(variables, centres, strict=True):
        variable = rows.variables[name]
        among = rows.present(name)[:, None] & (groups == 1)
        out[f"{name}.squares"] = about(rows[name], among, centre, variable)
    return out


class Options(BaseModel):
    """What a study file may say of a Table 1.

    complete: variables whose absence takes a person out of the cohort's analysis set, for all its analyses alike.
    quantiles: also show the median and the quartiles of measurements.
    """

    model_config = ConfigDict(extra="forbid")

    variables: list[str]
    by: str = ""
    quantiles: bool = False
    complete: list[str] = []


@dataclass(frozen=True)
class _Summary:
    """Means, standard deviations and numbers (groups,) of one variable; or its level counts (levels, groups)."""

    variable: Variable
    counts: Floats
    mean: Floats
    deviation: Floats


@dataclass(frozen=True)
class Method:
    """Table 1 of a study's analysis."""

    options: Options
    study: Study

    name: ClassVar[str] = "describe"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault names every variable that the study does not declare."""
        options = Options(**analysis.options)
        names = [*options.variables, *options.complete, *([options.by] if options.by else [])]
        known = ", ".join(study.variables)
        unknown = [name for name in names if name not in study.variables]
        findings = [Finding("describe_unknown", values={"found": name, "expected": known}) for name in unknown]
        if not findings and options.by and not levels_of(study.variables[options.by]):
            findings.append(Finding("describe_by", values={"found": options.by, "expected": "boolean, category"}))
        if options.quantiles:
            findings.extend(value_faults(analysis, study, _measured(options, study)))
        check_none(findings, FileFault)
        return cls(options, study)

    @property
    def complete(self) -> frozenset[str]:
        """The variable that forms the groups, and those that the analysis asks to be complete."""
        return frozenset([*self.options.complete, *([self.options.by] if self.options.by else [])])

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def groups(self) -> int:
        """How many groups the table has."""
        return levels_of(self.study.variables[self.options.by]) if self.options.by else 1

    def sends(self) -> tuple[Sends, ...]:
        """Counts and sums, then squares."""
        variables = [self.study.variables[name] for name in self.options.variables]
        rows = 1 + sum(levels_of(one) + 1 if levels_of(one) else 3 for one in variables)
        numbers = sum(not levels_of(one) for one in variables)
        return (
            Sends("describe.counts", rows * self.groups, 1),
            Sends("describe.squares", numbers * self.groups, 1),
            *(one for asked in self._asked() for one in asked.sends()),
        )

    def _asked(self) -> tuple[Asked, ...]:
        """The questions about medians, over everyone and by group; none where they are not asked for."""
        names = _measured(self.options, self.study)
        bys = dict.fromkeys(["", self.options.by]) if self.options.quantiles and names else ()
        return tuple(Asked(present, value_bins, self.study, by, names) for by in bys)

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Counts and sums, then squares about the means; then the table."""
        first, summaries = yield from self._summarise()
        people = first["people"][0]
        asked = self._asked()
        part: Grown | Kept | None = None
        if asked:
            part = yield from unless_withheld(grow(asked[0], asked[-1] if self.options.by else None, QUARTILES))
        grown = None if isinstance(part, Kept) else part
        medians = grown.groups if grown else ()
        table = _table(self, people, summaries, medians)
        result = Result(
            method="describe",
            lossless=not medians,
            people=int(np.nansum(people)) if not np.isnan(people).any() else 0,
            sites=first.sites,
            rounds=2 + (grown.rounds if grown else 0),
            estimates=(*_estimates(self, summaries), *Told(self.study, self.options.by, QUARTILES).estimates(medians)),
            tables=(table,),
            methods_text=(Words("describe.text"), *([Words("quantiles.text")] if medians else [])),
        )
        return lacking(result, "quartiles", part)

    def _summarise(self) -> Generator[Ask, Pooled, tuple[Pooled, list[_Summary]]]:
        names, by = list(self.options.variables), self.options.by
        first = yield Ask(counts, {"variables": names, "by": by}, doing="describing")
        numbers = [name for name in names if not levels_of(self.study.variables[name])]
        means = {name: first[f"{name}.sum"] / first[f"{name}.cells"][0] for name in numbers}
        second = None
        if numbers:
            centres = np.array([np.nan_to_num(means[name]) for name in numbers])
            second = yield Ask(squares, {"variables": numbers, "by": by, "centres": centres}, doing="describing")
        summaries = []
        for name in names:
            table = first[f"{name}.cells"]
            none = np.full(self.groups, np.nan)
            mean, deviation = means.get(name, none), none
            if second is not None and name in means:
                with np.errstate(invalid="ignore", divide="ignore"):
                    deviation = np.sqrt(second[f"{name}.squares"] / (table[0] - 1))
                deviation = np.where(np.isnan(mean), np.nan, deviation)
            summaries.append(_Summary(self.study.variables[name], table, mean, deviation))
        return first, summaries


def _measured(options: Options, study: Study) -> tuple[str, ...]:
    """The described variables that are numbers."""
    known = [name for name in options.variables if name in study.variables]
    return tuple(name for name in known if study.variables[name].type in MEASURED)


def overall(summary: _Summary) -> tuple[float, float]:
    """Mean and standard deviation over all groups, from theirs."""
    n, mean, squared = summary.counts[0], summary.mean, summary.deviation**2
    people = n.sum()
    centre = float((n * mean).sum() / people)
    total_squares = ((n - 1) * squared + n * (mean - centre) ** 2).sum()
    return centre, float(np.sqrt(total_squares / (people - 1)))


def mean_difference(summary: _Summary) -> float:
    """The standardised mean difference of two groups; NaN where something it needs was withheld."""
    if not levels_of(summary.variable):
        mean, deviation = summary.mean, summary.deviation
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(abs(mean[0] - mean[1]) / np.sqrt((deviation**2).sum() / 2))
    levels = summary.counts[:-1]
    if np.isnan(levels).any():
        return float("nan")
    share = levels / levels.sum(axis=0)
    share = share[1:]  # the levels' shares add to one, so the first is left out
    difference = share[:, 0] - share[:, 1]
    spread = sum(np.diag(one) - np.outer(one, one) for one in share.T) / 2
    return float(np.sqrt(difference @ np.linalg.pinv(spread) @ difference))


def _table(method: Method, people: Floats, summaries: list[_Summary], medians: Sequence[Group]) -> Table:
    least = Withheld("below_minimum", method.study.release.minimum_people)
    grouped = bool(method.options.by)
    columns = [Column("variable", Words("describe.variable"), "text"), Column("all", ALL, "text")]
    if grouped:
        variable = method.study.variables[method.options.by]
        columns += [Column(f"group{g}", Words(text=level_label(variable, g)), "text") for g in range(method.groups)]
    if method.groups == 2:
        columns.append(Column("smd", Words("describe.smd"), "number", 3))
    rows = [_row(Words("describe.people"), _counts(people, least, grouped), method.groups, None)]
    for summary in summaries:
        mine = [group for group in medians if group.variable == summary.variable]
        rows.extend(_rows(summary, method, least, grouped, mine))
    notes = (Words("describe.note"), *([Words("describe.median_note")] if medians else []))
    return Table("characteristics", Words("describe.title"), tuple(columns), tuple(rows), notes=notes)


def _row(label: Words, cells: list[Cell], groups: int, difference: float | None) -> tuple[Cell, ...]:
    tail: tuple[Cell, ...] = () if groups != 2 else (None if difference is None else difference,)
    return (label, *cells, *tail)


def _counts(numbers: Floats, least: Withheld, grouped: bool) -> list[Cell]:
    whole: Cell = least if np.isnan(numbers).any() else int(numbers.sum())
    return [whole, *([least if np.isnan(one) else int(one) for one in numbers] if grouped else [])]


def _rows(
    summary: _Summary, method: Method, least: Withheld, grouped: bool, medians: Sequence[Group]
) -> list[tuple[Cell, ...]]:
    difference = mean_difference(summary) if method.groups == 2 else None
    shown = None if difference is None or np.isnan(difference) else difference
    variable = summary.variable
    rows = []
    if not levels_of(variable):
        rows.append(_row(with_unit(variable), _means(summary, grouped), method.groups, shown))
    else:
        named = range(1 if variable.type == "boolean" else 0, levels_of(variable))  # "yes" alone tells a boolean
        for number, level in enumerate(named):
            label = Words(text=level_label(variable, level))
            cells = _shares(summary, level, least, grouped)
            rows.append(_row(label, cells, method.groups, shown if number == 0 else None))
    if medians:
        found = [median_of(group, QUARTILES, method.study.release.minimum_people) for group in medians]
        rows.append(_row(Words("describe.median_row"), found, method.groups, None))
    missing = summary.counts[-1]
    if np.isnan(missing).any() or missing.sum() > 0:
        label = Words("describe.missing", {"label": ""})
        rows.append(_row(label, _counts(missing, least, grouped), method.groups, None))
    return rows


def _means(summary: _Summary, grouped: bool) -> list[Cell]:
    pairs = [overall(summary), *zip(summary.mean, summary.deviation, strict=True)] if grouped else [overall(summary)]
    return [
        Withheld("withheld") if np.isnan(mean) or np.isnan(deviation) else _mean(float(mean), float(deviation))
        for mean, deviation in pairs
    ]


def _mean(mean: float, deviation: float) -> Words:
    return Words("describe.mean_sd", {"mean": significant(mean, deviation), "sd": significant(deviation, deviation)})


def significant(value: float, deviation: float) -> str:
    """A value to three significant digits of its standard deviation, the same in every language."""
    digits = 2 if deviation <= 0 else max(0, 2 - int(np.floor(np.log10(deviation))))
    return f"{value:.{min(digits, 8)}f}"


def _shares(summary: _Summary, level: int, least: Withheld, grouped: bool) -> list[Cell]:
    levels = summary.counts[:-1]
    columns = [levels.sum(axis=1), *levels.T] if grouped else [levels.sum(axis=1)]
    return [_share(column, level, least) for column in columns]


def _share(column: Floats, level: int, least: Withheld) -> Cell:
    if np.isnan(column[level]):
        return least
    if np.isnan(column).any():
        return int(column[level])
    percent = 100 * column[level] / column.sum() if column.sum() else 0.0
    return Words("describe.count_percent", {"count": int(column[level]), "percent": f"{percent:.1f}"})


def _estimates(method: Method, summaries: list[_Summary]) -> tuple[Estimate, ...]:
    """Every mean, deviation and difference at full precision, for programs; the table rounds them for people."""
    out = []
    for one in summaries:
        label = Words(text=one.variable.label)
        for name, values in (("mean", one.mean), ("sd", one.deviation)):
            out += [_estimate(f"{one.variable.name}.{name}.{group}", label, v) for group, v in enumerate(values)]
        if method.groups == 2:
            out.append(_estimate(f"{one.variable.name}.smd", label, mean_difference(one)))
    return tuple(estimate for estimate in out if estimate.value is not None)


def _estimate(name: str, label: Words, value: float) -> Estimate:
    return Estimate(name, label, None if np.isnan(value) else float(value))
