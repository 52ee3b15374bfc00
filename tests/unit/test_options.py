"""What does not fit in an analysis' options is told in three languages, at its line, by what was found and expected."""

from __future__ import annotations

import pytest

from gagyo.coordinator.planning import check
from gagyo.finding import Finding
from gagyo.protocol.study import Study
from gagyo.text import LANGUAGES

STUDY = """
gagyo: "1"
study: options
title: {en: Options, ko: 옵션, zh: 选项}
purpose: scientific_research
lead: {name: Kim, organisation: Hanbit, country: KR}
period: {from: 2026-01-01, until: 2027-01-01}
sites: [seoul, busan, beijing]
variables:
  y: {type: boolean, label: {en: Outcome, ko: 결과, zh: 结局}}
  x: {type: number, range: [0, 10], label: {en: Value, ko: 값, zh: 值}}
cohorts:
  all: {}
analyses:
  m: {method: logistic, cohort: all, formula: "y ~ x"}
  a: {cohort: all, %s}
"""
VALIDATE = "method: validate, model: m"
GIVEN = 'method: validate, equation: {outcome: y, formula: "y ~ x", coefficients: {Intercept: 0, x: 1}}'


def found(said: str) -> list[Finding]:
    """The findings of one analysis."""
    return check(Study.parse(STUDY % said))


@pytest.mark.parametrize(
    ("said", "code", "told"),
    [
        (f"{VALIDATE}, folds: 99", "out_of_bounds", ("99", "≤ 50")),
        (f"{VALIDATE}, folds: many", "wrong_type", ("many", "whole number")),
        (f"{VALIDATE}, joining: 7", "wrong_type", ("7", "true or false")),
        (f"{VALIDATE}, decision: 0.2", "wrong_type", ("0.2", "a list")),
        (f"{VALIDATE}, decision: [0.2, 1.5]", "out_of_bounds", ("1.5", "< 1")),
        (f"{VALIDATE}, leave_out: country", "not_one_of", ("country", "site")),
        (
            'method: cox, time: x, formula: "y ~ x", ties: effron',
            "not_one_of",
            ("effron", "Did you mean efron?"),
        ),
        ("method: quantiles, variables: x", "wrong_type", ("x", "a list")),
        ("method: quantiles", "missing_key", ("variables",)),
        ("method: quantiles, variables: [x], quantile: [0.5]", "unknown_key", ("quantile", "Did you mean quantiles?")),
        (f"{VALIDATE}, threshold: {{}}", "option_threshold", ("sensitivity",)),
        ("method: validate", "option_one_model", ("equation",)),
        (f"{VALIDATE}, subgroups: [x, {{variable: x, cuts: [5]}}]", "option_subgroups", ("subgroups",)),
        (f"{VALIDATE}, folds: 1", "option_folds", ("folds: 0",)),
        (f"{VALIDATE}, leave_out: site", "option_leave_out", ("3 hospitals", "at least 4")),
        (f"{GIVEN}, bootstrap: 50", "option_given_equation", ("bootstrap",)),
        (f"{VALIDATE}, joining: true", "option_joining", ("leave_out: site",)),
        (f"{VALIDATE}, folds: 0, threshold: {{sensitivity: 0.9}}", "option_sensitivity", ("value",)),
    ],
)
def test_a_fault_is_told_by_what_was_found_and_expected(said: str, code: str, told: tuple[str, ...]) -> None:
    findings = [one for one in found(said) if one.code == code]
    assert findings, [one.code for one in found(said)]
    assert all(one in findings[0].text("en") for one in told), findings[0].text("en")
    assert findings[0].place.line == 16
    texts = {findings[0].text(language) for language in LANGUAGES}
    assert len(texts) == len(LANGUAGES)
    assert not any("Input should" in text or "Value error" in text for text in texts)


def test_an_unforeseen_kind_of_fault_is_told_too() -> None:
    """A text where one of several kinds may stand: pydantic names each that it tried."""
    findings = found(f"{VALIDATE}, subgroups: [5]")
    assert {one.code for one in findings} == {"wrong_type"}
    assert all("5" in one.text(language) for one in findings for language in LANGUAGES)


@pytest.mark.parametrize("said", ['method: logistic, formula: "x ~ y"', 'method: firth, formula: "x ~ y"'])
def test_a_logistic_regression_has_an_outcome_of_yes_and_no(said: str) -> None:
    (finding,) = found(said)
    assert finding.code == "logistic_outcome"
    assert finding.place.line == 16
    assert all("number" in finding.text(language) for language in LANGUAGES)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("threshold: {sensitivity: 9}", [("threshold.sensitivity", "out_of_bounds", "< 1")]),
        ("threshold: high", [("threshold", "wrong_type", "keys sensitivity, value")]),
        ("threshold: [0.5]", [("threshold[0]", "wrong_type", "keys sensitivity, value")]),
        (
            "threshold: [{value: 0.5}, {valeu: 0.5}]",
            [("threshold[1].valeu", "unknown_key", "one of: sensitivity, value. Did you mean value?")],
        ),
        (
            "subgroups: [{variabel: x, cuts: [5]}]",
            [
                ("subgroups[0].variable", "missing_key", "found variabel, cuts"),
                ("subgroups[0].variabel", "unknown_key", ""),
            ],
        ),
    ],
)
def test_what_is_within_an_option_is_told_once_where_it_stands(said: str, told: list[tuple[str, str, str]]) -> None:
    findings = found(f"{VALIDATE}, {said}")
    assert [(one.place.path, one.code) for one in findings] == [(f"analyses.a.{path}", code) for path, code, _ in told]
    assert all(text in one.text("en") for one, (_, _, text) in zip(findings, told, strict=True))


def test_an_equation_that_lacks_all_is_told_its_own_keys() -> None:
    findings = found("method: validate, equation: {intercept: -3}")
    missing = {one.values["expected"] for one in findings if one.code == "missing_key"}
    assert missing == {"outcome", "formula", "coefficients"}
    assert {str(one.values["found"]) for one in findings} == {"intercept"}
    (unknown,) = (one for one in findings if one.code == "unknown_key")
    assert unknown.values["expected"] == "outcome, formula, coefficients"


def test_every_coefficient_that_is_no_number_is_told() -> None:
    equation = 'equation: {outcome: y, formula: "y ~ x", coefficients: {Intercept: a, x: b}}'
    assert [one.place.path.rpartition(".")[2] for one in found(f"method: validate, {equation}")] == ["Intercept", "x"]
