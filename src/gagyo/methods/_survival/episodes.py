"""Covariates that change at a person's own time: 0 until it and 1 after, as two episodes of one person, made inside.

The change takes effect just after its time: an event at that very time is still counted as before (the covariate of a
counting process is that at t-; Andersen & Gill 1982 Ann Stat 10:1100). Who has no time never changes, and who changed
by their entry, or by time zero, has changed from the start. Reference: R `survival::tmerge` with `tdc`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from gagyo.federation.rows import Rows
from gagyo.finding import Finding, Place
from gagyo.methods._regression import design_cells, part_traits, trait_cells
from gagyo.methods._sampling import widened
from gagyo.methods._set_apart import weighed_apart
from gagyo.methods._survival.times import MEASURED, entries
from gagyo.protocol.declared import speakable
from gagyo.protocol.formula import Formula
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.variables import Variable
from gagyo.release.aggregate import Floats, Measure, joined
from gagyo.text import Text

Bools = NDArray[np.bool_]


class Labels(BaseModel):
    """What a covariate is called, in each language."""

    model_config = ConfigDict(extra="forbid")

    en: str
    ko: str
    zh: str


class Change(BaseModel):
    """One covariate that changes."""

    model_config = ConfigDict(extra="forbid")

    at: str
    """The variable that holds each person's time of the change; missing where it never came."""
    label: Labels
    """What having changed is called in a report."""


def declared(study: Study, changes: Mapping[str, Change]) -> Study:
    """The study with each change as a yes/no variable, so that formulas and tables know it."""
    more = {
        name: Variable(name, "boolean", Text(one.label.en, one.label.ko, one.label.zh)) for name, one in changes.items()
    }
    return replace(study, variables={**study.variables, **more}) if more else study


def change_faults(analysis: Analysis, study: Study, changes: Mapping[str, Change], time: str) -> Iterator[Finding]:
    """What is wrong with the changes that an analysis declares."""
    place = analysis.place("changes")
    for name, one in changes.items():
        if name in study.variables or not speakable(name):
            yield Finding("change_name", place=place, values={"found": name})
        yield from _time_faults(place, study, name, one.at, time)


def _time_faults(place: Place, study: Study, name: str, at: str, time: str) -> Iterator[Finding]:
    values = {"found": at, "name": name}
    if at not in study.variables:
        yield Finding("change_unknown", place=place, values={**values, "expected": ", ".join(study.variables)})
    elif study.variables[at].type not in MEASURED:
        yield Finding("change_kind", place=place, values={**values, "expected": ", ".join(MEASURED)})
    elif time in study.variables and study.variables[at].unit != study.variables[time].unit:
        units = {"unit": study.variables[at].unit or "1", "expected": study.variables[time].unit or "1", "time": time}
        yield Finding("change_unit", place=place, values={**values, **units})


def unused_faults(analysis: Analysis, formula: Formula, changes: Mapping[str, Change]) -> Iterator[Finding]:
    """A finding for each change that the formula does not have, or whose time it does."""
    for name, one in changes.items():
        if name not in formula.predictors or one.at in formula.variables:
            values = {"found": name, "at": one.at, "expected": formula.text}
            yield Finding("change_unused", place=analysis.place("changes"), values=values)


@dataclass(frozen=True)
class Changing:
    """The people of a hospital and their changes: names and the variables of their times, one after the other."""

    rows: Rows
    time: str
    entry: str
    changed: tuple[str, ...]
    at: tuple[str, ...]

    @classmethod
    def of(cls, rows: Rows, time: str, entry: str, changed: Sequence[str], at: Sequence[str]) -> Changing:
        """The same people with each change as a column: whether it had come before they left."""
        return rows.kept(  # type: ignore[no-any-return]
            ("changing", time, entry, tuple(changed), tuple(at)),
            lambda: cls(_with_changes(rows, time, changed, at), time, entry, tuple(changed), tuple(at)),
        )

    @property
    def lower(self) -> Floats:
        """(n,) when each person came under observation."""
        return self.rows[self.entry] if self.entry else np.zeros(self.rows.n)

    def cells(self, formula: Formula, size: int, weights: str = "") -> Measure:
        """The head counts behind a fit to the first `size` people: each person once, whatever their episodes.

        As for any trait, of those who had changed when they left, and of those who had not. Besides, those who had
        changed when they came, and those who had not, are each nobody or k, in all, with each trait and each two of
        them; of the latter who had changed when they left, and so while they were observed, is such a trait.
        With weights all are of the model that has these as a column and in products, as in any weighted fit, and who is
        set apart by them is counted.
        """
        if weights:
            apart = weighed_apart(self.rows, formula, self.rows[weights])
            formula = widened(self.rows, formula, weights)
            traits = joined(design_cells(self.rows, formula, slice(size)), apart)
        else:
            traits = trait_cells(self.rows, formula, slice(size))
        return joined(traits, *self._parts(formula, size)) if self.changed else traits

    def _parts(self, formula: Formula, size: int) -> Iterator[Measure]:
        inside = np.arange(self.rows.n) < size
        for at in self.at:
            came = self.rows[at] <= self.lower
            for part in (came, ~came):
                yield part_traits(self.rows, formula, part & inside)

    def episodes(self, size: int) -> Episodes:
        """The episodes of the first `size` people."""
        made: Episodes = self.rows.kept(("episodes", self.time, self.entry, size), lambda: self._episodes(size))
        return made

    def _episodes(self, size: int) -> Episodes:
        """Each person's time cut at each of their changes that fall inside it."""
        rows, lower = self.rows, self.lower[:size]
        came, exits = entries(rows, self.time, self.entry), rows[self.time][:size]
        at = {
            name: np.where(np.isnan(rows[when]), np.inf, rows[when])[:size]
            for name, when in zip(self.changed, self.at, strict=True)
        }
        start = np.full(size, -np.inf) if came is None else came[:size]
        who, stop = np.arange(size), exits
        for when in at.values():
            cut = (when[who] > np.maximum(start, lower[who])) & (when[who] < stop)
            inside = when[who[cut]]
            who = np.concatenate([who, who[cut]])
            start = np.concatenate([start, inside])
            stop = np.concatenate([np.where(cut, when[who[: len(cut)]], stop), stop[cut]])
        columns = {name: (when[who] <= np.maximum(start, lower[who])).astype(np.float64) for name, when in at.items()}
        whole = came is None and len(who) == size
        return Episodes(who, None if whole else start, stop, stop == exits[who], columns)


@dataclass(frozen=True)
class Episodes:
    """Episodes (start, stop]: whose (m,), from when (None where all from the start), until when, whether the person's
    last, and by change whether it has come.
    """

    who: NDArray[np.int64]
    start: Floats | None
    stop: Floats
    last: Bools
    columns: Mapping[str, Floats]


def _with_changes(rows: Rows, time: str, changed: Sequence[str], at: Sequence[str]) -> Rows:
    if not changed:
        return rows
    more = {name: Variable(name, "boolean", Text(name)) for name in changed}
    came = {name: came_before(rows[when], rows[time]) for name, when in zip(changed, at, strict=True)}
    return rows.completed({**rows.variables, **more}, came)


def came_before(at: Floats, time: Floats) -> Floats:
    """Whether a change (n,) came before people left: at time zero from the start, though they left then too."""
    return ((at < time) | (at <= 0)).astype(np.float64)
