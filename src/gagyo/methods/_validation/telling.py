"""What a validation found, as a result: headline estimates, tables, curves, and the methods text with citations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gagyo.methods._kept import WITHHELD
from gagyo.methods._validation import accuracy_tables, curves, tables
from gagyo.methods._validation.findings import Findings
from gagyo.methods._validation.options import Options
from gagyo.methods._validation.own import Z95
from gagyo.methods._validation.tables import said, summary_estimate
from gagyo.protocol.study import Study
from gagyo.result import Estimate, Result, Table, Words


def tell(found: Findings, options: Options, study: Study) -> Result:
    """The result."""
    return Result(
        method="validate",
        lossless=True,
        people=found.people,
        sites=found.sites,
        rounds=0,
        estimates=tuple(_estimates(found)),
        tables=tuple(_tables(found, options, study)),
        curves=tuple(curves.all_curves(found, options.decision)),
        notes=tuple(found.notes),
        methods_text=tuple(_text(found, options)),
    )


def _tables(found: Findings, options: Options, study: Study) -> Iterator[Table]:
    yield tables.performance(found)
    if found.hospitals:
        yield tables.by_hospital(found)
    if found.fixed and found.hospitals:
        yield tables.external(found.hospitals, options.countries)
    if found.left_out:
        yield tables.external(found.left_out, options.countries)
    if found.thresholds:
        yield accuracy_tables.thresholds(
            found.thresholds, accuracy_tables.thresholds_note(found.fixed, bool(found.crossed))
        )
    if found.subgroups:
        yield accuracy_tables.subgroups(found, study.release.minimum_people)
    if options.joining and found.left_out and found.crossed:
        yield tables.joining(found.left_out)
    if not found.fixed and found.parameters:
        yield tables.sample_size(found)
        yield tables.shrunk(found)
    if found.bends:
        yield tables.nonlinearity(found, study.variables)


def _estimates(found: Findings) -> Iterator[Estimate]:
    """The cross-validated and external numbers first: they are what a reader should remember."""
    if found.crossed:
        one = found.crossed
        yield _normal("auc_cross_validated", one.auc, one.auc_error)
    elif found.lacks("folds"):
        yield _kept("auc_cross_validated")
    hospitals = found.hospitals if found.fixed else found.left_out
    for name in tables.MEASURED:
        if (summary := tables.summarised(hospitals, name)) is not None:
            yield summary_estimate(name, summary)
    if found.crossed:
        slope = found.crossed.slope
        yield _normal("slope_cross_validated", slope.value, slope.standard_error)
        yield _plain("brier_cross_validated", found.crossed.brier)
    if found.crossed_area:
        yield _plain("auc_all_pairs_cross_validated", found.crossed_area[0])
    if found.apparent:
        apparent = found.apparent
        # What is found on people that a model was not made of is not its apparent performance.
        yield _normal("auc_fixed" if found.fixed else "auc_apparent", apparent.auc, apparent.auc_error)
        if found.optimism:
            yield _plain("auc_corrected", apparent.auc - found.optimism.auc)
        elif found.lacks("bootstrap"):
            yield _kept("auc_corrected")
    if found.apparent_area:
        yield _plain(f"auc_all_pairs_{'fixed' if found.fixed else 'apparent'}", found.apparent_area[0])


def _plain(name: str, value: float) -> Estimate:
    return Estimate(name, said(name), value if np.isfinite(value) else None)


def _kept(name: str) -> Estimate:
    return Estimate(name, said(name), None, withheld=WITHHELD)


def _normal(name: str, value: float, error: float) -> Estimate:
    if not np.isfinite([value, error]).all():
        return _plain(name, value)
    upper = value + Z95 * error
    return Estimate(
        name, said(name), value, error, value - Z95 * error, min(upper, 1.0) if name.startswith("auc") else upper
    )


def _text(found: Findings, options: Options) -> Iterator[Words]:
    yield said("text_fixed" if found.fixed else "text_model")
    if found.crossed:
        yield said("text_folds", folds=options.folds, repeats=options.repeats)
    if found.optimism:
        yield said("text_bootstrap", replicates=found.optimism.replicates)
    if found.left_out:
        yield said("text_leave_out")
    if found.left_out or found.fixed:
        yield said("text_summary")
    yield said("text_bins")
    yield said("text_calibration")
    if found.thresholds:
        yield said("text_thresholds")
    if found.scored and found.scored.opened:
        yield said("text_decision")
    if options.joining and found.left_out and found.crossed:
        yield said("text_joining")
    if not found.fixed:
        yield said("text_size")
    if found.bends:
        yield said("text_nonlinearity")
