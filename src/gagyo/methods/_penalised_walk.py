"""The fits of a logistic path on their way: what is asked of each next, and the steps that follow from what was opened.

Proximal quasi-Newton: scores are each fit's own, the information is that of a few fits of everyone's path, in between
by the logarithm of the penalty, and bent by how the fit's own scores changed (BFGS). A fit that gets on badly so has
its own opened. Only the score says where a fit ends, so that it ends where Newton's method would.
"""

from __future__ import annotations

import numpy as np

from gagyo.errors import Stopped
from gagyo.finding import Finding
from gagyo.methods._newton import symmetric
from gagyo.methods._penalised_told import Path
from gagyo.release.aggregate import Floats
from gagyo.statistics.penalised import Quadratic, bent

INFORMED = 4
"""Fits of everyone's path, evenly spaced, whose information is opened."""

DECREMENT = 1e-20
"""A fit has ended where its squared step, in the information for each person, is under this."""

SETTLED = 1e-3
"""Of those few, an information is not asked for again once the squared step was under this."""

PATIENCE, SLOW = 4, 0.1
"""After so many rounds, a fit whose squared step did not fall under this share of the last has its own opened."""

REMEMBERED = 8
"""Changes of the score that bend the information of a fit, the last ones."""


class Walk:
    """Where the fits of a logistic path are: one a penalty for everyone, then for everyone without each fold.

    Columns stand about the pooled means, in pooled standard deviations; a fold's fit has its own in its penalties.
    """

    def __init__(self, opened: Floats, centre: Floats, folds: int, mixing: float) -> None:
        q, groups = len(centre), opened[:-1]
        whole = groups.sum(axis=0)
        trained = [whole, *(whole - one for one in groups)] if folds else [whole]
        self.people = float(whole[0])
        self.centre, self.mixing, self.rounds = centre, mixing, 2
        self.held = groups[:, 0]
        self._trained = np.array([one[0] for one in trained])
        self._shares = np.array([one[q] / one[0] for one in trained]) + centre[-1]
        deviations = np.array([_deviations(one, q) for one in trained])
        self.size = np.where(deviations[0] > 0, deviations[0], 1.0)
        self._relative = deviations / self.size
        self._folds = folds
        # Of the columns about their means and the outcome about its own.
        across = opened[-1, 1:q] - whole[1:q] * whole[q] / whole[0]
        self.largest_score = float(np.abs(across / self.size / whole[0] * (deviations[0] > 0)).max())

    def start(self, penalties: Floats, given: bool) -> None:
        """Every fit at its null model; the last penalty is none of the grid's where one is `given`."""
        if not 0 < float(self._shares.min()) <= float(self._shares.max()) < 1:
            raise Stopped(Finding("withheld_fit"))
        self.penalties, self._given = penalties, given
        values, groups = len(penalties), len(self._trained)
        self._group = np.repeat(np.arange(groups), values)
        self.beta = np.zeros((groups * values, 1 + len(self.size)))
        self.beta[:, 0] = np.log(self._shares / (1 - self._shares))[self._group]
        relative, each = self._relative[self._group], np.tile(penalties, groups)[:, None]
        # A column that is constant has no part in any fit.
        still = np.where(relative > 0, 0.0, np.inf)
        self._first = each * self.mixing * relative + still
        self._second = each * (1 - self.mixing) * relative**2
        self._best = np.full(len(self.beta), -np.inf)
        self._before = self.beta.copy()
        self._step, self._step_before = np.full((2, len(self.beta)), np.inf)
        self._likelihood, self._held_out = np.zeros((2, len(self.beta)))
        self._heard: list[list[tuple[Floats, Floats]]] = [[] for _ in self.beta]
        self._informations: dict[int, Floats] = {}
        self._poor: set[int] = set()
        # The null model is one for all penalties, and everyone's information serves every fit.
        self.asked, self.informed = np.arange(groups) * values, 1

    def _choose(self) -> None:
        """Which fits are asked about next (asked,), first of all those `informed` whose information is too."""
        going = self._step >= DECREMENT
        grid = len(self.penalties) - self._given
        even = np.unique(np.linspace(0, grid - 1, min(INFORMED, grid)).round().astype(int))
        wanted = np.zeros(len(self.beta), bool)
        wanted[even[self._step[even] > SETTLED]] = True
        wanted[list(self._poor)] = True
        if self.rounds - 2 >= PATIENCE:
            wanted |= going & ~(self._step <= SLOW * self._step_before)
        self._poor.clear()
        first = np.flatnonzero(wanted)
        self.asked, self.informed = np.append(first, np.flatnonzero(going & ~wanted)), len(first)

    @property
    def opened(self) -> int:
        """Of how many fits the information is opened by the next answer."""
        return len({*self._informations, *self.asked[: self.informed].tolist()})

    @property
    def without(self) -> Floats:
        """The fold that each fit asked about leaves out; -1 for none (asked,)."""
        return np.asarray(self._group[self.asked] - 1.0, np.float64)

    @property
    def coefficients(self) -> Floats:
        """Where the fits asked about are (asked, 1 + p)."""
        return self.beta[self.asked]

    def hears(self, fits: Floats, informations: Floats) -> bool:
        """A step of each fit from what was opened there; whether none matters any more."""
        at_null = not self._informations
        self.rounds += 1
        for fit, row in zip(self.asked[: self.informed].tolist(), informations, strict=True):
            self._informations[fit] = symmetric(row, self.beta.shape[1]) / self._trained[self._group[fit]]
            self._heard[fit].clear()  # earlier changes of the score are in it
        asked, rows = (np.arange(len(self.beta)), fits[self._group]) if at_null else (self.asked, fits)
        for fit, row in zip(asked.tolist(), rows, strict=True):
            # From the null model the fit at the penalty before has gone most of the way.
            first = at_null and fit % len(self.penalties) > 0
            self._move(fit, row, self.beta[fit - 1 if first else fit])
        self._choose()
        return not len(self.asked)

    def _move(self, fit: int, row: Floats, start: Floats) -> None:
        """A step of one fit from its score, log-likelihood and that of the fold left out."""
        people, beta = self._trained[self._group[fit]], self.beta[fit].copy()
        self._likelihood[fit], self._held_out[fit] = row[-2:]
        slopes = np.where(np.isfinite(self._first[fit]), beta[1:], 0.0)
        first = np.where(np.isfinite(self._first[fit]), self._first[fit], 0.0)
        worth = row[-2] / people - first @ np.abs(slopes) - self._second[fit] @ slopes**2 / 2
        self._heard[fit].append((beta, row[:-2] / people))
        self._step_before[fit], self._step[fit] = self._step[fit], np.inf
        if worth < self._best[fit] - 1e-9 * (1 + abs(self._best[fit])):
            # The quadratic promised more than there is: half the way back.
            self.beta[fit] = (beta + self._before[fit]) / 2
            self._poor.add(fit)
            return
        near = Quadratic(beta, row[:-2], self._information(fit) * people, people)
        try:
            after = near.step(self._first[fit], self._second[fit], start)
        except ArithmeticError:
            self._poor.add(fit)  # with its own information it is asked again where it stands
            return
        self._step[fit] = near.decrement(after)
        self._best[fit], self._before[fit], self.beta[fit] = worth, beta, after

    def _information(self, fit: int) -> Floats:
        """For a person: a fit's own, or between those of everyone's path; bent by the fit's own scores."""
        near = self._informations[fit] if fit in self._informations else self._between(fit)
        heard = self._heard[fit][-1 - REMEMBERED :]
        steps = np.diff([beta for beta, _ in heard], axis=0)
        return bent(near, steps, -np.diff([score for _, score in heard], axis=0))

    def _between(self, fit: int) -> Floats:
        """Between the informations of everyone's fits at the nearest penalties."""
        values = len(self.penalties)
        depth = -np.log(self.penalties)
        known = sorted((one for one in self._informations if one < values), key=lambda one: float(depth[one]))
        places, at = depth[known], depth[fit % values]
        upper = min(int(np.searchsorted(places, at)), len(known) - 1)
        lower = max(upper - 1, 0)
        apart = places[upper] - places[lower]
        share = float(np.clip((at - places[lower]) / apart, 0.0, 1.0)) if apart else 1.0
        return (1 - share) * self._informations[known[lower]] + share * self._informations[known[upper]]

    def path(self) -> Path:
        """The fits as they ended, columns as they are."""
        values = len(self.penalties)
        slopes = self.beta[:values, 1:] / self.size
        share = self._shares[0]
        null = self.people * (share * np.log(share) + (1 - share) * np.log(1 - share))
        losses = np.zeros((0, values))
        if self._folds:
            losses = -2 * self._held_out[values:].reshape(self._folds, values) / self.held[:, None]
        return Path(
            self.penalties,
            self.beta[:values, 0] - slopes @ self.centre[:-1],
            slopes,
            self.size,
            1 - self._likelihood[:values] / null,
            losses,
            self.held,
            self.rounds,
            self._given,
        )


def _deviations(sums: Floats, q: int) -> Floats:
    """The columns' 1/n standard deviations (q - 1,); 0 of a constant one."""
    squares = sums[q + 1 : 2 * q] / sums[0]
    variances = squares - (sums[1:q] / sums[0]) ** 2
    return np.asarray(np.where(variances > 1e-12 * (squares + 1e-300), np.sqrt(np.maximum(variances, 0.0)), 0.0))
