"""Subgroups of a validation that are cut at values: between one and whatever else a plan tells of the same people is
nobody, or k people.

A subgroup of those under 63.9 beside a cohort, or another validation's subgroup, of those under 64 leaves who is
between: how many, how many of them are cases, and their expected cases, of one person the score. So is the other level
of a category that is made of the same value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from gagyo.federation.line import Line
from gagyo.protocol.request import Request
from gagyo.protocol.variables import levels_of
from gagyo.release.aggregate import NOBODY, Aggregate, Counts, compared
from gagyo.release.few_values import Bools
from gagyo.site.everyone import Everyone
from gagyo.site.groups_told import Group, groups_told
from gagyo.site.session import Session

STEP = "subgroup"
"""The step that sums by subgroup."""
NAME = "subgroups compared"
"""The name of the measure among those of an answer."""


@dataclass(frozen=True)
class Told:
    """Some people (n,) of whom sums are told, and the groups of them of which sums are told too."""

    people: Bools
    groups: frozenset[Group]


@dataclass(frozen=True)
class Cut:
    """Subgroups of a cohort by a measurement's cuts; outcome: of whom each tells how many have it."""

    cohort: str
    variable: str
    cuts: tuple[float, ...]
    outcome: str

    def told(self, session: Session) -> Iterator[Told]:
        """Those under each cut, those at or over it, and those between each two neighbours."""
        x, whole = session.data.columns[self.variable], session.cohorts[self.cohort].complete
        groups = frozenset([(), *(((self.outcome, level),) for level in (0, 1))])
        ends = [-np.inf, *self.cuts, np.inf]
        spans = [(-np.inf, cut) for cut in self.cuts] + [(cut, np.inf) for cut in self.cuts]
        for low, high in dict.fromkeys([*spans, *pairwise(ends)]):
            yield Told(whole & (x >= low) & (x < high), groups)


def cuts_of(line: Line, analysis: str) -> list[Cut]:
    """The subgroups of an analysis that are cut at values."""
    one, variables = line.study.analyses[analysis], line.study.variables
    named = (group for group in one.options.get("subgroups") or () if isinstance(group, Mapping))
    measured = (group for group in named if not levels_of(variables[str(group["variable"])]))
    outcome = outcome_of(line, analysis)
    return [Cut(one.cohort, str(group["variable"]), tuple(map(float, group["cuts"])), outcome) for group in measured]


def outcome_of(line: Line, analysis: str) -> str:
    """The outcome of an analysis: of its formula, or of what it validates, an equation or a model of the study."""
    options: Mapping[str, Any] = line.study.analyses[analysis].options
    model = line.study.analyses.get(str(options.get("model", "")))
    formula = (options.get("equation") or (model.options if model else options)).get("formula", "")
    return str(formula).partition("~")[0].strip()


def subgroups_between(session: Session, request: Request) -> Aggregate:
    """With the sums of subgroups: whom they and what the plan told before leave. With the first sum of any other
    analysis: whom it and subgroups that were told before leave. Nothing where there are none.
    """
    analyses = session.study.analyses
    before = [name for name in analyses if name in session.history.opened and name != request.analysis]
    earlier = [cut for name in before for cut in cuts_of(session.line, name)]
    mine = cuts_of(session.line, request.analysis)
    if request.step.partition(".")[2] == STEP:
        at = [cut.variable for cut in mine]
        variable = str(request.arguments["variable"])
        if variable not in at:
            return {}
        here = at.index(variable)
        return _measure(session, list(mine[here].told(session)), [*earlier, *mine[:here]], [*before, request.analysis])
    if request.round > 0 or not earlier:
        return {}
    whole = session.cohorts[request.cohort].complete
    return _measure(session, [Told(whole, groups_told(session.line, request.analysis))], earlier, [])


def _measure(session: Session, now: Sequence[Told], cuts: Sequence[Cut], wholes: Sequence[str]) -> Aggregate:
    """Whom each of some told people, and each of those told before, leave. wholes: analyses of whole cohorts."""
    there = Everyone(session.data.columns, session.study.variables)
    then = [one for cut in cuts for one in cut.told(session)] + list(_wholes(session, wholes))
    cells = [cell for one in now for other in then for cell in left_of_two(there, one, other)]
    return {NAME: compared(np.concatenate([NOBODY, *cells]))}


def _wholes(session: Session, analyses: Sequence[str]) -> Iterator[Told]:
    """By cohort its people, and the groups of one level that analyses of it tell."""
    told: dict[str, frozenset[Group]] = {}
    for name in analyses:
        cohort = session.study.analyses[name].cohort
        told[cohort] = told.get(cohort, frozenset()) | groups_told(session.line, name)
    for cohort, groups in told.items():
        yield Told(session.cohorts[cohort].complete, frozenset(group for group in groups if len(group) < 2))


def left_of_two(there: Everyone, one: Told, other: Told) -> Iterator[Counts]:
    """Those in one of two sets alone who are of a group that both tell; of a group of one, against the other."""
    yield there.counts(one.people ^ other.people, _sorted(one.groups & other.groups))
    both = one.people & other.people
    for inside, whole in ((one, other), (other, one)):
        groups = _sorted(inside.groups - {()})
        size = int(np.count_nonzero(whole.people))
        yield there.counts(inside.people, groups) + size - 2 * there.counts(both, groups)


def _sorted(groups: frozenset[Group]) -> list[Group]:
    return sorted(groups, key=lambda group: (len(group), group))
