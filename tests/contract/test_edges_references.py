"""Fits at their edges: columns that others determine, outcomes that two columns tell apart together, rare events."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.errors import Stopped
from gagyo.report import numbers as numbers_as_text
from gagyo.result import Interval, Result
from gagyo.site.policy import Policy
from gagyo.statistics import comparisons
from tests.contract.data import GOLDEN, HEAD, boolean, category, divide, hospitals, number, study
from tests.contract.ended import rehearsed
from tests.contract.test_methods import numbers
from tests.hospitals import SITES, house

TIGHT = 1e-8


@cache
def golden() -> dict[str, Any]:
    """What R computed (tests/golden/r/edges.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "edges.json").read_text())
    return found


ALIASED = {
    "logistic": 'method: logistic, formula: "low ~ age + lwt + kilos + smoke", marginal_effects: true',
    "probit": 'method: glm, family: binomial, link: probit, formula: "low ~ age + lwt + kilos + smoke"',
    "poisson": 'method: glm, family: poisson, formula: "low ~ age + lwt + kilos + smoke"',
    "gamma": 'method: glm, family: gamma, formula: "bwt ~ age + lwt + kilos + smoke"',
    "negative_binomial": 'method: glm, family: negative_binomial, formula: "bwt ~ age + lwt + kilos + smoke"',
}


@cache
def fitted(name: str) -> Result:
    text = study("births", f"  a: {{{ALIASED[name]}, cohort: all}}\n")
    return rehearsed(text, hospitals("births"))["a"]


@pytest.mark.parametrize("name", ALIASED)
def test_beside_a_redundant_column_the_others_have_their_errors(name: str) -> None:
    result, wanted = fitted(name), golden()["aliased"][name]
    found = [result.estimate(term) for term in wanted["terms"]]
    # R's own search ends earlier: of theta, and of a gamma, whose steps are not quadratic.
    near = {"negative_binomial": 1e-5, "gamma": 1e-7}.get(name, TIGHT)
    np.testing.assert_allclose([one.value for one in found], wanted["coefficients"], rtol=near)
    np.testing.assert_allclose([one.standard_error for one in found], wanted["errors"], rtol=near)
    assert result.estimate("kilos").value is None


def test_errors_are_told_beside_a_redundant_column_behind_doors_too(tmp_path: Path) -> None:
    text = study("births", f"  a: {{{ALIASED['logistic']}, cohort: all}}\n")
    result = house(tmp_path, text, hospitals("births")).run().results["a"]
    np.testing.assert_allclose(result.estimate("smoke").standard_error, golden()["aliased"]["logistic"]["errors"][3])


def test_a_redundant_column_has_no_marginal_effect() -> None:
    result = fitted("logistic")
    assert result.estimate("marginal.kilos").value is None
    assert (result.estimate("marginal.lwt").standard_error or 0) > 0
    (row,) = [one for one in result.table("marginal_effects").rows if one[2] is None]
    assert row[1].to("en") == "determined by the terms before it"


def test_a_term_of_several_columns_is_tested_under_its_own_name() -> None:
    text = study(
        "births", '  a: {method: logistic, cohort: all, formula: "low ~ race*smoke", likelihood_ratio: true}\n'
    )
    table = rehearsed(text, hospitals("births"))["a"].table("term_tests")
    assert [(row[0].to("en"), row[2]) for row in table.rows] == [("race", 2), ("smoke", 1), ("race × smoke", 2)]
    assert "another reference gives another test" in table.notes[0].to("en")


def test_a_redundant_term_has_no_test() -> None:
    text = study(
        "births", '  a: {method: logistic, cohort: all, formula: "low ~ lwt + kilos", likelihood_ratio: true}\n'
    )
    rows = rehearsed(text, hospitals("births"))["a"].table("term_tests").rows
    assert rows[1][1:] == (None, 0, None)


def test_folds_never_keep_a_coefficient_of_everyone() -> None:
    """A column so far from zero that folds cannot be fitted is no aliased one, which folds leave as it is."""
    variables = "\n".join([number("x", 0, 100), number("far", 999900, 1000100), boolean("d")])
    random = np.random.default_rng(5)
    x = random.uniform(20, 60, 400)
    data = {"x": x, "far": x / 50 + 1e6, "d": (random.random(400) < 1 / (1 + np.exp((40 - x) / 9))).astype(float)}
    line = '  a: {method: logistic, cohort: all, formula: "d ~ %s"}\n  v: {method: validate, model: a, folds: 5}\n'
    people = divide(data, np.arange(400) % 4)
    assert rehearsed(HEAD % (5, variables, line % "x"), people)["v"].estimate("slope_cross_validated").value
    with pytest.raises(Stopped) as caught:
        rehearsed(HEAD % (5, variables, line % "far"), people)
    assert caught.value.findings[0].code == "folds_separated"


def test_folds_leave_out_what_the_model_leaves_out() -> None:
    line = '  a: {method: logistic, cohort: all, formula: "low ~ %s"}\n  v: {method: validate, model: a, folds: 5}\n'
    found = [
        numbers(rehearsed(study("births", line % terms), hospitals("births"))["v"])
        for terms in ("lwt + smoke", "lwt + smoke + kilos")
    ]
    np.testing.assert_allclose(*found, rtol=1e-7)


# Counts of at most one event.


def test_with_an_exposure_a_yes_no_outcome_has_rates() -> None:
    line = '  a: {method: glm, cohort: all, family: poisson, exposure: age, formula: "diabetic ~ bmi"}\n'
    result, wanted = rehearsed(study("pima", line), hospitals("pima"))["a"], golden()["rates"]
    np.testing.assert_allclose([one.value for one in result.estimates], wanted["coefficients"], rtol=TIGHT)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], wanted["errors"], rtol=TIGHT)
    heads = [column.label.to("en") for column in result.table("coefficients").columns]
    assert "Rate ratio (95% CI)" in heads
    assert not result.notes, "its model-based errors are those of an exponential time to the event"
    assert [one.to("en") for one in result.methods_text if "xposure" in one.to("en")] == [
        "The exposure is age: its logarithm enters with a coefficient fixed at 1."
    ]


def test_a_rare_event_without_an_intercept_is_no_separation() -> None:
    random = np.random.default_rng(6)
    g, days = random.integers(0, 2, 800).astype(float), random.uniform(1e5, 3e6, 800)
    data = {"g": g, "days": days, "d": (random.random(800) < days * np.exp(-15 + g)).astype(float)}
    variables = "\n".join([category("g", ("a", "b")), number("days", 1, 1e7), boolean("d")])
    line = '  a: {method: glm, cohort: all, family: poisson, exposure: days, formula: "d ~ g%s"}\n'
    by_level, against = (
        rehearsed(HEAD % (5, variables, line % more), divide(data, np.arange(800) % 4))["a"] for more in (" - 1", "")
    )
    a, b = (by_level.estimate(f"g[{level}]").value for level in "ab")
    np.testing.assert_allclose(a, against.estimate("Intercept").value)
    np.testing.assert_allclose(b - a, against.estimate("g[b]").value)


def test_rates_that_differ_a_millionfold_are_no_separation() -> None:
    """The reference group has four events; of the other everyone has hundreds."""
    g = (np.arange(4000) % 2).astype(float)
    n = np.where(g == 1, np.random.default_rng(2).poisson(480, 4000), np.arange(4000) < 8).astype(float)
    variables = "\n".join([boolean("g"), number("n", 0, 1000)])
    line = '  a: {method: glm, cohort: all, family: poisson, formula: "n ~ g"}\n'
    result = rehearsed(HEAD % (5, variables, line), divide({"g": g, "n": n}, np.arange(4000) // 1000))["a"]
    wanted = np.log(n[g == 1].mean() / n[g == 0].mean())
    np.testing.assert_allclose(result.estimate("g").value, wanted)
    np.testing.assert_allclose(result.estimate("g").standard_error, np.sqrt(1 / n[g == 1].sum() + 1 / n[g == 0].sum()))


def test_rates_of_a_billionth_without_an_intercept_are_no_separation() -> None:
    """A fit without an intercept starts at one event a unit of exposure; per second there are next to none."""
    random = np.random.default_rng(2)
    g, seconds = (np.arange(4000) % 2).astype(float), random.uniform(1e9, 3e9, 4000).round()
    n = random.poisson(seconds * np.where(g == 1, 2e-9, 1e-9)).astype(float)
    variables = "\n".join([category("g", ("a", "b")), number("n", 0, 60), number("seconds", 1, 4e9)])
    line = '  a: {method: glm, cohort: all, family: poisson, formula: "n ~ C(g) - 1", exposure: seconds}\n'
    people = divide({"g": g, "n": n, "seconds": seconds}, np.arange(4000) // 1000)
    result = rehearsed(HEAD % (5, variables, line), people)["a"]
    for level, one in enumerate(result.estimates):
        events, time = n[g == level].sum(), seconds[g == level].sum()
        np.testing.assert_allclose([one.value, one.standard_error], [np.log(events / time), events**-0.5], rtol=1e-9)


# Outcomes that two columns tell apart together, and neither alone.

VARIABLES = "\n".join(
    [
        boolean("a"),
        boolean("b"),
        number("x", -10, 10),
        boolean("d"),
        number("n", 0, 60),
        number("t", 1, 400),
        number("z", -10, 10),
        category("o", ("low", "middle", "high")),
        "  ward: {type: integer, range: [0, 20], label: {en: ward, ko: ward, zh: ward}}",
    ]
)


@cache
def apart() -> dict[str, np.ndarray]:
    """Of those with `a` alone everyone has the outcome, of those with `b` alone nobody; of others it is anybody's."""
    random = np.random.default_rng(8)
    n = 800
    a, b, x = random.integers(0, 2, n), random.integers(0, 2, n), np.clip(random.normal(size=n), -5, 5)
    d = (random.random(n) < 1 / (1 + np.exp(-x))).astype(int)
    first, last = (a == 1) & (b == 0), (a == 0) & (b == 1)
    d[first], d[last] = 1, 0
    t = np.where(first, random.integers(1, 50, n), random.integers(60, 190, n))
    t = np.where(last, random.integers(200, 300, n), t)
    o = np.where(first, 2, np.where(last, 0, random.integers(0, 3, n)))
    n_ = np.where(last, 0, random.poisson(2, n))
    columns = {"a": a, "b": b, "x": x, "d": d, "n": n_, "t": t, "z": random.normal(size=n), "o": o}
    columns["ward"] = random.integers(0, 12, n)
    return {name: one.astype(float) for name, one in columns.items()}


TOLD = {
    "logistic": 'method: logistic, formula: "d ~ a + b + x"',
    "probit": 'method: glm, family: binomial, link: probit, formula: "d ~ a + b + x"',
    "counts": 'method: glm, family: poisson, formula: "n ~ a*b + x"',
    "wards": 'method: gee, family: binomial, cluster: ward, formula: "d ~ a + b + x"',
    "wards apart": 'method: gee, family: binomial, cluster: ward, correlation: independence, formula: "d ~ a + b + x"',
    "wards mixed": 'method: mixed_logistic, cluster: ward, formula: "d ~ a + b + x"',
    "hazards": 'method: cox, time: t, formula: "d ~ a + b + x"',
    "ordered": 'method: categorical, model: ordinal, formula: "o ~ a + b + x"',
    "levels": 'method: categorical, model: multinomial, formula: "o ~ a + b + x"',
    "weighted": 'method: weighting, estimand: ate, outcome: z, formula: "d ~ a + b + x"',
    "augmented": "method: standardisation, estimator: aipw, treatment: d, "
    'propensity: "d ~ a + b + x", formula: "z ~ x"',
}


@pytest.mark.parametrize("name", TOLD)
def test_columns_that_tell_the_outcome_together_are_a_separation_and_no_alias(name: str) -> None:
    text = HEAD % (5, VARIABLES, f"  a: {{{TOLD[name]}, cohort: all}}\n")
    with pytest.raises(Stopped) as caught:
        rehearsed(text, divide(apart(), np.arange(800) % 4))
    (finding,) = caught.value.findings
    assert finding.code == "separation"
    assert "b" in str(finding.values["found"])


def test_they_are_told_behind_doors_too(tmp_path: Path) -> None:
    text = HEAD % (5, VARIABLES, f"  a: {{{TOLD['logistic']}, cohort: all}}\n")
    own = dict.fromkeys(SITES, Policy(minimum_people=5))
    run = house(tmp_path, text, divide(apart(), np.arange(800) % 4), own).run()
    assert run.results == {}
    assert run.stopped["a"].findings[0].code in ("separation", "answer_withheld")


def test_a_level_that_never_goes_with_a_level_of_the_outcome_is_a_separation() -> None:
    data = dict(apart())
    data["o"] = np.where(data["a"] == 1, np.maximum(data["o"], 1), data["o"])
    text = HEAD % (5, VARIABLES, '  a: {method: categorical, model: multinomial, formula: "o ~ a + x", cohort: all}\n')
    with pytest.raises(Stopped) as caught:
        rehearsed(text, divide(data, np.arange(800) % 4))
    assert caught.value.findings[0].code == "separation"


# Pairs.


@pytest.mark.parametrize("name", ["births", "equal", "few"])
def test_mcnemars_exact_test(name: str) -> None:
    wanted = golden()["pairs"][name]
    (b, c) = wanted["counts"]
    np.testing.assert_allclose(comparisons.mcnemar_exact(np.array([[50.0, b], [c, 20.0]])).p, wanted["p"], rtol=1e-12)


def test_a_paired_comparison_can_be_exact() -> None:
    line = "  a: {method: compare, cohort: all, variables: [low], by: smoke, paired: true, exact: true}\n"
    result = rehearsed(study("births", line), hospitals("births"))["a"]
    np.testing.assert_allclose(result.estimate("low.statistic").p, golden()["pairs"]["births"]["p"], rtol=1e-12)
    (row,) = result.table("group_tests").rows
    assert row[1].to("en") == "McNemar's exact test"
    assert row[2:4] == (None, None)


# A variance near zero.


def test_a_deviation_under_its_own_error_has_no_interval() -> None:
    data = apart()
    random = np.random.default_rng(2)
    people = {"x": data["x"], "ward": data["ward"], "d": (random.random(800) < 0.4).astype(float)}
    variables = "\n".join([VARIABLES.splitlines()[2], VARIABLES.splitlines()[-1], boolean("d")])
    found = []
    for seed in range(6):
        people["d"] = (np.random.default_rng(seed).random(800) < 0.4).astype(float)
        text = HEAD % (5, variables, '  a: {method: mixed_logistic, cohort: all, cluster: ward, formula: "d ~ x"}\n')
        found.append(rehearsed(text, divide(people, np.arange(800) % 4))["a"])
    for one in found:
        deviation = one.estimate("deviation")
        vague = any("no interval of it would tell" in note.to("en") for note in one.notes)
        assert vague == (deviation.standard_error is not None and deviation.standard_error > (deviation.value or 0))
        assert (deviation.upper is None) == (vague or deviation.value == 0)
        assert np.isfinite([x for x in numbers(one).ravel() if not np.isnan(x)]).all()
    assert any(any("no interval of it would tell" in note.to("en") for note in one.notes) for one in found)


# What is said beside the numbers.


def years() -> dict[str, np.ndarray]:
    """Times in years, a tenth of a day apart: half of the second group has no event."""
    random = np.random.default_rng(3)
    g = np.arange(600) % 2
    t = np.minimum(random.exponential(np.where(g == 1, 7.8, 2.6)), 5.5)
    return {"g": g.astype(float), "t": np.maximum(t, 0.01), "e": (t < 5.5).astype(float)}


def test_times_in_years_keep_their_digits() -> None:
    variables = "\n".join([boolean("g"), number("t", 0, 8), boolean("e")])
    asked = "times: [0.5, 1, 1.25, 2, 3, 4, 5], at: [0.5, 1.25, 2]"
    line = f"  a: {{method: kaplan_meier, cohort: all, time: t, event: e, by: g, {asked}}}\n"
    result = rehearsed(HEAD % (5, variables, line), divide(years(), np.arange(600) % 4))["a"]
    column = result.table("survival_at").columns[1]
    assert [numbers_as_text.shown(row[1], column) for row in result.table("survival_at").rows[:3]] == [
        "0.50",
        "1.25",
        "2.00",
    ]
    first, second = (row[3] for row in result.table("medians").rows)
    assert numbers_as_text.shown(first, result.table("medians").columns[3]).startswith("1.")
    low = result.estimate("1.median").lower
    assert low is not None
    assert second.to("en") == f"not reached ({low:.2f}, –)"


@pytest.mark.parametrize(
    "line",
    [
        'method: linear, formula: "bwt ~ lwt"',
        'method: logistic, formula: "low ~ lwt", likelihood_ratio: true',
        'method: glm, family: poisson, formula: "low ~ lwt"',
    ],
)
def test_with_robust_errors_a_test_of_the_model_says_whose_it_is(line: str) -> None:
    plain, robust = (
        rehearsed(study("births", f"  a: {{{line}{more}, cohort: all}}\n"), hospitals("births"))["a"]
        for more in ("", ", robust: HC0")
    )
    for table in plain.tables[1:]:
        assert table.notes == ()
    for table in robust.tables[1:]:
        assert "the robust errors of the coefficients are not in it" in table.notes[-1].to("en")


def test_without_an_intercept_it_is_said_what_a_model_is_compared_with() -> None:
    for line, said in (
        ('method: linear, formula: "bwt ~ lwt - 1"', "not about the mean"),
        ('method: logistic, formula: "low ~ race - 1"', "each level's odds"),
    ):
        result = rehearsed(study("births", f"  a: {{{line}, cohort: all}}\n"), hospitals("births"))["a"]
        assert said in result.table("model_test").notes[0].to("en")


def test_two_groups_in_which_everyone_has_it_have_no_interval_of_no_width() -> None:
    assert comparisons.two_by_two(np.array([[0.0, 0.0], [40.0, 60.0]])) == {}
    assert comparisons.two_by_two(np.array([[40.0, 60.0], [0.0, 0.0]])) == {}
    assert set(comparisons.two_by_two(np.array([[0.0, 10.0], [40.0, 50.0]]))) == {"risk_difference", "risk_ratio"}


def test_a_prediction_interval_says_how_it_was_made() -> None:
    eight = (*SITES, "daegu", "gwangju", "shanghai", "wuhan")
    line = '  a: {method: meta, cohort: all, model: linear, formula: "glu ~ bmi", terms: [bmi]}\n'
    text = study("pima", line).replace(", ".join(SITES), ", ".join(eight))
    people = hospitals("pima")
    many = {
        name: type(people[SITES[0]])(
            {key: column[half::2] for key, column in people[SITES[place]].columns.items()},
            people[SITES[place]].persons[half::2],
        )
        for half in (0, 1)
        for place, name in enumerate(eight[4 * half : 4 * half + 4])
    }
    result = rehearsed(text, many)["a"]
    assert any(row[0].to("en") == "95% prediction interval" for row in result.table("meta_hospitals_bmi").rows)
    assert any("two degrees of freedom fewer than hospitals" in one.to("en") for one in result.methods_text)


@pytest.mark.parametrize(
    ("line", "corrected", "plain"),
    [
        (
            "method: compare, variables: [low], by: smoke, stratified: true",
            "χ² has a continuity",
            "χ² has no continuity",
        ),
        ("method: rank_tests, variables: [lwt], by: smoke", "approximation has a cont", "approximation has no cont"),
    ],
)
def test_a_correction_for_continuity_is_said(line: str, corrected: str, plain: str) -> None:
    for more, said, other in (("", corrected, plain), (", continuity: false", plain, corrected)):
        texts = rehearsed(study("births", f"  a: {{{line}{more}, cohort: all}}\n"), hospitals("births"))[
            "a"
        ].methods_text
        assert sum(said in one.to("en") for one in texts) == 1
        assert not any(other in one.to("en") for one in texts)


def test_coefficients_that_are_no_ratio_have_limits() -> None:
    line = '  a: {method: glm, family: binomial, link: probit, formula: "low ~ lwt", cohort: all}\n'
    result = rehearsed(study("births", line), hospitals("births"))["a"]
    cell = result.table("coefficients").rows[1][1]
    assert isinstance(cell, Interval)
    assert (cell.value, cell.lower) == (result.estimate("lwt").value, result.estimate("lwt").lower)


@pytest.mark.parametrize("line", ['method: linear, formula: "bwt ~ 1"', 'method: logistic, formula: "low ~ 1"'])
def test_a_model_without_a_term_has_no_test(line: str) -> None:
    result = rehearsed(study("births", f"  a: {{{line}, cohort: all}}\n"), hospitals("births"))["a"]
    assert result.table("model_test").rows[0][-3:] == (None, 0, None)
