"""The people of each cohort at this hospital: who is selected, who is complete, and who was counted out and why."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.rows import Rows
from gagyo.protocol.study import Study
from gagyo.protocol.variables import levels_of
from gagyo.release.aggregate import Floats
from gagyo.release.case import Overlap
from gagyo.site.differencing import People

NOBODY = np.zeros(0, np.uint8)
"""The membership of nobody."""


class Dataset(Protocol):
    """A hospital's mapped data: float64 columns by study variable, and an identifier a row.

    absent: the variables of the study that the hospital never records; their columns are all NaN.
    """

    @property
    def columns(self) -> Mapping[str, Floats]: ...

    @property
    def persons(self) -> list[bytes]: ...

    @property
    def absent(self) -> Collection[str]: ...


class Some(Mapping[str, Floats]):
    """The columns of some of the people of a cohort: inside (n,) says who."""

    def __init__(self, whole: Rows, inside: NDArray[np.bool_]) -> None:
        self._whole, self._inside = whole, inside
        self._made: dict[str, Floats] = {}

    def __getitem__(self, name: str) -> Floats:
        if name not in self._made:
            self._made[name] = self._whole[name][self._inside]
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole.variables)

    def __len__(self) -> int:
        return len(self._whole.variables)


@dataclass(frozen=True)
class Cohort:
    """One cohort's analysis set at this hospital."""

    key: str
    rows: Rows
    selected: NDArray[np.bool_]
    complete: NDArray[np.bool_]
    members: NDArray[np.uint8]
    selection: tuple[str, NDArray[np.uint8]]
    """Those selected, complete or not: their key and membership."""


class Cohorts:
    """Opens the cohorts of one study on one data set; data stay as they were when the plan was approved.

    secret: the key of what is drawn for people here.
    """

    def __init__(
        self,
        site: str,
        study: Study,
        data: Dataset,
        people: People,
        complete: Mapping[str, frozenset[str]],
        secret: bytes,
    ) -> None:
        self._site = site
        self._study = study
        self._data = data
        self._people = people
        self._complete = complete
        self._secret = secret
        self._open: dict[str, Cohort] = {}
        self._left: dict[tuple[str, str, frozenset[str]], Rows] = {}
        self._parted: dict[tuple[str, str], list[tuple[NDArray[np.bool_], Rows]]] = {}
        self._missing: dict[str, NDArray[np.bool_] | None] = {}
        self._in_parts: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[NDArray[np.uint8]]] = {}

    def __getitem__(self, name: str) -> Cohort:
        if name not in self._open:
            self._open[name] = self._make(name)
        return self._open[name]

    def left(self, one: str, other: str, needed: frozenset[str]) -> Rows:
        """Who is analysed of one of two cohorts alone, as a question about the first would count them.

        Who lacks a measurement that it needs is in no bin of it; who lacks a level is taken for one of the first level.
        """
        place = (one, other, needed)
        if place not in self._left:
            apart = self[one].complete ^ self[other].complete
            levels = {name for name in needed if levels_of(self._study.variables[name])}
            for name in needed - levels:
                mask = self.missing(name)
                apart = apart if mask is None else apart & ~mask
            rows = self._rows(apart)
            filled = {name: np.nan_to_num(rows[name]) for name in sorted(levels)}
            self._left[place] = rows.completed(self._study.variables, filled)
        return self._left[place]

    def parts(self, cohort: str, name: str, sides: Iterable[NDArray[np.bool_]]) -> list[Rows]:
        """Those of a cohort's people on each side of something that has a name, to be counted: in the folds that they
        have in it, and without their identifiers. Their columns are made as they are asked for.
        """
        whole, complete = self[cohort].rows, self[cohort].complete
        if (cohort, name) not in self._parted:
            self._parted[cohort, name] = [
                (side[complete], Rows(self._site, whole.variables, Some(whole, side[complete]), [b""] * int(n)))
                for side in sides
                for n in [np.count_nonzero(side & complete)]
            ]
        found = self._parted[cohort, name]
        for inside, rows in found:
            rows.keep_folds(whole, inside)
        return [rows for _, rows in found]

    def by_place(self, of_rows: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """Numbers of the data's rows by lasting place of their people."""
        return self._people.by_place(of_rows)

    def inside(self, members: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Who of everyone (n,) is in a cohort that was answered before."""
        return self._people.rows_of(members)

    def missing(self, variable: str) -> NDArray[np.bool_] | None:
        """Who lacks a variable; None where nobody does."""
        if variable not in self._missing:
            column = self._data.columns[variable]
            # A sum that is a number has no NaN in it: most columns are settled without a mask.
            mask = np.isnan(column) if np.isnan(column.sum()) else None
            self._missing[variable] = mask if mask is not None and mask.any() else None
        return self._missing[variable]

    def overlap(self, name: str, imputed: Sequence[str] = (), patterned: Sequence[str] = ()) -> Overlap:
        """How a cohort overlaps with those that were answered up to now, and the parts of it that sums are opened of.

        imputed: variables whose missing values an analysis fills in, of each a part that has it. patterned: variables
        of which the parts are those who have just some of them.
        """
        cohort, parts = self[name], self._parts(name, imputed, patterned)
        found = self._people.overlap(cohort.key, cohort.members)
        beside = self._people.overlap_with_parts(cohort.key, cohort.members, parts)
        return Overlap(_least(found.difference, beside.difference), _least(found.atom, beside.atom))

    def _parts(self, name: str, imputed: Sequence[str], patterned: Sequence[str]) -> list[NDArray[np.uint8]]:
        """The parts of a cohort that sums are opened of: found once, as every question asks for them."""
        asked = (name, tuple(imputed), tuple(patterned))
        if asked not in self._in_parts:
            self._in_parts[asked] = [*self._having(name, imputed), *self._patterns(name, patterned)]
        return self._in_parts[asked]

    def _patterns(self, name: str, patterned: Sequence[str]) -> list[NDArray[np.uint8]]:
        """Of the people analysed, those who have just the same of some variables, where not all have the same."""
        complete = self[name].complete
        if not patterned:
            return []
        codes = np.zeros(len(complete), np.int64)
        for place, variable in enumerate(patterned):
            mask = self.missing(variable)
            codes += 0 if mask is None else mask.astype(np.int64) << place
        found = np.unique(codes[complete])
        return [self._people.members(complete & (codes == code)) for code in found] if len(found) > 1 else []

    def _having(self, name: str, imputed: Sequence[str]) -> list[NDArray[np.uint8]]:
        """Of the people analysed, those who have each variable, where some lack it."""
        masks = {variable: self.missing(variable) for variable in imputed}
        complete = self[name].complete
        lacking = [mask for mask in masks.values() if mask is not None and (mask & complete).any()]
        return [self._people.members(complete & ~mask) for mask in lacking]

    def selection_isolates(self, name: str, least: int) -> bool:
        """Whether those selected differ from an earlier selection by a few people."""
        found = self._people.overlap(*self[name].selection)
        return any(one is not None and 0 < one < least for one in (found.difference, found.atom))

    def held(self) -> AbstractContextManager[dict[str, NDArray[np.uint8]]]:
        """What is remembered inside, by key, stays only where nothing was raised."""
        return self._people.held()

    def is_whole(self, name: str) -> bool:
        """Whether nobody who is selected was left out for a missing value."""
        return bool(np.array_equal(self[name].selected, self[name].complete))

    def remember_selection(self, name: str) -> None:
        """Numbers that describe those selected leave."""
        self._people.remember(*self[name].selection)

    def lacking_isolates(self, name: str, least: int) -> NDArray[np.bool_]:
        """Whether those who lack a needed value, then those who lack each variable, differ from earlier ones by a few.

        (1 + variables,), in the order of the study. What a group lacks follows from what all and the others lack.
        """
        found = [self._people.overlap(*one) if one[1].size else Overlap() for one in self._lacking(name)]
        return np.array([any(size is not None and 0 < size < least for size in (o.difference, o.atom)) for o in found])

    def remember_lacking(self, name: str, told: NDArray[np.bool_]) -> None:
        """Numbers of those who lack something leave, of the kinds that are `told` (1 + variables,)."""
        for one, leaves in zip(self._lacking(name), told, strict=True):
            if leaves and one[1].size:
                self._people.remember(*one)

    def _lacking(self, name: str) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        """Of those selected who lacks a needed value, then who lacks each variable, by key: NOBODY or some."""
        cohort = self[name]
        yield self._who("incomplete", None if self.is_whole(name) else cohort.selected & ~cohort.complete)
        for variable in self._study.variables:
            missing = self.missing(variable)
            yield self._who(f"missing:{variable}", None if missing is None else cohort.selected & missing)

    def _who(self, kind: str, mask: NDArray[np.bool_] | None) -> tuple[str, NDArray[np.uint8]]:
        if mask is None or not mask.any():
            return kind, NOBODY
        members = self._people.members(mask)
        return f"{kind} {_digest(members)}", members

    def remember(self, name: str, imputed: Sequence[str] = (), patterned: Sequence[str] = ()) -> None:
        """An answer about this cohort leaves, and about its parts."""
        self._people.remember(self[name].key, self[name].members)
        for part in self._parts(name, imputed, patterned):
            self._people.remember_part(self[name].key, part)

    def _make(self, name: str) -> Cohort:
        where = self._study.cohorts[name].where
        size = len(self._data.persons)
        selected = np.ones(size, bool) if where is None else where.evaluate(self._data.columns)
        complete = selected.copy()
        for variable in sorted(self._complete[name]):
            missing = self.missing(variable)
            if missing is not None:
                complete &= ~missing
        members = self._people.members(complete)
        key = _digest(members)
        if np.array_equal(selected, complete):
            selection = f"selected {key}", members
        else:
            chosen = self._people.members(selected)
            selection = f"selected {_digest(chosen)}", chosen
        return Cohort(key, self._rows(complete, key), selected, complete, members, selection)

    def _rows(self, chosen: NDArray[np.bool_], key: str = "") -> Rows:
        everyone = bool(chosen.all())
        columns = {name: column if everyone else column[chosen] for name, column in self._data.columns.items()}
        persons = self._data.persons
        if not everyone:
            persons = [person for person, inside in zip(persons, chosen, strict=True) if inside]
        seed = f"{self._study.study} {self._study.seed}"
        return Rows(self._site, self._study.variables, columns, persons, seed, self._secret, key.encode())


def _digest(members: NDArray[np.uint8]) -> str:
    return hashlib.sha256(members.tobytes()).hexdigest()


def _least(*sizes: int | None) -> int | None:
    return min((size for size in sizes if size is not None), default=None)
