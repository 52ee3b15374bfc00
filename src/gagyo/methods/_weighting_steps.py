"""What a hospital computes for a weighted comparison: sums of weights, weighted columns, what errors follow from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gagyo.federation.local import Name, Names, Numbers, local
from gagyo.federation.rows import Rows
from gagyo.methods._balance import columns_of, covariates, middle_of
from gagyo.methods._descent import halves_of
from gagyo.methods._newton import triangle
from gagyo.methods._overlap import within_one
from gagyo.methods._propensity import Scored, fit_bounds, fit_values, is_own, reaches, scored
from gagyo.methods._silent import but_silent
from gagyo.methods._weighting_cells import own_cells, pooled_cells
from gagyo.protocol.formula import Formula
from gagyo.release.aggregate import (
    NOBODY,
    Aggregate,
    Counts,
    Floats,
    Measure,
    Spread,
    count,
    everybody,
    grouped_bins,
    joined,
    joint,
    scalar,
    spread_of,
)
from gagyo.release.halves import halved
from gagyo.statistics.weighting import Scheme, Weights, weights

WORST = 64.0
"""Scale of a weight in the ring: larger ones fit too, and are rounded at 2^-64 of it."""

WHO: dict[str, Any] = {"formula": Name(), "hospitals": Name(), "outcome": Name(), "balance": Names()}
HOW: dict[str, Any] = {
    **WHO,
    "scheme": Names(),
    "bounds": Numbers((3,), 0, 1e12),
    "coefficients": Numbers((None,), -1e12, 1e12),
    "share": Numbers((1,), 0, 1),
}
UNBOUNDED = 1e12
"""Stands for no largest weight."""


@dataclass(frozen=True)
class Asked:
    """A question's people: propensity formula, hospitals' intercepts, outcome, variables whose balance is told."""

    formula: Formula
    hospitals: str
    outcome: str
    balance: tuple[str, ...]

    @classmethod
    def of(cls, rows: Rows, formula: str, hospitals: str, outcome: str, balance: list[str]) -> Asked:
        """The question of a step's arguments."""
        return cls(rows.formula(formula), hospitals, outcome, tuple(balance))

    def scored(self, rows: Rows, coefficients: Floats) -> Scored:
        """People's part of the propensity model at coefficients (q,)."""
        return scored(rows, self.formula, self.hospitals, coefficients)

    def together(
        self,
        rows: Rows,
        values: Floats,
        bounds: Floats,
        spread: Spread,
        beside: Measure | None = None,
        inside: Counts = NOBODY,
    ) -> Measure:
        """Numbers that are ruled on together, by all that they could give away.

        beside: further cells over all hospitals; inside: further groups within this one.
        """
        key = (self.formula.text, self.hospitals, self.outcome, self.balance)
        cells: Measure = rows.kept(
            ("weighting cells", key), lambda: pooled_cells(rows, self.formula, self.outcome, self.balance)
        )
        own: Counts = rows.kept(
            ("weighting own", key), lambda: own_cells(rows, self.formula, self.outcome, self.hospitals)
        )
        cells = joined(cells, beside) if beside else cells
        return joint(values, bounds, cells, spread, np.concatenate([own, inside]))

    def groups(self, rows: Rows) -> Floats:
        """Membership (n, 2): treated, untreated."""
        treated = rows[self.formula.outcome]
        return np.column_stack([treated == 1, treated == 0]).astype(np.float64)

    def outcomes(self, rows: Rows) -> Floats:
        """The outcome (n,), a measurement about the middle of its range."""
        return rows[self.outcome] - middle_of(rows.variables[self.outcome])

    def reach(self, rows: Rows) -> Floats:
        """The greatest sizes of the outcome and of the balance columns (1 + b,)."""
        variable = rows.variables[self.outcome]
        sizes = [one.reach for one in covariates(self.balance, rows.variables)]
        return np.array([max(abs(end - middle_of(variable)) for end in variable.bounds), *sizes])

    def measured(self, rows: Rows) -> NDArray[np.bool_]:
        """Which of outcome and balance columns are measurements (1 + b,)."""
        levels = [one.level is None for one in covariates(self.balance, rows.variables)]
        return np.array([rows.variables[self.outcome].type != "boolean", *levels])

    def beside(self, rows: Rows) -> Floats:
        """Outcome and balance columns (n, 1 + b)."""
        return np.column_stack([self.outcomes(rows), columns_of(rows, self.balance)])


def weighed(
    rows: Rows, *, scheme: list[str], bounds: Floats, coefficients: Floats, share: Floats, **who: Any
) -> tuple[Asked, Scored, Weights]:
    """The question, people's part of the propensity model, and their weights."""
    asked = Asked.of(rows, **who)
    one = asked.scored(rows, coefficients)
    return asked, one, weights(scheme_of(scheme, bounds), one.eta, one.response, float(share[0]))


@local("weighting", **WHO)
def groups(rows: Rows, **who: Any) -> Aggregate:
    """How many people; of treated and untreated: people, and the sums of outcome and balance columns (2, 2 + b)."""
    asked = Asked.of(rows, **who)
    columns = np.column_stack([np.ones(rows.n), asked.beside(rows)])
    inside = _by_group(asked.groups(rows), columns)
    bounds = np.tile(np.append(1.0, asked.reach(rows)), 2)
    measured = np.tile(np.append(False, asked.measured(rows)), 2)  # indicators' sums are head counts, ruled as such
    sums = asked.together(rows, inside.sum(axis=0), bounds, spread_of(inside[:, measured]))
    return {"people": everybody(rows.n), "sums": sums}


@local("weighting", **WHO, coefficients=Numbers((None,), -1e12, 1e12))
def propensity(rows: Rows, *, coefficients: Floats, **who: Any) -> Aggregate:
    """Score, information, squares of the columns and log-likelihood of the propensity model at coefficients (q,).

    With hospitals' own intercepts they are those of the profile likelihood, each hospital at its own best intercept.
    """
    asked = Asked.of(rows, **who)
    values, spread = fit_values(asked.scored(rows, coefficients))
    bounds = fit_bounds(reaches(rows, asked.formula, is_own(asked.hospitals)))
    return {"fit": asked.together(rows, values, bounds, spread)}


@local("weighting", **HOW, means=Numbers((2, None), -1e12, 1e12))
def weighted(rows: Rows, *, means: Floats, **how: Any) -> Aggregate:
    """Of treated and untreated, the sums of weights, their squares, weighted outcome and balance columns (2, 3 + b).

    Also the squares of the balance columns about each group's unweighted means (2, b).
    """
    asked, _, found = weighed(rows, **how)
    w = found.weight
    member, beside = asked.groups(rows), asked.beside(rows)
    sums = _by_group(member, np.column_stack([w, w**2, w[:, None] * beside]))
    parts = np.column_stack([sums, squares_about(rows, asked, means, np.ones_like(w))])
    reach = asked.reach(rows)
    scales = np.concatenate([np.tile(np.append([WORST, WORST**2], WORST * reach), 2), np.tile(4 * reach[1:] ** 2, 2)])
    return {"weighted": asked.together(rows, parts.sum(axis=0), scales, spread_of(parts))}


@local("weighting", **HOW, mean=Numbers((2,), -1e12, 1e12), centres=Numbers((2, None), -1e12, 1e12))
def slopes(rows: Rows, *, mean: Floats, centres: Floats, **how: Any) -> Aggregate:
    """Derivatives of both sums w (y - mean), at the weighted means (2,) of treated and untreated.

    In the coefficients (2, q) and in the share of the treated (2); beside them weighted squares of the balance columns
    about their weighted means `centres` (2, b).
    """
    asked, one, found = weighed(rows, **how)
    member, beside = asked.groups(rows), asked.beside(rows)
    away = (beside[:, [0]] - mean) * member
    squares = squares_about(rows, asked, centres, found.weight)
    by_coefficient = [one.columns * (found.slope * part)[:, None] for part in away.T]
    parts = np.column_stack([*by_coefficient, found.by_share[:, None] * away, squares])
    reach, of_columns = asked.reach(rows), reaches(rows, asked.formula, is_own(asked.hospitals))
    size = 2 * WORST * reach[0]
    scales = (np.tile(size * of_columns, 2), np.full(2, size), np.tile(4 * WORST * reach[1:] ** 2, 2))
    return {"slopes": asked.together(rows, parts.sum(axis=0), np.concatenate(scales), spread_of(parts))}


@local("weighting", **HOW, mean=Numbers((2,), -1e12, 1e12), directions=Numbers((2, None), -1e12, 1e12))
def errors(rows: Rows, *, mean: Floats, directions: Floats, **how: Any) -> Aggregate:
    """The sum of z z' (3: upper triangle), z what each person adds to both sums w (y - mean) when all is estimated.

    directions (2, 1 + q): how both sums follow the equations of the share and of the coefficients.
    """
    asked, one, found = weighed(rows, **how)
    away = (asked.outcomes(rows)[:, None] - mean) * asked.groups(rows)
    behind = np.column_stack([one.response - float(how["share"][0]), one.score])
    z = np.column_stack([one.with_intercept(found.weight * part, found.slope * part) for part in away.T])
    z = z + behind @ directions.T
    upper, right = triangle(2)
    scale = (2 * WORST * asked.reach(rows)[0]) ** 2
    return {"errors": asked.together(rows, (z.T @ z)[upper, right], np.full(3, scale), spread_of(z**2))}


@local("weighting", **WHO)
def by_hospital_withheld(rows: Rows, **who: Any) -> Aggregate:
    """How many people, and zeros in the place of how many are treated and untreated: what would be withheld is."""
    told = count(Asked.of(rows, **who).groups(rows) == 1)
    return {"people": everybody(rows.n), "groups": replace(told, values=np.zeros_like(told.values))}


@local("weighting", **HOW, silent=Names())
def by_hospital(rows: Rows, *, silent: list[str], **how: Any) -> Aggregate:
    """This hospital's people; of treated and untreated their number, and the effective one under the weights, if it is
    not silent.
    """
    asked, _, found = weighed(rows, **how)
    w = found.weight
    member = asked.groups(rows)
    inside = w[:, None] * member
    squares = np.where(inside.any(axis=0), (inside**2).sum(axis=0), 1.0)
    size = inside.sum(axis=0) ** 2 / squares
    told = {
        "people": everybody(rows.n),
        "groups": count(member == 1),
        "effective": scalar(size, member.sum(axis=0).astype(np.int64), spread_of(inside)),
    }
    return but_silent(rows, told, silent)


@local(
    "weighting",
    **WHO,
    coefficients=Numbers((None,), -1e12, 1e12),
    which=Numbers((None,), 0, 0),
    filled=Numbers((None, None), 0, 1),
    edges=Numbers((None, None), 0, 1),
)
def overlap(rows: Rows, *, coefficients: Floats, which: Floats, edges: Floats, filled: Floats, **who: Any) -> Aggregate:
    """Treated and untreated in the halves of bins (low, ..., high), and in theirs, of the propensity score.

    filled: 1 of a bin whose sides stay shut where nobody of a group is on one of them.
    """
    asked = Asked.of(rows, **who)

    def ranked(_: int) -> list[Floats]:
        """Both groups' scores in order, kept for the next level of the descent."""
        key = ("ranked propensity", asked.formula.text, asked.hospitals, coefficients.tobytes())
        made: list[Floats] = rows.kept(key, lambda: _ordered(rows, asked, coefficients))
        return made

    table = halves_of(ranked, which, edges)
    return {"bins": grouped_bins(table, rows.n, halved(edges, filled)), "people": everybody(rows.n)}


def _ordered(rows: Rows, asked: Asked, coefficients: Floats) -> list[Floats]:
    score = within_one(asked.scored(rows, coefficients).eta)
    return [np.sort(score[group == 1]) for group in asked.groups(rows).T]


def squares_about(rows: Rows, asked: Asked, centres: Floats, weight: Floats) -> Floats:
    """Weighted squares of the balance columns about each group's centres (2, b), 0 outside the group (n, 2 b)."""
    columns = columns_of(rows, asked.balance)
    about = zip(asked.groups(rows).T, centres, strict=True)
    return np.column_stack([(weight * group)[:, None] * (columns - centre) ** 2 for group, centre in about])


def _by_group(member: Floats, columns: Floats) -> Floats:
    """Columns (n, m) of each group, those of the first before those of the second (n, 2 m)."""
    return np.column_stack([columns * group[:, None] for group in member.T])


def scheme_of(names: list[str], bounds: Floats) -> Scheme:
    """The weights that a step's arguments name."""
    estimand, *more = names
    low, high, largest = (float(one) for one in bounds)
    return Scheme(estimand, "stabilised" in more, low, high, largest)  # type: ignore[arg-type]
