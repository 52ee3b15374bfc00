"""How a weighted comparison is told: effects, weighted means, balance before and after, effective numbers, overlap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from gagyo.federation.ask import Numerals
from gagyo.methods._balance import Covariate, covariates
from gagyo.methods._groups import level_label
from gagyo.methods._newton import wald
from gagyo.methods._overlap import Overlap
from gagyo.methods._quantiles_told import with_unit
from gagyo.methods._regression import alias_notes, estimate
from gagyo.methods._weighting_steps import UNBOUNDED
from gagyo.protocol.formula import DesignColumn, Formula
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Curve, Estimate, Interval, Result, Series, Table, Withheld, Words
from gagyo.statistics.comparisons import Effect
from gagyo.statistics.weighting import Z95, Scheme, effective_size, mean_differences, mean_effects
from gagyo.text import LANGUAGES, Text, join

SMALL = 0.1
"""A standardised difference under this is commonly taken for balance (Austin 2009, Stat Med 28:3083)."""


@dataclass(frozen=True)
class Weighted:
    """Of treated and untreated (2,): people, sums of weights and of their squares, means; the means' covariance."""

    people: Floats
    sums: Floats
    of_squares: Floats
    means: Floats
    variance: Floats


@dataclass(frozen=True)
class Propensity:
    """The propensity fit: coefficients and standard errors (q,), NaN where aliased; whom it covers; rounds in all."""

    fit: tuple[Floats, Floats]
    people: int
    sites: tuple[str, ...]
    rounds: int


@dataclass(frozen=True)
class Balance:
    """Means and variances (2, b) of the balance columns in treated and untreated, before and after weighting."""

    means: Floats
    variances: Floats
    weighted_means: Floats
    weighted_variances: Floats

    @property
    def before(self) -> Floats:
        """Standardised mean differences (b,)."""
        return mean_differences(self.means, self.variances)

    @property
    def after(self) -> Floats:
        """The same of weighted means, over the same deviations."""
        return mean_differences(self.weighted_means, self.variances)

    @property
    def ratios(self) -> tuple[Floats, Floats]:
        """Variances of the treated over those of the untreated, before and after."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.variances[0] / self.variances[1], self.weighted_variances[0] / self.weighted_variances[1]


@dataclass(frozen=True)
class Told:
    """What a study asks to be told of a weighted comparison."""

    study: Study
    formula: Formula
    outcome: str
    balanced: tuple[str, ...]
    scheme: Scheme
    own: bool

    @property
    def binary(self) -> bool:
        """Whether the outcome is yes or no."""
        return self.study.variables[self.outcome].type == "boolean"

    @property
    def covariates(self) -> tuple[Covariate, ...]:
        """The columns whose balance is told."""
        return covariates(self.balanced, self.study.variables)

    @property
    def columns(self) -> tuple[DesignColumn, ...]:
        """The propensity model's, without an intercept that is each hospital's own."""
        return self.formula.columns(self.study.variables)[self.own :]

    def group(self, treated: bool) -> Words:
        """A group's name."""
        return Words(text=level_label(self.study.variables[self.formula.outcome], int(treated)))

    def result(
        self, found: Weighted, model: Propensity, balance: Balance, each: Mapping[str, Numerals], seen: Overlap
    ) -> Result:
        """The result; each: people and effective numbers by hospital."""
        effects = mean_effects(found.means, found.variance, self.binary)
        scores = list(self._model_estimates(model))
        return Result(
            method="weighting",
            lossless=True,
            people=model.people,
            sites=model.sites,
            rounds=model.rounds,
            estimates=(
                *(self._effect(name, effect) for name, effect in effects.items()),
                *self._means(found),
                *self._balance_estimates(balance),
                *scores,
            ),
            tables=(
                self._effects(effects),
                self._groups(found),
                self._balance(balance),
                self._hospitals(each),
                *self._overlap(seen),
                self._model(scores),
            ),
            curves=tuple(self._scores(seen)),
            notes=(*self._notes(balance, model, seen), *alias_notes(self.columns, np.isnan(model.fit[0]))),
            methods_text=tuple(self._texts()),
        )

    # Effects.

    def _named(self, name: str) -> Words:
        return Words(f"weighting.{'risk_' if name == 'difference' and self.binary else ''}{name}")

    def _effect(self, name: str, one: Effect) -> Estimate:
        """A ratio's standard error is of its logarithm, and so is its test."""
        scale = one.value if name == "difference" else float(np.log(one.value))
        label = join(": ", self._title().text or Text(""), _text(self._named(name)))
        p = _p(scale, one.standard_error)
        return Estimate(name, Words(text=label), one.value, one.standard_error, one.lower, one.upper, p)

    def _effects(self, effects: Mapping[str, Effect]) -> Table:
        columns = (
            Column("effect", Words("weighting.effect"), "text"),
            Column("estimate", Words("result.value_interval"), "interval", 3),
            Column("standard_error", Words("weighting.error"), "number", 4),
            Column("p", Words("regression.p"), "p"),
        )
        told = [self._effect(name, one) for name, one in effects.items()]
        rows = tuple(
            (self._named(one.name), Interval(effect.value, effect.lower, effect.upper), one.standard_error, one.p)
            for one, effect in zip(told, effects.values(), strict=True)
        )
        notes = (Words(f"weighting.whom_{self.scheme.estimand}"), Words("weighting.of_logarithm"))
        return Table("weighted_effects", self._title(), columns, rows, notes=notes[: 1 + (len(effects) > 1)])

    def _title(self) -> Words:
        one, by = with_unit(self.study.variables[self.outcome]), self.study.variables[self.formula.outcome].label
        en, ko, zh = (one.to(language) for language in LANGUAGES)
        return Words(text=Text(f"{en}, by “{by.en}”", f"“{by.ko}”에 따른 {ko}", f"“{by.zh}”与{zh}"))

    # Groups.

    def _means(self, found: Weighted) -> Iterator[Estimate]:
        error = np.sqrt(np.diag(found.variance))
        for name, mean, one in zip(("treated", "untreated"), found.means, error, strict=True):
            limits = float(mean - Z95 * one), float(mean + Z95 * one)
            yield Estimate(f"mean.{name}", self.group(name == "treated"), float(mean), float(one), *limits)
        for name, size in zip(("treated", "untreated"), effective_size(found.sums, found.of_squares), strict=True):
            label = _of(self.group(name == "treated"), "weighting.of_effective")
            yield Estimate(f"effective.{name}", label, float(size))

    def _groups(self, found: Weighted) -> Table:
        columns = (
            Column("group", Words("weighting.group"), "text"),
            Column("people", Words("describe.people"), "count"),
            Column("effective", Words("weighting.effective"), "number", 1),
            Column("weights", Words("weighting.mean_weight"), "number", 3),
            Column("mean", Words("weighting.risk" if self.binary else "weighting.mean"), "interval", 3),
        )
        error = np.sqrt(np.diag(found.variance))
        sizes = effective_size(found.sums, found.of_squares)
        rows = tuple(
            (
                self.group(i == 0),
                int(found.people[i]),
                float(sizes[i]),
                float(found.sums[i] / found.people[i]),
                Interval(*(float(found.means[i] + reach * error[i]) for reach in (0, -Z95, Z95))),
            )
            for i in (1, 0)
        )
        return Table("weighted_groups", Words("weighting.groups"), columns, rows)

    def _hospitals(self, each: Mapping[str, Numerals]) -> Table:
        columns = [Column("hospital", Words("result.hospital"), "text")]
        for i in (1, 0):
            word = self.group(i == 0)
            columns.append(Column(f"people_{i}", _of(word, "weighting.of_people"), "count"))
            columns.append(Column(f"effective_{i}", _of(word, "weighting.of_effective"), "number", 1))
        rows = tuple((_named(site), *self._own(answer)) for site, answer in each.items())
        return Table("weighted_hospitals", Words("weighting.by_hospital"), tuple(columns), rows)

    def _own(self, answer: Numerals) -> Iterator[Cell]:
        few = Withheld("below_minimum", self.study.release.minimum_people)
        for i in (1, 0):
            people, size = answer["people"][i], answer["effective"][i]
            yield few if np.isnan(people) else int(people)
            yield Withheld("withheld") if np.isnan(size) or np.isnan(people) else float(size)

    # Balance.

    def _balance_estimates(self, balance: Balance) -> Iterator[Estimate]:
        before, after = balance.ratios
        for j, one in enumerate(self.covariates):
            told = [("smd_before", balance.before[j]), ("smd_after", balance.after[j])]
            if one.level is None:
                told += [("variance_ratio_before", before[j]), ("variance_ratio_after", after[j])]
            for name, value in told:
                key = f"weighting.{name.replace('variance_', '')}"
                yield Estimate(f"{one.name}.{name}", _of(one.label, key), _known(value))

    def _balance(self, balance: Balance) -> Table:
        columns = (
            Column("covariate", Words("weighting.covariate"), "text"),
            Column("smd_before", Words("weighting.smd_before"), "number", 3),
            Column("smd_after", Words("weighting.smd_after"), "number", 3),
            Column("ratio_before", Words("weighting.ratio_before"), "number", 2),
            Column("ratio_after", Words("weighting.ratio_after"), "number", 2),
        )
        before, after = balance.ratios
        rows = tuple(
            (
                one.label,
                _known(balance.before[j]),
                _known(balance.after[j]),
                *((_known(before[j]), _known(after[j])) if one.level is None else (None, None)),
            )
            for j, one in enumerate(self.covariates)
        )
        notes = (Words("weighting.smd_note"),)
        return Table("balance", Words("weighting.balance"), columns, rows, kind="love", notes=notes)

    # Overlap.

    def _overlap(self, seen: Overlap) -> Iterator[Table]:
        if not seen.opened:
            return
        columns = (
            Column("from", Words("weighting.score_from"), "number", 4),
            Column("below", Words("weighting.score_below"), "number", 4),
            Column("untreated", self.group(False), "count"),
            Column("treated", self.group(True), "count"),
        )
        rows = tuple((leaf.low, leaf.high, int(leaf.counts[1]), int(leaf.counts[0])) for leaf in seen.leaves)
        yield Table("overlap", Words("weighting.overlap"), columns, rows, notes=(Words("weighting.overlap_note"),))

    def _scores(self, seen: Overlap) -> Iterator[Curve]:
        if not seen.opened:
            return
        total = seen.counts.sum(axis=0)
        series = []
        for i in (1, 0):
            x, y = [0.0], [0.0]
            for leaf in seen.leaves:
                density = leaf.counts[i] / total[i] / (leaf.high - leaf.low)
                x, y = [*x, leaf.low, leaf.high], [*y, density, density]
            series.append(Series(self.group(i == 0), (*x, 1.0), (*y, 0.0)))
        axes = Words("weighting.score"), Words("weighting.density")
        yield Curve("overlap", Words("weighting.overlap"), *axes, tuple(series))

    # The propensity model.

    def _model_estimates(self, model: Propensity) -> Iterator[Estimate]:
        with np.errstate(invalid="ignore", divide="ignore"):
            p = wald(*model.fit)
        for column, value, error, one in zip(self.columns, *model.fit, p, strict=True):
            told = estimate(column, float(value), float(error), Z95, float(one))
            yield replace(told, name=f"propensity.{told.name}", label=_of(told.label, "weighting.of_model"))

    def _model(self, estimates: list[Estimate]) -> Table:
        columns = (
            Column("term", Words("regression.term"), "text"),
            Column("coefficient", Words("regression.coefficient"), "number", 4),
            Column("standard_error", Words("regression.standard_error"), "number", 4),
            Column("odds_ratio", Words("regression.odds_ratio"), "interval", 3),
        )
        labels = (Words(text=column.label) for column in self.columns)
        rows = tuple((label, *_coefficient(one)) for label, one in zip(labels, estimates, strict=True))
        notes = (Words("weighting.own_intercepts"),) if self.own else ()
        return Table("propensity", Words("weighting.model"), columns, rows, notes=notes)

    # Words.

    def _notes(self, balance: Balance, model: Propensity, seen: Overlap) -> Iterator[Words]:
        worst = np.nan_to_num(np.abs(balance.after))
        if worst.max(initial=0.0) >= SMALL:
            names = ", ".join(one.name for one, size in zip(self.covariates, worst, strict=True) if size >= SMALL)
            yield Words("weighting.unbalanced", {"found": names, "expected": f"{SMALL:g}"})

    def _texts(self) -> Iterator[Words]:
        one = self.scheme
        yield Words("weighting.text_own" if self.own else "weighting.text_pooled", {"formula": self.formula.text})
        yield Words(f"weighting.text_{one.estimand}")
        if one.stabilised:
            yield Words("weighting.text_stabilised")
        if one.low > 0 or one.high < 1:
            yield Words("weighting.text_within", {"low": f"{one.low:g}", "high": f"{one.high:g}"})
        if one.largest < UNBOUNDED:
            yield Words("weighting.text_largest", {"found": f"{one.largest:g}"})
        yield Words("weighting.text_errors")
        yield Words("weighting.text_balance")


def _coefficient(one: Estimate) -> tuple[Cell, ...]:
    if one.value is None or one.lower is None or one.upper is None:
        return (Words("regression.is_aliased"), None, None)
    if one.name == "propensity.Intercept":
        return (one.value, one.standard_error, None)
    with np.errstate(over="ignore"):
        limits = np.exp([one.value, one.lower, one.upper])
    return (one.value, one.standard_error, Interval(*limits.tolist()) if np.isfinite(limits).all() else None)


def _p(value: float, error: float) -> float:
    return float(wald(np.array([value]), np.array([error]))[0])


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _named(site: str) -> Words:
    return Words(text=Text(site, site, site))


def _of(group: Words, key: str) -> Words:
    """A group's name with what is told of it."""
    name, what = _text(group), _text(Words(key))
    return Words(text=Text(f"{name.en}, {what.en}", f"{name.ko}, {what.ko}", f"{name.zh}，{what.zh}"))


def _text(words: Words) -> Text:
    return Text(*(words.to(one) for one in LANGUAGES))
