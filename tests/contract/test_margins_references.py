"""Average marginal effects against their definition in R and statsmodels, and what of them leaves."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.methods._marginal import slopes
from gagyo.protocol import formula as formulas
from gagyo.protocol.study import Study
from gagyo.result import Result
from tests.contract.data import GOLDEN, columns, hospitals, study
from tests.contract.ended import rehearsed
from tests.hospitals import Rows, house

TIGHT = 1e-8


@cache
def cases() -> dict[str, Any]:
    """What R computed (tests/golden/r/margins.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "margins.json").read_text())["cases"]
    return found


def text(method: str, formula: str, more: str = "") -> str:
    fit = f'method: {method}, cohort: all, formula: "{formula}", marginal_effects: true'
    return study("pima", f"  a: {{{fit}{', ' if more else ''}{more}}}\n", 5)


def told(result: Result) -> dict[str, tuple[Any, Any]]:
    effects = [one for one in result.estimates if one.name.startswith("marginal.")]
    return {one.name.removeprefix("marginal."): (one.value, one.standard_error) for one in effects}


@pytest.mark.parametrize("name", cases())
def test_effects_and_errors(name: str) -> None:
    case = cases()[name]
    found = told(rehearsed(text(case["method"], case["formula"], case["more"]), hospitals("pima"))["a"])
    assert found.keys() == set(case["names"])
    expected = np.column_stack([case["values"], case["errors"]])
    np.testing.assert_allclose([found[one] for one in case["names"]], expected, rtol=TIGHT)


def test_statsmodels_says_the_same() -> None:
    import statsmodels.api as sm

    data = columns("pima")
    X = np.column_stack([np.ones(len(data["glu"])), data["glu"], data["bmi"]])
    for model, method, more in ((sm.Logit, "logistic", ""), (sm.Probit, "glm", "family: binomial, link: probit")):
        margins = model(data["diabetic"], X).fit(disp=0, tol=1e-14, method="newton").get_margeff()
        found = told(rehearsed(text(method, "diabetic ~ glu + bmi", more), hospitals("pima"))["a"])
        np.testing.assert_allclose([value for value, _ in found.values()], margins.margeff, rtol=TIGHT)
        if method == "logistic":  # of a probit statsmodels takes the observed information, glm the expected
            np.testing.assert_allclose([error for _, error in found.values()], margins.margeff_se, rtol=TIGHT)


def test_slopes_go_through_splines_and_products() -> None:
    variables = Study.parse(text("logistic", "diabetic ~ glu")).variables
    parsed = formulas.parse("diabetic ~ rcs(glu, 80, 110, 130, 170) * bmi + bmi:C(ageband)", variables)
    data = {name: columns("pima")[name] for name in parsed.predictors}
    for name in ("glu", "bmi"):
        h = 1e-4
        up, down = (parsed.design({**data, name: data[name] + way * h}) for way in (1, -1))
        np.testing.assert_allclose(slopes(parsed, data, name), (up - down) / (2 * h), rtol=1e-5, atol=1e-6)


def test_behind_real_doors_the_effects_are_those_of_the_rehearsal(tmp_path: Path) -> None:
    one = text("logistic", "diabetic ~ glu + bmi + C(ageband)", "robust: HC0")
    run = house(tmp_path, one, hospitals("pima")).run()
    assert run.stopped == {}
    expected = rehearsed(one, hospitals("pima"))["a"]
    np.testing.assert_allclose(list(told(run.results["a"]).values()), list(told(expected).values()), rtol=1e-10)
    rows = run.results["a"].table("marginal_effects").rows
    assert len(rows) == 4


def test_without_the_option_nothing_more_is_asked() -> None:
    plain = rehearsed(text("logistic", "diabetic ~ glu").replace(", marginal_effects: true", ""), hospitals("pima"))[
        "a"
    ]
    more = rehearsed(text("logistic", "diabetic ~ glu"), hospitals("pima"))["a"]
    assert told(plain) == {}
    assert more.rounds == plain.rounds + 1
    assert more.estimates[: len(plain.estimates)] == plain.estimates


def test_an_intercept_alone_has_no_effects() -> None:
    assert told(rehearsed(text("logistic", "diabetic ~ 1"), hospitals("pima"))["a"]) == {}


def test_a_factor_that_stands_in_a_product_alone_is_counted(tmp_path: Path) -> None:
    """Attack: the slope of npreg:bp in npreg is bp, which is no column of the fit: here that of three women who were
    never pregnant, at whom the product is zero.
    """
    people = {site: Rows(dict(one.columns), one.persons) for site, one in hospitals("pima").items()}
    left = 3
    for one in people.values():
        none = np.flatnonzero(one.columns["npreg"] == 0)[:left]
        bp = np.zeros(len(one.persons))
        bp[none], left = 70.0 + np.arange(len(none)), left - len(none)
        one.columns["bp"] = bp
    line = text("logistic", "diabetic ~ npreg + npreg:bp")
    plain = house(tmp_path / "plain", line.replace(", marginal_effects: true", ""), people).run()
    assert plain.stopped == {}
    run = house(tmp_path / "more", line, people).run()
    assert told(run.results["a"]) == {}
    values = [[one.value for one in going.results["a"].estimates] for going in (run, plain)]
    assert values[0] == values[1]
    assert run.results["a"].notes[-1].to("en").startswith("Average marginal effects: withheld.")
