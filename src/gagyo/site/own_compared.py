"""What a hospital tells of itself in two analyses of a plan: whom these leave here is nobody, or k people.

A hospital's own coefficient and its error, of yes/no variables, are its table of two by two to whoever tries all
tables. Of two variables, or cohorts, that differ here by one person, two tables tell that person's outcome. So
do sums over hospitals as strata, from which each hospital's table follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from gagyo.federation.line import Line
from gagyo.protocol.request import Request
from gagyo.release.aggregate import NOBODY, Aggregate, Counts, compared
from gagyo.site.alike import nested, unlike_cells
from gagyo.site.before import Earlier
from gagyo.site.everyone import Everyone
from gagyo.site.groups_told import Group, groups_told, names_in
from gagyo.site.lines import off_lines
from gagyo.site.scored_again import scored_again
from gagyo.site.session import Session
from gagyo.site.subgroups import Told, left_of_two, outcome_of

NAME = "own compared"
"""The name of the measure among those of an answer."""


def own_compared(session: Session, request: Request, others: Earlier) -> Aggregate:
    """The people of this hospital whom its own numbers, and those that it told in earlier analyses, leave. others: the
    other plans, of which it is counted by how many people two variables differ.
    """
    if request.analysis not in session.study.analyses:
        return {}
    alike = others.own_alike(session, request, own_names(session.line, request.analysis))
    cells = [alike, scored_again(session, request.analysis), _cells(session, request.analysis)]
    return {NAME: compared(np.concatenate(cells))}


def strata_compared(session: Session, request: Request, aggregate: Aggregate) -> Aggregate:
    """The same beside a share whose sum gives each hospital's table away: ruled on here, and told nobody."""
    if not any(one.own.size for one in aggregate.values()) or not _stratified(session.line, request.analysis):
        return {}
    return {NAME: replace(compared(NOBODY), own=_cells(session, request.analysis))}


def _cells(session: Session, now: str) -> Counts:
    analyses, line = session.study.analyses, session.line
    before = [name for name in analyses if name in session.history.opened and name != now and _tells(line, name)]
    if not before:
        return NOBODY
    return np.concatenate([NOBODY, *_of_others(session, now, before), *_alike(session, now, before)])


def _tells(line: Line, analysis: str) -> bool:
    """Whether hospitals tell numbers of their own in an analysis, or sums that give them away."""
    return _stratified(line, analysis) or any(one.each for one in line.methods[analysis].sends())


def _stratified(line: Line, analysis: str) -> bool:
    return bool(line.study.analyses[analysis].options.get("stratified"))


def _of_others(session: Session, now: str, before: list[str]) -> Iterator[Counts]:
    """Of each other cohort, whom it and this one leave."""
    analyses, there = session.study.analyses, Everyone(session.data.columns, session.study.variables)
    told: dict[str, frozenset[Group]] = {}
    for name in before:
        told[analyses[name].cohort] = told.get(analyses[name].cohort, frozenset()) | own_groups(session.line, name)
    mine = Told(session.cohorts[analyses[now].cohort].complete, own_groups(session.line, now))
    for cohort, groups in told.items():
        if cohort != analyses[now].cohort:
            yield from left_of_two(there, mine, Told(session.cohorts[cohort].complete, groups))


def _alike(session: Session, now: str, before: list[str]) -> Iterator[Counts]:
    """Of each two variables of two analyses, of this cohort or of one that holds it, of how many people they differ."""
    analyses, mine = session.study.analyses, own_names(session.line, now)
    pairs: dict[str, set[tuple[str, str]]] = {}
    for name in before:
        told = own_names(session.line, name)
        two = {(min(one), max(one)) for one in product(mine - told, told - mine)}
        pairs.setdefault(analyses[name].cohort, set()).update(two)
    who = session.cohorts[analyses[now].cohort].complete
    for cohort, some in pairs.items():
        there = nested(who, session.cohorts[cohort].complete)
        told_of = tuple(sorted(some)), session.data.columns, session.study.variables, there
        yield unlike_cells(*told_of)
        yield off_lines(*told_of).people


def own_names(line: Line, analysis: str) -> set[str]:
    """The variables of whose values a hospital's own numbers tell; of others they are adjusted."""
    one, named = line.study.analyses[analysis], set(names_in(line, analysis))
    if one.method == "meta":
        terms = {name for name in named for term in one.options["terms"] if name in re.findall(r"\w+", term)}
        return named & (terms | {outcome_of(line, analysis)})
    return named & {outcome_of(line, analysis)} if one.method in ("validate", "weighting") else named


def own_groups(line: Line, analysis: str) -> frozenset[Group]:
    """The groups of its people of which a hospital's own numbers tell."""
    one, names = line.study.analyses[analysis], own_names(line, analysis)
    crossed = names if one.method == "meta" else {*one.options.get("slopes", ()), one.options.get("by", "")}
    told = (group for group in groups_told(line, analysis) if names.issuperset(name for name, _ in group))
    return frozenset(group for group in told if len(group) < 2 or crossed.intersection(name for name, _ in group))
