"""Firth's logistic regression equals its likelihood maximised in R; and what stays inside."""

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
from tests.contract.data import GOLDEN, HEAD, boolean, divide, hospitals, number, study
from tests.contract.ended import Ended, ended, rehearsed
from tests.hospitals import house

TIGHT = 1e-8


@cache
def cases() -> dict[str, Any]:
    """What R computed (tests/golden/r/firth.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "firth.json").read_text())["cases"]
    return found


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """Every case, behind doors; a hundred flowers, of which a few lie at the border, without a gate."""
    out = {}
    for name, case in cases().items():
        data = case["data"]
        text = study(data, f'  a: {{method: firth, cohort: all, formula: "{case["formula"]}"}}\n')
        if data == "flowers":
            out[name] = rehearsed(text, hospitals(data))["a"]
        else:
            out[name] = ended(tmp_path_factory.mktemp(name), text, hospitals(data)).results["a"]
    return out


@pytest.mark.parametrize("name", cases())
def test_coefficients_and_errors(fits: dict[str, Result], name: str) -> None:
    result, case = fits[name], cases()[name]
    np.testing.assert_allclose([one.value for one in result.estimates], case["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], case["errors"], rtol=TIGHT)


@pytest.mark.parametrize("name", cases())
def test_penalised_likelihood_ratios(fits: dict[str, Result], name: str) -> None:
    result, case = fits[name], cases()[name]
    np.testing.assert_allclose([one.p for one in result.estimates], case["p"], rtol=1e-6)
    table = result.table("model_test")
    told = dict(zip([column.name for column in table.columns], table.rows[0], strict=True))
    assert (told["people"], told["events"]) == (case["people"], case["events"])
    np.testing.assert_allclose(told["log_likelihood"], case["log_likelihood"], rtol=TIGHT)
    np.testing.assert_allclose(told["chi_square"], case["test"], rtol=TIGHT)
    np.testing.assert_allclose(told["p"], case["test_p"], rtol=1e-6)


@pytest.mark.parametrize("name", [name for name, case in cases().items() if case["data"] != "flowers"])
def test_limits_of_profiles(fits: dict[str, Result], name: str) -> None:
    result, case = fits[name], cases()[name]
    np.testing.assert_allclose([one.lower for one in result.estimates], case["lower"], rtol=TIGHT)
    np.testing.assert_allclose([one.upper for one in result.estimates], case["upper"], rtol=TIGHT)


FEW = HEAD % (5, "\n".join([number("x", -10, 10), number("z", -10, 10), boolean("d"), boolean("e")]), "%s")
MODEL = '  a: {method: %s, cohort: all, formula: "d ~ %s"}\n'


def people(n: int, seed: int = 2) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    x, z = (np.clip(random.normal(size=n), -4, 4) for _ in range(2))
    return {"x": x.round(1), "z": z, "d": (x > 0).astype(float), "e": (random.random(n) < 0.4).astype(float)}


def answer(folder: Path, method: str, right: str, data: dict[str, np.ndarray]) -> Run:
    return house(folder, FEW % (MODEL % (method, right)), divide(data, np.arange(len(data["x"])) % 4)).run()


def codes(run: Ended) -> list[str]:
    return [one.code for one in run.stopped["a"].findings] if run.stopped else []


@pytest.mark.parametrize("counts", [(20, 30, 25, 10), (40, 17, 0, 33)])
def test_of_one_trait_it_is_the_table_with_a_half_in_each_cell(counts: tuple[int, int, int, int]) -> None:
    """Firth 1993, section 3.3: Jeffreys' prior adds a half to each cell, an empty one included."""
    with_both, e_alone, d_alone, neither = counts
    e = np.repeat([1.0, 1.0, 0.0, 0.0], counts)
    d = np.repeat([1.0, 0.0, 1.0, 0.0], counts)
    zero = np.zeros(len(e))
    result = rehearsed(
        FEW % (MODEL % ("firth", 'e", intervals: "wald')),
        divide({"x": zero, "z": zero, "d": d, "e": e}, np.arange(len(e)) % 4),
    )["a"]
    log = np.log((with_both + 0.5) * (neither + 0.5) / ((e_alone + 0.5) * (d_alone + 0.5)))
    np.testing.assert_allclose(result.estimate("e").value, log, rtol=1e-9)


def test_separated_by_a_measurement_it_is_finite_where_logistic_names_it(tmp_path: Path) -> None:
    data = people(1000)
    plain = answer(tmp_path / "logistic", "logistic", "x + z", data)
    assert codes(plain) == ["separation"]
    assert "firth" in plain.stopped["a"].findings[0].text("en")
    run = answer(tmp_path / "firth", "firth", "x + z", data)
    assert run.stopped == {}
    one = run.results["a"].estimate("x")
    assert 0 < one.lower < one.value < one.upper < 1000


def test_a_border_of_few_people_stays(tmp_path: Path) -> None:
    """Attack: where outcomes are separated, who is at the border makes up the score; here two of a hundred."""
    assert codes(answer(tmp_path, "firth", "x + z", people(400))) == ["answer_withheld"]


def test_a_trait_that_separates_is_withheld_as_in_logistic(tmp_path: Path) -> None:
    """Attack: finite estimates would say that everyone with a trait has the outcome."""
    data = people(1000)
    data["d"] = np.where(data["e"] == 1, 1.0, (data["z"] > 0).astype(float))
    for method in ("logistic", "firth"):
        assert set(codes(answer(tmp_path / method, method, "e + x", data))) <= {"answer_withheld", "withheld_fit"}
        assert codes(answer(tmp_path / f"{method}-again", method, "e + x", data))


def test_a_cell_of_few_is_withheld_as_in_logistic(tmp_path: Path) -> None:
    data = people(1000)
    data["d"] = (data["z"] + np.random.default_rng(1).normal(size=1000) > 0).astype(float)
    inside = np.flatnonzero(data["e"] == 1)
    data["d"][inside] = 1.0
    data["d"][inside[:3]] = 0.0
    for method in ("logistic", "firth"):
        assert set(codes(answer(tmp_path / method, method, "e + x", data))) & {"answer_withheld", "withheld_fit"}


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ('formula: "d ~ 0 + x"', {"firth_formula"}),
        ('formula: "d ~ x", per: {y: 2}', {"per_unknown"}),
        ('formula: "d ~ 0 + x", per: {y: 2}', {"per_unknown", "firth_formula"}),
    ],
)
def test_what_does_not_fit_together_is_said_at_once(more: str, wanted: set[str]) -> None:
    with pytest.raises(FileFault) as caught:
        Line(Study.parse(FEW % f"  a: {{method: firth, cohort: all, {more}}}\n"))
    assert {one.code for one in caught.value.findings} == wanted
