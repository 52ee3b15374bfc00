"""How many people, at the least, a sum is over that follows from sums over folds and over resampled people.

People are dealt out to folds in one order, which nobody needs to know: sums of each of five folds and of each of seven
are sums over every fifth and every seventh, and with more such numbers of folds a few people follow. And of as many
replicates of a bootstrap as there are people everybody's part follows, for whoever knows the identifiers; so it does of
some replicates of everyone, some of most people, and some under another plan.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.line import Line
from gagyo.federation.method import folds_of, resampled_by, within_of
from gagyo.release.aggregate import NOBODY, Counts

Bits = NDArray[np.uint8]
"""People of this hospital, packed: a bit for each of their lasting places."""


@dataclass(frozen=True)
class Dealt:
    """How an analysis resamples its people: into so many folds, so often, and so many replicates of a bootstrap.

    order: of what their hidden order is made, beside identifiers. sort: the method, and the classes within which it
    deals people out.
    """

    order: str
    sort: str
    folds: int = 0
    repeats: int = 0
    replicates: int = 0

    @classmethod
    def of(cls, line: Line, analysis: str) -> Dealt:
        """As the plan alone says."""
        method, study = line.methods[analysis], line.study
        folds, (_, repeats, replicates) = folds_of(method), resampled_by(method)
        sort = f"{study.analyses[analysis].method} {within_of(method)}"
        return cls(f"{study.study} {study.seed}", sort, folds, max(repeats, 1) if folds else 0, replicates)

    @property
    def plain(self) -> dict[str, Any]:
        """As a record that `Dealt(**record)` reads."""
        return asdict(self)

    def __bool__(self) -> bool:
        return bool(self.folds or self.replicates)


@dataclass(frozen=True)
class Dealing:
    """Who of this hospital is resampled, and how."""

    members: Bits
    how: Dealt


def sums_over(now: Dealing, others: Sequence[Dealing], hospitals: int) -> Counts:
    """This hospital's part, one of some, of how many people any sum is over that follows from all: (0,) of no folds and
    replicates now, (1,) or (2,) otherwise, as the plan alone says. others: of analyses of which sums were opened.
    """
    every = [one for one in (*others, now) if one.how]
    folds = [_over_folds(now, every)] if now.how.folds else []
    weighings = [_over_weighings(now, every, hospitals)] if now.how else []
    return np.concatenate([NOBODY, np.array([*folds, *weighings], dtype=np.int64)])


def _over_folds(now: Dealing, every: Sequence[Dealing]) -> int:
    """How many people, at the least, any sum is over that follows from those of the folds of the same people.

    Who is in which of F folds has period F in the hidden order, so that such a sum's weights follow a linear recurrence
    of as many terms as there are fractions 0/F, 1/F, ... of all F: where so many in a row are zero, all are. Of so many
    people in a row at least one is in it, if it is a sum over anybody. Where one number is a multiple of all, there are
    no sums but those of its folds, which are ruled on one by one.
    """
    people = _number(now.members)
    same = (one for one in every if one.how.order == now.how.order and _alike(one.members, now.members))
    numbers = {one.how.folds for one in same if one.how.folds}
    terms = _terms(numbers)
    return people // terms if terms > max(numbers) else -(-people // terms)


def _over_weighings(now: Dealing, every: Sequence[Dealing], hospitals: int) -> int:
    """This hospital's part of how many people, at the least, a sum is over that follows from those of resampling.

    Whoever knows each person's weights, which are made of identifiers, can take away one person for each sum: of these
    people, and of all in these and other cohorts together, where that leaves fewer.
    """
    groups: dict[tuple[str, bytes], list[Dealt]] = {}
    for one in every:
        groups.setdefault((one.how.order, _trimmed(one.members)), []).append(one.how)
    mine = _trimmed(now.members)
    union, sums = now.members, 1 + sum(_weighings(how) for (_, who), how in groups.items() if who == mine)
    left = [(np.frombuffer(who, np.uint8), 1 + _weighings(how)) for (_, who), how in groups.items() if who != mine]
    left = [one for one in left if _number(both_of(union, one[0]))]
    least = _number(union) - -(-sums // hospitals)
    while left:
        found = [_number(_either(union, who)) - -(-(sums + more) // hospitals) for who, more in left]
        best = int(np.argmin(found))
        if found[best] >= least:
            break
        who, more = left.pop(best)
        union, sums, least = _either(union, who), sums + more, found[best]
    return least


def _weighings(several: Sequence[Dealt]) -> int:
    """How many sums with other weights, beside everyone's, some analyses of the same people in one order open.

    The same replicate, and the same division into as many folds, has the same weights in all.
    """
    divisions: dict[tuple[str, int], int] = {}
    for one in several:
        place = (one.sort, one.folds)
        divisions[place] = max(divisions.get(place, 0), one.repeats)
    replicates = max(one.replicates for one in several)
    return replicates + sum((folds - 1) * often for (_, folds), often in divisions.items() if folds)


def in_plan(line: Line, analyses: Collection[str], members: Mapping[str, Bits]) -> list[Dealing]:
    """Who is resampled by some analyses of a plan; members: by cohort."""
    return [Dealing(members[line.study.analyses[name].cohort], Dealt.of(line, name)) for name in analyses]


def _terms(folds: Collection[int]) -> int:
    """The fractions of some numbers of folds: of one number as many as folds."""
    return len({Fraction(part, number) for number in folds for part in range(number)})


def _number(members: Bits) -> int:
    return int(np.bitwise_count(members).sum())


def _trimmed(members: Bits) -> bytes:
    """The same for the same people, however many places there were when they were packed."""
    return members.tobytes().rstrip(b"\0")


def _alike(one: Bits, other: Bits) -> bool:
    return _trimmed(one) == _trimmed(other)


def _wide(one: Bits, other: Bits) -> tuple[Bits, Bits]:
    width = max(len(one), len(other))
    return np.pad(one, (0, width - len(one))), np.pad(other, (0, width - len(other)))


def overlap(now: Bits, then: Bits) -> tuple[int, int]:
    """How many of some people then are among these, and how many are not."""
    inside = _number(both_of(now, then))
    return inside, _number(then) - inside


def apart(one: Bits, other: Bits) -> int:
    """How many people are of one of two sets alone."""
    return _number(np.bitwise_xor(*_wide(one, other)))


def both_of(one: Bits, other: Bits) -> Bits:
    """Who is of both."""
    return np.bitwise_and(*_wide(one, other))


def _either(one: Bits, other: Bits) -> Bits:
    return np.bitwise_or(*_wide(one, other))
