"""Regression of an outcome of several levels against R's clm and multinom and statsmodels, and what the gate keeps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.text import LANGUAGES
from tests.contract.data import GOLDEN, HEAD, boolean, category, columns, divide, hospitals, number, study
from tests.contract.ended import Ended, ended
from tests.hospitals import house

TIGHT = 1e-8


@cache
def cases() -> dict[str, Any]:
    """What R computed (tests/golden/r/categorical.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "categorical.json").read_text())["cases"]
    return found


def line(formula: str, model: str, name: str = "a") -> str:
    return f'  {name}: {{method: categorical, cohort: all, formula: "{formula}", model: {model}}}\n'


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Every case, run once."""
    out = {}
    for data in ("pima", "births"):
        lines = [line(case["formula"], case["model"], name) for name, case in cases().items() if case["data"] == data]
        out[data] = ended(tmp_path_factory.mktemp(data), study(data, "".join(lines)), hospitals(data))
        assert out[data].stopped == {}
    return out


@pytest.mark.parametrize("name", cases())
def test_coefficients_and_errors(fits: dict[str, Ended], name: str) -> None:
    case = cases()[name]
    result = fits[case["data"]].results[name]
    np.testing.assert_allclose([one.value for one in result.estimates], case["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], case["errors"], rtol=TIGHT)
    told = result.table("model_test").rows[0]
    np.testing.assert_allclose(told[1], case["log_likelihood"], rtol=1e-10)


@pytest.mark.parametrize("name", cases())
def test_a_note_says_of_which_outcome_the_odds_are(fits: dict[str, Ended], name: str) -> None:
    run = fits[cases()[name]["data"]]
    outcome = run.study.variables[cases()[name]["formula"].partition(" ~ ")[0]]
    (note,) = run.results[name].table("coefficients").notes
    for language in LANGUAGES:
        assert outcome.label.to(language) in note.to(language)
        assert cases()[name]["model"] == "ordinal" or outcome.levels[0].label.to(language) in note.to(language)


def test_a_multinomial_fit_is_that_of_statsmodels(fits: dict[str, Ended]) -> None:
    import statsmodels.api as sm

    data = columns("pima")
    X = sm.add_constant(np.column_stack([data["glu"], data["bmi"], data["diabetic"]]))
    fit = sm.MNLogit(data["ageband"], X).fit(method="newton", tol=1e-14, disp=0)
    result = fits["pima"].results["bands"]
    np.testing.assert_allclose([one.value for one in result.estimates], fit.params.T.ravel(), rtol=TIGHT)
    np.testing.assert_allclose([one.p for one in result.estimates], fit.pvalues.T.ravel(), rtol=1e-6)
    told = result.table("model_test").rows[0]
    np.testing.assert_allclose([told[2], told[4]], [fit.llr, fit.llr_pvalue], rtol=1e-6)


VARIABLES = "\n".join([number("x", -10, 10), category("g", ("a", "b", "c")), category("h", ("u", "v")), boolean("d")])


def drawn() -> dict[str, np.ndarray]:
    random = np.random.default_rng(8)
    x = np.clip(random.normal(size=480), -3, 3)
    g = np.digitize(0.8 * x + random.logistic(size=480), [-0.5, 0.8]).astype(float)
    return {"x": x, "g": g, "h": np.arange(480) % 3 // 2 * 1.0, "d": (random.random(480) < 0.4).astype(float)}


def answer(folder: Path, right: str, model: str, data: Mapping[str, np.ndarray]) -> Run:
    text = HEAD % (5, VARIABLES, line(f"g ~ {right}", model))
    return house(folder, text, divide(data, np.random.default_rng(1).integers(0, 4, 480))).run()


def withheld(run: Ended) -> bool:
    codes = {one.code for one in run.stopped["a"].findings}
    return run.results == {} and codes <= {"answer_withheld", "withheld_fit"}


@pytest.mark.parametrize("model", ["multinomial", "ordinal"])
def test_a_level_of_the_outcome_that_few_have_stays(tmp_path: Path, model: str) -> None:
    """Attack: the null model's score tells how many have each level, and of a 0/1 column how many of them."""
    data = drawn()
    assert answer(tmp_path / "ordinary", "x + d", model, data).stopped == {}
    few = data | {"g": np.where(np.cumsum(data["g"] == 2) > 6, np.minimum(data["g"], 1.0), data["g"])}
    assert (few["g"] == 2).sum() == 6
    assert withheld(answer(tmp_path / "level", "x + d", model, few))
    two = data | {
        "d": np.where((data["g"] == 2) & (np.cumsum((data["g"] == 2) & (data["d"] == 1)) > 4), 0.0, data["d"])
    }
    assert ((two["g"] == 2) & (two["d"] == 1)).sum() == 4
    assert withheld(answer(tmp_path / "cell", "x + d", model, two))
    assert answer(tmp_path / "without", "x", model, two).stopped == {}


def test_a_combination_of_few_people_stays(tmp_path: Path) -> None:
    """Attack: a design of 0/1 columns only; iterates are equations in the combinations with each outcome level."""
    data = drawn()
    assert answer(tmp_path / "ordinary", "C(h) + d", "ordinal", data).stopped == {}
    all_three = np.flatnonzero((data["g"] == 1) & (data["h"] == 1) & (data["d"] == 1))
    data["d"][all_three[3:]] = 0.0
    pairs = [((data["g"] == 1) & (data["d"] == 1)).sum(), ((data["h"] == 1) & (data["d"] == 1)).sum()]
    assert min(pairs) >= 10
    assert withheld(answer(tmp_path / "few", "C(h) + d", "ordinal", data))


def test_nobody_with_a_level_is_said_or_withheld(tmp_path: Path) -> None:
    data = drawn()
    data["g"] = np.minimum(data["g"], 1.0)
    run = answer(tmp_path, "x", "ordinal", data)
    assert {one.code for one in run.stopped["a"].findings} <= {"categorical_level", "withheld_fit", "answer_withheld"}


def test_levels_that_a_column_separates_are_named(tmp_path: Path) -> None:
    data = drawn()
    data["g"] = np.digitize(data["x"], [-0.5, 0.8]).astype(float)
    for model in ("multinomial", "ordinal"):
        run = answer(tmp_path / model, "x", model, data)
        assert {one.code for one in run.stopped["a"].findings} <= {"separation", "answer_withheld"}


@pytest.mark.parametrize("formula", ["h ~ x", "d ~ x", "x ~ d", "g ~ x - 1"])
def test_what_does_not_fit_is_said(formula: str) -> None:
    with pytest.raises(FileFault) as caught:
        Line(Study.parse(HEAD % (5, VARIABLES, line(formula, "ordinal"))))
    assert {one.code for one in caught.value.findings} == {"categorical_formula"}
