"""How a meta-analysis between hospitals is told: a forest a term, summaries, heterogeneity, hospitals left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gagyo.methods._meta_regions import AcrossRegions
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Estimate, Interval, Result, Table, Withheld, Words
from gagyo.statistics import metaanalysis
from gagyo.statistics.distributions import chi2_sf, normal_quantile
from gagyo.statistics.metaanalysis import HOSPITALS_FOR_PREDICTION, Summary, Variance
from gagyo.text import Text

Z95 = float(normal_quantile(0.975))


@dataclass(frozen=True)
class Own:
    """What one hospital's answer says: by term, coefficient and standard error, NaN where withheld."""

    name: str
    people: float
    coefficients: Floats
    errors: Floats
    reason: str
    least: int

    def knows(self, index: int) -> bool:
        """Whether the coefficient of a term is there."""
        return bool(np.isfinite(self.coefficients[index]) and np.isfinite(self.errors[index]))

    @property
    def why(self) -> Withheld:
        """Why a coefficient is not there."""
        return Withheld("fewer_than", 10) if self.reason == "precision" else Withheld("withheld")

    @property
    def count(self) -> Cell:
        """How many people, or that they are fewer than the minimum."""
        return Withheld("below_minimum", self.least) if np.isnan(self.people) else int(self.people)


@dataclass(frozen=True)
class Told:
    """What a study asks to be told of a meta-analysis."""

    formula: str
    model: str
    variance: Variance
    knapp: bool
    regions: AcrossRegions | None = None

    @property
    def scale(self) -> str:
        """The column that effects stand in: odds ratios, or differences."""
        return "odds_ratio" if self.model == "logistic" else "difference"

    def result(self, terms: Sequence[tuple[str, Text]], hospitals: Sequence[Own]) -> Result:
        """The result over the hospitals that have an estimate of some term; the others are named."""
        there = [one for one in hospitals if any(one.knows(index) for index in range(len(terms)))]
        found = [self._term(name, label, index, hospitals) for index, (name, label) in enumerate(terms)]
        foreseen = any(random.prediction for _, _, (random, _) in found)
        return Result(
            method="meta",
            lossless=False,
            people=int(np.nansum([one.people for one in there])),
            sites=tuple(one.name for one in there),
            rounds=1,
            estimates=tuple(estimate for estimates, _, _ in found for estimate in estimates),
            tables=(
                *(table for _, tables, _ in found for table in tables),
                self._summaries(terms, [summaries for _, _, summaries in found]),
            ),
            notes=tuple(self._notes(hospitals, len(terms))),
            methods_text=(
                Words(f"meta.text_{self.model}", {"formula": self.formula}),
                Words(f"meta.text_{self.variance}"),
                Words("meta.text_hartung_knapp" if self.knapp else "meta.text_standard"),
                Words("meta.text_heterogeneity"),
                *([Words("meta.text_prediction")] if foreseen else []),
                *([self.regions.text] if self.regions else []),
            ),
        )

    def _notes(self, hospitals: Sequence[Own], terms: int) -> Iterator[Words]:
        yield Words("meta.not_pooled")
        missing = [one.name for one in hospitals if not all(one.knows(index) for index in range(terms))]
        if missing:
            yield Words("meta.withheld_hospitals", {"found": ", ".join(missing)})
        if len(hospitals) - len(missing) < HOSPITALS_FOR_PREDICTION:
            yield Words("meta.no_prediction", {"number": HOSPITALS_FOR_PREDICTION})

    def _term(
        self, name: str, label: Text, index: int, hospitals: Sequence[Own]
    ) -> tuple[list[Estimate], list[Table], tuple[Summary, Summary]]:
        there = [one for one in hospitals if one.knows(index)]
        values, errors = (np.array([getattr(one, of)[index] for one in there]) for of in ("coefficients", "errors"))
        random, fixed = self._random(values, errors), metaanalysis.fixed(values, errors)
        words = Words(text=label)
        estimates = [
            *(_estimate(f"{name}.{kind}", words, one) for kind, one in (("random", random), ("fixed", fixed))),
            *(Estimate(f"{name}.{what}", words, getattr(random, what)) for what in ("tau2", "i2", "q")),
            *(
                Estimate(f"{name}.{one.name}", words, float(value), float(error))
                for one, value, error in zip(there, values, errors, strict=True)
            ),
        ]
        tables = [self._forest(name, label, index, hospitals, (random, fixed))]
        if self.regions:
            named = [one.name for one in there]
            told, table = self.regions.told(name, label, named, values, errors)
            estimates += told
            tables.append(table)
        if len(there) > 2:
            without = [self._random(np.delete(values, i), np.delete(errors, i)) for i in range(len(there))]
            estimates += [_estimate(f"{name}.without.{o.name}", words, s) for o, s in zip(there, without, strict=True)]
            tables.append(self._left_out(name, label, there, without))
        return estimates, tables, (random, fixed)

    def _random(self, values: Floats, errors: Floats) -> Summary:
        return metaanalysis.summarise(values, errors, variance=self.variance, knapp=self.knapp)

    def _forest(
        self, name: str, label: Text, index: int, hospitals: Sequence[Own], summaries: tuple[Summary, Summary]
    ) -> Table:
        columns = (
            Column("hospital", Words("meta.hospital"), "text"),
            Column("people", Words("regression.people"), "count"),
            Column(self.scale, Words(f"meta.{self.scale}"), "interval", 3),
            Column("weight", Words("meta.weight"), "percent", 1),
        )
        shares = _shares(index, hospitals, summaries[0].tau2)
        rows: list[tuple[Cell, ...]] = [
            (_named(one.name), one.count, self._own(one, index), shares.get(one.name)) for one in hospitals
        ]
        for key, one, share in zip(("summary_random", "summary_fixed"), summaries, (1.0, None), strict=True):
            rows.append((Words(f"meta.{key}"), None, self._interval(one.value, one.lower, one.upper), share))
        prediction = summaries[0].prediction
        if prediction:
            rows.append((Words("meta.summary_prediction"), None, self._interval(summaries[0].value, *prediction), None))
        return Table(f"meta_hospitals_{name}", _about("meta.forest", label), columns, tuple(rows), "forest")

    def _own(self, one: Own, index: int) -> Cell:
        if not one.knows(index):
            return one.why
        value, reach = float(one.coefficients[index]), Z95 * float(one.errors[index])
        return self._interval(value, value - reach, value + reach)

    def _interval(self, value: float, lower: float, upper: float) -> Interval:
        shown = np.exp([value, lower, upper]) if self.model == "logistic" else np.array([value, lower, upper])
        return Interval(*(float(one) for one in shown))

    def _left_out(self, name: str, label: Text, there: Sequence[Own], without: Sequence[Summary]) -> Table:
        columns = (
            Column("hospital", Words("meta.left_out_hospital"), "text"),
            Column(self.scale, Words(f"meta.{self.scale}"), "interval", 3),
            Column("i2", Words("meta.i2"), "percent", 1),
        )
        rows = tuple(
            (_named(one.name), self._interval(s.value, s.lower, s.upper), s.i2)
            for one, s in zip(there, without, strict=True)
        )
        return Table(f"meta_left_out_{name}", _about("meta.left_out", label), columns, rows, "forest")

    def _summaries(self, terms: Sequence[tuple[str, Text]], found: Sequence[tuple[Summary, Summary]]) -> Table:
        columns = (
            Column("term", Words("regression.term"), "text"),
            Column("summary", Words("meta.kind"), "text"),
            Column("hospitals", Words("meta.hospitals"), "count"),
            Column(self.scale, Words(f"meta.{self.scale}"), "interval", 3),
            Column("p", Words("regression.p"), "p"),
            Column("tau2", Words("meta.tau2"), "number", 4),
            Column("i2", Words("meta.i2"), "percent", 1),
            Column("q", Words("meta.q"), "number", 2),
            Column("p_q", Words("meta.p_q"), "p"),
        )
        rows: list[tuple[Cell, ...]] = []
        for (_, label), summaries in zip(terms, found, strict=True):
            for key, one in zip(("summary_random", "summary_fixed"), summaries, strict=True):
                effect = self._interval(one.value, one.lower, one.upper)
                different = float(chi2_sf(one.q, one.hospitals - 1))
                between: tuple[Cell, ...] = (one.tau2, one.i2, one.q, different)
                shown = between if key == "summary_random" else (None, None, None, None)
                rows.append((Words(text=label), Words(f"meta.{key}"), one.hospitals, effect, one.p, *shown))
        return Table("meta_summary", Words("meta.summaries"), columns, tuple(rows))


def _shares(index: int, hospitals: Sequence[Own], tau2: float) -> dict[str, float]:
    """Each hospital's part in the random-effects summary."""
    weights = {one.name: 1 / (float(one.errors[index]) ** 2 + tau2) for one in hospitals if one.knows(index)}
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def _named(name: str) -> Words:
    """A hospital's name, the same in every language."""
    return Words(text=Text(name, name, name))


def _about(key: str, label: Text) -> Words:
    """A title with the label of a term in each language."""
    texts = (Words(key, {"term": label.to(language)}).to(language) for language in ("en", "ko", "zh"))
    return Words(text=Text(*texts))


def _estimate(name: str, label: Words, one: Summary) -> Estimate:
    return Estimate(name, label, one.value, one.standard_error, one.lower, one.upper, one.p)
