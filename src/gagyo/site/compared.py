"""Who is left when sums over two cohorts of a plan are taken from each other: with which traits, over all hospitals.

A table of everyone by sex less one of those under ninety is a table of the others by sex; and the women of everyone
less a cohort of women are the women who are not in it. Neither cohort differs from the other by a few, and no cell of
either table is small. So before an analysis opens anything, those whom its sums and the sums of earlier analyses of
other cohorts leave are counted, with each trait and each two traits that both tell: nobody, or k, over all hospitals.
A column declared as a measurement that holds a few values counts as the trait that it is (`few_values`).

Splines differ likewise: with a knot moved a little a few times, the columns' sums leave those who lie between these
knots. And sums over folds and over resampled people leave a few (`resampled.py`), and subgroups that are cut at values
(`subgroups.py`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from gagyo.federation.line import Line
from gagyo.federation.local import LocalStep
from gagyo.protocol.request import Request
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import (
    BINNED,
    NO_SPREAD,
    NOBODY,
    Aggregate,
    Counts,
    Floats,
    Measure,
    Spread,
    left,
    side_by_side,
)
from gagyo.release.aggregate import compared as measure_of
from gagyo.release.few_values import Bools
from gagyo.site.alike import Pairs, nested, pairs_of, unlike_cells
from gagyo.site.divided import about, between_cuts, between_grids, between_times, parts_of
from gagyo.site.equations import Given, scored_unlike
from gagyo.site.everyone import Everyone
from gagyo.site.groups_told import Group, groups_told, measurements_told, texts_of
from gagyo.site.lines import off_lines
from gagyo.site.resampled import Dealing, Dealt, in_plan, sums_over
from gagyo.site.session import Session
from gagyo.site.subgroups import subgroups_between
from gagyo.site.tables import tables_between
from gagyo.site.ties import ties_between

NAME = "compared"
"""The name of the measure among those of an answer."""
SPLINE = re.compile(r"rcs\s*\(\s*(\w+)\s*((?:,[^,()]*)+)\)")


@dataclass(frozen=True)
class Compared:
    """What is counted before an analysis: it depends on the plan alone, so that it is the same at all hospitals.

    earlier: by other cohort, the groups that earlier analyses of it tell. now: those that this one tells. knots: by
    variable of which the splines of this and of earlier analyses have others, all of them in turn. sums: by other
    cohort, the measurements that earlier analyses of it and this one name. resampled: whether this one resamples.
    splines: by other cohort and variable, the knots of splines of both. equations: by cohort, those given in earlier
    analyses of it that are not this one's (`equation`). size: the study's minimum of people, and hospitals.
    alike: by cohort, variables that are compared, two by two, of who is in it and in this one.
    """

    cohort: str
    now: frozenset[Group]
    earlier: Mapping[str, frozenset[Group]]
    knots: Mapping[str, tuple[float, ...]]
    sums: Mapping[str, frozenset[str]]
    resampled: bool
    variables: Mapping[str, Variable]
    splines: Mapping[tuple[str, str], tuple[float, ...]]
    equation: Given | None
    equations: Mapping[str, tuple[Given, ...]]
    size: tuple[int, int]
    alike: Mapping[str, Pairs]

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
                both = measurements_told(line, name) & measurements_told(line, analysis)
                sums[other] = sums.get(other, frozenset()) | both
        now = groups_told(line, analysis) if earlier else frozenset()
        every = [*before, analysis]
        knots = _knots([analyses[name].options for name in every])
        splines = _splines({name: (analyses[name].cohort, analyses[name].options) for name in every}, analysis)
        equation, equations = _equations(line, before, analysis)
        resampled, variables = bool(Dealt.of(line, analysis)), line.study.variables
        alike = pairs_of(line, analysis, before)
        size = line.study.release.minimum_people, len(line.study.sites)
        return cls(cohort, now, earlier, knots, sums, resampled, variables, splines, equation, equations, size, alike)

    @classmethod
    def counting(cls, line: Line, analysis: str, step: str, opened: Collection[str]) -> tuple[str, ...]:
        """The other cohorts of which earlier analyses count the same variables in bins by the same kind of step."""
        analyses, kind = line.study.analyses, step.partition(".")[2]
        before = [name for name in analyses if name in opened and name != analysis]
        found = [
            analyses[name].cohort
            for name in before
            if any(one.step.partition(".")[2] == kind for one in line.methods[name].sends())
            and measurements_told(line, name) & measurements_told(line, analysis)
        ]
        return tuple(dict.fromkeys(one for one in found if one != analyses[analysis].cohort))

    @property
    def cohorts(self) -> tuple[str, ...]:
        """Whose people are counted; nobody's where no sums leave anybody."""
        told = self.earlier or self.knots or self.resampled or self.equations or any(self.alike.values())
        return tuple(dict.fromkeys((self.cohort, *self.earlier, *self.equations))) if told else ()

    def measure(self, columns: Mapping[str, Floats], people: Mapping[str, Bools], over: Counts = NOBODY) -> Measure:
        """The cells at this hospital; people: by cohort, who is analysed (n,). over: of `resampled.py`."""
        now, there = people[self.cohort], Everyone(columns, self.variables)
        cells = [cell for name, told in self.earlier.items() for cell in self._two(there, now, people[name], told)]
        cells += [_between(columns[name][now], knots) for name, knots in self.knots.items()]
        for (name, variable), knots in self.splines.items():
            cells.append(_between(columns[variable][now ^ people[name]], knots))
        for one, two in combinations(self.earlier, 2):
            singly = _singly(self.now & self.earlier[one] & self.earlier[two])
            for signs in ((1, 1), (1, -1), (-1, 1)):
                left = now.astype(np.int8) - signs[0] * people[one] - signs[1] * people[two]
                cells.append(there.counts(left != 0, singly))
        lines = []
        for name, pairs in self.alike.items():
            both = nested(now, people[name])
            lines.append(off_lines(pairs, columns, self.variables, both))
            cells += [unlike_cells(pairs, columns, self.variables, both), lines[-1].people]
        found = measure_of(np.concatenate([NOBODY, *cells]), over)
        spreads = [one.spread for one in lines]
        spreads += [there.spread(now ^ people[name], told, self.sums[name]) for name, told in self._groups()]
        spreads += self._unlike(columns, people)
        return replace(found, spread=side_by_side(NO_SPREAD, *spreads))

    def _unlike(self, columns: Mapping[str, Floats], people: Mapping[str, Bools]) -> Iterator[Spread]:
        """Of each earlier equation, how far its scores are from this one's, of the people of both."""
        for cohort, others in self.equations.items():
            both = people[self.cohort] & people[cohort]
            some = {name: column[both] for name, column in columns.items()}
            mine = self.equation.scores(some, self.variables) if self.equation else np.zeros(int(both.sum()))
            for other in others:
                yield scored_unlike(mine, other.scores(some, self.variables), *self.size)

    def _groups(self) -> Iterator[tuple[str, list[Group]]]:
        """By other cohort the groups of a level that it and this one tell."""
        for name, told in self.earlier.items():
            yield name, [group for group in _singly(told & self.now) if group]

    def _two(self, there: Everyone, now: Bools, then: Bools, told: frozenset[Group]) -> Iterator[Counts]:
        """Those in one of two cohorts alone who are of a group that both tell; of a group of one, against the other."""
        yield there.counts(now ^ then, _sorted(told & self.now))
        both = now & then
        for inside, whole, groups in ((then, now, _sorted(told)), (now, then, _sorted(self.now))):
            yield there.counts(inside, groups) + int(whole.sum()) - 2 * there.counts(both, groups)


def left_between(
    session: Session, request: Request, step: LocalStep, aggregate: Aggregate, before: Sequence[Dealing] = ()
) -> Aggregate:
    """The measures that stand beside a share: whom it and the sums of earlier analyses leave, for the pooled rules.

    before: what was resampled here under other plans.
    """
    beside = {**_compared(session, request, before), **subgroups_between(session, request)}
    beside |= {**ties_between(session, request), **tables_between(session, request, aggregate)}
    return {**beside, **_left(session, request, step, aggregate)}


def _compared(session: Session, request: Request, before: Sequence[Dealing]) -> Aggregate:
    """With the first sum of an analysis: who is left between its cohort and those of earlier analyses."""
    if request.round > 0:
        return {}
    found = Compared.of(session.line, request.analysis, session.history.opened)
    people = {name: session.cohorts[name].complete for name in found.cohorts}
    over = _resampled(session, request, before) if found.resampled else NOBODY
    return {NAME: found.measure(session.data.columns, people, over)} if people else {}


def _resampled(session: Session, request: Request, before: Sequence[Dealing]) -> Counts:
    """How many people sums are over that follow from this and earlier resampling, also that of other plans."""
    now, analyses = request.analysis, session.study.analyses
    opened = [name for name in analyses if name in session.history.opened and name != now]
    members = {one.cohort: session.cohorts[one.cohort].members for one in (analyses[name] for name in (*opened, now))}
    *earlier, mine = in_plan(session.line, (*opened, now), members)
    return sums_over(mine, [*earlier, *before], len(request.roster))


def _left(session: Session, request: Request, step: LocalStep, aggregate: Aggregate) -> Aggregate:
    """With bins and times: who is left in them between this cohort and those that earlier analyses counted, on either
    side of other places where the plan divides the same values, and between the ends of scores' bins.
    """
    binned = {name: one for name, one in aggregate.items() if one.kind in (*BINNED, "times")}
    others = Compared.counting(session.line, request.analysis, request.step, session.history.opened) if binned else ()
    needed = session.line.methods[request.analysis].complete if others else frozenset()
    rows = [("", session.cohorts.left(request.cohort, other, needed)) for other in others]
    rows += parts_of(session, request) if binned else []
    answers = [(of, step(one, **request.arguments) if one.n else None) for of, one in rows]
    there = {
        name: [_counts(None if a is None else a[name].people, one.people, request, of) for of, a in answers]
        for name, one in binned.items()
    }
    between = between_cuts(session, request, step)
    if between is not None:
        there["bins"].append(between)
    for people in between_grids(session, request, step):
        there["bins"].append(people)
    for name, one in binned.items():
        there[name] += between_times(session, request, one.people) if one.kind == "times" else []
    # Bins of completed data sets say themselves whom these leave.
    beside = {name: aggregate.get(f"{name} left") for name in there}
    there = {name: [*(one.people if one else ()), *there[name]] for name, one in beside.items()}
    return {f"{name} left": left(np.array(people)) for name, people in there.items() if people}


def _counts(people: Counts | None, everyone: Counts, request: Request, of: str) -> Counts:
    """People of a part in the bins, or times, that are of a variable, in the shape of everyone's; of all, for ""."""
    if people is None:
        return np.zeros_like(everyone)
    return people * about(request, of) if of and "which" in request.arguments else people  # times are of one alone


def _sorted(groups: Iterable[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: (len(group), group))


def _singly(groups: Iterable[Group]) -> list[Group]:
    """The groups of no more than one level."""
    return [group for group in _sorted(groups) if len(group) < 2]


def _knots(options: Sequence[Any]) -> dict[str, tuple[float, ...]]:
    """The knots of the last analysis's splines and of all others of the same variables, where they are not the same."""
    splines = [{found.groups() for text in texts_of(one) for found in SPLINE.finditer(text)} for one in options]
    out: dict[str, set[tuple[float, ...]]] = {}
    for name, written in sorted(set().union(*splines)):
        given = tuple(float(part) for part in written.split(",")[1:])
        if len(given) > 1 and any(name == one for one, _ in splines[-1]):
            out.setdefault(name, set()).add(given)
    return {name: tuple(sorted(set().union(*several))) for name, several in out.items() if len(several) > 1}


def _splines(asked: Mapping[str, tuple[str, Any]], last: str) -> dict[tuple[str, str], tuple[float, ...]]:
    """By other cohort and variable, the knots of its splines and of the last analysis's, where both have some: a column
    of both is that of those who are left, of whom few may be beyond a knot. asked: by analysis its cohort and options.
    """
    cohort, options = asked[last]
    mine, found = _knots_of(options), defaultdict[tuple[str, str], set[float]](set)
    for other, said in asked.values():
        if other != cohort:
            for name, knots in _knots_of(said).items():
                if name in mine:
                    found[other, name] |= knots | mine[name]
    return {key: tuple(sorted(knots)) for key, knots in found.items()}


def _knots_of(options: Any) -> dict[str, set[float]]:
    """By variable, the given knots of an analysis's splines."""
    found = defaultdict[str, set[float]](set)
    for spline in (one for text in texts_of(options) for one in SPLINE.finditer(text)):
        given = [float(part) for part in spline[2].split(",")[1:]]
        found[spline[1]] |= set(given) if len(given) > 1 else set()
    return {name: knots for name, knots in found.items() if knots}


def _equations(line: Line, before: Sequence[str], last: str) -> tuple[Given | None, dict[str, tuple[Given, ...]]]:
    """The last analysis's given equation, and by cohort the others of earlier ones; none where it has none."""
    mine, found = Given.of(line, last), defaultdict[str, tuple[Given, ...]](tuple)
    for name in before if mine else ():
        other = Given.of(line, name)
        if other is not None and other != mine:
            found[line.study.analyses[name].cohort] += (other,)
    return mine, dict(found)


def _between(x: Floats, knots: Sequence[float]) -> Counts:
    """How many lie between each two neighbouring knots, before the first and after the last."""
    return np.bincount(np.searchsorted(knots, x[~np.isnan(x)]), minlength=len(knots) + 1).astype(np.int64)
