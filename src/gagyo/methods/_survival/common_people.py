"""A hospital's people on the grid of a Cox model with one baseline hazard, and their sums by interval.

Everybody who leaves in an interval counts as leaving at its end, and is at risk from the first end after their entry.
Changes are rounded up to the grid as exits are: who changes is at risk as they were until the end of that interval, and
as they are from the next one on. Else who leaves early, before they could have changed, would be held against people of
whom some lived to change in the same interval: immortal time.
With further strata each has a baseline of its own on the grid's times: a cell is an interval of a stratum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.rows import Rows
from gagyo.methods._survival.episodes import Changing
from gagyo.methods._survival.times import entries, groups_of
from gagyo.release.aggregate import Counts, Floats

Bools = NDArray[np.bool_]
Columns = Mapping[str, Floats]


def on_grid(rows: Rows, at: Sequence[str], edges: Floats) -> Rows:
    """The people with their times of change rounded up to the grid; infinite where they never change, or after it."""
    if not at:
        return rows
    ends = np.append(edges, np.inf)
    rounded = {one: ends[np.searchsorted(edges, rows[one], side="left")] for one in at}
    found: Rows = rows.kept(
        ("changes on a grid", tuple(at), edges.tobytes()), lambda: rows.completed(rows.variables, rounded)
    )
    return found


@dataclass(frozen=True)
class People:
    """A hospital's people on a grid, by line: one of each person as they left, in their order, and after these one of
    each who changed meanwhile, as they were until then.

    By line: columns about `centre`, which is of all hospitals; stratum; interval in which it ends; interval at whose
    end it is first at risk, None where all are from the start; whether it ends with the event; whose it is, None where
    each person has one line. changed: (people,) who had changed when they left, None where nobody can. shape: strata,
    intervals.
    """

    X: Floats
    stratum: Counts
    last: Counts
    first: Counts | None
    event: NDArray[np.bool_]
    shape: tuple[int, int]
    whose: Counts | None = None
    changed: Bools | None = None

    @classmethod
    def of(cls, there: Changing, formula: str, strata: str, edges: Floats, centre: Floats) -> People:
        """The people of a model; kept for the next round."""
        rows, entry = there.rows, there.entry
        parsed = rows.formula(formula)

        def make() -> People:
            columns = {name: rows[name] for name in parsed.variables}
            X = parsed.design(columns)[:, 1:] - centre
            shape = (groups_of(rows.variables, strata), len(edges) - 1)
            stratum = rows[strata].astype(np.int64) if strata else np.zeros(rows.n, np.int64)
            last = np.minimum(np.searchsorted(edges[1:], rows[there.time], side="left"), shape[1] - 1)
            came, first = entries(rows, there.time, entry), None
            if came is not None:
                # Who enters at the very end of an interval is at risk after it; nobody enters after they leave.
                first = np.minimum(np.searchsorted(edges[1:], came, side="right"), last)
            people = cls(X, stratum, last, first, rows[parsed.outcome] == 1, shape)
            return people._changing(there, edges, lambda before: parsed.design(before)[:, 1:] - centre, columns)

        key = ("common baseline", formula, there.time, entry, strata, there.at, edges.tobytes(), centre.tobytes())
        made: People = rows.kept(key, make)
        return made

    def _changing(
        self, there: Changing, edges: Floats, design: Callable[[Columns], Floats], columns: Columns
    ) -> People:
        """The people with a line of their own for who changed while they were at risk, from the start until then."""
        if not there.changed:
            return self
        (name,), (at,) = there.changed, there.at
        changed = columns[name] == 1
        ends = np.searchsorted(edges[1:], there.rows[at], side="right")
        since = np.where(changed, np.minimum(ends, self.last), 0)
        who = np.flatnonzero(since > 0)
        before = {one: (np.zeros(len(who)) if one == name else column[who]) for one, column in columns.items()}
        return replace(
            self,
            X=np.concatenate([self.X, design(before)]),
            stratum=np.concatenate([self.stratum, self.stratum[who]]),
            last=np.concatenate([self.last, since[who] - 1]),
            first=np.concatenate([since, np.zeros_like(who)]),
            event=np.concatenate([self.event, np.zeros(len(who), bool)]),
            whose=np.concatenate([np.arange(len(self.last)), who]),
            changed=changed,
        )

    @property
    def size(self) -> int:
        """How many people there are."""
        return len(self.last) if self.changed is None else len(self.changed)

    def by_person(self, values: Floats) -> Floats:
        """(people, ...) what each person's lines (lines, ...) come to."""
        if self.whose is None:
            return values
        whole = values[: self.size].copy()
        np.add.at(whole, self.whose[self.size :], values[self.size :])
        return whole

    @property
    def cell(self) -> Counts:
        """(lines,) the cell in which each ends."""
        return self.stratum * self.shape[1] + self.last

    def by_interval(self, values: Floats) -> Floats:
        """(2, cells) sums over those who leave in each cell (with entries, who are at risk), and over its events."""
        size = self.shape[0] * self.shape[1]
        whole = np.bincount(self.cell, values, minlength=size)
        if self.first is not None:
            came = np.bincount(self.stratum * self.shape[1] + self.first, values, minlength=size)
            net = whole.reshape(self.shape).copy()
            net[:, :-1] -= came.reshape(self.shape)[:, 1:]
            whole = net[:, ::-1].cumsum(axis=1)[:, ::-1].ravel()
        return np.array([whole, np.bincount(self.cell, values * self.event, minlength=size)])

    def gone_through(self, cumulated: Floats) -> Floats:
        """Of values by cell, cumulated over a stratum's intervals, what each line was at risk for: (lines, ...)."""
        there = cumulated[self.cell]
        if self.first is None:
            return there
        before = cumulated[np.maximum(self.stratum * self.shape[1] + self.first - 1, 0)]
        late = (self.first > 0).reshape(-1, *[1] * (cumulated.ndim - 1))
        return np.asarray(there - np.where(late, before, 0.0))

    def exits(self, chosen: Bools | None = None) -> Counts:
        """(1, K, strata, 2) who leave in each cell, without and with the event, of the chosen people (all, if None)."""
        kinds = (2 * self.cell + self.event)[: self.size]
        kinds = kinds if chosen is None else kinds[chosen]
        table = np.bincount(kinds, minlength=2 * self.shape[0] * self.shape[1])
        return table.reshape(1, *self.shape, 2).transpose(0, 2, 1, 3)
