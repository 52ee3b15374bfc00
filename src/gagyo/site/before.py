"""What other plans opened here about the same people, in whatever study: it counts with what a plan asks.

The ledger says of which analyses of which plans how many numbers left; the memory beside it, whom each was about and
what it asked. The same question about the same people, as most of an amended plan are, tells nothing twice, unless
somebody's value is another than it was: keyed bits of each are kept.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.canonical import canonical, digest, plain
from gagyo.federation.line import Line
from gagyo.federation.weighing import UNWEIGHTED, Weighing
from gagyo.protocol.request import Request
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import Counts
from gagyo.release.case import Before
from gagyo.site.groups_told import names_in
from gagyo.site.keyed_digests import fingerprints
from gagyo.site.resampled import Bits, Dealing, Dealt, apart, both_of, overlap
from gagyo.site.said import Said
from gagyo.site.session import Session
from gagyo.site.store import Store


@dataclass(frozen=True)
class Asked:
    """An analysis of a plan: whom it is about (a cohort's key), what it asks of which columns, how it resamples.

    weighs: how, where it does. values: by variable that it names, the digest of what everybody's were, as keyed bits.
    """

    plan: str
    analysis: str
    people: str
    content: str
    columns: frozenset[str]
    dealt: Dealt
    weighs: Weighing | None
    values: Mapping[str, str]

    @classmethod
    def read(cls, plan: str, analysis: str, people: str, body: str) -> Asked:
        """As `body` was kept."""
        said = json.loads(body)
        weighs = Weighing.read(said["weighs"]) if said["weighs"] else None
        columns, dealt = frozenset(said["columns"]), Dealt(**said["dealt"])
        return cls(plan, analysis, people, said["content"], columns, dealt, weighs, said["values"])

    @property
    def body(self) -> str:
        """All but who and where, as text."""
        said: dict[str, Any] = {"content": self.content, "columns": sorted(self.columns), "dealt": self.dealt.plain}
        said |= {"weighs": self.weighs.plain if self.weighs else None, "values": dict(self.values)}
        return canonical(said).decode()


class Earlier:
    """The other plans of this hospital, as the rules look at them. secret: the key of the bits of values."""

    def __init__(self, store: Store, said: Said, secret: bytes) -> None:
        self._store, self._said, self._secret = store, said, secret
        self._every: dict[tuple[str, str], Asked] | None = None
        self._members: dict[str, Bits] = {}
        self._digests: dict[tuple[str, str], str] = {}
        self._changed: dict[tuple[str, str], NDArray[np.bool_]] = {}

    def note_values(self, session: Session) -> None:
        """With an approval, which is of these data: everybody's values are kept as keyed bits, before any round."""
        self._store.keep_fingerprints(self._noted(session, name) for name in session.study.variables)

    def _noted(self, session: Session, variable: str) -> tuple[str, bytes]:
        bits = session.cohorts.by_place(fingerprints(session.data.columns[variable], self._secret)).tobytes()
        self._digests[session.plan.digest, variable] = digest(bits)
        return digest(bits), bits

    def bits_of(self, session: Session, variable: str) -> str:
        """The digest of everybody's values of a variable, as keyed bits: by another name they have the same."""
        return self._digests[session.plan.digest, variable]

    def keep(self, session: Session, analysis: str) -> None:
        """Before anything about an analysis leaves: remember whom it is about, and what it asks."""
        if analysis in session.study.analyses:
            self._asked(session, analysis)

    def _asked(self, session: Session, analysis: str) -> Asked:
        place = (session.plan.digest, analysis)
        if place not in self._kept:
            study = session.study
            people = session.cohorts[study.analyses[analysis].cohort].key
            columns, dealt = frozenset(study.variables), Dealt.of(session.line, analysis)
            content, weighs = content_of(session.line, analysis), Weighing.of(study.analyses[analysis])
            values = {name: self._digests[place[0], name] for name in names_in(session.line, analysis)}
            one = Asked(*place, people, content, columns, dealt, weighs, values)
            self._store.keep_asked(*place, one.people, one.body)
            self._kept[place] = one
        return self._kept[place]

    def _others(self, session: Session) -> list[Asked]:
        """The analyses of other plans of which something left, or still may."""
        others = (one for (plan, _), one in self._kept.items() if plan != session.plan.digest)
        return [one for one in others if self._said.may_have_told(one.plan, one.analysis)]

    def corrected(self, session: Session, request: Request) -> int | None:
        """How many people a question and one of another plan, whose answers say something of the same variables, differ
        by where somebody's value was another then: who is of one of both alone, and whose values differ. None of none.
        """
        if request.analysis not in session.study.analyses:
            return None
        mine, now = self._asked(session, request.analysis), session.cohorts[request.cohort].members
        found = []
        for one in self._others(session):
            pairs = [(mine.values[name], one.values[name]) for name in sorted({*mine.values} & {*one.values})]
            other = [pair for pair in pairs if pair[0] != pair[1]]
            if other:
                then = self._of(one.people)
                changed = np.logical_or.reduce(list(_alike_wide([self._differ(*pair) for pair in other])))
                both = overlap(np.packbits(changed), both_of(now, then))[0]
                found += [both + apart(now, then)] if both else []
        return min(found, default=None)

    def own_alike(self, session: Session, request: Request, names: set[str]) -> Counts:
        """Of each variable of which this hospital tells by itself (names), and each other that another plan named where
        it did, by how many people of both cohorts they differ.
        """
        mine, now, found = self._asked(session, request.analysis), session.cohorts[request.cohort].members, [0]
        for one in self._others(session):
            if self._said.told(one.plan, one.analysis).numbers[request.receiver, "each"]:
                both = both_of(now, self._of(one.people))
                for name, other in product(sorted(names - {*one.values}), sorted({*one.values} - {*mine.values})):
                    apart_by = self._differ(mine.values[name], one.values[other])
                    found.append(overlap(np.packbits(apart_by), both)[0])
        return np.array(found, np.int64)

    def _differ(self, now: str, then: str) -> NDArray[np.bool_]:
        """Whose bits are others, by lasting place."""
        if (now, then) not in self._changed:
            one, other = _alike_wide([self._store.fingerprints(now), self._store.fingerprints(then)])
            self._changed[now, then] = one != other
        return self._changed[now, then]

    def resampled(self, session: Session) -> list[Dealing]:
        """Whom other plans resampled, and how."""
        return [Dealing(self._of(one.people), one.dealt) for one in self._others(session) if one.dealt]

    def weighs_apart(self, session: Session, request: Request) -> bool:
        """Whether another plan opened sums in which the same people weigh otherwise, all but a few of them alike."""
        one = session.study.analyses.get(request.analysis)
        mine = Weighing.of(one) if one else None
        if mine is None:
            return False
        key = session.cohorts[request.cohort].key
        others = (one for one in self._others(session) if one.people == key and one.weighs and mine.apart(one.weighs))
        told = [one.weighs for one in others if self._said.told(one.plan, one.analysis).steps - UNWEIGHTED]
        return any(not mine.times or _few_between(session, request, mine, one) for one in told if one)

    def spent(self, session: Session, request: Request, channel: str, people: int) -> Before:
        """What a receiver saw of a cohort's people in other plans; people: the cohort's, here or in all.

        Of a cohort that holds others too, only the numbers beyond those that the others' data could account for.
        """
        if request.analysis not in session.study.analyses:
            return Before()
        now = session.cohorts[request.cohort]
        again = self._opened_again(session, request.analysis)
        found: dict[str, dict[str, int]] = defaultdict(dict)
        columns: dict[str, frozenset[str]] = defaultdict(frozenset)
        for one in self._others(session):
            number = self._said.told(one.plan, one.analysis).numbers[request.receiver, channel]
            if number and (one.people, one.content) not in again:
                found[one.people][one.content] = max(number, found[one.people].get(one.content, 0))
                columns[one.people] |= one.columns
        total, every = 0, frozenset(session.study.variables)
        for key, numbers in found.items():
            inside, outside = overlap(now.members, self._of(key))
            beyond = sum(numbers.values()) - int(outside * people / max(now.rows.n, 1)) * len(columns[key])
            if inside and beyond > 0:
                total, every = total + beyond, every | columns[key]
        return Before(total, len(every))

    def _opened_again(self, session: Session, analysis: str) -> set[tuple[str, str]]:
        """The questions, and their people, that this plan put itself: their numbers are counted as its own."""
        told = (name for name in session.study.analyses if self._said.told(session.plan.digest, name).opened)
        return {(one.people, one.content) for one in (self._asked(session, name) for name in (*told, analysis))}

    @property
    def _kept(self) -> dict[tuple[str, str], Asked]:
        """All that was asked here, by plan and analysis; read from disk once."""
        if self._every is None:
            self._every = {(one.plan, one.analysis): one for one in (Asked.read(*row) for row in self._store.asked())}
        return self._every

    def _of(self, key: str) -> Bits:
        if key not in self._members:
            self._members[key] = self._store.members(key)
        return self._members[key]


def _few_between(session: Session, request: Request, mine: Weighing, other: Weighing) -> bool:
    """Whether 1 to k - 1 people here start, or leave, between ends of two trials' intervals."""
    complete, least = session.cohorts[request.cohort].complete, session.limits.minimum_people
    columns = [session.data.columns[name][complete] for name in mine.times]
    numbers = (int(((x > low) & (x <= high)).sum()) for x in columns for low, high in mine.between(other))
    return any(0 < number < least for number in numbers)


def _alike_wide(several: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Numbers by lasting place, as many of each."""
    width = max(len(one) for one in several)
    return [np.pad(one, (0, width - len(one))) for one in several]


def content_of(line: Line, analysis: str) -> str:
    """A digest of all that an analysis asks, but for its name, its labels and its people.

    Options, the analyses that it starts from, how the variables that it names are declared, the study's minimum of
    people, and what its hidden orders are made of.
    """
    study, one = line.study, line.study.analyses[analysis]
    needed = {name: [content_of(line, name), _where(line, name)] for name in line.methods[analysis].needs}
    asked: dict[str, Any] = {"method": one.method, "options": one.options, "needs": needed}
    asked |= {"variables": {name: _declared(study.variables[name]) for name in names_in(line, analysis)}}
    asked |= {"release": study.release}
    return digest(plain(asked | {"order": f"{study.study} {study.seed}"}))


def _where(line: Line, analysis: str) -> str:
    cohort = line.study.cohorts[line.study.analyses[analysis].cohort]
    return str(cohort.where)


def _declared(one: Variable) -> list[Any]:
    """What a variable's declaration says of its numbers."""
    return [one.type, one.unit, list(one.range), [level.name for level in one.levels], one.analyte]
