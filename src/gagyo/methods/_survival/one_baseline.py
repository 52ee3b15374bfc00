"""A Cox model with one baseline hazard for all hospitals, on an agreed grid of times: its climb.

A round opens the sums of exp(x'b) over those who leave in each interval (with entries or changes, over those at risk);
the hazard that follows from them is told to the hospitals, whose score and second moments are then sums over people, as
in WebDISCO (Lu et al. 2015, J Am Med Inform Assoc 22:1212) but without the risk sets' columns, which are opened once,
at the solution, for the standard errors. As sums over those with the event are opened too, intervals are merged until
each has no event or enough, and no other exit or enough.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.errors import Stopped
from gagyo.federation.ask import Ask, Pooled
from gagyo.finding import Finding
from gagyo.methods._newton import DECREMENT, MOST_ROUNDS, aliased_columns, solve, symmetric
from gagyo.methods._survival.agreed import Ends, Grid
from gagyo.methods._survival.climb import sandwich
from gagyo.methods._survival.common_steps import common_meat, exposures, risk_means, scores
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import Floats
from gagyo.statistics import cox as kernel


@dataclass(frozen=True)
class Hazards:
    """What the opened exposures say, by cell (K,), the intervals of one stratum after those of another: sums over those
    at risk, and over those with the event; increments; what tied deaths share; and the sum of log phi.

    shape: strata and intervals. deaths: (K,).
    """

    shape: tuple[int, ...]
    deaths: NDArray[np.int64]
    at_risk: Floats
    of_events: Floats
    increments: Floats
    shared: Floats
    squares: Floats
    logs: float

    @classmethod
    def of(cls, exposed: Floats, deaths: NDArray[np.int64], ties: kernel.Ties, by_risk: bool) -> Hazards:
        """Of sums (2, K) by cell, as `exposures` opens them; deaths: (strata, intervals)."""
        shape, flat = deaths.shape, deaths.ravel()
        at_risk = exposed[0] if by_risk else _from_the_end(exposed[0], shape)
        there = flat > 0
        some = kernel.RiskSets(np.zeros((1, 0)), at_risk[there], np.zeros(there.sum(), np.int64), flat[there], None)
        found = kernel.tied(at_risk[there], exposed[1][there], some, ties)
        increments, shared, squares = np.zeros(len(flat)), np.zeros(len(flat)), np.zeros((3, len(flat)))
        increments[there], shared[there], squares[:, there] = found[:3]
        return cls(shape, flat, at_risk, exposed[1], increments, shared, squares, found[3])

    @property
    def cumulated(self) -> Floats:
        """(K,) the hazard to the end of each cell, where all columns are at the centre."""
        return self._cumulated(self.increments)

    def _cumulated(self, by_cell: Floats) -> Floats:
        return by_cell.reshape(*self.shape, *by_cell.shape[1:]).cumsum(axis=1).reshape(by_cell.shape)

    def of_means(self, sums: Floats) -> Floats:
        """(p, p) what the information loses to the means of the risk sets; sums (2, K, p) over those at risk, and over
        those with the event.
        """
        one, share, both = self.squares
        S, D = sums
        mixed = S.T @ (D * share[:, None])
        return np.asarray(S.T @ (S * one[:, None]) - mixed - mixed.T + D.T @ (D * both[:, None]))

    def told(self, sums: Floats) -> dict[str, Floats]:
        """What people's score residuals follow from, as `common_meat` takes it; sums (2, K, p) as above."""
        one, share, both = (part[:, None] for part in self.squares)
        S, D = sums
        means = (S * self.increments[:, None] - D * self.shared[:, None]) / np.maximum(self.deaths, 1)[:, None]
        drift = self._cumulated(S * one - D * share)
        return {
            "hazard": self.cumulated,
            "tied": self.shared,
            "drift": drift,
            "tied_drift": S * share - D * both,
            "means": means,
        }

    def summed(self, opened: Floats, by_risk: bool) -> Floats:
        """Sums (2, K, p) over those at risk and over those with the event, from what `risk_means` opens."""
        return opened if by_risk else np.stack([_from_the_end(opened[0], self.shape), opened[1]])


def _from_the_end(by_cell: Floats, shape: tuple[int, ...]) -> Floats:
    """Of sums over those who leave in each cell those over who is at risk in it."""
    table = by_cell.reshape(*shape, *by_cell.shape[1:])
    return table[:, ::-1].cumsum(axis=1)[:, ::-1].reshape(by_cell.shape)


@dataclass(frozen=True)
class Climbed:
    """The solution: coefficients (p,), NaN where aliased; where the last sums were asked for, within a tiny step of it;
    information; log-likelihoods of it and of no effect.

    centre: (p,) the columns' values that the hazards are for. sums: as `Hazards.told` takes them. common: the model
    with the intervals that were merged.
    """

    coefficients: Floats
    asked_at: Floats
    information: Floats
    likelihoods: tuple[float, float]
    hazards: Hazards
    centre: Floats
    sums: Floats
    rounds: int
    common: Common

    @property
    def grid(self) -> Grid:
        """The grid with the intervals that were merged."""
        return self.common.grid

    def sandwich(self, inverse: Floats) -> Generator[Ask, Pooled, Floats]:
        """The robust covariance (p, p), from the inverse information."""
        told = self.hazards.told(self.sums)
        answer = yield self.common.ask(common_meat, self.asked_at, self.centre, told, "robust_errors")
        return sandwich(inverse, _open(answer["meat"]))


TRIES = (1, 2, 4)
"""Times the study's minimum of people: a hospital may ask for more than the study does."""

COARSER = (8, 16, 24)
"""Where some trait is rare: of those who have it, too, nobody or enough leave in an interval."""

LAGS = (0, 2, 3, 1, 4)
"""Whose bundles are tried, with entries or a change: of who came or changed at the start (0), or so long before."""

LATER = (0, 1, 2)
"""With a change, how many intervals more the first one holds: few have changed when it ends, and leave in it."""


@dataclass(frozen=True)
class Common:
    """A model to be fitted on a grid. least: people with the event, and without, who leave in an interval.

    entry, strata: variables, or empty. changed, at: names of changes and the variables of their times. lag: as
    `common_cells` has it; of no matter where nobody enters or changes. before: the grids on which earlier models of the
    same people's time stand.
    """

    formula: Formula
    time: str
    entry: str
    strata: str
    ties: kernel.Ties
    grid: Grid
    least: int
    changed: tuple[str, ...] = ()
    at: tuple[str, ...] = ()
    lag: int = 1
    before: tuple[Ends, ...] = ()

    @property
    def by_risk(self) -> bool:
        """Whether sums by interval are over those at risk: some come, or change, later than others."""
        return bool(self.entry or self.changed)

    def climb(self, centre: Floats) -> Generator[Ask, Pooled, Climbed]:
        """The fit on the finest grid whose sums are opened."""
        for one in self._tries():
            try:
                hazards = yield from one._hazards(np.zeros(len(centre)), centre)
            except Stopped:
                continue
            return (yield from one._climbed(centre, hazards))
        late = self.entry or ", ".join(self.changed)
        raise Stopped(Finding("withheld_entries", values={"found": late}) if late else Finding("withheld_fit"))

    def _tries(self) -> Iterator[Common]:
        """Grids from fine to coarse, and bundles of each."""
        tried = set()
        for grid in self._grids():
            size = len(grid.single)
            if size < 2 or tuple(grid.edges) in tried:
                continue  # with all in one risk set nobody is compared at their time
            tried.add(tuple(grid.edges))
            lags = dict.fromkeys(min(lag or size, size) for lag in LAGS) if self.by_risk else (1,)
            yield from (replace(self, grid=grid, lag=lag) for lag in lags)

    def _grids(self) -> Iterator[Grid]:
        for times in (*TRIES, *COARSER):
            grid = self.grid.coarser(times * self.least, apart=bool(self.strata), censored=self.by_risk)
            for more in LATER if self.changed else (0,):
                if more < len(grid.single):
                    yield self._beside(grid.from_a_longer_first(more))

    def _beside(self, grid: Grid) -> Grid:
        """A grid of which no end divides an interval that an earlier model's grid divides elsewhere: between the two
        may be a few people with a column of both.
        """
        if all(grid.inner <= one or grid.inner >= one for one in self.before):
            return grid
        return grid.joined(frozenset.intersection(*self.before))

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
        answer = yield self.ask(risk_means, beta, centre, self._bundles, "fitting")
        sums = hazards.summed(_open(answer["fit"]), self.by_risk)
        information = moments - hazards.of_means(sums)
        # By the exact curvature the last step goes further than by the mended one, and costs no round.
        last = beta + solve(score, information, aliased).step
        coefficients = np.where(aliased, np.nan, last)
        return Climbed(coefficients, beta, information, (likelihood, null), hazards, centre, sums, rounds + 1, self)

    def _hazards(self, beta: Floats, centre: Floats) -> Generator[Ask, Pooled, Hazards]:
        answer = yield self.ask(exposures, beta, centre, self._bundles, "fitting")
        deaths = np.rint(self.grid.events.T).astype(np.int64)
        return Hazards.of(_open(answer["fit"]), deaths, self.ties, self.by_risk)

    @property
    def _bundles(self) -> dict[str, Any]:
        """Which bundles of people have to hold k: by stratum, until its last interval with an exit."""
        leaving = self.grid.exits.sum(axis=2) > 0
        until = np.where(leaving.any(axis=0), len(leaving) - 1 - leaving[::-1].argmax(axis=0), 0)
        return {"lag": self.lag, "until": until.astype(np.float64)}

    def _scores(
        self, beta: Floats, centre: Floats, hazards: Hazards
    ) -> Generator[Ask, Pooled, tuple[Floats, Floats, Floats, float, Floats]]:
        """Score, second moments, first curvature, the sum of the events' x'b, and the events' mean about the centre."""
        told = {"hazard": hazards.cumulated, "tied": hazards.shared}
        answer = yield self.ask(scores, beta, centre, told, "fitting")
        values, p = _open(answer["fit"]), len(beta)
        score, of_events, moments = values[:p], values[p : 2 * p], symmetric(values[2 * p : -1], p)
        expected, deaths = of_events - score, float(self.grid.events.sum())
        first = moments - np.outer(expected, expected) / deaths
        return score, moments, first, float(values[-1]), of_events / deaths

    def ask(self, step: Any, beta: Floats, centre: Floats, more: dict[str, Any], doing: str) -> Ask:
        """The question that a step answers at coefficients beta (p,) of columns about `centre` (p,)."""
        arguments: dict[str, Any] = {
            "formula": self.formula.text,
            "time": self.time,
            "entry": self.entry,
            "strata": self.strata,
            "changed": list(self.changed),
            "at": list(self.at),
        }
        arguments |= {"edges": self.grid.edges, "coefficients": beta, "centre": centre}
        spent = len(beta) + len(self.grid.single) * self.grid.exits.shape[1]
        name = " ".join(one for one in (self.formula.text, "on a grid", self.entry, self.strata, *self.at) if one)
        return Ask(step, arguments | more, fit=name, parameters=spent, doing=doing)


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
