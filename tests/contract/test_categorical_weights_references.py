"""Weighted regressions of outcomes of several levels equal what R computed on pooled rows; and what the gate keeps."""

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
from gagyo.federation.rows import Rows as Inside
from gagyo.methods.categorical import levels, meat, step
from gagyo.protocol.study import Study
from tests.attacks.test_offset import is_few, is_one
from tests.contract.data import GOLDEN, HEAD, boolean, category, divide, every_error, number
from tests.contract.ended import Ended
from tests.contract.few_weights import FEW, single_out
from tests.hospitals import house

TIGHT = 1e-8


@cache
def cases() -> dict[str, Any]:
    """What R computed (tests/golden/r/categorical_weights.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "categorical_weights.json").read_text())["cases"]
    return found


def line(name: str, case: dict[str, Any], robust: str) -> str:
    head = f'{{method: categorical, cohort: all, formula: "{case["formula"]}", model: {case["model"]}'
    more = f", weights: {case['weights']}" if case["weights"] else ""
    return f"  {name}_{robust.lower()}: {head}, robust: {robust}{more}}}\n"


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Every case with each of its errors."""
    return every_error(tmp_path_factory.mktemp, cases(), line)


@pytest.mark.parametrize("robust", ["HC0", "HC1"])
@pytest.mark.parametrize("name", cases())
def test_weighted_coefficients_and_errors(fits: dict[str, Ended], name: str, robust: str) -> None:
    case = cases()[name]
    result = fits[case["data"]].results[f"{name}_{robust.lower()}"]
    assert result.people == case["people"]
    np.testing.assert_allclose([one.value for one in result.estimates], case["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], case["errors"][robust], rtol=TIGHT)
    assert f"regression.errors_{robust}" in [one.key for one in result.methods_text]


@pytest.mark.parametrize("name", cases())
def test_the_test_of_a_weighted_model_is_walds_and_there_is_no_likelihood(fits: dict[str, Ended], name: str) -> None:
    case = cases()[name]
    result = fits[case["data"]].results[f"{name}_hc0"]
    table = result.table("model_test")
    told = dict(zip([column.name for column in table.columns], table.rows[0], strict=True))
    weights = [one.values["found"] for one in result.methods_text if one.key == "glm.text_weights"]
    if not case["weights"]:
        assert weights == []
        assert [note.key for note in table.notes] == ["regression.test_is_model_based"]
        return
    np.testing.assert_allclose(told["wald"], case["wald"], rtol=1e-7)
    assert "log_likelihood" not in told
    assert weights == [case["weights"]]


# What the gate does not let out.

VARIABLES = "\n".join(
    [number("x", -10, 10), number("w", 0.5, 8), category("g", ("a", "b", "c")), *(boolean(name) for name in "def")]
)
STUDY = HEAD % (10, VARIABLES, '  a: {method: categorical, cohort: all, formula: "g ~ %s", model: ordinal%s}\n')
WEIGHTED = ", weights: w, robust: HC0"


def people(w: np.ndarray) -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    x = random.normal(size=len(w)).clip(-4, 4)
    d, e, f = ((random.random(len(w)) < share).astype(float) for share in (0.4, 0.5, 0.5))
    g = np.where(d == 1, 2.0, random.integers(0, 2, len(w)))
    return {"x": x, "w": w, "d": d, "e": e, "f": f, "g": g}


def run(folder: Path, data: dict[str, np.ndarray], more: str = WEIGHTED) -> Run:
    return house(folder, STUDY % ("x + e + f", more), divide(data, np.arange(len(data["x"])) % 4)).run()


@pytest.mark.parametrize("few", FEW)
def test_weights_that_single_out_a_few_are_withheld(tmp_path: Path, few: str) -> None:
    data = people(np.ones(400))
    single_out(data, few)
    assert "a" in run(tmp_path, data).stopped


def test_the_same_people_with_weights_of_many_values_pass_and_their_unit_does_not_matter(tmp_path: Path) -> None:
    w = np.random.default_rng(3).uniform(0.6, 1.0, 400)
    told = []
    for unit in (1.0, 7.5):
        done = run(tmp_path / str(unit), people(unit * w))
        assert done.stopped == {}
        told.append([(one.value, one.standard_error) for one in done.results["a"].estimates])
    np.testing.assert_allclose(told[0], told[1], rtol=1e-9)


def test_weights_of_one_are_no_weights(tmp_path: Path) -> None:
    assert "w" in Line(Study.parse(STUDY % ("x", WEIGHTED))).methods["a"].complete, "whoever lacks one is left out"
    found = [run(tmp_path / str(at), people(np.ones(400)), more) for at, more in enumerate((WEIGHTED, ", robust: HC0"))]
    told = [[(one.value, one.standard_error) for one in done.results["a"].estimates] for done in found]
    np.testing.assert_allclose(told[0], told[1], rtol=1e-9)


@pytest.mark.parametrize("model", ["multinomial", "ordinal"])
def test_each_sum_is_looked_at_as_it_is_weighted(model: str) -> None:
    """One who weighs as all others is most of each; so are three whose weights alone are other than nearly one. One may
    be most of a level's weights, or of the sum of squares, alone.
    """
    parsed = Study.parse(STUDY % ("x + e", WEIGHTED))
    w = 1 + np.random.default_rng(1).random(400) * 1e-9
    most, apart = (np.where(np.arange(400) < some, much, w) for some, much in ((1, 8e4), (3, 2.0)))
    level = np.where((people(w)["g"] == 2) & (np.cumsum(people(w)["g"] == 2) > 1), 1e-4, 1.0)
    square = np.where(np.arange(400) == 0, 8.0, np.random.default_rng(1).uniform(0.01, 0.2, 400))
    asked = {"formula": "g ~ x + e", "weights": "w"}
    at = {**asked, "model": model, "coefficients": np.array([-0.2, 0.4, 0, 0] if model == "ordinal" else [0.0] * 6)}
    for weighed, expected in ((w, "000"), (most, "111"), (apart, "111"), (level, "100"), (square, "001")):
        rows = Inside("seoul", parsed.variables, people(weighed), [b"p%d" % one for one in range(400)])
        measures = [levels(rows, **asked)["levels"], step(rows, **at)["fit"], meat(rows, **at)["meat"]]
        assert [is_one(one) for one in measures] == [one == "1" for one in expected]
    values = 1 + np.arange(400) // 8 % 3.0
    data = people(values)
    having = np.flatnonzero((data["g"] == 2) & (values == 3))
    for few in (False, True):
        values[having[4:]] = 2.0 if few else 3.0
        rows = Inside("seoul", parsed.variables, data | {"w": values}, [b"p%d" % one for one in range(400)])
        assert [is_few(one(rows, **at)[name]) for one, name in ((step, "fit"), (meat, "meat"))] == [few] * 2


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (", weights: w", "weights_robust"),
        (", weights: x, robust: HC0", "weights_variable"),
        (", weights: e, robust: HC0", "weights_variable"),
        (", weights: nowhere, robust: HC0", "weights_variable"),
    ],
)
def test_what_does_not_go_with_weights_is_said(more: str, code: str) -> None:
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(STUDY % ("x + e + f", more)))
    assert [one.code for one in fault.value.findings] == [code]
