"""How the validation of a model of imputed data is told: over all hospitals, at each, and by the others' model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gagyo.federation.ask import Numerals
from gagyo.methods._imputation_walk import Chained
from gagyo.methods._validation import tables
from gagyo.methods._validation.completed import OWN, RATIO
from gagyo.methods._validation.imputed import MEASURED, Foreseen
from gagyo.methods._validation.options import Options
from gagyo.methods._validation.own import Hospital
from gagyo.methods._validation.tables import NOT_ESTIMABLE, TEXT, back, columns, known, said
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Estimate, Interval, Result, Table, Withheld, Words
from gagyo.statistics.distributions import t_quantile


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
        value, error, freedom = self.three(name)
        if np.isnan(value):
            return self.why("ratio" if name == "oe" else "scalars")
        reach = float(t_quantile(0.975, np.array([freedom]))[0]) * error
        return back(name, value, value - reach, value + reach)

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


def tell(found: Foreseen, chained: Chained, options: Options, study: Study, fewest: int) -> Result:
    """The result; fewest: hospitals for one to be left out."""
    least, times = study.release.minimum_people, chained.spec.times
    here, apart = (_completed(answers, least) for answers in (found.hospitals, found.left_out))
    notes: tuple[Words, ...] = ()
    if options.leave_out and not apart and not any(name == "left_out" for name, _, _ in found.kept):
        notes = (said("too_few_to_leave_out", number=fewest),)
    fixed = options.equation is not None
    shown = [_performance(found, fixed)]
    if here:
        shown.append(_by_hospital(here, times, fixed))
    if fixed and here:
        shown.append(tables.external(here, options.countries))
    if apart:
        shown.append(tables.external(apart, options.countries, (said("imputed_left_out_note"),)))
    return Result(
        method="validate",
        lossless=True,
        people=found.people,
        sites=found.sites,
        rounds=0,
        estimates=tuple(_summaries(here) if fixed else (*_summaries(apart), *_apparent(found))),
        tables=tuple(shown),
        notes=notes,
        methods_text=tuple(_text(chained, fixed, bool(apart))),
    )


def _completed(answers: Mapping[str, Numerals], least: int) -> tuple[Completed, ...]:
    return tuple(Completed(name, answer, least) for name, answer in answers.items())


def _limits(found: Foreseen) -> dict[str, tuple[float, float, Cell]]:
    """By measure over all hospitals: value and error on its scale, and the cell that shows it."""
    pooled = found.pooled()
    reach = pooled.wald()[0] * pooled.error
    out: dict[str, tuple[float, float, Cell]] = {}
    for at, name in enumerate(MEASURED):
        value, error, far = (float(one[at]) for one in (pooled.value, pooled.error, reach))
        cell: Cell = back(name, value, value - far, value + far) if np.isfinite([value, error]).all() else NOT_ESTIMABLE
        out[name] = value, error, cell
    return out


def _performance(found: Foreseen, fixed: bool) -> Table:
    shares = found.pooled().share
    limits = _limits(found)
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
    cells = (limits[name][2] for name in ("auc", "slope", "citl", "oe"))
    row = (
        said("fixed" if fixed else "apparent"),
        *cells,
        found.mean("brier"),
        found.mean("log_loss"),
        known(float(shares[0])),
    )
    notes = (said("imputed_note"), said("between_note"), *tables.kept_notes(found.kept))
    return Table("performance", said("performance_title"), described, (row,), notes=notes)


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


def _apparent(found: Foreseen) -> Iterator[Estimate]:
    for name, (_, error, cell) in _limits(found).items():
        if isinstance(cell, Interval):
            yield Estimate(f"{name}_apparent", said(f"{name}_apparent"), cell.value, error, cell.lower, cell.upper)
    for name in ("brier", "log_loss"):
        yield Estimate(f"{name}_apparent", said(f"{name}_apparent"), found.mean(name))


def _text(chained: Chained, fixed: bool, left_out: bool) -> Iterator[Words]:
    if fixed:
        yield said("text_fixed")
    yield said("text_imputed_fixed" if fixed else "text_imputed", times=chained.spec.times)
    yield said("text_imputed_pooled")
    if left_out:
        yield said("text_imputed_left_out")
    if left_out or fixed:
        yield said("text_summary")
