"""How a fit of Fine and Gray's model is told: ratios, how observation ended, and predicted cumulative incidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from gagyo.methods._cox_told import Fit, Told
from gagyo.methods._regression import alias_notes
from gagyo.methods._survival.telling import shown_edges, time_digits, time_words
from gagyo.protocol.study import Study
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import Floats
from gagyo.result import Cell, Column, Curve, Estimate, Result, Series, Table, Words
from gagyo.statistics.distributions import chi2_sf
from gagyo.text import LANGUAGES, Text, translate


@dataclass(frozen=True)
class Ended:
    """How observation ended: the number of the event's level; how many had a competing event, and how many none."""

    event: int
    competing: int
    censored: int


def result(told: Told, fit: Fit, variance: Floats, ended: Ended) -> Result:
    """The result, with the covariance of the coefficients (p, p)."""
    label = told.study.variables[told.formula.outcome].levels[ended.event].label
    texts = [translate("finegray.text", one, formula=told.formula.text, event=label.to(one)) for one in LANGUAGES]
    estimates = told.estimates(fit, variance)
    columns = told.formula.columns(told.study.variables)[1:]
    title = _of("finegray.ratios", label)
    ratios = told.ratios(estimates, title, "finegray.ratio", "subdistribution_ratios")
    found = Result(
        method="fine_gray",
        lossless=True,
        people=fit.people,
        sites=fit.sites,
        rounds=fit.rounds,
        estimates=estimates,
        tables=(ratios, _fit_table(told, fit, variance, ended)),
        notes=(
            Words("finegray.what_a_ratio_is"),
            Words("finegray.within_hospitals"),
            *alias_notes(columns, fit.solved.aliased),
        ),
        methods_text=(Words(text=Text(*texts)), Words("survival.ties_breslow"), Words("finegray.errors")),
    )
    return told.with_splines(found, fit, variance, "log_subdistribution_ratio")


def _of(key: str, event: Text) -> Words:
    """A title that names the event."""
    return Words(text=Text(*(translate(key, one, event=event.to(one)) for one in LANGUAGES)))


def _fit_table(told: Told, fit: Fit, variance: Floats, ended: Ended) -> Table:
    columns = (
        Column("people", Words("regression.people"), "count"),
        Column("events", Words("survival.events"), "count"),
        Column("competing", Words("finegray.competing"), "count"),
        Column("censored", Words("finegray.censored"), "count"),
        Column("time", told.observed(), "number", 0),
        Column("log_likelihood", Words("finegray.pseudo_likelihood"), "number", 3),
        Column("chi_square", Words("finegray.wald"), "number", 2),
        Column("degrees_of_freedom", Words("regression.degrees_of_freedom"), "count"),
        Column("p", Words("regression.p"), "p"),
    )
    chi, freedom, p = _wald(fit, variance)
    counts = (fit.people, fit.events, ended.competing, ended.censored)
    row = (*counts, fit.time, fit.likelihoods[0], chi, freedom, p)
    return Table("subdistribution_model", Words("regression.model_test"), columns, (row,))


def _wald(fit: Fit, variance: Floats) -> tuple[float, int, float]:
    """Of all coefficients together: chi-square, degrees of freedom and p. A likelihood ratio would be too sure."""
    kept = np.flatnonzero(~fit.solved.aliased)
    value = fit.coefficients[kept]
    chi = float(value @ np.linalg.solve(variance[np.ix_(kept, kept)], value)) if len(kept) else 0.0
    return chi, len(kept), float(chi2_sf(chi, max(len(kept), 1)))


@dataclass(frozen=True)
class Predicted:
    """Cumulative incidence (K + 1, m) of profiles at edges (K + 1,).

    labels: by the profile's name, what people read. event: the number of its level. asked: declared times.
    """

    edges: Floats
    incidence: Floats
    labels: Mapping[str, Text]
    event: int
    time: Variable
    asked: tuple[float, ...]

    @property
    def places(self) -> list[int]:
        """The numbers of the edges that are told in a table: declared times, or some that lie evenly."""
        shown = shown_edges(self.edges, self.asked, np.inf)
        return [int(np.searchsorted(self.edges, one)) for one in shown]

    @property
    def gone(self) -> list[float]:
        """The declared times that are not told."""
        return [one for one in self.asked if one not in set(self.edges[1:].tolist())]


def with_incidence(result: Result, found: Predicted, study: Study, outcome: str, rounds: int) -> Result:
    """The result with predicted cumulative incidence: estimates, a table, a figure."""
    gone = ", ".join(f"{one:g}" for one in found.gone)
    last = Words("finegray.until", {"found": f"{found.edges[-1]:.4g}"})
    notes = (Words("finegray.prediction"), last, *([Words("finegray.not_told", {"found": gone})] if gone else []))
    label = study.variables[outcome].levels[found.event].label
    return replace(
        result,
        rounds=result.rounds + rounds,
        estimates=(*result.estimates, *_predictions(found)),
        tables=(*result.tables, _prediction_table(found, label, notes)),
        curves=(*result.curves, _prediction_curve(found, label)),
        methods_text=(*result.methods_text, Words("finegray.prediction_text")),
    )


def _predictions(found: Predicted) -> Iterator[Estimate]:
    for number, (name, label) in enumerate(found.labels.items()):
        for at in range(1, len(found.edges)):
            value = float(found.incidence[at, number])
            yield Estimate(f"incidence.{name}.{found.edges[at]:g}", Words(text=label), value)


def _prediction_table(found: Predicted, event: Text, notes: tuple[Words, ...]) -> Table:
    columns = (
        Column("profile", Words("finegray.profile"), "text"),
        Column("time", time_words(found.time), "number", time_digits(found.edges[found.places])),
        Column("incidence", Words("finegray.incidence"), "number", 3),
    )
    rows: list[tuple[Cell, ...]] = []
    for number, label in enumerate(found.labels.values()):
        for first, at in enumerate(found.places):
            shown = Words(text=label) if first == 0 else None
            rows.append((shown, float(found.edges[at]), float(found.incidence[at, number])))
    return Table("predicted_incidence", _of("finegray.predicted_of", event), columns, tuple(rows), notes=notes)


def _prediction_curve(found: Predicted, event: Text) -> Curve:
    x = tuple(found.edges.tolist())
    series = tuple(
        Series(Words(text=label), x, tuple(found.incidence[:, number].tolist()))
        for number, label in enumerate(found.labels.values())
    )
    title, axis = _of("finegray.predicted_of", event), Words("survival.incidence_axis")
    return Curve("predicted_incidence", title, time_words(found.time), axis, series)
