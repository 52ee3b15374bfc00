"""Meta-analysis between four hospitals behind real doors equals metafor on R's own fits; and what it lets out."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.methods.meta import Options, _region_faults
from gagyo.protocol.study import Study
from gagyo.result import Interval, Withheld
from gagyo.statistics import metaanalysis
from tests.contract.data import GOLDEN, HEAD, boolean, category, divide, hospitals, number, study
from tests.hospitals import SITES, house

TIGHT = 1e-8


@cache
def reference() -> dict[str, Any]:
    """What R computed (tests/golden/r/meta.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "meta.json").read_text())
    return found


MODELS = {
    "logistic": 'formula: "low ~ age + lwt", terms: [age, lwt]',
    "linear": 'formula: "bwt ~ lwt + smoke", terms: [lwt, smoke], model: linear',
}
HOWS = [(variance, knapp) for variance in ("REML", "DL", "PM") for knapp in (True, False)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every case, run once."""
    lines = [
        f"  {model}_{how.lower()}_{str(knapp).lower()}: {{method: meta, cohort: all, {of}, variance: {how}, "
        f"hartung_knapp: {str(knapp).lower()}}}\n"
        for model, of in MODELS.items()
        for how, knapp in HOWS
    ]
    going = house(tmp_path_factory.mktemp("births"), study("births", "".join(lines)), hospitals("births")).run()
    assert going.stopped == {}
    return going


def check_summary(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose([found.value, found.standard_error], [wanted["value"], wanted["error"]], rtol=TIGHT)
    np.testing.assert_allclose([found.lower, found.upper, found.p], [*wanted["interval"], wanted["p"]], rtol=TIGHT)


TERMS = [("logistic", "age"), ("logistic", "lwt"), ("linear", "lwt"), ("linear", "smoke")]


@pytest.mark.parametrize(("variance", "knapp"), HOWS)
@pytest.mark.parametrize(("model", "term"), TERMS)
def test_summaries_are_metafors(run: Run, model: str, term: str, variance: str, knapp: bool) -> None:
    result, whole = run.results[f"{model}_{variance.lower()}_{str(knapp).lower()}"], reference()[model][term]
    assert result.people == 189
    wanted = whole[variance]["knapp" if knapp else "standard"]
    check_summary(result.estimate(f"{term}.random"), wanted)
    check_summary(result.estimate(f"{term}.fixed"), whole["fixed"])
    for index, site in enumerate(SITES):
        own = result.estimate(f"{term}.{site}")
        expected = [whole["values"][index], whole["errors"][index]]
        np.testing.assert_allclose([own.value, own.standard_error], expected, rtol=TIGHT)
        check_summary(result.estimate(f"{term}.without.{site}"), wanted["without"][index])
    # Where tau2 is 0 metafor's iteration ends just above it, with an I2 of 3e-12.
    shares = [row[3] for row in result.table(f"meta_hospitals_{term}").rows[:4]]
    np.testing.assert_allclose(shares, wanted["weights"], rtol=1e-7)
    between = [result.estimate(f"{term}.{one}").value for one in ("tau2", "i2", "q")]
    np.testing.assert_allclose(between, [wanted["tau2"], wanted["i2"], wanted["q"]], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize(("variance", "knapp"), HOWS)
def test_summaries_of_the_bcg_trials(variance: Any, knapp: bool) -> None:
    whole = reference()["bcg"]
    wanted = whole[variance]["knapp" if knapp else "standard"]
    values, errors = np.array(whole["values"]), np.array(whole["errors"])
    found = metaanalysis.summarise(values, errors, variance=variance, knapp=knapp)
    check_summary(found, wanted)
    np.testing.assert_allclose([found.tau2, found.i2, found.q], [wanted["tau2"], wanted["i2"], wanted["q"]], rtol=TIGHT)
    check_summary(metaanalysis.fixed(values, errors), whole["fixed"])
    assert found.prediction is not None
    assert found.prediction[0] < found.lower < found.upper < found.prediction[1]


def test_the_forest_has_a_row_a_hospital_and_odds_ratios(run: Run) -> None:
    result, whole = run.results["logistic_reml_true"], reference()["logistic"]["age"]
    table = result.table("meta_hospitals_age")
    assert table.kind == "forest"
    assert [row[0].to("en") for row in table.rows] == [*SITES, "Random effects", "Fixed effect"]
    np.testing.assert_allclose([row[2].value for row in table.rows[:4]], np.exp(whole["values"]), rtol=TIGHT)
    assert [row[1] for row in table.rows[:4]] == [48, 47, 47, 47]
    assert any(note.key == "meta.no_prediction" for note in result.notes), "four hospitals"


# Consistency across regions.

KR_CN = "{KR: [seoul, busan], CN: [beijing, tianjin]}"


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Both models by country."""
    lines = [
        f"  {model}: {{method: meta, cohort: all, {of}, consistency: {{regions: {KR_CN}}}}}\n"
        for model, of in MODELS.items()
    ]
    return house(tmp_path_factory.mktemp("regions"), study("births", "".join(lines)), hospitals("births")).run()


@pytest.mark.parametrize(("model", "term"), [("logistic", "age"), ("linear", "smoke")])
def test_effects_by_region_and_their_interaction_are_metafors(regions: Run, model: str, term: str) -> None:
    result = regions.results[model]
    wanted = json.loads((GOLDEN / "consistency.json").read_text())["births"][model]
    by = [result.estimate(f"{term}.region.{name}") for name in ("KR", "CN")]
    np.testing.assert_allclose([one.value for one in by], wanted["by"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in by], wanted["error"], rtol=TIGHT)
    between = result.estimate(f"{term}.interaction")
    np.testing.assert_allclose([between.value, between.p], [wanted["q"], wanted["p"]], rtol=1e-7)
    ratio = result.estimate(f"{term}.kept.KR").value
    np.testing.assert_allclose(ratio, wanted["by"][0] / result.estimate(f"{term}.fixed").value, rtol=TIGHT)
    same = result.estimate(f"{term}.same_direction").value
    assert same == float(wanted["by"][0] * wanted["by"][1] > 0)
    table = result.table(f"meta_regions_{term}")
    assert [row[0].to("en") for row in table.rows] == ["KR", "CN", "Fixed effect"]
    assert table.rows[0][4].key == ("meta.yes" if ratio > 0.5 else "meta.no")


@pytest.mark.parametrize(
    "said",
    [
        "{KR: [seoul, busan, beijing, tianjin]}",
        "{KR: [seoul, busan], CN: [beijing]}",
        "{KR: [seoul, busan, beijing, tianjin], CN: []}",
        "{KR: [seoul, busan, beijing], CN: [beijing, tianjin]}",
    ],
)
def test_every_hospital_is_in_one_of_two_regions_or_more(said: str) -> None:
    line = f"  a: {{method: meta, cohort: all, {MODELS['linear']}, consistency: {{regions: {said}}}}}\n"
    with pytest.raises(FileFault) as fault:
        Line(study_of(line))
    assert [one.code for one in fault.value.findings] == ["meta_regions"]


def test_hospitals_whose_names_are_faulty_are_told_where_the_study_lists_them() -> None:
    said = "{KR: [seoul, busan], CN: [beijing, Tianjin]}"
    line = f"  a: {{method: meta, cohort: all, {MODELS['linear']}, consistency: {{regions: {said}}}}}\n"
    for sites in ((), ("seoul", "busan", "beijing")):
        study = replace(study_of(line), sites=sites)
        asked = study.analyses["a"]
        assert [one.code for one in _region_faults(Options(**asked.options), asked, study)] == []


def study_of(line: str) -> Study:
    return Study.parse(study("births", line))


def test_where_a_region_has_no_estimate_nothing_is_said_of_all(tmp_path: Path) -> None:
    data, where = people()
    for hospital in (2, 3):
        cases = np.flatnonzero((where == hospital) & (data["d"] == 1))
        data["d"][cases[9:]] = 0.0
    line = META.replace("}\n", f", consistency: {{regions: {KR_CN}}}}}\n")
    run = answer(tmp_path, line % ("d ~ x", "x", "logistic"), data, where)
    table = run.results["a"].table("meta_regions_x")
    assert isinstance(table.rows[1][2], Withheld)
    assert [note.key for note in table.notes] == ["meta.regions_open"]


# What the gate does not let out.

TEXT = HEAD % (
    5,
    "\n".join([number("x", -50, 50), number("y", -100, 100), boolean("d"), category("g", ("a", "b"))]),
    "%s",
)
META = '  a: {method: meta, cohort: all, formula: "%s", terms: [%s], model: %s}\n'


def people(seed: int = 3) -> tuple[dict[str, np.ndarray], np.ndarray]:
    random = np.random.default_rng(seed)
    x = np.clip(random.normal(size=400), -3, 3)
    d = (random.random(400) < 1 / (1 + np.exp(-x))).astype(float)
    g = (random.random(400) < 0.4).astype(float)
    return {"x": x, "y": x + random.normal(size=400), "d": d, "g": g}, np.arange(400) % 4


def answer(folder: Path, line: str, data: dict[str, np.ndarray], where: np.ndarray) -> Run:
    return house(folder, TEXT % line, divide(data, where)).run()


def shown(run: Run, term: str) -> dict[str, object]:
    return {row[0].to("en"): row[2] for row in run.results["a"].table(f"meta_hospitals_{term}").rows[:4]}


def test_a_hospital_with_few_cases_is_withheld_and_named(tmp_path: Path) -> None:
    data, where = people()
    cases = np.flatnonzero((where == 2) & (data["d"] == 1))
    data["d"][cases[9:]] = 0.0
    run = answer(tmp_path, META % ("d ~ x", "x", "logistic"), data, where)
    rows = shown(run, "x")
    assert isinstance(rows[SITES[2]], Withheld)
    assert all(isinstance(rows[site], Interval) for site in (*SITES[:2], SITES[3]))
    result = run.results["a"]
    assert result.sites == (*SITES[:2], SITES[3])
    assert result.people == 300
    assert any(SITES[2] in note.to("en") for note in result.notes)


@pytest.mark.parametrize("model", ["logistic", "linear"])
def test_few_of_a_level_with_the_outcome_are_withheld(tmp_path: Path, model: str) -> None:
    """Attack: the odds ratio of two yes/no variables and its error are the counts of their table."""
    data, where = people()
    both = np.flatnonzero((where == 1) & (data["d"] == 1) & (data["g"] == 1))
    data["g"][both[4:]] = 0.0
    assert isinstance(
        shown(answer(tmp_path, META % ("d ~ C(g)", "'g[b]'", model), data, where), "g[b]")[SITES[1]], Withheld
    )


def test_a_slope_that_is_one_persons_is_withheld(tmp_path: Path) -> None:
    """Attack: where one person's x is far from all others', slope and error tell that person's y."""
    data, where = people()
    there = np.flatnonzero(where == 0)
    data["x"][there] = 0.001 * data["x"][there]
    data["x"][there[0]], data["y"][there[0]] = 45.0, 77.0
    rows = shown(answer(tmp_path, META % ("y ~ x", "x", "linear"), data, where), "x")
    assert isinstance(rows[SITES[0]], Withheld)
    assert isinstance(rows[SITES[1]], Interval)


def test_a_measurement_that_few_have_is_withheld(tmp_path: Path) -> None:
    """Attack: a slope on a score that five people have is theirs; so is one of an outcome that five have."""
    for name, line in (("x", META % ("y ~ x", "x", "linear")), ("y", META % ("y ~ x", "x", "linear"))):
        data, where = people()
        data[name][np.flatnonzero(where == 1)[5:]] = 0.0
        rows = shown(answer(tmp_path / name, line, data, where), "x")
        assert isinstance(rows[SITES[1]], Withheld)
        assert isinstance(rows[SITES[0]], Interval)


def test_a_separated_hospital_has_no_estimate(tmp_path: Path) -> None:
    data, where = people()
    there = where == 3
    data["d"][there] = data["x"][there] > 0
    rows = shown(answer(tmp_path, META % ("d ~ x", "x", "logistic"), data, where), "x")
    assert isinstance(rows[SITES[3]], Withheld)


def test_with_one_hospital_there_is_nothing_to_combine(tmp_path: Path) -> None:
    data, where = people()
    data["d"][where > 0] = 0.0
    run = answer(tmp_path, META % ("d ~ x", "x", "logistic"), data, where)
    assert [one.code for one in run.stopped["a"].findings] == ["meta_few"]


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        (META % ("y ~ x", "x", "logistic"), {"meta_outcome"}),
        (META % ("g ~ x", "x", "linear"), {"meta_outcome"}),
        (META % ("d ~ x", "y", "logistic"), {"meta_terms"}),
        (META % ("d ~ x", "Intercept", "logistic"), {"meta_terms"}),
        (META % ("y ~ x", "", "logistic"), {"meta_outcome", "meta_terms"}),
    ],
)
def test_what_does_not_fit_together_is_said_at_once(line: str, codes: set[str]) -> None:
    with pytest.raises(FileFault) as caught:
        Line(Study.parse(TEXT % line))
    assert {one.code for one in caught.value.findings} == codes


@pytest.mark.parametrize("few", [1, 12])
def test_a_model_that_leaves_one_person_out_by_a_column_is_withheld(tmp_path: Path, few: int) -> None:
    """Attack: the same model with and without a trait of one person at a hospital: that person's part of the slope and
    of its error, and so that person's values.
    """
    data, where = people()
    data["g"] = np.where(where == 1, 0.0, data["g"])
    data["g"][np.flatnonzero(where == 1)[:few]] = 1.0
    rows = shown(answer(tmp_path, META % ("y ~ x + C(g)", "x", "linear"), data, where), "x")
    assert isinstance(rows[SITES[1]], Withheld if few < 10 else Interval)
    assert isinstance(rows[SITES[0]], Interval)
