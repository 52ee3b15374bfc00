"""Tables by groups of variables that are the same for all but a few people: these few are in no cell that is open.

How many of those who died were ventilated, and how many ventilated or on oxygen, differ by the one person who had
oxygen alone: who died. Means of a dose as planned and as given differ by the one whose was changed. The cell of the
later one stays shut, with what goes with it. Who lacks a value is not looked at: values are often lacked together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gagyo.federation.line import Line
from gagyo.protocol.request import Request
from gagyo.protocol.variables import Variable, levels_of
from gagyo.release.aggregate import Aggregate, Counts, Floats, Measure, left
from gagyo.release.few_values import Bools
from gagyo.site.alike import TABLES, nested
from gagyo.site.groups_told import names_in
from gagyo.site.session import Session

KINDS = ("cells", "present", "sum", "squares")
"""Of each variable of a table: its levels, who has a value at all, and sums of values."""


def tables_between(session: Session, request: Request, aggregate: Aggregate) -> dict[str, Measure]:
    """Beside the cells and sums of each variable of a table: by each earlier variable, of its levels, how many people
    of each group have one of two levels and not the other, and of how many two measurements differ.
    """
    analysis = session.study.analyses.get(request.analysis)
    if analysis is None or analysis.method not in TABLES or not {"variables", "by"} <= {*request.arguments}:
        return {}
    by, names = str(request.arguments["by"]), [str(name) for name in request.arguments["variables"]]
    before = [name for name in session.study.analyses if name in session.history.opened and name != request.analysis]
    groups = _by_cohort(session, request, before)
    found: dict[str, list[Counts]] = {}
    for cohort, analyses in groups.items():
        people = nested(session.cohorts[request.cohort].complete, session.cohorts[cohort].complete)
        there = _There(session.data.columns, session.study.variables, people, by)
        for place, name in enumerate(names):
            also = names[:place] if cohort == request.cohort else []
            for kind, shape in _measures(aggregate, name):
                found.setdefault(kind, []).extend(_of(there, session.line, kind, name, shape, also, analyses))
    return {f"{kind} left": left(np.concatenate(several)) for kind, several in found.items() if several}


def _by_cohort(session: Session, request: Request, before: Sequence[str]) -> dict[str, list[str]]:
    """The earlier analyses by cohort; the asked one's first, which has none where nothing was opened of it."""
    groups: dict[str, list[str]] = {request.cohort: []}
    for name in before:
        groups.setdefault(session.study.analyses[name].cohort, []).append(name)
    return groups


def _measures(aggregate: Aggregate, name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    for kind in KINDS:
        if f"{name}.{kind}" in aggregate:
            yield f"{name}.{kind}", aggregate[f"{name}.{kind}"].values.shape


def crossed_with(line: Line, analysis: str, name: str) -> set[str]:
    """The variables that an analysis tells together with one: of a table those that it groups by it, or that group it;
    of a model all of both. With "", the measurements of whose values it tells sums.
    """
    one, named = line.study.analyses[analysis], set(names_in(line, analysis))
    if not name:
        return {other for other in named if not levels_of(line.study.variables[other])}
    by = str(one.options.get("by", ""))
    if one.method in TABLES:
        return named - {by} if name == by else {by} & named if name in named else set()
    return named - {name} if name in named else set()


def _of(
    there: _There, line: Line, kind: str, name: str, shape: tuple[int, ...], also: list[str], before: list[str]
) -> Iterator[Counts]:
    """Of a measure of a variable: whom it and each earlier one leave, (levels of the other, *shape)."""
    others = [*also, *(one for other in before for one in sorted(crossed_with(line, other, there.by)))]
    if there.measured(name) and kind.endswith(".cells"):
        return  # who has a value at all
    if there.measured(name):
        # Sums of values over everyone follow from those of groups.
        others += [one for other in before for one in sorted(crossed_with(line, other, ""))]
        same = [one for one in dict.fromkeys(others) if one != name and there.measured(one)]
        yield from (np.broadcast_to(there.unlike(name, one), (1, *shape)) for one in same)
    elif there.by:
        groups = {one for other in before for one in crossed_with(line, other, name)}
        for find, several in ((there.apart, others), (there.groups_apart, sorted(groups))):
            for one in dict.fromkeys(several):
                if one not in (name, there.by) and not there.measured(one):
                    found = find(name, one)
                    # Those who lack the variable are in the last row, if there is one, and not looked at.
                    yield np.pad(found, [(0, 0), (0, shape[0] - found.shape[1]), (0, 0)])


@dataclass(frozen=True)
class _There:
    """The people (n,) of a cohort of whom a table is asked by groups."""

    columns: Mapping[str, Floats]
    variables: Mapping[str, Variable]
    people: Bools
    by: str
    codes: dict[str, tuple[Counts, int]] = field(default_factory=dict)

    def measured(self, name: str) -> bool:
        """Whether a variable has no levels."""
        return not levels_of(self.variables[name])

    def code(self, name: str) -> tuple[Counts, int]:
        """Each person's level of a variable, and after these one for who has none; how many codes there are."""
        if name not in self.codes:
            x, number = self.columns[name][self.people], levels_of(self.variables[name])
            self.codes[name] = np.where(np.isnan(x), number, x).astype(np.int64), number + 1
        return self.codes[name]

    def apart(self, name: str, other: str) -> Counts:
        """(levels of the other, levels, groups): who has one of two levels and not the other."""
        return _apart(self.code(other), self.code(name), self.code(self.by))

    def groups_apart(self, name: str, other: str) -> Counts:
        """(levels of the other, levels, groups): of those with a level, who is of a group or of the other's level."""
        return _apart(self.code(other), self.code(self.by), self.code(name)).transpose(0, 2, 1)

    def unlike(self, name: str, other: str) -> Counts:
        """(groups,) of how many two measurements differ, or one is missing; of everyone, where there are no groups."""
        x, y = (self.columns[one][self.people] for one in (name, other))
        unlike = (x != y) & ~(np.isnan(x) & np.isnan(y))
        if not self.by:
            return np.array([np.count_nonzero(unlike)])
        group, number = self.code(self.by)
        return np.bincount(group[unlike], minlength=number)[:-1]


def _apart(one: tuple[Counts, int], other: tuple[Counts, int], part: tuple[Counts, int]) -> Counts:
    """(levels of one, of the other, of a part): of each part, who has one of two levels and not the other."""
    (a, m), (b, n), (c, parts) = one, other, part
    table = np.bincount((a * n + b) * parts + c, minlength=m * n * parts).reshape(m, n, parts)
    found: Counts = table.sum(axis=1, keepdims=True) + table.sum(axis=0) - 2 * table
    return found[:-1, :-1, :-1]
