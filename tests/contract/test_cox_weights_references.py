"""Weighted Cox models at four hospitals equal what R's survival computed on pooled rows."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.federation.rows import Rows as Inside
from gagyo.methods.cox import newton
from gagyo.protocol.study import Study
from gagyo.result import Result
from gagyo.statistics import cox as kernel
from gagyo.text import LANGUAGES
from tests.contract.data import GOLDEN, HEAD, boolean, divide, hospitals, label, number, study
from tests.contract.ended import Ended, ended
from tests.contract.few_weights import FEW, FEW_WITH_EVENT, single_out
from tests.hospitals import house

TIGHT = 1e-8


@cache
def cases() -> dict[str, Any]:
    """What R computed (tests/golden/r/cox_weights.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "cox_weights.json").read_text())["cases"]
    return found


def line(name: str, case: dict[str, Any]) -> str:
    more = {"time": "days", **dict(case["more"] or {})}
    if "changes" in more:
        more["changes"] = f"{{ill: {{at: {more['changes']}, label: {label('ill')}}}}}"
    options = "".join(f", {option}: {value}" for option, value in more.items())
    head = f'{{method: cox, cohort: all, formula: "{case["formula"]}", ties: {case["ties"]}, weights: age'
    return f"  {name}: {head}{options}}}\n"


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    out = {}
    for data in ("rotterdam", "relapse"):
        lines = [line(name, case) for name, case in cases().items() if case["data"] == data]
        out[data] = ended(tmp_path_factory.mktemp(data), study(data, "".join(lines)), hospitals(data))
        assert out[data].stopped == {}
    return out


@pytest.mark.parametrize("name", cases())
def test_weighted_coefficients_and_errors(fits: dict[str, Ended], name: str) -> None:
    case = cases()[name]
    result = fits[case["data"]].results[name]
    assert result.people == case["people"]
    np.testing.assert_allclose([one.value for one in result.estimates], case["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], case["errors"], rtol=TIGHT)


@pytest.mark.parametrize("name", cases())
def test_the_test_of_a_weighted_model_is_walds_and_hazards_are_not_tested(fits: dict[str, Ended], name: str) -> None:
    case = cases()[name]
    result = fits[case["data"]].results[name]
    table = result.table("hazard_model")
    told = dict(zip([column.name for column in table.columns], table.rows[0], strict=True))
    np.testing.assert_allclose(told["wald"], case["wald"], rtol=1e-7)
    assert "log_likelihood" not in told
    assert [one.name for one in result.tables] == ["hazard_ratios", "hazard_model"]
    said = {one.key: one for one in result.methods_text}
    assert said["survival.text_weights"].values["found"] == "age"
    assert "survival.text_tests" not in said
    assert all(said["survival.text_weights"].to(language) for language in LANGUAGES)


VARIABLES = [number("x", -10, 10), number("t", 0, 1000), number("w", 0.5, 8), number("z", -1, 8)]
HEADED = HEAD % (10, "\n".join([*VARIABLES, *map(boolean, ("d", "e", "f"))]), "%s")
MODEL = '  a: {method: cox, cohort: all, formula: "%s", time: t, weights: w}\n'


def people(w: np.ndarray, seed: int = 5) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    n = len(w)
    d, e, f = ((random.random(n) < share).astype(float) for share in (0.4, 0.5, 0.5))
    t = np.clip(random.exponential(200, n).round(), 1, 999)
    return {"x": random.normal(size=n).clip(-4, 4), "t": t, "w": w, "z": w, "d": d, "e": e, "f": f}


def run(folder: Path, formula: str, data: dict[str, np.ndarray]) -> Ended:
    return house(folder, HEADED % (MODEL % formula), divide(data, np.arange(len(data["x"])) % 4)).run()


def told(result: Result) -> list[tuple[float, float]]:
    return [(float(one.value or 0), float(one.standard_error or 0)) for one in result.estimates]


def test_weights_of_one_are_no_weights(tmp_path: Path) -> None:
    data = people(np.ones(400))
    text = HEADED % (
        MODEL % "d ~ x + e" + (MODEL % "d ~ x + e").replace("  a:", "  b:").replace("weights: w", "robust: true")
    )
    done = house(tmp_path, text, divide(data, np.arange(400) % 4)).run()
    np.testing.assert_allclose(told(done.results["a"]), told(done.results["b"]), rtol=1e-9)


def test_the_unit_of_weights_does_not_matter(tmp_path: Path) -> None:
    w = np.random.default_rng(8).uniform(0.6, 1.0, 400)
    small = run(tmp_path / "small", "d ~ x + e", people(w)).results["a"]
    large = run(tmp_path / "large", "d ~ x + e", people(7.5 * w)).results["a"]
    np.testing.assert_allclose(told(small), told(large), rtol=1e-9)


@pytest.mark.parametrize("few", [*FEW, FEW_WITH_EVENT])
def test_weights_that_single_out_a_few_are_withheld(tmp_path: Path, few: str) -> None:
    data = people(np.ones(400))
    single_out(data, few)
    formula = "d ~ e + f" if "two traits" in few else "d ~ x + e + f"
    assert "a" in run(tmp_path, formula, data).stopped


def test_dominance_looks_at_what_each_person_adds_and_not_at_bounds(tmp_path: Path) -> None:
    """Bounds by those with the event hold where all count one: here someone counts more than all bounds say."""
    data = people(np.random.default_rng(3).uniform(0.5, 8, 400))
    inside = Inside("s", Study.parse(HEADED % (MODEL % "d ~ x")).variables, data, [b"p"] * 400)
    model: dict[str, Any] = {"formula": "d ~ x", "time": "t", "entry": "", "strata": "", "changed": [], "at": []}
    spread = newton(inside, **model, weights="w", coefficients=np.zeros(1), ties=0, part=1)["fit"].spread
    sets = kernel.risk_sets(data["x"][:, None], data["t"], data["d"] == 1, counts=data["w"])
    parts = np.abs(kernel.evaluate(sets, np.zeros(1)).residuals())
    np.testing.assert_allclose([spread.largest[0], spread.total[0]], [parts.max(), parts.sum()], rtol=1e-12)


def test_the_same_people_with_weights_of_many_values_pass(tmp_path: Path) -> None:
    data = people(np.random.default_rng(3).uniform(0.5, 8, 400))
    assert run(tmp_path, "d ~ x * e", data).stopped == {}


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ("weights: z", ["weights_variable"]),
        ("weights: x", ["weights_variable"]),
        ("weights: e", ["weights_variable"]),
        ("weights: nowhere", ["weights_variable"]),
        ("weights: w, entry: w", ["weights_variable"]),
        ("weights: w, proportional: identity", ["cox_weights_beside"]),
        ("weights: w, hospitals: pooled", ["cox_pooled"]),
    ],
)
def test_what_does_not_go_with_weights_is_said(more: str, codes: list[str]) -> None:
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(HEADED % f'  a: {{method: cox, cohort: all, formula: "d ~ x", time: t, {more}}}\n'))
    assert [one.code for one in fault.value.findings] == codes


def test_weights_may_stand_beside_a_test_that_is_not_asked_for() -> None:
    line = '  a: {method: cox, cohort: all, formula: "d ~ x", time: t, weights: w, proportional: none}\n'
    assert Line(Study.parse(HEADED % line))
