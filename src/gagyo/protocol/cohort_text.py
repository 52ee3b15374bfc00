"""From the text of a cohort expression to its tree: parsed against allow-lists, and never evaluated as code.

A text is read three times, each time against an allow-list: its tokens (a linear scan, before any parser), the nodes of
sqlglot's tree, and the types of what is compared. What comes out is made only of the classes of `cohort.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gagyo.errors import FileFault
from gagyo.finding import Finding
from gagyo.protocol.cohort import (
    EPOCH,
    Among,
    Arithmetic,
    Between,
    Comparison,
    Condition,
    Day,
    Every,
    Expression,
    LevelOf,
    Missing,
    Named,
    Negative,
    Not,
    Number,
    Some,
    Truth,
    Type,
    Value,
)
from gagyo.protocol.guards import DEEPEST, listed, nearest, short, too_long, too_nested, unknown_variable
from gagyo.protocol.variables import Variable
from gagyo.result import Words
from gagyo.text import Text

if TYPE_CHECKING:
    from sqlglot import expressions as sql

KEYWORDS = frozenset({"and", "or", "not", "in", "between", "is", "null", "true", "false"})
SQL_WORDS = frozenset(
    {"select", "from", "where", "union", "insert", "update", "delete", "drop", "create", "alter", "with", "exec"}
    | {"execute", "case", "when", "then", "else", "end", "like", "cast", "exists", "join", "having", "group", "order"}
    | {"limit", "values", "table", "into", "grant", "begin", "commit"}
)


# ── from text to tokens ───────────────────────────────────────────────────────────────────────────────────────────

TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<comment>--|/\*|\*/|#)|(?P<text>'(?:[^']|'')*')"
    r"|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign><=|>=|<>|!=|==|[=<>+\-*/(),])|(?P<other>.)",
    re.DOTALL,
)


def _tokens(text: str) -> list[tuple[str, str]]:
    found = ((str(match.lastgroup), match.group()) for match in TOKEN.finditer(text))
    return [(kind, token) for kind, token in found if kind != "space"]


def _check_tokens(tokens: list[tuple[str, str]], variables: Mapping[str, Variable]) -> Iterator[Finding]:
    """Faults that the tokens alone show; sqlglot never sees a text that has one."""
    for index, (kind, token) in enumerate(tokens):
        following = tokens[index + 1][1] if index + 1 < len(tokens) else ""
        if kind == "comment":
            yield Finding("expression_comment", values={"found": token})
            return
        if kind == "other":
            yield _stray(token)
            return
        if kind == "name":
            yield from _check_word(token, following, variables)


def _stray(token: str) -> Finding:
    if token == ".":
        return Finding("expression_attribute", values={"found": token})
    if token in "\"`'":
        return Finding("expression_quotes", values={"found": token})
    return Finding("expression_character", values={"found": short(token)})


def _check_word(word: str, following: str, variables: Mapping[str, Variable]) -> Iterator[Finding]:
    if word.lower() in KEYWORDS:
        return
    if following == "(" or word.startswith("__"):
        yield Finding("expression_function", values={"found": short(word)})
    elif word in variables:
        return
    elif word.lower() in SQL_WORDS:
        yield Finding("expression_query", values={"found": word})
    elif whose := next((one.name for one in variables.values() if word in (level.name for level in one.levels)), None):
        yield Finding("level_unquoted", values={"found": word, "variable": whose})
    else:
        yield unknown_variable(word, variables)


# ── from sqlglot's tree to ours ───────────────────────────────────────────────────────────────────────────────────


class _Untyped(Exception):
    """Carries one finding up to `parse`."""

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(code)
        self.finding = Finding(code, values=values)


def parse(text: str, variables: Mapping[str, Variable]) -> Expression:
    """The expression that a text says.

    Raises:
        FileFault: with a finding for each fault; the places are for the caller to fill in.
    """
    long = too_long(text)
    if long:
        raise FileFault(long)
    tokens = _tokens(text)
    nested = too_nested(token for _, token in tokens)
    if nested:
        raise FileFault(nested)
    faults = _distinct(_check_tokens(tokens, variables))
    if faults:
        raise FileFault(*faults)
    try:
        condition = _Translator(variables).condition(_tree(text))
    except _Untyped as fault:
        raise FileFault(fault.finding) from None
    except RecursionError:
        raise FileFault(Finding("expression_too_nested", values={"found": "?", "expected": DEEPEST})) from None
    used = frozenset(token for kind, token in tokens if kind == "name" and token in variables)
    return Expression(condition, used)


@lru_cache(maxsize=4096)  # a study is read by its plan, too, and by each hospital
def usable(name: str) -> bool:
    """Whether a variable of this name can be spoken of in an expression: SQL keeps some words for itself."""
    probe = Variable(name, "number", Text(name))
    try:
        parse(f"{name} + {name} > 1 and {name} is not null", {name: probe})
    except FileFault:
        return False
    return name not in KEYWORDS | SQL_WORDS


def _distinct(findings: Iterator[Finding]) -> list[Finding]:
    return list({(finding.code, str(finding.values.get("found"))): finding for finding in findings}.values())


def _tree(text: str) -> sql.Expression:
    from sqlglot import parse as parse_sql
    from sqlglot.errors import SqlglotError

    try:
        statements = parse_sql(text)
    except SqlglotError:
        raise _Untyped("expression_syntax", found=short(text)) from None
    if len(statements) != 1 or statements[0] is None:
        raise _Untyped("expression_syntax", found=short(text))
    _check_depth(statements[0])
    return cast("sql.Expression", statements[0])


def _check_depth(tree: Any) -> None:
    """Refuse a tree that is deeper than its brackets showed, such as a chain of 1,000 additions."""
    stack = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        if depth > 2 * DEEPEST:
            raise _Untyped("expression_too_nested", found=depth, expected=DEEPEST)
        for child in node.iter_expressions():
            chained = type(child) is type(node) and type(node).__name__ in {"And", "Or"}
            stack.append((child, depth if chained else depth + 1))


class _Translator:
    """Turns sqlglot's nodes into ours, by an allow-list of node types, and checks that types fit."""

    def __init__(self, variables: Mapping[str, Variable]) -> None:
        self.variables = variables

    def condition(self, node: sql.Expression) -> Condition:
        """A node that must say yes or no about a person."""
        name = type(node).__name__
        if name == "Paren":
            return self.condition(node.this)
        if name == "Not":
            return Not(self.condition(node.this))
        if name in {"And", "Or"}:
            terms = tuple(self.condition(term) for term in _chain(node))
            return Every(terms) if name == "And" else Some(terms)
        if name in SIGNS:
            return self._comparison(SIGNS[name], node.this, node.expression)
        if name == "In":
            return self._among(node)
        if name == "Between":
            return self._between(node)
        if name == "Is":
            return self._missing(node)
        return self._bare(node)

    def _bare(self, node: sql.Expression) -> Condition:
        """A boolean variable standing alone is a condition."""
        if type(node).__name__ == "Column":
            value, kind = self.value(node)
            if kind == "boolean":
                return Comparison("=", value, Truth(True))
        if type(node).__name__ in {*VALUES, "Boolean"}:
            raise _Untyped("expression_not_a_condition", found=short(node.sql()))
        raise _Untyped("expression_not_allowed", found=short(node.sql()))

    def _comparison(self, sign: str, left: sql.Expression, right: sql.Expression) -> Comparison:
        first, second = self._pair(left, right)
        if first[1] in {"category", "boolean"} and sign not in {"=", "<>"}:
            raise _Untyped("expression_order", found=short(f"{left.sql()} {sign} {right.sql()}"))
        return Comparison(sign, first[0], second[0])

    def _among(self, node: sql.Expression) -> Among:
        if node.args.get("query") or node.args.get("unnest") or node.args.get("field"):
            raise _Untyped("expression_query", found=short(node.sql()))
        members = node.expressions
        if not members:
            raise _Untyped("expression_syntax", found=short(node.sql()))
        pairs = [self._pair(node.this, member) for member in members]
        return Among(pairs[0][0][0], tuple(second[0] for _, second in pairs))

    def _between(self, node: sql.Expression) -> Between:
        if node.args.get("symmetric"):
            raise _Untyped("expression_not_allowed", found=short(node.sql()))
        low = self._comparison(">=", node.this, node.args["low"])
        high = self._comparison("<=", node.this, node.args["high"])
        return Between(low.left, low.right, high.right)

    def _missing(self, node: sql.Expression) -> Missing:
        if type(node.expression).__name__ != "Null":
            raise _Untyped("expression_not_allowed", found=short(node.sql()))
        value, kind = self.value(node.this)
        if kind == "text":
            raise _Untyped("expression_types", found=short(node.sql()), left=_say(kind), right="null")
        return Missing(value)

    def _pair(self, left: sql.Expression, right: sql.Expression) -> tuple[tuple[Value, Type], tuple[Value, Type]]:
        """Both sides of a comparison, of one type; a text becomes the level or the date that the other side needs."""
        first, second = self._side(left, right), self._side(right, left)
        two_columns = first[1] == "category" and isinstance(first[0], Named) and isinstance(second[0], Named)
        if first[1] != second[1] or first[1] == "text" or two_columns:
            shown = short(f"{left.sql()} … {right.sql()}")
            raise _Untyped("expression_types", found=shown, left=_say(first[1]), right=_say(second[1]))
        return first, second

    def _side(self, node: sql.Expression, other: sql.Expression) -> tuple[Value, Type]:
        value, kind = self.value(node)
        if kind != "text":
            return value, kind
        text = str(node.unnest().this)
        variable = self._variable(other)
        if variable is not None and variable.type == "category":
            return _level(text, variable), "category"
        if variable is not None and variable.type == "date":
            return _day(text), "date"
        return value, kind

    def _variable(self, node: sql.Expression) -> Variable | None:
        inner = node.unnest()
        return self.variables.get(inner.name) if type(inner).__name__ == "Column" else None

    def value(self, node: sql.Expression) -> tuple[Value, Type]:
        """A node that must be a value, with its type."""
        name = type(node).__name__
        if name == "Paren":
            return self.value(node.this)
        if name == "Boolean":
            return Truth(bool(node.this)), "boolean"
        if name == "Literal":
            return (Number(0.0), "text") if node.is_string else (_number(node), "number")
        if name == "Column":
            return self._column(node)
        if name == "Neg":
            return self._negative(node)
        if name in ARITHMETIC_NODES:
            return self._arithmetic(ARITHMETIC_NODES[name], node), "number"
        if name in {*SIGNS, "And", "Or", "Not", "In", "Between", "Is"}:
            raise _Untyped("expression_condition_as_value", found=short(node.sql()))
        if name in {"Select", "Subquery", "Union"}:
            raise _Untyped("expression_query", found=short(node.sql()))
        raise _Untyped("expression_not_allowed", found=short(node.sql()))

    def _column(self, node: sql.Expression) -> tuple[Value, Type]:
        plain = not node.args.get("table") and not node.this.args.get("quoted")
        if not plain or node.name not in self.variables:
            raise _Untyped("expression_not_allowed", found=short(node.sql()))
        kind = self.variables[node.name].type
        return Named(node.name), ("number" if kind in {"number", "integer"} else kind)  # type: ignore[return-value]

    def _negative(self, node: sql.Expression) -> tuple[Value, Type]:
        operand = self._number(node.this, node)
        return (Number(-operand.value) if isinstance(operand, Number) else Negative(operand)), "number"

    def _arithmetic(self, sign: Any, node: sql.Expression) -> Arithmetic:
        return Arithmetic(sign, self._number(node.this, node), self._number(node.expression, node))

    def _number(self, node: sql.Expression, whole: sql.Expression) -> Value:
        value, kind = self.value(node)
        if kind != "number":
            raise _Untyped("expression_arithmetic", found=short(whole.sql()), kind=_say(kind))
        return value


SIGNS = {"EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
ARITHMETIC_NODES = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/"}
VALUES = frozenset({"Literal", "Column", "Neg", *ARITHMETIC_NODES})


def _chain(node: Any) -> list[Any]:
    """The terms of `a and b and c`, in order, without recursion; brackets keep their own condition."""
    terms: list[Any] = []
    while type(node.this) is type(node):
        terms.append(node.expression)
        node = node.this
    return [node.this, node.expression, *reversed(terms)]


def _say(kind: str) -> Words:
    return Words(f"expected.{kind}")


def _number(node: sql.Expression) -> Number:
    value = float(node.this)
    if not np.isfinite(value):
        raise _Untyped("expression_not_allowed", found=short(node.this))
    return Number(value)


def _level(text: str, variable: Variable) -> LevelOf:
    names = [level.name for level in variable.levels]
    if text not in names:
        values = {"found": short(text), "expected": listed(names), "hint": nearest(text, names)}
        raise _Untyped("unknown_level", variable=variable.name, **values)
    return LevelOf(text, names.index(text))


def _day(text: str) -> Day:
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            raise ValueError
        return Day((date.fromisoformat(text) - EPOCH).days)
    except ValueError:
        raise _Untyped("bad_date", found=short(text)) from None
