"""Model formulas: `outcome ~ terms`, parsed into the columns of a design matrix and never evaluated as code.

`formula_text` expands `*` and gives terms; every factor of a term is then read against an allow-list: a variable,
`C(variable)` for a category, and `rcs(variable, k1, k2, k3, ...)` for a restricted cubic spline with stated knots, or
`rcs(variable, 4)` for one whose four knots are found among all hospitals' people before anything is computed.
Levels and knots come from the study or from everyone, never from one hospital's data, so that all hospitals have the
same columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby, pairwise
from math import prod

import numpy as np

from gagyo.errors import FileFault, check_none
from gagyo.finding import Finding
from gagyo.protocol import formula_text
from gagyo.protocol.formula_text import NUMBER, Factors, Sides
from gagyo.protocol.guards import listed, short
from gagyo.protocol.terms import Category, DesignColumn, Factor, Floats, Plain, Spline, Term, Unplaced, number_text
from gagyo.protocol.variables import Variable
from gagyo.text import Text

MOST_COLUMNS = 1_000
MOST_KNOTS = 7
"""Of a spline whose knots are found: Harrell gives their percentiles for three to seven."""
INTERCEPT = Text("Intercept", "절편", "截距")


@dataclass(frozen=True)
class Formula:
    """A parsed formula. `text` is canonical: the same columns in the same order have the same text."""

    outcome: str
    text: str
    terms: tuple[Term, ...]
    intercept: bool = True
    width: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return self.text

    @property
    def predictors(self) -> tuple[str, ...]:
        """The variables on the right, in the order of their first mention."""
        return tuple(dict.fromkeys(factor.name for term in self.terms for factor in term.factors))

    @property
    def variables(self) -> tuple[str, ...]:
        """All variables, the outcome first."""
        return (self.outcome, *self.predictors)

    @property
    def unplaced(self) -> tuple[Unplaced, ...]:
        """The splines whose knots are to be found, in the order of their first mention."""
        factors = (factor for term in self.terms for factor in term.factors)
        return tuple(dict.fromkeys(one for one in factors if isinstance(one, Unplaced)))

    def placed(self, knots: Mapping[str, Sequence[float]]) -> Formula:
        """The formula with these knots, by variable, in its splines without any: as if they had been stated."""
        terms = tuple(Term(tuple(_placed(factor, knots) for factor in term.factors)) for term in self.terms)
        return replace(self, text=_canonical(self.outcome, terms, self.intercept), terms=terms)

    def columns(self, variables: Mapping[str, Variable]) -> tuple[DesignColumn, ...]:
        """The columns of the design matrix, in order; `Intercept` first where there is one."""
        if id(variables) not in self._columns:  # asked some ten times a round
            first = [DesignColumn("Intercept", INTERCEPT, 1.0, ())] if self.intercept else []
            found = (*first, *(column for term in self.terms for column in term.columns(variables)))
            self._columns[id(variables)] = variables, found
        return self._columns[id(variables)][1]

    @cached_property
    def _columns(self) -> dict[int, tuple[Mapping[str, Variable], tuple[DesignColumn, ...]]]:
        """By the identity of the variables, which are held here so that no others have it."""
        return {}

    def design(self, columns: Mapping[str, Floats]) -> Floats:
        """The design matrix (n, p), float64 in Fortran order; a row with a missing predictor has NaN in its columns.

        columns: float64 (n,) by variable, as protocol/variables.py holds them.
        """
        n = len(columns[self.predictors[0]] if self.predictors else next(iter(columns.values())))
        matrix = np.empty((n, self.width), order="F")
        self.fill(columns, matrix)
        return matrix

    def fill(self, columns: Mapping[str, Floats], matrix: Floats) -> None:
        """Write the design of some rows into `matrix` (n, p): a block at a time needs no whole matrix."""
        if self.intercept:
            matrix[:, 0] = 1.0
        position = int(self.intercept)
        for plain, run in self._picked:
            stop = position + len(run)
            if plain:
                _put([columns[term.plain] for term, _ in run], matrix[:, position:stop])
            else:
                for at, (term, pick) in enumerate(run, position):
                    term.fill(pick, columns, matrix[:, at])
            position = stop

    @cached_property
    def _picked(self) -> tuple[tuple[bool, tuple[tuple[Term, tuple[int, ...]], ...]], ...]:
        """Columns in runs of those that are a variable as it is, which most are, and of others."""
        each = ((term, pick) for term in self.terms for pick in term.picks())
        return tuple((plain, tuple(run)) for plain, run in groupby(each, lambda one: bool(one[0].plain)))


def _put(columns: Sequence[Floats], matrix: Floats) -> None:
    """Write columns side by side: a large fit puts some ten thousand of them, and all at once take a tenth less."""
    if matrix.flags.f_contiguous:
        np.concatenate(columns, out=matrix.reshape(-1, order="F"))
        return
    for at, column in enumerate(columns):
        matrix[:, at] = column


def _placed(factor: Factor, knots: Mapping[str, Sequence[float]]) -> Factor:
    return Spline(factor.name, tuple(knots[factor.name])) if isinstance(factor, Unplaced) else factor


def _canonical(outcome: str, terms: Sequence[Term], intercept: bool) -> str:
    parts = [str(term) for term in terms] or ["1"]
    return f"{outcome} ~ {' + '.join(parts)}" + ("" if intercept else " - 1")


# ── from text to terms ────────────────────────────────────────────────────────────────────────────────────────────

CALL = re.compile(r"(?P<call>C|rcs)\s*\(\s*(?P<name>[^\W\d]\w*)\s*(?P<rest>(?:,[^,()]*)*)\)")


class _Bad(Exception):
    """Carries one finding up to `parse`."""

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(code)
        self.finding = Finding(code, values=values)


def parse(text: str, variables: Mapping[str, Variable], unplaced: bool = False) -> Formula:
    """The formula that a text says, such as `disease ~ age + C(smoking) + rcs(glucose, 4, 6, 9)`.

    unplaced: whether splines may be without knots, as `rcs(glucose, 4)`; what computes with a formula needs them.

    Raises:
        FileFault: with a finding for each fault; the places are for the caller to fill in.
    """
    sides = formula_text.read(text, variables)
    check_none(_bad_factors(sides, variables))
    try:
        found = _formula(sides, variables)
        if found.unplaced and not unplaced:
            raise _Bad("formula_unplaced", found=listed(str(one) for one in found.unplaced))
        return found
    except _Bad as fault:
        raise FileFault(fault.finding) from None


def _bad_factors(sides: Sides, variables: Mapping[str, Variable]) -> list[Finding]:
    """What is wrong with each factor by itself, of all of them."""
    found = []
    for expr in dict.fromkeys(factor for term in sides.right for factor in term):
        try:
            _factor(expr, variables)
        except _Bad as fault:
            found.append(fault.finding)
    return found


def _formula(sides: Sides, variables: Mapping[str, Variable]) -> Formula:
    outcome = _outcome(sides.left, variables)
    terms = [dict.fromkeys(_factor(factor, variables) for factor in term) for term in sides.right]
    intercept = sides.intercept
    kept = _ordered(Term(tuple(term)) for term in terms)
    if any(outcome in term.names for term in kept):
        raise _Bad("formula_outcome_repeated", found=outcome)
    _check_splines(kept)
    coded = _coded(kept, intercept)
    width = int(intercept) + sum(prod(factor.width for factor in term.factors) for term in coded)
    if not 0 < width <= MOST_COLUMNS:
        raise _Bad("formula_too_large", found=width, expected=MOST_COLUMNS)
    return Formula(outcome, _canonical(outcome, coded, intercept), coded, intercept, width)


def _outcome(left: Sequence[Factors], variables: Mapping[str, Variable]) -> str:
    names = [factor for term in left for factor in term]
    if len(names) != 1 or names[0] not in variables:
        raise _Bad("formula_outcome", found=short(", ".join(names)))
    return names[0]


def _factor(expr: str, variables: Mapping[str, Variable]) -> Factor:
    if expr in variables:
        variable = variables[expr]
        return _category(variable) if variable.type == "category" else Plain(expr)
    call = CALL.fullmatch(expr)
    if call is None:
        raise _Bad("formula_syntax", found=short(expr))
    variable = variables[call["name"]]
    if call["call"] == "rcs":
        return _spline(variable, call["rest"])
    if call["rest"] or variable.type not in {"category", "boolean"}:
        raise _Bad("formula_not_category", found=short(expr), variable=variable.name)
    return _category(variable) if variable.type == "category" else Plain(variable.name)


def _category(variable: Variable) -> Category:
    return Category(variable.name, tuple(level.name for level in variable.levels))


def _spline(variable: Variable, rest: str) -> Spline | Unplaced:
    written = [part.strip() for part in rest.split(",")[1:]]
    if variable.type not in {"number", "integer", "date"}:
        raise _Bad("formula_not_number", found=variable.name)
    if not all(re.fullmatch(NUMBER, part) for part in written):
        raise _Bad("formula_knots", found=short(rest.removeprefix(",")), expected=listed(variable.bounds))
    if len(written) == 1:
        return _unplaced(variable, written[0])
    knots = tuple(float(part) for part in written)
    low, high = variable.bounds
    rising = all(a < b for a, b in pairwise(knots))
    if len(knots) < 3 or not rising or knots[0] < low or knots[-1] > high:
        raise _Bad("formula_knots", found=listed(written), expected=f"{number_text(low)}, {number_text(high)}")
    return Spline(variable.name, knots)


def _unplaced(variable: Variable, number: str) -> Unplaced:
    if number not in {str(one) for one in range(3, MOST_KNOTS + 1)}:
        raise _Bad("formula_knots_number", found=short(number), expected=f"3 – {MOST_KNOTS}", variable=variable.name)
    # The cells in which people are counted lie on a lattice of numbers.
    if variable.type == "date":
        raise _Bad("formula_knots_date", found=variable.name, expected="number, integer")
    return Unplaced(variable.name, int(number))


def _ordered(terms: Iterable[Term]) -> list[Term]:
    """Each term once, those of fewer factors first, else as written (R's order)."""
    once = {frozenset(term.factors): term for term in reversed(list(terms))}
    return sorted(reversed(list(once.values())), key=lambda term: len(term.factors))


def _check_splines(terms: Sequence[Term]) -> None:
    """A variable beside its own spline would be the same column twice."""
    kinds: dict[str, set[Factor]] = {}
    for factor in (factor for term in terms for factor in term.factors):
        kinds.setdefault(factor.name, set()).add(factor)
    for name, found in kinds.items():
        if len(found) > 1:
            raise _Bad("formula_repeats", found=listed(sorted(str(factor) for factor in found)), variable=name)


def _coded(terms: Sequence[Term], intercept: bool) -> tuple[Term, ...]:
    """R's rule: a category loses its reference level in a term only where the term without it is in the model too.

    Without an intercept the first category of the model shows all its levels, as in R's model.matrix.
    """
    present: set[frozenset[Factor]] = {frozenset(term.factors) for term in terms} | {frozenset()}
    coded = [Term(tuple(_contrast(factor, term, present) for factor in term.factors)) for term in terms]
    return tuple(coded if intercept else _first_shown(coded))


def _contrast(factor: Factor, term: Term, present: set[frozenset[Factor]]) -> Factor:
    if isinstance(factor, Category) and frozenset(term.factors) - {factor} not in present:
        return replace(factor, first=0)
    return factor


def _first_shown(terms: list[Term]) -> list[Term]:
    for position, term in enumerate(terms):
        for index, factor in enumerate(term.factors):
            if isinstance(factor, Category):
                shown = (*term.factors[:index], replace(factor, first=0), *term.factors[index + 1 :])
                return [*terms[:position], Term(shown), *terms[position + 1 :]]
    return terms
