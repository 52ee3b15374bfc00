"""Agreement of raters, from pooled tables and sums (lossless): kappas, intraclass correlations, limits of agreement.

Two raters of categories: Cohen's kappa, unweighted and weighted, with the errors of Fleiss, Cohen & Everitt (1969),
PABAK and Gwet's AC1, all from the raters' table, whose every cell must hold enough people: a kappa with its error,
beside the raters' margins, gives the table away. Three raters or more: Fleiss' kappa (1971) from ratings and pairs of
equal ratings; its interval only from the people by pattern of ratings. Measurements: intraclass correlations in all six
forms of McGraw & Wong (1996), and for two raters the limits of Bland & Altman (1999). Statistics and papers:
`gagyo.statistics.agreement`. Reference: R psych, lm, and the papers' tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Sends
from gagyo.federation.local import Names, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods._agreement_told import Told
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.variables import levels_of
from gagyo.release.aggregate import (
    Aggregate,
    Counts,
    Floats,
    cells,
    count,
    everybody,
    few_or_none,
    joined,
    joint,
    spread_of,
)
from gagyo.release.few_values import Measured, supported
from gagyo.result import Result
from gagyo.statistics import agreement
from gagyo.statistics.agreement import Several, Weights

FEWEST = 2
MOST_PATTERNS = 64
MEASURED = ("number", "integer")


@local(variables=Names())
def table(rows: Rows, variables: list[str]) -> Aggregate:
    """People by the level that the first rater gave and the second gave."""
    first, second = (rows[name] for name in variables)
    levels = range(levels_of(rows.variables[variables[0]]))
    counted = [[int(((first == one) & (second == other)).sum()) for other in levels] for one in levels]
    return {"table": cells(counted, rows.n)}


@local(variables=Names())
def ratings(rows: Rows, variables: list[str]) -> Aggregate:
    """By level, how often it was given, and how many ordered pairs of raters gave it to the same person.

    Behind each are the people to whom it was given once at least, and twice; behind all, those on whom raters differ.
    """
    given = _given(rows, variables)
    each = np.column_stack([given, given * (given - 1)])
    divided = few_or_none(np.array([int((given.max(axis=1, initial=0) < len(variables)).sum())]))
    behind = joined(count(np.column_stack([given >= 1, given >= 2])), divided)
    sums = each.sum(axis=0).reshape(2, given.shape[1])
    return {
        "people": everybody(rows.n),
        "ratings": joint(sums, len(variables) ** 2, behind, spread_of(each)),
    }


@local(variables=Names())
def patterns(rows: Rows, variables: list[str]) -> Aggregate:
    """People by how many raters gave them each level."""
    given = _given(rows, variables)
    every = _patterns(levels_of(rows.variables[variables[0]]), len(variables))
    counted = [int((given == pattern).all(axis=1).sum()) for pattern in every]
    return {"patterns": cells(np.array(counted)[:, None], rows.n)}


def _given(rows: Rows, variables: list[str]) -> Floats:
    """How many raters gave each person each level (n, levels)."""
    levels = np.arange(levels_of(rows.variables[variables[0]]))
    return np.asarray(sum((rows[name][:, None] == levels).astype(np.float64) for name in variables))


def _patterns(levels: int, raters: int) -> Floats:
    """Every way to give `levels` by `raters`, whoever gave which (patterns, levels)."""
    chosen = combinations_with_replacement(range(levels), raters)
    return np.array([np.bincount(one, minlength=levels) for one in chosen], dtype=np.float64)


@local(variables=Names())
def means(rows: Rows, variables: list[str]) -> Aggregate:
    """The sum of each rater's measurements. Behind it are those on whom two raters differ unlike mostly."""
    x = np.column_stack([rows[name] for name in variables])
    bounds = [rows.variables[name].bounds for name in variables]
    columns = [Measured.of(rows[name], rows.variables[name].bounds) for name in variables]
    behind = joined(few_or_none(_differing(x)), supported(columns))
    sums = joint(x.sum(axis=0), float(np.abs(bounds).max()), behind, spread_of(x))
    return {"people": everybody(rows.n), "sums": sums}


@local(variables=Names(), centres=Numbers((None,), -1e12, 1e12))
def spread(rows: Rows, variables: list[str], centres: Floats) -> Aggregate:
    """About the raters' means: squares of each person's mean, of the distances from it; of two raters also the product
    of the person's mean and the difference between the raters.
    """
    x = np.column_stack([rows[name] for name in variables])
    away = x - centres
    middle = away.mean(axis=1)
    within = ((away - middle[:, None]) ** 2).sum(axis=1)
    product = middle * (away[:, 0] - away[:, 1]) if len(variables) == FEWEST else np.zeros(rows.n)
    each = np.column_stack([middle**2, within, product])
    bounds = [rows.variables[name].bounds for name in variables]
    reach = max(high for _, high in bounds) - min(low for low, _ in bounds)
    behind = joined(few_or_none(_differing(x)), few_or_none(np.array([int((middle != 0).sum())])))
    squares = spread_of(each[:, :2])
    return {"squares": joint(each.sum(axis=0), len(variables) * reach**2, behind, squares)}


def _differing(x: Floats) -> Counts:
    """For each pair of raters, on how many people they do not differ by what they most often do (mostly nothing).

    Where these are a few, the difference of the means, and the spread of the differences, are theirs.
    """
    apart = (x[:, one] - x[:, other] for one, other in combinations(range(x.shape[1]), 2))
    return np.array([len(d) - int(np.unique(d, return_counts=True)[1].max(initial=0)) for d in apart], np.int64)


class Options(BaseModel):
    """What a study file may say of agreement. People who lack a rating are left out."""

    model_config = ConfigDict(extra="forbid")

    variables: list[str]
    """What each rater (or each device, or each occasion) said of the same people: categories of the same levels, yes/no
    variables, or measurements in the same unit."""
    weights: Weights = "none"
    """Of disagreements of two raters of ordered categories: all alike, by their distance, or by its square."""
    interval: bool = False
    """Also the interval of Fleiss' kappa. People are then told by pattern of ratings; each must hold enough."""


@dataclass(frozen=True)
class Method:
    """The agreement of a study's analysis."""

    options: Options
    study: Study

    name: ClassVar[str] = "agreement"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where raters or options do not fit."""
        options = Options(**analysis.options)
        check_none(list(_faults(options, analysis, study)))
        return cls(options, study)

    @property
    def complete(self) -> frozenset[str]:
        """All raters' variables."""
        return frozenset(self.options.variables)

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def levels(self) -> int:
        """How many levels a rater may give; 0 of measurements."""
        return levels_of(self.study.variables[self.options.variables[0]])

    def sends(self) -> tuple[Sends, ...]:
        """The raters' table, or ratings and pairs, or patterns; of measurements means, then squares."""
        raters, levels = len(self.options.variables), self.levels
        if not levels:
            return (Sends("agreement.means", 1 + raters, 1), Sends("agreement.spread", 3, 1))
        if raters == FEWEST:
            return (Sends("agreement.table", levels**2, 1),)
        if self.options.interval:
            return (Sends("agreement.patterns", len(_patterns(levels, raters)), 1),)
        return (Sends("agreement.ratings", 1 + 2 * levels, 1),)

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """What the raters' kind asks for."""
        if not self.levels:
            return (yield from self._measurements())
        if len(self.options.variables) == FEWEST:
            return (yield from self._two())
        return (yield from self._several())

    @property
    def _told(self) -> Told:
        return Told([self.study.variables[name] for name in self.options.variables])

    @property
    def _named(self) -> dict[str, list[str]]:
        return {"variables": list(self.options.variables)}

    def _two(self) -> Conversation:
        answer = yield Ask(table, self._named, doing="comparing")
        counted = answer["table"]
        self._check_whole(counted)
        kinds: list[Weights] = ["none", *([] if self.options.weights == "none" else [self.options.weights])]
        kappas = [(kind, agreement.cohen(counted, kind)) for kind in kinds]
        if np.isnan(kappas[0][1].value):
            raise self._flat()
        return self._told.two(counted, kappas, answer.sites)

    def _several(self) -> Conversation:
        raters = len(self.options.variables)
        if self.options.interval:
            answer = yield Ask(patterns, self._named, doing="comparing")
            people, every = answer["patterns"][:, 0], _patterns(self.levels, raters)
            self._check_whole(people)
            sums = Several(float(people.sum()), raters, people @ every, people @ (every * (every - 1)))
            squares = float(people @ sums.influence(every) ** 2)
        else:
            answer = yield Ask(ratings, self._named, doing="comparing")
            self._check_told(answer["ratings"])
            given, pairs = answer["ratings"]
            sums, squares = Several(float(answer["people"][0]), raters, given, pairs), float("nan")
        if sums.chance > 1 - 1e-12:
            raise self._flat()
        return self._told.several(sums, agreement.fleiss(sums, squares), answer.sites)

    def _measurements(self) -> Conversation:
        first = yield Ask(means, self._named, doing="comparing")
        self._check_told(first["sums"])
        people, centres = float(first["people"][0]), first["sums"] / first["people"][0]
        second = yield Ask(spread, {**self._named, "centres": centres}, doing="comparing")
        self._check_told(second["squares"])
        between, within, product = (float(one) for one in second["squares"])
        found = agreement.analysis(people, centres, between, within)
        if between <= 0 or found.residual <= 0:
            raise self._flat()
        limits = None
        if len(centres) == FEWEST:
            limits = agreement.limits(people, float(centres[0] - centres[1]), 2 * within, between, product)
        return self._told.measured(found, centres, limits, first.sites)

    def _check_whole(self, counted: Floats) -> None:
        if np.isnan(counted).any():
            least = self.study.release.minimum_people
            raise Stopped(Finding("agreement_cells", values={"found": self._raters, "expected": least}))

    def _check_told(self, sums: Floats) -> None:
        if np.isnan(sums).any():
            least = self.study.release.minimum_people
            raise Stopped(Finding("agreement_few", values={"found": self._raters, "expected": least}))

    def _flat(self) -> Stopped:
        return Stopped(Finding("agreement_flat", values={"found": self._raters}))

    @property
    def _raters(self) -> str:
        return ", ".join(self.options.variables)


def _faults(options: Options, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """All that does not fit together."""
    place, names = analysis.place("variables"), options.variables
    known = [study.variables[name] for name in names if name in study.variables]
    if len(known) < len(names):
        unknown = ", ".join(name for name in names if name not in study.variables)
        yield Finding(
            "agreement_unknown", place=place, values={"found": unknown, "expected": ", ".join(study.variables)}
        )
        return
    kinds = {_kind(one.type) for one in known}
    alike = {tuple(level.name for level in one.levels) for one in known}
    units = {one.unit for one in known}
    if len(set(names)) < max(len(names), FEWEST) or len(kinds) > 1 or "" in kinds or len(alike) > 1 or len(units) > 1:
        yield Finding("agreement_raters", place=place, values={"found": ", ".join(names) or "0", "expected": FEWEST})
        return
    measured = kinds == {"measured"}
    if options.weights != "none" and (measured or len(names) != FEWEST):
        yield Finding("agreement_option", place=analysis.place("weights"), values={"found": "weights"})
    if options.interval and (measured or len(names) == FEWEST):
        yield Finding("agreement_option", place=analysis.place("interval"), values={"found": "interval"})
    elif options.interval and len(_patterns(levels_of(known[0]), len(names))) > MOST_PATTERNS:
        yield Finding("agreement_patterns", place=analysis.place("interval"), values={"expected": MOST_PATTERNS})


def _kind(kind: str) -> str:
    return "measured" if kind in MEASURED else kind if kind in ("boolean", "category") else ""
