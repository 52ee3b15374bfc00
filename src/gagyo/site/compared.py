"""Who is left when sums over two cohorts of a plan are taken from each other: with which traits, over all hospitals.

A table of everyone by sex less one of those under ninety is a table of the others by sex; and the women of everyone
less a cohort of women are the women who are not in it. Neither cohort differs from the other by a few, and no cell of
either table is small. So before an analysis opens anything, those whom its sums and the sums of earlier analyses of
other cohorts leave are counted, with each trait and each two traits that both tell: nobody, or k, over all hospitals.
A column declared as a measurement that holds a few values counts as the trait that it is (`few_values`).

Splines differ likewise: with a knot moved a little a few times, the columns' sums leave those who lie between these
knots. And people are dealt out to folds in one order, which nobody needs to know: sums of each of five folds and of
each of seven are sums over every fifth and every seventh, and with more such numbers of folds a few people follow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.line import Line
from gagyo.federation.local import LocalStep
from gagyo.federation.method import folds_of, resampled_by
from gagyo.methods._groups import levels_of
from gagyo.protocol.request import Request
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import NO_SPREAD, NOBODY, Aggregate, Counts, Floats, Measure, Spread, left, side_by_side
from gagyo.release.aggregate import compared as measure_of
from gagyo.release.few_values import PLACES, Measured
from gagyo.release.parts import spread_in_parts
from gagyo.site.session import Session

Bools = NDArray[np.bool_]
Group = tuple[tuple[str, int], ...]
"""Those who have each of these levels of variables, none or two of them; `()` is everyone."""
NAME = "compared"
"""The name of the measure among those of an answer."""
HAVE, LACK = -1, -2
"""Instead of a level: those who have any value of a variable, and those who have none."""
BLOCK = 8192
SPLINE = re.compile(r"rcs\s*\(\s*(\w+)\s*((?:,[^,()]*)+)\)")


@dataclass(frozen=True)
class Compared:
    """What is counted before an analysis: it depends on the plan alone, so that it is the same at all hospitals.

    earlier: by other cohort, the groups that earlier analyses of it tell. now: those that this one tells. knots: by
    variable of which the splines of this and of earlier analyses have others, all of them in turn. folds: by cohort,
    the numbers of folds that its people are dealt out to, where this analysis does so and one number is no divisor of
    the greatest. sums: by other cohort, the measurements that earlier analyses of it and this one name.
    weighings: how many sums of the same people, each with other weights, resampling opens; 0 where it does not.
    """

    cohort: str
    now: frozenset[Group]
    earlier: Mapping[str, frozenset[Group]]
    knots: Mapping[str, tuple[float, ...]]
    folds: Mapping[str, frozenset[int]]
    sums: Mapping[str, frozenset[str]]
    weighings: int
    variables: Mapping[str, Variable]

    @classmethod
    def of(cls, line: Line, analysis: str, opened: Collection[str]) -> Compared:
        """Before an analysis of a plan; opened: the analyses of which anything was."""
        analyses = line.study.analyses
        cohort = analyses[analysis].cohort
        before = [name for name in analyses if name in opened and name != analysis]
        earlier: dict[str, frozenset[Group]] = {}
        sums: dict[str, frozenset[str]] = {}
        for name in before:
            other = analyses[name].cohort
            if other != cohort:
                earlier[other] = earlier.get(other, frozenset()) | groups_told(line, name)
                both = _measured_names(line, name) & _measured_names(line, analysis)
                sums[other] = sums.get(other, frozenset()) | both
        now = groups_told(line, analysis) if earlier else frozenset()
        knots = _knots([analyses[name].options for name in (*before, analysis)])
        every = [*before, analysis]
        return cls(
            cohort, now, earlier, knots, _folds(line, every), sums, _weighings(line, every), line.study.variables
        )

    @classmethod
    def counting(cls, line: Line, analysis: str, step: str, opened: Collection[str]) -> tuple[str, ...]:
        """The other cohorts of which earlier analyses count the same variables in bins by the same kind of step."""
        analyses, kind = line.study.analyses, step.partition(".")[2]
        before = [name for name in analyses if name in opened and name != analysis]
        found = [
            analyses[name].cohort
            for name in before
            if any(one.step.partition(".")[2] == kind for one in line.methods[name].sends())
            and _measured_names(line, name) & _measured_names(line, analysis)
        ]
        return tuple(dict.fromkeys(one for one in found if one != analyses[analysis].cohort))

    @property
    def cohorts(self) -> tuple[str, ...]:
        """Whose people are counted; nobody's where no sums leave anybody."""
        told = self.earlier or self.knots or self.folds or self.weighings
        return tuple(dict.fromkeys((self.cohort, *self.earlier, *self.folds))) if told else ()

    def measure(self, columns: Mapping[str, Floats], people: Mapping[str, Bools], hospitals: int = 1) -> Measure:
        """The cells at this hospital, one of some; people: by cohort, who is analysed (n,)."""
        now, there = people[self.cohort], _There(columns, self.variables)
        cells = [cell for name, told in self.earlier.items() for cell in self._two(there, now, people[name], told)]
        cells += [_between(columns[name][now], knots) for name, knots in self.knots.items()]
        for one, two in combinations(self.earlier, 2):
            singly = _singly(self.now & self.earlier[one] & self.earlier[two])
            for signs in ((1, 1), (1, -1), (-1, 1)):
                left = now.astype(np.int8) - signs[0] * people[one] - signs[1] * people[two]
                cells.append(there.counts(left != 0, singly))
        over = np.append(self._over_folds(people), self._over_weighings(int(now.sum()), hospitals))
        found = measure_of(np.concatenate([NOBODY, *cells]), over)
        spreads = [there.spread(now ^ people[name], told, self.sums[name]) for name, told in self._groups()]
        return replace(found, spread=side_by_side(NO_SPREAD, *spreads))

    def _over_weighings(self, people: int, hospitals: int) -> Counts:
        """This hospital's part of how many people, at the least, a sum is over that follows from those of resampling.

        Whoever knows each person's weights, which are made of identifiers, can take away one person for each sum.
        """
        return np.array([people - -(-self.weighings // hospitals)] if self.weighings else [], dtype=np.int64)

    def _groups(self) -> Iterator[tuple[str, list[Group]]]:
        """By other cohort the groups of a level that it and this one tell."""
        for name, told in self.earlier.items():
            yield name, [group for group in _singly(told & self.now) if group]

    def _over_folds(self, people: Mapping[str, Bools]) -> Counts:
        """How many people, at the least, any sum is over that follows from those of the folds (1,); (0,) without folds.

        Who is in which of F folds has period F in the hidden order, so that such a sum's weights follow a linear
        recurrence of as many terms as there are fractions 0/F, 1/F, ... of all F: where so many in a row are zero, all
        are. Of so many people in a row at least one is in it, if it is a sum over anybody.
        """
        if not self.folds:
            return NOBODY
        now = people[self.cohort]
        same = [numbers for name, numbers in self.folds.items() if np.array_equal(people[name], now)]
        return np.array([int(now.sum()) // _terms(frozenset[int]().union(*same))], dtype=np.int64)

    def _two(self, there: _There, now: Bools, then: Bools, told: frozenset[Group]) -> Iterator[Counts]:
        """Those in one of two cohorts alone who are of a group that both tell; of a group of one, against the other."""
        yield there.counts(now ^ then, _sorted(told & self.now))
        both = now & then
        for inside, whole, groups in ((then, now, _sorted(told)), (now, then, _sorted(self.now))):
            yield there.counts(inside, groups) + int(whole.sum()) - 2 * there.counts(both, groups)


def left_between(session: Session, request: Request, step: LocalStep, aggregate: Aggregate) -> Aggregate:
    """The measures that stand beside a share: whom it and the sums of earlier analyses leave, for the pooled rules."""
    return {**_compared(session, request), **_left(session, request, step, aggregate)}


def _compared(session: Session, request: Request) -> Aggregate:
    """With the first sum of an analysis: who is left between its cohort and those of earlier analyses."""
    if request.round > 0:
        return {}
    found = Compared.of(session.line, request.analysis, session.history.opened)
    people = {name: session.cohorts[name].complete for name in found.cohorts}
    return {NAME: found.measure(session.data.columns, people, len(request.roster))} if people else {}


def _left(session: Session, request: Request, step: LocalStep, aggregate: Aggregate) -> Aggregate:
    """With bins and times: who is left in them between this cohort and those that earlier analyses counted."""
    binned = {name: one for name, one in aggregate.items() if one.kind in ("bins", "times")}
    others = Compared.counting(session.line, request.analysis, request.step, session.history.opened) if binned else ()
    if not others:
        return {}
    needed = session.line.methods[request.analysis].complete
    rows = [session.cohorts.left(request.cohort, other, needed) for other in others]
    answers = [step(one, **request.arguments) if one.n else None for one in rows]
    return {
        f"{name} left": left(np.array([np.zeros_like(one.people) if a is None else a[name].people for a in answers]))
        for name, one in binned.items()
    }


def groups_told(line: Line, analysis: str) -> frozenset[Group]:
    """The groups of people whose sums an analysis opens: of each level, and of each two, of what it names.

    And of what its people may lack, those who have it and those who do not.
    """
    one, variables = line.study.analyses[analysis], line.study.variables
    known = _named(line, analysis)
    levels = {name: [(name, level) for level in range(levels_of(variables[name]))] for name in known}
    for name in set(known) - line.complete[one.cohort]:
        levels[name] += [(name, HAVE), (name, LACK)]
    named = [name for name in known if levels[name]]
    by = {str(one.options.get("by", ""))} if one.method == "describe" else set(named)
    pairs = [(a, b) for a, b in combinations(named, 2) if a in by or b in by]
    single = [(level,) for name in named for level in levels[name]]
    places = [((name, place),) for name in known if not levels_of(variables[name]) for place in range(PLACES)]
    return frozenset([(), *single, *places, *(pair for a, b in pairs for pair in product(levels[a], levels[b]))])


def _named(line: Line, analysis: str) -> list[str]:
    """The variables that an analysis names, and those that it needs."""
    texts = _texts(line.study.analyses[analysis].options)
    words = {word for text in texts for word in re.findall(r"\w+", text)}
    return sorted((words | line.methods[analysis].complete).intersection(line.study.variables))


def _measured_names(line: Line, analysis: str) -> set[str]:
    return {name for name in _named(line, analysis) if not levels_of(line.study.variables[name])}


def _texts(options: Any) -> Iterator[str]:
    """All words of an analysis's options, wherever they stand."""
    if isinstance(options, str):
        yield options
    elif isinstance(options, Mapping):
        for key, value in options.items():
            yield from (str(key), *_texts(value))
    elif isinstance(options, Iterable):
        for one in options:
            yield from _texts(one)


def _sorted(groups: Iterable[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: (len(group), group))


def _singly(groups: Iterable[Group]) -> list[Group]:
    """The groups of no more than one level."""
    return [group for group in _sorted(groups) if len(group) < 2]


def _knots(options: Sequence[Any]) -> dict[str, tuple[float, ...]]:
    """The knots of the last analysis's splines and of all others of the same variables, where they are not the same."""
    splines = [{found.groups() for text in _texts(one) for found in SPLINE.finditer(text)} for one in options]
    out: dict[str, set[tuple[float, ...]]] = {}
    for name, written in sorted(set().union(*splines)):
        given = tuple(float(part) for part in written.split(",")[1:])
        if len(given) > 1 and any(name == one for one, _ in splines[-1]):
            out.setdefault(name, set()).add(given)
    return {name: tuple(sorted(set().union(*several))) for name, several in out.items() if len(several) > 1}


def _folds(line: Line, analyses: Sequence[str]) -> dict[str, frozenset[int]]:
    """By cohort the numbers of folds of some analyses; none where they tell no more than one of them, or the last one
    has no folds.
    """
    out: dict[str, frozenset[int]] = {}
    for name in analyses:
        if number := folds_of(line.methods[name]):
            cohort = line.study.analyses[name].cohort
            out[cohort] = out.get(cohort, frozenset()) | {number}
    every = frozenset[int]().union(*out.values())
    return out if folds_of(line.methods[analyses[-1]]) and _terms(every) > max(every) else {}


def _weighings(line: Line, analyses: Sequence[str]) -> int:
    """How many sums with other weights the resampling of some analyses opens; 0 where the last one's are by fold alone.

    The same replicate, and the same division into as many folds, has the same weights in all.
    """
    found = [resampled_by(line.methods[name]) for name in analyses]
    _, divisions, replicates = found[-1]
    if divisions < 2 and not replicates:
        return 0
    repeats = {folds: max(often for number, often, _ in found if number == folds) for folds, _, _ in found if folds}
    most = max(bootstrap for _, _, bootstrap in found)
    return 1 + most + sum((folds - 1) * often for folds, often in repeats.items())


def _terms(folds: Collection[int]) -> int:
    """The fractions of some numbers of folds: of one number as many as folds."""
    return len({Fraction(part, number) for number in folds for part in range(number)})


def _between(x: Floats, knots: Sequence[float]) -> Counts:
    """How many lie between each two neighbouring knots, before the first and after the last."""
    return np.bincount(np.searchsorted(knots, x[~np.isnan(x)]), minlength=len(knots) + 1).astype(np.int64)


@dataclass(frozen=True)
class _There:
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
        x, variable = self.columns[name], self.variables[name]
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
