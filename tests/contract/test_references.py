"""Table 1, linear and logistic regression at four hospitals equal what R computed on pooled rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.protocol.study import Study
from gagyo.result import Result
from tests.contract.data import hospitals, reference, study
from tests.contract.ended import Ended, ended

TIGHT = 1e-8


def run_cases(folder: Path, method: str, data: str) -> Ended:
    """All of R's cases of a method on a data set, as one study."""
    cases = {name: case for name, case in reference()[method].items() if case["data"] == data}
    more = ", likelihood_ratio: true" if method == "logistic" else ""
    lines = [
        f'  {name}_{robust.lower()}: {{method: {method}, cohort: all, formula: "{case["formula"]}", robust: {robust}'
        f"{more if robust == 'none' else ''}}}\n"
        for name, case in cases.items()
        for robust in ("none", "HC0", "HC1")
    ]
    return ended(folder, study(data, "".join(lines)), hospitals(data))


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Ended]:
    """Every case, run once."""
    return {
        (method, data): run_cases(tmp_path_factory.mktemp(f"{method}-{data}"), method, data)
        for method in ("logistic", "linear")
        for data in ("pima", "births")
    }


CASES = [(method, name) for method in ("logistic", "linear") for name in reference()[method]]


def found(fits: dict[tuple[str, str], Ended], method: str, name: str, robust: str = "none") -> tuple[Result, Any]:
    case = reference()[method][name]
    run = fits[method, case["data"]]
    assert run.stopped == {}
    return run.results[f"{name}_{robust.lower()}"], case


@pytest.mark.parametrize(("method", "name"), CASES)
def test_coefficients_and_model_errors(fits: dict[tuple[str, str], Ended], method: str, name: str) -> None:
    result, case = found(fits, method, name)
    assert result.people == case["people"]
    assert len(result.estimates) == len(case["terms"])
    np.testing.assert_allclose([one.value for one in result.estimates], case["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], case["none"], rtol=TIGHT)


@pytest.mark.parametrize("robust", ["HC0", "HC1"])
@pytest.mark.parametrize(("method", "name"), CASES)
def test_robust_errors_are_those_of_sandwich(
    fits: dict[tuple[str, str], Ended], method: str, name: str, robust: str
) -> None:
    result, case = found(fits, method, name, robust)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], case[robust], rtol=TIGHT)


@pytest.mark.parametrize("name", reference()["logistic"])
def test_likelihood_and_its_ratio_for_each_term(fits: dict[tuple[str, str], Ended], name: str) -> None:
    result, case = found(fits, "logistic", name)
    (model,) = result.table("model_test").rows
    np.testing.assert_allclose(model[2], case["log_likelihood"], rtol=TIGHT)
    chi, freedom, p = np.array([row[1:] for row in result.table("term_tests").rows], dtype=float).T
    wanted = np.array(case["drop"])
    np.testing.assert_allclose(chi, wanted[:, 0], rtol=1e-12)
    np.testing.assert_array_equal(freedom, wanted[:, 1])
    np.testing.assert_allclose(p, wanted[:, 2], rtol=1e-10)


@pytest.mark.parametrize("name", reference()["linear"])
def test_linear_tells_r_squared_sigma_and_f(fits: dict[tuple[str, str], Ended], name: str) -> None:
    result, case = found(fits, "linear", name)
    (model,) = result.table("model_test").rows
    np.testing.assert_allclose(model[1:4], [case["r_squared"], case["sigma"], case["f"]], rtol=TIGHT)


@pytest.mark.parametrize(
    ("method", "formula", "gone"),
    [("logistic", "low ~ age + lwt + kilos + smoke", "kilos"), ("linear", "bwt ~ kilos + age + lwt + smoke", "lwt")],
)
def test_a_redundant_column_is_left_out_by_rs_rule_and_named(
    tmp_path: Path, method: str, formula: str, gone: str
) -> None:
    assert reference()["aliased"][method] == gone, "R says the same"
    analysis = f'  model: {{method: {method}, cohort: all, formula: "{formula}"}}\n'
    result = ended(tmp_path, study("births", analysis), hospitals("births")).results["model"]
    assert result.estimate(gone).value is None
    assert all(one.value is not None for one in result.estimates if one.name != gone)
    assert any(gone in note.to("en") for note in result.notes)
    if method == "logistic":
        kept = [one.value for one in result.estimates if one.name != gone]
        np.testing.assert_allclose(kept, reference()["aliased"]["coefficients"], rtol=TIGHT)


TABLES = {
    "pima": ("[npreg, glu, bmi, ped, age, ageband]", "diabetic"),
    "births": ("[age, lwt, bwt, race, smoke]", "low"),
}


@pytest.mark.parametrize("data", TABLES)
def test_table_one(tmp_path: Path, data: str) -> None:
    names, by = TABLES[data]
    analysis = f"  table: {{method: describe, cohort: all, variables: {names}, by: {by}}}\n"
    text = study(data, analysis)
    result = ended(tmp_path, text, hospitals(data)).results["table"]
    for name, wanted in reference()["describe"][data].items():
        np.testing.assert_allclose(result.estimate(f"{name}.smd").value, wanted["smd"], rtol=TIGHT)
        if "mean" in wanted:
            for what in ("mean", "sd"):
                values = [result.estimate(f"{name}.{what}.{group}").value for group in (0, 1)]
                np.testing.assert_allclose(values, wanted[what], rtol=TIGHT)
        else:
            check_counts(result, Study.parse(text), name, wanted["counts"])


def check_counts(result: Result, parsed: Study, name: str, counts: list[list[int]]) -> None:
    """Every count of a category stands in the table, in the order of its levels."""
    variable = parsed.variables[name]
    rows = [row for row in result.table("characteristics").rows if row[0].to("en").startswith(f"{variable.label.en}:")]
    shown = [[cell.values["count"] for cell in row[2:4]] for row in rows]
    assert shown == counts[-len(shown) :]
    assert len(shown) == len(counts) - (variable.type == "boolean")
