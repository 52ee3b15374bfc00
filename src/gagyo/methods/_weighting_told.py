"""How a weighted comparison is told beside its outcome: balance before and after, effective numbers, overlap, model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from gagyo.federation.ask import Numerals
from gagyo.methods._balance import Covariate, covariates, unbalanced
from gagyo.methods._effects_told import GROUPS, Treated, of, ratio
from gagyo.methods._newton import wald
from gagyo.methods._overlap import Overlap
from gagyo.methods._regression import alias_notes, estimate
from gagyo.methods._silent import ByHospital
from gagyo.methods._weighting_outcomes_told import Groups, Outcome
from gagyo.methods._weighting_steps import UNBOUNDED
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Study
from gagyo.protocol.terms import DesignColumn
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Curve, Estimate, Result, Series, Table, Withheld, Words
from gagyo.statistics.weighting import Z95, Scheme, mean_differences
from gagyo.text import Text

SMALL = 0.1
"""A standardised difference under this is commonly taken for balance (Austin 2009, Stat Med 28:3083)."""


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
    def treated(self) -> Treated:
        """The treatment and the outcome."""
        return Treated(self.study, self.outcome, self.formula.outcome)

    @property
    def covariates(self) -> tuple[Covariate, ...]:
        """The columns whose balance is told."""
        return covariates(self.balanced, self.study.variables)

    @property
    def columns(self) -> tuple[DesignColumn, ...]:
        """The propensity model's, without an intercept that is each hospital's own."""
        return self.formula.columns(self.study.variables)[self.own :]

    def result(
        self,
        outcome: Outcome,
        groups: Groups,
        model: Propensity,
        balance: Balance,
        each: ByHospital,
        seen: Overlap,
    ) -> Result:
        """The result; each: people and effective numbers by hospital."""
        scores = list(self._model_estimates(model))
        return Result(
            method="weighting",
            lossless=True,
            people=model.people,
            sites=model.sites,
            rounds=model.rounds,
            estimates=(*outcome.estimates, *self._sizes(groups), *self._balance_estimates(balance), *scores),
            tables=(
                *outcome.tables,
                self._balance(balance),
                *([self._hospitals(each)] if each.answers else []),
                *self._overlap(seen),
                self._model(scores),
            ),
            curves=(*outcome.curves, *self._scores(seen)),
            notes=(
                *outcome.notes,
                *self._notes(balance),
                *alias_notes(self.columns, np.isnan(model.fit[0])),
                *each.notes,
            ),
            methods_text=(*self._texts(), *outcome.texts, Words("weighting.text_balance")),
        )

    # Groups.

    def _sizes(self, groups: Groups) -> Iterator[Estimate]:
        for name, size in zip(GROUPS, groups.sizes, strict=True):
            label = of(self.treated.group(name == "treated"), "weighting.of_effective")
            yield Estimate(f"effective.{name}", label, float(size))

    def _hospitals(self, each: ByHospital) -> Table:
        columns = [Column("hospital", Words("result.hospital"), "text")]
        for i in (1, 0):
            word = self.treated.group(i == 0)
            columns.append(Column(f"people_{i}", of(word, "weighting.of_people"), "count"))
            columns.append(Column(f"effective_{i}", of(word, "weighting.of_effective"), "number", 1))
        rows = tuple((_named(site), *self._own(answer)) for site, answer in each.answers.items())
        return Table("weighted_hospitals", Words("weighting.by_hospital"), tuple(columns), rows)

    def _own(self, answer: Numerals) -> Iterator[Cell]:
        """Of two groups both are withheld where one is of few people: which, and that it is so, is not said."""
        withheld = Withheld("withheld")
        for i in (1, 0):
            people, size = answer["groups"][i], answer["effective"][i]
            yield withheld if np.isnan(people) else int(people)
            yield withheld if np.isnan(size) or np.isnan(people) else float(size)

    # Balance.

    def _balance_estimates(self, balance: Balance) -> Iterator[Estimate]:
        before, after = balance.ratios
        for j, one in enumerate(self.covariates):
            told = [("smd_before", balance.before[j]), ("smd_after", balance.after[j])]
            if one.level is None:
                told += [("variance_ratio_before", before[j]), ("variance_ratio_after", after[j])]
            for name, value in told:
                key = f"weighting.{name.replace('variance_', '')}"
                yield Estimate(f"{one.name}.{name}", of(one.label, key), _known(value))

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
            Column("untreated", self.treated.group(False), "count"),
            Column("treated", self.treated.group(True), "count"),
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
            series.append(Series(self.treated.group(i == 0), (*x, 1.0), (*y, 0.0)))
        axes = Words("weighting.score"), Words("weighting.density")
        yield Curve("overlap", Words("weighting.overlap"), *axes, tuple(series))

    # The propensity model.

    def _model_estimates(self, model: Propensity) -> Iterator[Estimate]:
        with np.errstate(invalid="ignore", divide="ignore"):
            p = wald(*model.fit)
        for column, value, error, one in zip(self.columns, *model.fit, p, strict=True):
            told = estimate(column, float(value), float(error), Z95, float(one))
            yield replace(told, name=f"propensity.{told.name}", label=of(told.label, "weighting.of_model"))

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

    def _notes(self, balance: Balance) -> Iterator[Words]:
        worst = np.nan_to_num(np.abs(balance.after))
        if worst.max(initial=0.0) >= SMALL:
            far = [one for one, size in zip(self.covariates, worst, strict=True) if size >= SMALL]
            yield unbalanced("weighting.unbalanced", far, SMALL)

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


def _coefficient(one: Estimate) -> tuple[Cell, ...]:
    if one.value is None:
        return (Words("regression.is_aliased"), None, None)
    return (one.value, one.standard_error, None if one.name == "propensity.Intercept" else ratio(one))


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _named(site: str) -> Words:
    return Words(text=Text(site, site, site))
