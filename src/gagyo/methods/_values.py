"""Values of measurements in bins of at least k people, by a descent on the secure sum over one lattice for all studies.

The cells are [m 2^j, (m + 1) 2^j) in the variable's unit: the bits of a fixed-point number, from the highest down. No
study chooses where a cell may end. A cell is cut at its coarsest point of which both sides hold nobody or at least k
people, so that where the cells of everyone end follows from the values alone; those of groups end where they do. Any
two descents on the same people then have cells one inside the other, and no difference of two of them is a few people.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.ask import Ask, Pooled, Sends
from gagyo.federation.local import LocalStep, Name, Names, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.finding import Finding, Place
from gagyo.methods._descent import descend, halves_of
from gagyo.methods._survival.grid import gridded
from gagyo.methods._validation.present import everyone
from gagyo.methods._value_cells import AT_ONCE, TURNS, Grouped, Values
from gagyo.protocol import formula as formulas
from gagyo.protocol.study import Analysis, Study
from gagyo.protocol.variables import levels_of
from gagyo.release.aggregate import Aggregate, Floats, cells, grouped_bins
from gagyo.release.halves import halved, nested

MEASURED = ("number", "integer")

FARTHEST = 2.0**60
"""Beyond every range that can be declared."""


def present(rows: Rows, variables: list[str], by: str) -> Aggregate:
    """Who has a value of each variable and who has none, (2, groups): everyone together where there is no `by`."""
    out = dict(everyone(rows))
    for name in variables:
        there = rows.present(name)
        table = np.array(
            [[np.count_nonzero(some & inside) for inside in _groups(rows, by)] for some in (there, ~there)]
        )
        # That nobody lacks a value is no secret; that a few do is.
        nobody = np.zeros(table.shape, bool)
        nobody[-1] = True
        out[f"{name}.present"] = cells(table, rows.n, nobody)
    return out


def value_bins(rows: Rows, variables: list[str], by: str, which: Floats, edges: Floats, filled: Floats) -> Aggregate:
    """People by group in the halves of bins (low, ..., high), and in theirs, of the variables that `which` numbers.

    filled: 1 of a bin whose halves stay shut where nobody of a group is in one of them.
    """

    def ranked(number: int) -> list[Floats]:
        """A variable's values in order by group, kept for the next level of the descent."""
        name = variables[number]
        made: list[Floats] = rows.kept(("values in order", name, by), lambda: _ordered(rows, name, by))
        return made

    table = halves_of(ranked, which, edges)
    return {"bins": grouped_bins(table, rows.n, halved(edges, filled)), **everyone(rows)}


def _ordered(rows: Rows, name: str, by: str) -> list[Floats]:
    there = rows.present(name)
    ordered = [rows[name][there & inside] for inside in _groups(rows, by)]
    for values in ordered:
        values.sort()  # in place: a choice by a mask is a copy already, and of millions a second one is dear
    return ordered


def _groups(rows: Rows, by: str) -> list[NDArray[np.bool_]]:
    """Who is in each group; one group of everyone where there is no `by`."""
    return [rows[by] == level for level in range(levels_of(rows.variables[by]))] if by else [np.ones(rows.n, bool)]


def present_step(method: str) -> LocalStep:
    """`present` as a step of a method."""
    return local(method, variables=Names(), by=Name())(present)


def bins_step(method: str) -> LocalStep:
    """`value_bins` as a step of a method."""
    bins = {"which": Numbers((None,), 0, 1e5), "edges": Numbers((None, None), -FARTHEST, FARTHEST)}
    return local(method, variables=Names(), by=Name(), **bins, filled=Numbers((None, None), 0, 1))(value_bins)


@dataclass(frozen=True)
class Asked:
    """What a method asks of values: its two steps, the study's variables and minimum, and the groups' variable."""

    present: LocalStep
    bins: LocalStep
    study: Study
    by: str
    names: tuple[str, ...]

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return levels_of(self.study.variables[self.by]) if self.by else 1

    def begin(self) -> Generator[Ask, Pooled, tuple[Pooled, dict[str, Floats]]]:
        """Who has values; by variable the people (groups,), without those that a few people of a group lack or have."""
        named = {"variables": list(self.names), "by": self.by}
        first = yield Ask(self.present, named, doing="counting_values", common=True)
        least, people = self.study.release.minimum_people, {}
        for name in self.names:
            table = first[f"{name}.present"]
            # The same where there is no gate, and where a hospital is stricter.
            if not np.isnan(table).any() and not ((table > 0) & (table < least)).any() and table[0].sum() >= least:
                people[name] = table[0]
        return first, people

    def everyone(self, people: Mapping[str, Floats]) -> dict[str, Values]:
        """Descents over everyone that begin."""
        least = self.study.release.minimum_people
        return {name: Values.of(self.study.variables[name], one, least) for name, one in people.items()}

    def descend(self, values: Mapping[str, Values]) -> Generator[Ask, Pooled, int]:
        """Grow every descent as far as it is called for; the number of rounds."""
        names = list(values)
        rounds = 0

        def ask(which: NDArray[np.intp], edges: Floats) -> Ask:
            nonlocal rounds
            rounds += 1
            used, number = np.unique(which, return_inverse=True)
            for one in values.values():
                one.turns -= 1
            bins = zip(which, nested(edges)[..., [0, 2]].tolist(), strict=True)
            filled = [[values[names[one]].filled(*ends) for ends in several] for one, several in bins]
            arguments = {
                "variables": [names[int(one)] for one in used],
                "by": self.by,
                "which": number.astype(np.float64),
                "edges": edges,
                "filled": np.array(filled, dtype=np.float64),
            }
            return Ask(self.bins, arguments, doing="counting_values", common=True)

        if names:
            yield from descend(list(values.values()), self.study.release.minimum_people, ask)
        return rounds

    def sends(self) -> Iterator[Sends]:
        """For the plan: presence, then both halves of at most so many cells of each variable a round."""
        columns = len(self.names) * self.groups
        yield Sends(self.present.name, 2 * columns + 1, 1)
        if columns:
            yield Sends(self.bins.name, 2 * AT_ONCE * columns + 1, TURNS)


def descend_by_group(asked: Asked, groups: Mapping[str, Grouped], over_all: Asked) -> Generator[Ask, Pooled, int]:
    """Grow descents by group, and those over everyone where they have to be known before; the number of rounds."""
    rounds = 0
    while True:
        rounds += yield from asked.descend(groups)
        lacking = {name: tuple(one.lacking()) for name, one in groups.items()}
        if not any(lacking.values()):
            return rounds
        for name, windows in lacking.items():
            groups[name].everyone.windows = windows
        rounds += yield from over_all.descend({name: one.everyone for name, one in groups.items()})


def value_faults(analysis: Analysis, study: Study, names: Sequence[str]) -> Iterator[Finding]:
    """Variables that cannot be counted in cells, or that another analysis on the same people counts in others.

    Two grids of one variable would have cells that differ by a few people.
    """
    for name in names:
        if name not in study.variables:
            continue
        place = analysis.place("variables")
        kind = study.variables[name].type
        if kind not in MEASURED:
            values = {"found": f"{name} ({kind})", "expected": ", ".join(MEASURED)}
            yield Finding("values_kind", place=place, values=values)
        yield from two_grids(name, analysis, study, place)


def two_grids(name: str, analysis: Analysis, study: Study, place: Place) -> Iterator[Finding]:
    """The fault where others count a variable in cells of their own: as their time, of whatever people, since curves of
    two parts are a curve of everyone; or for a bend, of the same people.
    """
    bent = (one.name for one in study.analyses.values() if one.cohort == analysis.cohort and _bends(one, name, study))
    if others := [*gridded(study, name), *bent]:
        yield Finding("values_two_grids", place=place, values={"found": name, "expected": ", ".join(others)})


def _bends(other: Analysis, name: str, study: Study) -> bool:
    """Whether an analysis looks for a bend of a predictor, at knots between cells of its own."""
    model = study.analyses.get(str(other.options.get("model", "")))
    if (
        other.method != "validate"
        or not other.options.get("nonlinearity")
        or model is None
        or model.method != "logistic"
    ):
        return False
    formula = formulas.parse(str(model.options.get("formula", "")), study.variables, unplaced=True)
    return any(term.plain == name for term in formula.terms)
