"""Validation of a diagnostic model as the field reports it: from questions to hospitals to the result.

Apparent, k-fold, bootstrap and leave-one-hospital-out performance of a logistic model of the study, or the external
performance of an equation given in the plan; of a model or equation on imputed data, the performance in practice (Wood
et al. 2015, Biom J 57:614), without bootstrap, each fold imputed for itself. Discrimination within hospitals,
calibration and all refits equal those of pooled rows with the same folds and weights (lossless); AUC over all pairs and
curves come from score bins and carry their bound. TRIPOD+AI (Collins et al. 2024, BMJ 385:e078378); internal-external
validation: Debray et al. (2013) Stat Med 32:3158, Steyerberg & Harrell (2016) J Clin Epidemiol 69:245.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from scipy import special

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.dispensable import counting
from gagyo.finding import Finding
from gagyo.methods._silent import told_each
from gagyo.methods._validation import faults, fits, imputed_told, sent, splines, telling
from gagyo.methods._validation.bootstrap import correct, draws, instability, optimism, unstable
from gagyo.methods._validation.completed import completed, completed_lines, completed_own, completed_withheld
from gagyo.methods._validation.cuts import Threshold, at_cuts, at_threshold, held_out_accuracy
from gagyo.methods._validation.descent import (
    Trees,
    location,
    scale,
    score_bins,
    score_trees,
    spread,
    variable_bins,
)
from gagyo.methods._validation.findings import Findings
from gagyo.methods._validation.fits import newton
from gagyo.methods._validation.foreseen import foresee
from gagyo.methods._validation.imputed import starts_from
from gagyo.methods._validation.imputed_cuts import completed_cuts
from gagyo.methods._validation.imputed_folds import fold_model, fold_newton, fold_start
from gagyo.methods._validation.imputed_groups import completed_groups
from gagyo.methods._validation.left_out import leave_one_out, left_out
from gagyo.methods._validation.options import FEWEST_HOSPITALS, Options
from gagyo.methods._validation.own import hospitals, own, own_withheld
from gagyo.methods._validation.performance import Asked, mean_of, measure, performance, recalibration
from gagyo.methods._validation.scores import APPARENT, Layout, held_out, out_of_fold, training
from gagyo.methods._validation.splines import bent, smooth
from gagyo.methods._validation.subgroups import by_group, group_labels, subgroup
from gagyo.methods.imputation import Method as Imputation
from gagyo.protocol import formula as formulas
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import Floats
from gagyo.result import Result, Words

STEPS = (
    at_cuts,
    bent,
    completed,
    completed_cuts,
    completed_groups,
    completed_lines,
    completed_own,
    completed_withheld,
    draws,
    fold_model,
    fold_newton,
    fold_start,
    instability,
    left_out,
    location,
    newton,
    optimism,
    own,
    performance,
    recalibration,
    score_bins,
    smooth,
    spread,
    subgroup,
    variable_bins,
)
"""What hospitals run for this method."""


Part = Generator[Any, Any, None]


@dataclass(frozen=True)
class Model:
    """The model under validation: coefficients (p,), its information (p, p), and which columns are not aliased."""

    coefficients: Floats
    information: Floats
    keep: NDArray[np.bool_]


@dataclass(frozen=True)
class Method:
    """The validation that an analysis asks for."""

    formula: Formula
    options: Options
    study: Study
    analysis: str

    name: ClassVar[str] = "validate"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault names what does not fit the study."""
        options = Options(**analysis.options)
        text = faults.formula_text(analysis, options, study)
        formula = formulas.parse(text, study.variables, unplaced=options.equation is None)
        method = cls(formula, options, study, analysis.name)
        asked = faults.Said(analysis, options, study, formula)
        check_none(list(asked.of_imputed(method.imputation) if method.imputation else asked.of_complete()))
        return method

    @cached_property
    def imputation(self) -> Imputation | None:
        """The analysis that imputes what people lack, where one does."""
        one = self.study.analyses.get(self.options.starts_from)
        return Imputation.read(one, self.study) if one is not None and one.method == Imputation.name else None

    @property
    def imputes(self) -> tuple[str, ...]:
        """The variables that the analysis under validation imputes."""
        return self.imputation.imputes if self.imputation else ()

    @property
    def complete(self) -> frozenset[str]:
        """The formula's variables and those that form subgroups; of imputed data what it needs, too."""
        groups = frozenset(one.variable for one in self.options.groups)
        return groups | (self.imputation.complete if self.imputation else frozenset(self.formula.variables))

    @property
    def needs(self) -> tuple[str, ...]:
        """The analysis that fits the model, or imputes for an equation."""
        return (self.options.starts_from,) if self.options.starts_from else ()

    @property
    def layout(self) -> Layout:
        """The models that are fitted again."""
        folds = self.options.cross
        return Layout(folds, self.options.repeats if folds else 0, self.options.bootstrap)

    @property
    def folds(self) -> int:
        """Into how many folds people are dealt out."""
        return self.layout.folds

    @property
    def within(self) -> str:
        """Folds are balanced by outcome, of imputed data also by what people lack."""
        return " ".join([self.formula.outcome, *self.imputes])

    @property
    def resampled(self) -> tuple[int, int, int]:
        """Folds, how often people are dealt out to them, and bootstrap replicates."""
        return self.layout.folds, self.layout.repeats, self.layout.bootstrap

    def sends(self) -> tuple[Sends, ...]:
        """What each design sends, at most."""
        if self.imputation:
            return tuple(sent.of_imputed(self.imputation.spec, self.imputation.sends(), self.options, self.study))
        return tuple(sent.of_complete(self.formula, self.study, self.options, self.layout))

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """The conversation, its questions counted."""
        counted, told = yield from counting(self._placed(earlier)._conversation(earlier))
        return replace(told, rounds=counted)

    def _placed(self, earlier: Mapping[str, Result]) -> Method:
        """With the knots that the model's own analysis found, which every model of its design has."""
        equation = earlier[self.options.model].equation if self.formula.unplaced else None
        return replace(self, formula=formulas.parse(equation.formula, self.study.variables)) if equation else self

    def _conversation(self, earlier: Mapping[str, Result]) -> Generator[Any, Any, Result]:
        """Each part asks, and adds to what was found."""
        if self.imputation:
            chained = starts_from(earlier[self.options.starts_from], self.options.starts_from, self.options.equation)
            seen = yield from foresee(chained, self.options, self.study, self.analysis)
            return imputed_told.tell(seen, chained, self.options, self.study)
        model = self._model(earlier)
        found = Findings(fixed=self.options.equation is not None, parameters=int(model.keep.sum()) - 1)
        yield from self._apparent(model, found)
        asked = yield from found.part("folds", self._folds(model, found))
        asked = asked or Asked(self.formula.text, model.coefficients[None, :], Layout())
        # Leaving a hospital out opens sums of fewer people: it comes before the numbers of the rest are spent.
        yield from found.part("hospitals", self._by_hospital(model, found))
        if self.options.leave_out:
            yield from found.part("left_out", self._leave_out(model, asked, found))
        yield from found.part("bins", self._bins(asked, found))
        yield from self._subgroups(asked, found)
        if self.options.bootstrap:
            yield from found.part("bootstrap", self._bootstrap(model, asked, found))
        if self.options.nonlinearity:
            yield from found.part("nonlinearity", self._nonlinearity(model, found))
        return telling.tell(found, self.options, self.study)

    @property
    def _least(self) -> int:
        return self.study.release.minimum_people

    def _model(self, earlier: Mapping[str, Result]) -> Model:
        terms = [column.name for column in self.formula.columns(self.study.variables)]
        p = len(terms)
        if self.options.equation:
            given = self.options.equation.coefficients
            return Model(np.array([given[term] for term in terms]), np.zeros((p, p)), np.ones(p, bool))
        equation = earlier[self.options.model].equation
        if equation is None or equation.link != "logit":
            raise Stopped(Finding("needs_result", values={"found": self.options.model}))
        # Which columns are aliased the fit knows; its information about zero may not tell any more.
        found = {one.name: one.value for one in earlier[self.options.model].estimates}
        keep = np.array([found.get(term) is not None for term in terms])
        return Model(np.array(equation.coefficients), np.array(equation.information), keep)

    # The parts.

    def _apparent(self, model: Model, found: Findings) -> Part:
        asked = Asked(self.formula.text, model.coefficients[None, :], Layout())
        (found.apparent,), pooled = yield from measure(asked, [APPARENT], f"{self.analysis}.apparent")
        found.people, found.cases, found.sites = found.apparent.people, found.apparent.cases, pooled.sites
        found.likelihood = -found.apparent.log_loss * found.people

    def _refit(
        self, model: Model, layout: Layout, numbers: NDArray[np.intp], name: str
    ) -> Generator[Ask, Pooled, Floats]:
        """Coefficients (models, p) of fold or bootstrap models; NaN where their training people are separated."""
        fitted = yield from fits.fit_models(
            self.formula.text, layout, numbers, model.coefficients, model.keep, f"{self.analysis}.{name}"
        )
        return fitted.coefficients

    def _folds(self, model: Model, found: Findings) -> Generator[Ask, Pooled, Asked | None]:
        """The fold models, every one of which must be estimable, and their performance; None where there are none."""
        if not self.layout.folds:
            return None
        layout = replace(self.layout, bootstrap=0)
        refitted = yield from self._refit(model, layout, np.arange(1, layout.models), "fold models")
        if not np.isfinite(refitted).all():
            raise Stopped(Finding("folds_separated", values={"found": self.formula.text}))
        asked = Asked(self.formula.text, np.vstack([model.coefficients, refitted]), layout)
        sets = [out_of_fold(repeat) for repeat in range(layout.repeats)]
        crossed, _ = yield from measure(asked, sets, f"{self.analysis}.folds")
        found.crossed = mean_of(crossed)
        return asked

    def _bins(self, asked: Asked, found: Findings) -> Part:
        """The descents; then what stands on their bins: thresholds and the calibration curve."""
        centre, deviation = yield from scale(asked, found.people)
        folds = asked.layout.folds
        scored = out_of_fold(0) if folds else APPARENT
        wanted = tuple(one.sensitivity for one in self.options.thresholds if one.sensitivity is not None and folds)
        trees = Trees.of(self.options, folds, found.people, centre, deviation)
        parts = [held_out(0, k) for k in range(folds)]
        sets = [*[APPARENT] * len(trees.apparent), scored, *(training(0, k) for k in range(len(trees.training)))]
        grown = yield from score_trees(asked, [*sets, *parts], trees.first, self._least)
        found.tree, found.scored = grown[0], grown[len(trees.apparent)]
        trained, found.held_out = grown[len(sets) - len(trees.training) : len(sets)], grown[len(sets) :]
        if parts and not found.held_out:
            found.held_out = yield from score_trees(asked, parts, trees.within(found.scored), self._least)
        found.thresholds = [self._declared(one.value, found) for one in self.options.thresholds if one.value]
        if wanted:
            if all(one.opened for one in trained):
                cuts = np.array([[one.safe_cut(1 - share) for one in trained] for share in wanted])
                talk = held_out_accuracy(asked, scored, wanted, cuts)
                found.thresholds += (yield from found.part("thresholds", talk)) or []
            else:
                found.notes.append(Words("validate.no_thresholds"))
        if found.scored.opened:
            curve = splines.calibration_curve(asked, scored, found.scored, self.analysis)
            found.band = yield from found.part("calibration", curve)

    def _declared(self, value: float, found: Findings) -> Threshold:
        assert found.scored
        nothing = np.full((2, 2), np.nan)
        if not found.scored.opened:
            return at_threshold(None, value, nothing)
        under = found.scored.below(float(special.logit(value)))
        return at_threshold(None, value, np.array([under, found.scored.counts.sum(axis=0) - under]))

    def _bootstrap(self, model: Model, asked: Asked, found: Findings) -> Part:
        """Optimism and instability; replicates whose people are separated are left out and counted."""
        assert found.apparent
        layout = replace(asked.layout, bootstrap=self.layout.bootstrap)
        numbers = np.arange(1 + layout.fold_models, layout.models)
        refitted = yield from self._refit(model, layout, numbers, "bootstrap models")
        boots = [int(b) for b in np.flatnonzero(np.isfinite(refitted).all(axis=1))]
        dropped = len(refitted) - len(boots)
        if dropped:
            found.notes.append(Words("validate.dropped", {"number": dropped}))
        if len(boots) < 2:
            found.notes.append(Words("validate.no_bootstrap"))
            return
        everyone = np.vstack([asked.coefficients, np.nan_to_num(refitted)])
        whole = Asked(self.formula.text, everyone, layout)
        found.optimism = yield from correct(whole, boots, found.apparent, self.analysis, dropped)
        if found.tree and found.tree.opened:
            bins = yield from found.part("instability", unstable(whole, boots, found.tree))
            found.unstable = found.unstable if bins is None else bins
        if not len(found.unstable) and not found.lacks("instability"):
            found.notes.append(Words("validate.instability_withheld", {"number": self._least}))

    def _by_hospital(self, model: Model, found: Findings) -> Part:
        first = {"formula": self.formula.text, "coefficients": model.coefficients[None, :]}
        found.told = yield from told_each(own_withheld, own, first, {})
        found.hospitals = hospitals(found.told.answers, self._least, found.told.withheld)
        found.notes += found.told.notes

    def _leave_out(self, model: Model, asked: Asked, found: Findings) -> Part:
        if len(found.sites) < FEWEST_HOSPITALS:
            found.notes.append(Words("validate.too_few_to_leave_out", {"number": FEWEST_HOSPITALS}))
            return
        folds = asked.layout.folds if self.options.joining else 0
        joint = asked.coefficients[: 1 + folds]
        answers = yield leave_one_out(
            self.formula.text,
            model.coefficients,
            model.information,
            found.people,
            model.keep,
            joint,
            folds,
            list(found.told.silent),
        )
        found.left_out = hospitals(answers, self._least, found.told.reasons(answers))

    def _subgroups(self, asked: Asked, found: Findings) -> Part:
        scored = out_of_fold(0) if asked.layout.folds else APPARENT
        for one in self.options.groups:
            labels = group_labels(one, self.study)
            talk = by_group(asked, scored, one.variable, tuple(one.cuts))
            groups = yield from found.part("subgroups", talk, self.study.variables[one.variable].label)
            found.subgroups += list(zip(labels, groups or (None for _ in labels), strict=True))

    def _nonlinearity(self, model: Model, found: Findings) -> Part:
        found.bends = yield from splines.nonlinearity(
            self.formula,
            self.study.variables,
            model.coefficients,
            found.likelihood,
            found.people,
            self._least,
            self.analysis,
        )
