"""Weighted generalised linear models at four hospitals behind real doors equal what R computed on pooled rows."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.result import Result
from tests.contract.data import GOLDEN, HEAD, boolean, divide, every_error, number
from tests.contract.ended import Ended
from tests.contract.few_weights import FEW, single_out
from tests.hospitals import house

TIGHT = 1e-8


@cache
def cases() -> dict[str, Any]:
    """What R computed (tests/golden/r/glm_weights.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "glm_weights.json").read_text())["cases"]
    return found


def line(name: str, case: dict[str, Any], robust: str) -> str:
    head = f'{{method: glm, cohort: all, formula: "{case["formula"]}", family: {case["family"]}'
    more = f", weights: {case['weights']}" + (f", offset: {case['offset']}" if case["offset"] else "")
    return f"  {name}_{robust.lower()}: {head}, link: {case['link']}{more}, robust: {robust}}}\n"


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Every case with each of its errors."""
    return every_error(tmp_path_factory.mktemp, cases(), line)


def found(fits: dict[str, Ended], name: str, robust: str = "HC0") -> tuple[Result, Any]:
    case = cases()[name]
    return fits[case["data"]].results[f"{name}_{robust.lower()}"], case


@pytest.mark.parametrize(
    ("name", "robust"), [(name, robust) for name, case in cases().items() for robust in case["errors"]]
)
def test_weighted_coefficients_and_errors(fits: dict[str, Ended], name: str, robust: str) -> None:
    result, case = found(fits, name, robust)
    assert result.people == case["people"]
    np.testing.assert_allclose([one.value for one in result.estimates], case["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], case["errors"][robust], rtol=TIGHT)


@pytest.mark.parametrize("name", cases())
def test_the_test_of_a_weighted_model_is_walds_and_there_is_no_likelihood(fits: dict[str, Ended], name: str) -> None:
    result, case = found(fits, name)
    table = result.table("model_test")
    told = dict(zip([column.name for column in table.columns], table.rows[0], strict=True))
    np.testing.assert_allclose(told["wald"], case["wald"], rtol=1e-7)
    assert "log_likelihood" not in told
    assert [one.values["found"] for one in result.methods_text if one.key == "glm.text_weights"] == [case["weights"]]


HEADED = HEAD % (
    10,
    "\n".join(
        [
            number("x", -10, 10),
            number("y", -50, 50),
            number("w", 0.5, 8),
            number("z", -1, 8),
            boolean("d"),
            boolean("e"),
            boolean("f"),
        ]
    ),
    "%s",
)
MODEL = '  a: {method: glm, cohort: all, formula: "%s", family: binomial, link: logit, weights: w, robust: HC0}\n'


def people(w: np.ndarray, seed: int = 5) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    n = len(w)
    x = random.normal(size=n).clip(-4, 4)
    d, e, f = ((random.random(n) < share).astype(float) for share in (0.4, 0.5, 0.5))
    y = (x + random.normal(size=n)).clip(-9, 9)
    return {"x": x, "y": y, "w": w, "z": np.clip(w, 1, None), "d": d, "e": e, "f": f}


def run(folder: Path, formula: str, data: dict[str, np.ndarray]) -> Run:
    return house(folder, HEADED % (MODEL % formula), divide(data, np.arange(len(data["x"])) % 4)).run()


def told(result: Result) -> list[tuple[float, float]]:
    return [(float(one.value or 0), float(one.standard_error or 0)) for one in result.estimates]


def test_weights_of_one_are_no_weights(tmp_path: Path) -> None:
    data = people(np.ones(400))
    text = HEADED % (MODEL % "d ~ x + e" + '  b: {method: logistic, cohort: all, formula: "d ~ x + e", robust: HC0}\n')
    done = house(tmp_path, text, divide(data, np.arange(400) % 4)).run()
    np.testing.assert_allclose(told(done.results["a"]), told(done.results["b"]), rtol=1e-9)


def test_the_unit_of_weights_does_not_matter(tmp_path: Path) -> None:
    w = np.random.default_rng(8).uniform(0.6, 1.0, 400)
    small = run(tmp_path / "small", "d ~ x + e", people(w)).results["a"]
    large = run(tmp_path / "large", "d ~ x + e", people(7.5 * w)).results["a"]
    np.testing.assert_allclose(told(small), told(large), rtol=1e-9)


@pytest.mark.parametrize("few", FEW)
def test_weights_that_single_out_a_few_are_withheld(tmp_path: Path, few: str) -> None:
    data = people(np.ones(400))
    single_out(data, few)
    assert "a" in run(tmp_path, "d ~ x + e + f", data).stopped


def test_the_same_people_with_weights_of_many_values_pass(tmp_path: Path) -> None:
    data = people(np.random.default_rng(3).uniform(0.5, 8, 400))
    assert run(tmp_path, "d ~ x * e", data).stopped == {}


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ("family: binomial, link: logit, robust: HC0", ["glm_link"]),
        ("family: gaussian, link: identity, robust: HC0", ["glm_link", "glm_outcome"]),
        ("family: binomial, link: logit, weights: w", ["glm_weights_beside"]),
        ("family: binomial, link: logit, weights: w, robust: HC3", ["glm_weights_beside"]),
        ("family: binomial, link: logit, weights: w, robust: HC0, marginal_effects: true", ["glm_weights_beside"]),
        ("family: binomial, link: logit, weights: z, robust: HC0", ["weights_variable"]),
        ("family: binomial, link: logit, weights: x, robust: HC0", ["weights_variable"]),
        ("family: binomial, link: logit, weights: w, offset: w, robust: HC0", ["weights_variable"]),
        ("family: binomial, link: logit, weights: e, robust: HC0", ["weights_variable"]),
        ("family: binomial, link: logit, weights: nowhere, robust: HC0", ["weights_variable"]),
    ],
)
def test_what_does_not_go_with_weights_is_said(more: str, codes: list[str]) -> None:
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(HEADED % f'  a: {{method: glm, cohort: all, formula: "d ~ x", {more}}}\n'))
    assert [one.code for one in fault.value.findings] == codes
