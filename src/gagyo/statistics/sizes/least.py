"""The least size that reaches a goal, by a search on a curve that rises: as a real number, then in whole people."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, isfinite

MOST = 1e10
"""More people than there are: a goal that needs more cannot be reached."""


class Unreachable(ValueError):
    """No number of people reaches the goal."""


def least(reached: Callable[[float], float], goal: float, start: float) -> float:
    """The smallest size from `start` on at which `reached`, which rises, is the goal; inf where it never is."""
    if reached(start) >= goal:
        return start
    top = 2 * start
    while reached(top) < goal:
        top *= 2
        if top > MOST:
            return float("inf")
    from scipy import optimize  # only here: it takes a third of a second to load

    return float(optimize.brentq(lambda size: reached(size) - goal, top / 2, top, xtol=1e-300, rtol=1e-14))


def whole(size: float) -> int:
    """A size in whole people; what rounding errors add does not count as a person.

    Raises:
        Unreachable: no number of people is enough.
    """
    if not isfinite(size):
        raise Unreachable
    return ceil(size - 1e-9 * max(1.0, size))
