"""How many numbers each design of a validation sends, by step, at most: what a plan shows before anyone approves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gagyo.federation.ask import Sends
from gagyo.methods._imputation_chains import Spec
from gagyo.methods._validation import splines
from gagyo.methods._validation.completed import OWN, RATIO
from gagyo.methods._validation.descent import Trees
from gagyo.methods._validation.imputed_cuts import declared_cuts, sent_cuts
from gagyo.methods._validation.imputed_folds import sent_folds
from gagyo.methods._validation.imputed_groups import sent_groups
from gagyo.methods._validation.options import Options
from gagyo.methods._validation.scores import Layout
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Study
from gagyo.statistics.newton import MOST_STEPS


def of_imputed(spec: Spec, imputing: Sequence[Sends], options: Options, study: Study) -> Iterator[Sends]:
    """Of a model of imputed data. imputing: what the imputation sends, which folds and a hospital that is left out ask
    again.
    """
    times, sets = spec.times, 2 if options.cross else 1
    yield Sends("validate.completed", 6 * times + 2, sets)
    yield Sends("validate.completed_lines", 12 * times, sets * MOST_STEPS)
    if options.cross:
        yield from sent_folds(imputing, options.cross)
    yield Sends("validate.completed_withheld", 5, 1, each=True)
    yield Sends("validate.completed_own", 3 + len(OWN) + len(RATIO), 1, each=True)
    if options.leave_out:
        widest = max(spec.slopes(name) for name in spec.impute)
        yield Sends("imputation.everyone", times * widest * (widest + 1) // 2, len(spec.impute))
        yield from (replace(one, to="left_out") for one in imputing)
        yield Sends("validate.completed_own", 3 + len(OWN) + len(RATIO), 1, each=True)
    if declared_cuts(options):
        yield Sends("validate.completed_cuts", *sent_cuts(options, times))
    for one in options.groups:
        yield Sends("validate.completed_groups", sent_groups(one, study, times), 1)


def of_complete(formula: Formula, study: Study, options: Options, layout: Layout) -> Iterator[Sends]:
    """Of people who lack nothing; descents stop where bins get small, so theirs is an upper limit."""
    p = len(formula.columns(study.variables))
    size, sets = p + p * (p + 1) // 2 + 1, 1 + layout.repeats
    yield Sends("validate.performance", 6 * sets + 2, 2)
    yield Sends("validate.recalibration", 12 * sets, 2 * MOST_STEPS)
    if layout.models > 1:
        yield Sends("validate.newton", size * (layout.models - 1), MOST_STEPS)
    yield Sends("validate.location", 2, 1)
    trees = Trees.of(options, layout.folds)
    yield Sends("validate.score_bins", trees.sends() + 1, trees.rounds)
    yield Sends("validate.smooth", 15, MOST_STEPS)
    if any(one.sensitivity is not None for one in options.thresholds):
        yield Sends("validate.at_cuts", 4 * len(options.thresholds) + 1, 1)
    if layout.bootstrap:
        yield Sends("validate.draws", 2 * layout.bootstrap, 1)
        yield Sends("validate.optimism", 6, 1)
        yield Sends("validate.recalibration", 12 * layout.bootstrap, MOST_STEPS)
        yield Sends("validate.instability", 5 * 64, 1)
    yield Sends("validate.own_withheld", 4, 1, each=True)
    yield Sends("validate.own", 15, 1, each=True)
    if options.leave_out:
        yield Sends("validate.newton", size, MOST_STEPS, to="left_out")
        yield Sends("validate.left_out", 15 + (28 if options.joining else 0), 1, each=True)
    if options.groups:
        yield Sends("validate.subgroup", 7 * 16, len(options.groups))
    if options.nonlinearity:
        measured = len(splines.measured(formula, study.variables))
        yield Sends("validate.spread", 2 * measured, 1)
        yield Sends("validate.variable_bins", measured * splines.PLACES.sends(1) + 1, splines.PLACES.rounds)
        yield Sends("validate.bent", (size + 2 * p + 5) * measured, MOST_STEPS)
