"""Medians, quartiles and other quantiles by group, and histograms, from people in cells of at least k (not lossless).

A descent on the secure sum divides the cells in which a quantile lies, a binary digit a round, and stops where a part
would hold 1 to k-1 people of a group; cf. the secure k-th ranked element of Aggarwal, Mishra & Pinkas (2004, Eurocrypt,
LNCS 3027:40). Then the quantile is told with the bounds of its cell. It equals the pooled data's (R's and numpy's type
7; Hyndman & Fan 1996, Am Stat 50:361) and is called exact where its cell holds one value alone. No minimum, maximum or
quantile with fewer than k people beyond it is told. Reference: R's `quantile`, `qbinom`, `hist`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from gagyo.errors import Stopped, check_none
from gagyo.federation.ask import Ask, Conversation, Pooled, Sends
from gagyo.federation.dispensable import Kept, unless_withheld
from gagyo.finding import Finding
from gagyo.methods._kept import lacking
from gagyo.methods._quantiles_grown import grow
from gagyo.methods._quantiles_told import Told, even_edges, even_width, nearest_edges
from gagyo.methods._value_cells import Values
from gagyo.methods._values import Asked, bins_step, present_step, value_faults
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.variables import levels_of
from gagyo.release.aggregate import Floats
from gagyo.result import Result, Words

present = present_step("quantiles")
value_bins = bins_step("quantiles")

QUARTILES = (0.25, 0.5, 0.75)


class Options(BaseModel):
    """What a study file may say of quantiles."""

    model_config = ConfigDict(extra="forbid")

    variables: list[str]
    """The measurements: of type number or integer."""
    by: str = ""
    """A variable whose levels are groups."""
    quantiles: list[float] = list(QUARTILES)
    """Shares between 0 and 1; 0.5 is the median."""
    histogram: bool = False
    """Also count people in cells of even width (Freedman and Diaconis), those under the minimum merged."""
    edges: dict[str, list[float]] = {}
    """By variable, where a histogram's cells should end; each is moved to the nearest end of a cell that is open."""
    complete: list[str] = []
    """Variables whose absence takes a person out of the cohort's analysis set, for all its analyses alike."""


@dataclass(frozen=True)
class Method:
    """The quantiles of a study's analysis."""

    options: Options
    study: Study

    name: ClassVar[str] = "quantiles"
    lossless: ClassVar[bool] = False
    Options: ClassVar[type[BaseModel]] = Options

    @classmethod
    def read(cls, analysis: Analysis, study: Study) -> Method:
        """The method of an analysis; FileFault names everything that does not fit."""
        options = Options(**analysis.options)
        check_none(list(_faults(options, analysis, study)))
        return cls(options, study)

    @property
    def complete(self) -> frozenset[str]:
        """The variable that forms the groups, and those that the analysis asks to be complete."""
        return frozenset([*self.options.complete, *([self.options.by] if self.options.by else [])])

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def _asked(self, by: str) -> Asked:
        return Asked(present, value_bins, self.study, by, tuple(self.options.variables))

    @property
    def _bys(self) -> tuple[str, ...]:
        """Everyone together, and the groups where there are any."""
        return tuple(dict.fromkeys(["", self.options.by]))

    @property
    def _counted(self) -> tuple[str, ...]:
        """The variables of which histograms are wanted."""
        return tuple(one for one in self.options.variables if self.options.histogram or one in self.options.edges)

    def sends(self) -> tuple[Sends, ...]:
        """Presence and descents over everyone, then by group: which cells, the values tell."""
        return tuple(one for by in self._bys for one in self._asked(by).sends())

    def combine(self, earlier: Mapping[str, Result]) -> Conversation:
        """Everyone, then groups: presence, the quantiles' cells, the histograms' cells."""
        told = Told(self.study, self.options.by, tuple(sorted(set(self.options.quantiles))))
        by_group = self._asked(self.options.by) if self.options.by else None
        grown = yield from grow(self._asked(""), by_group, told.shares)
        part = yield from unless_withheld(self._histograms(grown.everyone))
        edges, more = ({}, 0) if isinstance(part, Kept) else part
        if not any(group.binned for group in grown.groups):
            raise Stopped(Finding("values_too_few", values={"expected": told.least}))
        shown = {name: one for name, one in grown.everyone.items() if name in edges}
        result = Result(
            method="quantiles",
            lossless=False,
            people=grown.people,
            sites=grown.sites,
            rounds=grown.rounds + more,
            estimates=tuple(told.estimates(grown.groups)),
            tables=(told.quantiles(grown.groups), *told.histograms(shown, edges)),
            curves=tuple(told.figures(shown, edges)),
            methods_text=(Words("quantiles.text"), *([Words("quantiles.text_histogram")] if edges else [])),
        )
        return lacking(result, "histograms", part)

    def _histograms(self, values: Mapping[str, Values]) -> Generator[Ask, Pooled, tuple[dict[str, Floats], int]]:
        """Cells of even width, or to declared edges, of the variables that ask for them; the edges, and rounds."""
        grown = {name: values[name] for name in self._counted if name in values and values[name].opened}
        turns = min((one.turns for one in values.values()), default=0)
        for name, one in grown.items():
            declared, one.turns = self.options.edges.get(name), turns
            one.ranks, one.windows, one.edges_wanted = (), (), tuple(declared or ())
            one.width = None if declared else even_width(one.binned())
        rounds = yield from self._asked("").descend(grown)
        edges = {}
        for name, one in grown.items():
            declared = self.options.edges.get(name)
            edges[name] = nearest_edges(one, declared) if declared else even_edges(one, one.width or 1.0)
        return edges, rounds


def _faults(options: Options, analysis: Analysis, study: Study) -> Iterator[Finding]:
    """All that does not fit together."""
    known = ", ".join(study.variables)
    for option, names in (
        ("variables", options.variables),
        ("by", [options.by] if options.by else []),
        ("complete", options.complete),
    ):
        for name in dict.fromkeys(one for one in names if one not in study.variables):
            place = analysis.place(option)
            yield Finding("describe_unknown", place=place, values={"found": name, "expected": known})
    if options.by in study.variables and not levels_of(study.variables[options.by]):
        values = {"found": options.by, "expected": "boolean, category"}
        yield Finding("describe_by", place=analysis.place("by"), values=values)
    if not options.variables:
        yield Finding("quantiles_variables", place=analysis.place("variables"), values={"found": "[]"})
    yield from value_faults(analysis, study, options.variables)
    wrong = [one for one in options.quantiles if not 0 < one < 1]
    if wrong or not options.quantiles:
        values = {"found": ", ".join(f"{one:g}" for one in wrong) or "[]"}
        yield Finding("quantiles_shares", place=analysis.place("quantiles"), values=values)
    for name, edges in options.edges.items():
        within = name in study.variables and all(_inside(edge, study.variables[name].bounds) for edge in edges)
        if name not in options.variables or not edges or not within or list(np.unique(edges)) != edges:
            values = {"found": f"{name}: {', '.join(f'{one:g}' for one in edges)}"}
            yield Finding("quantiles_edges", place=analysis.place("edges"), values=values)


def _inside(edge: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] < edge <= bounds[1]
