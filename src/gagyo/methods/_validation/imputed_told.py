"""How the validation of a model of imputed data is told: over all hospitals, at each, and by the others' model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gagyo.federation.ask import Numerals
from gagyo.methods._imputation_walk import Chained
from gagyo.methods._kept import WITHHELD
from gagyo.methods._validation import accuracy_tables, tables
from gagyo.methods._validation.completed import OWN, RATIO
from gagyo.methods._validation.curves import benefits
from gagyo.methods._validation.foreseen import MEASURED, Foreseen, Sets
from gagyo.methods._validation.imputed_groups import PooledGroup
from gagyo.methods._validation.options import FEWEST_HOSPITALS, Options
from gagyo.methods._validation.own import Hospital
from gagyo.methods._validation.tables import NOT_ESTIMABLE, TEXT, back, columns, known, said
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Curve, Estimate, Interval, Result, Table, Withheld, Words
from gagyo.statistics.distributions import t_quantile

CROSSED = ("auc", "slope", "brier")
"""The measures of cross-validation that stand among the estimates."""


@dataclass(frozen=True)
class Completed(Hospital):
    """What one hospital's answer says of its data sets, pooled inside it; limits are Student's t, on each scale."""

    def three(self, name: str) -> Floats:
        """Value, standard error and degrees of freedom on the measure's scale; NaN where there are none."""
        measure, names = ("ratio", RATIO) if name == "oe" else ("scalars", OWN)
        return np.array([self.number(measure, names.index(f"{name}{part}")) for part in ("", "_error", "_freedom")])

    def why(self, measure: str, index: int = 0) -> Withheld:
        """Why a number is not there; where the others' sums were withheld, that."""
        return Withheld("withheld") if self.number("shut") == 1 else super().why(measure, index)

    def area(self, on_logit: bool) -> Cell:
        """The area, whose limits are always of the logit scale."""
        return self.interval("auc")

    def oe_interval(self) -> Cell:
        """O/E with its limits."""
        return self.interval("oe")

    def interval(self, name: str) -> Cell:
        """A measure with its limits on its own scale, or why it is not there."""
        three = self.three(name)
        return self.why("ratio" if name == "oe" else "scalars") if np.isnan(three[0]) else _limited(name, *three)

    def scalar(self, name: str) -> Cell:
        """A number without an error, or why it is not there."""
        found = self.number("scalars", OWN.index(name))
        return self.why("scalars") if np.isnan(found) else found

    def on_scale(self, name: str) -> Floats:
        """Value and standard error on the scale of summaries."""
        return self.three(name)[:2]

    def share(self, name: str, times: int) -> Cell:
        """The share of a measure's variance that is between the data sets, from the degrees of freedom."""
        freedom = self.three(name)[2]
        return None if np.isnan(freedom) else float(np.sqrt((times - 1) / freedom))


def tell(found: Foreseen, chained: Chained, options: Options, study: Study) -> Result:
    """The result."""
    least = study.release.minimum_people
    here, apart = (_completed(answers, least, found) for answers in (found.told.answers, found.left_out))
    notes = [*found.told.notes]
    if options.leave_out and not apart and not found.lacks("left_out"):
        notes.append(said("too_few_to_leave_out", number=FEWEST_HOSPITALS))
    fixed = options.equation is not None
    shown = [_performance(found, fixed)]
    if here:
        shown.append(_by_hospital(here, chained.spec.times, fixed))
    if fixed and here:
        shown.append(tables.external(here, options.countries))
    if apart:
        shown.append(tables.external(apart, options.countries, (said("imputed_left_out_note"),)))
    if found.thresholds:
        shown.append(accuracy_tables.thresholds(found.thresholds, *_thresholds_notes(found, fixed, least)))
    if found.subgroups:
        shown.append(_subgroups(found, fixed, least))
    curves: tuple[Curve, ...] = ()
    if found.benefit is not None:
        threshold, note = np.array(found.points), said("imputed_decision_note")
        curves = (benefits(threshold, found.benefit, found.cases, found.people, note),)
    return Result(
        method="validate",
        lossless=True,
        people=found.people,
        sites=found.sites,
        rounds=0,
        estimates=tuple(_estimates(found, here if fixed else apart, fixed)),
        tables=tuple(shown),
        curves=curves,
        notes=tuple(notes),
        methods_text=tuple(_text(found, chained, options)),
    )


def _thresholds_notes(found: Foreseen, fixed: bool, least: int) -> Iterator[Words]:
    if fixed:
        yield said("thresholds_fixed")
    else:
        yield said("imputed_thresholds_crossed" if found.crossed else "thresholds_apparent")
    if any(one.accuracy is None for one in found.thresholds) and not found.lacks("cuts"):
        yield said("imputed_thresholds_shut", number=least)


def _estimates(found: Foreseen, hospitals: Sequence[Completed], fixed: bool) -> Iterator[Estimate]:
    """The cross-validated and external numbers first: they are what a reader should remember."""
    if found.crossed:
        yield from _of_sets(found.crossed, "cross_validated", CROSSED)
    elif found.lacks("folds"):
        yield Estimate("auc_cross_validated", said("auc_cross_validated"), None, withheld=WITHHELD)
    yield from _summaries(hospitals)
    if not fixed:
        yield from _of_sets(found.apparent, "apparent", (*MEASURED, "brier", "log_loss"))


def _completed(answers: Mapping[str, Numerals], least: int, found: Foreseen) -> tuple[Completed, ...]:
    """Answers by hospital; of a silent one, what was to be withheld says why."""
    why = found.told.reasons(answers)
    return tuple(Completed(name, answer, least, why[name]) for name, answer in answers.items())


def _limits(sets: Sets) -> dict[str, tuple[float, float, Cell]]:
    """By measure over all hospitals: value and error on its scale, and the cell that shows it."""
    pooled = sets.pooled()
    reach = pooled.wald()[0] * pooled.error
    out: dict[str, tuple[float, float, Cell]] = {}
    for at, name in enumerate(MEASURED):
        value, error, far = (float(one[at]) for one in (pooled.value, pooled.error, reach))
        cell: Cell = back(name, value, value - far, value + far) if np.isfinite([value, error]).all() else NOT_ESTIMABLE
        out[name] = value, error, cell
    return out


def _performance(found: Foreseen, fixed: bool) -> Table:
    described = columns(
        ("design", TEXT),
        ("auc_within", "interval"),
        ("slope", "interval"),
        ("citl", "interval"),
        ("oe", "interval"),
        ("brier", "number", 4),
        ("log_loss", "number", 4),
        ("between", "percent", 1),
    )
    rows = [_row(said("fixed" if fixed else "apparent"), found.apparent)]
    if found.crossed:
        rows.append(_row(said("cross_validated"), found.crossed))
    elif found.lacks("folds"):
        rows.append((said("cross_validated"), *[WITHHELD] * 7))
    kept = tables.kept_notes(one for one in found.kept if one[0] != "subgroups")
    notes = (said("imputed_note"), said("between_note"), *kept)
    return Table("performance", said("performance_title"), described, tuple(rows), notes=notes)


def _row(label: Words, sets: Sets) -> tuple[Cell, ...]:
    limits = _limits(sets)
    cells = (limits[name][2] for name in ("auc", "slope", "citl", "oe"))
    return (label, *cells, sets.mean("brier"), sets.mean("log_loss"), known(float(sets.pooled().share[0])))


def _by_hospital(hospitals: Sequence[Completed], times: int, fixed: bool) -> Table:
    described = columns(
        *tables.ACCURACY,
        ("brier", "number", 4),
        ("log_loss", "interval"),
        ("between", "percent", 1),
    )
    rows = tuple(
        (
            *tables.accuracy(one, fixed),
            one.scalar("brier"),
            one.interval("log_loss"),
            one.share("auc", times),
        )
        for one in hospitals
    )
    pooled = said("imputed_by_hospital_note")
    notes = (pooled,) if fixed else (said("imputed_joint_note"), pooled)
    return Table("by_hospital", said("by_hospital_title"), described, rows, "forest", notes)


def _summaries(hospitals: Sequence[Completed]) -> Iterator[Estimate]:
    for name in tables.MEASURED:
        if (summary := tables.summarised(hospitals, name)) is not None:
            yield tables.summary_estimate(name, summary)


def _of_sets(sets: Sets, design: str, names: Sequence[str]) -> Iterator[Estimate]:
    """The measures of a design; what is not estimable of those with limits is left out."""
    limits = _limits(sets)
    for name in names:
        label = f"{name}_{design}"
        if name not in limits:
            yield Estimate(label, said(label), sets.mean(name))
            continue
        _, error, cell = limits[name]
        if isinstance(cell, Interval):
            yield Estimate(label, said(label), cell.value, error, cell.lower, cell.upper)


def _subgroups(found: Foreseen, fixed: bool, least: int) -> Table:
    few = Withheld("fewer_than", max(10, least))

    def row(label: Words, one: PooledGroup | None) -> tuple[Cell, ...]:
        if one is None:
            return (label, *[WITHHELD] * 4)
        people: Cell = Withheld("below_minimum", least) if np.isnan(one.people) else int(one.people)
        if np.isnan(one.cases):
            return (label, people, few, few, few)
        return (label, people, int(one.cases), _limited("auc", *one.auc), _limited("oe", *one.oe))

    note = said("subgroups_note" if fixed or found.crossed else "subgroups_apparent")
    kept = tables.kept_notes(one for one in found.kept if one[0] == "subgroups")
    rows = tuple(row(*one) for one in found.subgroups)
    notes, described = (note, said("imputed_groups_note"), *kept), columns(*accuracy_tables.GROUPS)
    return Table("subgroups", said("subgroups_title"), described, rows, notes=notes)


def _limited(name: str, value: float, error: float, freedom: float) -> Cell:
    """A measure with its limits from value, error and degrees of freedom on its scale."""
    if np.isnan(value):
        return NOT_ESTIMABLE
    reach = float(t_quantile(0.975, np.array([freedom]))[0]) * error
    return back(name, value, value - reach, value + reach)


def _text(found: Foreseen, chained: Chained, options: Options) -> Iterator[Words]:
    fixed = options.equation is not None
    if fixed:
        yield said("text_fixed")
    yield said("text_imputed_fixed" if fixed else "text_imputed", times=chained.spec.times)
    yield said("text_imputed_pooled")
    if found.crossed:
        yield said("text_imputed_folds", folds=options.folds)
    if found.left_out:
        yield said("text_imputed_left_out")
    if found.left_out or fixed:
        yield said("text_summary")
    if found.thresholds:
        yield said("text_imputed_thresholds")
    if found.benefit is not None:
        yield said("text_decision")
