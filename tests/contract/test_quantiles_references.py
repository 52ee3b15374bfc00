"""Quantiles at four hospitals: R's lie within their bounds, and equal those called exact."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.methods._quantiles_told import outward, text_of
from gagyo.protocol.study import Study
from gagyo.result import Result, Withheld, Words
from gagyo.statistics.quantiles import Place
from tests.contract.data import GOLDEN, HEAD, boolean, columns, divide, hospitals, number, study
from tests.contract.ended import Ended, ended
from tests.hospitals import house

GROUPS = {"": "all", ".0": "no", ".1": "yes"}
NAMES = ("age", "glu", "bmi", "npreg", "ped")


@cache
def reference() -> dict[str, Any]:
    """What R computed (tests/golden/r/quantiles.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "quantiles.json").read_text())
    return found


WHOLE = ("age", "glu", "npreg")
"""Columns of whole numbers."""
TEXT = """  q: {method: quantiles, cohort: all, variables: [age, glu, bmi, npreg, ped], by: diabetic,
      quantiles: [0.1, 0.25, 0.5, 0.75, 0.9]}
  h: {method: quantiles, cohort: all, variables: [glu, bmi], histogram: true, edges: {glu: [100, 126]}}
  t: {method: describe, cohort: all, variables: [age, bmi, ageband], by: diabetic, quantiles: true}
"""


def whole(text: str) -> str:
    """The study with whole numbers declared as such."""
    for name in WHOLE:
        text = text.replace(f"  {name}: {{type: number", f"  {name}: {{type: integer")
    return text


@pytest.fixture(scope="module")
def pima(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Every analysis, run once."""
    run = ended(tmp_path_factory.mktemp("pima"), whole(study("pima", TEXT)), hospitals("pima"))
    assert run.stopped == {}
    return run


def bounds(result: Result, name: str) -> tuple[float, float, float]:
    """The estimate and between which values it certainly lies; in a tail, which has no estimate, the lower for it."""
    value, least, most = (result.estimate(name + end).value for end in ("", ".least", ".most"))
    assert least is not None
    assert most is not None
    return least if value is None else value, least, most


FLOOR = 1 - 1e-12
"""What R computes as a share of two values may be a rounding step outside of bounds that are those values."""


def test_a_cell_that_ends_just_above_a_value_is_told_as_the_value() -> None:
    """Years of age of many people, not declared as whole numbers: 53 is no 53.1."""
    told = text_of(Place(53.00006, 53.0, 53.00012), False, 14.0)
    assert told == Words("quantiles.exact", {"value": "53.0"})
    wider = text_of(Place(53.02, 53.0, 53.04), False, 14.0)
    assert wider == Words("quantiles.within", {"value": "53.0", "least": "53.0", "most": "53.1"})
    assert outward(59.0, 61.00012, 2) == ("59.00", "61.00")


def test_quantiles_of_r_lie_within_the_bounds_and_equal_what_is_exact(pima: Ended) -> None:
    result, exact = pima.results["q"], 0
    for name in NAMES:
        for group, key in GROUPS.items():
            wanted = reference()["variables"][name][key]["quantiles"]
            for share, quantile in zip(("10", "25", "50", "75", "90"), wanted, strict=True):
                value, least, most = bounds(result, f"{name}{group}.q{share}")
                assert least <= value <= most
                assert least * FLOOR <= quantile <= most / FLOOR
                if np.isclose(least, most, rtol=1e-12, atol=0):
                    np.testing.assert_allclose(value, quantile, rtol=1e-12)
                    exact += 1
    assert exact >= 8
    assert not result.lossless


def test_intervals_of_the_median_hold_those_of_r(pima: Ended) -> None:
    for name in NAMES:
        for group, key in GROUPS.items():
            one = pima.results["q"].estimate(f"{name}{group}.q50")
            low, high = reference()["variables"][name][key]["interval"]
            assert one.lower is not None
            assert one.upper is not None
            assert one.lower <= low
            assert high <= one.upper
    # Cells widen an interval by no more than themselves.
    age = pima.results["q"].estimate("age.q50")
    assert [age.lower, age.upper] == reference()["variables"]["age"]["all"]["interval"]


def test_a_declared_histogram_is_that_of_r(pima: Ended) -> None:
    rows = pima.results["h"].table("histogram_glu").rows
    assert [row[2] for row in rows] == reference()["histogram"]
    ends = [(row[0].to("en"), row[1].to("en")) for row in rows if not isinstance(row[0], (int, float))]
    assert ends == [("0", "99"), ("100", "125"), ("126", "250")]


def test_a_derived_histogram_counts_everyone_in_cells_of_enough(pima: Ended) -> None:
    rows = pima.results["h"].table("histogram_bmi").rows
    bmi = columns("pima")["bmi"]
    edges = [float(row[0].to("en")) for row in rows] + [float(rows[-1][1].to("en"))]
    counts = np.histogram(bmi, edges)[0]
    assert [row[2] for row in rows] == list(counts)
    assert counts.min() >= 5
    assert len(rows) > 5


def test_many_people_have_exact_quartiles(tmp_path: Path) -> None:
    """20,190 people of the RAND health insurance experiment: every quartile of whole numbers is numpy's."""
    from statsmodels.datasets import randhie

    raw = randhie.load_pandas().data
    data = {"visits": raw["mdvis"].to_numpy(float), "worth": np.floor(raw["disea"].to_numpy(float))}
    data["d"] = (raw["idp"].to_numpy(float) > 0).astype(float)
    lines = [number("visits", 0, 200), number("worth", 0, 200), boolean("d")]
    analysis = "  a: {method: quantiles, cohort: all, variables: [visits, worth], by: d}\n"
    text = (HEAD % (10, "\n".join(lines), analysis)).replace("type: number", "type: integer")
    result = house(tmp_path, text, divide(data, np.arange(len(raw)) % 4)).run().results["a"]
    for name in ("visits", "worth"):
        for share in (25, 50, 75):
            value, least, most = bounds(result, f"{name}.q{share}")
            assert least == most
            np.testing.assert_allclose(value, np.quantile(data[name], share / 100), rtol=1e-12)
            for group in (0, 1):
                wanted = np.quantile(data[name][data["d"] == group], share / 100)
                _, least, most = bounds(result, f"{name}.{group}.q{share}")
                assert least <= wanted <= most
                assert most - least <= 4


def test_table_one_shows_medians_where_asked(pima: Ended) -> None:
    rows = pima.results["t"].table("characteristics").rows
    labels = [row[0].to("en") for row in rows]
    assert labels.count("median [Q1, Q3]") == 2
    row = rows[labels.index("median [Q1, Q3]")]
    assert row[1].to("en").startswith("28 [")
    for group, key in GROUPS.items():
        for share, quantile in zip((25, 50, 75), reference()["variables"]["bmi"][key]["quantiles"][1:4], strict=True):
            _, least, most = bounds(pima.results["t"], f"bmi{group}.q{share}")
            assert least <= quantile <= most


def test_table_one_with_medians_does_not_call_itself_lossless(pima: Ended) -> None:
    assert not pima.results["t"].lossless


def test_table_one_rounds_medians_of_narrow_cells_to_the_spread(tmp_path: Path) -> None:
    counts = np.random.default_rng(3).integers(1, 9, 800).astype(float)
    data = {"x": counts, "d": (np.arange(800) % 2).astype(float)}
    line = "  a: {method: describe, cohort: all, variables: [x], quantiles: true}\n"
    rows = some(tmp_path, data, line).results["a"].table("characteristics").rows
    (shown,) = [row[1].to("en") for row in rows if row[0].to("en") == "median [Q1, Q3]"]
    places = [len(part.partition(".")[2]) for part in re.findall(r"[\d.]+", shown)]
    assert len(places) == 3
    assert max(places) <= 2, shown


def test_quantiles_of_many_with_one_value_are_told_no_finer_than_their_spread(tmp_path: Path) -> None:
    counts = np.random.default_rng(3).integers(1, 9, 800).astype(float)
    data = {"x": counts, "d": (np.arange(800) % 2).astype(float)}
    line = "  a: {method: quantiles, cohort: all, variables: [x]}\n"
    table = some(tmp_path, data, line).results["a"].table("quantiles")
    at = {column.name: number for number, column in enumerate(table.columns)}
    for share, value in (("q25", 2), ("q50", 4.5), ("q75", 6)):
        cell = table.rows[0][at[share]]
        assert isinstance(cell, Words)
        assert abs(float(cell.values["value"]) - value) < 0.6
        assert max(len(str(one).partition(".")[2]) for one in cell.values.values()) <= 2, cell
        assert float(cell.values["least"]) <= float(cell.values["value"]) <= float(cell.values["most"])


def some(tmp_path: Path, data: Mapping[str, np.ndarray], analysis: str, *lines: str) -> Run:
    """A study of columns x and d at four hospitals."""
    text = HEAD % (10, "\n".join([number("x", -100, 100), boolean("d"), *lines]), analysis)
    return house(tmp_path, text, divide(data, np.arange(len(data["x"])) % 4)).run()


def test_values_on_both_sides_of_zero(tmp_path: Path) -> None:
    x = np.round(np.random.default_rng(3).normal(0, 20, 800), 1).clip(-100, 100)
    data = {"x": x, "d": (np.arange(800) % 2).astype(float)}
    result = some(tmp_path, data, "  a: {method: quantiles, cohort: all, variables: [x], histogram: true}\n").results[
        "a"
    ]
    for share in (25, 50, 75):
        value, least, most = bounds(result, f"x.q{share}")
        assert least <= np.quantile(x, share / 100) <= most
        assert most - least < 4
        assert least <= value <= most
    assert sum(row[2] for row in result.table("histogram_x").rows) == 800


def test_a_quantile_with_few_people_beyond_it_is_not_told(tmp_path: Path) -> None:
    x = np.random.default_rng(3).normal(0, 20, 400).clip(-100, 100)
    data = {"x": x, "d": (np.arange(400) % 2).astype(float)}
    shares = "quantiles: [0.02, 0.025, 0.5, 0.99]"
    result = some(tmp_path, data, f"  a: {{method: quantiles, cohort: all, variables: [x], {shares}}}\n").results["a"]
    (row,) = result.table("quantiles").rows
    assert [isinstance(cell, Withheld) for cell in row[3:]] == [True, False, False, False, True]
    ends = ("", ".least", ".most")
    assert [one.name for one in result.estimates] == [f"x.q{share}{end}" for share in ("2.5", "50") for end in ends]


@pytest.mark.parametrize("lacking", [3, 30])
def test_few_missing_values_shut_a_variable_and_many_do_not(tmp_path: Path, lacking: int) -> None:
    x = np.random.default_rng(3).normal(0, 20, 800).clip(-100, 100)
    x[:lacking] = np.nan
    data = {"x": x, "d": (np.arange(800) % 2).astype(float), "y": np.random.default_rng(4).normal(0, 1, 800)}
    analysis = "  a: {method: quantiles, cohort: all, variables: [x, y]}\n"
    result = some(tmp_path, data, analysis, number("y", -10, 10)).results["a"]
    there = [one for one in result.estimates if one.name.startswith("x.")]
    assert bool(there) is (lacking == 30)
    row = result.table("quantiles").rows[0]
    if lacking == 30:
        assert row[1:3] == (770, 30)
    else:
        assert all(isinstance(cell, Withheld) for cell in row[1:])


def test_without_a_gate_the_cells_are_the_same(tmp_path: Path) -> None:
    """A descent asks for no cell that the gate would not open, also where a few people lack a value."""
    from tests.contract.ended import rehearsed

    x = np.random.default_rng(8).gamma(2, 12, 900).clip(0, 100)
    x[:4] = np.nan
    data = {"x": x, "d": (np.arange(900) % 3 == 0).astype(float), "y": np.random.default_rng(4).normal(0, 1, 900)}
    lines = [number("x", 0, 100), number("y", -10, 10), boolean("d")]
    text = HEAD % (10, "\n".join(lines), "  a: {method: quantiles, cohort: all, variables: [x, y], by: d}\n")
    people = divide(data, np.arange(900) % 4)
    assert house(tmp_path, text, people).run().results["a"].estimates == rehearsed(text, people)["a"].estimates


ANALYSIS = "  a: {method: quantiles, cohort: all, %s}\n"


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        ("variables: [x, z], by: d", {"describe_unknown"}),
        ("variables: [], by: x", {"quantiles_variables", "describe_by"}),
        ("variables: [d]", {"values_kind"}),
        ("variables: [x], quantiles: [0, 0.5]", {"quantiles_shares"}),
        ("variables: [x], quantiles: []", {"quantiles_shares"}),
        ("variables: [x], edges: {x: [5, 3]}", {"quantiles_edges"}),
        ("variables: [x], edges: {x: [500], y: [1]}", {"quantiles_edges"}),
    ],
)
def test_what_does_not_fit_together_is_said_at_once(more: str, codes: set[str]) -> None:
    text = HEAD % (5, "\n".join([number("x", -10, 10), boolean("d")]), ANALYSIS % more)
    with pytest.raises(FileFault) as caught:
        Line(Study.parse(text))
    assert {one.code for one in caught.value.findings} == codes


@pytest.mark.parametrize(
    "other",
    [
        "  k: {method: kaplan_meier, cohort: all, time: x, event: d}\n",
        '  m: {method: logistic, cohort: all, formula: "d ~ x"}\n'
        "  v: {method: validate, cohort: all, model: m, nonlinearity: true}\n",
    ],
)
def test_one_variable_has_one_grid_in_a_cohort(other: str) -> None:
    text = HEAD % (5, "\n".join([number("x", 0, 10), boolean("d")]), ANALYSIS % "variables: [x]" + other)
    with pytest.raises(FileFault) as caught:
        Line(Study.parse(text))
    assert [one.code for one in caught.value.findings] == ["values_two_grids"]
    assert caught.value.findings[0].values["expected"] == ("k" if "kaplan_meier" in other else "v")


def test_times_of_other_cohorts_are_on_another_grid_too() -> None:
    """Curves of two parts are a curve of everyone, whose intervals end a few people away from the cells."""
    curve = "  k: {method: kaplan_meier, cohort: part, time: x, event: d}\n"
    text = HEAD % (5, "\n".join([number("x", 0, 10), boolean("d")]), ANALYSIS % "variables: [x]" + curve)
    with pytest.raises(FileFault) as caught:
        Line(Study.parse(text.replace("  all: {}\n", "  all: {}\n  part: {where: 'd'}\n")))
    assert [one.code for one in caught.value.findings] == ["values_two_grids"]
