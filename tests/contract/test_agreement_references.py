"""Agreement at four hospitals behind real doors equals psych and lm on the pooled ratings; and what it lets out."""

from __future__ import annotations

import json
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.errors import FileFault
from gagyo.federation.line import Line
from gagyo.protocol.study import Study
from gagyo.site.policy import Policy
from gagyo.statistics import agreement
from tests.contract.data import GOLDEN, HEAD, boolean, category, divide, number
from tests.hospitals import SITES, house

TIGHT = 1e-8
LEVELS = ("low", "middle", "high")


@cache
def reference() -> dict[str, Any]:
    """What R computed (tests/golden/r/agreement.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "agreement.json").read_text())
    return found


@cache
def ratings() -> dict[str, np.ndarray]:
    """Performance of 223 people by physician and patient, as scores, in three levels and in two; and by ECOG."""
    lines = (GOLDEN / "data" / "karnofsky.csv").read_text().splitlines()[1:]
    physician, patient, ecog = np.array([line.split(",") for line in lines], float).T
    scores = {"physician": physician, "patient": patient}
    levels = {f"{name}_level": np.searchsorted([70, 80], score).astype(float) for name, score in scores.items()}
    well = {f"{name}_well": (score >= 90).astype(float) for name, score in scores.items()}
    return {**scores, **levels, **well, "ecog_well": (ecog == 0).astype(float)}


def text(analyses: str, minimum: int = 5) -> str:
    lines = [number(name, 0, 100) for name in ("physician", "patient")]
    lines += [category(f"{name}_level", LEVELS) for name in ("physician", "patient")]
    lines += [boolean(f"{name}_well") for name in ("physician", "patient", "ecog")]
    return HEAD % (minimum, "\n".join(lines), analyses)


WELL = "physician_well, patient_well, ecog_well"
ANALYSES = f"""  scores: {{method: agreement, cohort: all, variables: [physician, patient]}}
  levels: {{method: agreement, cohort: all, variables: [physician_level, patient_level], weights: quadratic}}
  linear: {{method: agreement, cohort: all, variables: [physician_level, patient_level], weights: linear}}
  two: {{method: agreement, cohort: all, variables: [physician_well, patient_well]}}
  three: {{method: agreement, cohort: all, variables: [{WELL}]}}
  interval: {{method: agreement, cohort: all, variables: [{WELL}], interval: true}}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Everything, run once; the hospitals allow five people behind a number."""
    folder, data = tmp_path_factory.mktemp("agreement"), ratings()
    people = divide(data, np.arange(223) % 4)
    policies = {site: Policy(minimum_people=5) for site in SITES}
    going = house(folder, text(ANALYSES), people, policies).run()
    assert {name: why.text("en") for name, why in going.stopped.items()} == {}
    return going


def test_intraclass_correlations_and_limits(run: Run) -> None:
    result, wanted = run.results["scores"], reference()["karnofsky"]
    assert (result.people, result.sites) == (223, SITES)
    forms = [result.estimate(form) for form in agreement.FORMS]
    for what in ("value", "lower", "upper", "p"):
        np.testing.assert_allclose([getattr(one, what) for one in forms], wanted[what], rtol=TIGHT)
    limits = reference()["limits"]
    bias, slope = result.estimate("bias"), result.estimate("slope")
    np.testing.assert_allclose([bias.value, bias.lower, bias.upper], [limits["bias"], *limits["interval"]], rtol=TIGHT)
    ends = [result.estimate(name).value for name in ("lower_limit", "upper_limit")]
    np.testing.assert_allclose(ends, limits["limits"], rtol=TIGHT)
    np.testing.assert_allclose([slope.value, slope.standard_error], limits["slope"][:2], rtol=TIGHT)
    np.testing.assert_allclose(slope.p, limits["slope"][3], rtol=1e-7)


def check(run: Run, analysis: str, name: str, wanted: Any) -> None:
    found = run.results[analysis].estimate(name)
    np.testing.assert_allclose([found.value, found.standard_error], wanted, rtol=TIGHT)


def test_kappas_of_two_raters(run: Run) -> None:
    wanted = reference()["levels"]
    for analysis, kind in (("levels", "none"), ("levels", "quadratic"), ("linear", "linear")):
        check(run, analysis, f"kappa_{kind}", wanted["kappa"][kind])
    for name in ("ac1", "pabak"):
        check(run, "levels", name, wanted[name])
        check(run, "two", name, reference()["two"][name])
    check(run, "two", "kappa_none", reference()["two"]["kappa"]["none"])
    table = run.results["levels"].table("agreement_table")
    assert [list(row[1:]) for row in table.rows] == wanted["table"]


def test_kappa_of_three_raters_with_and_without_its_interval(run: Run) -> None:
    wanted = reference()["several"]
    check(run, "interval", "fleiss", wanted["kappa"])
    bare = run.results["three"].estimate("fleiss")
    assert (bare.standard_error, bare.lower) == (None, None)
    np.testing.assert_allclose(bare.value, wanted["kappa"][0], rtol=TIGHT)
    np.testing.assert_allclose(bare.p, run.results["interval"].estimate("fleiss").p, rtol=TIGHT)
    levels = [run.results["three"].estimate(f"kappa.{at}").value for at in (0, 1)]
    np.testing.assert_allclose(levels, wanted["level"], rtol=TIGHT)


# What the gate does not let out.


def answered(folder: Path, analysis: str, data: dict[str, np.ndarray], minimum: int = 10) -> Run:
    where = np.arange(len(data["physician"])) % 4
    return house(folder, text(analysis, minimum), divide(data, where)).run()


def test_a_kappa_with_its_error_gives_the_table_away() -> None:
    """Why statistics may not leave where the table may not: kappa, error and margins fit one table of all there are."""
    secret = np.array([[60.0, 3, 12], [14, 50, 2], [1, 11, 47]])
    rows, columns, told = secret.sum(axis=1).astype(int), secret.sum(axis=0).astype(int), agreement.cohen(secret)
    found = []
    for a, b, d in product(range(rows[0] + 1), range(20), range(20)):
        # The same part of agreement: a + e + the last cell, which follows from the margins, are the trace.
        e, odd = divmod(int(np.trace(secret) - columns[2] + rows[0] + rows[1]) - 2 * a - b - d, 2)
        if odd:
            continue
        table = np.array([[a, b, rows[0] - a - b], [d, e, rows[1] - d - e], [0.0, 0, 0]])
        table[2] = columns - table[0] - table[1]
        if (table >= 0).all():
            one = agreement.cohen(table)
            if abs(one.standard_error - told.standard_error) < 1e-12:
                found.append(table)
    assert len(found) == 1
    assert (found[0] == secret).all(), "with the three, the two and the one person"


def test_a_small_cell_stops_it_and_says_what_to_do(tmp_path: Path) -> None:
    going = answered(
        tmp_path, "  a: {method: agreement, cohort: all, variables: [physician_level, patient_level]}\n", ratings()
    )
    why = going.stopped["a"].findings[0]
    assert (why.code, why.values["expected"]) == ("agreement_cells", 10), "six people are low and high"


@pytest.mark.parametrize("shift", [0, 10])
def test_a_few_whom_raters_measured_differently_are_not_told(tmp_path: Path, shift: float) -> None:
    """Of 223 people 4 were measured differently, or not a step apart: the difference of the means would be theirs."""
    data = dict(ratings())
    data["patient"] = data["physician"] - shift
    data["patient"][[0, 1, 2, 3]] -= 20
    going = answered(tmp_path, "  a: {method: agreement, cohort: all, variables: [physician, patient]}\n", data)
    assert going.results == {}
    assert going.stopped["a"].findings[0].code == "agreement_few"


def test_a_few_on_whom_three_raters_differ_are_not_told(tmp_path: Path) -> None:
    data = dict(ratings())
    data["patient_well"] = data["physician_well"].copy()
    data["ecog_well"] = data["physician_well"].copy()
    data["ecog_well"][:6] = 1 - data["ecog_well"][:6]
    for name, options in (("plain", ""), ("interval", ", interval: true")):
        line = f"  a: {{method: agreement, cohort: all, variables: [{WELL}]{options}}}\n"
        going = answered(tmp_path / name, line, data)
        assert going.results == {}
        assert going.stopped["a"].findings[0].code in ("agreement_few", "agreement_cells")


def test_a_few_patterns_stop_the_interval_alone(tmp_path: Path) -> None:
    """Nine patients alone call themselves well of some pattern: kappa is told, its interval is not."""
    data = dict(ratings())
    given = data["physician_well"] + data["patient_well"] + data["ecog_well"]
    one = np.flatnonzero(given == 1)
    for name in ("physician_well", "patient_well", "ecog_well"):
        data[name] = data[name].copy()
        data[name][one[9:]] = 0.0
    plain = f"  a: {{method: agreement, cohort: all, variables: [{WELL}]}}\n"
    assert "fleiss" in [one.name for one in answered(tmp_path / "a", plain, data).results["a"].estimates]
    asked = answered(tmp_path / "b", plain.replace("]}", "], interval: true}"), data)
    assert asked.stopped["a"].findings[0].code == "agreement_cells"


# What a study file may say.


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("variables: [physician, nobody]", "agreement_unknown"),
        ("variables: [physician]", "agreement_raters"),
        ("variables: [physician, physician]", "agreement_raters"),
        ("variables: [physician, patient_well]", "agreement_raters"),
        ("variables: [physician_level, patient_well]", "agreement_raters"),
        ("variables: [physician, patient], weights: linear", "agreement_option"),
        (f"variables: [{WELL}], weights: linear", "agreement_option"),
        ("variables: [physician_well, patient_well], interval: true", "agreement_option"),
    ],
)
def test_what_does_not_fit_is_found(said: str, code: str) -> None:
    with pytest.raises(FileFault) as fault:
        Line(Study.parse(text(f"  a: {{method: agreement, cohort: all, {said}}}\n")))
    assert [one.code for one in fault.value.findings] == [code]
