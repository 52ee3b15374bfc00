"""Measurements of which one follows from the other but for a few people: a weight in two units, two rounded alike.

Where all but one have y = a + b x, the sums of y less those of a + b x are that one's, in each product with another
column. An offset and an exposure that is its exponential are one offset, so an exposure counts by its logarithm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from gagyo.protocol.variables import Variable, levels_of
from gagyo.release.aggregate import NO_SPREAD, Counts, Floats, Spread, side_by_side, spread_of
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
    names = sorted({name for pair in pairs for name in pair})
    measured = [name for name in names if not levels_of(variable_of(name, variables))]
    some, number = np.flatnonzero(who)[:FIRST], {name: at for at, name in enumerate(measured)}
    first = {name: column_of(name, columns)[some] for name in measured}
    chosen = [(number[a], number[b]) for a, b in pairs if a in number and b in number]
    every = int(np.count_nonzero(who))
    people, spreads = np.full(len(chosen), every, np.int64), []

    @cache
    def whole(name: str) -> Floats:  # of a million people only of the columns that may be on a line
        return column_of(name, columns)[who]

    for at in np.flatnonzero(_together([first[name] for name in measured], chosen)).tolist():
        one, other = (measured[name] for name in chosen[at])
        away = _off((one, other), first, whole, variables)
        if away is not None:
            off = int(np.count_nonzero(away))
            people[at] = off if 2 * off < every else every
            spreads.append(_spread(away, whole(other)))
    return OffLines(people, side_by_side(NO_SPREAD, *spreads))


def _together(some: Sequence[Floats], pairs: Sequence[tuple[int, int]]) -> Bools:
    """Which two measurements (n,) go up and down together, or against each other, as two on a line do."""
    if not pairs:
        return np.zeros(0, bool)
    signs = np.array([np.nan_to_num(np.sign(_steps(one))) for one in some], np.float32)
    moving = np.count_nonzero(signs, axis=1)
    alike = np.abs(signs @ signs.T) > TOGETHER * np.minimum.outer(moving, moving)
    return np.asarray(alike[tuple(np.array(pairs).T)])


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
