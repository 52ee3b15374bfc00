"""What a formula's terms are products of, and the columns that they give a design: values, levels, splines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import inf, prod

import numpy as np
from numpy.typing import NDArray

from gagyo.protocol.variables import Variable
from gagyo.text import LANGUAGES, Text, join

Floats = NDArray[np.float64]


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
        return f"rcs({self.name}, {', '.join(number_text(knot) for knot in self.knots)})"

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


def number_text(value: float) -> str:
    """A number as the canonical text of a formula has it."""
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
