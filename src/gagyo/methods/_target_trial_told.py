"""How an emulated trial is told: effects, curves, who departs when, balance, the model of starting, its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from gagyo.methods._balance import Covariate, covariates, middle_of, unbalanced
from gagyo.methods._effects_told import limits, of, ratio, spoken
from gagyo.methods._newton import wald
from gagyo.methods._overlap import Overlap
from gagyo.methods._regression import alias_notes, estimate
from gagyo.methods._survival.telling import amount, time_digits, time_words
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Cohort, Study
from gagyo.protocol.terms import DesignColumn
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Counts, Curve, Estimate, Interval, Result, Series, Table, Words
from gagyo.statistics.target_trial import STARTS, WAITS, Z95, Contrast
from gagyo.statistics.weighting import mean_differences, ratio_effect
from gagyo.text import LANGUAGES, Text, join, translate

NAMES = ("start", "wait")
LARGE = 0.1
"""A standardised difference from here on is commonly taken for imbalance (Austin 2009, Stat Med 28:3083)."""


@dataclass(frozen=True)
class Found:
    """What was opened. grace: intervals of the grace period; table: who started and left when (grace + 1, K + 1, 2);
    balance: sums past the grace period (2, 1 + b), of everyone (b,), and of everyone's squares (b,), as one list.

    seen: people followed past the grace period by the probability of not having departed.
    model: coefficients and errors of the model of starting (q,), NaN where aliased; terms: its columns' names.
    """

    contrast: Contrast
    grace: int
    table: Floats
    balance: Floats
    seen: Overlap
    model: tuple[Floats, Floats]
    terms: tuple[str, ...]
    people: int
    sites: tuple[str, ...]
    rounds: int

    def at_risk(self, strategy: int) -> Floats:
        """People under observation as each interval begins, and at the horizon (K + 1,)."""
        g, K = self.grace, len(self.contrast.edges)
        by_end = self.table.sum(axis=2)
        here = np.zeros(K + 1)
        for j in range(K + 1):
            started, not_yet = by_end[:g, j:].sum(axis=1), float(by_end[g, j:].sum())
            if strategy == WAITS:
                here[j] = started[j:].sum() + not_yet
            else:
                here[j] = started.sum() + (not_yet if j < g else 0.0)
        return here

    def departs(self, strategy: int) -> Floats:
        """People who depart from the strategy in each interval (K,)."""
        g, out = self.grace, np.zeros(len(self.contrast.edges))
        if strategy == WAITS:
            out[:g] = self.table[:g].sum(axis=(1, 2))
        else:
            out[g - 1] = self.table[g, g:].sum()
        return out

    def events(self, strategy: int) -> float:
        """People who have the event before the horizon and before they depart."""
        g, K = self.grace, len(self.contrast.edges)
        waiting = self.table[g, :K, 1]
        if strategy == WAITS:
            return float(waiting.sum())
        return float(self.table[:g, :K, 1].sum() + waiting[:g].sum())


@dataclass(frozen=True)
class Told:
    """What a study asks to be told."""

    study: Study
    formula: Formula
    options: Any
    cohort: Cohort

    def result(self, found: Found) -> Result:
        """The result: the risk difference is its first estimate."""
        effects, risks = list(self._effects(found)), list(self._risks(found))
        balance, model = self._balance(found), list(self._model_estimates(found))
        aliased = np.isnan(found.model[0])
        columns = self._columns(found)
        return Result(
            method="target_trial",
            lossless=True,
            people=found.people,
            sites=found.sites,
            rounds=found.rounds,
            estimates=(*effects, *risks, *self._sizes(found), *self._balance_estimates(balance), *model),
            tables=(
                self._effect_table(effects),
                self._mean_table(effects),
                self._strategies(found, risks),
                self._intervals(found),
                self._balance_table(balance),
                *self._bands(found),
                self._model(model),
                self._protocol(found),
            ),
            curves=(self._curve(found),),
            notes=(*self._notes(found, balance), *alias_notes(columns, aliased)),
            methods_text=tuple(self._texts(found)),
        )

    # Names.

    @property
    def _grace(self) -> Text:
        return amount(self.options.grace, self.study.variables[self.options.start])

    @property
    def _horizon(self) -> Text:
        return amount(self.options.horizon, self.study.variables[self.options.time])

    def _say(self, key: str, **values: Text | str) -> Words:
        """Words of the catalogue whose values are texts in each language."""

        def to(language: Any) -> str:
            said = {name: one.to(language) if isinstance(one, Text) else one for name, one in values.items()}
            return translate(f"trial.{key}", language, **said)

        return Words(text=Text(*(to(one) for one in LANGUAGES)))

    def _strategy(self, strategy: int) -> Words:
        label = self.study.variables[self.options.start].label
        return self._say(NAMES[strategy], start=label, grace=self._grace)

    # Effects.

    def _effects(self, found: Found) -> Iterator[Estimate]:
        one, last = found.contrast, len(found.contrast.edges) - 1
        start, wait = (one.risk(strategy, last) for strategy in (STARTS, WAITS))
        yield self._wald("risk_difference", start - wait, one)
        if start[0] > 0 and wait[0] > 0:
            error = one.error(start[1:] / start[0] - wait[1:] / wait[0])
            told = ratio_effect(float(np.log(start[0] / wait[0])), error)
            label = self._say("risk_ratio", horizon=self._horizon)
            p = _p(float(np.log(told.value)), error)
            yield Estimate("risk_ratio", label, told.value, error, told.lower, told.upper, p)
        yield self._wald("mean_difference", one.mean(STARTS) - one.mean(WAITS), one)

    def _wald(self, name: str, value: Floats, contrast: Contrast) -> Estimate:
        error, at = contrast.error(value[1:]), float(value[0])
        label = self._say(name, horizon=self._horizon)
        return Estimate(name, label, at, error, at - Z95 * error, at + Z95 * error, _p(at, error))

    def _risks(self, found: Found) -> Iterator[Estimate]:
        one, last = found.contrast, len(found.contrast.edges) - 1
        for strategy, name in enumerate(NAMES):
            value, error, low, high = _risk(one, strategy, last)
            yield Estimate(f"risk.{name}", of(self._strategy(strategy), "trial.of_risk"), value, error, low, high)
        for strategy, name in enumerate(NAMES):
            mean = one.mean(strategy)
            label = of(self._strategy(strategy), "trial.of_mean")
            value, error = float(mean[0]), one.error(mean[1:])
            yield Estimate(f"mean.{name}", label, value, error, value - Z95 * error, value + Z95 * error)

    def _effect_table(self, effects: list[Estimate]) -> Table:
        columns = (
            Column("effect", Words("weighting.effect"), "text"),
            Column("estimate", Words("result.value_interval"), "interval", 3),
            Column("standard_error", Words("weighting.error"), "number", 4),
            Column("p", Words("regression.p"), "p"),
        )
        risks = [one for one in effects if one.name != "mean_difference"]
        rows = tuple((one.label, limits(one), one.standard_error, one.p) for one in risks)
        title = self._say("effects", event=self.study.variables[self.options.event].label)
        return Table("trial_effects", title, columns, rows, notes=(Words("trial.effects_note"),))

    def _mean_table(self, effects: list[Estimate]) -> Table:
        """Apart from risks: a length of time has as many digits as its unit makes of it."""
        columns = (
            Column("effect", Words("weighting.effect"), "text"),
            Column("estimate", Words("result.value_interval"), "interval", 1),
            Column("standard_error", Words("weighting.error"), "number", 2),
            Column("p", Words("regression.p"), "p"),
        )
        one = next(one for one in effects if one.name == "mean_difference")
        row = (one.label, limits(one), one.standard_error, one.p)
        time = time_words(self.study.variables[self.options.time])
        return Table("trial_means", Words("weighting.mean_difference"), columns, (row,), notes=(time,))

    def _strategies(self, found: Found, risks: list[Estimate]) -> Table:
        columns = (
            Column("strategy", Words("trial.strategy"), "text"),
            Column("people", Words("trial.people"), "count"),
            Column("departs", Words("trial.departs"), "count"),
            Column("events", Words("trial.events"), "count"),
            Column("risk", Words("trial.risk"), "interval", 3),
            Column("mean", Words("trial.mean"), "interval", 1),
        )
        rows = tuple(
            (
                self._strategy(a),
                found.people,
                int(found.departs(a).sum()),
                int(found.events(a)),
                limits(risks[a]),
                limits(risks[2 + a]),
            )
            for a in (STARTS, WAITS)
        )
        title = self._say("strategies", horizon=self._horizon)
        return Table("trial_strategies", title, columns, rows, notes=(Words("trial.clones_note"),))

    # Intervals.

    def _intervals(self, found: Found) -> Table:
        time, digits = time_words(self.study.variables[self.options.time]), time_digits(found.contrast.edges)
        columns = [Column("until", time, "number", digits)]
        for a, name in enumerate(NAMES):
            word = self._strategy(a)
            columns += [
                Column(f"at_risk_{name}", of(word, "trial.of_at_risk"), "count"),
                Column(f"departs_{name}", of(word, "trial.of_departs"), "count"),
                Column(f"effective_{name}", of(word, "trial.of_effective"), "number", 1),
                Column(f"risk_{name}", of(word, "trial.of_risk"), "interval", 3),
            ]
        rows = []
        for j, end in enumerate(found.contrast.edges):
            cells: list[Cell] = [float(end)]
            for a in (STARTS, WAITS):
                value, _, low, high = _risk(found.contrast, a, j)
                shown: Cell = Interval(value, low, high) if low is not None and high is not None else value
                effective = float(found.contrast.arms[a].effective[j])
                cells += [int(found.at_risk(a)[j]), int(found.departs(a)[j]), effective, shown]
            rows.append(tuple(cells))
        notes = (Words("trial.intervals_note"),)
        return Table("trial_intervals", Words("trial.intervals"), tuple(columns), tuple(rows), notes=notes)

    def _sizes(self, found: Found) -> Iterator[Estimate]:
        """Effective numbers as the first interval after the grace period begins."""
        for a, name in enumerate(NAMES):
            size = float(found.contrast.arms[a].effective[found.grace])
            yield Estimate(f"effective.{name}", of(self._strategy(a), "trial.of_effective"), size)

    def _curve(self, found: Found) -> Curve:
        edges = (0.0, *found.contrast.edges.tolist())
        keep = [j for j in range(len(edges)) if j == 0 or edges[j] > 0]
        series, below = [], []
        for a in (STARTS, WAITS):
            points = [(1.0, 1.0, 1.0)] + [_survival(found.contrast, a, j) for j in range(len(edges) - 1)]
            y, low, high = (tuple(points[j][i] for j in keep) for i in range(3))
            x = tuple(edges[j] for j in keep)
            series.append(Series(self._strategy(a), x, y, low, high))
            people = found.at_risk(a)
            below.append(Counts(self._strategy(a), x, tuple(int(people[j]) for j in keep)))
        axes = time_words(self.study.variables[self.options.time]), Words("survival.share_axis")
        note, title = Words("trial.curve_note"), Words("survival.at_risk")
        return Curve("trial_survival", Words("trial.curves"), *axes, tuple(series), (note,), tuple(below), title)

    # Balance.

    @cached_property
    def _covariates(self) -> tuple[Covariate, ...]:
        return covariates(self.formula.predictors, self.study.variables)

    def _balance(self, found: Found) -> tuple[Floats, Floats]:
        """Means of everyone and of both strategies past the grace period (3, b), and their differences (3, b): of each
        strategy from everyone, and of the strategies, over everyone's deviation.
        """
        b = len(self._covariates)
        past = found.balance[: 2 * (1 + b)].reshape(2, 1 + b)
        sums, squares = found.balance[2 * (1 + b) :].reshape(2, b)
        n = found.people
        middle = np.array([0.0 if one.level is not None else middle_of(one.variable) for one in self._covariates])
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.vstack([sums / n, past[:, 1:] / past[:, [0]]])
            variance = np.tile((squares - sums**2 / n) / (n - 1), (2, 1))
        pairs = ((1, 0), (2, 0), (1, 2))
        differences = np.array([mean_differences(means[list(pair)], variance) for pair in pairs])
        return means + middle, differences

    def _balance_table(self, balance: tuple[Floats, Floats]) -> Table:
        means, differences = balance
        columns = (
            Column("covariate", Words("weighting.covariate"), "text"),
            Column("everyone", Words("trial.mean_everyone"), "number", 3),
            Column("start", of(self._strategy(STARTS), "trial.of_mean_of"), "number", 3),
            Column("wait", of(self._strategy(WAITS), "trial.of_mean_of"), "number", 3),
            Column("smd", Words("trial.smd"), "number", 3),
        )
        rows = tuple(
            (one.label, *(_known(mean) for mean in means[:, j]), _known(differences[2, j]))
            for j, one in enumerate(self._covariates)
        )
        title = self._say("balance", grace=self._grace)
        return Table("trial_balance", title, columns, rows, notes=(Words("trial.balance_note"),))

    def _balance_estimates(self, balance: tuple[Floats, Floats]) -> Iterator[Estimate]:
        for j, one in enumerate(self._covariates):
            yield Estimate(f"{one.name}.smd", of(one.label, "trial.smd"), _known(balance[1][2, j]))

    def _bands(self, found: Found) -> Iterator[Table]:
        """Positivity: how probable it was not to have departed, of those followed past the grace period."""
        if not found.seen.opened:
            return
        columns = (
            Column("from", Words("trial.followed_from"), "number", 4),
            Column("below", Words("trial.followed_below"), "number", 4),
            Column("weight", Words("trial.weight_over"), "number", 2),
            Column("start", self._strategy(STARTS), "count"),
            Column("wait", self._strategy(WAITS), "count"),
        )
        rows = tuple(
            (leaf.low, leaf.high, 1 / leaf.high, int(leaf.counts[0]), int(leaf.counts[1])) for leaf in found.seen.leaves
        )
        title = self._say("bands", grace=self._grace)
        yield Table("trial_weights", title, columns, rows, notes=(Words("trial.bands_note"),))

    # The model of starting.

    def _columns(self, found: Found) -> tuple[DesignColumn, ...]:
        """Levels of intervals, then the formula's columns, without an intercept that is each hospital's own."""
        own = self.options.hospitals == "own"
        given = self.formula.columns(self.study.variables)[int(own) :]
        levels = len(found.terms) - len(given)
        return (*(self._level(found, j) for j in range(1, levels + 1)), *given)

    def _level(self, found: Found, j: int) -> DesignColumn:
        edges, time = found.contrast.edges, self.study.variables[self.options.start]
        word = self._say("level", low=amount(float(edges[j - 1]), time), high=amount(float(edges[j]), time))
        return replace(self.formula.columns(self.study.variables)[0], name=found.terms[j - 1], label=spoken(word))

    def _model_estimates(self, found: Found) -> Iterator[Estimate]:
        with np.errstate(invalid="ignore", divide="ignore"):
            p = wald(*found.model)
        for column, value, error, one in zip(self._columns(found), *found.model, p, strict=True):
            told = estimate(column, float(value), float(error), Z95, float(one))
            yield replace(told, name=f"starting.{told.name}")

    def _model(self, estimates: list[Estimate]) -> Table:
        columns = (
            Column("term", Words("regression.term"), "text"),
            Column("coefficient", Words("regression.coefficient"), "number", 4),
            Column("standard_error", Words("regression.standard_error"), "number", 4),
            Column("odds_ratio", Words("regression.odds_ratio"), "interval", 3),
        )
        rows = tuple((one.label, one.value, one.standard_error, ratio(one)) for one in estimates)
        notes = (Words("weighting.own_intercepts"),) if self.options.hospitals == "own" else (Words("trial.middles"),)
        return Table("trial_model", Words("trial.model"), columns, rows, notes=notes)

    # The protocol.

    def _protocol(self, found: Found) -> Table:
        columns = (
            Column("element", Words("trial.element"), "text"),
            Column("target", Words("trial.target"), "text"),
            Column("emulation", Words("trial.emulation"), "text"),
        )
        variables, one = self.study.variables, self.options
        names = [variables[name].label for name in self.formula.predictors]
        said = {
            "cohort": self.cohort.text or join("", spoken(Words("trial.everyone"))),
            "start": variables[one.start].label,
            "time": variables[one.time].label,
            "event": variables[one.event].label,
            "grace": self._grace,
            "horizon": self._horizon,
            "covariates": join(", ", *names),
        }
        elements = ("eligibility", "strategies_of", "assignment", "follow_up", "outcome", "contrast", "analysis")
        rows = tuple(
            (
                Words(f"trial.{name}"),
                self._say(f"{name}_target", **said),
                self._say(f"{name}_emulation", **said),
            )
            for name in elements
        )
        return Table("trial_protocol", Words("trial.protocol"), columns, rows, notes=(Words("trial.protocol_note"),))

    # Words.

    def _notes(self, found: Found, balance: tuple[Floats, Floats]) -> Iterator[Words]:
        asked = {*self.options.times, self.options.grace, self.options.horizon}
        gone = sorted(asked - set(found.contrast.edges.tolist()))
        if gone:
            yield Words("trial.gave_way", {"found": ", ".join(f"{at:g}" for at in gone)})
        worst = np.nan_to_num(np.abs(balance[1][2]))
        if worst.max(initial=0.0) >= LARGE:
            far = [one for one, size in zip(self._covariates, worst, strict=True) if size >= LARGE]
            yield unbalanced("trial.unbalanced", far, LARGE)

    def _texts(self, found: Found) -> Iterator[Words]:
        yield Words("trial.text_clones")
        own = self.options.hospitals == "own"
        formula = self.formula.text.partition("~")[2].strip()
        yield Words("trial.text_own" if own else "trial.text_pooled", {"formula": formula})
        yield Words("trial.text_weights")
        if self.options.largest_weight is not None:
            yield Words("weighting.text_largest", {"found": f"{self.options.largest_weight:g}"})
        yield Words("trial.text_curves", {"number": self.study.release.minimum_people})
        yield Words("trial.text_errors")
        yield Words("trial.text_assumptions")


def _survival(contrast: Contrast, strategy: int, end: int) -> tuple[float, float, float]:
    """The survival at an edge with its limits; of 1 and 0 without any, limits are the value itself."""
    value, _, low, high = _risk(contrast, strategy, end)
    return 1 - value, 1 - (value if high is None else high), 1 - (value if low is None else low)


def _risk(contrast: Contrast, strategy: int, end: int) -> tuple[float, float, float | None, float | None]:
    """A risk, its error, and limits on the log(-log) scale of the survival; none where it is 0 or 1."""
    risk = contrast.risk(strategy, end)
    value, error = float(risk[0]), contrast.error(risk[1:])
    if not 0 < value < 1:
        return value, error, None, None
    survival = 1 - value
    reach = Z95 * error / abs(survival * np.log(survival))
    low, high = (1 - survival ** float(np.exp(sign * reach)) for sign in (-1, 1))
    return value, error, low, high


def _p(value: float, error: float) -> float | None:
    return float(wald(np.array([value]), np.array([error]))[0]) if error > 0 else None


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
