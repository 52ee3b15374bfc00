"""Formulas: their columns against formulaic's own and Harrell's definition, and that nothing is evaluated."""

from __future__ import annotations

import time
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from formulaic import model_matrix
from formulaic.parser import DefaultFormulaParser
from hypothesis import given, settings
from hypothesis import strategies as st

from gagyo.errors import FileFault
from gagyo.protocol import formula_text
from gagyo.protocol.formula import parse
from gagyo.protocol.variables import Level, Variable
from gagyo.text import LANGUAGES, Text

DRUGS, SMOKING = ("a", "b", "c"), ("never", "former")
VARIABLES = {
    variable.name: variable
    for variable in (
        Variable("age", "integer", Text("Age", "나이", "年龄"), range=(0, 120)),
        Variable("x", "number", Text("X"), range=(-5, 9)),
        Variable("disease", "boolean", Text("Disease")),
        Variable("treated", "boolean", Text("Treated")),
        Variable("smoking", "category", Text("Smoking"), levels=tuple(Level(name, Text(name)) for name in SMOKING)),
        Variable("drug", "category", Text("Drug", "약", "药"), levels=tuple(Level(n, Text(n)) for n in DRUGS)),
    )
}


def people(seed: int, n: int = 60) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "age": random.integers(0, 121, n).astype(float),
        "x": random.uniform(-5, 9, n),
        "disease": random.integers(0, 2, n).astype(float),
        "treated": random.integers(0, 2, n).astype(float),
        "smoking": random.integers(0, 2, n).astype(float),
        "drug": random.integers(0, 3, n).astype(float),
    }


def frame(columns: dict[str, np.ndarray]) -> pd.DataFrame:
    """The same people as a data frame with categories, as formulaic reads them."""
    table = pd.DataFrame(columns)
    table["drug"] = pd.Categorical.from_codes(columns["drug"].astype(int), list(DRUGS))
    table["smoking"] = pd.Categorical.from_codes(columns["smoking"].astype(int), list(SMOKING))
    return table


main = ["age", "x", "treated", "smoking", "drug"]
pairs = st.lists(st.sampled_from(main), min_size=2, max_size=3, unique=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(main), max_size=5, unique=True), st.none() | pairs, st.integers(0, 1000))
def test_the_design_is_formulaics(terms: list[str], crossed: list[str] | None, seed: int) -> None:
    """With the main effects in the model both use the same contrasts; the order of columns may differ."""
    right = " + ".join([*terms, *(["*".join(crossed)] if crossed else [])]) or "1"
    columns = people(seed)
    formula = parse(f"disease ~ {right}", VARIABLES)
    mine = formula.design(columns)
    theirs = model_matrix(right, frame(columns)).to_numpy(dtype=float)
    assert mine.shape == theirs.shape
    assert np.array_equal(mine[:, np.lexsort(mine)], theirs[:, np.lexsort(theirs)])
    names = [column.name for column in formula.columns(VARIABLES)]
    assert len(names) == len(set(names)) == mine.shape[1]
    bounds = np.array([column.bound for column in formula.columns(VARIABLES)])
    assert (np.abs(mine) <= bounds * (1 + 1e-12)).all()


FACTORS = ["age", "x", "treated", "C(smoking)", "drug"]
products = st.lists(st.tuples(st.sampled_from(FACTORS), st.sampled_from(":*")), min_size=1, max_size=3)


@settings(max_examples=200, deadline=None)
@given(st.lists(products, min_size=1, max_size=4), st.sampled_from(["", "0 + ", "1 + ", "-1 + "]), st.booleans())
def test_the_terms_of_a_text_are_formulaics(sums: list[list[tuple[str, str]]], first: str, less: bool) -> None:
    """formulaic is the independent reader; a product of a factor with itself is that factor in both."""
    written = " + ".join("".join(name + sign for name, sign in product)[:-1] for product in sums)
    text = f"disease ~ {first}{written}{' - 1' if less else ''}"
    read = formula_text.read(text, VARIABLES)
    theirs = DefaultFormulaParser().get_terms(text)
    named = {frozenset(factor.expr for factor in term.factors) for term in theirs.rhs}
    assert {frozenset(term) for term in read.right} == named - {frozenset({"1"})}
    assert read.intercept == (frozenset({"1"}) in named)
    assert read.left == (("disease",),)


def test_names_labels_and_indicators() -> None:
    columns = parse("disease ~ age + drug + treated:drug", VARIABLES).columns(VARIABLES)
    assert [column.name for column in columns] == [
        "Intercept",
        "age",
        "drug[b]",
        "drug[c]",
        "treated:drug[a]",
        "treated:drug[b]",
        "treated:drug[c]",
    ]
    assert columns[2].label == Text("Drug: b", "약: b", "药：b")
    assert columns[0].indicator == ()
    assert columns[1].indicator is None
    assert columns[2].indicator == (("drug", "b"),)
    assert columns[5].indicator == (("treated", "true"), ("drug", "b"))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("disease~age+x", "disease ~ age + x"),
        ("disease ~ C(drug)*x - 1", "disease ~ drug + x + drug:x - 1"),
        ("disease ~ 0 + age", "disease ~ age - 1"),
        ("disease ~ x:age + age + age", "disease ~ age + x:age"),
        ("disease ~ age:x + x:age", "disease ~ age:x"),
        ("disease ~ rcs( age, 20,40.5, 60 )", "disease ~ rcs(age, 20, 40.5, 60)"),
        ("disease ~ 1", "disease ~ 1"),
    ],
)
def test_the_canonical_text(text: str, canonical: str) -> None:
    formula = parse(text, VARIABLES)
    assert formula.text == str(formula) == canonical
    assert parse(canonical, VARIABLES) == formula


def test_without_an_intercept_the_first_category_shows_every_level() -> None:
    names = [column.name for column in parse("disease ~ drug + smoking - 1", VARIABLES).columns(VARIABLES)]
    assert names == ["drug[a]", "drug[b]", "drug[c]", "smoking[former]"]


def test_a_spline_is_harrells() -> None:
    """rms::rcs by the formula in Regression Modeling Strategies, written out, and linear in both tails."""
    formula = parse("disease ~ rcs(x, -1, 2, 3.5, 7)", VARIABLES)
    knots = (-1.0, 2.0, 3.5, 7.0)
    x = np.linspace(-5, 9, 57)
    design = formula.design({"x": x})
    for j in (0, 1):
        expected = [
            (
                max(v - knots[j], 0) ** 3
                - max(v - knots[2], 0) ** 3 * (knots[3] - knots[j]) / (knots[3] - knots[2])
                + max(v - knots[3], 0) ** 3 * (knots[2] - knots[j]) / (knots[3] - knots[2])
            )
            / (knots[3] - knots[0]) ** 2
            for v in x
        ]
        assert np.allclose(design[:, 2 + j], expected, rtol=1e-12, atol=1e-12)
    tails = np.diff(design, 2, axis=0)
    assert np.allclose(tails[x[2:] <= -1], 0, atol=1e-9)
    assert np.allclose(tails[x[:-2] >= 7], 0, atol=1e-9)
    bounds = [column.bound for column in formula.columns(VARIABLES)]
    assert np.allclose(np.abs(design).max(axis=0), bounds)


def test_a_spline_without_knots_has_the_columns_that_it_will_have_and_no_values() -> None:
    text = "disease ~ C(drug) * rcs( x, 4 ) + rcs(age, 3)"
    formula = parse(text, VARIABLES, unplaced=True)
    assert formula.text == "disease ~ drug + rcs(x, 4) + rcs(age, 3) + drug:rcs(x, 4)"
    assert [(one.name, one.number) for one in formula.unplaced] == [("x", 4), ("age", 3)]
    columns = {"x": np.zeros(3), "age": np.zeros(3), "drug": np.zeros(3)}
    with pytest.raises(ValueError, match="no knots"):
        formula.design(columns)
    placed = formula.placed({"x": [-1.0, 2.0, 3.5, 7.0], "age": [20.0, 40.0, 60.0]})
    stated = parse("disease ~ C(drug) * rcs(x, -1, 2, 3.5, 7) + rcs(age, 20, 40, 60)", VARIABLES)
    assert placed == stated
    assert placed.unplaced == ()
    names, width = ([column.name for column in formula.columns(VARIABLES)], formula.width)
    assert names == [column.name for column in placed.columns(VARIABLES)]
    assert width == placed.width == len(names)


@pytest.mark.parametrize("text", ["disease ~ rcs(age, 4) + rcs(age, 5)", "disease ~ rcs(age, 4) + age"])
def test_a_variable_beside_its_own_spline_without_knots(text: str) -> None:
    with pytest.raises(FileFault) as fault:
        parse(text, VARIABLES, unplaced=True)
    assert [one.code for one in fault.value.findings] == ["formula_repeats"]


def test_days_have_no_knots_to_be_found() -> None:
    day = {"day": Variable("day", "date", Text("Day"), range=(0.0, 20000.0)), **VARIABLES}
    with pytest.raises(FileFault) as fault:
        parse("disease ~ rcs(day, 4)", day, unplaced=True)
    assert [one.code for one in fault.value.findings] == ["formula_knots_date"]


def test_missing_values_stay_missing() -> None:
    columns = {"age": np.array([1.0, np.nan]), "drug": np.array([np.nan, 1.0])}
    design = parse("disease ~ age + drug", VARIABLES).design(columns)
    assert np.isnan(design).tolist() == [[False, False, True, True], [False, True, False, False]]
    assert design.flags.f_contiguous
    assert design.dtype == np.float64


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Surv(age, disease) ~ x", "time: days"),
        ("disease ~ factor(drug)", "C(…), or by its name"),
        ("disease ~ ns(age)", "curved effect"),
        ("disease ~ age + offset(x)", "offset: variable"),
        ("disease ~ log(age)", "is mapped"),
    ],
)
def test_functions_of_other_formulas_are_told_with_what_stands_here(written: str, said: str) -> None:
    with pytest.raises(FileFault) as fault:
        parse(written, VARIABLES)
    assert said in fault.value.text("en")


ATTACKS = [
    ("disease ~ __import__('os')", "formula_function"),
    ("disease ~ log(age)", "formula_function"),
    ("disease ~ age.real", "expression_attribute"),
    ("disease ~ `age`", "formula_character"),
    ("disease ~ {age + 1}", "formula_character"),
    ("disease ~ (age + x)", "formula_brackets"),
    ("disease ~ age**2", "formula_character"),
    ("disease ~ 2*age", "formula_character"),
    ("disease ~ age | x", "formula_character"),
    ("disease ~ .", "expression_attribute"),
    ("disease ~ age - x", "formula_character"),
    ("disease ~ agee", "unknown_variable"),
    ("disease ~ age ~ x", "formula_sides"),
    ("age + x", "formula_sides"),
    ("age ~ age", "formula_outcome_repeated"),
    ("disease + age ~ x", "formula_outcome"),
    ("disease ~ C(age)", "formula_not_category"),
    ("disease ~ C(C(drug))", "formula_syntax"),
    ("disease ~ age x", "formula_syntax"),
    ("disease ~ C(drug", "formula_syntax"),
    ("disease ~ C(drug))", "formula_syntax"),
    ("disease ~ ) + C(drug", "formula_syntax"),
    ("disease ~ rcs(age, 1 2, 3, 40)", "formula_knots"),
    ("disease ~ rcs(drug, 1, 2, 3)", "formula_not_number"),
    ("disease ~ rcs(age)", "formula_knots"),
    ("disease ~ rcs(age, 3, 2, 1)", "formula_knots"),
    ("disease ~ rcs(age, 10, 20, 200)", "formula_knots"),
    ("disease ~ rcs(age, 10, 20)", "formula_knots"),
    ("disease ~ rcs(age, 2)", "formula_knots_number"),
    ("disease ~ rcs(age, 8)", "formula_knots_number"),
    ("disease ~ rcs(age, 4.0)", "formula_knots_number"),
    ("disease ~ rcs(age, -4)", "formula_knots_number"),
    ("disease ~ rcs(age, 4)", "formula_unplaced"),
    ("disease ~ rcs(drug, 4)", "formula_not_number"),
    ("disease ~ rcs(age, x, 2, 3)", "formula_knots"),
    ("disease ~ rcs(age, 1, 2, 3) + age", "formula_repeats"),
    ("disease ~ age*x*treated*smoking*drug", "formula_too_large"),
    ("disease ~ 0", "formula_too_large"),
    ("disease ~ " + "+".join(["age"] * 2_000), "formula_too_large"),
    ("~ age", "formula_syntax"),
    ("disease ~", "formula_character"),
    ("x" * 1_000_000, "expression_too_long"),
    ("disease ~ " + "(" * 10_000 + "age" + ")" * 10_000, "expression_too_long"),
    ("disease ~ " + "C(" * 300 + "age" + ")" * 300, "expression_too_nested"),
]


@pytest.mark.parametrize(("text", "code"), ATTACKS)
def test_an_attack_or_a_slip_is_refused_with_its_code(text: str, code: str) -> None:
    started = time.perf_counter()
    with pytest.raises(FileFault) as fault:
        parse(text, VARIABLES)
    assert code in [finding.code for finding in fault.value.findings]
    assert time.perf_counter() - started < 10
    for language in LANGUAGES:
        assert fault.value.text(language)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="agexdiseC(rcs,1~+-*:) .`{", max_size=40) | st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """And what is read is read the same again, from its canonical text."""
    with suppress(FileFault):
        found = parse(text, VARIABLES)
        assert parse(found.text, VARIABLES) == found


def test_every_fault_of_a_formula_is_told_at_once() -> None:
    with pytest.raises(FileFault) as told:
        parse("disease ~ C(age) + rcs(drug, 3) + rcs(x, 99) + treated", VARIABLES)
    assert [one.code for one in told.value.findings] == [
        "formula_not_category",
        "formula_not_number",
        "formula_knots_number",
    ]
    with pytest.raises(FileFault) as told:
        parse("disease ~ I(age^2) + log(x + nobody) + ages", VARIABLES)
    assert [one.values["found"] for one in told.value.findings] == ["I", "log", "ages"]
