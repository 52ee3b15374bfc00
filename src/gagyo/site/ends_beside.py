"""Beside which cuts of a question other plans leave a few people of this hospital: these stay shut at all hospitals.

A curve with a time of 365 days and another plan's with 366 tell of who left on that day; so do cells of values, bins of
scores and subgroups that are cut a person apart. Hospitals have no common list of what was answered: each looks at its
own people, and the sum of a question says how many hospitals are against a cut, and not which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gagyo.federation.ask import Ask
from gagyo.federation.local import LocalStep
from gagyo.protocol.request import Request
from gagyo.release.aggregate import NOBODY, Aggregate, Counts, Floats, compared, left
from gagyo.release.few_values import Bools
from gagyo.release.halves import nested
from gagyo.site.ends import CLOSED, Ends, Known, kind_of
from gagyo.site.scores_told import GRIDS, SCORES, TIMES
from gagyo.site.session import Session
from gagyo.site.subgroups import STEP, outcome_of

Counting = Callable[[str, Bools, Floats], Counts]
"""How many of some people (their key; who, (n,)) lie under and over the middle of three ends (m, 3): (m, 2, groups)."""


def against(ends: Ends, session: Session, request: Request, step: LocalStep) -> Aggregate:
    """Beside a share of intervals, cells or bins: 1 in those on either side of a cut that this hospital is against.

    Beside subgroups that are cut at values: 1 for each cut that it is against, for which it adds nothing.
    """
    kind, asked = step.name.partition(".")[2], request.arguments
    if kind == STEP:
        own = _against_subgroups(ends, session, request, step)
        return {"subgroups before": replace(compared(NOBODY), own=own.astype(np.int64))}
    if kind not in (TIMES, SCORES, *GRIDS):
        return {}
    low, cuts, high = _bins(kind, asked["edges"])
    shut, which = np.zeros(cuts.shape, bool), asked.get("which", np.zeros(len(cuts)))
    for number in np.unique(which).astype(int).tolist():
        mine = (which == number)[:, None] & (low < cuts) & (cuts < high)
        at = np.unique(cuts[mine])
        counting = partial(_in_cells, session, request, step, number)
        few = _few(ends, session, request, at, kind, _known(ends, session, kind, asked, number), counting)
        shut |= mine & np.isin(cuts, at[few])
    if kind == TIMES:
        beside = np.pad(shut, ((0, 0), (0, 1))) | np.pad(shut, ((0, 0), (1, 0)))
        return {"exits before": left(beside.astype(np.int64))}
    return {"bins before": left(np.repeat(shut, 2, axis=1).astype(np.int64))}


def against_since(ends: Ends, session: Session, request: Request, ask: Ask, cells: Aggregate) -> Aggregate:
    """The cells of a sum that is about to be opened, with what this hospital is against by now: other plans may have
    opened ends since it shared. Of this nobody else knows, and it alone keeps shut what it is against.
    """
    found = against(ends, session, replace(request, arguments=ask.arguments), ask.step)
    now = {
        name: compared(one.own) if one.own.size else replace(one, people=one.people + cells[name].people)
        for name, one in found.items()
    }
    return {**cells, **now}


def _bins(kind: str, edges: Floats) -> tuple[Floats, Floats, Floats]:
    """The cuts (m, cuts) of a question, and the ends between which they lie."""
    if kind == TIMES:
        return edges[:, :1], edges[:, 1:-1], edges[:, -1:]
    low, cuts, high = np.moveaxis(nested(edges), -1, 0)
    return low, cuts, high


def _known(ends: Ends, session: Session, kind: str, asked: Mapping[str, Any], number: int) -> Known:
    """The ends of other plans of what a question counts."""
    if kind == SCORES:
        return ends.of_scores(session, asked, number)
    name = str(asked["time"]) if kind == TIMES else str(asked["variables"][number])
    return ends.of_variable(session, name, kind in CLOSED)


def _in_cells(
    session: Session, request: Request, step: LocalStep, number: int, people: str, both: Bools, ends: Floats
) -> Counts:
    """As a question counts the people of its cohort who are in another plan's, too, in each of its groups."""
    whole, asked = session.cohorts[request.cohort], {**request.arguments, "edges": ends}
    rows = whole.rows
    if not np.array_equal(both, whole.complete):
        (rows,) = session.cohorts.parts(request.cohort, f"also in {people}", [both])
    if step.name.partition(".")[2] == TIMES:
        return step(rows, **asked)["exits"].people[..., 0]
    asked |= {"which": np.full(len(ends), float(number))}
    asked |= {"filled": np.zeros((len(ends), 1))} if "filled" in asked else {}
    bins = step(rows, **asked)["bins"]
    return bins.people if bins.kind == "grouped" else bins.people[..., :1]


def _against_subgroups(ends: Ends, session: Session, request: Request, step: LocalStep) -> Bools:
    """Which cuts of subgroups leave a few with those of another plan's, in all, or with or without the outcome."""
    variable, at, kind = str(request.arguments["variable"]), request.arguments["cuts"], kind_of(session, request, step)
    every = ends.of_variable(session, variable, closed=False) if at.size else {}
    known = {people: {kind: kinds[kind]} for people, kinds in every.items() if kind in kinds}
    x, y = (session.data.columns[name] for name in (variable, outcome_of(session.line, request.analysis)))

    def counted(people: str, both: Bools, three: Floats) -> Counts:
        ranked = [np.sort(x[both & group]) for group in (~np.isnan(x), y == 1, y == 0)]
        return np.stack([np.diff(np.searchsorted(one, three), axis=1) for one in ranked], axis=-1)

    return _few(ends, session, request, at, kind, known, counted)


def _few(
    ends: Ends, session: Session, request: Request, at: Floats, kind: str, known: Known, counting: Counting
) -> Bools:
    """Beside which cuts (m,) a few of those who are in another plan's cohort, too, lie up to its nearest end.

    A cut of which all of them, or more people, were told before is nothing new of them: the same question again passes.
    """
    whole, least = session.cohorts[request.cohort].complete, session.limits.minimum_people
    found, told = np.zeros(len(at), bool), list[tuple[Bools, Bools, Bools]]()
    for people, kinds in known.items() if at.size else ():
        both = ends.members(session, people) & whole
        if both.any():
            counted = partial(counting, people, both)
            few, _ = _beside(at, np.unique(np.concatenate([*kinds.values()])), counted, least)
            told.append((both, few, _beside(at, kinds.get(kind, np.zeros(0)), counted, least)[1]))
    for both, few, _ in told:
        again = [same for others, _, same in told if not (both & ~others).any()]
        found |= few & ~np.any(again, axis=0)
    return found


def _beside(at: Floats, known: Floats, counted: Callable[[Floats], Counts], least: int) -> tuple[Bools, Bools]:
    """Beside which cuts (m,) 1 to k - 1 people lie, up to the nearest known end; which divide people as one does.

    An end that has all of them on one side, such as that of a variable's range, divides nobody.
    """
    known = np.concatenate([[-np.inf], known[_sides(known, counted).all(axis=1)], [np.inf]])
    under, over = known[np.searchsorted(known, at, side="right") - 1], known[np.searchsorted(known, at)]
    people = counted(np.stack([under, at, over], axis=1))
    same = (people.sum(axis=2) == 0).any(axis=1)
    few = ((people > 0) & (people < least)).any(axis=2) & np.isfinite(np.stack([under, over], axis=1))
    return few.any(axis=1) & ~same, same


def _sides(ends: Floats, counted: Callable[[Floats], Counts]) -> Bools:
    """Whether there is anybody on either side of some ends (m, 2)."""
    if not ends.size:
        return np.zeros((0, 2), bool)
    beyond = np.full_like(ends, np.inf)
    return np.asarray(counted(np.stack([-beyond, ends, beyond], axis=1)).sum(axis=2) > 0)
