"""How the effect of a treatment is told, whatever it was estimated by: differences and ratios of two means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gagyo.methods._groups import level_label
from gagyo.methods._labels import with_unit
from gagyo.methods._newton import wald
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Floats
from gagyo.result import Column, Estimate, Interval, Table, Words
from gagyo.statistics.comparisons import Effect
from gagyo.statistics.weighting import Z95
from gagyo.text import LANGUAGES, Text, join

GROUPS = ("treated", "untreated")


@dataclass(frozen=True)
class Treated:
    """A treatment and the outcome on which its effect is."""

    study: Study
    outcome: str
    treatment: str

    @property
    def binary(self) -> bool:
        """Whether the outcome is yes or no."""
        return self.study.variables[self.outcome].type == "boolean"

    def group(self, treated: bool) -> Words:
        """A group's name."""
        return Words(text=level_label(self.study.variables[self.treatment], int(treated)))

    @property
    def title(self) -> Words:
        """The outcome by the treatment."""
        one, by = with_unit(self.study.variables[self.outcome]), self.study.variables[self.treatment].label
        en, ko, zh = (one.to(language) for language in LANGUAGES)
        return Words(text=Text(f"{en}, by “{by.en}”", f"“{by.ko}”에 따른 {ko}", f"“{by.zh}”与{zh}"))

    def named(self, name: str) -> Words:
        """A kind of effect; a difference is one of risks where the outcome is yes or no."""
        return Words(f"weighting.{'risk_' if name == 'difference' and self.binary else ''}{name}")

    def effect(self, name: str, one: Effect) -> Estimate:
        """An effect as an estimate. A ratio's standard error is of its logarithm, and so is its test."""
        scale = one.value if name == "difference" else float(np.log(one.value))
        label = join(": ", spoken(self.title), spoken(self.named(name)))
        p = float(wald(np.array([scale]), np.array([one.standard_error]))[0])
        return Estimate(name, Words(text=label), one.value, one.standard_error, one.lower, one.upper, p)

    def effects(self, table: str, effects: Mapping[str, Effect], whom: Words) -> Table:
        """All effects, with notes on whose they are and on errors of ratios."""
        digits = 3 if self.binary else digits_told(min(one.standard_error for one in effects.values()))
        columns = (
            Column("effect", Words("weighting.effect"), "text"),
            Column("estimate", Words("result.value_interval"), "interval", digits),
            Column("standard_error", Words("weighting.error"), "number", digits + 1),
            Column("p", Words("regression.p"), "p"),
        )
        told = [self.effect(name, one) for name, one in effects.items()]
        rows = tuple(
            (self.named(one.name), Interval(effect.value, effect.lower, effect.upper), one.standard_error, one.p)
            for one, effect in zip(told, effects.values(), strict=True)
        )
        ratios = (Words("weighting.of_logarithm"),) if set(effects) - {"difference"} else ()
        return Table(table, self.title, columns, rows, notes=(whom, *ratios))

    def means(self, means: Floats, variance: Floats) -> list[Estimate]:
        """The means of treated and untreated with their limits."""
        errors = np.sqrt(np.diag(variance))
        return [
            Estimate(
                f"mean.{name}",
                self.group(name == "treated"),
                float(mean),
                float(error),
                float(mean - Z95 * error),
                float(mean + Z95 * error),
            )
            for name, mean, error in zip(GROUPS, means, errors, strict=True)
        ]


def digits_told(error: float) -> int:
    """Digits of a measurement's mean: two of its standard error, none that only chance would give."""
    return 3 if not error > 0 else int(np.clip(1 - np.floor(np.log10(error)), 0, 3))


def limits(one: Estimate) -> Interval | None:
    """An estimate with its limits, as a cell."""
    if one.value is None or one.lower is None or one.upper is None:
        return None
    return Interval(one.value, one.lower, one.upper)


def ratio(one: Estimate) -> Interval | None:
    """The exponential of a coefficient with its limits; None where it is aliased, or no number."""
    if one.value is None or one.lower is None or one.upper is None:
        return None
    with np.errstate(over="ignore"):
        found = np.exp([one.value, one.lower, one.upper])
    return Interval(*found.tolist()) if np.isfinite(found).all() else None


def spoken(words: Words) -> Text:
    """Words of the catalogue as a text in all languages."""
    return Text(*(words.to(one) for one in LANGUAGES))


def of(group: Words, key: str) -> Words:
    """A group's (or a term's) name with what is told of it."""
    name, what = spoken(group), spoken(Words(key))
    return Words(text=Text(f"{name.en}, {what.en}", f"{name.ko}, {what.ko}", f"{name.zh}，{what.zh}"))
