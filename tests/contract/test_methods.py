"""What every file in gagyo.methods owes, by folder listing: a new method is tested here without being asked."""

from __future__ import annotations

import importlib
import json
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gagyo.canonical import canonical
from gagyo.coordinator.folder import finish, open_folder
from gagyo.coordinator.run import Run
from gagyo.coordinator.verify import verify
from gagyo.errors import FileFault
from gagyo.exchange.envelope import Keys
from gagyo.federation.line import Line
from gagyo.federation.local import LocalStep, method_module, method_names
from gagyo.protocol.study import Study
from gagyo.result import Result
from gagyo.runtime.journal import Journal
from gagyo.text import LANGUAGES
from tests.contract.data import HEAD, boolean, category, columns, divide, hospitals, number, study
from tests.contract.elsewhere import elsewhere
from tests.contract.ended import Ended, rehearsed
from tests.hospitals import SITES, Rows, house
from tests.shapes import check
from tests.unit.test_run_and_verify import Stopping, released


@dataclass(frozen=True)
class Owed:
    """A method's row: the test that compares it with an independent reference, and an example analysis `a`.

    by_hospital: why its numbers may depend on how people are divided; empty where they may not. minimum: the study's
    minimum of people; the hospitals' own is 10, which a descent by counts of people follows where it is the stricter.
    """

    reference: str
    example: str
    by_hospital: str = ""
    minimum: int = 5
    data: str = "pima"

    @property
    def study(self) -> str:
        """The example as a study."""
        return study(self.data, self.example, self.minimum)


# Few leave after 60: that time gives way, and the grid takes more than one round.
ON_A_GRID = "cohort: all, time: skin, event: diabetic, by: ageband"
MODEL = '  m: {method: logistic, cohort: all, formula: "diabetic ~ glu + bmi + age"}\n'
OWED = {
    "agreement": Owed(
        "tests.contract.test_agreement_references:test_intraclass_correlations_and_limits",
        "  a: {method: agreement, cohort: all, variables: [skin, bmi]}\n",
    ),
    "categorical": Owed(
        "tests.contract.test_categorical_references:test_coefficients_and_errors",
        '  a: {method: categorical, cohort: all, formula: "ageband ~ glu + bmi + diabetic", model: ordinal}\n',
    ),
    "compare": Owed(
        "tests.contract.test_compare_references:test_tests_between_two_groups",
        "  a: {method: compare, cohort: all, variables: [glu, bmi, ageband], by: diabetic, adjust: holm}\n",
    ),
    "cox": Owed(
        "tests.contract.test_survival_references:test_coefficients_and_errors",
        '  a: {method: cox, cohort: all, formula: "diabetic ~ glu + bmi + C(ageband)", time: skin, robust: true}\n',
        by_hospital="people are compared within hospitals",
    ),
    "describe": Owed(
        "tests.contract.test_references:test_table_one",
        "  a: {method: describe, cohort: all, variables: [glu, bmi, ageband], by: diabetic}\n",
    ),
    "cumulative_incidence": Owed(
        "tests.contract.test_survival_references:test_incidence_of_single_times_equals_survfit",
        "  a: {method: cumulative_incidence, cohort: all, time: skin, cause: ageband, times: [20, 28, 60]}\n",
    ),
    "fine_gray": Owed(
        "tests.contract.test_fine_gray_references:test_coefficients_and_errors",
        '  a: {method: fine_gray, cohort: all, formula: "ageband ~ glu + bmi + diabetic", time: skin, event: middle,'
        " times: [20, 28], profiles: {high: {glu: 150, bmi: 35, diabetic: true}}}\n",
        by_hospital="people are compared within hospitals",
    ),
    "firth": Owed(
        "tests.contract.test_firth_references:test_coefficients_and_errors",
        '  a: {method: firth, cohort: all, formula: "diabetic ~ glu + bmi + C(ageband)"}\n',
    ),
    "gee": Owed(
        "tests.contract.test_gee_references:test_coefficients_and_errors",
        '  a: {method: gee, cohort: all, formula: "npreg ~ bmi", family: gaussian, cluster: ageband, errors: CR2}\n',
        by_hospital="a cluster lies within a hospital",
    ),
    "glm": Owed(
        "tests.contract.test_glm_references:test_coefficients_and_errors",
        '  a: {method: glm, cohort: all, formula: "bmi ~ skin + age + diabetic", family: gamma, robust: HC1}\n',
    ),
    "imputation": Owed(
        "tests.contract.test_imputation_references:test_coefficients_are_those_of_the_same_draws_on_pooled_rows",
        '  a: {method: imputation, cohort: all, formula: "glu ~ bmi + skin + diabetic", model: linear,'
        " impute: [bmi, diabetic], times: 4, sweeps: 2}\n",
        by_hospital="hospitals have levels of their own",
    ),
    "kaplan_meier": Owed(
        "tests.contract.test_survival_references:test_curves_on_a_grid",
        f"  a: {{method: kaplan_meier, {ON_A_GRID}, times: [20, 28, 36, 60], at: [28]}}\n",
    ),
    "log_rank": Owed(
        "tests.contract.test_survival_references:test_log_rank_within_hospitals",
        f"  a: {{method: log_rank, {ON_A_GRID}, compare: pooled, times: [20, 28, 60]}}\n",
    ),
    "repeated": Owed(
        "tests.contract.test_repeated_references:test_fixed_effects_and_errors",
        '  a: {method: repeated, cohort: all, formula: "size ~ age + diabetic * visit", measured: {name: size,'
        " label: {en: Size, ko: 크기, zh: 大小}, visits: {skin: 0, bmi: 6}}, time_unit: mo, hospital: none,"
        " compare: diabetic}\n",
    ),
    "restricted_mean": Owed(
        "tests.contract.test_survival_references:test_restricted_means",
        f"  a: {{method: restricted_mean, {ON_A_GRID}, tau: 36, times: [20, 28, 60]}}\n",
    ),
    "linear": Owed(
        "tests.contract.test_references:test_coefficients_and_model_errors",
        '  a: {method: linear, cohort: all, formula: "bmi ~ skin + rcs(age, 3)", robust: HC1}\n',
        minimum=10,
    ),
    "logistic": Owed(
        "tests.contract.test_references:test_coefficients_and_model_errors",
        '  a: {method: logistic, cohort: all, formula: "diabetic ~ glu + bmi + C(ageband)", likelihood_ratio: true}\n',
    ),
    "meta": Owed(
        "tests.contract.test_meta_references:test_summaries_are_metafors",
        '  a: {method: meta, cohort: all, formula: "diabetic ~ glu + bmi", terms: [glu, bmi]}\n'
        # One question a hospital is soon answered: an interruption needs something to interrupt.
        '  b: {method: linear, cohort: all, formula: "bmi ~ skin + age"}\n',
        by_hospital="each hospital's own estimates are what it combines",
    ),
    "quantiles": Owed(
        "tests.contract.test_quantiles_references:test_quantiles_of_r_lie_within_the_bounds_and_equal_what_is_exact",
        "  a: {method: quantiles, cohort: all, variables: [glu, bmi], by: diabetic, histogram: true}\n",
        minimum=10,
    ),
    "rank_tests": Owed(
        "tests.contract.test_rank_references:test_mann_whitney",
        "  a: {method: rank_tests, cohort: all, variables: [skin, bmi], by: diabetic, beside: glu}\n",
        minimum=10,
    ),
    "mixed": Owed(
        "tests.contract.test_mixed_references:test_fixed_effects_and_errors",
        '  a: {method: mixed, cohort: all, formula: "glu ~ bmi + skin", cluster: ageband}\n',
        by_hospital="hospitals have intercepts of their own",
    ),
    "mixed_logistic": Owed(
        "tests.contract.test_mixed_logistic_references:test_coefficients_and_errors",
        '  a: {method: mixed_logistic, cohort: all, formula: "died ~ age + nodes", cluster: tumour}\n',
        by_hospital="hospitals have intercepts of their own",
        minimum=10,
        data="rotterdam",
    ),
    "penalised": Owed(
        "tests.contract.test_penalised_references:test_the_chosen_models_fulfil_the_conditions_of_the_optimum",
        '  a: {method: penalised, cohort: all, formula: "diabetic ~ glu + bmi + age", family: binomial, values: 6,'
        " folds: 3}\n",
        by_hospital="folds are dealt out inside each hospital",
    ),
    "weighting": Owed(
        "tests.contract.test_weighting_references:test_effects_and_errors",
        '  a: {method: weighting, cohort: all, formula: "diabetic ~ glu + bmi + C(ageband)", outcome: skin,'
        " estimand: ato}\n",
        by_hospital="hospitals have intercepts of their own",
    ),
    "standardisation": Owed(
        "tests.contract.test_standardisation_references:test_effects_and_errors",
        '  a: {method: standardisation, cohort: all, formula: "bp ~ bmi", treatment: diabetic, estimator: g_formula}\n',
        by_hospital="hospitals have intercepts of their own",
    ),
    "target_trial": Owed(
        "tests.contract.test_target_trial_references:test_risks_and_their_errors",
        "  a: {method: target_trial, cohort: all, time: days, event: died, start: start, grace: 90, horizon: 360,"
        ' times: [180], adjust: "age + severe"}\n',
        by_hospital="hospitals have intercepts of their own",
        minimum=10,
        data="grafts",
    ),
    "validate": Owed(
        "tests.unit.test_validate:test_cross_validation_equals_refits_on_pooled_rows",
        MODEL + "  a: {method: validate, model: m, folds: 3, bootstrap: 0}\n",
        by_hospital="folds are dealt out inside each hospital, and people are compared within hospitals",
    ),
}
MORE = {
    "imputation, category": Owed(
        "tests.contract.test_imputed_categories_references:"
        "test_coefficients_are_those_of_the_same_draws_on_pooled_rows",
        '  a: {method: imputation, cohort: all, formula: "glu ~ band + heavy + age", model: linear,'
        " impute: [band, heavy], times: 3, sweeps: 2, hospitals: pooled}\n",
        by_hospital="people's random numbers are keyed by hospital",
        data="pima_bands",
    ),
    "validate, imputed": Owed(
        "tests.contract.test_foreseen_references:test_performance_is_that_of_the_same_draws_on_pooled_rows",
        '  m: {method: imputation, purpose: prediction, cohort: all, formula: "diabetic ~ glu + bmi + age",'
        " model: logistic, impute: [bmi], times: 3, sweeps: 1}\n"
        "  a: {method: validate, cohort: all, model: m, folds: 0, leave_out: site}\n",
        by_hospital="people are compared within hospitals",
    ),
    "validate, designs of imputed": Owed(
        "tests.contract.test_imputed_designs_references:test_folds_are_those_of_the_same_draws_on_pooled_rows",
        '  m: {method: imputation, purpose: prediction, cohort: all, formula: "diabetic ~ glu + bmi + age",'
        " model: logistic, impute: [bmi], times: 3, sweeps: 1}\n"
        "  a: {method: validate, cohort: all, model: m, folds: 2, threshold: [{value: 0.3}], decision: [0.2, 0.3],"
        " subgroups: [{variable: age, cuts: [30]}]}\n",
        by_hospital="people are compared within hospitals",
    ),
    "logistic, marginal effects": Owed(
        "tests.contract.test_margins_references:test_effects_and_errors",
        '  a: {method: logistic, cohort: all, formula: "diabetic ~ rcs(glu, 90, 120, 150) + bmi + C(ageband)",'
        " marginal_effects: true}\n",
    ),
    "glm, marginal effects": Owed(
        "tests.contract.test_margins_references:test_effects_and_errors",
        '  a: {method: glm, cohort: all, formula: "bmi ~ skin + age + diabetic", family: gamma,'
        " marginal_effects: true}\n",
    ),
    "categorical, weights": Owed(
        "tests.contract.test_categorical_weights_references:test_weighted_coefficients_and_errors",
        '  a: {method: categorical, cohort: all, formula: "ageband ~ glu + diabetic", model: multinomial, weights: bmi,'
        " robust: HC1}\n",
    ),
    "gee, weights": Owed(
        "tests.contract.test_gee_references:test_coefficients_and_errors",
        '  a: {method: gee, cohort: all, formula: "npreg ~ bmi", family: gaussian, cluster: ageband, weights: age}\n',
        by_hospital="a cluster lies within a hospital",
    ),
    "glm, offset": Owed(
        "tests.contract.test_glm_references:test_coefficients_and_errors",
        '  a: {method: glm, cohort: all, formula: "diabetic ~ glu + bmi", family: binomial, link: logit, offset: ped,'
        " weights: age, robust: HC0}\n",
    ),
    "cox, one baseline": Owed(
        "tests.contract.test_cox_common_references:test_robust_errors",
        '  a: {method: cox, cohort: all, formula: "died ~ age + nodes", time: days, hospitals: pooled, robust: true,'
        " strata: hormon, times: [1000, 2000, 3000, 4000]}\n",
        minimum=10,
        data="rotterdam",
    ),
    "cox, weights": Owed(
        "tests.contract.test_cox_weights_references:test_weighted_coefficients_and_errors",
        '  a: {method: cox, cohort: all, formula: "died ~ nodes + hormon", time: days, weights: age}\n',
        by_hospital="people are compared within hospitals",
        minimum=10,
        data="rotterdam",
    ),
    "cox, late entry": Owed(
        "tests.contract.test_cox_common_references:test_coefficients_and_errors",
        '  a: {method: cox, cohort: all, formula: "died ~ female + hgb", time: until, entry: came, hospitals: pooled,'
        " times: [65, 70, 75, 80, 85, 90]}\n",
        minimum=10,
        data="mgus_ages",
    ),
    "repeated, of hospitals": Owed(
        "tests.contract.test_repeated_references:test_fixed_effects_and_errors",
        '  a: {method: repeated, cohort: all, formula: "size ~ age + visit", measured: {name: size,'
        " label: {en: Size, ko: 크기, zh: 大小}, visits: {skin: 0, bmi: 6}}, covariance: intercept, hospital: fixed}\n",
        by_hospital="hospitals have intercepts of their own",
    ),
    "weighting, times": Owed(
        "tests.contract.test_weighted_survival_references:test_hazard_ratios_and_errors",
        '  a: {method: weighting, cohort: all, formula: "hormon ~ age + nodes + chemo", outcome: died, time: days,'
        " estimand: ate}\n",
        by_hospital="people are compared within hospitals",
        minimum=10,
        data="rotterdam",
    ),
    "weighting, curves": Owed(
        "tests.contract.test_weighted_survival_references:test_curves_and_their_errors",
        '  a: {method: weighting, cohort: all, formula: "hormon ~ age + nodes + chemo", outcome: died, time: days,'
        " estimand: ato, curves: true, at: [1300], tau: 2600, times: [2000]}\n",
        by_hospital="people are compared within hospitals",
        minimum=10,
        data="rotterdam",
    ),
}
"""Further examples of methods that ask other questions under some option: `method, option`."""
EXAMPLES = OWED | MORE
CHANGED = [name for name, owed in EXAMPLES.items() if "impute:" in owed.example]
"""What is imputed is drawn by secrets of hospitals, which the tests of imputation know."""
CHANGED += ["target_trial", "validate", "cox, late entry"]
"""Their grid is as fine as there are enough people for, and the gate says how many those are."""
WHOLE = [name for name, owed in OWED.items() if not owed.by_hospital]
TABLES = ("describe", "quantiles")
"""Methods that count missing values and keep everyone."""
REGRESSIONS = ("linear", "logistic")


def run(folder: Path, text: str, people: Mapping[str, Rows]) -> Run:
    return house(folder, text, people).run()


def size_of(data: Mapping[str, np.ndarray]) -> int:
    """How many people there are."""
    return len(next(iter(data.values())))


def numbers(result: Result) -> np.ndarray:
    """Every estimate and its error."""
    return np.array([[one.value, one.standard_error] for one in result.estimates], dtype=float)


# What stands in the file.


@pytest.mark.parametrize("name", method_names())
def test_a_method_owes_a_reference_and_an_example(name: str) -> None:
    assert name in OWED, "add a row: an independent reference test, and an example"
    module, _, test = OWED[name].reference.partition(":")
    assert callable(getattr(importlib.import_module(module), test))


@pytest.mark.parametrize("name", method_names())
def test_a_method_says_whether_it_is_lossless_and_after_whom(name: str) -> None:
    module = method_module(name)
    text = module.__doc__ or ""
    assert module.Method.name == name
    assert ("lossless" in text) or not module.Method.lossless
    assert any(f"({year}" in text or f" {year}" in text for year in range(1950, 2030)), "the paper"


@pytest.mark.parametrize("name", method_names())
def test_a_method_offers_steps_that_declare_their_arguments(name: str) -> None:
    steps = [value for value in vars(method_module(name)).values() if isinstance(value, LocalStep)]
    assert [step for step in steps if step.name.startswith(f"{name}.")]
    for step in steps:
        assert step.check({"no such": 1}), "undeclared arguments are refused"


# What it does with ordinary people.


@dataclass(frozen=True)
class Example:
    """A method's example, run. released: what hospitals let out. whole: of some, the result of a run in one piece."""

    folder: Path
    ended: Ended
    released: list[tuple[str, str]]
    whole: Result | None


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Example]:
    """Each method's example, run behind real doors, interrupted twice on the way, and written as `gagyo run` does."""
    return {name: taken_up(tmp_path_factory.mktemp(name.replace(", ", "_")), name) for name in EXAMPLES}


def taken_up(folder: Path, name: str) -> Example:
    """An example whose run is stopped soon after it began, and again where it was taken up and had gone on a while."""
    text, people, run, whole = EXAMPLES[name].study, hospitals(EXAMPLES[name].data), folder / "run", folder / "whole"
    for requests in (7, 13):
        cut = house(run, text, people, wrap=lambda inner, after=requests: Stopping(inner, after))
        with pytest.raises(KeyboardInterrupt):
            cut.run()
        for site in cut.sites.values():
            site.close()
        if name in CHANGED and not whole.exists():  # its draws are by these hospitals' secrets
            shutil.copytree(run, whole)
    one = house(run, text, people)
    open_folder(run, one.plan)
    going = one.run()
    finish(run, going, "embedded", one.journal.answers, {k: site.ledger.path for k, site in one.sites.items()})
    same = house(whole, text, people).run().results["a"] if name in CHANGED else None
    return Example(run, Ended(going.study, going.results, going.stopped), released(one), same)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs_and_says_whom_it_covers(examples: Any, name: str) -> None:
    going = examples[name].ended
    assert going.stopped == {}
    result = going.results["a"]
    method = name.partition(",")[0]
    assert result.method == method
    assert result.people == size_of(columns(EXAMPLES[name].data))
    assert result.sites == SITES
    assert result.rounds > 0
    assert result.lossless is method_module(method).Method.lossless


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_is_derived_again_from_the_journal_alone(examples: Any, name: str) -> None:
    folder = examples[name].folder
    checked = verify(folder, Journal(folder / "journal.jsonl", Keys.make()))
    assert checked.analyses == len(examples[name].ended.results)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_text_is_in_three_languages(examples: Any, name: str) -> None:
    result = examples[name].ended.results["a"]
    assert result.methods_text, "a report needs a text for its methods section"
    texts = [*result.methods_text, *result.notes]
    texts += [words for table in result.tables for words in (table.title, *table.notes)]
    texts += [column.label for table in result.tables for column in table.columns]
    texts += [cell for table in result.tables for row in table.rows for cell in row if hasattr(cell, "to")]
    texts += [words for curve in result.curves for words in (curve.title, curve.x, curve.y, *curve.notes)]
    for words in texts:
        for language in LANGUAGES:
            shown = words.to(language)
            assert "{" not in shown, shown
    for words in result.methods_text:
        assert len({words.to(language) for language in LANGUAGES}) == 3


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_result_survives_json(examples: Any, name: str) -> None:
    result = examples[name].ended.results["a"]
    assert all(table.rows for table in result.tables), "a table of nothing but its head says nothing"
    assert Result.from_json(result.to_json()) == result
    check("result", json.loads(json.dumps(result.to_json(), allow_nan=False)))


@pytest.fixture(scope="module")
def seen_elsewhere(examples: Any) -> dict[str, dict[str, Any]]:
    """What a processor that adds in another order makes of each example."""
    return dict(zip(examples, elsewhere(one.folder for one in examples.values()), strict=True))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_hospital_and_an_auditor_with_another_processor_follow_the_example(seen_elsewhere: Any, name: str) -> None:
    assert (seen_elsewhere[name]["followed"], seen_elsewhere[name]["verified"]) == ("", "")


def test_another_processor_rounds_otherwise(seen_elsewhere: Any) -> None:
    """Else the test before this one would say nothing."""
    if platform.machine() == "x86_64":
        assert sum(seen["apart"] > 0 for seen in seen_elsewhere.values()) > 10
        assert sum(not seen["exact"] for seen in seen_elsewhere.values()) > 10


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_run_that_is_interrupted_twice_releases_nothing_twice(examples: Any, name: str) -> None:
    given_out = examples[name].released
    assert len(given_out) == len(set(given_out)) > 0


@pytest.mark.parametrize("name", CHANGED)
def test_a_run_that_is_interrupted_twice_comes_out_as_in_one_piece(examples: Any, name: str) -> None:
    """To the last bit; others come out as without doors, see below."""
    assert canonical(examples[name].ended.results["a"].to_json()) == canonical(examples[name].whole.to_json())


# What it must not depend on.


@pytest.mark.parametrize("name", WHOLE)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), shares=st.lists(st.floats(0.02, 1), min_size=4, max_size=4))
def test_it_does_not_depend_on_how_people_are_divided(name: str, seed: int, shares: list[float]) -> None:
    data = columns("pima")
    edges = np.cumsum(shares)[:3] / np.sum(shares)
    where = np.searchsorted(edges, np.random.default_rng(seed).random(532))
    text = OWED[name].study
    divided = rehearsed(text, divide(data, where))["a"]
    np.testing.assert_allclose(numbers(divided), together("pima", text), rtol=1e-8, atol=1e-12)


@cache
def together(data: str, text: str) -> np.ndarray:
    """The numbers of a study where everyone is at one hospital."""
    return numbers(rehearsed(text, at_one(columns(data)))["a"])


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in CHANGED])
def test_the_gate_and_the_ring_change_nothing(examples: Any, name: str) -> None:
    inside = rehearsed(EXAMPLES[name].study, hospitals(EXAMPLES[name].data))["a"]
    np.testing.assert_allclose(numbers(examples[name].ended.results["a"]), numbers(inside), rtol=1e-9, atol=1e-12)


# Hospitals and data that are not ordinary.


def at_one(data: Mapping[str, np.ndarray]) -> dict[str, Rows]:
    """Everyone at one hospital."""
    return {"seoul": divide(data, np.zeros(size_of(data), int))["seoul"]}


def hospitals_of(data: Mapping[str, np.ndarray]) -> np.ndarray:
    """Where each person of a data set goes, at random."""
    return np.random.default_rng(11).integers(0, 4, size_of(data))


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("go_on", [True, False])
def test_a_hospital_that_is_too_small_stops_it_or_is_said_to_be_missing(tmp_path: Path, name: str, go_on: bool) -> None:
    data = columns(EXAMPLES[name].data)
    where = hospitals_of(data)
    small = np.flatnonzero(where == 3)
    keep = np.ones(len(where), bool)
    keep[small[4:]] = False
    people = divide({key: column[keep] for key, column in data.items()}, where[keep])
    text = EXAMPLES[name].study
    if go_on:
        text = text.replace("variables:\n", "may_go_on_without: 1\nvariables:\n", 1)
    going = run(tmp_path, text, people)
    if go_on:
        assert going.results["a"].sites == SITES[:3]
        assert going.results["a"].people == int((where[keep] != 3).sum())
    else:
        assert "a" in going.stopped
        assert going.results == {}
    assert going.preflight["tianjin"].payload["values"] == {}, "nothing of four people leaves"


@pytest.mark.parametrize("name", WHOLE)
def test_missing_values_leave_people_out_of_models_and_a_level_that_a_hospital_lacks_is_no_obstacle(
    tmp_path: Path, name: str
) -> None:
    data = {key: column.copy() for key, column in columns("pima").items()}
    gone = np.random.default_rng(5).random(532) < 0.15
    for variable in ("bmi", "skin"):
        data[variable][gone] = np.nan
    where = hospitals_of(data)
    where[(where == 3) & (data["ageband"] == 2)] = 0
    text, people = OWED[name].study, divide(data, where)
    assert not (people["tianjin"].columns["ageband"] == 2).any()
    result = run(tmp_path, text, people).results["a"]
    assert result.people == (532 if name in TABLES else int((~gone).sum()))
    if name == "describe":
        for group in (0, 1):
            mine = data["bmi"][(data["diabetic"] == group) & ~gone]
            np.testing.assert_allclose(result.estimate(f"bmi.mean.{group}").value, mine.mean(), rtol=1e-12)
    elif name in TABLES:
        np.testing.assert_allclose(numbers(result), numbers(rehearsed(text, people)["a"]), rtol=1e-9)
    else:
        alone = rehearsed(text, at_one({key: column[~gone] for key, column in columns("pima").items()}))["a"]
        np.testing.assert_allclose(numbers(result), numbers(alone), rtol=1e-8)


# Columns that are hard to compute with. n people at four hospitals, an outcome y and a yes/no d.


def hard(analysis: str, variables: str, data: Mapping[str, np.ndarray]) -> tuple[str, dict[str, Rows]]:
    text = HEAD % (5, "\n".join([variables, number("y", -100, 100), boolean("d")]), analysis)
    size = len(data["y"])
    return text, divide(data, np.arange(size) % 4)


def fit_of(method: str, right: str) -> str:
    left = "y" if method == "linear" else "d"
    return f'  a: {{method: {method}, cohort: all, formula: "{left} ~ {right}"}}\n'


def outcomes(x: np.ndarray, seed: int = 3) -> dict[str, np.ndarray]:
    """y and d that depend on a column."""
    random = np.random.default_rng(seed)
    z = (x - x.mean()) / x.std()
    chance = 1 / (1 + np.exp(-z))
    return {"x": x, "y": 2 * z + random.normal(size=x.size), "d": (random.random(x.size) < chance).astype(float)}


def direct(method: str, data: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Slope and its error in the column scaled to size one, brought back: statsmodels on pooled rows."""
    import statsmodels.api as sm

    centre, size = data["x"].mean(), data["x"].std()
    X = sm.add_constant((data["x"] - centre) / size)
    fit = sm.OLS(data["y"], X).fit() if method == "linear" else sm.Logit(data["d"], X).fit(tol=1e-14, disp=0)
    return np.array(fit.params[1] / size), np.array(fit.bse[1] / size)


SCALES = {
    "dates in days": (19_000.0, 400.0, (15_000, 25_000)),
    "values at a million, a unit apart": (1e6, 1.0, (999_000, 1_001_000)),
    "very small": (1e-6, 1e-7, (0, 1e-5)),
}


@pytest.mark.parametrize("method", REGRESSIONS)
@pytest.mark.parametrize("scale", SCALES)
def test_scales_far_from_one(tmp_path: Path, scale: str, method: str) -> None:
    middle, size, ends = SCALES[scale]
    x = middle + size * np.clip(np.random.default_rng(1).normal(size=800), -3, 3)
    data = outcomes(x)
    text, people = hard(fit_of(method, "x"), number("x", *ends), data)
    one = run(tmp_path, text, people).results["a"].estimate("x")
    value, error = direct(method, data)
    np.testing.assert_allclose(one.value, value, rtol=1e-8)
    np.testing.assert_allclose(one.standard_error, error, rtol=1e-8)


def test_table_one_of_values_at_a_million(tmp_path: Path) -> None:
    x = 1e6 + np.random.default_rng(1).normal(size=800)
    analysis = "  a: {method: describe, cohort: all, variables: [x], by: d}\n"
    text, people = hard(analysis, number("x", 999_000, 1_001_000), outcomes(x))
    result = run(tmp_path, text, people).results["a"]
    d = np.concatenate([one.columns["d"] for one in people.values()])
    pooled = np.concatenate([one.columns["x"] for one in people.values()])
    for group in (0, 1):
        np.testing.assert_allclose(result.estimate(f"x.mean.{group}").value, pooled[d == group].mean(), rtol=1e-12)
        np.testing.assert_allclose(result.estimate(f"x.sd.{group}").value, pooled[d == group].std(ddof=1), rtol=1e-8)


@pytest.mark.parametrize("value", [0.1, 3.0, 0.0])
@pytest.mark.parametrize("method", REGRESSIONS)
def test_a_constant_column_is_left_out_and_named(tmp_path: Path, method: str, value: float) -> None:
    random = np.random.default_rng(2)
    data = outcomes(random.normal(size=569)) | {"same": np.full(569, value)}
    variables = "\n".join([number("x", -10, 10), number("same", 0, 10)])
    text, people = hard(fit_of(method, "x + same"), variables, data)
    result = run(tmp_path, text, people).results["a"]
    assert result.estimate("same").value is None
    assert any("same" in note.to("en") for note in result.notes)
    np.testing.assert_allclose(result.estimate("x").value, direct(method, data)[0], rtol=1e-8)


def test_a_constant_column_in_table_one(tmp_path: Path) -> None:
    data = outcomes(np.random.default_rng(2).normal(size=569)) | {"same": np.full(569, 3.0)}
    variables = "\n".join([number("x", -10, 10), number("same", 0, 10)])
    analysis = "  a: {method: describe, cohort: all, variables: [same], by: d}\n"
    result = run(tmp_path, *hard(analysis, variables, data)).results["a"]
    assert result.estimate("same.mean.0").value == 3.0
    assert result.estimate("same.sd.1").value == 0.0


def test_complete_separation_is_named(tmp_path: Path) -> None:
    x = np.random.default_rng(2).normal(size=400)
    data = {"x": x, "y": x, "d": (x > 0).astype(float)}
    going = run(tmp_path, *hard(fit_of("logistic", "x"), number("x", -10, 10), data))
    assert [one.code for one in going.stopped["a"].findings] == ["separation"]
    assert "x" in going.stopped["a"].text("en")


def test_quasi_separation_by_a_level_is_named(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    level = np.repeat([0.0, 1.0, 2.0], 200)
    d = np.where(level == 2, 1.0, (random.random(600) < 0.4).astype(float))
    data = {"g": level, "y": d, "d": d}
    going = run(tmp_path, *hard(fit_of("logistic", "C(g)"), category("g", ("a", "b", "c")), data))
    # A level whose people all have the outcome has an empty cell: the gate withholds it before it can run away.
    assert [one.code for one in going.stopped["a"].findings] in (["separation"], ["withheld_fit"], ["answer_withheld"])


@pytest.mark.parametrize("method", REGRESSIONS)
def test_both_levels_of_a_category_stand_without_an_intercept(tmp_path: Path, method: str) -> None:
    """Nobody has neither of two levels: an empty cell that the plan knows, and no reason to withhold the fit."""
    random = np.random.default_rng(6)
    data = outcomes(random.normal(size=600)) | {"g": (np.arange(600) % 2).astype(float)}
    variables = "\n".join([number("x", -10, 10), category("g", ("a", "b"))])
    result = run(tmp_path, *hard(fit_of(method, "C(g) + x - 1"), variables, data)).results["a"]
    assert [one.value is not None for one in result.estimates] == [True, True, True]


@pytest.mark.parametrize("method", REGRESSIONS)
def test_a_sum_of_columns_is_collinear_and_the_last_one_goes(tmp_path: Path, method: str) -> None:
    random = np.random.default_rng(4)
    data = outcomes(random.normal(size=500))
    data["u"] = random.normal(size=500)
    data["both"] = 3 * data["x"] - data["u"] + 2
    variables = "\n".join([number("x", -10, 10), number("u", -10, 10), number("both", -50, 50)])
    text, people = hard(fit_of(method, "x + u + both"), variables, data)
    result = run(tmp_path, text, people).results["a"]
    assert [one.name for one in result.estimates if one.value is None] == ["both"]
    alone, _ = hard(fit_of(method, "x + u"), variables, data)
    without = run(tmp_path / "without", alone, people).results["a"]
    for name in ("x", "u"):
        np.testing.assert_allclose(result.estimate(name).value, without.estimate(name).value, rtol=1e-8)


# Times to an event. Cox fits of x on a time, with an event for most people.


def lived(x: np.ndarray, seed: int = 5) -> dict[str, np.ndarray]:
    """A time that depends on a column, censored at 900 days."""
    random = np.random.default_rng(seed)
    z = (x - x.mean()) / x.std()
    time = np.ceil(random.exponential(300 * np.exp(-0.5 * z)))
    return {"x": x, "y": np.minimum(time, 900), "d": (time <= 900).astype(float)}


def cox_of(right: str, more: str = "") -> str:
    return f'  a: {{method: cox, cohort: all, formula: "d ~ {right}", time: y{more}}}\n'


def timed(analysis: str, variables: str, data: Mapping[str, np.ndarray]) -> tuple[str, dict[str, Rows]]:
    text, people = hard(analysis, variables, data)
    return text.replace("range: [-100, 100]", "range: [0, 1000]"), people


def stratified(people: Mapping[str, Rows], name: str = "x") -> tuple[float, float]:
    """Slope and error of statsmodels' PHReg, Efron, with the hospitals as strata; the column scaled to size one."""
    import statsmodels.api as sm

    columns = {key: np.concatenate([one.columns[key] for one in people.values()]) for key in (name, "y", "d")}
    where = np.repeat(np.arange(len(people)), [len(one.persons) for one in people.values()])
    size = columns[name].std()
    z = (columns[name] - columns[name].mean()) / size
    fit = sm.PHReg(columns["y"], z[:, None], status=columns["d"], strata=where, ties="efron").fit(method="newton")
    # A Newton step more from where statsmodels stops.
    step = np.linalg.solve(-fit.model.hessian(fit.params), fit.model.score(fit.params))
    beta = fit.params + step
    return float(beta[0] / size), float(np.sqrt(np.linalg.inv(-fit.model.hessian(beta))[0, 0]) / size)


@pytest.mark.parametrize("scale", SCALES)
def test_a_cox_model_of_scales_far_from_one(tmp_path: Path, scale: str) -> None:
    middle, size, ends = SCALES[scale]
    x = middle + size * np.clip(np.random.default_rng(1).normal(size=800), -3, 3)
    text, people = timed(cox_of("x"), number("x", *ends), lived(x))
    one = run(tmp_path, text, people).results["a"].estimate("x")
    np.testing.assert_allclose([one.value, one.standard_error], stratified(people), rtol=1e-8)


@pytest.mark.parametrize("value", [0.1, 3.0, 0.0])
def test_a_cox_model_names_a_constant_column(tmp_path: Path, value: float) -> None:
    data = lived(np.random.default_rng(2).normal(size=569)) | {"same": np.full(569, value)}
    variables = "\n".join([number("x", -10, 10), number("same", 0, 10)])
    text, people = timed(cox_of("x + same", ", robust: true"), variables, data)
    result = run(tmp_path, text, people).results["a"]
    assert result.estimate("same").value is None
    assert any("same" in note.to("en") for note in result.notes)
    np.testing.assert_allclose(result.estimate("x").value, stratified(people)[0], rtol=1e-8)


def test_a_cox_model_of_a_column_that_is_constant_at_one_hospital(tmp_path: Path) -> None:
    x = np.random.default_rng(2).normal(size=600)
    x[np.arange(600) % 4 == 2] = 0.25
    text, people = timed(cox_of("x"), number("x", -10, 10), lived(x))
    one = run(tmp_path, text, people).results["a"].estimate("x")
    np.testing.assert_allclose([one.value, one.standard_error], stratified(people), rtol=1e-8)


@pytest.mark.parametrize("events", [0, 1, 2])
def test_a_cox_model_with_a_hospital_of_few_events_or_none(tmp_path: Path, events: int) -> None:
    """Its people inform little, and stop nobody: what one of them had is behind the sum of all."""
    data = lived(np.random.default_rng(3).normal(size=600))
    there = np.arange(600) % 4 == 1
    data["d"][there] = 0.0
    data["d"][np.flatnonzero(there)[:events]] = 1.0
    text, people = timed(cox_of("x"), number("x", -10, 10), data)
    going = run(tmp_path, text, people)
    assert going.stopped == {}
    one = going.results["a"].estimate("x")
    np.testing.assert_allclose([one.value, one.standard_error], stratified(people), rtol=1e-8)


def test_a_level_without_an_event_has_no_hazard_ratio(tmp_path: Path) -> None:
    data = lived(np.random.default_rng(2).normal(size=600)) | {"g": np.repeat([0.0, 1.0, 2.0], 200)}
    data["d"][data["g"] == 2] = 0.0
    going = run(tmp_path, *timed(cox_of("C(g)"), category("g", ("a", "b", "c")), data))
    assert [one.code for one in going.stopped["a"].findings] in (["separation"], ["withheld_fit"], ["answer_withheld"])


def test_who_enters_after_they_leave_is_a_fault_of_the_data(tmp_path: Path) -> None:
    data = lived(np.random.default_rng(2).normal(size=600))
    data |= {"came": np.where(np.arange(600) == 7, data["y"], 0.0)}
    variables = "\n".join([number("x", -10, 10), number("came", 0, 1000)])
    going = run(tmp_path, *timed(cox_of("x", ", entry: came"), variables, data))
    assert [one.code for one in going.stopped["a"].findings] == ["answer_data_fault"]
    told = "".join(log.read_text(encoding="utf-8") for log in tmp_path.rglob("faults.log"))
    assert "data_fault: survival_entry: " in told, "the hospital's engineer can see what is wrong"
    assert told.count("\n") == 1, "and only at the hospital where it is"


def test_a_grid_of_too_few_people_is_said(tmp_path: Path) -> None:
    data = lived(np.random.default_rng(2).normal(size=60)) | {"g": (np.arange(60) < 12).astype(float)}
    data["y"][:12] = np.linspace(20, 980, 12)
    analysis = "  a: {method: kaplan_meier, cohort: all, time: y, event: d, by: g}\n"
    going = run(tmp_path, *timed(analysis, "\n".join([number("x", -10, 10), boolean("g")]), data))
    assert [one.code for one in going.stopped["a"].findings] == ["grid_too_few"]


def test_everybody_at_one_time_is_an_interval_of_nobody_known(tmp_path: Path) -> None:
    """What happened within the one interval is not told; before it everybody was there."""
    data = lived(np.random.default_rng(2).normal(size=60))
    data["y"][:] = 30.0
    text, people = timed("  a: {method: kaplan_meier, cohort: all, time: y, event: d}\n", number("x", -10, 10), data)
    result = run(tmp_path, text, people).results["a"]
    assert result.estimate("all.median").value is None
    assert {value for series in result.curve("survival").series for value in series.y} == {1.0}


POOLED = "time: skin, hospitals: pooled, times: [30]"
POOLED_COX = f'  a: {{method: cox, cohort: all, formula: "diabetic ~ glu + C(ageband)", {POOLED}}}\n'
POOLED_MORE = POOLED_COX.replace("C(ageband)", "bmi").replace("}", ", robust: true, strata: ageband}")
POOLED_AGES = (
    '  a: {method: cox, cohort: all, formula: "died ~ female + hgb", time: until, entry: came, hospitals: pooled,'
    " robust: true, times: [65, 70, 75, 80, 85, 90]}\n"
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), shares=st.lists(st.floats(0.02, 1), min_size=4, max_size=4))
@example(2401, [0.984375, 0.34375, 0.0234375, 0.96875])  # nobody at one of the hospitals
def test_one_baseline_hazard_does_not_depend_on_how_people_are_divided(seed: int, shares: list[float]) -> None:
    for name, line in (("pima", POOLED_COX), ("pima", POOLED_MORE), ("mgus_ages", POOLED_AGES)):
        data, text = columns(name), study(name, line)
        drawn = np.random.default_rng(seed).random(size_of(data))
        where = np.searchsorted(np.cumsum(shares)[:3] / np.sum(shares), drawn)
        divided = rehearsed(text, divide(data, where))["a"]
        np.testing.assert_allclose(numbers(divided), together(name, text), rtol=1e-8, atol=1e-12)


def test_one_baseline_hazard_is_that_of_statsmodels_on_rounded_times(tmp_path: Path) -> None:
    import statsmodels.api as sm

    result = run(tmp_path, study("pima", POOLED_COX), hospitals("pima")).results["a"]
    data = columns("pima")
    end = np.array([30.0, 110.0])[np.searchsorted([30.0], data["skin"], side="left")]
    X = np.column_stack([data["glu"] - 120, data["ageband"] == 1, data["ageband"] == 2]).astype(float)
    model = sm.PHReg(end, X, status=data["diabetic"], ties="efron")
    fit = model.fit(method="newton")
    beta = fit.params - np.linalg.solve(model.hessian(fit.params), model.score(fit.params))
    found = [one for one in result.estimates if one.standard_error is not None]
    np.testing.assert_allclose([one.value for one in found], beta, rtol=1e-8)
    errors = np.sqrt(np.diag(np.linalg.inv(-model.hessian(beta))))
    np.testing.assert_allclose([one.standard_error for one in found], errors, rtol=1e-8)


def test_what_a_pooled_fit_does_not_have_is_said() -> None:
    weights = "weights: npreg"
    line = f'  a: {{method: cox, cohort: all, formula: "diabetic ~ glu", time: skin, hospitals: pooled, {weights}}}\n'
    with pytest.raises(FileFault, match="weights is given"):
        Line(Study.parse(study("pima", line)))


@pytest.mark.parametrize("scale", SCALES)
def test_one_baseline_hazard_at_scales_far_from_one(tmp_path: Path, scale: str) -> None:
    import statsmodels.api as sm

    middle, size, ends = SCALES[scale]
    x = middle + size * np.clip(np.random.default_rng(1).normal(size=800), -3, 3)
    data, cuts = lived(x), [100.0, 200.0, 400.0, 800.0]
    text, people = timed(cox_of("x", f", hospitals: pooled, times: {cuts}"), number("x", *ends), data)
    result = run(tmp_path, text, people).results["a"]
    end = np.array([*cuts, 1000.0])[np.searchsorted(cuts, data["y"], side="left")]
    z = ((x - x.mean()) / x.std())[:, None]
    model = sm.PHReg(end, z, status=data["d"], ties="efron")
    fit = model.fit(method="newton")
    beta = fit.params - np.linalg.solve(model.hessian(fit.params), model.score(fit.params))
    one = result.estimate("x")
    np.testing.assert_allclose(one.value, beta[0] / x.std(), rtol=1e-8)
    error = np.sqrt(np.linalg.inv(-model.hessian(beta))[0, 0])
    np.testing.assert_allclose(one.standard_error, error / x.std(), rtol=1e-8)


GEHAN = "compare: pooled, weight: gehan"


def test_gehans_test_on_a_grid_is_lifelines_wilcoxon(tmp_path: Path) -> None:
    from lifelines.statistics import logrank_test

    data, cuts = lived(np.random.default_rng(2).normal(size=900)), [100.0, 200.0, 400.0]
    data["g"] = (data["x"] > 0).astype(float)
    line = f"  a: {{method: log_rank, cohort: all, time: y, event: d, by: g, {GEHAN}, times: {cuts}}}\n"
    text, people = timed(line, "\n".join([number("x", -10, 10), boolean("g")]), data)
    chi = run(tmp_path, text, people).results["a"].estimate("chi_square").value
    end = np.array([*cuts, 1000.0])[np.searchsorted(cuts, data["y"], side="left")]
    one = data["g"] == 1
    wanted = logrank_test(end[one], end[~one], data["d"][one], data["d"][~one], weightings="wilcoxon")
    np.testing.assert_allclose(chi, wanted.test_statistic, rtol=1e-8)


def test_gehans_test_within_hospitals_is_the_sum_of_theirs(tmp_path: Path) -> None:
    from gagyo.statistics import log_rank

    data = lived(np.random.default_rng(2).normal(size=900)) | {"g": (np.arange(900) // 4 % 2).astype(float)}
    line = "  a: {method: log_rank, cohort: all, time: y, event: d, by: g, weight: gehan}\n"
    text, people = timed(line, "\n".join([number("x", -10, 10), boolean("g")]), data)
    chi = run(tmp_path, text, people).results["a"].estimate("chi_square").value
    parts = []
    for one in people.values():
        y, d, g = (one.columns[name] for name in ("y", "d", "g"))
        times = np.unique(y)
        at_risk, events = (
            np.array([[(among(t) & (g == k)).sum() for k in (0, 1)] for t in times], float)
            for among in (lambda t, y=y: y >= t, lambda t, y=y, d=d: (y == t) & (d == 1))
        )
        parts.append(log_rank.scores(at_risk, events, log_rank.Weight(gehan=True)))
    told = (sum(getattr(one, name) for one in parts) for name in ("observed", "expected", "covariance"))
    np.testing.assert_allclose(chi, log_rank.test(*told)[0], rtol=1e-9)
