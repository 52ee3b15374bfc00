"""What people read of design columns: a variable as it is with its unit, also in the equation of a model."""

from __future__ import annotations

import numpy as np

from gagyo.methods._regression import equation
from gagyo.protocol.formula import parse
from gagyo.protocol.variables import Variable
from gagyo.text import LANGUAGES, Text, join

VARIABLES = {
    "y": Variable("y", "boolean", Text("Died", "사망", "死亡")),
    "age": Variable("age", "number", Text("Age", "나이", "年龄"), "a", (0, 120)),
    "score": Variable("score", "number", Text("Score", "점수", "评分"), "", (0, 10)),
}


def test_an_equation_names_units_and_has_no_coefficient_of_an_aliased_column() -> None:
    formula = parse("y ~ age + score", VARIABLES)
    found = equation(formula, VARIABLES, "logit", np.array([1.0, np.nan, 3.0]))
    said = {one: [label.to(one) for label in found.labels[1:3]] for one in LANGUAGES}
    assert said == {"en": ["Age (years)", "Score"], "ko": ["나이(세)", "점수"], "zh": ["年龄（岁）", "评分"]}
    assert found.coefficients == (1.0, 0.0, 3.0)


def test_labels_in_a_row_have_the_marks_of_each_language() -> None:
    labels = [one.label for one in VARIABLES.values()]
    assert join(", ", *labels) == Text("Died, Age, Score", "사망, 나이, 점수", "死亡、年龄、评分")
    assert join(": ", *labels[:2]) == Text("Died: Age", "사망: 나이", "死亡：年龄")
