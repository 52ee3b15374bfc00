"""Model formulas: `outcome ~ terms`, parsed into the columns of a design matrix and never evaluated as code.

`formula_text` expands `*` and gives terms; every factor of a term is then read against an allow-list: a variable,
`C(variable)` for a category, and `rcs(variable, k1, k2, k3, ...)` for a restricted cubic spline with stated knots, or
`rcs(variable, 4)` for one whose four knots are found among all hospitals' people before anything is computed.
Levels and knots come from the study or from everyone, never from one hospital's data, so that all hospitals have the
same columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise, product
from math import inf, prod

import numpy as np
from numpy.typing import NDArray

from gagyo.errors import FileFault
from gagyo.finding import Finding
from gagyo.protocol import formula_text
from gagyo.protocol.formula_text import NUMBER, Factors, Sides
from gagyo.protocol.guards import listed, short
from gagyo.protocol.variables import Variable
from gagyo.text import LANGUAGES, Text, join

Floats = NDArray[np.float64]
MOST_COLUMNS = 1_000
MOST_KNOTS = 7
"""Of a spline whose knots are found: Harrell gives their percentiles for three to seven."""
INTERCEPT = Text("Intercept", "절편", "截距")


@dataclass(frozen=True)
class DesignColumn:
    """One column of a design matrix.

    bound: the greatest |x| that the declared ranges allow. indicator: where the column is 0/1, the (variable, level)
    pairs that all hold for the people counted in it, `()` for the intercept (everyone); None where it is a measurement.
    """

    name: str
    label: Text
    bound: float
    indicator: tuple[tuple[str, str], ...] | None


# ── factors: what a term is a product of ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Plain:
    """A number, date or boolean as it is."""

    name: str

    def __str__(self) -> str:
        return self.name

    def columns(self, variables: Mapping[str, Variable]) -> list[DesignColumn]:
        variable = variables[self.name]
        bound = max(abs(end) for end in variable.bounds)
        indicator = ((self.name, "true"),) if variable.type == "boolean" else None
        return [DesignColumn(self.name, variable.label, bound, indicator)]

    def fill(self, which: int, columns: Mapping[str, Floats], out: Floats) -> None:
        np.copyto(out, columns[self.name])

    @property
    def width(self) -> int:
        return 1


@dataclass(frozen=True)
class Category:
    """A category as 0/1 columns; `first` is 1 where the first level is the reference, 0 where all levels are shown."""

    name: str
    levels: tuple[str, ...]
    first: int = 1

    def __str__(self) -> str:
        return self.name

    def columns(self, variables: Mapping[str, Variable]) -> list[DesignColumn]:
        variable = variables[self.name]
        shown = variable.levels[self.first :]
        return [
            DesignColumn(
                f"{self.name}[{level.name}]",
                join(": ", variable.label, level.label),
                1.0,
                ((self.name, level.name),),
            )
            for level in shown
        ]

    def fill(self, which: int, columns: Mapping[str, Floats], out: Floats) -> None:
        values = columns[self.name]
        np.equal(values, which + self.first, out=out, casting="unsafe")
        out[np.isnan(values)] = np.nan

    @property
    def width(self) -> int:
        return len(self.levels) - self.first


@dataclass(frozen=True)
class Spline:
    """A restricted cubic spline in Harrell's truncated power basis, divided by (last - first knot)² as in rms::rcs.

    F. E. Harrell, Regression Modeling Strategies, 2nd ed., section 2.4.5. The first column is the variable itself; the
    others are named with primes, as rms names them.
    """

    name: str
    knots: tuple[float, ...]

    def __str__(self) -> str:
        return f"rcs({self.name}, {', '.join(_number(knot) for knot in self.knots)})"

    def columns(self, variables: Mapping[str, Variable]) -> list[DesignColumn]:
        variable = variables[self.name]
        ends = np.array(variable.bounds)
        return [self._column(which, variable.label, ends) for which in range(self.width)]

    def _column(self, which: int, label: Text, ends: Floats) -> DesignColumn:
        """Each basis function never falls, so that its greatest size is at an end of the range."""
        out = np.empty(2)
        self.fill(which, {self.name: ends}, out)
        marks = "'" * which
        return DesignColumn(self.name + marks, _marked(label, "′" * which), float(np.abs(out).max()), None)

    def fill(self, which: int, columns: Mapping[str, Floats], out: Floats) -> None:
        x = columns[self.name]
        if which == 0:
            np.copyto(out, x)
            return
        knot, before, last = self.knots[which - 1], self.knots[-2], self.knots[-1]
        _cube(x, knot, out)
        out -= _cube(x, before) * ((last - knot) / (last - before))
        out += _cube(x, last) * ((before - knot) / (last - before))
        out /= (last - self.knots[0]) ** 2

    @property
    def width(self) -> int:
        return len(self.knots) - 1


@dataclass(frozen=True)
class Unplaced:
    """A restricted cubic spline of so many knots, which stand nowhere yet: it has columns by name, and no values."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"rcs({self.name}, {self.number})"

    def columns(self, variables: Mapping[str, Variable]) -> list[DesignColumn]:
        label = variables[self.name].label
        return [
            DesignColumn(self.name + "'" * which, _marked(label, "′" * which), inf, None) for which in range(self.width)
        ]

    def fill(self, which: int, columns: Mapping[str, Floats], out: Floats) -> None:
        raise ValueError(f"{self} has no knots yet")

    @property
    def width(self) -> int:
        return self.number - 1


Factor = Plain | Category | Spline | Unplaced


def _cube(x: Floats, knot: float, out: Floats | None = None) -> Floats:
    """(x - knot)³ where x is over the knot, else 0; missing stays missing."""
    over: Floats = np.subtract(x, knot, out=out)
    np.maximum(over, 0.0, out=over)
    over *= over * over
    return over


@dataclass(frozen=True)
class Term:
    """A product of factors; one column for each combination of theirs, the first factor's varying fastest as in R."""

    factors: tuple[Factor, ...]

    def __str__(self) -> str:
        return ":".join(str(factor) for factor in self.factors)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(factor.name for factor in self.factors)

    @cached_property
    def plain(self) -> str:
        """The variable whose values are the term's one column; empty where the term is more than that."""
        only = self.factors[0] if len(self.factors) == 1 else None
        return only.name if isinstance(only, Plain) else ""

    def picks(self) -> Iterator[tuple[int, ...]]:
        """The combinations of the factors' columns."""
        widths = [range(factor.width) for factor in reversed(self.factors)]
        return (pick[::-1] for pick in product(*widths))

    def columns(self, variables: Mapping[str, Variable]) -> list[DesignColumn]:
        parts = [factor.columns(variables) for factor in self.factors]
        return [_product([part[index] for part, index in zip(parts, pick, strict=True)]) for pick in self.picks()]

    def fill(self, pick: tuple[int, ...], columns: Mapping[str, Floats], out: Floats) -> None:
        self.factors[0].fill(pick[0], columns, out)
        for factor, which in zip(self.factors[1:], pick[1:], strict=True):
            part = np.empty_like(out)
            factor.fill(which, columns, part)
            out *= part


def _product(parts: Sequence[DesignColumn]) -> DesignColumn:
    if len(parts) == 1:
        return parts[0]
    indicators = [part.indicator for part in parts]
    joined = None if None in indicators else tuple(pair for pairs in indicators if pairs for pair in pairs)
    name = ":".join(part.name for part in parts)
    return DesignColumn(name, join(" × ", *(part.label for part in parts)), prod(part.bound for part in parts), joined)


def _marked(label: Text, marks: str) -> Text:
    return Text(*(label.to(language) + marks for language in LANGUAGES)) if marks else label


def _number(value: float) -> str:
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


# ── the formula ───────────────────────────────────────────────────────────────────────────────────────────────────


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
        first = [DesignColumn("Intercept", INTERCEPT, 1.0, ())] if self.intercept else []
        return (*first, *(column for term in self.terms for column in term.columns(variables)))

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
        position = 0
        if self.intercept:
            matrix[:, 0] = 1.0
            position = 1
        for term, pick in self._picked:
            # Most columns are a variable as it is: a large fit fills some ten thousand of them.
            if term.plain:
                matrix[:, position] = columns[term.plain]
            else:
                term.fill(pick, columns, matrix[:, position])
            position += 1

    @cached_property
    def _picked(self) -> tuple[tuple[Term, tuple[int, ...]], ...]:
        return tuple((term, pick) for term in self.terms for pick in term.picks())


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
    try:
        found = _formula(sides, variables)
        if found.unplaced and not unplaced:
            raise _Bad("formula_unplaced", found=listed(str(one) for one in found.unplaced))
        return found
    except _Bad as fault:
        raise FileFault(fault.finding) from None


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
        raise _Bad("formula_knots", found=listed(written), expected=f"{_number(low)}, {_number(high)}")
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
