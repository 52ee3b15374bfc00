"""What a validation found, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from scipy import special

from gagyo.methods._kept import WITHHELD, kept_note, named_part
from gagyo.methods._validation.findings import Findings
from gagyo.methods._validation.left_out import NAMES
from gagyo.methods._validation.own import Z95, Hospital
from gagyo.methods._validation.parts import Lacking
from gagyo.methods._validation.performance import Performance
from gagyo.protocol.variables import Variable
from gagyo.result import Cell, Column, Estimate, Format, Interval, Table, Withheld, Words
from gagyo.statistics import metaanalysis, riley, shrinkage
from gagyo.statistics.metaanalysis import Summary
from gagyo.text import Text, join

NOT_ESTIMABLE = Withheld("not_estimable")
TEXT: Format = "text"

HOSPITALS_FOR_SUMMARY = 3
"""Of one country: the interval of a summary of two spans nearly everything."""


def said(key: str, **values: int | float | str) -> Words:
    """A text of this method's catalogue."""
    return Words(f"validate.{key}", values)


def named(name: str) -> Words:
    """A hospital's name or a country's code, the same in every language."""
    return Words(text=Text(name, name, name))


def columns(*described: tuple[str, Format] | tuple[str, Format, int]) -> tuple[Column, ...]:
    """Columns by name, format and digits."""
    return tuple(Column(one[0], said(one[0]), one[1], one[2] if len(one) == 3 else 3) for one in described)


def known(value: float) -> Cell:
    """A number, or that it is not estimable."""
    return float(value) if np.isfinite(value) else NOT_ESTIMABLE


def interval(value: float, error: float) -> Cell:
    """A value with limits at 1.96 standard errors."""
    if not np.isfinite(value):
        return NOT_ESTIMABLE
    return Interval(value, value - Z95 * error, value + Z95 * error) if np.isfinite(error) else float(value)


def area(value: float, error: float) -> Cell:
    """An AUC with symmetric limits, held at 1."""
    found = interval(value, error)
    return Interval(found.value, found.lower, min(found.upper, 1.0)) if isinstance(found, Interval) else found


def ratio(value: float, error: float) -> Cell:
    """A ratio with limits on the logarithmic scale."""
    if not np.isfinite(value):
        return NOT_ESTIMABLE
    return Interval(value, value * float(np.exp(-Z95 * error)), value * float(np.exp(Z95 * error)))


ADVICE = {
    "folds": "folds",
    "bootstrap": "replicates",
    "instability": "replicates",
    "subgroups": "groups",
    "left_out": "predictors",
    "nonlinearity": "budget",
    "bins": "budget",
}
"""By part, what may help, as the catalogue names it."""


def kept_notes(kept: Iterable[Lacking]) -> Iterator[Words]:
    """A note in the place of each part that hospitals withheld."""
    for name, label, one in kept:
        part = named_part(f"validate.part_{name}")
        yield kept_note(one, join(": ", part, label) if label else part, ADVICE.get(name, "larger"))


def performance(found: Findings) -> Table:
    """Apparent, cross-validated, optimism-corrected."""
    rows: list[tuple[Cell, ...]] = []
    if found.apparent:
        key = "fixed" if found.fixed else "apparent"
        rows.append(_performance(said(key), found.apparent, found.apparent_area))
    if found.crossed:
        rows.append(_performance(said("cross_validated"), found.crossed, found.crossed_area))
    elif found.lacks("folds"):
        rows.append((said("cross_validated"), *[WITHHELD] * 8))
    if found.apparent and found.optimism:
        rows.append(_corrected(found))
    elif found.lacks("bootstrap"):
        rows.append((said("corrected"), WITHHELD, None, None, WITHHELD, WITHHELD, None, WITHHELD, WITHHELD))
    described = columns(
        ("design", TEXT),
        ("auc_within", "interval"),
        ("auc_all_pairs", "number"),
        ("bound", "number", 4),
        ("slope", "interval"),
        ("citl", "interval"),
        ("oe", "interval"),
        ("brier", "number", 4),
        ("log_loss", "number", 4),
    )
    notes = (said("two_areas"), *kept_notes(one for one in found.kept if one[0] != "subgroups"))
    return Table("performance", said("performance_title"), described, tuple(rows), notes=notes)


def _performance(label: Words, one: Performance, all_pairs: tuple[float, float] | None) -> tuple[Cell, ...]:
    over: tuple[Cell, Cell] = (known(all_pairs[0]), known(all_pairs[1])) if all_pairs else (NOT_ESTIMABLE, None)
    slope, citl = (interval(e.value, e.standard_error) for e in (one.slope, one.citl))
    oe = ratio(one.oe, one.log_oe_error)
    return (label, area(one.auc, one.auc_error), *over, slope, citl, oe, one.brier, one.log_loss)


def _corrected(found: Findings) -> tuple[Cell, ...]:
    assert found.apparent
    assert found.optimism
    one, less = found.apparent, found.optimism
    values = (one.auc - less.auc, None, None, known(less.slope), known(less.citl), None)
    return (said("corrected"), *values, one.brier - less.brier, one.log_loss - less.log_loss)


ACCURACY: tuple[tuple[str, Format], ...] = (
    ("hospital", TEXT),
    ("people", "count"),
    ("cases", "count"),
    ("auc", "interval"),
    ("oe", "interval"),
    ("slope", "interval"),
    ("citl", "interval"),
)


def accuracy(one: Hospital, fixed: bool) -> tuple[Cell, ...]:
    """The cells of ACCURACY: a hospital, its people and cases, and its own accuracy with limits."""
    measures = (one.area(fixed), one.oe_interval(), one.interval("slope"), one.interval("citl"))
    return (named(one.name), one.count("people"), one.count("cases"), *measures)


def by_hospital(found: Findings) -> Table:
    """The model at each hospital on its own people."""
    described = columns(
        *ACCURACY,
        ("brier", "number", 4),
        ("reliability", "number", 4),
        ("resolution", "number", 4),
        ("log_loss", "interval"),
    )
    rows = tuple(
        (
            *accuracy(one, found.fixed),
            one.scalar("brier"),
            one.scalar("reliability"),
            one.scalar("resolution"),
            one.interval("log_loss"),
        )
        for one in found.hospitals
    )
    notes = () if found.fixed else (said("by_hospital_note"),)
    return Table("by_hospital", said("by_hospital_title"), described, rows, "forest", notes)


# Internal-external validation and its summaries.

MEASURED = ("auc", "oe", "slope")


def external(hospitals: Sequence[Hospital], countries: Mapping[str, str], more: tuple[Words, ...] = ()) -> Table:
    """Each hospital by a model that never saw it, then summaries by country and over all."""
    described = columns(
        ("hospital", TEXT),
        ("country", TEXT),
        ("people", "count"),
        ("cases", "count"),
        ("auc", "interval"),
        ("oe", "interval"),
        ("slope", "interval"),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            named(one.name),
            named(countries.get(one.name, "")),
            one.count("people"),
            one.count("cases"),
            one.area(True),
            one.oe_interval(),
            one.interval("slope"),
        )
        for one in hospitals
    ]
    groups = {country: [h for h in hospitals if countries.get(h.name) == country] for country in countries.values()}
    for country, group in groups.items():
        if len(groups) > 1 and len(group) >= HOSPITALS_FOR_SUMMARY:
            rows.append(_summary_row(said("summary_country", country=country), group))
    rows.append(_summary_row(said("summary"), hospitals))
    notes = tuple(note for name in MEASURED if (note := _heterogeneity(name, summarised(hospitals, name))))
    last, told = _prediction_row(hospitals)
    shown = [*rows, *last]
    if not countries:
        described, shown = (described[0], *described[2:]), [(row[0], *row[2:]) for row in shown]
    return Table("external", said("external_title"), described, tuple(shown), "forest", (*more, *notes, told))


def summarised(hospitals: Sequence[Hospital], name: str) -> Summary | None:
    """REML over the hospitals that have an estimate: of logit AUC, log O/E or slope; None under two."""
    pairs = [pair for one in hospitals if np.isfinite(pair := one.on_scale(name)).all() and pair[1] > 0]
    return metaanalysis.summarise(*np.array(pairs).T) if len(pairs) > 1 else None


BACK = {"auc": special.expit, "oe": np.exp}


def back(name: str, *values: float) -> Interval:
    """Value and limits on the measure's own scale, from the logit of an AUC, the logarithm of O/E."""
    return Interval(*(float(BACK[name](value)) if name in BACK else float(value) for value in values))


def summary_estimate(name: str, one: Summary) -> Estimate:
    """On the measure's own scale; the standard error is on that of the summary (logit, logarithm, identity)."""
    limits = back(name, one.value, one.lower, one.upper)
    label = f"{name}_external"
    return Estimate(label, said(label), limits.value, one.standard_error, limits.lower, limits.upper)


def _summary_row(label: Words, hospitals: Sequence[Hospital]) -> tuple[Cell, ...]:
    found = [(name, summarised(hospitals, name)) for name in MEASURED]
    cells = [back(name, one.value, one.lower, one.upper) if one else NOT_ESTIMABLE for name, one in found]
    return (label, None, None, None, *cells)


def _prediction_row(hospitals: Sequence[Hospital]) -> tuple[tuple[tuple[Cell, ...], ...], Words]:
    found = [(name, summarised(hospitals, name)) for name in MEASURED]
    cells = [back(name, one.value, *one.prediction) if one and one.prediction else None for name, one in found]
    if not any(cells):
        return (), said("no_prediction", number=metaanalysis.HOSPITALS_FOR_PREDICTION)
    return ((said("summary_prediction"), None, None, None, *cells),), said("prediction_note")


def _heterogeneity(name: str, one: Summary | None) -> Words | None:
    if one is None:
        return None
    percent, tau = f"{100 * one.i2:.0f}", f"{np.sqrt(one.tau2):.3f}"
    return said(f"heterogeneity_{name}", percent=percent, tau=tau, hospitals=one.hospitals)


# Non-linearity.


def nonlinearity(found: Findings, variables: Mapping[str, Variable]) -> Table:
    """Likelihood-ratio test of each measured predictor's spline."""
    described = columns(
        ("predictor", TEXT), ("knots", TEXT), ("chi_square", "number", 2), ("freedom", "count"), ("p", "p")
    )
    rows = tuple(
        (
            Words(text=variables[one.variable].label),
            named(", ".join(f"{knot:.4g}" for knot in one.knots)),
            known(one.chi_square),
            one.freedom or None,
            known(one.p),
        )
        for one in found.bends
    )
    return Table("nonlinearity", said("nonlinearity_title"), described, rows, notes=(said("nonlinearity_note"),))


# Sample size and shrinkage.


def sample_size(found: Findings) -> Table:
    """Riley's criteria and where the study stands."""
    r2 = corrected_r2(found)
    described = columns(("criterion", TEXT), ("required", "count"), ("available", "count"), ("met", TEXT))
    rows: list[tuple[Cell, ...]] = []
    if 0 < r2 < 1:
        needed = riley.required(r2, found.parameters, found.cases / found.people)
        for name in ("shrinkage", "optimism", "overall_risk"):
            rows.append(_criterion(f"criterion_{name}", getattr(needed, name), found.people))
        rows.append(_criterion("criterion_all", needed.people, found.people))
        rows.append(_criterion("criterion_events", round(needed.people * needed.prevalence), found.cases))
    per_parameter = f"{min(found.cases, found.people - found.cases) / found.parameters:.1f}"
    note = said("sample_size_note", parameters=found.parameters, r2=f"{r2:.3f}", ratio=per_parameter)
    return Table("sample_size", said("sample_size_title"), described, tuple(rows), notes=(note,))


def _criterion(key: str, required: int, available: int) -> tuple[Cell, ...]:
    return said(key), required, available, said("yes" if available >= required else "no")


def corrected_r2(found: Findings) -> float:
    """Cox and Snell's R2, shrunk for optimism by the heuristic factor (Riley et al. 2019)."""
    ratio = found.likelihood_ratio
    return riley.cox_snell(ratio, found.people) * shrinkage.heuristic(ratio, found.parameters)


def shrunk(found: Findings) -> Table:
    """Uniform shrinkage factors by each way of estimating it."""
    rows: list[tuple[Cell, ...]] = [
        (said("shrinkage_heuristic"), known(shrinkage.heuristic(found.likelihood_ratio, found.parameters)))
    ]
    if found.optimism:
        rows.append((said("shrinkage_bootstrap", replicates=found.optimism.replicates), known(found.optimism.slope)))
    if found.crossed:
        slope = found.crossed.slope
        rows.append((said("shrinkage_crossed"), interval(slope.value, slope.standard_error)))
    described = columns(("estimator", TEXT), ("factor", "interval"))
    return Table("shrinkage", said("shrinkage_title"), described, tuple(rows), notes=(said("shrinkage_note"),))


# What joining brings.


def joining(hospitals: Sequence[Hospital]) -> Table:
    """Own, others' and joint model on each hospital's people, with paired differences and a verdict."""
    described = columns(
        ("hospital", TEXT),
        ("auc_own", "number"),
        ("auc_others", "number"),
        ("auc_joint", "number"),
        ("auc_difference", "interval"),
        ("auc_difference_others", "interval"),
        ("log_loss_own", "number", 4),
        ("log_loss_joint", "number", 4),
        ("log_loss_difference", "interval", 4),
        ("slope_own", "number", 2),
        ("slope_joint", "number", 2),
        ("citl_joint", "number", 2),
        ("log_loss_updated", "interval", 4),
        ("verdict", TEXT),
    )
    rows = tuple(_joined(one) for one in hospitals)
    return Table("joining", said("joining_title"), described, rows, notes=(said("joining_note"),))


def _joined(one: Hospital) -> tuple[Cell, ...]:
    return (
        named(one.name),
        _gained(one, "own.auc"),
        _gained(one, "others.auc"),
        _gained(one, "joint.auc"),
        _compared(one, "joint-own.auc"),
        _compared(one, "joint-others.auc"),
        _gained(one, "own.log_loss"),
        _gained(one, "joint.log_loss"),
        _compared(one, "joint-own.log_loss"),
        _gained(one, "own.slope"),
        _gained(one, "joint.slope"),
        _gained(one, "joint.citl"),
        _compared(one, "updated-joint.log_loss"),
        verdict(one),
    )


def _gained(one: Hospital, name: str) -> Cell:
    value = one.number("joining", NAMES.index(name))
    return one.why("joining", NAMES.index(name)) if np.isnan(value) else value


def _compared(one: Hospital, name: str) -> Cell:
    value, error = (one.number("joining", NAMES.index(part)) for part in (name, f"{name}_error"))
    return one.why("joining", NAMES.index(name)) if np.isnan(value) else interval(value, error)


def verdict(one: Hospital) -> Words | Withheld:
    """By the interval of the paired difference in log-loss, a proper score: joint less own."""
    joint, found = _gained(one, "joint.log_loss"), _compared(one, "joint-own.log_loss")
    if isinstance(joint, Withheld) and joint.code != "not_estimable":
        return joint
    if not isinstance(found, Interval):
        return said("verdict_only_joint") if not isinstance(joint, Withheld) else NOT_ESTIMABLE
    if found.upper < 0:
        return said("verdict_helps")
    return said("verdict_does_not_help") if found.lower > 0 else said("verdict_no_difference")
