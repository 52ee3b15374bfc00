"""What each hospital computes for a Cox model with one baseline hazard on an agreed grid of times.

Everybody who leaves in an interval counts as leaving at its end, and is at risk from the first end after their entry.
With further strata each has a baseline of its own on the grid's times: a cell is an interval of a stratum.

With entries the sums by interval are over those at risk, so that one less another is over those who left and those who
came in between. Nobody's share in any combination of these sums stands alone where people of one time of entry, k of
them and without the event, leave each interval, and where these bundles hang together: `lag` says which they are. Who
changes while they are observed is at risk as they were until then, and as they are from the first end after it: those
who never change have bundles from the start, and those who have changed come when they change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations, product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.local import Name, Names, Numbers, Whole, local
from gagyo.federation.rows import Rows
from gagyo.methods._newton import triangle
from gagyo.methods._regression import MOST_TRAITS, column_widths, part_traits
from gagyo.methods._survival.climb import LIKELIHOOD_BOUND
from gagyo.methods._survival.episodes import Changing
from gagyo.methods._survival.grid import MOST
from gagyo.methods._survival.times import entries, groups_of
from gagyo.methods._traits import all_traits, variables_of, without_column
from gagyo.protocol.formula import Formula
from gagyo.protocol.variables import levels_of
from gagyo.release.aggregate import Aggregate, Floats, Measure, Spread, behind, few_or_none, joined, joint, spread_of
from gagyo.release.aggregate import exits as measured

Counts = NDArray[np.int64]
Bools = NDArray[np.bool_]
Columns = Mapping[str, Floats]

MODEL: dict[str, Any] = {
    "formula": Name(),
    "time": Name(),
    "entry": Name(),
    "strata": Name(),
    "changed": Names(),
    "at": Names(),
    "edges": Numbers((None,), 0, 1e12),
    "coefficients": Numbers((None,), -1e12, 1e12),
    "centre": Numbers((None,), -1e12, 1e12),
}
"""What every step is told of the model; what stands before `edges`, but the first two, is empty where there is none."""

BUNDLES: dict[str, Any] = {"lag": Whole(1, MOST), "until": Numbers((None,), 0, MOST)}
"""Which bundles of people have to hold k, where some enter late: `_People.bundles`."""

HEAVIEST = 12.0
"""The greatest logarithm of a mean weight that scales in the ring allow for: more would leave light ones no digits."""


@dataclass(frozen=True)
class _People:
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
    def of(cls, there: Changing, formula: str, strata: str, edges: Floats, centre: Floats) -> _People:
        rows, entry = there.rows, there.entry
        parsed = rows.formula(formula)

        def make() -> _People:
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
        made: _People = rows.kept(key, make)
        return made

    def _changing(
        self, there: Changing, edges: Floats, design: Callable[[Columns], Floats], columns: Columns
    ) -> _People:
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

    def bundles(self, chosen: Bools, lag: int, until: Floats) -> list[Measure]:
        """Head counts behind combinations of sums over those at risk, of the chosen people; none where all are there
        from the start.

        Who enters late, by the cell from which on they are at risk: nobody, or k. And the bundles: those without the
        event who leave in an interval and are first at risk `lag` - 1 intervals before it (or from the start), k in
        each interval before a stratum's last with an exit. Take intervals for places, and a person for a line from the
        interval before they are at risk to that in which they leave. A combination of the sums spares those lines
        alone whose two ends it counts alike. The bundles join every place with an earlier one, and so with the start.
        """
        if self.first is None:
            return []
        size, first = self.shape[0] * self.shape[1], self.first[: self.size]
        last, event, row = self.last[: self.size], self.event[: self.size], self.stratum[: self.size] * self.shape[1]
        came = np.bincount((row + first)[chosen], minlength=size).reshape(self.shape)
        bundled = ~event & (first == np.maximum(last - lag + 1, 0))
        tied = np.bincount((row + last)[chosen & bundled], minlength=size).reshape(self.shape)
        return [few_or_none(came[:, 1:].ravel()), behind(tied[np.arange(self.shape[1]) < until[:, None]])]

    def cells(self, there: Changing, formula: Formula, lag: int, until: Floats) -> Measure:
        """Every head count that the sums give away: traits, in all and in each stratum; who leaves in each cell, with
        the event and without, and `bundles`, of all, of those over whom a column's sums are and of combinations of
        traits; and who leaves in each cell of those whom the sums of two columns leave.
        """
        rows = there.rows
        levels = range(self.shape[0] if self.shape[0] > 1 else 0)
        parts = [part_traits(rows, formula, self.stratum[: self.size] == level) for level in levels]
        together = ((chosen, BOTH) for chosen in _combinations(there, formula, self.first is not None))
        for chosen, side in (np.ones(rows.n, bool), BOTH), *_behind_columns(there, formula), *together:
            for part, lagging in self._apart(chosen, side, lag):
                parts += [few_or_none(self.exits(part).ravel()), *self.bundles(part, lagging, until)]
        parts += [few_or_none(self.exits(chosen).ravel()) for chosen in _behind_two_columns(rows, formula)]
        parts.append(behind(_of_many_values(rows, formula)))
        return joined(there.cells(formula, rows.n), *parts)

    def _apart(self, chosen: Bools, side: str, lag: int) -> Iterator[tuple[Bools, int]]:
        """Who of the chosen had changed when they left, and who had not, each with the lag of their bundles.

        The sums over both follow, as having changed is a column. Weights of one and the other may be taken so that a
        person's two lines are one again: so only those who never change are bundles of how people are before.
        """
        if self.changed is None:
            yield chosen, lag
            return
        if side in (BOTH, CHANGED):
            yield chosen & self.changed, lag
        if side in (BOTH, NEVER):
            yield chosen & ~self.changed, self.shape[1]


BOTH, CHANGED, NEVER = "both", "changed", "never"
"""Whether a group is of people who had changed when they left, of people who had not, or of either, by the plan."""


def _behind_columns(there: Changing, formula: Formula) -> Iterator[tuple[Bools, str]]:
    """Over whom the sums of a column are: those with each trait, and those without, of which the sums follow; those
    whose measurement is not zero, where it may be.
    """
    rows = there.rows
    columns = [(column, term) for term in formula.terms for column in term.columns(rows.variables)]
    named = [{one[0]: 1 for one in column.indicator} for column, _ in columns if column.indicator]
    named += [{one.variable: one.code for one in at} for at in without_column(rows, formula)]
    for trait, codes in zip(all_traits(rows, formula).T, named, strict=True):
        code = next((codes[one] for one in there.changed if one in codes), None)
        side = BOTH if code is None else CHANGED if code == 1 else NEVER
        yield trait, side
        # Who lacks a product's trait may lack either part of it.
        yield ~trait, {CHANGED: NEVER, NEVER: CHANGED}.get(side, BOTH) if len(codes) == 1 else BOTH
    for j, (column, term) in enumerate(columns, start=1):
        one = rows.variables.get(column.name) if column.indicator is None else None
        never_zero = one is not None and one.bounds[0] * one.bounds[1] > 0
        if column.indicator is None and not never_zero:
            yield rows.design(formula)[:, j] != 0, CHANGED if term.names & set(there.changed) else BOTH


def _behind_two_columns(rows: Rows, formula: Formula) -> Iterator[Bools]:
    """Whom the sums of two columns leave, one less the other: those with and without each, of each two traits."""
    traits = all_traits(rows, formula)
    sides = np.concatenate([traits, ~traits], axis=1).T
    yield from (one & other for one, other in combinations(sides, 2))


def _combinations(there: Changing, formula: Formula, late: bool) -> Iterator[Bools]:
    """Whom sums of several traits are over, whether they changed or not.

    Of a design of traits alone, who has each combination: weights are then known, and sums of a few rounds are
    equations in how many have which. Else, where some come `late` or change, who has one trait of two and not the
    other, and who has both or neither: one's sum less another's spares the latter at any time, their sum the former.
    """
    rows, names = there.rows, [name for name in formula.predictors if name not in there.changed]
    levels = {name: levels_of(rows.variables[name]) for name in names}
    if len(names) > 1 and 0 < prod(levels.values()) <= 1 << MOST_TRAITS:
        for codes in product(*map(range, levels.values())):
            yield np.all([rows[name] == code for name, code in zip(names, codes, strict=True)], axis=0)
    elif late:
        for one, other in combinations((name for name in names if levels[name]), 2):
            for code, beside in product(range(levels[one] == 2, levels[one]), range(levels[other] == 2, levels[other])):
                alike = (rows[one] == code) == (rows[other] == beside)
                yield from (alike, ~alike)


def _of_many_values(rows: Rows, formula: Formula) -> Counts:
    """By measurement of the design everybody, or nobody where it holds a few values here: at some hospital it has to
    hold many. Else it is a trait, and a number does not say beforehand which levels there are.
    """
    return np.array([rows.n * (one.values is None) for one in variables_of(rows, formula.predictors)], np.int64)


def _there(
    rows: Rows, *, formula: str, time: str, entry: str, strata: str, changed: list[str], at: list[str], **told: Any
) -> tuple[Changing, _People, Formula]:
    """The people with their changes, on the grid, and the formula."""
    there = Changing.of(rows, time, entry, changed, at)
    people = _People.of(there, formula, strata, told["edges"], told["centre"])
    return there, people, there.rows.formula(formula)


def _cells(there: Changing, people: _People, model: Mapping[str, Any], lag: int, until: Floats) -> Measure:
    """`_People.cells`, kept for the next round."""
    named = (model[name] for name in ("formula", "time", "entry", "strata"))
    key = ("common cells", *named, model["edges"].tobytes(), lag, until.tobytes())
    rows = there.rows
    found: Measure = rows.kept(key, lambda: people.cells(there, rows.formula(model["formula"]), lag, until))
    return found


def _reach(there: Changing, formula: Formula) -> Floats:
    return column_widths(formula, there.rows.variables)[1:]


def _heaviest(reach: Floats, coefficients: Floats) -> float:
    """The greatest mean weight, from the plan and the coefficients alone."""
    return float(np.exp(min(float(np.abs(coefficients) @ reach), HEAVIEST)))


@local("cox", **MODEL, **BUNDLES)
def exposures(rows: Rows, *, lag: int, until: Floats, **model: Any) -> Aggregate:
    """Sums of exp(x'b) over those who leave in each cell, or with entries or changes over those at risk, and over those
    with the event (2 K).
    """
    there, people, formula = _there(rows, **model)
    weight = np.exp(people.X @ model["coefficients"])
    most = _heaviest(_reach(there, formula), model["coefficients"])
    cells = _cells(there, people, model, lag, until)
    fit = joint(people.by_interval(weight), most, cells, _spread(people, weight[:, None]))
    return {"exits": measured(people.exits(), rows.n), "fit": fit}


@local("cox", **MODEL, hazard=Numbers((None,), 0, 1e12), tied=Numbers((None,), 0, 1e12))
def scores(rows: Rows, *, hazard: Floats, tied: Floats, **model: Any) -> Aggregate:
    """Score (p), sum of x over those with the event (p), second moments (triangle) and the events' x'b.

    hazard: cumulated to the end of each cell (K,); tied: what a death in each cell has not gone through (K,).
    """
    there, people, formula = _there(rows, **model)
    eta = people.X @ model["coefficients"]
    expected = np.exp(eta) * _hazard(people, hazard, tied)
    residual = people.event - expected
    moments = (people.X * expected[:, None]).T @ people.X
    upper = triangle(people.X.shape[1])
    of_events = people.X[people.event].sum(axis=0)
    last = [float(eta[people.event].sum())]
    values = np.concatenate([people.X.T @ residual, of_events, moments[upper], last])
    parts = [people.X * residual[:, None], people.X**2 * expected[:, None], expected[:, None]]
    reach = _reach(there, formula)
    scales = np.concatenate([2 * reach, reach, reach[upper[0]] * reach[upper[1]], [LIKELIHOOD_BOUND]])
    spread = _spread(people, np.concatenate(parts, axis=1))
    return {"fit": joint(values, scales, there.cells(formula, rows.n), spread)}


def _spread(people: _People, by_line: Floats) -> Spread:
    """How far few people carry sums over lines."""
    return spread_of(people.by_person(by_line))


def _hazard(people: _People, hazard: Floats, tied: Floats) -> Floats:
    """The hazard that each line has gone through, or of rows of values by cell (lines, p); a tied death in part."""
    dead = people.event.reshape(-1, *[1] * (tied.ndim - 1))
    return people.gone_through(hazard) - np.where(dead, tied[people.cell], 0.0)


@local("cox", **MODEL, **BUNDLES)
def risk_means(rows: Rows, *, lag: int, until: Floats, **model: Any) -> Aggregate:
    """Sums of x exp(x'b) over those who leave in each cell, or with entries or changes over those at risk, and over
    those with the event (2 K p).
    """
    there, people, formula = _there(rows, **model)
    weight = np.exp(people.X @ model["coefficients"])
    weighted = people.X * weight[:, None]
    sums = np.stack([people.by_interval(column) for column in weighted.T], axis=-1)
    reach = _reach(there, formula)
    scales = np.broadcast_to(reach * _heaviest(reach, model["coefficients"]), sums.shape)
    fit = joint(sums, scales, _cells(there, people, model, lag, until), _spread(people, weight[:, None]))
    return {"exits": measured(people.exits(), rows.n), "fit": fit}


@local(
    "cox",
    **MODEL,
    hazard=Numbers((None,), 0, 1e12),
    tied=Numbers((None,), 0, 1e12),
    drift=Numbers((None, None), -1e12, 1e12),
    tied_drift=Numbers((None, None), -1e12, 1e12),
    means=Numbers((None, None), -1e12, 1e12),
)
def common_meat(
    rows: Rows,
    *,
    hazard: Floats,
    tied: Floats,
    drift: Floats,
    tied_drift: Floats,
    means: Floats,
    **model: Any,
) -> Aggregate:
    """The sum of u u' of score residuals u (upper triangle): the middle of Lin and Wei's sandwich.

    hazard, tied: as in `scores`. drift, tied_drift: the same of hazards times the means of the risk sets (K, p). means:
    of the risk set of each cell's events, averaged over them (K, p).
    """
    there, people, formula = _there(rows, **model)
    weight = np.exp(people.X @ model["coefficients"])[:, None]
    through = _hazard(people, hazard, tied)[:, None]
    by_line = weight * (_hazard(people, drift, tied_drift) - people.X * through)
    by_line += people.event[:, None] * (people.X - means[people.cell])
    u = people.by_person(by_line)
    # A person who went through much hazard has a residual over one width.
    bound = 2 * _reach(there, formula)
    upper = triangle(len(bound))
    cells = there.cells(formula, rows.n)
    return {"meat": joint((u.T @ u)[upper], bound[upper[0]] * bound[upper[1]], cells, spread_of(u**2))}
