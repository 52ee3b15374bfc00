"""A Cox model with one baseline hazard for all hospitals, on an agreed grid of times: its steps and its climb.

Everybody who leaves in an interval counts as leaving at its end. A round opens the sums of exp(x'b) over those who
leave in each interval; the hazard that follows from them is told to the hospitals, whose score and second moments are
then sums over people, as in WebDISCO (Lu et al. 2015, J Am Med Inform Assoc 22:1212) but without the risk sets'
columns, which are opened once, at the solution, for the standard errors. As sums over those with the event are opened
too, intervals are merged until each has no event or enough, and no other exit or enough.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.errors import Stopped
from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.local import Name, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods._newton import DECREMENT, MOST_ROUNDS, aliased_columns, solve, symmetric, triangle
from gagyo.methods._regression import column_widths, trait_cells
from gagyo.methods._survival.climb import LIKELIHOOD_BOUND
from gagyo.methods._survival.grid import Grid
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Aggregate, Floats, Measure, few_or_none, joined, joint, spread_of
from gagyo.release.aggregate import exits as measured
from gagyo.statistics import cox as kernel

MODEL: dict[str, Any] = {
    "formula": Name(),
    "time": Name(),
    "edges": Numbers((None,), 0, 1e12),
    "coefficients": Numbers((None,), -1e12, 1e12),
    "centre": Numbers((None,), -1e12, 1e12),
}
HEAVIEST = 12.0
"""The greatest logarithm of a mean weight that scales in the ring allow for: more would leave light ones no digits."""


@dataclass(frozen=True)
class _People:
    """A hospital's people on a grid: columns about `centre`, which is of all hospitals; interval of exit; event."""

    X: Floats
    interval: NDArray[np.int64]
    event: NDArray[np.bool_]
    intervals: int

    @classmethod
    def of(cls, rows: Rows, formula: str, time: str, edges: Floats, centre: Floats) -> _People:
        parsed = rows.formula(formula)

        def make() -> _People:
            X = parsed.design({name: rows[name] for name in parsed.variables})[:, 1:]
            interval = np.minimum(np.searchsorted(edges[1:], rows[time], side="left"), len(edges) - 2)
            return cls(X - centre, interval, rows[parsed.outcome] == 1, len(edges) - 1)

        made: _People = rows.kept(("common baseline", formula, time, edges.tobytes(), centre.tobytes()), make)
        return made

    def by_interval(self, values: Floats) -> Floats:
        """(2, K) sums over those who leave in each interval, and over those of them with the event."""
        whole = np.bincount(self.interval, values, minlength=self.intervals)
        return np.array([whole, np.bincount(self.interval, values * self.event, minlength=self.intervals)])

    def exits(self) -> NDArray[np.int64]:
        """(1, K, 1, 2) who leave in each interval, without and with the event."""
        table = np.bincount(2 * self.interval + self.event, minlength=2 * self.intervals)
        return table.reshape(1, self.intervals, 1, 2)

    def cells(self, rows: Rows, formula: Formula) -> Measure:
        """Every head count that the sums give away: traits, and who leaves in each interval with and without event."""
        return joined(trait_cells(rows, formula), few_or_none(self.exits().ravel()))


def _reach(rows: Rows, formula: str) -> Floats:
    return column_widths(rows.formula(formula), rows.variables)[1:]


def _heaviest(reach: Floats, coefficients: Floats) -> float:
    """The greatest mean weight, from the plan and the coefficients alone."""
    return float(np.exp(min(float(np.abs(coefficients) @ reach), HEAVIEST)))


@local("cox", **MODEL)
def exposures(rows: Rows, formula: str, time: str, edges: Floats, coefficients: Floats, centre: Floats) -> Aggregate:
    """Sums of exp(x'b) over those who leave in each interval, and over those of them with the event (2 K)."""
    people, parsed = _People.of(rows, formula, time, edges, centre), rows.formula(formula)
    weight = np.exp(people.X @ coefficients)
    most = _heaviest(_reach(rows, formula), coefficients)
    fit = joint(people.by_interval(weight), most, people.cells(rows, parsed), spread_of(weight[:, None]))
    return {"exits": measured(people.exits(), rows.n), "fit": fit}


@local("cox", **MODEL, hazard=Numbers((None,), 0, 1e12), tied=Numbers((None,), 0, 1e12))
def scores(
    rows: Rows,
    formula: str,
    time: str,
    edges: Floats,
    coefficients: Floats,
    centre: Floats,
    hazard: Floats,
    tied: Floats,
) -> Aggregate:
    """Score (p), sum of x over those with the event (p), second moments (triangle) and the events' x'b.

    hazard: cumulated to the end of each interval (K,); tied: what a death in each interval has not gone through (K,).
    """
    people, parsed = _People.of(rows, formula, time, edges, centre), rows.formula(formula)
    eta = people.X @ coefficients
    expected = np.exp(eta) * (hazard[people.interval] - np.where(people.event, tied[people.interval], 0.0))
    residual = people.event - expected
    moments = (people.X * expected[:, None]).T @ people.X
    upper = triangle(people.X.shape[1])
    of_events = people.X[people.event].sum(axis=0)
    last = [float(eta[people.event].sum())]
    values = np.concatenate([people.X.T @ residual, of_events, moments[upper], last])
    parts = [people.X * residual[:, None], people.X**2 * expected[:, None], expected[:, None]]
    reach = _reach(rows, formula)
    scales = np.concatenate([2 * reach, reach, reach[upper[0]] * reach[upper[1]], [LIKELIHOOD_BOUND]])
    spread = spread_of(np.concatenate(parts, axis=1))
    return {"fit": joint(values, scales, trait_cells(rows, parsed), spread)}


@local("cox", **MODEL)
def risk_means(rows: Rows, formula: str, time: str, edges: Floats, coefficients: Floats, centre: Floats) -> Aggregate:
    """Sums of x exp(x'b) over those who leave in each interval, and over those of them with the event (2 K p)."""
    people, parsed = _People.of(rows, formula, time, edges, centre), rows.formula(formula)
    weight = np.exp(people.X @ coefficients)
    weighted = people.X * weight[:, None]
    sums = np.stack([people.by_interval(column) for column in weighted.T], axis=-1)
    reach = _reach(rows, formula)
    scales = np.broadcast_to(reach * _heaviest(reach, coefficients), sums.shape)
    fit = joint(sums, scales, people.cells(rows, parsed), spread_of(weight[:, None]))
    return {"exits": measured(people.exits(), rows.n), "fit": fit}


@dataclass(frozen=True)
class Hazards:
    """What the opened exposures say: increments (K,), what tied deaths share (K,), and the sum of log phi."""

    at_risk: Floats
    of_events: Floats
    increments: Floats
    shared: Floats
    squares: Floats
    logs: float

    @classmethod
    def of(cls, exposed: Floats, deaths: NDArray[np.int64], ties: kernel.Ties) -> Hazards:
        """Of sums (2, K) by interval, as `exposures` opens them."""
        at_risk = exposed[0][::-1].cumsum()[::-1]
        there = deaths > 0
        some = kernel.RiskSets(np.zeros((1, 0)), at_risk[there], np.zeros(there.sum(), np.int64), deaths[there], None)
        found = kernel.tied(at_risk[there], exposed[1][there], some, ties)
        increments, shared, squares = np.zeros(len(deaths)), np.zeros(len(deaths)), np.zeros((3, len(deaths)))
        increments[there], shared[there], squares[:, there] = found[:3]
        return cls(at_risk, exposed[1], increments, shared, squares, found[3])

    @property
    def cumulated(self) -> Floats:
        """(K,) the hazard to the end of each interval, where all columns are at the centre."""
        return np.cumsum(self.increments)

    def of_means(self, sums: Floats) -> Floats:
        """(p, p) what the information loses to the means of the risk sets; sums (2, K, p) as `risk_means` opens."""
        one, share, both = self.squares
        S, D = sums[0][::-1].cumsum(axis=0)[::-1], sums[1]
        mixed = S.T @ (D * share[:, None])
        return np.asarray(S.T @ (S * one[:, None]) - mixed - mixed.T + D.T @ (D * both[:, None]))


@dataclass(frozen=True)
class Climbed:
    """The solution: coefficients (p,), NaN where aliased; information; log-likelihoods of it and of no effect.

    centre: (p,) the columns' values that the hazards are for. grid: with the intervals that were merged.
    """

    coefficients: Floats
    information: Floats
    likelihoods: tuple[float, float]
    hazards: Hazards
    centre: Floats
    rounds: int
    grid: Grid


TRIES = (1, 2, 4)
"""Times the study's minimum of people: a hospital may ask for more than the study does."""


@dataclass(frozen=True)
class Common:
    """A model to be fitted on a grid. least: people with the event, and without, who leave in an interval."""

    formula: Formula
    time: str
    ties: kernel.Ties
    grid: Grid
    least: int

    def climb(self, centre: Floats) -> Generator[Ask, Pooled, Climbed]:
        """The fit on the finest grid whose sums are opened."""
        for times in TRIES:
            one = replace(self, grid=self.grid.coarser(times * self.least))
            try:
                hazards = yield from one._hazards(np.zeros(len(centre)), centre)
            except Stopped:
                continue
            return (yield from one._climbed(centre, hazards))
        raise Stopped(Finding("withheld_fit"))

    def _climbed(self, centre: Floats, hazards: Hazards) -> Generator[Ask, Pooled, Climbed]:
        """Quasi-Newton steps (Broyden, Fletcher, Goldfarb and Shanno 1970) from no effect, then the exact information.

        The first curvature takes the mean over all risk sets for the mean of each; differences of scores mend it. After
        the first round, in which all weigh alike, columns are about their means over the events: then most people
        weigh about one, wherever in the declared ranges they are.
        """
        beta, rounds, null = np.zeros(len(centre)), 0, float("nan")
        curvature, before, step = np.zeros((0, 0)), np.zeros(len(centre)), np.zeros(len(centre))
        for _ in range(MOST_ROUNDS):
            if rounds:
                hazards = yield from self._hazards(beta, centre)
            score, moments, approximate, events, mean = yield from self._scores(beta, centre, hazards)
            rounds += 2
            likelihood = events - hazards.logs
            if not curvature.size:
                curvature, null = approximate, likelihood
                aliased = aliased_columns(approximate)
            else:
                curvature = _mended(curvature, step, before - score)
            solved = solve(score, curvature, aliased)
            if solved.decrement < DECREMENT:
                break
            step, before = solved.step, score
            beta, centre = beta + step, (centre + mean if rounds == 2 else centre)
        else:
            raise Stopped(Finding("no_convergence", values={"found": rounds}))
        answer = yield self._ask(risk_means, beta, centre, {}, "fitting")
        information = moments - hazards.of_means(_open(answer["fit"]))
        coefficients = np.where(aliased, np.nan, beta)
        return Climbed(coefficients, information, (likelihood, null), hazards, centre, rounds + 1, self.grid)

    def _hazards(self, beta: Floats, centre: Floats) -> Generator[Ask, Pooled, Hazards]:
        answer = yield self._ask(exposures, beta, centre, {}, "fitting")
        deaths = np.rint(self.grid.events.sum(axis=1)).astype(np.int64)
        return Hazards.of(_open(answer["fit"]), deaths, self.ties)

    def _scores(
        self, beta: Floats, centre: Floats, hazards: Hazards
    ) -> Generator[Ask, Pooled, tuple[Floats, Floats, Floats, float, Floats]]:
        """Score, second moments, first curvature, the sum of the events' x'b, and the events' mean about the centre."""
        told = {"hazard": hazards.cumulated, "tied": hazards.shared}
        answer = yield self._ask(scores, beta, centre, told, "fitting")
        values, p = _open(answer["fit"]), len(beta)
        score, of_events, moments = values[:p], values[p : 2 * p], symmetric(values[2 * p : -1], p)
        expected, deaths = of_events - score, float(self.grid.events.sum())
        first = moments - np.outer(expected, expected) / deaths
        return score, moments, first, float(values[-1]), of_events / deaths

    def _ask(self, step: Any, beta: Floats, centre: Floats, more: dict[str, Any], doing: str) -> Ask:
        arguments = {"formula": self.formula.text, "time": self.time, "edges": self.grid.edges}
        arguments |= {"coefficients": beta, "centre": centre}
        spent = len(beta) + len(self.grid.single)
        return Ask(step, arguments | more, fit=f"{self.formula.text} on a grid", parameters=spent, doing=doing)


def _open(values: Floats) -> Floats:
    if np.isnan(values).any():
        raise Stopped(Finding("withheld_fit"))
    return values


def _mended(curvature: Floats, step: Floats, change: Floats) -> Floats:
    """The BFGS update: the curvature that the last change of the score speaks of, in the direction of the step."""
    along = float(step @ change)
    if along <= 0:
        return curvature
    gone = curvature @ step
    return np.asarray(curvature + np.outer(change, change) / along - np.outer(gone, gone) / float(step @ gone))
