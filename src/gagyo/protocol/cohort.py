"""Who belongs to a cohort: a small tree that knows arithmetic, comparison, SQL's three-valued logic and no more.

`cohort_text.py` makes it from the text of a study file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    pass

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Columns = Mapping[str, Floats]
Type = Literal["number", "boolean", "date", "category", "text"]
EPOCH = date(1970, 1, 1)


class Logic(NamedTuple):
    """A condition for each person in three-valued logic: known to hold, known not to hold, or neither."""

    true: Bools
    false: Bools


# ── the tree ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Number:
    """A number that is written in the expression."""

    value: float

    def values(self, columns: Columns) -> Floats:
        return np.asarray(self.value)

    def __str__(self) -> str:
        whole = self.value.is_integer() and abs(self.value) < 1e15
        return str(int(self.value)) if whole else repr(self.value)


@dataclass(frozen=True)
class Truth:
    """`true` or `false`."""

    value: bool

    def values(self, columns: Columns) -> Floats:
        return np.asarray(float(self.value))

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(frozen=True)
class Day:
    """A date, held as days since 1970-01-01."""

    days: int

    def values(self, columns: Columns) -> Floats:
        return np.asarray(float(self.days))

    def __str__(self) -> str:
        return f"'{(EPOCH + timedelta(days=self.days)).isoformat()}'"


@dataclass(frozen=True)
class LevelOf:
    """A level of a category, held as its index."""

    name: str
    index: int

    def values(self, columns: Columns) -> Floats:
        return np.asarray(float(self.index))

    def __str__(self) -> str:
        return "'" + self.name.replace("'", "''") + "'"


@dataclass(frozen=True)
class Named:
    """A variable of the study."""

    name: str

    def values(self, columns: Columns) -> Floats:
        return columns[self.name]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Negative:
    """Minus a number."""

    operand: Value

    def values(self, columns: Columns) -> Floats:
        return -self.operand.values(columns)

    def __str__(self) -> str:
        return f"-{_bracketed(self.operand)}"


@dataclass(frozen=True)
class Arithmetic:
    """Two numbers added, subtracted, multiplied or divided; a division by zero is missing."""

    sign: Literal["+", "-", "*", "/"]
    left: Value
    right: Value

    def values(self, columns: Columns) -> Floats:
        left, right = self.left.values(columns), self.right.values(columns)
        with np.errstate(all="ignore"):
            found = ARITHMETIC[self.sign](left, right)
        return np.where(np.isfinite(found), found, np.nan)

    def __str__(self) -> str:
        return f"{_bracketed(self.left)} {self.sign} {_bracketed(self.right)}"


Value = Number | Truth | Day | LevelOf | Named | Negative | Arithmetic
ARITHMETIC: dict[str, Any] = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}
COMPARISON: dict[str, Any] = {
    "=": np.equal,
    "<>": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def _bracketed(value: Value) -> str:
    composed = isinstance(value, (Arithmetic, Negative)) or (isinstance(value, Number) and value.value < 0)
    return f"({value})" if composed else str(value)


@dataclass(frozen=True)
class Comparison:
    """Two values compared; unknown where either is missing."""

    sign: str
    left: Value
    right: Value

    def logic(self, columns: Columns) -> Logic:
        left, right = self.left.values(columns), self.right.values(columns)
        known = ~(np.isnan(left) | np.isnan(right))
        holds = COMPARISON[self.sign](left, right)
        return Logic(known & holds, known & ~holds)

    def __str__(self) -> str:
        return f"{self.left} {self.sign} {self.right}"


@dataclass(frozen=True)
class Missing:
    """`is null`: the value is missing. Never unknown."""

    operand: Value

    def logic(self, columns: Columns) -> Logic:
        absent = np.isnan(self.operand.values(columns))
        return Logic(absent, ~absent)

    def __str__(self) -> str:
        return f"{self.operand} is null"


@dataclass(frozen=True)
class Not:
    """The contrary; unknown stays unknown."""

    operand: Condition

    def logic(self, columns: Columns) -> Logic:
        true, false = self.operand.logic(columns)
        return Logic(false, true)

    def __str__(self) -> str:
        if isinstance(self.operand, Missing):
            return f"{self.operand.operand} is not null"
        return f"not ({self.operand})"


@dataclass(frozen=True)
class Every:
    """Conditions joined by `and`."""

    terms: tuple[Condition, ...]

    def logic(self, columns: Columns) -> Logic:
        return reduce(lambda a, b: Logic(a.true & b.true, a.false | b.false), _logics(self.terms, columns))

    def __str__(self) -> str:
        return " and ".join(_joined(term) for term in self.terms)


@dataclass(frozen=True)
class Some:
    """Conditions joined by `or`."""

    terms: tuple[Condition, ...]

    def logic(self, columns: Columns) -> Logic:
        return reduce(lambda a, b: Logic(a.true | b.true, a.false & b.false), _logics(self.terms, columns))

    def __str__(self) -> str:
        return " or ".join(_joined(term) for term in self.terms)


@dataclass(frozen=True)
class Among:
    """`in (...)`: equal to one of the listed values."""

    operand: Value
    members: tuple[Value, ...]

    def logic(self, columns: Columns) -> Logic:
        return Some(tuple(Comparison("=", self.operand, member) for member in self.members)).logic(columns)

    def __str__(self) -> str:
        return f"{self.operand} in ({', '.join(str(member) for member in self.members)})"


@dataclass(frozen=True)
class Between:
    """`between low and high`, both ends included."""

    operand: Value
    low: Value
    high: Value

    def logic(self, columns: Columns) -> Logic:
        ends = (Comparison(">=", self.operand, self.low), Comparison("<=", self.operand, self.high))
        return Every(ends).logic(columns)

    def __str__(self) -> str:
        return f"{self.operand} between {self.low} and {self.high}"


Condition = Comparison | Missing | Not | Every | Some | Among | Between


def _logics(terms: tuple[Condition, ...], columns: Columns) -> Iterator[Logic]:
    return (term.logic(columns) for term in terms)


def _joined(term: Condition) -> str:
    return f"({term})" if isinstance(term, (Every, Some, Between)) else str(term)


@dataclass(frozen=True)
class Expression:
    """Who belongs to a cohort. `str()` is its canonical text; `variables` are those whose values it looks at."""

    condition: Condition
    variables: frozenset[str]

    def evaluate(self, columns: Columns) -> Bools:
        """Who is selected: bool (n,). As in SQL, a person is not selected where a missing value leaves it unknown.

        columns: float64 (n,) by variable, as protocol/variables.py holds them.
        """
        n = len(next(iter(columns.values())))
        return np.broadcast_to(self.condition.logic(columns).true, (n,)).copy()

    def places(self, name: str, columns: Columns) -> Iterator[Bools]:
        """Of whom each comparison that names a variable holds, (n,): where the condition divides its values."""
        n = len(next(iter(columns.values())))
        for one in _comparisons(self.condition):
            if name in _names(one):
                yield np.broadcast_to(one.logic(columns).true, (n,))

    def __str__(self) -> str:
        return str(self.condition)


def _comparisons(condition: Condition) -> Iterator[Condition]:
    """What a condition is put together from by `and`, `or` and `not`."""
    if isinstance(condition, (Every, Some)):
        for term in condition.terms:
            yield from _comparisons(term)
    elif isinstance(condition, Not):
        yield from _comparisons(condition.operand)
    else:
        yield condition


def _names(part: Condition | Value) -> frozenset[str]:
    """The variables that a comparison, or a value in it, names."""
    if isinstance(part, Named):
        return frozenset([part.name])
    if isinstance(part, (Comparison, Arithmetic)):
        return _names(part.left) | _names(part.right)
    if isinstance(part, Between):
        return _names(part.operand) | _names(part.low) | _names(part.high)
    return _names(part.operand) if isinstance(part, (Negative, Missing, Among)) else frozenset()
