"""What does not fit between a validation's options, the model that they name and the study, each at its line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

from gagyo.errors import FileFault
from gagyo.finding import Finding
from gagyo.methods._validation.options import FEWEST_HOSPITALS, Equation, Options
from gagyo.methods._validation.subgroups import is_measured
from gagyo.protocol.formula import Formula
from gagyo.protocol.guards import listed, nearest
from gagyo.protocol.study import Analysis, Study
from gagyo.result import Words

IMPUTES = "imputation"
VALIDATED = ("logistic", IMPUTES)
"""Methods whose analyses give a model to validate."""

OF_COMPLETE = ("repeats", "bootstrap", "joining", "nonlinearity")
"""Options of a validation of complete data alone; of imputed data they are as where nothing is written."""

UNASKED = {name: field.default for name, field in Options.model_fields.items()}


def formula_text(analysis: Analysis, options: Options, study: Study) -> str:
    """The formula of the equation, or of the analysis that gives the model.

    Raises:
        FileFault: an option names no analysis that could.
    """
    if options.imputation and not options.equation:
        raise FileFault(Finding("option_imputation", place=analysis.place("imputation")))
    if not options.starts_from and options.equation:
        return options.equation.formula
    path, methods = ("imputation", (IMPUTES,)) if options.imputation else ("model", VALIDATED)
    could = {
        name: one for name, one in study.analyses.items() if one.method in methods and one.cohort == analysis.cohort
    }
    if options.starts_from not in could:
        values = {"found": options.starts_from, "method": ", ".join(methods), "expected": ", ".join(could) or "–"}
        raise FileFault(Finding("option_analysis", place=analysis.place(path), values=values))
    return options.equation.formula if options.equation else str(could[options.model].options.get("formula", ""))


class Imputing(Protocol):
    """The analysis that imputes what people lack."""

    @property
    def formula(self) -> Formula: ...

    @property
    def options(self) -> Any: ...


@dataclass(frozen=True)
class Said:
    """What an analysis says: its options, and the formula of what it validates."""

    analysis: Analysis
    options: Options
    study: Study
    formula: Formula

    def of_complete(self) -> Iterator[Finding]:
        """What does not fit a validation of people who lack nothing."""
        yield from self._of_hospitals()
        given = self.options.equation
        if given and (set(given.coefficients) != self._terms(self.formula) or given.outcome != self.formula.outcome):
            yield self._unlike(given, self.formula)
        if self.study.variables[self.formula.outcome].type != "boolean":
            yield self._finding("option_outcome", "model", found=self.formula.outcome)
        yield from self._of_groups()

    def _of_groups(self) -> Iterator[Finding]:
        """Subgroups of no variable, or of a measurement without cuts."""
        for one in self.options.groups:
            if one.variable not in self.study.variables:
                names = self.study.variables
                hint = nearest(one.variable, names)
                yield self._finding(
                    "unknown_variable", "subgroups", found=one.variable, expected=listed(names), hint=hint
                )
            elif is_measured(one, self.study) and (not one.cuts or any(a >= b for a, b in pairwise(one.cuts))):
                yield self._finding("option_cuts", "subgroups", found=one.variable)

    def of_imputed(self, imputing: Imputing) -> Iterator[Finding]:
        """What does not fit a model of imputed data: how it was imputed, or designs that it cannot be validated by."""
        yield from self._of_hospitals()
        how, given = imputing.options, self.options.equation
        if (how.purpose, how.model) != ("prediction", "logistic"):
            found = f"{self.options.starts_from}: purpose: {how.purpose}, model: {how.model}"
            yield self._finding("validate_imputed", "imputation" if self.options.imputation else "model", found=found)
        if given and self._differs(given, imputing.formula):
            yield self._unlike(given, imputing.formula)
        asked = {name: value for name, value in self.options if name in OF_COMPLETE}
        designs = [f"{name}: {value}" for name, value in asked.items() if value != UNASKED[name]]
        shares = [one.sensitivity for one in self.options.thresholds if one.sensitivity is not None]
        designs += [f"threshold: {{sensitivity: {one:g}}}" for one in shares]
        if designs:
            expected = "folds, threshold: {value: ...}, decision, subgroups, leave_out, countries"
            yield self._finding("validate_imputed_design", "model", found=", ".join(designs), expected=expected)
        yield from self._of_groups()
        for one in self.options.groups:
            if one.variable in how.impute:
                yield self._finding("validate_imputed_group", "subgroups", found=one.variable)
        if self.options.thresholds or self.options.decision:
            beside = ", ".join(self._counting_scores())
            if beside:
                yield self._finding("validate_imputed_thresholds", "threshold", found=beside)

    def _counting_scores(self) -> Iterator[str]:
        """Other validations of the same people that count their scores between thresholds, or in bins."""
        for name, other in self.study.analyses.items():
            options = other.options
            same = other.method == self.analysis.method and other.cohort == self.analysis.cohort
            if not same or name == self.analysis.name:
                continue
            start = self.study.analyses.get(str(options.get("imputation") or options.get("model") or ""))
            imputed = start is not None and start.method == IMPUTES
            if not imputed or options.get("threshold") or options.get("decision"):
                yield name

    def _of_hospitals(self) -> Iterator[Finding]:
        """Too few hospitals to leave one out."""
        if self.options.leave_out and len(self.study.sites) < FEWEST_HOSPITALS:
            values = {"found": len(self.study.sites), "expected": FEWEST_HOSPITALS}
            yield Finding("option_leave_out", place=self.analysis.place("leave_out"), values=values)

    def _differs(self, given: Equation, imputed: Formula) -> bool:
        """Whether an equation has another outcome or other columns than the formula whose data are imputed."""
        outcomes = {given.outcome, self.formula.outcome, imputed.outcome}
        return not (set(given.coefficients) == self._terms(imputed) == self._terms(self.formula)) or len(outcomes) > 1

    def _terms(self, formula: Formula) -> set[str]:
        return {column.name for column in formula.columns(self.study.variables)}

    def _unlike(self, given: Equation, formula: Formula) -> Finding:
        found, expected = (", ".join(sorted(names)) for names in (given.coefficients, self._terms(formula)))
        told = {"found": f"{given.outcome}: {found}", "expected": f"{formula.outcome}: {expected}"}
        return self._finding("option_equation", "equation", **told)

    def _finding(self, code: str, path: str, **values: str | Words) -> Finding:
        return Finding(code, place=self.analysis.place(path), values=dict(values))
