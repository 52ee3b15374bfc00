"""What each hospital computes for a Cox model with one baseline hazard on an agreed grid of times.

Everybody who leaves in an interval counts as leaving at its end, and is at risk from the first end after their entry.
With further strata each has a baseline of its own on the grid's times: a cell is an interval of a stratum.

With entries the sums by interval are over those at risk, so that one less another is over those who left and those who
came in between. Nobody's share in any combination of these sums stands alone where people of one time of entry, k of
them and without the event, leave each interval, and where these bundles hang together: `lag` says which they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.local import Name, Numbers, Whole, local
from gagyo.federation.rows import Rows
from gagyo.methods._newton import triangle
from gagyo.methods._regression import column_widths, part_traits, trait_cells
from gagyo.methods._survival.climb import LIKELIHOOD_BOUND
from gagyo.methods._survival.grid import MOST
from gagyo.methods._survival.times import entries, groups_of
from gagyo.methods._traits import all_traits
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Aggregate, Floats, Measure, behind, few_or_none, joined, joint, spread_of
from gagyo.release.aggregate import exits as measured

Counts = NDArray[np.int64]
Bools = NDArray[np.bool_]

MODEL: dict[str, Any] = {
    "formula": Name(),
    "time": Name(),
    "entry": Name(),
    "strata": Name(),
    "edges": Numbers((None,), 0, 1e12),
    "coefficients": Numbers((None,), -1e12, 1e12),
    "centre": Numbers((None,), -1e12, 1e12),
}
"""What every step is told of the model; `entry` and `strata` are empty where there are none."""

BUNDLES: dict[str, Any] = {"lag": Whole(1, MOST), "until": Numbers((None,), 0, MOST)}
"""Which bundles of people have to hold k, where some enter late: `_People.bundles`."""

HEAVIEST = 12.0
"""The greatest logarithm of a mean weight that scales in the ring allow for: more would leave light ones no digits."""


@dataclass(frozen=True)
class _People:
    """A hospital's people on a grid: columns about `centre`, which is of all hospitals; stratum; interval of exit;
    interval at whose end they are first at risk, None where all are from the start; event. shape: strata, intervals.
    """

    X: Floats
    stratum: Counts
    last: Counts
    first: Counts | None
    event: NDArray[np.bool_]
    shape: tuple[int, int]

    @classmethod
    def of(
        cls, rows: Rows, *, formula: str, time: str, entry: str, strata: str, edges: Floats, centre: Floats, **_: Any
    ) -> _People:
        parsed = rows.formula(formula)

        def make() -> _People:
            X = parsed.design({name: rows[name] for name in parsed.variables})[:, 1:]
            shape = (groups_of(rows.variables, strata), len(edges) - 1)
            stratum = rows[strata].astype(np.int64) if strata else np.zeros(rows.n, np.int64)
            last = np.minimum(np.searchsorted(edges[1:], rows[time], side="left"), shape[1] - 1)
            came, first = entries(rows, time, entry), None
            if came is not None:
                # Who enters at the very end of an interval is at risk after it; nobody enters after they leave.
                first = np.minimum(np.searchsorted(edges[1:], came, side="right"), last)
            return cls(X - centre, stratum, last, first, rows[parsed.outcome] == 1, shape)

        key = ("common baseline", formula, time, entry, strata, edges.tobytes(), centre.tobytes())
        made: _People = rows.kept(key, make)
        return made

    @property
    def cell(self) -> Counts:
        """(n,) the cell of each person's exit."""
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
        """Of values by cell, cumulated over a stratum's intervals, what each person was at risk for: (n, ...)."""
        there = cumulated[self.cell]
        if self.first is None:
            return there
        before = cumulated[np.maximum(self.stratum * self.shape[1] + self.first - 1, 0)]
        late = (self.first > 0).reshape(-1, *[1] * (cumulated.ndim - 1))
        return np.asarray(there - np.where(late, before, 0.0))

    def exits(self, chosen: Bools | None = None) -> Counts:
        """(1, K, strata, 2) who leave in each cell, without and with the event, of the chosen people (all, if None)."""
        kinds = 2 * self.cell + self.event
        kinds = kinds if chosen is None else kinds[chosen]
        table = np.bincount(kinds, minlength=2 * self.shape[0] * self.shape[1])
        return table.reshape(1, *self.shape, 2).transpose(0, 2, 1, 3)

    def bundles(self, chosen: Bools, lag: int, until: Floats) -> list[Measure]:
        """Head counts behind combinations of sums over those at risk, of the chosen people; none where nobody enters.

        Who enters late, by the cell from which on they are at risk: nobody, or k. And the bundles: those without the
        event who leave in an interval and are first at risk `lag` - 1 intervals before it (or from the start), k in
        each interval before a stratum's last with an exit. Take intervals for places, and a person for a line from the
        interval before they are at risk to that in which they leave. A combination of the sums spares those lines
        alone whose two ends it counts alike. The bundles join every place with an earlier one, and so with the start.
        """
        if self.first is None:
            return []
        size = self.shape[0] * self.shape[1]
        came = np.bincount((self.stratum * self.shape[1] + self.first)[chosen], minlength=size).reshape(self.shape)
        bundled = ~self.event & (self.first == np.maximum(self.last - lag + 1, 0))
        tied = np.bincount(self.cell[chosen & bundled], minlength=size).reshape(self.shape)
        return [few_or_none(came[:, 1:].ravel()), behind(tied[np.arange(self.shape[1]) < until[:, None]])]

    def cells(self, rows: Rows, formula: Formula, lag: int, until: Floats) -> Measure:
        """Every head count that the sums give away: traits, in all and in each stratum; who leaves in each cell, with
        the event and without, and `bundles`, of all and of those over whom a column's sums are; and who leaves in each
        cell of those whom the sums of two columns leave.
        """
        levels = range(self.shape[0] if self.shape[0] > 1 else 0)
        parts = [part_traits(rows, formula, self.stratum == level) for level in levels]
        for chosen in (np.ones(rows.n, bool), *_behind_columns(rows, formula)):
            parts += [few_or_none(self.exits(chosen).ravel()), *self.bundles(chosen, lag, until)]
        parts += [few_or_none(self.exits(chosen).ravel()) for chosen in _behind_two_columns(rows, formula)]
        return joined(trait_cells(rows, formula), *parts)


def _behind_columns(rows: Rows, formula: Formula) -> Iterator[Bools]:
    """Over whom the sums of a column are: those with each trait, and those without, of which the sums follow; those
    whose measurement is not zero, where it may be.
    """
    traits = all_traits(rows, formula)
    yield from traits.T
    yield from ~traits.T
    for j, column in enumerate(formula.columns(rows.variables)):
        one = rows.variables.get(column.name) if column.indicator is None else None
        never_zero = one is not None and one.bounds[0] * one.bounds[1] > 0
        if column.indicator is None and not never_zero:
            yield rows.design(formula)[:, j] != 0


def _behind_two_columns(rows: Rows, formula: Formula) -> Iterator[Bools]:
    """Whom the sums of two columns leave, one less the other: those with and without each, of each two traits."""
    traits = all_traits(rows, formula)
    sides = np.concatenate([traits, ~traits], axis=1).T
    yield from (one & other for one, other in combinations(sides, 2))


def _cells(rows: Rows, people: _People, model: Mapping[str, Any], lag: int, until: Floats) -> Measure:
    """`_People.cells`, kept for the next round."""
    named = (model[name] for name in ("formula", "time", "entry", "strata"))
    key = ("common cells", *named, model["edges"].tobytes(), lag, until.tobytes())
    found: Measure = rows.kept(key, lambda: people.cells(rows, rows.formula(model["formula"]), lag, until))
    return found


def _reach(rows: Rows, formula: str) -> Floats:
    return column_widths(rows.formula(formula), rows.variables)[1:]


def _heaviest(reach: Floats, coefficients: Floats) -> float:
    """The greatest mean weight, from the plan and the coefficients alone."""
    return float(np.exp(min(float(np.abs(coefficients) @ reach), HEAVIEST)))


@local("cox", **MODEL, **BUNDLES)
def exposures(rows: Rows, *, lag: int, until: Floats, **model: Any) -> Aggregate:
    """Sums of exp(x'b) over those who leave in each cell, or with entries over those at risk, and over those with the
    event (2 K).
    """
    people = _People.of(rows, **model)
    weight = np.exp(people.X @ model["coefficients"])
    most = _heaviest(_reach(rows, model["formula"]), model["coefficients"])
    cells = _cells(rows, people, model, lag, until)
    fit = joint(people.by_interval(weight), most, cells, spread_of(weight[:, None]))
    return {"exits": measured(people.exits(), rows.n), "fit": fit}


@local("cox", **MODEL, hazard=Numbers((None,), 0, 1e12), tied=Numbers((None,), 0, 1e12))
def scores(rows: Rows, *, hazard: Floats, tied: Floats, **model: Any) -> Aggregate:
    """Score (p), sum of x over those with the event (p), second moments (triangle) and the events' x'b.

    hazard: cumulated to the end of each cell (K,); tied: what a death in each cell has not gone through (K,).
    """
    people, parsed = _People.of(rows, **model), rows.formula(model["formula"])
    eta = people.X @ model["coefficients"]
    expected = np.exp(eta) * _hazard(people, hazard, tied)
    residual = people.event - expected
    moments = (people.X * expected[:, None]).T @ people.X
    upper = triangle(people.X.shape[1])
    of_events = people.X[people.event].sum(axis=0)
    last = [float(eta[people.event].sum())]
    values = np.concatenate([people.X.T @ residual, of_events, moments[upper], last])
    parts = [people.X * residual[:, None], people.X**2 * expected[:, None], expected[:, None]]
    reach = _reach(rows, model["formula"])
    scales = np.concatenate([2 * reach, reach, reach[upper[0]] * reach[upper[1]], [LIKELIHOOD_BOUND]])
    spread = spread_of(np.concatenate(parts, axis=1))
    return {"fit": joint(values, scales, trait_cells(rows, parsed), spread)}


def _hazard(people: _People, hazard: Floats, tied: Floats) -> Floats:
    """The hazard that each person has gone through (n,), or of rows of values by cell (n, p); a tied death in part."""
    dead = people.event.reshape(-1, *[1] * (tied.ndim - 1))
    return people.gone_through(hazard) - np.where(dead, tied[people.cell], 0.0)


@local("cox", **MODEL, **BUNDLES)
def risk_means(rows: Rows, *, lag: int, until: Floats, **model: Any) -> Aggregate:
    """Sums of x exp(x'b) over those who leave in each cell, or with entries over those at risk, and over those with the
    event (2 K p).
    """
    people = _People.of(rows, **model)
    weight = np.exp(people.X @ model["coefficients"])
    weighted = people.X * weight[:, None]
    sums = np.stack([people.by_interval(column) for column in weighted.T], axis=-1)
    reach = _reach(rows, model["formula"])
    scales = np.broadcast_to(reach * _heaviest(reach, model["coefficients"]), sums.shape)
    fit = joint(sums, scales, _cells(rows, people, model, lag, until), spread_of(weight[:, None]))
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
    people, parsed = _People.of(rows, **model), rows.formula(model["formula"])
    weight = np.exp(people.X @ model["coefficients"])[:, None]
    through = _hazard(people, hazard, tied)[:, None]
    u = weight * (_hazard(people, drift, tied_drift) - people.X * through)
    u += people.event[:, None] * (people.X - means[people.cell])
    # A person who went through much hazard has a residual over one width.
    bound = 2 * _reach(rows, model["formula"])
    upper = triangle(len(bound))
    cells = trait_cells(rows, parsed)
    return {"meat": joint((u.T @ u)[upper], bound[upper[0]] * bound[upper[1]], cells, spread_of(u**2))}
