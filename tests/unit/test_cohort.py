"""The cohort language: what it means (against an evaluator written apart from it), and that it cannot be escaped."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gagyo.errors import FileFault
from gagyo.protocol.cohort_text import parse, usable
from gagyo.protocol.variables import Level, Variable
from gagyo.text import LANGUAGES, Text

LEVELS = tuple(Level(name, Text(name)) for name in ("never", "former", "it's"))
VARIABLES = {
    variable.name: variable
    for variable in (
        Variable("age", "integer", Text("Age"), range=(0, 120)),
        Variable("glucose", "number", Text("Glucose"), range=(0, 60)),
        Variable("disease", "boolean", Text("Disease")),
        Variable("smoking", "category", Text("Smoking"), levels=LEVELS),
        Variable("seen", "date", Text("Seen"), range=(0, 30000)),
    )
}
NAN = math.nan
COLUMNS = {
    "age": np.array([10.0, 20, NAN, 30]),
    "glucose": np.array([1.0, 2, 3, 0]),
    "disease": np.array([0, 1, 1, NAN]),
    "smoking": np.array([0, 1, NAN, 2]),
    "seen": np.array([0, 19000, 20000, NAN]),
}

MEANING = [
    ("age >= 18", [0, 1, 0, 1]),
    ("not age >= 18", [1, 0, 0, 0]),
    ("age <> 20", [1, 0, 0, 1]),
    ("disease", [0, 1, 1, 0]),
    ("not disease", [1, 0, 0, 0]),
    ("disease = false", [1, 0, 0, 0]),
    ("age is null", [0, 0, 1, 0]),
    ("age is not null and disease", [0, 1, 0, 0]),
    ("disease or age >= 18", [0, 1, 1, 1]),
    ("age between 10 and 20", [1, 1, 0, 0]),
    ("not age between 10 and 20", [0, 0, 0, 1]),
    ("smoking in ('never', 'it''s')", [1, 0, 0, 1]),
    ("smoking not in ('never')", [0, 1, 0, 1]),
    ("seen >= '2022-01-08'", [0, 1, 1, 0]),
    ("age / glucose > 5", [1, 1, 0, 0]),
    ("-age + 2 * glucose < -15", [0, 1, 0, 1]),
    ("not age > 15 and glucose = 1", [1, 0, 0, 0]),
    ("age > 15 or age < 5 and disease", [0, 1, 0, 1]),
]

ATTACKS = [
    ("__import__('os')", "expression_function"),
    ("age.__class__", "expression_attribute"),
    ("a.b > 1", "expression_attribute"),
    ("lower(smoking) = 'never'", "expression_function"),
    ("(select 1)", "expression_query"),
    ("age in (select age)", "expression_query"),
    ("drop table age", "expression_query"),
    ("age > 1; age > 2", "expression_character"),
    ("age > 1 -- and so on", "expression_comment"),
    ("age > 1 /* so */", "expression_comment"),
    ("age > 1 # so", "expression_comment"),
    ("age::int > 1", "expression_character"),
    ("age > @x", "expression_character"),
    ('age = "x"', "expression_quotes"),
    ("case when disease then age end", "expression_query"),
    ("age like 'a'", "expression_query"),
    ("agee > 1", "unknown_variable"),
    ("smoking = former", "level_unquoted"),
    ("smoking = 'formr'", "unknown_level"),
    ("smoking > 5", "expression_types"),
    ("smoking < 'never'", "expression_order"),
    ("seen > '2020-13-01'", "bad_date"),
    ("seen > 5", "expression_types"),
    ("age > 'old'", "expression_types"),
    ("disease = 1", "expression_types"),
    ("age + disease > 3", "expression_arithmetic"),
    ("1 < age < 5", "expression_condition_as_value"),
    ("age", "expression_not_a_condition"),
    ("age is true", "expression_not_allowed"),
    ("age = null", "expression_not_allowed"),
    ("age >", "expression_syntax"),
    ("", "expression_syntax"),
    ("age in ()", "expression_syntax"),
    ("smoking = smoking", "expression_types"),
    ("x" * 1_000_000, "expression_too_long"),
    ("(" * 5_000 + "age>1", "expression_too_nested"),
    ("(" * 10_000 + "age > 1" + ")" * 10_000, "expression_too_long"),
    ("not " * 2_000 + "disease", "expression_too_nested"),
    ("- " * 2_000 + "age > 1", "expression_too_nested"),
    ("+".join(["age"] * 2_000) + " > 1", "expression_too_nested"),
]


@pytest.mark.parametrize(("text", "selected"), MEANING)
def test_an_expression_means_what_sql_says(text: str, selected: list[int]) -> None:
    assert parse(text, VARIABLES).evaluate(COLUMNS).astype(int).tolist() == selected


@pytest.mark.parametrize(("text", "code"), ATTACKS)
def test_an_attack_or_a_slip_is_refused_with_its_code(text: str, code: str) -> None:
    started = time.perf_counter()
    with pytest.raises(FileFault) as fault:
        parse(text, VARIABLES)
    assert code in [finding.code for finding in fault.value.findings]
    assert time.perf_counter() - started < 10
    for language in LANGUAGES:
        assert fault.value.text(language)


def test_a_typo_names_the_nearest() -> None:
    with pytest.raises(FileFault, match="Did you mean glucose"):
        parse("glucos > 1", VARIABLES)


def test_all_unknown_names_are_reported_at_once() -> None:
    with pytest.raises(FileFault) as fault:
        parse("agee > 1 and glucos > 2", VARIABLES)
    assert [finding.values["found"] for finding in fault.value.findings] == ["agee", "glucos"]


def test_a_long_chain_is_no_nesting() -> None:
    assert parse(" or ".join(["age > 1"] * 700), VARIABLES).evaluate(COLUMNS).tolist() == [True, True, False, True]


def test_variables_are_those_looked_at_and_not_words_in_texts() -> None:
    assert parse("smoking = 'never' and age > 1", VARIABLES).variables == {"smoking", "age"}


def test_a_constant_condition_covers_everyone() -> None:
    assert parse("1 = 1", VARIABLES).evaluate(COLUMNS).tolist() == [True] * 4


def test_words_that_sql_keeps_cannot_name_variables() -> None:
    assert [usable(name) for name in ("age", "date", "select", "current_date")] == [True, True, False, False]


# ── against an evaluator that goes row by row ─────────────────────────────────────────────────────────────────────

Tree = tuple[Any, ...]
numbers = st.sampled_from(["age", "glucose"]).map(lambda name: ("name", name)) | st.integers(-9, 40).map(
    lambda value: ("number", value)
)
values = st.recursive(
    numbers,
    lambda inner: st.tuples(st.sampled_from("+-*/"), inner, inner) | st.tuples(st.just("neg"), inner),
    max_leaves=4,
)
simple = (
    st.tuples(st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), values, values)
    | st.tuples(st.just("null"), values)
    | st.tuples(st.just("between"), values, values, values)
    | st.tuples(st.just("in"), values, st.lists(values, min_size=1, max_size=3))
    | st.just(("=", ("name", "disease"), ("truth",)))
)
conditions = st.recursive(
    simple,
    lambda inner: st.tuples(st.just("not"), inner) | st.tuples(st.sampled_from(["and", "or"]), inner, inner),
    max_leaves=8,
)


def written(tree: Tree) -> str:
    """The tree as text, all of it in brackets."""
    kind, *parts = tree
    if kind in {"name", "number"}:
        return f"({parts[0]})" if kind == "number" else str(parts[0])
    if kind == "truth":
        return "true"
    if kind == "neg":
        return f"(-{written(parts[0])})"
    if kind == "not":
        return f"(not {written(parts[0])})"
    if kind == "null":
        return f"({written(parts[0])} is null)"
    if kind == "between":
        return "({} between {} and {})".format(*(written(part) for part in parts))
    if kind == "in":
        return f"({written(parts[0])} in ({', '.join(written(part) for part in parts[1])}))"
    return f"({written(parts[0])} {kind} {written(parts[1])})"


def value_of(tree: Tree, row: dict[str, float | None]) -> float | None:
    kind, *parts = tree
    if kind == "name":
        return row[parts[0]]
    if kind == "number":
        return float(parts[0])
    if kind == "truth":
        return 1.0
    found = [value_of(part, row) for part in parts]
    if None in found:
        return None
    if kind == "neg":
        return -found[0]  # type: ignore[operator]
    left, right = found
    if kind == "/" and right == 0:
        return None
    return eval(f"left {kind} right", {"left": left, "right": right})  # type: ignore[no-any-return]


def holds(tree: Tree, row: dict[str, float | None]) -> bool | None:
    kind, *parts = tree
    if kind == "not":
        inner = holds(parts[0], row)
        return None if inner is None else not inner
    if kind in {"and", "or"}:
        found = [holds(part, row) for part in parts]
        deciding = kind == "or"
        return deciding if deciding in found else (None if None in found else not deciding)
    if kind == "null":
        return value_of(parts[0], row) is None
    if kind == "between":
        return holds(("and", (">=", parts[0], parts[1]), ("<=", parts[0], parts[2])), row)
    if kind == "in":
        found = [holds(("=", parts[0], part), row) for part in parts[1]]
        return True if True in found else (None if None in found else False)
    left, right = (value_of(part, row) for part in parts)
    if left is None or right is None:
        return None
    sign = {"=": "==", "<>": "!="}.get(kind, kind)
    return bool(eval(f"left {sign} right", {"left": left, "right": right}))


@settings(max_examples=300, deadline=None)
@given(
    conditions, st.lists(st.tuples(*[st.none() | st.integers(0, 40)] * 2, st.none() | st.integers(0, 1)), min_size=1)
)
def test_columns_and_rows_agree(tree: Tree, people: list[tuple[int | None, ...]]) -> None:
    names = ("age", "glucose", "disease")
    rows = [dict(zip(names, (None if x is None else float(x) for x in person), strict=True)) for person in people]
    columns = {name: np.array([NAN if row[name] is None else row[name] for row in rows], dtype=float) for name in names}
    expression = parse(written(tree), VARIABLES)
    assert expression.evaluate(columns).tolist() == [holds(tree, row) is True for row in rows]
    assert parse(str(expression), VARIABLES) == expression


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(FileFault):
        found = parse(text, VARIABLES)
        assert parse(str(found), VARIABLES) == found
