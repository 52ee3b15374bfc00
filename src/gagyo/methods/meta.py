"""Meta-analysis between hospitals: each fits its own model inside, and its coefficients of named terms are combined.

Not equal to the pooled analysis: hospitals may differ in effect, which is what it asks about. Random effects by REML,
DerSimonian & Laird (1986) or Paule & Mandel (1982), with Hartung & Knapp (2001), never narrower than the standard
interval; fixed effect; Q, I2, tau2; prediction interval from five hospitals; each hospital left out in turn. Effects by
region, their consistency and an interaction with region: ICH E17 (2017). Papers: `gagyo.statistics.metaanalysis`,
`gagyo.statistics.consistency`. Reference: R metafor on fits by `glm` and `lm` at each hospital.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Numerals, Sends
from gagyo.federation.local import Name, Names, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding
from gagyo.methods._meta_own import own_fit
from gagyo.methods._meta_regions import AcrossRegions
from gagyo.methods._meta_told import Own, Told
from gagyo.protocol import formula as formulas
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.written import SITE
from gagyo.release.aggregate import Aggregate, everybody, scalar
from gagyo.result import Result
from gagyo.statistics.metaanalysis import Variance

FEWEST = 2
"""Hospitals with an estimate, under which there is nothing to combine."""


@local(formula=Name(), model=Name(), terms=Names())
def own(rows: Rows, formula: str, model: str, terms: list[str]) -> Aggregate:
    """The hospital's own coefficients of the terms, their standard errors, and how many people.

    People behind a coefficient: the smaller class of a yes/no outcome or those whose measured one is not zero, crossed
    with who has a 0/1 term and who has not, or with those whose measured term is not zero; nobody where the fit has
    more than a third of a parameter a person, or no finite estimate.
    """
    parsed = rows.formula(formula)
    fit = own_fit(rows, parsed, model, terms)
    return {
        "people": everybody(rows.n),
        "coefficients": scalar(fit.coefficients, fit.people, fit.spread),
        "errors": scalar(fit.errors, fit.people, fit.spread),
    }


class Regions(BaseModel):
    """Whether the effect is consistent across regions, as ICH E17 and the Japanese guidance ask."""

    model_config = ConfigDict(extra="forbid")

    regions: dict[str, list[str]]
    """The hospitals of each region: a country, or several; every hospital of the study in one."""
    fraction: float = Field(0.5, gt=0, lt=1)
    """The part of the overall effect that a region's effect must be more than (method 1)."""


class Options(BaseModel):
    """What a study file may say of a meta-analysis between hospitals."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    """The model that each hospital fits to its own people."""
    terms: list[str]
    """The columns of the model whose coefficients leave the hospitals and are combined; nothing else of it leaves."""
    model: Literal["logistic", "linear"] = "logistic"
    """Logistic, for odds ratios, or linear, for differences."""
    variance: Variance = "REML"
    """The variance between hospitals: restricted likelihood, DerSimonian-Laird, Paule-Mandel."""
    hartung_knapp: bool = True
    """Hartung and Knapp's interval, never narrower than the standard one; else the standard one."""
    consistency: Regions | None = None
    """Effects by region, methods 1 and 2 of consistency, and the test of an interaction with region."""


@dataclass(frozen=True)
class Method:
    """A meta-analysis of a study's analysis."""

    formula: Formula
    options: Options
    study: Study

    name: ClassVar[str] = "meta"
    lossless: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault where formula, outcome or terms do not fit."""
        options = Options(**analysis.options)
        formula = formulas.parse(options.formula, study.variables)
        check_none(list(_faults(options, formula, analysis, study)))
        return cls(formula, options, study)

    @property
    def complete(self) -> frozenset[str]:
        """All variables of the formula."""
        return frozenset(self.formula.variables)

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def sends(self) -> tuple[Sends, ...]:
        """A number of people, and two numbers a term, of each hospital by itself."""
        return (Sends("meta.own", 1 + 2 * len(self.options.terms), 1, each=True),)

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Every hospital's own estimates; then their summaries."""
        one = self.options
        named = {"formula": self.formula.text, "model": one.model, "terms": list(one.terms)}
        answers = yield Ask(own, named, each=True, doing="comparing")
        hospitals = [_read(name, answer, self.study.release.minimum_people) for name, answer in answers.items()]
        for index, term in enumerate(one.terms):
            known = sum(hospital.knows(index) for hospital in hospitals)
            if known < FEWEST:
                raise Stopped(Finding("meta_few", values={"term": term, "found": known, "expected": FEWEST}))
        labels = {column.name: column.label for column in self.formula.columns(self.study.variables)}
        regions = (
            AcrossRegions(one.consistency.regions, one.consistency.fraction, one.model) if one.consistency else None
        )
        told = Told(self.formula.text, one.model, one.variance, one.hartung_knapp, regions)
        return told.result([(term, labels[term]) for term in one.terms], hospitals)


def _read(name: str, answer: Numerals, least: int) -> Own:
    reason = answer.reasons.get("coefficients", "")
    people = float(answer["people"][0])
    return Own(name, people, answer["coefficients"], answer["errors"], reason, least)


def _faults(options: Options, formula: Formula, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """All that does not fit together."""
    kinds = {"logistic": ("boolean",), "linear": ("number", "integer", "date", "boolean")}[options.model]
    if study.variables[formula.outcome].type not in kinds:
        values = {"found": formula.outcome, "model": options.model, "expected": ", ".join(kinds)}
        yield Finding("meta_outcome", place=analysis.place("formula"), values=values)
    yield from _region_faults(options, analysis, study)
    columns = [column.name for column in formula.columns(study.variables) if column.name != "Intercept"]
    unknown = [term for term in options.terms if term not in columns]
    if unknown or not options.terms or len(set(options.terms)) < len(options.terms):
        values = {"found": ", ".join(unknown or options.terms), "expected": ", ".join(columns)}
        yield Finding("meta_terms", place=analysis.place("terms"), values=values)


def _region_faults(options: Options, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """Every hospital is in exactly one of at least two regions."""
    if options.consistency is None or not study.sites:
        return
    regions = options.consistency.regions
    # Names that can be none are told where the study lists its hospitals.
    listed = [site for sites in regions.values() for site in sites if re.fullmatch(SITE, site)]
    if sorted(listed) != sorted(study.sites) or len(regions) < 2 or not all(regions.values()):
        said = "; ".join(f"{name}: {', '.join(sites)}" for name, sites in regions.items())
        values = {"found": said or "0", "expected": ", ".join(study.sites)}
        yield Finding("meta_regions", place=analysis.place("consistency"), values=values)
