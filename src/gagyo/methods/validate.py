"""Validation of a diagnostic model as the field reports it: from questions to hospitals to the result.

Apparent, k-fold, bootstrap and leave-one-hospital-out performance of a logistic model of the study, or the external
performance of an equation given in the plan; of a model or equation on imputed data, the performance in practice (Wood
et al. 2015, Biom J 57:614), without folds and bootstrap. Discrimination within hospitals, calibration and all refits
equal those of pooled rows with the same folds and weights (lossless); AUC over all pairs and curves come from score
bins and carry their bound. TRIPOD+AI (Collins et al. 2024, BMJ 385:e078378); internal-external validation: Debray et
al. (2013) Stat Med 32:3158, Steyerberg & Harrell (2016) J Clin Epidemiol 69:245.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from scipy import special

from gagyo.errors import FileFault, Stopped
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.finding import Finding
from gagyo.methods._groups import level_label
from gagyo.methods._newton import aliased_columns
from gagyo.methods._validation import fits, imputed_told, splines, telling
from gagyo.methods._validation.bootstrap import correct, draws, instability, optimism, unstable
from gagyo.methods._validation.completed import OWN, RATIO, completed, completed_lines, completed_own
from gagyo.methods._validation.cuts import Threshold, at_cuts, at_threshold, held_out_accuracy
from gagyo.methods._validation.descent import (
    EDGE,
    Tree,
    location,
    scale,
    score_bins,
    score_trees,
    spread,
    variable_bins,
)
from gagyo.methods._validation.findings import Findings
from gagyo.methods._validation.fits import newton
from gagyo.methods._validation.imputed import foresee, starts_from
from gagyo.methods._validation.left_out import leave_one_out, left_out
from gagyo.methods._validation.options import Equation, Options, Subgroup
from gagyo.methods._validation.own import hospitals, own
from gagyo.methods._validation.performance import Asked, measure, performance, recalibration
from gagyo.methods._validation.scores import APPARENT, Layout, held_out, out_of_fold, training
from gagyo.methods._validation.splines import bent, smooth
from gagyo.methods._validation.subgroups import by_group, number_of_groups, subgroup
from gagyo.methods.imputation import Method as Imputation
from gagyo.protocol import formula as formulas
from gagyo.protocol.formula import Formula
from gagyo.protocol.guards import listed, nearest
from gagyo.protocol.study import Analysis, Study
from gagyo.release.aggregate import Floats
from gagyo.result import Result, Words
from gagyo.statistics.newton import MOST_STEPS
from gagyo.text import Text, join

STEPS = (
    at_cuts,
    bent,
    completed,
    completed_lines,
    completed_own,
    draws,
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

VALIDATED = ("logistic", "imputation")
"""Methods whose analyses give a model to validate."""

OF_IMPUTED = ("model", "equation", "imputation", "leave_out", "countries")
"""Options of a validation of imputed data; those of other designs are as where nothing is written, without folds."""

UNASKED = {name: field.default for name, field in Options.model_fields.items()}

FEWEST_HOSPITALS = 4
"""To leave one out, three others must remain for a secure sum."""

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
        text = _formula_text(analysis, options, study)
        formula = formulas.parse(text, study.variables, unplaced=options.equation is None)
        method = cls(formula, options, study, analysis.name)
        faults = list(method._imputed_faults(analysis) if method.imputation else method._faults(analysis))
        if faults:
            raise FileFault(*faults)
        return method

    def _faults(self, analysis: Analysis) -> Generator[Finding, None, None]:
        terms = {column.name for column in self.formula.columns(self.study.variables)}
        given = self.options.equation
        if given and (set(given.coefficients) != terms or given.outcome != self.formula.outcome):
            yield _unlike(analysis, given, f"{self.formula.outcome}: {', '.join(sorted(terms))}")
        if self.study.variables[self.formula.outcome].type != "boolean":
            yield Finding("option_outcome", place=analysis.place("model"), values={"found": self.formula.outcome})
        for one in self.options.groups:
            if one.variable not in self.study.variables:
                near = nearest(one.variable, self.study.variables)
                known: dict[str, Any] = {"found": one.variable, "expected": listed(self.study.variables), "hint": near}
                yield Finding("unknown_variable", place=analysis.place("subgroups"), values=known)
            elif _measured(one, self.study) and (not one.cuts or any(a >= b for a, b in pairwise(one.cuts))):
                values = {"found": one.variable}
                yield Finding("option_cuts", place=analysis.place("subgroups"), values=values)

    def _imputed_faults(self, analysis: Analysis) -> Generator[Finding, None, None]:
        """What does not fit a model of imputed data: how it was imputed, or designs that it cannot be validated by."""
        assert self.imputation
        one = self.imputation.options
        if (one.purpose, one.model) != ("prediction", "logistic"):
            values = {"found": f"{self._imputing}: purpose: {one.purpose}, model: {one.model}"}
            yield Finding("validate_imputed", place=analysis.place(self._place), values=values)
        if self.options.equation:
            yield from self._unlike_equation(analysis, self.options.equation, self.imputation.formula)
        # A given equation has no folds, whatever stands there.
        asked = {name: value for name, value in self.options if name not in OF_IMPUTED} | {"folds": self.options.cross}
        found = [f"{name}: {value}" for name, value in asked.items() if value != (UNASKED | {"folds": 0})[name]]
        if found:
            values = {"found": ", ".join(found), "expected": "folds: 0, leave_out, countries"}
            yield Finding("validate_imputed_design", place=analysis.place("folds"), values=values)

    def _unlike_equation(self, analysis: Analysis, given: Equation, imputed: Formula) -> Generator[Finding, None, None]:
        """A given equation has the outcome and the columns of the formula whose data are imputed."""
        terms = {column.name for column in imputed.columns(self.study.variables)}
        mine = {column.name for column in self.formula.columns(self.study.variables)}
        outcomes = {given.outcome, self.formula.outcome, imputed.outcome}
        if not (set(given.coefficients) == terms == mine) or len(outcomes) > 1:
            yield _unlike(analysis, given, f"{imputed.outcome}: {', '.join(sorted(terms))}")

    @property
    def _place(self) -> str:
        """The option that names the analysis which imputes."""
        return "imputation" if self.options.imputation else "model"

    @property
    def _imputing(self) -> str:
        """The analysis that gives the model, or for a given equation the data, if any does."""
        return self.options.imputation or self.options.model

    @cached_property
    def imputation(self) -> Imputation | None:
        """The analysis that imputes what people lack, where one does."""
        one = self.study.analyses.get(self._imputing)
        return Imputation.read(one, self.study) if one is not None and one.method == Imputation.name else None

    @property
    def imputes(self) -> tuple[str, ...]:
        """The variables that the analysis under validation imputes."""
        return self.imputation.imputes if self.imputation else ()

    @property
    def complete(self) -> frozenset[str]:
        """The formula's variables and those that form subgroups; of imputed data what the imputation needs."""
        if self.imputation:
            return self.imputation.complete
        return frozenset([*self.formula.variables, *(one.variable for one in self.options.groups)])

    @property
    def needs(self) -> tuple[str, ...]:
        """The analysis that fits the model, or imputes for an equation."""
        return (self._imputing,) if self._imputing else ()

    @property
    def layout(self) -> Layout:
        """The models that are fitted again."""
        folds = self.options.cross
        return Layout(folds, self.options.repeats if folds else 0, self.options.bootstrap)

    def sends(self) -> tuple[Sends, ...]:
        """What each design sends, at most."""
        return tuple(_sends(self))

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """The conversation, its questions counted."""
        talk, answer, rounds = self._placed(earlier)._conversation(earlier), None, 0
        while True:
            try:
                question = talk.send(answer)
            except StopIteration as end:
                told: Result = end.value
                return replace(told, rounds=rounds)
            answer = yield question
            rounds += 1

    def _placed(self, earlier: Mapping[str, Result]) -> Method:
        """With the knots that the model's own analysis found, which every model of its design has."""
        equation = earlier[self.options.model].equation if self.formula.unplaced else None
        return replace(self, formula=formulas.parse(equation.formula, self.study.variables)) if equation else self

    def _conversation(self, earlier: Mapping[str, Result]) -> Generator[Any, Any, Result]:
        """Each part asks, and adds to what was found."""
        if self.imputation:
            chained = starts_from(earlier[self._imputing], self._imputing, self.options.equation)
            leaves = self.options.leave_out is not None
            seen = yield from foresee(chained, leaves, FEWEST_HOSPITALS, self.analysis)
            return imputed_told.tell(seen, chained, self.options, self.study, FEWEST_HOSPITALS)
        model = self._model(earlier)
        found = Findings(fixed=self.options.equation is not None, parameters=int(model.keep.sum()) - 1)
        yield from self._apparent(model, found)
        asked = yield from self._folds(model)
        if self.layout.folds:
            yield from self._cross_validate(asked, found)
        # Leaving a hospital out opens sums of fewer people: it comes before the numbers of the rest are spent.
        yield from self._by_hospital(model, asked, found)
        yield from self._bins(asked, found)
        yield from self._subgroups(asked, found)
        if self.options.bootstrap:
            yield from self._bootstrap(model, asked, found)
        if self.options.nonlinearity:
            found.bends = yield from splines.nonlinearity(
                self.formula,
                self.study.variables,
                model.coefficients,
                found.likelihood,
                found.people,
                self._least,
                self.analysis,
            )
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
        information = np.array(equation.information)
        return Model(np.array(equation.coefficients), information, ~aliased_columns(information))

    # The parts.

    def _apparent(self, model: Model, found: Findings) -> Part:
        asked = Asked(self.formula.text, model.coefficients[None, :], Layout())
        (found.apparent,), pooled = yield from measure(asked, [APPARENT], f"{self.analysis}.apparent")
        found.people, found.cases, found.sites = found.apparent.people, found.apparent.cases, pooled.sites
        found.likelihood = -found.apparent.log_loss * found.people

    def _refit(self, model: Model, numbers: NDArray[np.intp], name: str) -> Generator[Ask, Pooled, Floats]:
        """Coefficients (models, p) of fold or bootstrap models; NaN where their training people are separated."""
        if not len(numbers):
            return np.zeros((0, len(model.coefficients)))
        layout = self.layout if numbers[-1] > self.layout.fold_models else replace(self.layout, bootstrap=0)
        fitted = yield from fits.fit_models(
            self.formula.text, layout, numbers, model.coefficients, model.keep, f"{self.analysis}.{name}"
        )
        return fitted.coefficients

    def _folds(self, model: Model) -> Generator[Ask, Pooled, Asked]:
        """The fold models; every one of them must be estimable."""
        refitted = yield from self._refit(model, np.arange(1, 1 + self.layout.fold_models), "fold models")
        if not np.isfinite(refitted).all():
            raise Stopped(Finding("separation", values={"found": self.formula.text}))
        layout = replace(self.layout, bootstrap=0)
        return Asked(self.formula.text, np.vstack([model.coefficients, refitted]), layout)

    def _cross_validate(self, asked: Asked, found: Findings) -> Part:
        sets = [out_of_fold(repeat) for repeat in range(asked.layout.repeats)]
        crossed, _ = yield from measure(asked, sets, f"{self.analysis}.folds")
        found.crossed = mean_of(crossed)

    def _bins(self, asked: Asked, found: Findings) -> Part:
        """All descents together; then what stands on their bins: thresholds and the calibration curve."""
        centre, deviation = yield from scale(asked, found.people)
        folds = asked.layout.folds
        scored = out_of_fold(0) if folds else APPARENT
        whole = Tree(-EDGE, EDGE, centre, deviation)
        wanted = tuple(one.sensitivity for one in self.options.thresholds if one.sensitivity is not None)
        sets = [APPARENT, scored, *(held_out(0, k) for k in range(folds))]
        trees = [whole, replace(whole, cuts=self._cuts()), *[whole] * folds]
        if wanted:
            sets += [training(0, k) for k in range(folds)]
            trees += [replace(whole, quantiles=tuple(1 - share for share in wanted))] * folds
        grown = yield from score_trees(asked, sets, trees, self._least)
        found.tree, found.scored, found.held_out = grown[0], grown[1], grown[2 : 2 + folds]
        found.thresholds = [self._declared(one.value, found) for one in self.options.thresholds if one.value]
        if wanted:
            trained = grown[2 + folds :]
            if all(one.opened for one in trained):
                cuts = np.array([[one.safe_cut(1 - share) for one in trained] for share in wanted])
                found.thresholds += yield from held_out_accuracy(asked, scored, wanted, cuts)
            else:
                found.notes.append(Words("validate.no_thresholds"))
        if found.scored.opened:
            found.band = yield from splines.calibration_curve(asked, scored, found.scored, self.analysis)

    def _cuts(self) -> tuple[float, ...]:
        declared = [*self.options.decision, *(one.value for one in self.options.thresholds if one.value)]
        return tuple(sorted({float(special.logit(value)) for value in declared}))

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
        numbers = np.arange(1 + self.layout.fold_models, self.layout.models)
        refitted = yield from self._refit(model, numbers, "bootstrap models")
        boots = [int(b) for b in np.flatnonzero(np.isfinite(refitted).all(axis=1))]
        dropped = len(refitted) - len(boots)
        if dropped:
            found.notes.append(Words("validate.dropped", {"number": dropped}))
        if len(boots) < 2:
            found.notes.append(Words("validate.no_bootstrap"))
            return
        everyone = np.vstack([asked.coefficients, np.nan_to_num(refitted)])
        whole = Asked(self.formula.text, everyone, self.layout)
        found.optimism = yield from correct(whole, boots, found.apparent, self.analysis, dropped)
        if found.tree and found.tree.opened:
            found.unstable = yield from unstable(whole, boots, found.tree)

    def _by_hospital(self, model: Model, asked: Asked, found: Findings) -> Part:
        first = {"formula": self.formula.text, "coefficients": model.coefficients[None, :]}
        answers = yield Ask(own, first, each=True, doing="summing")
        found.hospitals = hospitals(answers, self._least)
        if not self.options.leave_out:
            return
        if len(found.sites) < FEWEST_HOSPITALS:
            found.notes.append(Words("validate.too_few_to_leave_out", {"number": FEWEST_HOSPITALS}))
            return
        folds = asked.layout.folds if self.options.joining else 0
        joint = asked.coefficients[: 1 + folds]
        answers = yield leave_one_out(
            self.formula.text, model.coefficients, model.information, found.people, model.keep, joint, folds
        )
        found.left_out = hospitals(answers, self._least)

    def _subgroups(self, asked: Asked, found: Findings) -> Part:
        scored = out_of_fold(0) if asked.layout.folds else APPARENT
        for one in self.options.groups:
            groups = yield from by_group(asked, scored, one.variable, tuple(one.cuts))
            found.subgroups += list(zip(group_labels(one, self.study), groups, strict=True))


def mean_of(repeats: list[Any]) -> Any:
    """Performance averaged over repeats of the folds; errors too, since repeats share all their people."""
    first = repeats[0]
    if len(repeats) == 1:
        return first
    names = ("auc", "auc_error", "oe", "log_oe_error", "brier", "log_loss")
    means: dict[str, Any] = {name: float(np.mean([getattr(one, name) for one in repeats])) for name in names}
    for name in ("citl", "slope"):
        pairs = np.array([[getattr(one, name).value, getattr(one, name).standard_error] for one in repeats])
        means[name] = type(first.citl)(*(float(value) for value in pairs.mean(axis=0)))
    return replace(first, **means)


def _formula_text(analysis: Analysis, options: Options, study: Study) -> str:
    if options.imputation and not options.equation:
        raise FileFault(Finding("option_imputation", place=analysis.place("imputation")))
    if options.imputation:
        one = study.analyses.get(options.imputation)
        if one is None or one.method != Imputation.name or one.cohort != analysis.cohort:
            known = [name for name, each in study.analyses.items() if each.method == Imputation.name]
            raise FileFault(_no_such(analysis, "imputation", options.imputation, (Imputation.name,), known))
    if options.equation:
        return options.equation.formula
    model = study.analyses.get(options.model)
    if model is None or model.method not in VALIDATED or model.cohort != analysis.cohort:
        known = [name for name, one in study.analyses.items() if one.method in VALIDATED]
        raise FileFault(_no_such(analysis, "model", options.model, VALIDATED, known))
    return str(model.options.get("formula", ""))


def _unlike(analysis: Analysis, given: Equation, expected: str) -> Finding:
    values = {"found": f"{given.outcome}: {', '.join(sorted(given.coefficients))}", "expected": expected}
    return Finding("option_equation", place=analysis.place("equation"), values=values)


def _no_such(analysis: Analysis, path: str, found: str, methods: Sequence[str], known: Sequence[str]) -> Finding:
    """That an option does not name an analysis of some methods on the same cohort."""
    values = {"found": found, "method": ", ".join(methods), "expected": ", ".join(known) or "-"}
    return Finding("option_analysis", place=analysis.place(path), values=values)


def _measured(one: Subgroup, study: Study) -> bool:
    return study.variables[one.variable].type not in ("boolean", "category")


def group_labels(one: Subgroup, study: Study) -> list[Words]:
    """A label for each group of a variable."""
    variable = study.variables[one.variable]
    number = number_of_groups(variable, len(one.cuts))
    if not _measured(one, study):
        return [Words(text=level_label(variable, level)) for level in range(number)]
    ends = [f"< {one.cuts[0]:g}", *(f"{a:g} – < {b:g}" for a, b in pairwise(one.cuts)), f"≥ {one.cuts[-1]:g}"]
    return [Words(text=join(": ", variable.label, Text(end, end, end))) for end in ends]


def _imputed_sends(imputation: Imputation, leaves: bool) -> Generator[Sends, None, None]:
    """By step, of a model of imputed data."""
    spec = imputation.spec
    yield Sends("validate.completed", 6 * spec.times + 2, 1)
    yield Sends("validate.completed_lines", 12 * spec.times, MOST_STEPS)
    yield Sends("validate.completed_own", 3 + len(OWN) + len(RATIO), 1, each=True)
    if leaves:
        widest = max(spec.width(name) for name in spec.impute)
        yield Sends("imputation.everyone", spec.times * widest * (widest + 1) // 2, len(spec.impute))
        yield from (replace(one, to="left_out") for one in imputation.sends())
        yield Sends("validate.completed_own", 3 + len(OWN) + len(RATIO), 1, each=True)


def _sends(method: Method) -> Generator[Sends, None, None]:
    """By step; descents stop where bins get small, so theirs is an upper limit."""
    if method.imputation:
        yield from _imputed_sends(method.imputation, method.options.leave_out is not None)
        return
    p = len(method.formula.columns(method.study.variables))
    layout, options = method.layout, method.options
    size, sets = p + p * (p + 1) // 2 + 1, 1 + layout.repeats
    yield Sends("validate.performance", 6 * sets + 2, 2)
    yield Sends("validate.recalibration", 12 * sets, 2 * MOST_STEPS)
    if layout.models > 1:
        yield Sends("validate.newton", size * (layout.models - 1), MOST_STEPS)
    yield Sends("validate.location", 2, 1)
    yield Sends("validate.score_bins", 4 * (2 + 2 * layout.folds) * 16, 24)
    yield Sends("validate.smooth", 15, MOST_STEPS)
    if any(one.sensitivity is not None for one in options.thresholds):
        yield Sends("validate.at_cuts", 4 * len(options.thresholds), 1)
    if layout.bootstrap:
        yield Sends("validate.draws", 2 * layout.bootstrap, 1)
        yield Sends("validate.optimism", 6, 1)
        yield Sends("validate.instability", 5 * 64, 1)
    yield Sends("validate.own", 15, 1, each=True)
    if options.leave_out:
        yield Sends("validate.newton", size, MOST_STEPS, to="left_out")
        yield Sends("validate.left_out", 15 + (28 if options.joining else 0), 1, each=True)
    if options.groups:
        yield Sends("validate.subgroup", 7 * 16, len(options.groups))
    if options.nonlinearity:
        measured = len(splines.measured(method.formula, method.study.variables))
        yield Sends("validate.variable_bins", 2 * 32 * measured, 12)
        yield Sends("validate.bent", (size + 2 * p + 5) * measured, MOST_STEPS)
