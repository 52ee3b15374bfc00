"""Which head counts multiple imputation gives away: who lacks each variable is a group like any other.

Everyone's sums less those of the people who have a variable are the sums of those who lack it: its missingness is ruled
on as a trait, with and without each other trait. Sums of chains differ by drawn values alone, so that what each model
has of imputed columns is known as a regression of those who lack nothing would tell it, and is ruled on as that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.rows import Rows
from gagyo.methods._imputation_chains import Spec
from gagyo.methods._regression import beside, design_cells, fold_cells, part_cells, part_traits
from gagyo.methods._traits import all_traits, measured
from gagyo.methods._weighting_cells import traits_of
from gagyo.protocol.formula import Formula
from gagyo.protocol.variables import levels_of
from gagyo.release.aggregate import NOBODY, Counts, Measure, few_or_none, joined, own_table
from gagyo.release.few_values import supported

Bools = NDArray[np.bool_]

MOST_SWEPT = 2
"""Chains times sweeps of a study for each person of a hospital, past which every pattern is ruled on.

What was drawn differs from chain to chain, and a regression of the opened sums on it tells of those who lack several
variables: of one person each column, with an error of about sqrt(people / (chains x sweeps)) standard deviations. With
three hospitals or more that is one, or more.
"""


def imputation_cells(rows: Rows, spec: Spec) -> Measure:
    """The cells over all hospitals; kept for the next round."""
    cells: Measure = rows.kept(("imputation cells", spec), lambda: _cells(rows, spec))
    return cells


def own_cells(rows: Rows, spec: Spec) -> Counts:
    """The cells of this hospital alone, where it has levels of its own; kept for the next round."""
    own: Counts = rows.kept(("imputation own", spec), lambda: _own(rows, spec) if spec.own else NOBODY)
    return own


def _cells(rows: Rows, spec: Spec) -> Measure:
    having = {name: rows.present(name) for name in spec.impute}
    nothing_lacks = np.logical_and.reduce([*having.values()])
    parts = [design_cells(rows, spec.known), design_cells(rows, spec.whole, nothing_lacks)]
    for name, present in having.items():
        parts.append(design_cells(rows, spec.known_of(name), present))
        parts.append(part_cells(rows, spec.known, ~present))
    return joined(*parts, _patterns(rows, spec, having, rows.n))


def _patterns(rows: Rows, spec: Spec, having: dict[str, Bools], everyone: int, fold: bool = False) -> Measure:
    """Who lacks exactly these variables and has the others: where sums give them away, nobody or k.

    Sums are opened over everyone and over those who have each variable. Where the people of a pattern here lie in the
    span of these, or chains and sweeps are many for the people here, the hospital counts them, with and without each
    trait; else it counts everybody, as then no sum over hospitals is theirs alone. everyone: how many people of the
    hospital the sums are over. fold: rows are a fold, of whom outcomes are not told by who has what.
    """
    lacking = np.column_stack([~present for present in having.values()])
    codes = lacking.astype(np.int64) @ (1 << np.arange(lacking.shape[1]))
    alone = alone_in_span(codes, lacking) | (spec.swept > MOST_SWEPT * everyone)
    found = []
    for code, told in enumerate(alone):
        had, there = _had(spec, code), codes == code
        people = _sides(rows.part(there), had) if fold else part_traits(rows, had, there).people.ravel()
        found.append(people if told else np.full(len(people), rows.n))
    return few_or_none(np.concatenate(found).astype(np.int64))


def _had(spec: Spec, code: int) -> Formula:
    """The outcome on all that those of a pattern have: what nobody lacks, and of what is imputed what they do not lack.

    The sum of a variable over those who have another, less what was given to those who lack it, is one of values as
    they are: less everyone's, it is that of those who lack the other.
    """
    had = [name for at, name in enumerate(spec.impute) if not code >> at & 1]
    return spec.on(spec.known.outcome, (*(str(term) for term in spec.known.terms), *had))


def alone_in_span(codes: NDArray[np.int64], lacking: Bools) -> Bools:
    """Which patterns (2^q,) of missing values are a combination of everyone and of those who have each variable.

    codes (n,): each person's pattern; lacking (n, q). A pattern that nobody has counts as such: it hides nobody.
    """
    found = np.unique(codes)
    bits = (found[:, None] >> np.arange(lacking.shape[1])) & 1
    sets = np.column_stack([np.ones(len(found)), 1 - bits])
    basis, singular, _ = np.linalg.svd(sets, full_matrices=False)
    basis = basis[:, singular > 1e-9 * max(singular.max(initial=0.0), 1.0)]
    alone = np.ones(1 << lacking.shape[1], bool)
    alone[found] = np.sum(basis**2, axis=1) > 1 - 1e-9
    return alone


def _own(rows: Rows, spec: Spec) -> Counts:
    """What a hospital adds about its own level is made of its own shares: they are ruled on as its own table.

    Of each imputed variable: k who have it (of yes or no and of a category, k of each), nobody or k who lack it; among
    those who have it nobody or k with and without each trait, at the first level of each category, and at each level of
    and lacking each other variable that is imputed.
    """
    found = []
    for name in spec.impute:
        present, known = rows.present(name), spec.known_of(name)
        groups = [present.sum()] if spec.is_measured(name) else _by_level(rows, name, present)
        found += [own_table(groups), np.array([(~present).sum()])]
        found.append(traits_of(rows, known, present, []))
        for other in (one for one in spec.impute if one != name):
            lacking = int((present & ~rows.present(other)).sum())
            found.append(np.array([lacking, *_by_level(rows, other, present)]))
    return np.concatenate(found).astype(np.int64)


def _by_level(rows: Rows, name: str, chosen: Bools) -> list[int]:
    """How many of the chosen people have each level of a variable; nothing of a measurement."""
    x = rows[name][chosen]
    return [int((x == level).sum()) for level in range(levels_of(rows.variables[name]))]


def fold_of_imputed(held: Rows, spec: Spec, everyone: int) -> Measure:
    """The head counts of a fold, `held`, which follow from everyone's sums less those of the people outside it.

    Its people as those of a fold of complete people are counted. Of those who have a variable, of whom linear models
    tell products of columns, nobody or k in all, with and without each trait and each two of them; of those who lack it
    in all, with and without each trait: no sum of a prediction's imputation tells outcomes by who has what. Who lacks
    just some variables: as `imputation_cells` has it. everyone: the people of the hospital, in the fold or not.
    """
    having = {name: held.present(name) for name in spec.impute}
    parts = [few_or_none(np.array([held.n])), fold_cells(held, spec.known, np.ones(held.n, bool))]
    for name, present in having.items():
        parts.append(part_cells(held, spec.on(name, tuple(str(term) for term in spec.known.terms)), present))
        parts.append(_lacking(held.part(~present), spec.known))
    return joined(*parts, _patterns(held, spec, having, everyone, fold=True))


def _lacking(some: Rows, known: Formula) -> Measure:
    """Some people in all, and with and without each trait: nobody, or k, and nobody who makes up most of them."""
    columns, sides = measured(some, known), _traits_of(some, known)
    parts = (beside(columns, sides[:, :1], squares=True), beside(columns, sides[:, 1:]))
    return joined(few_or_none(_sides(some, known)), supported(columns), *parts)


def _sides(some: Rows, known: Formula) -> Counts:
    """How many people, and how many with and without each trait."""
    return np.asarray(_traits_of(some, known).sum(axis=0, dtype=np.int64))


def _traits_of(some: Rows, known: Formula) -> Bools:
    """Everybody (n, 1 + 2q), then who has each trait, and who has not."""
    having = all_traits(some, known)
    return np.column_stack([np.ones(some.n, bool), having, ~having])
