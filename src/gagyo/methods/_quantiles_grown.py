"""The descents of quantiles: cells closed in on the order statistics that may be told, over everyone and by group."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gagyo.federation.ask import Ask, Pooled
from gagyo.methods._value_cells import Grouped, Values
from gagyo.methods._values import Asked, descend_by_group
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import Floats
from gagyo.statistics.quantiles import Binned, interval_ranks, ranks


@dataclass(frozen=True)
class Group:
    """The people of one variable and group (None: of all), in their cells; None where nothing was opened."""

    variable: Variable
    number: int | None
    people: float
    missing: float
    binned: Binned | None

    @property
    def name(self) -> str:
        """The estimates' first part: the variable, and the group's number where there is one."""
        return self.variable.name + ("" if self.number is None else f".{self.number}")


@dataclass(frozen=True)
class Grown:
    """What was found: the groups of every variable, everyone first, and the descents over everyone."""

    groups: tuple[Group, ...]
    everyone: dict[str, Values]
    people: int
    sites: tuple[str, ...]
    rounds: int


def grow(over_all: Asked, by_group: Asked | None, shares: Sequence[float]) -> Generator[Ask, Pooled, Grown]:
    """The descents of quantiles over everyone, then by group."""
    least = over_all.study.release.minimum_people
    first, people = yield from over_all.begin()
    values = over_all.everyone(people)
    for one in values.values():
        one.ranks = _wanted(one.people, shares, least)
    rounds = 1 + (yield from over_all.descend(values))
    groups = list(_groups(over_all, first, values))
    if by_group:
        second, people = yield from by_group.begin()
        parts = {name: Grouped.under(values[name], one) for name, one in people.items() if name in values}
        for part in parts.values():
            part.ranks = _wanted(part.people, shares, least)
        rounds += 1 + (yield from descend_by_group(by_group, parts, over_all))
        groups += _groups(by_group, second, parts)
    groups.sort(key=lambda group: over_all.names.index(group.variable.name))
    return Grown(tuple(groups), values, int(first["people"][0]), first.sites, rounds)


def _wanted(people: Floats, shares: Sequence[float], least: int) -> list[tuple[int, ...]]:
    return [tuple(wanted_ranks(int(n), shares, least)) for n in people]


def _groups(asked: Asked, first: Pooled, values: Mapping[str, Values]) -> Iterator[Group]:
    numbers = range(asked.groups) if asked.by else (None,)
    for name in asked.names:
        there, lacking = first[f"{name}.present"]
        one = values.get(name)
        for number in numbers:
            at = number or 0
            binned = one.binned(at) if one is not None and one.opened and one.people[at] else None
            yield Group(asked.study.variables[name], number, there[at], lacking[at], binned)


def allowed(people: float, share: float, least: int) -> bool:
    """Whether at least k people lie on both sides of a quantile."""
    return bool(people * min(share, 1 - share) >= least - 1e-9)


def wanted_ranks(people: int, shares: Sequence[float], least: int) -> Iterator[int]:
    """The order statistics that quantiles and their intervals rest on, of those that may be told."""
    for share in shares:
        if not people or not allowed(people, share, least):
            continue
        first, further = ranks(people, share)
        yield from (first, first + 1) if further else (first,)
        low, high = interval_ranks(people, share)
        if low >= least and people - high + 1 >= least:
            yield from (low, high)
