"""How a fit of Fine and Gray's model is told: subdistribution hazard ratios, and how observation ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gagyo.methods._cox_told import Fit, Told
from gagyo.methods._regression import alias_notes
from gagyo.release.aggregate import Floats
from gagyo.result import Column, Result, Table, Words
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
    ratios = told.ratios(estimates, "finegray.ratios", "finegray.ratio", "subdistribution_ratios")
    return Result(
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
