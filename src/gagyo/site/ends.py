"""Where plans divided people by a value: a hospital remembers the ends that it opened, and whom they are about.

Ends of intervals of time, of cells of values and of bins of scores, and cuts of subgroups, as they were opened; and
where a cohort's condition divides a variable's values.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gagyo.canonical import canonical, digest
from gagyo.federation.ask import Ask
from gagyo.federation.local import LocalStep
from gagyo.protocol import formula as formulas
from gagyo.protocol.request import Request
from gagyo.protocol.variables import Variable, levels_of
from gagyo.release.aggregate import Floats
from gagyo.release.few_values import Bools
from gagyo.site.before import Earlier
from gagyo.site.divided import moved
from gagyo.site.scores_told import GRIDS, SCORES, TIMES, cells_opened, scores_opened, times_opened
from gagyo.site.session import Session
from gagyo.site.store import Store
from gagyo.site.subgroups import STEP, outcome_of

COHORT = "cohort"
"""The kind of the ends of a cohort's condition; all others are of the step that opened them."""

CLOSED = (COHORT, TIMES)
"""Kinds of which who has just the value of an end is under it; of all others, over it."""

EVERYONE = ""
"""Instead of a cohort's key: all people of the hospital, whom a condition divides."""

Known = Mapping[str, Mapping[str, Floats]]
"""By the key of the people that they are about, and by kind, the ends of one thing."""


@dataclass(frozen=True)
class End:
    """Ends of one thing in a plan. of: a variable, or how scores were made; bits: a digest of the variable's values."""

    plan: str
    people: str
    kind: str
    of: str
    bits: str
    cuts: Floats

    def on(self, closed: bool) -> Floats:
        """The cuts as those of the other kind that divide people alike: at the next number that there is."""
        if closed == (self.kind in CLOSED):
            return self.cuts
        return np.nextafter(self.cuts, -np.inf if closed else np.inf)

    @cached_property
    def score(self) -> Mapping[str, Any]:
        """How scores were made, as `_made` says it, and of which set they are."""
        found: Mapping[str, Any] = json.loads(self.of)
        return found


class Ends:
    """The ends of all plans at this hospital; whom they are about is remembered with the cohorts that it answered."""

    def __init__(self, store: Store, earlier: Earlier) -> None:
        self._store, self._earlier = store, earlier
        self._read = 0
        self._every: list[End] = []
        self._looked: dict[str, int] = {}
        self._conditions: set[tuple[str, str]] = set()

    def keep_opened(self, session: Session, request: Request, ask: Ask, withheld: Mapping[str, Bools]) -> None:
        """Before a sum's mask leaves: where it opens intervals, cells, bins or subgroups. withheld: by measure."""
        people, kind = session.cohorts[request.cohort].key, kind_of(session, request, ask.step)
        self._keep(session, [(people, kind, of, cuts) for of, cuts in _opened(session, request, ask, withheld)])

    def keep_condition(self, session: Session, cohort: str) -> None:
        """Before anything about a cohort leaves: where its condition divides everyone."""
        if (session.plan.digest, cohort) not in self._conditions:
            places = _places(session, cohort)
            self._keep(session, [(EVERYONE, COHORT, name, np.array([cut])) for name, cut in places])
            self._conditions.add((session.plan.digest, cohort))

    def _keep(self, session: Session, ends: Iterable[tuple[str, str, str, Floats]]) -> None:
        bits = {name: self._earlier.bits_of(session, name) for name in session.study.variables}
        plan = session.plan.digest
        rows = [(plan, people, kind, of, bits.get(of, ""), cuts.tobytes()) for people, kind, of, cuts in ends]
        if rows:
            self._store.keep_ends(rows)

    def look(self, statement: str) -> None:
        """A sum is about to be shared, by what is known now."""
        self._looked[statement] = len(self._known())

    def came_since(self, session: Session, statement: str) -> bool:
        """Whether other plans opened ends since a sum was shared."""
        since = self._known()[self._looked.pop(statement, 0) :]
        return any(one.plan != session.plan.digest for one in since)

    def _known(self) -> list[End]:
        """All that is kept; each is read from disk once."""
        for number, plan, people, kind, of, bits, cuts in self._store.ends(self._read):
            self._read = number
            self._every.append(End(plan, people, kind, of, bits, np.frombuffer(cuts)))
        return self._every

    def _others(self, session: Session) -> Iterator[End]:
        """Those of other plans."""
        return (one for one in self._known() if one.plan != session.plan.digest)

    def of_variable(self, session: Session, name: str, closed: bool) -> Known:
        """Where other plans divided the values of a variable, by whatever name they had it."""
        bits = self._earlier.bits_of(session, name)
        mine = (one for one in self._others(session) if one.kind != SCORES and (name == one.of or bits == one.bits))
        return _by_people((one, one.on(closed)) for one in mine)

    def of_scores(self, session: Session, asked: Mapping[str, Any], number: int) -> Known:
        """Where other plans divided a question's scores, or such as order people alike by everyone's model."""
        of, variables = _set(asked, number), session.study.variables
        mine = [one for one in self._others(session) if one.kind == SCORES and one.score["set"] == of]
        now = {**_made(asked, variables), "set": of} if mine else {}
        return _by_people((one, _on_scale(one, now, variables)) for one in mine)

    def members(self, session: Session, people: str) -> Bools:
        """Who of everyone here (n,) some ends are about."""
        if people == EVERYONE:
            return np.ones(len(session.data.persons), bool)
        return session.cohorts.inside(self._store.members(people))


def kind_of(session: Session, request: Request, step: LocalStep) -> str:
    """The kind of the ends that a step opens; of subgroups it says of which outcome they tell."""
    kind = step.name.partition(".")[2]
    return f"{kind} {outcome_of(session.line, request.analysis)}" if kind == STEP else kind


def _opened(
    session: Session, request: Request, ask: Ask, withheld: Mapping[str, Bools]
) -> Iterator[tuple[str, Floats]]:
    """Of what a question opens ends, and at which cuts."""
    kind, asked, cohort = ask.step.name.partition(".")[2], ask.arguments, request.cohort
    told = {name: np.where(shut, np.nan, 0.0) for name, shut in withheld.items()}
    if kind == TIMES:
        yield str(asked["time"]), times_opened(cohort, asked, told["exits"]).cuts
    elif kind in GRIDS:
        yield from ((one.variable, one.cuts) for one in cells_opened(kind, cohort, asked, told["bins"]))
    elif kind == SCORES:
        made = _made(asked, session.study.variables)
        places = [tuple(one) for one in asked["sets"]]
        for one in scores_opened(request.analysis, cohort, asked, told["bins"]):
            yield canonical({**made, "set": _set(asked, places.index(one.which))}).decode(), one.cuts
    elif kind == STEP and not levels_of(session.study.variables[asked["variable"]]) and not withheld["groups"].any():
        yield str(asked["variable"]), asked["cuts"]


def _places(session: Session, cohort: str) -> Iterator[tuple[str, float]]:
    """By variable, the greatest value here that is on the lower side of each comparison in a cohort's condition."""
    where, variables = session.study.cohorts[cohort].where, session.study.variables
    for name in sorted(where.variables) if where else ():
        x = session.data.columns[name]
        for holds in where.places(name, session.data.columns) if where and not levels_of(variables[name]) else ():
            there, others = x[holds & ~np.isnan(x)], x[~holds & ~np.isnan(x)]
            for low, high in ((there, others), (others, there)):
                if low.size and high.size and low.max() < high.min():
                    yield name, float(low.max())


def _set(asked: Mapping[str, Any], number: int) -> list[float]:
    found: list[float] = np.asarray(asked["sets"][number]).tolist()
    return found


def _made(asked: Mapping[str, Any], variables: Mapping[str, Variable]) -> dict[str, Any]:
    """How the scores of a question are made, whichever the set."""
    coefficients = np.asarray(asked["coefficients"]).tolist()
    every = {"formula": asked["formula"], "coefficients": coefficients, "layout": np.asarray(asked["layout"]).tolist()}
    named = sorted(formulas.parse(asked["formula"], variables).variables)
    declared = {name: [variables[name].type, [one.name for one in variables[name].levels]] for name in named}
    made = {"formula": asked["formula"], "coefficients": coefficients[:1], "variables": declared}
    return {**made, "models": digest(every)}


def _on_scale(one: End, now: Mapping[str, Any], variables: Mapping[str, Variable]) -> Floats:
    """The cuts of another plan's scores on the scale of this one's; none where they order people otherwise."""
    then = one.score
    if then["models"] == now["models"]:
        return one.cuts
    declared = {name: [it.type, [level.name for level in it.levels]] for name, it in variables.items()}
    if now["set"][0] > 0 or not then["variables"].items() <= declared.items():
        return np.zeros(0)
    return moved(one.cuts, then, now, variables)


def _by_people(ends: Iterable[tuple[End, Floats]]) -> Known:
    found = defaultdict[str, dict[str, list[Floats]]](lambda: defaultdict(list))
    for one, cuts in ends:
        if cuts.size:
            found[one.people][one.kind].append(cuts)
    return {
        people: {kind: np.unique(np.concatenate(several)) for kind, several in kinds.items()}
        for people, kinds in found.items()
    }
