"""How many people, at the least, a sum is over that follows from sums over folds and over resampled people.

People are dealt out to folds in one order, which nobody needs to know: sums of each of five folds and of each of seven
are sums over every fifth and every seventh, and with more such numbers of folds a few people follow. And of as many
replicates of a bootstrap as there are people everybody's part follows, for whoever knows the identifiers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from gagyo.federation.line import Line
from gagyo.federation.method import folds_of, resampled_by
from gagyo.release.aggregate import NOBODY, Counts
from gagyo.release.few_values import Bools


@dataclass(frozen=True)
class Resampled:
    """What an analysis and earlier ones of its plan resample.

    folds: by cohort, the numbers of folds that its people are dealt out to, where this analysis does so and one number
    is no divisor of the greatest. weighings: how many sums of the same people, each with other weights, are opened; 0
    where this analysis opens none.
    """

    folds: Mapping[str, frozenset[int]]
    weighings: int

    @classmethod
    def of(cls, line: Line, analyses: Sequence[str]) -> Resampled:
        """Of analyses of a plan, the last of which is about to be answered."""
        return cls(_folds(line, analyses), _weighings(line, analyses))

    def over(self, people: Mapping[str, Bools], cohort: str, hospitals: int) -> Counts:
        """This hospital's part, one of some, of how many people such sums are over; people: by cohort (n,)."""
        now = people[cohort]
        return np.append(self._over_folds(people, now), self._over_weighings(int(now.sum()), hospitals))

    def _over_folds(self, people: Mapping[str, Bools], now: Bools) -> Counts:
        """How many people, at the least, any sum is over that follows from those of the folds (1,); (0,) without folds.

        Who is in which of F folds has period F in the hidden order, so that such a sum's weights follow a linear
        recurrence of as many terms as there are fractions 0/F, 1/F, ... of all F: where so many in a row are zero, all
        are. Of so many people in a row at least one is in it, if it is a sum over anybody.
        """
        if not self.folds:
            return NOBODY
        same = [numbers for name, numbers in self.folds.items() if np.array_equal(people[name], now)]
        return np.array([int(now.sum()) // _terms(frozenset[int]().union(*same))], dtype=np.int64)

    def _over_weighings(self, people: int, hospitals: int) -> Counts:
        """This hospital's part of how many people, at the least, a sum is over that follows from those of resampling.

        Whoever knows each person's weights, which are made of identifiers, can take away one person for each sum.
        """
        return np.array([people - -(-self.weighings // hospitals)] if self.weighings else [], dtype=np.int64)


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
