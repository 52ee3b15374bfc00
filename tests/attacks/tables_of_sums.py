"""The tables of two by two of single hospitals, worked out from sums over hospitals of what each adds as a stratum.

Every hospital's terms are fractions over its own number of people, which the flow of patients tells. Sums of fractions
of different denominators come apart by remainders: of Mantel and Haenszel's R = sum of a d / n follows a d modulo n of
each hospital. A few hundred tables of whole numbers are left of each, and all sums together choose among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Tables = NDArray[np.int64]
"""(tables, 4): a, b, c, d; a and c are of the second group, a and b have the outcome."""


def tables(people: int) -> Tables:
    """All tables of two by two of so many people."""
    a, b = (one.ravel() for one in np.meshgrid(np.arange(people + 1), np.arange(people + 1), indexing="ij"))
    a, b = a[a + b <= people], b[a + b <= people]
    rest = people - a - b
    at = np.repeat(np.arange(len(a)), rest + 1)
    c = np.arange(len(at)) - np.repeat(np.cumsum(rest + 1) - rest - 1, rest + 1)
    return np.column_stack([a[at], b[at], c, rest[at] - c])


def remainders(total: float, denominators: Sequence[int], numerators: Sequence[Tables]) -> list[NDArray[np.bool_]]:
    """Which numerator of each hospital, (tables,), agrees with a sum of fractions over their denominators."""
    whole = reduce(lcm, denominators)
    if abs(total) * whole > 2**48:
        raise ValueError("no double holds the sum well enough to take remainders")
    scaled = round(total * whole)
    found = []
    for number, (own, numerator) in enumerate(zip(denominators, numerators, strict=True)):
        others = reduce(lcm, [one for at, one in enumerate(denominators) if at != number])
        base = own // gcd(own, others)
        found.append((numerator % base) * (whole // own % base) % base == scaled % base)
    return found


@dataclass(frozen=True)
class Fractions:
    """Of the sums, that numbered `at` is of whole numbers of the tables over a denominator that people give."""

    at: int
    over: Callable[[int], int]
    whole: Callable[[Tables], NDArray[np.int64]]


def consistent(
    people: Sequence[int],
    counts: Sequence[int],
    sums: Floats,
    adds: Callable[[Tables], Floats],
    fractions: Sequence[Fractions],
) -> NDArray[np.int64]:
    """All tables (solutions, hospitals, 4) that agree with pooled counts a, b, c, d and with the sums.

    adds: what tables (m, 4) add to the sums, (m, q).
    """
    left = [tables(n) for n in people]
    left = [one[np.all(one <= counts, axis=1)] for one in left]
    for one_sum in fractions:
        over = [one_sum.over(n) for n in people]
        kept = remainders(float(sums[one_sum.at]), over, [one_sum.whole(one) for one in left])
        left = [one[which] for one, which in zip(left, kept, strict=True)]
    parts = [np.column_stack([one, adds(one)]) for one in left]
    return _matched(left, parts, np.concatenate([counts, sums]))


def _matched(left: Sequence[Tables], parts: Sequence[Floats], target: Floats) -> NDArray[np.int64]:
    """Meet in the middle: combinations of the first half of hospitals and of the rest that come to the target."""
    middle = (len(left) + 1) // 2
    halves = [_combined(parts[:middle]), _combined(parts[middle:])]
    weights = np.random.default_rng(1).uniform(0.5, 1.5, len(target))
    keys = [sums @ weights for sums, _ in halves]
    order = np.argsort(keys[1])
    near = 1e-8 * (1 + abs(float(target @ weights)))
    low, high = (np.searchsorted(keys[1][order], target @ weights - keys[0] + away) for away in (-near, near))
    found = []
    for first in np.flatnonzero(high > low):
        for second in order[low[first] : high[first]]:
            if np.allclose(halves[0][0][first] + halves[1][0][second], target, rtol=1e-9, atol=1e-9):
                at = (*halves[0][1][first], *halves[1][1][second])
                found.append([one[which] for one, which in zip(left, at, strict=True)])
    return np.array(found, dtype=np.int64).reshape(-1, len(left), 4)


def _combined(parts: Sequence[Floats]) -> tuple[Floats, NDArray[np.int64]]:
    """The sums of every choice of one row of each part, and the choices."""
    sums, chosen = parts[0], np.arange(len(parts[0]))[:, None]
    for one in parts[1:]:
        first, second = (at.ravel() for at in np.indices((len(sums), len(one))))
        sums = sums[first] + one[second]
        chosen = np.column_stack([chosen[first], second])
    return sums, chosen
