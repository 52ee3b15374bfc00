"""The conversation of multiple imputation: sweeps over the imputed variables in all chains, then the completed fits."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gagyo.errors import Stopped
from gagyo.federation.ask import Ask, Pooled
from gagyo.federation.local import LocalStep
from gagyo.finding import Finding
from gagyo.methods import _imputation_steps as steps
from gagyo.methods._imputation_chains import Spec
from gagyo.methods._imputation_drawn import drawn_linear, drawn_logistic
from gagyo.methods._newton import (
    DECREMENT,
    MOST_ROUNDS,
    Solved,
    aliased_columns,
    check_running_away,
    check_separation,
    solve,
    symmetric,
)
from gagyo.methods._profile_fit import Opened, check_whole, size_of
from gagyo.methods._regression import about_zero, middles
from gagyo.release.aggregate import Floats

Walking = Generator[Ask, Pooled, "Fits"]


@dataclass(frozen=True)
class Seen:
    """An imputed variable: how many have it and lack it, their mean, and by sweep what the others were given.

    given: the mean of the imputed values, (sweeps + 1, chains), the starts first; empty where nobody lacks it.
    """

    name: str
    having: int
    lacking: int
    mean: float
    given: Floats


@dataclass(frozen=True)
class Fits:
    """The analysis in each completed data set: coefficients and variances (chains, p), NaN where aliased."""

    values: Floats
    variances: Floats
    freedom: int
    aliased: np.ndarray[Any, np.dtype[np.bool_]]
    people: int
    sites: tuple[str, ...]
    rounds: int
    seen: tuple[Seen, ...]


@dataclass
class Walk:
    """Where an imputation is: what the start opened, what was drawn, what was given, each logistic model's last fit.

    seed: what the draws are named by besides variable, sweep and chain.
    """

    spec: Spec
    seed: str
    people: int = 0
    events: float = 0.0
    sites: tuple[str, ...] = ()
    having: dict[str, int] = field(default_factory=dict)
    starts: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    draws: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    given: dict[str, list[Floats]] = field(default_factory=dict)
    fitted: dict[str, Floats] = field(default_factory=dict)
    rounds: int = 0

    def walk(self, logistic: bool) -> Walking:
        """Start, sweep, and fit the completed data."""
        yield from self._start()
        for sweep in range(1, self.spec.sweeps + 1):
            for name in self.spec.impute:
                yield from self._model(name, sweep)
        values, variances, aliased = yield from (self._logistic() if logistic else self._linear())
        freedom = self.people - int((~aliased).sum())
        return Fits(values, variances, freedom, aliased, self.people, self.sites, self.rounds, self._seen())

    def _seen(self) -> tuple[Seen, ...]:
        found = []
        for name, (mean, _) in zip(self.spec.impute, self.starts, strict=True):
            lacking = self.people - self.having[name]
            given = np.array(self.given[name]) / lacking if lacking else np.zeros((0, self.spec.times))
            found.append(Seen(name, self.having[name], lacking, float(mean), given))
        return tuple(found)

    def _ask(self, step: LocalStep, fit: str, width: int, **more: Any) -> Generator[Ask, Pooled, Pooled]:
        """One question about every chain: `width` parameters of each, spent once under the name of the fit."""
        named = {**self.spec.arguments, "starts": self.starts, "draws": self.draws, **more}
        times = self.spec.times
        doing = "imputing" if step is steps.model else "fitting"
        name = f"{self.spec.formula.text} {fit}"
        answer = yield Ask(step, named, fit=name, parameters=times * width, fits_at_once=times, doing=doing)
        self.rounds += 1
        return answer

    def _start(self) -> Generator[Ask, Pooled, None]:
        answer = yield Ask(steps.start, self.spec.arguments, doing="counting")
        check_whole(answer, "people", "sums")
        self.rounds, self.sites, self.people = 1, answer.sites, int(answer["people"][0])
        self.events = float(answer["sums"][0])
        having, total, squares = answer["sums"][1:].reshape(3, -1)
        if (having < 2).any():
            raise Stopped(Finding("withheld_fit"))
        self.having = {name: int(one) for name, one in zip(self.spec.impute, having, strict=True)}
        measured = np.array([self.spec.is_measured(name) for name in self.spec.impute])
        ends = np.array([self.spec.variables[name].bounds for name in self.spec.impute])
        deviation = np.sqrt(np.maximum(squares - total**2 / having, 0.0) / (having - 1))
        mean = total / having + np.where(measured, ends.mean(axis=1), 0.0)
        self.starts = np.column_stack([mean, np.where(measured, deviation, 0.0)])
        self.draws = np.zeros((self.spec.times, 0))
        self.given = {name: [] for name in self.spec.impute}

    # One imputation model in every chain.

    def _model(self, name: str, sweep: int) -> Generator[Ask, Pooled, None]:
        labels = [f"gagyo {self.seed} {self.spec.label(name, sweep, chain)}" for chain in range(self.spec.times)]
        if self.spec.is_measured(name):
            opened = yield from self._opened(name, np.zeros((self.spec.times, self.spec.width(name))), True)
            people = self.having[name] - (len(self.sites) if self.spec.own else 0)
            drawn = [drawn_linear(one, people, label) for one, label in zip(opened, labels, strict=True)]
        else:
            fitted, solved = yield from self._newton(name)
            drawn = [drawn_logistic(*one) for one in zip(fitted, solved, labels, strict=True)]
            self.fitted[name] = fitted
        self.draws = np.column_stack([self.draws, np.array(drawn)])

    def _opened(self, name: str, coefficients: Floats, first: bool) -> Generator[Ask, Pooled, list[Opened]]:
        """The sums of a model in every chain; in its first round of a sweep, also what was given in the last."""
        width = self.spec.width(name)
        more = {"variable": name, "coefficients": coefficients}
        answer = yield from self._ask(steps.model, f"imputes {name}", width + 1, **more)
        check_whole(answer, "fit")
        if first:
            self.given[name].append(answer["fit"][:, -1])
        return [Opened.of(values, width) for values in answer["fit"][:, :-1]]

    def _newton(self, name: str) -> Generator[Ask, Pooled, tuple[Floats, list[Solved]]]:
        """The fit of a logistic model in every chain, from where it was in the last sweep."""
        width, times = self.spec.width(name), self.spec.times
        terms = [column.name for column in self.spec.models[name].columns(self.spec.variables)][int(self.spec.own) :]
        beta = self.fitted.get(name, np.zeros((times, width)))
        diagonals: list[Floats] = []
        for number in range(MOST_ROUNDS):
            try:
                opened = yield from self._opened(name, beta, number == 0)
            except Stopped:
                for chain in range(times if diagonals else 0):
                    check_running_away([one[chain] for one in diagonals], terms)
                raise
            solved = [one.solve() for one in opened]
            diagonals.append(np.array([np.diag(one.information) for one in opened]))
            beta = beta + np.array([one.step for one in solved])
            if all(one.decrement < DECREMENT for one in solved):
                return beta, solved
            for one, at_first, now in zip(opened, diagonals[0], diagonals[-1], strict=True):
                check_separation(at_first, now, one.likelihood, self.having[name], terms)
        raise Stopped(Finding("no_convergence", values={"found": MOST_ROUNDS}))

    # The analysis in every completed data set.

    def _linear(self) -> Generator[Ask, Pooled, tuple[Floats, Floats, Any]]:
        formula, p = self.spec.formula, self.spec.formula.width
        answer = yield from self._ask(steps.sums, "completed", p)
        check_whole(answer, "sums")
        self._note_given(answer["sums"][:, p + 1 :])
        centre = answer["sums"][:, : p + 1] / self.people
        centre = np.where(np.arange(p + 1) == 0, 0.0, centre) if formula.intercept else np.zeros_like(centre)
        answer = yield from self._ask(steps.products, "completed", p, centre=centre)
        check_whole(answer, "products")
        found = [_least_squares(gram, p) for gram in symmetric(answer["products"], p + 1)]
        aliased = np.logical_or.reduce([one.aliased for one, _ in found])
        values, variances = np.empty((len(found), p)), np.empty((len(found), p))
        for chain, (solved, residual) in enumerate(found):
            to_raw = about_zero(centre[chain, :-1]) if formula.intercept else np.eye(p)
            values[chain] = to_raw @ solved.step
            values[chain, 0] += centre[chain, -1]
            variance = np.diag(to_raw @ np.nan_to_num(solved.inverse) @ to_raw.T)
            variances[chain] = variance * residual / max(self.people - int((~solved.aliased).sum()), 1)
        return np.where(aliased, np.nan, values), np.where(aliased, np.nan, variances), aliased

    def _logistic(self) -> Generator[Ask, Pooled, tuple[Floats, Floats, Any]]:
        formula, variables = self.spec.formula, self.spec.variables
        p, times = formula.width, self.spec.times
        if self.events in (0, self.people):
            raise Stopped(Finding("outcome_constant", values={"found": formula.outcome}))
        beta = np.zeros((times, p))
        if formula.intercept:
            beta[:, 0] = np.log(self.events / (self.people - self.events))
        terms = [column.name for column in formula.columns(variables)]
        first = np.zeros((0, 0))
        for _ in range(MOST_ROUNDS):
            answer = yield from self._ask(steps.newton, "completed", p, coefficients=beta)
            check_whole(answer, "fit")
            values = answer["fit"][:, : size_of(p) - p]
            information = symmetric(values[:, p:-1], p)
            solved = [
                solve(score, one, aliased_columns(one)) for score, one in zip(values[:, :p], information, strict=True)
            ]
            beta = beta + np.array([one.step for one in solved])
            now = np.array([np.diag(one) for one in information])
            if not first.size:
                self._note_given(answer["fit"][:, values.shape[1] :])
                first = now
            if all(one.decrement < DECREMENT for one in solved):
                return self._told_logistic(beta, solved)
            for at_first, one, likelihood in zip(first, now, values[:, -1], strict=True):
                check_separation(at_first, one, float(likelihood), self.people, terms)
        raise Stopped(Finding("no_convergence", values={"found": MOST_ROUNDS}))

    def _told_logistic(self, beta: Floats, solved: list[Solved]) -> tuple[Floats, Floats, Any]:
        to_raw = about_zero(middles(self.spec.formula, self.spec.variables))
        aliased = np.logical_or.reduce([one.aliased for one in solved])
        values = beta @ to_raw.T
        variances = np.array([np.diag(to_raw @ np.nan_to_num(one.inverse) @ to_raw.T) for one in solved])
        return np.where(aliased, np.nan, values), np.where(aliased, np.nan, variances), aliased

    def _note_given(self, given: Floats) -> None:
        """What was given in the last sweep, (chains, variables)."""
        for name, one in zip(self.spec.impute, given.T, strict=True):
            self.given[name].append(one)


def _least_squares(gram: Floats, p: int) -> tuple[Solved, float]:
    """The coefficients of products of p columns and an outcome, and the residual sum of squares."""
    solved = solve(gram[:p, p], gram[:p, :p], aliased_columns(gram[:p, :p]))
    return solved, max(float(gram[p, p] - gram[:p, p] @ solved.step), 0.0)
