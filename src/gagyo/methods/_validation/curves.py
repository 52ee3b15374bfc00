"""What a validation found, as curves: ROC, calibration, decision curve, prediction instability."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import special

from gagyo.methods._validation.descent import Grown
from gagyo.methods._validation.findings import Findings
from gagyo.methods._validation.tables import said
from gagyo.release.aggregate import Floats
from gagyo.result import Curve, Series, Words
from gagyo.statistics import netbenefit, roc
from gagyo.statistics.netbenefit import Benefit


def all_curves(found: Findings, decision: Sequence[float]) -> Iterator[Curve]:
    """Those that the bins allow."""
    if found.tree and found.tree.opened:
        yield roc_curve(found)
    if found.band is not None:
        yield calibration(found)
    if found.scored and found.scored.opened and (points := decision_points(found.scored, decision)):
        yield decision_curve(found, points)
    if len(found.unstable):
        yield instability(found)


def _line(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _banded(key: str, x: Floats, y: Floats, lower: Floats, upper: Floats) -> Series:
    return Series(said(key), _line(x), _line(y), _line(lower), _line(upper))


def roc_curve(found: Findings) -> Curve:
    """Apparent, and the average of the folds' curves at equal false positive rates."""
    assert found.tree
    one = roc.binned_roc(found.tree.counts)
    label = said("fixed" if found.fixed else "apparent")
    series = [Series(label, _line(one.false_positive), _line(one.true_positive))]
    folds = [roc.binned_roc(grown.counts) for grown in found.held_out if _both_classes(grown)]
    if folds and found.crossed_area:
        pairs = np.array([np.prod(g.counts.sum(axis=0)) for g in found.held_out if _both_classes(g)], dtype=np.float64)
        x, y = roc.vertical_average(folds, pairs)
        series.append(Series(said("cross_validated"), _line(x), _line(y)))
    series.append(Series(said("chance"), (0.0, 1.0), (0.0, 1.0), style="reference"))
    notes = (said("roc_note" if len(series) > 2 else "roc_bound", bound=f"{one.bound:.4f}"),)
    return Curve("roc", said("roc_title"), said("false_positive_rate"), said("sensitivity"), tuple(series), notes)


def _both_classes(grown: Grown) -> bool:
    return grown.opened and bool(np.all(grown.counts.sum(axis=0) > 0))


def calibration(found: Findings) -> Curve:
    """The smooth curve with its band, and the ideal."""
    band = found.band
    assert band is not None
    smooth = _banded("smooth", band.predicted, band.observed, band.lower, band.upper)
    ideal = Series(said("ideal"), (0.0, 1.0), (0.0, 1.0), style="reference")
    note = said("calibration_fixed" if found.fixed or not found.crossed else "calibration_note")
    return Curve(
        "calibration", said("calibration_title"), said("predicted"), said("observed"), (smooth, ideal), (note,)
    )


Point = tuple[float, float, float]
"""A threshold with true and false positives."""


def decision_points(grown: Grown, decision: Sequence[float]) -> list[Point]:
    """At the declared thresholds that are edges of bins; at all edges where none is declared."""
    edges = [float(special.logit(t)) for t in decision] if decision else _line(grown.edges)
    whole = grown.counts.sum(axis=0)
    points = [(float(special.expit(edge)), *_line(whole - grown.below(edge))[::-1]) for edge in edges]
    return [p for p in points if np.isfinite(p).all() and 0.005 < p[0] < 0.995]  # type: ignore[misc]


def decision_curve(found: Findings, points: list[Point]) -> Curve:
    """Net benefit of the model, of treating all, of treating none."""
    threshold, positive, false = np.array(points).T
    model = netbenefit.net_benefit(threshold, positive, false, found.people)
    return benefits(threshold, model, found.cases, found.people, said("decision_note"))


def benefits(threshold: Floats, model: Benefit, cases: int, people: int, note: Words) -> Curve:
    """The decision curve of a model's net benefit at thresholds (m,)."""
    series = (
        _benefit("model", threshold, model),
        _benefit("treat_all", threshold, netbenefit.treat_all(threshold, cases, people)),
        Series(said("treat_none"), (float(threshold[0]), float(threshold[-1])), (0.0, 0.0), style="reference"),
    )
    return Curve("decision", said("decision_title"), said("threshold"), said("net_benefit"), series, (note,))


def _benefit(key: str, threshold: Floats, one: Benefit) -> Series:
    return _banded(key, threshold, one.value, one.lower, one.upper)


def instability(found: Findings) -> Curve:
    """By bin of the model's prediction, how far bootstrap models move it."""
    _, predicted, low, high, _ = found.unstable.T
    series = (
        _banded("percentiles", predicted, predicted, low, high),
        Series(said("ideal"), (0.0, 1.0), (0.0, 1.0), style="reference"),
    )
    people, change = found.unstable[:, 0], found.unstable[:, 4]
    note = said("instability_note", mape=f"{float(people @ change / people.sum()):.4f}", people=int(people.sum()))
    return Curve("instability", said("instability_title"), said("predicted"), said("predicted_again"), series, (note,))
