"""Measurements of which one follows from the other but for a few people: a weight in two units, two rounded alike.

Where all but one have y = a + b x, the sums of y less those of a + b x are that one's, in each product with another
column. An offset and an exposure that is its exponential are one offset, so an exposure counts by its logarithm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from gagyo.protocol.variables import Variable, levels_of
from gagyo.release.aggregate import NO_SPREAD, NOBODY, Counts, Floats, Spread, side_by_side, spread_of
from gagyo.release.few_values import Bools
from gagyo.release.parts import OTHERS, spread_apart
from gagyo.site.groups_told import column_of, variable_of

FIRST = 1 << 10
"""People who are looked at first."""

TOGETHER = 0.3
"""Of how many of them more go the same way than the other where two measurements may be on a line, as a share."""

ROUNDING = 0.01
"""A distance from a line, as a share of how far people are apart, that may be rounding."""

EXACT = 1e-9
"""A distance from a line, as a share of the largest value, that is rounding: as if there were none."""


@dataclass(frozen=True)
class OffLines:
    """Of each two measurements how many people are off the line that most are on, or all where most are on none; and
    how far, where somebody may be most of that.
    """

    people: Counts
    spread: Spread


def off_lines(
    pairs: Sequence[tuple[str, str]], columns: Mapping[str, Floats], variables: Mapping[str, Variable], who: Bools
) -> OffLines:
    """Of the pairs of two measurements, among some people (n,)."""
    found = list(_each(pairs, columns, variables, who))
    people = np.array([one for one, _ in found], np.int64)
    spreads = (spread for _, spread in found if spread is not NO_SPREAD)
    return OffLines(np.concatenate([NOBODY, people]), side_by_side(NO_SPREAD, *spreads))


def _each(
    pairs: Sequence[tuple[str, str]], columns: Mapping[str, Floats], variables: Mapping[str, Variable], who: Bools
) -> Iterator[tuple[int, Spread]]:
    names = sorted({name for pair in pairs for name in pair})
    some = np.flatnonzero(who)[:FIRST]
    first = {name: column_of(name, columns)[some] for name in names if not levels_of(variable_of(name, variables))}
    together, people = _together(first), int(np.count_nonzero(who))

    @cache
    def whole(name: str) -> Floats:  # of a million people only of the columns that may be on a line
        return column_of(name, columns)[who]

    for pair in pairs:
        if pair[0] not in first or pair[1] not in first:
            continue
        away = _off(pair, first, whole, variables) if pair in together else None
        if away is None:
            yield people, NO_SPREAD
        else:
            off = int(np.count_nonzero(away))
            yield (off if 2 * off < people else people), _spread(away, whole(pair[1]))


def _together(some: Mapping[str, Floats]) -> set[tuple[str, str]]:
    """Each two measurements (n,) that go up and down together, or against each other, as two on a line do."""
    names = list(some)
    if not names:
        return set()
    signs = np.array([np.nan_to_num(np.sign(_steps(some[name]))) for name in names], np.float32)
    moving = np.count_nonzero(signs, axis=1)
    alike = np.abs(signs @ signs.T) > TOGETHER * np.minimum.outer(moving, moving)
    return {(names[a], names[b]) for a, b in np.argwhere(alike)}


def _steps(x: Floats) -> Floats:
    """From some of the first people to others."""
    half = len(x) // 2
    return x[half : 2 * half] - x[:half]


def _off(
    pair: tuple[str, str],
    first: Mapping[str, Floats],
    whole: Callable[[str], Floats],
    variables: Mapping[str, Variable],
) -> Floats | None:
    """How far people are off the line that most are on; None where nobody can be most of that, or there is no line."""
    one, other = pair
    slope = _slope(_steps(first[one]), _steps(first[other]))
    if not slope:
        return None
    reach = _reach(variable_of(other, variables)) + abs(slope) * _reach(variable_of(one, variables))
    away = _away(first[one], first[other], slope)
    if 2 * np.count_nonzero(away) > len(away) and away.sum() > OTHERS * reach:
        return None
    return _away(whole(one), whole(other), slope)


def _spread(away: Floats, y: Floats) -> Spread:
    """Who is most of how far people are off: one of them, or where most are on the line but for rounding, a few."""
    apart = float(np.nanmedian(np.abs(y - np.nanmedian(y))))
    return spread_apart(away, hospitals=1) if np.median(away) <= ROUNDING * apart else spread_of(away[:, None])


def _reach(variable: Variable) -> float:
    low, high = variable.bounds
    return high - low


def _slope(across: Floats, up: Floats) -> float:
    """The middle one of the slopes between people, which a few do not change (Theil 1950, Sen 1968), of those who
    differ; 0 where it is none, as most of these have the same value of either.
    """
    known = np.isfinite(across) & np.isfinite(up) & ((across != 0) | (up != 0))
    if not known.any():
        return 0.0
    with np.errstate(divide="ignore"):
        slope = float(np.median(np.abs(up[known] / across[known])))
    sign = float(np.sign(np.median(up[known] * across[known])))
    return sign * slope if np.isfinite(slope) else 0.0


def _away(x: Floats, y: Floats, slope: float) -> Floats:
    """How far people are off the line of a slope; those who lack a value are on it."""
    height = y - slope * x
    known = np.isfinite(height)
    away = np.where(known, np.abs(height - np.median(height[known])), 0.0)
    away[away <= EXACT * max(np.abs(y[known]).max(), abs(slope) * np.abs(x[known]).max())] = 0.0
    return away
