"""How what was compared under weights is told: means and risks, or hazards; and the groups beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gagyo.methods._effects_told import Treated, digits_told, limits
from gagyo.methods._weighting_hazard import Ratio
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Curve, Estimate, Table, Words
from gagyo.statistics.weighting import Scheme, effective_size, mean_effects, ratio_effect


@dataclass(frozen=True)
class Groups:
    """Of treated and untreated (2,): people, sums of weights and of their squares."""

    people: Floats
    sums: Floats
    of_squares: Floats

    @property
    def sizes(self) -> Floats:
        """Effective numbers (2,)."""
        return effective_size(self.sums, self.of_squares)


@dataclass(frozen=True)
class Outcome:
    """What is told of the outcome: estimates, tables, figures, texts on how, notes; and how many rounds it took."""

    estimates: tuple[Estimate, ...]
    tables: tuple[Table, ...]
    texts: tuple[Words, ...]
    rounds: int
    notes: tuple[Words, ...] = ()
    curves: tuple[Curve, ...] = ()


def of_means(treated: Treated, scheme: Scheme, groups: Groups, means: Floats, variance: Floats) -> Outcome:
    """Weighted means (2,) with their covariance, and the effects that follow from them."""
    effects = mean_effects(means, variance, treated.binary)
    told = treated.means(means, variance)
    label = Words("weighting.risk" if treated.binary else "weighting.mean")
    column = Column("mean", label, "interval", 3 if treated.binary else digits_told(min(np.sqrt(np.diag(variance)))))
    return Outcome(
        (*(treated.effect(name, effect) for name, effect in effects.items()), *told),
        (
            treated.effects("weighted_effects", effects, _whom(scheme)),
            _groups(treated, groups, (column,), lambda i: (limits(told[i]),)),
        ),
        (Words("weighting.text_errors"),),
        2,
    )


@dataclass(frozen=True)
class Events:
    """Of treated and untreated (2,): how many had the event, and the sums of their weights."""

    people: Floats
    weighted: Floats


@dataclass(frozen=True)
class Modelled:
    """How a hazard ratio was found: the event's name, what was done of ties, whether errors count estimated weights."""

    event: str
    ties: str
    estimated: bool


def of_hazards(
    treated: Treated, scheme: Scheme, groups: Groups, events: Events, ratio: Ratio, how: Modelled
) -> Outcome:
    """The hazard ratio of the treatment, and each group's events."""
    effects = {"hazard_ratio": ratio_effect(ratio.log, ratio.error)}
    columns = (
        Column("events", Words("survival.events"), "count"),
        Column("weighted_events", Words("weighting.weighted_events"), "number", 1),
    )

    def told(i: int) -> tuple[Cell, ...]:
        return (int(events.people[i]), float(events.weighted[i]))

    return Outcome(
        tuple(treated.effect(name, effect) for name, effect in effects.items()),
        (
            treated.effects("weighted_effects", effects, _whom(scheme)),
            _groups(treated, groups, columns, told),
        ),
        (
            Words("weighting.text_hazard", {"found": how.event}),
            Words(f"survival.ties_{how.ties}"),
            Words("weighting.text_hazard_estimated" if how.estimated else "weighting.text_hazard_given"),
        ),
        ratio.rounds,
        (Words("survival.within_hospitals"),),
    )


def _whom(scheme: Scheme) -> Words:
    return Words(f"weighting.whom_{scheme.estimand}")


def _groups(
    treated: Treated, groups: Groups, more: tuple[Column, ...], told: Callable[[int], tuple[Cell, ...]]
) -> Table:
    """Both groups, the untreated first; more: further columns, whose cells `told` has of a group."""
    columns = (
        Column("group", Words("weighting.group"), "text"),
        Column("people", Words("describe.people"), "count"),
        Column("effective", Words("weighting.effective"), "number", 1),
        Column("weights", Words("weighting.mean_weight"), "number", 3),
        *more,
    )
    mean = groups.sums / groups.people
    rows = tuple(
        (treated.group(i == 0), int(groups.people[i]), float(groups.sizes[i]), float(mean[i]), *told(i)) for i in (1, 0)
    )
    return Table("weighted_groups", Words("weighting.groups"), columns, rows)
