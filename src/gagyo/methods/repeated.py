"""Repeated measurements of each person, equal to the pooled fit by REML or ML (lossless), in two or three rounds.

A linear model of an outcome at scheduled visits, with an unstructured covariance of the visits (the mixed model for
repeated measures, MMRM), random intercepts and slopes of people, or a correlation that decays with time; and with a
fixed or random intercept of each hospital, or none. A person's row holds the value at each visit. Who missed a visit
counts with all that was measured. Hospitals send sums of products by pattern of visits; all of the fit is outside.
Laird & Ware (1982) Biometrics 38:963; Mallinckrodt et al. (2008) Drug Inf J 42:303; Luo et al. (2022) Nat Commun
13:1678. Reference: R lme4's `lmer`, nlme's `gls`, lmerTest; papers of the arithmetic in `gagyo.statistics.repeated`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Numerals, Pooled, Sends
from gagyo.federation.local import Name, Names, Numbers, Parameter, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods._newton import aliased_columns, symmetric, triangle
from gagyo.methods._regression import column_bounds
from gagyo.methods._repeated_cells import own_cells, pattern_cells, spread_by_pattern
from gagyo.methods._repeated_design import OCCASIONS, Design, Laid, Measured, declared
from gagyo.methods._repeated_told import Fitted, Told
from gagyo.protocol.declared import speakable
from gagyo.protocol.guards import unknown_variable
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.ucum import is_unit
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import Aggregate, Floats, everybody, joint, side_by_side, spread_of
from gagyo.result import Result
from gagyo.statistics import repeated
from gagyo.statistics.repeated import Data, Decaying, Effects, NoMaximum, Pattern, Structure, Unstructured
from gagyo.text import Text

FEWEST = 5
"""Hospitals under which their effect is not random: a variance between fewer is hardly known."""

FEWEST_VISITS = 2
FEWEST_OF_A_SLOPE = 3
"""Visits without which a slope of each person, its intercept and the residual cannot be told apart."""

MOST_VISITS = 6
"""Visits of which some may be missed: of more there are more than 63 patterns, each a group with its own sums."""

MOST_COMPLETE = 12
"""Visits of people who missed none."""

ARGUMENTS: dict[str, Parameter] = {
    "formula": Name(),
    "measured": Name(),
    "visits": Names(MOST_COMPLETE),
    "times": Numbers((None,), -1e9, 1e9),
}
Covariance = Literal["unstructured", "slope", "intercept", "ar1"]


@local(**ARGUMENTS, whole=Numbers((1,), 0, 1))
def start(rows: Rows, formula: str, measured: str, visits: list[str], times: Floats, whole: Floats) -> Aggregate:
    """Over those measured at all (or at all visits): how many, the sum of each of their columns; how many measurements,
    and their sum. And how many people there are, those never measured too.
    """
    laid = Laid.of(rows, formula, measured, visits, times)
    patterns = _patterns(laid.design, whole)
    ever = np.logical_or.reduce([laid.having(one) for one in patterns])
    outcomes = laid.outcomes[ever]
    each = np.column_stack([laid.columns[ever], (~np.isnan(outcomes)).sum(axis=1), np.nan_to_num(outcomes).sum(axis=1)])
    bound = np.concatenate([column_bounds(rows, laid.design.people), [len(visits), _most(rows, visits) * len(visits)]])
    cells = pattern_cells(laid, patterns)
    sums = joint(each.sum(axis=0), bound, cells, side_by_side(spread_of(each), spread_of(np.nan_to_num(outcomes))))
    return {"people": everybody(rows.n), "sums": sums}


@local(**ARGUMENTS, whole=Numbers((1,), 0, 1), centre=Numbers((None,), -1e9, 1e9))
def blocks(
    rows: Rows, formula: str, measured: str, visits: list[str], times: Floats, whole: Floats, centre: Floats
) -> Aggregate:
    """This hospital's own sums about `centre` (q + 1) by pattern of visits: of people's columns and the outcomes."""
    laid = Laid.of(rows, formula, measured, visits, times)
    patterns = _patterns(laid.design, whole)
    plain = [_columns(laid, one, np.zeros(len(centre))) for one in patterns]
    away = [_columns(laid, one, centre) for one in patterns]
    bound = np.concatenate([_bounds(laid, one) for one in patterns])
    values = np.concatenate([one.sum(axis=0) for one in away])
    spread = side_by_side(spread_by_pattern(plain), spread_by_pattern(away))
    return {"block": joint(values, bound, own_cells(laid, patterns), spread)}


@local(**ARGUMENTS, whole=Numbers((1,), 0, 1), centre=Numbers((None,), -1e9, 1e9))
def products(
    rows: Rows, formula: str, measured: str, visits: list[str], times: Floats, whole: Floats, centre: Floats
) -> Aggregate:
    """Products (upper triangles) of people's columns and outcomes about `centre` (q + 1), by pattern of visits."""
    laid = Laid.of(rows, formula, measured, visits, times)
    patterns = _patterns(laid.design, whole)
    columns = [_columns(laid, one, centre) for one in patterns]
    values = np.concatenate([(one.T @ one)[triangle(one.shape[1])] for one in columns])
    sizes = [_bounds(laid, one) for one in patterns]
    bound = np.concatenate([np.outer(one, one)[triangle(len(one))] for one in sizes])
    spread = spread_by_pattern([one**2 for one in columns])
    return {"products": joint(values, bound, pattern_cells(laid, patterns), spread)}


def _patterns(design: Design, whole: Floats) -> Sequence[tuple[int, ...]]:
    """The patterns of visits, or the whole one alone."""
    return design.patterns[:1] if whole[0] else design.patterns


def _columns(laid: Laid, pattern: Sequence[int], centre: Floats) -> Floats:
    """People's columns and the pattern's outcomes about the centre, of the people of the pattern."""
    inside, at = laid.having(pattern), list(pattern)
    return np.column_stack([laid.columns[inside] - centre[:-1], laid.outcomes[inside][:, at] - centre[-1]])


def _bounds(laid: Laid, pattern: Sequence[int]) -> Floats:
    most = _most(laid.rows, laid.design.visits)
    return 2 * np.append(column_bounds(laid.rows, laid.design.people), np.full(len(pattern), most))


def _most(rows: Rows, visits: Sequence[str]) -> float:
    """The greatest size of an outcome that the declared ranges allow."""
    return float(max(np.abs(rows.variables[one].bounds).max() for one in visits))


class Options(BaseModel):
    """What a study file may say of repeated measurements."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    """The outcome's name on the left; on the right `visit` (a category), `time` (a number), and variables known from
    the start."""
    measured: Measured
    """The outcome: its name, its label, and by variable the time of the visit whose value it holds."""
    time_unit: str = ""
    """The unit of the visits' times, a UCUM code."""
    covariance: Covariance = "unstructured"
    """Of a person's measurements: any; random intercept and slope in time, or intercept, of each person; or a
    correlation that decays with the time between (ar1)."""
    hospital: Literal["auto", "fixed", "random", "none"] = "auto"
    """The hospitals' intercepts: random from five hospitals on with `slope` and `intercept`, else fixed; or none."""
    estimation: Literal["REML", "ML"] = "REML"
    """Restricted likelihood, for variances; or likelihood, to compare models of different formulas."""
    compare: str = ""
    """A yes/no variable of the formula: adjusted means are told with and without it, and their difference."""
    incomplete: Literal["keep", "leave_out"] = "keep"
    """Who missed a visit: kept with all that was measured, or left out."""


@dataclass(frozen=True)
class Method:
    """Repeated measurements of a study's analysis."""

    design: Design
    options: Options
    study: Study

    name: ClassVar[str] = "repeated"
    lossless: ClassVar[bool] = True
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where outcome, visits, formula or hospitals do not fit."""
        options = Options(**analysis.options)
        check_none(list(_visit_faults(options, analysis, study)))
        variables = _declared(options, study.variables)
        one = options.measured
        design = Design.of(options.formula, variables, one.names, one.times)
        check_none(list(_faults(options, design, analysis, study)))
        return cls(design, options, replace(study, variables=variables))

    @property
    def complete(self) -> frozenset[str]:
        """What of the formula is known from the start; all visits where those who missed some are left out."""
        visits = self.design.visits if self.options.incomplete == "leave_out" else ()
        return frozenset((*self.design.people.predictors, *visits))

    @property
    def patterned(self) -> tuple[str, ...]:
        """The variables of visits that people may have missed: sums are opened by who has which of them."""
        return self.design.visits if self.options.incomplete == "keep" else ()

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def patterns(self) -> Sequence[tuple[int, ...]]:
        """The patterns of visits that somebody may have."""
        return _patterns(self.design, self._whole)

    @property
    def hospitals(self) -> repeated.Hospitals:
        """What hospitals have."""
        if self.options.hospital != "auto":
            return self.options.hospital
        of_people = self.options.covariance in ("slope", "intercept")
        return "random" if of_people and len(self.study.sites) >= FEWEST else "fixed"

    @property
    def _whole(self) -> Floats:
        return np.array([float(self.options.incomplete == "leave_out")])

    @property
    def _widths(self) -> list[int]:
        return [self.design.people.width + len(one) for one in self.patterns]

    def sends(self) -> tuple[Sends, ...]:
        """Sums; a hospital's own sums by pattern, unless hospitals have no effects; products by pattern."""
        widths = self._widths
        first = Sends("repeated.start", 3 + self.design.people.width, 1)
        last = Sends("repeated.products", sum(width * (width + 1) // 2 for width in widths), 1)
        if self.hospitals == "none":
            return first, last
        return first, Sends("repeated.blocks", sum(widths), 1, each=True), last

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Sums, fit, tell."""
        try:
            fitted = yield from self._fit()
        except Stopped as why:
            if any(one.code in ("answer_withheld", "withheld_fit") for one in why.findings):
                raise Stopped(Finding("repeated_withheld", values={"found": self.options.measured.name})) from None
            raise
        one = self.options
        complete = one.incomplete == "leave_out"
        told = Told(self.design, self.study, one.covariance, self.hospitals, one.estimation, one.compare, complete)
        return told.result(fitted)

    def _fit(self) -> Generator[Ask, Any, Fitted]:
        named: dict[str, Any] = {
            "formula": self.design.formula.text,
            "measured": self.options.measured.name,
            "visits": list(self.design.visits),
            "times": self.design.times,
            "whole": self._whole,
        }
        structure = self.structure
        parameters = len(self.design.columns) + len(structure.start()) + 1
        first: Pooled = yield Ask(start, named, fit=self.design.formula.text, parameters=parameters, doing="fitting")
        if self.hospitals == "random" and len(first.sites) < FEWEST:
            raise Stopped(Finding("mixed_few", values={"found": len(first.sites), "expected": FEWEST}))
        q = self.design.people.width
        sums = _whole_of(first, "sums")
        means = np.append(sums[:q] / sums[0], sums[q + 1] / sums[q])
        centre = np.where(np.append(self.design.centred(), True), means, 0.0)
        named = {**named, "centre": centre}
        own: dict[str, Floats] = {}
        if self.hospitals != "none":
            answers: dict[str, Numerals] = yield Ask(blocks, named, each=True, doing="fitting")
            own = {site: _whole_of(answer, "block") for site, answer in answers.items()}
        opened: Pooled = yield Ask(products, named, doing="fitting")
        data = self._data(_whole_of(opened, "products"), own)
        sizes, aliased = _sizes(data)
        if data.measurements <= int((~aliased).sum()):
            raise Stopped(Finding("repeated_few", values={"found": data.measurements}))
        try:
            found = repeated.fit(data, structure, aliased, sizes, self.options.estimation == "REML")
        except NoMaximum:
            raise Stopped(Finding("repeated_not_settled", values={"found": self.options.covariance})) from None
        people = {one: round(float(part.gram[0, 0])) for one, part in zip(self.patterns, data.patterns, strict=True)}
        everyone, rounds = int(_whole_of(first, "people")[0]), 2 if self.hospitals == "none" else 3
        return Fitted(found, people, everyone, means, centre, data.own, first.sites, rounds)

    @cached_property
    def structure(self) -> Structure:
        """The covariance of the visits."""
        times = self.design.times
        match self.options.covariance:
            case "unstructured":
                return Unstructured(len(times))
            case "ar1":
                return Decaying(times / np.diff(times).mean())
            case "intercept":
                return Effects(np.ones((len(times), 1)))
            case _:
                return Effects(np.column_stack([np.ones(len(times)), times / np.abs(times).max()]))

    def _data(self, opened: Floats, own: Mapping[str, Floats]) -> Data:
        """What was opened, by pattern; without the intercept where each hospital has its own."""
        widths = self._widths
        ends = np.cumsum([width * (width + 1) // 2 for width in widths])[:-1]
        sums = np.array([*own.values()]).reshape(len(own), sum(widths))
        pieces = zip(
            self.patterns, widths, np.split(opened, ends), np.split(sums, np.cumsum(widths)[:-1], axis=1), strict=True
        )
        parts = [Pattern(np.array(one), symmetric(upper, width), there) for one, width, upper, there in pieces]
        layout, from_ = self.design.layout, int(self.hospitals == "fixed")
        return Data(parts, repeated.Layout(layout.of[from_:], layout.at[from_:]), self.hospitals)


def _whole_of(answer: Numerals, name: str) -> Floats:
    if not answer.whole(name):
        raise Stopped(Finding("withheld_fit"))
    return answer[name]


def _sizes(data: Data) -> tuple[Floats, np.ndarray]:
    """The size of each column and of the outcome, and which columns those before them determine."""
    plain = repeated.plain(data)
    size = np.sqrt(np.diag(plain) / max(data.measurements, 1))
    size[: data.fixed] = 1.0
    return np.where(size > 0, size, 1.0), aliased_columns(plain[:-1, :-1])


def _declared(options: Options, variables: Mapping[str, Variable]) -> dict[str, Variable]:
    one = options.measured
    label = Text(one.label.en, one.label.ko, one.label.zh)
    return declared(variables, one.name, label, one.names, one.times, options.time_unit)


def _visit_faults(options: Options, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """What is wrong with the outcome's name, its visits and their times."""
    one, place = options.measured, analysis.place("measured")
    for name in (one.name, *OCCASIONS):
        if name in study.variables or (name == one.name and not _is_free(name)):
            yield Finding("repeated_name", place=place, values={"found": name})
    most = MOST_VISITS if options.incomplete == "keep" or options.covariance == "unstructured" else MOST_COMPLETE
    if len(one.visits) > most:
        yield Finding("repeated_many", place=place, values={"found": len(one.visits), "expected": most})
    if len(one.visits) < FEWEST_VISITS:
        yield Finding("repeated_single", place=place, values={"found": len(one.visits), "expected": FEWEST_VISITS})
    if len(set(one.visits.values())) < len(one.visits):
        times = ", ".join(f"{time:g}" for time in one.visits.values())
        yield Finding("repeated_times", place=place, values={"found": times})
    if options.time_unit and not is_unit(options.time_unit):
        yield Finding("repeated_unit", place=analysis.place("time_unit"), values={"found": options.time_unit})
    yield from _variable_faults(options, analysis, study)


def _is_free(name: str) -> bool:
    return speakable(name) and name not in OCCASIONS


def _variable_faults(options: Options, analysis: Analysis, study: Study) -> Iterator[Finding]:
    place = analysis.place("measured.visits")
    there = [study.variables[name] for name in options.measured.visits if name in study.variables]
    for name in options.measured.visits:
        if name not in study.variables:
            yield replace(unknown_variable(name, study.variables), place=place)
        elif study.variables[name].type not in ("number", "integer"):
            values = {"found": name, "expected": "number, integer"}
            yield Finding("repeated_type", place=place, values=values)
    if len({one.unit for one in there}) > 1:
        units = ", ".join(f"{one.name}: {one.unit or '1'}" for one in there)
        yield Finding("repeated_units", place=place, values={"found": units})


def _faults(options: Options, design: Design, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """All else that does not fit together."""
    formula, name = design.formula, options.measured.name
    named = [one for one in formula.predictors if one in (name, *design.visits)]
    over_time = any(one in formula.predictors for one in OCCASIONS)
    if formula.outcome != name or not formula.intercept or named or not over_time:
        values = {"found": formula.text, "expected": f"{name} ~ visit + …, {name} ~ time + …"}
        yield Finding("repeated_formula", place=analysis.place("formula"), values=values)
    if options.covariance == "slope" and len(design.visits) < FEWEST_OF_A_SLOPE:
        few = {"found": len(design.visits), "expected": FEWEST_OF_A_SLOPE}
        yield Finding("repeated_slope", place=analysis.place("covariance"), values=few)
    if options.hospital == "random" and len(study.sites) < FEWEST:
        few = {"found": len(study.sites), "expected": FEWEST}
        yield Finding("repeated_hospitals", place=analysis.place("hospital"), values=few)
    if options.compare and not _may_be_compared(options.compare, design, study):
        values = {"found": options.compare, "expected": formula.text}
        yield Finding("repeated_compare", place=analysis.place("compare"), values=values)


def _may_be_compared(name: str, design: Design, study: Study) -> bool:
    """Whether it is a yes/no variable of the formula, and all that it is multiplied with is in the formula too."""
    if name not in study.variables or study.variables[name].type != "boolean" or name not in design.formula.predictors:
        return False
    terms: set[frozenset[str]] = {term.names for term in design.people.terms} | {frozenset()}
    return all(term.names - {name} in terms for term in design.people.terms if name in term.names)
