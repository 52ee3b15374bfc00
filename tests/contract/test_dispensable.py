"""Whatever part of an example hospitals withhold, the rest is told as it is, and the result says what it lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gagyo.canonical import digest
from gagyo.federation import rows as federation
from gagyo.federation.ask import LeaveOut, Question
from gagyo.federation.in_memory import _ask, _left_out
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.result import Result
from gagyo.text import LANGUAGES
from tests.contract.data import hospitals, study
from tests.contract.test_methods import EXAMPLES, MODEL, Owed

FIT = '"diabetic ~ glu + bmi + C(ageband)"'
FURTHER = {
    "cox, proportional": f"  a: {{method: cox, cohort: all, formula: {FIT}, time: skin}}\n",
    "describe, quantiles": "  a: {method: describe, cohort: all, variables: [glu], by: diabetic, quantiles: true}\n",
    "compare, strata": "  a: {method: compare, cohort: all, variables: [low], by: smoke, stratified: true,"
    " homogeneity: true}\n",
    "quantiles, a histogram": "  a: {method: quantiles, cohort: all, variables: [glu], quantiles: [0.5],"
    " histogram: true}\n",
    "rank_tests, strata": "  a: {method: rank_tests, cohort: all, variables: [skin], by: diabetic, stratified: true}\n",
    "validate, subgroups": MODEL
    + "  a: {method: validate, cohort: all, model: m, folds: 3, repeats: 2, bootstrap: 4, leave_out: site,"
    " joining: true, nonlinearity: true, subgroups: [ageband, {variable: glu, cuts: [120]}],"
    " threshold: [{value: 0.3}, {sensitivity: 0.9}], decision: [0.2]}\n",
    "validate, equation": "  a: {method: validate, cohort: all, subgroups: [ageband], equation: {outcome: diabetic,"
    ' formula: "diabetic ~ glu + bmi", coefficients: {Intercept: -9.0, glu: 0.04, bmi: 0.1}}}\n',
}
DATA = {name: owed for name, owed in EXAMPLES.items()} | {
    name: Owed("", text, data="births" if "smoke" in text else "pima") for name, text in FURTHER.items()
}
HAVE = {
    "cox",
    "cox, proportional",
    "fine_gray",
    "logistic",
    "logistic, marginal effects",
    "glm, marginal effects",
    "describe, quantiles",
    "compare, strata",
    "rank_tests",
    "rank_tests, strata",
    "quantiles, a histogram",
    "target_trial",
    "weighting",
    "weighting, times",
    "weighting, curves",
    "validate",
    "validate, imputed",
    "validate, designs of imputed",
    "validate, subgroups",
    "validate, equation",
}
"""The examples with parts that hospitals may withhold."""


class Inside:
    """The hospitals' rows, and what they answered: a question that comes again, as a part is withheld, has it."""

    def __init__(self, owed: Owed) -> None:
        self.study = Study.parse(study(owed.data, owed.example, owed.minimum))
        self._rows = {
            name: federation.Rows(name, self.study.variables, one.columns, one.persons, self.study.study)
            for name, one in hospitals(owed.data).items()
        }
        self._known: dict[tuple[str, bool, str], Any] = {}

    def answer(self, question: Question) -> Any:
        if isinstance(question, LeaveOut):
            return _left_out(question, self._rows)
        asked = (question.step.name, question.each, digest(question.arguments))
        if asked not in self._known:
            self._known[asked] = _ask(question, self._rows)
        return self._known[asked]


def followed(inside: Inside, withheld: str = "") -> tuple[Result, dict[str, list[Question]]]:
    """The analysis without doors or gate, of which a step is withheld; and its dispensable questions, by step."""
    line = Line(inside.study)
    parts: dict[str, list[Question]] = {}
    while line.question is not None:
        question = line.question
        if question.dispensable:
            parts.setdefault(question.step.name, []).append(question)
        if question.dispensable and question.step.name == withheld:
            line.withhold(["busan"])
        else:
            line.answer(inside.answer(question))
    assert not line.stopped, line.stopped
    return line.results["a"], parts


def said(result: Result) -> list[str]:
    """All notes."""
    notes = [*result.notes, *(note for table in result.tables for note in table.notes)]
    return [note.to("en") for note in notes]


COARSER = ("target_trial.histories_table",)
"""Steps that are asked on a coarser grid where a finer one is withheld: nothing is lacking, and a note says so."""


@pytest.mark.parametrize("name", DATA)
def test_each_part_of_an_example_may_be_withheld(name: str) -> None:
    inside = Inside(DATA[name])
    found, parts = followed(inside)
    assert bool(parts) == (name in HAVE)
    known = {one.name: one for one in found.estimates}
    assert not any(": withheld." in note for note in said(found))
    for step in parts:
        lacking, _ = followed(inside, step)
        if step in COARSER:
            assert any("left out of the grid" in note for note in said(lacking))
            continue
        notes = [note for note in said(lacking) if ": withheld." in note]
        assert notes, step
        assert lacking.people == found.people
        for one in lacking.estimates:
            if one.withheld is None:
                # Without folds, thresholds are cuts of everyone's scores, and all pairs are ranked in other bins.
                far = 1e-2 if one.name == "auc_all_pairs_apparent" else 0.0
                value, expected = float(one.value or 0), float(known[one.name].value or 0)
                np.testing.assert_allclose(value, expected, rtol=far, err_msg=f"{step}: {one.name}")
        for note in (*lacking.notes, *(note for table in lacking.tables for note in table.notes)):
            assert all(note.to(language) for language in LANGUAGES)
        assert Result.from_json(lacking.to_json()).to_json() == lacking.to_json()
