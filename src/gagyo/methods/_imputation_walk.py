"""The conversation of multiple imputation: sweeps over the imputed variables in all chains, then the completed fits."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    pivots,
    solve,
    symmetric,
)
from gagyo.methods._profile_fit import Opened, check_whole, size_of
from gagyo.methods._regression import about_zero, middles
from gagyo.release.aggregate import Floats

Bools = NDArray[np.bool_]
Walking = Generator[Ask, Pooled, "Fits"]


@dataclass(frozen=True)
class Seen:
    """An imputed variable: how many have it and lack it, their means, and by sweep what the others were given.

    means (columns,): one, or of a category the share of each level but the first. given: the means of the imputed
    values, (sweeps + 1, chains, columns), the starts first; empty where nobody lacks it.
    """

    name: str
    having: int
    lacking: int
    means: Floats
    given: Floats


@dataclass(frozen=True)
class Modelled:
    """One imputation model of one sweep: what was drawn, around which fit.

    draws (chains, numbers); fitted (chains, q); information (chains, q, q) of those who have the variable, of a linear
    model without its residual variance; aliased (chains, q): columns that are left out, and are 0 in every draw.
    """

    name: str
    sweep: int
    draws: Floats
    fitted: Floats
    information: Floats
    aliased: Bools


@dataclass(frozen=True)
class Chained:
    """The chains of an analysis as they were drawn, and the logistic fits of what they completed.

    fitted (chains, p), information (chains, p, p): of columns about their middles. coefficients (p,): pooled, of the
    columns as they are, 0 where aliased.
    """

    spec: Spec
    seed: str
    people: int
    starts: Floats
    having: Mapping[str, int]
    models: tuple[Modelled, ...]
    fitted: Floats
    information: Floats
    aliased: Bools
    coefficients: Floats

    @property
    def draws(self) -> Floats:
        """All that was drawn, (chains, numbers)."""
        return np.column_stack([one.draws for one in self.models])


@dataclass(frozen=True)
class Fits:
    """The analysis in each completed data set: coefficients and variances (chains, p), NaN where aliased."""

    values: Floats
    variances: Floats
    freedom: int
    aliased: Bools
    people: int
    sites: tuple[str, ...]
    rounds: int
    seen: tuple[Seen, ...]


def fewest(swept: int, share: float) -> int:
    """How many may lack a yes/no, if any, where a study has so many chains times sweeps; share: of those who have it,
    how many have the rarer answer.

    What each is given is 0 or 1: of a completed data set a sum of it times any other column is one over some of those
    who lack it. Where it is one person, or two such sums differ by one, these are that one's values. Of either at most
    a sixteenth of one is expected.
    """
    rare, often = max(share, 1e-3), 1 - max(share, 1e-3)
    n = np.arange(1, 20_000)
    alone = swept * n * rare * often ** (n - 1)
    pairs = swept**2 / 2 * n * 2 * rare * often * (rare**2 + often**2) ** (n - 1)
    return int(n[np.flatnonzero(np.maximum(alone, pairs) > 1 / 16).max(initial=0)]) + 1


@dataclass
class Walk:
    """Where an imputation is: what the start opened, what was drawn, what was given, each logistic model's last fit.

    seed: what the draws are named by besides variable, sweep and chain. without: the hospital that is left out; `near`
    are then the chains of all, at whose fits Newton's steps start.
    """

    spec: Spec
    seed: str
    without: str = ""
    near: Chained | None = None
    people: int = 0
    events: float = 0.0
    sites: tuple[str, ...] = ()
    having: dict[str, int] = field(default_factory=dict)
    starts: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    draws: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    given: dict[str, list[Floats]] = field(default_factory=dict)
    fitted: dict[str, Floats] = field(default_factory=dict)
    models: list[Modelled] = field(default_factory=list)
    completed: tuple[Floats, Floats] = field(default_factory=lambda: (np.zeros((0, 0)), np.zeros((0, 0, 0))))
    rounds: int = 0

    def walk(self, logistic: bool) -> Walking:
        """Start, sweep, and fit the completed data; where a privacy rule stops it, what a category needs is said."""
        try:
            return (yield from self._walk(logistic))
        except Stopped as why:
            advice = self._advice(why)
            if not advice:
                raise
            raise Stopped(*why.findings, *advice) from None

    def _advice(self, why: Stopped) -> list[Finding]:
        """What is true of every imputation, so that it says nothing of which group was too small, or where."""
        if not any(one.code in ("answer_withheld", "withheld_fit") for one in why.findings):
            return []
        names = ", ".join(name for name in self.spec.impute if self.spec.levels(name))
        lacked = Finding("impute_lacking", values={"found": ", ".join(self.spec.impute)})
        return [lacked, *([Finding("impute_rare", values={"found": names})] if names else [])]

    def _walk(self, logistic: bool) -> Walking:
        yield from self._start()
        for sweep in range(1, self.spec.sweeps + 1):
            for name in self.spec.impute:
                yield from self._model(name, sweep)
        values, variances, aliased = yield from (self._logistic() if logistic else self._linear())
        freedom = self.people - int((~aliased).sum())
        return Fits(values, variances, freedom, aliased, self.people, self.sites, self.rounds, self._seen())

    def chained(self, fits: Fits) -> Chained:
        """The chains of a walk that came to its end with logistic fits."""
        pooled = np.where(fits.aliased, 0.0, fits.values.mean(axis=0))
        models = tuple(self.models)
        kept = (self.spec, self.seed, self.people, self.starts, self.having, models)
        return Chained(*kept, *self.completed, fits.aliased, pooled)

    def _seen(self) -> tuple[Seen, ...]:
        found = []
        for name in self.spec.impute:
            lacking, means = self.people - self.having[name], self.starts[self.spec.place(name), 0]
            given = np.array(self.given[name]) / lacking if lacking else np.zeros((0, self.spec.times, len(means)))
            found.append(Seen(name, self.having[name], lacking, means, given))
        return tuple(found)

    # Its questions.

    def start_question(self) -> Ask:
        """The first question."""
        return Ask(steps.start, self.spec.arguments, doing="counting")

    def model_question(self, name: str, coefficients: Floats, starts: Floats, draws: Floats) -> Ask:
        """The question about a variable's model in every chain, at coefficients (chains, q)."""
        more = {"variable": name, "coefficients": coefficients}
        width = self.spec.width(name) + self.spec.columns(name)
        return self._question(steps.model, f"imputes {name}", width, starts, draws, **more)

    def completed_question(self, coefficients: Floats, starts: Floats, draws: Floats) -> Ask:
        """The question about the logistic fits of the completed data, at coefficients (chains, p)."""
        width = self.spec.formula.width
        return self._question(steps.newton, "completed", width, starts, draws, coefficients=coefficients)

    def _question(self, step: LocalStep, fit: str, width: int, starts: Floats, draws: Floats, **more: Any) -> Ask:
        """One question about every chain: `width` parameters of each, spent once under the name of the fit."""
        named = {**self.spec.arguments, "starts": starts, "draws": draws, **more}
        times = self.spec.times
        doing = "imputing" if step is steps.model else "fitting"
        name = f"{self.spec.formula.text} {fit}"
        if self.without:
            doing, name = "leaving_out", f"{name} without {self.without}"
        return Ask(
            step,
            named,
            fit=name,
            parameters=times * width,
            fits_at_once=times,
            every_round=bool(self.without),
            doing=doing,
        )

    def _ask(self, question: Ask) -> Generator[Ask, Pooled, Pooled]:
        answer = yield question
        self.rounds += 1
        return answer

    def _start(self) -> Generator[Ask, Pooled, None]:
        answer = yield self.start_question()
        check_whole(answer, "people", "sums")
        self.rounds, self.sites, self.people = 1, answer.sites, int(answer["people"][0])
        self.events = float(answer["sums"][0])
        people, rest = np.split(answer["sums"][1:], [len(self.spec.impute)])
        total, squares = rest.reshape(2, -1)
        if (people < 2).any():
            raise Stopped(Finding("withheld_fit"))
        self.having = {name: int(one) for name, one in zip(self.spec.impute, people, strict=True)}
        names = self.spec.by_column
        having = np.array([self.having[name] for name in names])
        measured = np.array([self.spec.is_measured(name) for name in names])
        ends = np.array([self.spec.variables[name].bounds for name in names])
        deviation = np.sqrt(np.maximum(squares - total**2 / having, 0.0) / (having - 1))
        mean = total / having + np.where(measured, ends.mean(axis=1), 0.0)
        self.starts = np.column_stack([mean, np.where(measured, deviation, 0.0)])
        self.draws = np.zeros((self.spec.times, 0))
        self.given = {name: [] for name in self.spec.impute}
        self._check_few()
        self._check_levels()

    def _check_few(self) -> None:
        """Raise Stopped where so few lack a yes/no that the sums of data sets would tell them apart."""
        for name, having in self.having.items():
            lacking = self.people - having
            shares = self.starts[self.spec.place(name), 0]
            least = fewest(self.spec.swept, float(np.minimum(shares, 1 - shares).min()))
            yes_or_no = not self.spec.is_measured(name) and not self.spec.levels(name)
            if yes_or_no and 0 < lacking < least:
                raise Stopped(Finding("impute_few", values={"variable": name, "found": lacking, "expected": least}))

    def _check_levels(self) -> None:
        """Raise Stopped where nobody has a level of a category."""
        for name in self.spec.impute:
            shares = self.starts[self.spec.place(name), 0]
            levels = zip(self.spec.variables[name].levels, [1 - shares.sum(), *shares], strict=False)
            empty = [level.name for level, share in levels if share * self.having[name] < 0.5]
            if empty:
                raise Stopped(Finding("impute_level", values={"variable": name, "found": ", ".join(empty)}))

    # One imputation model in every chain.

    def _model(self, name: str, sweep: int) -> Generator[Ask, Pooled, None]:
        labels = [f"gagyo {self.seed} {self.spec.label(name, sweep, chain)}" for chain in range(self.spec.times)]
        if self.spec.is_measured(name):
            opened = yield from self._opened(name, np.zeros((self.spec.times, self.spec.width(name))), True)
            people = self.having[name] - (len(self.sites) if self.spec.own else 0)
            solved = [one.solve() for one in opened]
            fitted = np.array([one.step for one in solved])
            drawn = [drawn_linear(one, people, label) for one, label in zip(opened, labels, strict=True)]
        else:
            fitted, solved, opened = yield from self._fitted(name)
            drawn = [drawn_logistic(*one) for one in zip(fitted, solved, labels, strict=True)]
            self.fitted[name] = fitted
        information = np.array([one.information for one in opened])
        aliased = np.array([one.aliased for one in solved])
        self.models.append(Modelled(name, sweep, np.array(drawn), fitted, information, aliased))
        self.draws = np.column_stack([self.draws, np.array(drawn)])

    def _opened(self, name: str, coefficients: Floats, first: bool) -> Generator[Ask, Pooled, list[Opened]]:
        """The sums of a model in every chain; in its first round of a sweep, also what was given in the last."""
        width = self.spec.width(name)
        answer = yield from self._ask(self.model_question(name, coefficients, self.starts, self.draws))
        check_whole(answer, "fit")
        sums, given = np.split(answer["fit"], [size_of(width)], axis=1)
        if first:
            self.given[name].append(given)
        return [Opened.of(values, width) for values in sums]

    def _fitted(self, name: str) -> Generator[Ask, Pooled, tuple[Floats, list[Solved], list[Opened]]]:
        """`_newton`; where it is separated, of which variable the model is."""
        try:
            return (yield from self._newton(name))
        except Stopped as why:
            apart = [one.values["found"] for one in why.findings if one.code == "separation"]
            if not apart:
                raise
            raise Stopped(Finding("impute_separation", values={"variable": name, "found": apart[0]})) from None

    def _newton(self, name: str) -> Generator[Ask, Pooled, tuple[Floats, list[Solved], list[Opened]]]:
        """The fit of a logistic or multinomial model in every chain, from where it was in the last sweep."""
        times, terms = self.spec.times, self._terms(name)
        start = next((one.fitted for one in self.near.models if one.name == name), None) if self.near else None
        beta = self.fitted.get(name, np.tile(self._null(name), (times, 1)) if start is None else start)
        trail: list[Floats] = []
        for number in range(MOST_ROUNDS):
            try:
                opened = yield from self._opened(name, beta, number == 0)
            except Stopped:
                for chain in range(times if trail else 0):
                    check_running_away([one[chain] for one in trail], terms)
                raise
            solved = [one.solve() for one in opened]
            trail.append(np.array([pivots(one.own) for one in opened]))
            beta = beta + np.array([one.step for one in solved])
            if all(one.decrement < DECREMENT for one in solved):
                return beta, solved, opened
            for one, at_first, now in zip(opened, trail[0], trail[-1], strict=True):
                check_separation(at_first, now, one.likelihood, self.having[name], terms)
        raise Stopped(Finding("no_convergence", values={"found": MOST_ROUNDS}))

    def _terms(self, name: str) -> list[str]:
        """The coefficients of a model by name; of a category those of each level but the first."""
        columns = self.spec.models[name].columns(self.spec.variables)[int(self.spec.own) :]
        terms = [column.name for column in columns]
        levels = self.spec.variables[name].levels[1:]
        return [f"{level.name}.{term}" for level in levels for term in terms] if levels else terms

    def _null(self, name: str) -> Floats:
        """Where the first fit of a model starts: at zero, a category with one level for all at the shares of levels."""
        beta = np.zeros((self.spec.columns(name), self.spec.slopes(name)))
        if self.spec.levels(name) and not self.spec.own:
            shares = self.starts[self.spec.place(name), 0]
            beta[:, 0] = np.log(shares / (1 - shares.sum()))
        return beta.ravel()

    # The analysis in every completed data set.

    def _linear(self) -> Generator[Ask, Pooled, tuple[Floats, Floats, Any]]:
        formula, p = self.spec.formula, self.spec.formula.width
        answer = yield from self._ask(self._question(steps.sums, "completed", p, self.starts, self.draws))
        check_whole(answer, "sums")
        self._note_given(answer["sums"][:, p + 1 :])
        centre = answer["sums"][:, : p + 1] / self.people
        centre = np.where(np.arange(p + 1) == 0, 0.0, centre) if formula.intercept else np.zeros_like(centre)
        asked = self._question(steps.products, "completed", p, self.starts, self.draws, centre=centre)
        answer = yield from self._ask(asked)
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
        beta = np.zeros((times, p)) if self.near is None else self.near.fitted
        if formula.intercept and self.near is None:
            beta[:, 0] = np.log(self.events / (self.people - self.events))
        terms = [column.name for column in formula.columns(variables)]
        first = np.zeros((0, 0))
        for _ in range(MOST_ROUNDS):
            answer = yield from self._ask(self.completed_question(beta, self.starts, self.draws))
            check_whole(answer, "fit")
            values = answer["fit"][:, : size_of(p) - p]
            information = symmetric(values[:, p:-1], p)
            solved = [
                solve(score, one, aliased_columns(one)) for score, one in zip(values[:, :p], information, strict=True)
            ]
            beta = beta + np.array([one.step for one in solved])
            now = np.array([pivots(one) for one in information])
            if not first.size:
                self._note_given(answer["fit"][:, values.shape[1] :])
                first = now
            if all(one.decrement < DECREMENT for one in solved):
                self.completed = beta, information
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
        """What was given in the last sweep, (chains, columns)."""
        for name in self.spec.impute:
            self.given[name].append(given[:, self.spec.place(name)])


def _least_squares(gram: Floats, p: int) -> tuple[Solved, float]:
    """The coefficients of products of p columns and an outcome, and the residual sum of squares."""
    solved = solve(gram[:p, p], gram[:p, :p], aliased_columns(gram[:p, :p]))
    return solved, max(float(gram[p, p] - gram[:p, p] @ solved.step), 0.0)
