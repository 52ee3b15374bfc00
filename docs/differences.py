"""Measures how far each method is from its independent reference, and writes the table: `make differences`.

It runs the tests of the references and notes, at each comparison, the largest relative difference that the machine at
hand shows; tests only tell that it is under a limit. `COMPARED` says what each of those tests is about.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "differences.md"
CLOSEST = 1e-7
"""Comparisons with a wider limit are not counted: there R's own figure is the limit (a p-value's tail, a search's stop)."""


@dataclass(frozen=True)
class Compared:
    """A test and what it compares. test: file under tests and function, with what its parameters begin with.

    golden: the file that keeps the reference's version, where R made it.
    """

    method: str
    test: str
    what: str
    reference: str
    golden: str = ""


CONTRACT = "contract/test_"
COMPARED = (
    Compared("describe", CONTRACT + "references.py::test_table_one", "means, deviations, differences", "stats, Hmisc", "regression"),
    Compared("linear", CONTRACT + "references.py::test_coefficients_and_model_errors[linear", "coefficients, errors", "lm", "regression"),
    Compared("linear", CONTRACT + "references.py::test_robust_errors_are_those_of_sandwich[linear", "robust errors", "sandwich", "regression"),
    Compared("linear", CONTRACT + "references.py::test_linear_tells_r_squared_sigma_and_f", "R squared, sigma, F", "lm", "regression"),
    Compared("logistic", CONTRACT + "references.py::test_coefficients_and_model_errors[logistic", "coefficients, errors", "glm", "regression"),
    Compared("logistic", CONTRACT + "references.py::test_robust_errors_are_those_of_sandwich[logistic", "robust errors", "sandwich", "regression"),
    Compared("logistic", CONTRACT + "references.py::test_likelihood_and_its_ratio_for_each_term", "likelihood, its ratios", "glm", "regression"),
    Compared("glm", CONTRACT + "glm_references.py::test_coefficients_and_errors", "coefficients, errors, robust errors; with exposure or offset", "glm, sandwich", "glm"),
    Compared("glm", CONTRACT + "glm_weights_references.py::test_weighted_coefficients_and_errors", "weighted, also with offset: coefficients, robust errors", "glm, sandwich", "glm_weights"),
    Compared("linear", CONTRACT + "knots_references.py::test_coefficients_and_errors[linear", "splines at found knots: coefficients, errors", "rms", "knots"),
    Compared("logistic", CONTRACT + "knots_references.py::test_coefficients_and_errors[logi", "splines at found knots: coefficients, errors", "rms", "knots"),
    Compared("glm", CONTRACT + "knots_references.py::test_coefficients_and_errors[p", "splines at found knots: coefficients, errors", "rms", "knots"),
    Compared("cox", CONTRACT + "knots_references.py::test_coefficients_and_errors[cox", "splines at found knots: coefficients, errors", "rms, survival", "knots"),
    Compared("linear", CONTRACT + "knots_references.py::test_curves_and_tests_of_splines_that_stand_alone[linear", "curves and tests of splines", "rms", "knots"),
    Compared("logistic", CONTRACT + "knots_references.py::test_curves_and_tests_of_splines_that_stand_alone[logit", "curves and tests of splines", "rms", "knots"),
    Compared("glm", CONTRACT + "knots_references.py::test_curves_and_tests_of_splines_that_stand_alone[p", "curves and tests of splines", "rms", "knots"),
    Compared("cox", CONTRACT + "knots_references.py::test_curves_and_tests_of_splines_that_stand_alone[cox", "curves and tests of splines", "rms", "knots"),
    Compared("linear", CONTRACT + "knots_references.py::test_quantiles_of_r_lie_within_the_bounds_and_equal_knots_called_exact", "knots called exact", "quantile", "knots"),
    Compared("logistic", CONTRACT + "margins_references.py::test_effects_and_errors[plain", "average marginal effects, errors", "by their definition", "margins"),
    Compared("logistic", CONTRACT + "margins_references.py::test_effects_and_errors[curved", "the same through splines and products", "by their definition", "margins"),
    Compared("logistic", CONTRACT + "margins_references.py::test_statsmodels_says_the_same", "average marginal effects", "statsmodels"),
    Compared("glm", CONTRACT + "margins_references.py::test_effects_and_errors[gamma", "average marginal effects, errors", "by their definition", "margins"),
    Compared("linear", CONTRACT + "robust_references.py::test_errors_of_leverages_are_those_of_sandwich[linear", "HC2, HC3", "sandwich", "robust"),
    Compared("linear", CONTRACT + "robust_references.py::test_errors_of_clusters_are_those_of_clubsandwich[linear", "errors of clusters, CR2", "clubSandwich", "robust"),
    Compared("linear", CONTRACT + "robust_references.py::test_clusters_behind_real_doors_are_those_of_statsmodels", "errors of clusters", "statsmodels"),
    Compared("logistic", CONTRACT + "robust_references.py::test_errors_of_leverages_are_those_of_sandwich[logistic", "HC2, HC3", "sandwich", "robust"),
    Compared("logistic", CONTRACT + "robust_references.py::test_errors_of_clusters_are_those_of_clubsandwich[logistic", "errors of clusters, CR2", "clubSandwich", "robust"),
    Compared("glm", CONTRACT + "robust_references.py::test_errors_of_leverages_are_those_of_sandwich[rate", "HC2, HC3", "sandwich", "robust"),
    Compared("glm", CONTRACT + "robust_references.py::test_errors_of_clusters_are_those_of_clubsandwich[counts", "errors of clusters, CR2", "clubSandwich", "robust"),
    Compared("glm", CONTRACT + "robust_references.py::test_errors_of_clusters_are_those_of_clubsandwich[probit", "probit: errors of clusters, CR2", "clubSandwich", "robust"),
    Compared("glm", CONTRACT + "robust_references.py::test_errors_of_clusters_are_those_of_clubsandwich[cloglog", "cloglog: errors of clusters, CR2", "clubSandwich", "robust"),
    Compared("imputation", CONTRACT + "imputation_references.py::test_coefficients_are_those_of_the_same_draws_on_pooled_rows", "coefficients, errors, imputed means", "the same draws, numpy"),
    Compared("imputation", "unit/test_imputation_statistics.py::test_ten_fits_of_imputed_women_are_pooled_as_pool_does", "Rubin's rules, degrees of freedom", "mice", "imputation"),
    Compared("imputation", CONTRACT + "imputed_categories_references.py::test_coefficients_are_those_of_the_same_draws_on_pooled_rows", "of categories: coefficients, errors, imputed shares", "the same draws, numpy"),
    Compared("imputation", CONTRACT + "imputed_categories_references.py::test_a_model_is_the_multinomial_fit_of_statsmodels", "of categories: the imputation model", "statsmodels"),
    Compared("categorical", CONTRACT + "categorical_references.py::test_coefficients_and_errors", "coefficients, errors, likelihood", "ordinal, nnet", "categorical"),
    Compared("categorical", CONTRACT + "categorical_weights_references.py::test_weighted_coefficients_and_errors", "weighted: coefficients, robust errors", "MASS, nnet, White's formula", "categorical_weights"),
    Compared("categorical", CONTRACT + "categorical_references.py::test_a_multinomial_fit_is_that_of_statsmodels", "coefficients", "statsmodels"),
    Compared("compare", CONTRACT + "compare_references.py::test_tests_between_two_groups", "t and Welch's test", "t.test", "compare"),
    Compared("compare", CONTRACT + "compare_references.py::test_analysis_of_variance", "F, F of unequal variances", "oneway.test", "compare"),
    Compared("compare", CONTRACT + "compare_references.py::test_chi_square_with_yates_correction_where_it_belongs", "chi-square", "chisq.test", "compare"),
    Compared("compare", CONTRACT + "compare_references.py::test_trend", "trend", "prop.trend.test", "compare"),
    Compared("compare", CONTRACT + "compare_references.py::test_effects_of_two_by_two_are_those_of_r_and_statsmodels", "risks, odds ratio", "stats, statsmodels", "compare"),
    Compared("compare", CONTRACT + "compare_references.py::test_odds_ratio_within_hospitals", "Mantel-Haenszel", "mantelhaen.test", "compare"),
    Compared("compare", CONTRACT + "compare_references.py::test_one_odds_ratio_in_all_hospitals_is_tested_as_by_metafor", "Breslow-Day, Tarone", "metafor", "compare"),
    Compared("compare", CONTRACT + "compare_references.py::test_fishers_exact_test", "Fisher's exact test", "fisher.test", "compare"),
    Compared("compare", CONTRACT + "compare_references.py::test_adjustments_are_those_of_r", "Holm, Hochberg, Benjamini-Hochberg", "p.adjust", "compare"),
    Compared("rank_tests", CONTRACT + "rank_references.py::test_mann_whitney", "Mann-Whitney", "wilcox.test", "ranks"),
    Compared("rank_tests", CONTRACT + "rank_references.py::test_kruskal_wallis", "Kruskal-Wallis", "kruskal.test", "ranks"),
    Compared("rank_tests", CONTRACT + "rank_references.py::test_spearman", "Spearman", "cor.test", "ranks"),
    Compared("rank_tests", CONTRACT + "rank_references.py::test_van_elteren_ranks_exact_values_within_hospitals", "van Elteren", "by its formula", "ranks"),
    Compared("quantiles", CONTRACT + "quantiles_references.py::test_quantiles_of_r_lie_within_the_bounds_and_equal_what_is_exact", "quantiles called exact", "quantile", "quantiles"),
    Compared("quantiles", CONTRACT + "quantiles_references.py::test_many_people_have_exact_quartiles", "quartiles of many people", "numpy"),
    Compared("glm", CONTRACT + "negative_binomial_references.py::test_coefficients_and_errors", "negative binomial: coefficients, errors", "MASS", "negative_binomial"),
    Compared("firth", CONTRACT + "firth_references.py::test_coefficients_and_errors", "coefficients, errors", "the penalised likelihood", "firth"),
    Compared("firth", CONTRACT + "firth_references.py::test_penalised_likelihood_ratios", "likelihood, its ratio", "the penalised likelihood", "firth"),
    Compared("firth", CONTRACT + "firth_references.py::test_limits_of_profiles", "limits of profiles", "the penalised likelihood", "firth"),
    Compared("gee", CONTRACT + "gee_references.py::test_coefficients_and_errors", "coefficients, errors, correlation, also weighted", "geepack", "gee"),
    Compared("gee", CONTRACT + "gee_references.py::test_few_hospitals_as_clusters_have_clubsandwichs_errors_and_freedom", "hospitals as clusters: CR2, freedom", "clubSandwich", "gee"),
    Compared("gee", CONTRACT + "gee_references.py::test_statsmodels_says_the_same", "coefficients, errors, correlation", "statsmodels"),
    Compared("target_trial", CONTRACT + "target_trial_references.py::test_risks_and_their_errors", "risks, curves, their errors", "glm, clones written out", "target_trial"),
    Compared("target_trial", CONTRACT + "target_trial_references.py::test_differences_ratios_and_restricted_means", "differences, ratios, restricted means, stacked errors", "glm, clones written out", "target_trial"),
    Compared("target_trial", CONTRACT + "target_trial_references.py::test_numbers_at_risk_effective_numbers_balance_and_the_model", "numbers at risk, effective numbers, balance, model of starting", "glm, clones written out", "target_trial"),
    Compared("weighting", CONTRACT + "weighting_references.py::test_effects_and_errors", "effects, means, stacked errors", "from the formulas", "weighting"),
    Compared("weighting", CONTRACT + "weighting_references.py::test_the_propensity_model", "the propensity model", "glm", "weighting"),
    Compared("weighting", CONTRACT + "weighting_references.py::test_balance_before_and_after", "balance", "from the formulas", "weighting"),
    Compared("weighting", CONTRACT + "weighting_references.py::test_points_are_those_of_statsmodels_weighted_regression", "weighted differences", "statsmodels"),
    Compared("weighting", CONTRACT + "weighted_survival_references.py::test_hazard_ratios_and_errors", "hazard ratios, errors of given and of estimated weights", "survival", "weighted_survival"),
    Compared("weighting", CONTRACT + "weighted_survival_references.py::test_curves_and_their_errors", "weighted survival, robust errors, limits, on the grid", "survival", "weighted_survival"),
    Compared("weighting", CONTRACT + "weighted_survival_references.py::test_differences_of_risks_and_restricted_means", "risk differences, restricted means, on the grid", "survival", "weighted_survival"),
    Compared("standardisation", CONTRACT + "standardisation_references.py::test_effects_and_errors", "effects, means, stacked errors", "from the formulas", "standardisation"),
    Compared("standardisation", CONTRACT + "standardisation_references.py::test_the_outcome_models", "the models of the outcome", "glm, lm", "standardisation"),
    Compared("standardisation", CONTRACT + "standardisation_references.py::test_predictions_are_those_of_statsmodels", "differences of predictions", "statsmodels"),
    Compared("agreement", CONTRACT + "agreement_references.py::test_intraclass_correlations_and_limits", "intraclass correlations, limits", "psych, lm", "agreement"),
    Compared("agreement", CONTRACT + "agreement_references.py::test_kappas_of_two_raters", "kappas of two raters", "psych", "agreement"),
    Compared("agreement", CONTRACT + "agreement_references.py::test_kappa_of_three_raters_with_and_without_its_interval", "Fleiss's kappa", "irr's formulas", "agreement"),
    Compared("mixed", CONTRACT + "mixed_references.py::test_fixed_effects_and_errors", "fixed effects, errors", "lme4", "mixed"),
    Compared("mixed", CONTRACT + "mixed_references.py::test_variances_and_likelihood", "variances, likelihood (lme4's search is the limit)", "lme4", "mixed"),
    Compared("mixed", CONTRACT + "mixed_references.py::test_no_step_is_left_by_the_dense_equations", "variances: the step that is left", "pooled rows"),
    Compared("mixed", CONTRACT + "mixed_references.py::test_few_hospitals_have_fixed_intercepts_and_least_squares", "with fixed intercepts", "statsmodels"),
    Compared("repeated", CONTRACT + "repeated_references.py::test_fixed_effects_and_errors", "fixed effects, errors (without the gate: few have some patterns)", "nlme, lme4", "repeated"),
    Compared("repeated", CONTRACT + "repeated_references.py::test_variances_and_likelihood", "covariance, likelihood (without the gate)", "nlme, lme4", "repeated"),
    Compared("repeated", CONTRACT + "repeated_references.py::test_an_adjusted_mean_without_covariates_of_complete_people_is_the_mean", "means, errors, covariance of complete people", "numpy"),
    Compared("repeated", CONTRACT + "repeated_references.py::test_through_the_gate_it_is_the_same", "with and without the gate", "pooled rows"),
    Compared("mixed_logistic", CONTRACT + "mixed_logistic_references.py::test_the_deviance_is_glmers_at_its_own_optimum", "deviance at glmer's optimum", "lme4", "mixed_logistic"),
    Compared("mixed_logistic", CONTRACT + "mixed_logistic_references.py::test_coefficients_and_errors", "coefficients, deviation, errors", "lme4's deviance by its definition", "mixed_logistic"),
    Compared("mixed_logistic", CONTRACT + "mixed_logistic_references.py::test_no_slope_is_left_and_no_deviance_is_less", "slope left, likelihood", "the pooled likelihood", "mixed_logistic"),
    Compared("penalised", CONTRACT + "penalised_references.py::test_the_chosen_models_fulfil_the_conditions_of_the_optimum", "conditions of the optimum", "pooled rows"),
    Compared("penalised", CONTRACT + "penalised_references.py::test_paths_are_glmnets_as_far_as_its_threshold_goes", "penalties of the path", "glmnet", "penalised"),
    Compared("cox", CONTRACT + "survival_references.py::test_coefficients_and_errors", "coefficients, errors", "survival", "survival"),
    Compared("cox", CONTRACT + "survival_references.py::test_robust_errors", "robust errors", "survival", "survival"),
    Compared("cox", CONTRACT + "survival_references.py::test_likelihood_and_its_ratio", "likelihood, its ratio", "survival", "survival"),
    Compared("cox", CONTRACT + "survival_references.py::test_proportional_hazards_as_cox_zph", "test of proportional hazards", "survival", "survival"),
    Compared("cox", CONTRACT + "episodes_references.py::test_coefficients_and_errors", "covariates that change: coefficients, errors", "survival", "episodes"),
    Compared("cox", CONTRACT + "episodes_references.py::test_robust_errors_are_of_people_and_not_of_episodes", "covariates that change: robust errors", "survival", "episodes"),
    Compared("cox", CONTRACT + "episodes_references.py::test_likelihood_and_proportional_hazards", "covariates that change: likelihood, proportional hazards", "survival", "episodes"),
    Compared("cox", CONTRACT + "survival_references.py::test_one_baseline_hazard_on_a_grid", "one baseline, on the grid", "survival", "survival"),
    Compared("cox", CONTRACT + "cox_common_references.py::test_coefficients_and_errors", "one baseline: late entry, strata: coefficients, errors", "survival", "cox_common"),
    Compared("cox", CONTRACT + "cox_common_references.py::test_robust_errors", "one baseline: robust errors", "survival", "cox_common"),
    Compared("cox", CONTRACT + "cox_common_references.py::test_likelihood_and_its_ratio", "one baseline: likelihood, its ratio", "survival", "cox_common"),
    Compared("cox", CONTRACT + "cox_common_references.py::test_baseline_hazards", "baseline hazards of each stratum", "survival", "cox_common"),
    Compared("cox", CONTRACT + "cox_weights_references.py::test_weighted_coefficients_and_errors", "weighted: coefficients, robust errors", "survival", "cox_weights"),
    Compared("log_rank", CONTRACT + "survival_references.py::test_log_rank_within_hospitals", "within hospitals", "survival", "survival"),
    Compared("log_rank", CONTRACT + "survival_references.py::test_log_rank_on_a_grid", "on the grid", "survival", "survival"),
    Compared("kaplan_meier", CONTRACT + "survival_references.py::test_curves_on_a_grid", "survival, errors, on the grid", "survival", "survival"),
    Compared("restricted_mean", CONTRACT + "survival_references.py::test_restricted_means", "means, errors, on the grid", "survival", "survival"),
    Compared("fine_gray", CONTRACT + "fine_gray_references.py::test_coefficients_and_errors", "coefficients, errors, likelihood", "cmprsk, survival", "fine_gray"),
    Compared("fine_gray", CONTRACT + "fine_gray_references.py::test_predicted_incidence_is_that_of_survfit", "predicted incidence, at the ends of the grid", "survival", "fine_gray"),
    Compared("cumulative_incidence", CONTRACT + "survival_references.py::test_incidence_of_single_times_equals_survfit", "incidence, errors", "survival", "survival"),
    Compared("cumulative_incidence", CONTRACT + "survival_references.py::test_incidence_on_a_grid", "incidence, on the grid", "survival", "survival"),
    Compared("meta", CONTRACT + "meta_references.py::test_summaries_are_metafors", "summaries, tau squared", "metafor", "meta"),
    Compared("meta", CONTRACT + "meta_references.py::test_summaries_of_the_bcg_trials", "published trials", "metafor", "meta"),
    Compared("validate", "unit/test_statistics_references.py::test_delong_equals_proc", "AUC, DeLong's covariance", "pROC", "delong"),
    Compared("validate", "unit/test_statistics_references.py::test_calibration_equals_r", "intercept, slope, curve", "rms, glm", "calibration"),
    Compared("validate", "unit/test_statistics_references.py::test_summary_equals_metafor", "summary of hospitals", "metafor", "metaanalysis"),
    Compared("validate", "unit/test_statistics_references.py::test_cross_validated_auc_equals_the_published_estimator", "AUC over folds", "LeDell 2015", "ledell"),
    Compared("validate", CONTRACT + "foreseen_references.py::test_performance_is_that_of_the_same_draws_on_pooled_rows", "of imputed data: AUC, O/E, slope, limits", "the same draws, scikit-learn, statsmodels"),
    Compared("validate", CONTRACT + "foreseen_references.py::test_a_given_equation_is_validated_on_the_same_data_sets", "of imputed data: a given equation", "the same draws, scikit-learn, statsmodels"),
    Compared("validate", "end_to_end/test_breast.py::test_each_hospitals_accuracy_equals_scikit_learn_on_the_same_scores", "AUC, Brier, log loss by hospital", "scikit-learn"),
)  # fmt: skip


class Noted:
    """A pytest plugin that notes the differences of each test."""

    def __init__(self) -> None:
        self.found: dict[str, list[float]] = {}
        self.at = ""
        self._compare = np.testing.assert_allclose

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        self.at = item.nodeid.partition("tests/")[2]
        np.testing.assert_allclose = self.compare
        try:
            return (yield)
        finally:
            np.testing.assert_allclose = self._compare

    def compare(self, actual: Any, desired: Any, rtol: float = 1e-7, atol: float = 0, **more: Any) -> None:
        """Compare as numpy does, and note how far they are apart; from zero, how far in itself."""
        self._compare(actual, desired, rtol=rtol, atol=atol, **more)
        if rtol <= CLOSEST:
            got, wanted = np.broadcast_arrays(np.asarray(actual, float), np.asarray(desired, float))
            size = np.where(wanted == 0, 1.0, np.maximum(np.abs(wanted), atol / rtol))
            apart = np.abs(got - wanted) / size
            self.found.setdefault(self.at, []).append(float(np.nanmax(apart, initial=0.0)))


def measured() -> dict[str, list[float]]:
    """By test, the differences of its comparisons."""
    noted = Noted()
    files = sorted({f"{ROOT}/tests/{one.test.partition('::')[0]}" for one in COMPARED})
    if pytest.main(["-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}", *files], plugins=[noted]):
        raise SystemExit("a test of the references fails; see above")
    return noted.found


def row(one: Compared, found: dict[str, list[float]]) -> str:
    """A line of the table."""
    mine = [
        each for test, some in found.items() if test == one.test or test.startswith(begun(one.test)) for each in some
    ]
    if not mine:
        raise SystemExit(f"nothing was compared by {one.test}")
    return f"| `{one.method}` | {lossless(one.method)} | {one.what} | {by(one)} | {len(mine)} | {max(mine):.0e} |"


def begun(test: str) -> str:
    """What the names of a test with parameters begin with."""
    return test if "[" in test else test + "["


def lossless(method: str) -> str:
    """Whether the method calls itself lossless, on the released grid where it has one."""
    from gagyo.federation.local import method_module

    return "yes" if method_module(method).Method.lossless else "no"


def by(one: Compared) -> str:
    """The reference with its version."""
    if not one.golden:
        named = {name: version(name) for name in ("statsmodels", "numpy", "scikit-learn") if name in one.reference}
        return ", ".join(f"{name} {number}" for name, number in named.items()) or one.reference
    golden = json.loads((ROOT / "tests" / "golden" / f"{one.golden}.json").read_text(encoding="utf-8"))
    parts = [
        f"{part} {golden[part]}" if isinstance(golden.get(part), str) else part
        for part in re.split(", ", one.reference)
    ]
    return f"{', '.join(parts)} (R {str(golden['R']).removeprefix('R version ').split(' ')[0]})"


def page(found: dict[str, list[float]]) -> str:
    """The whole page."""
    lines = [
        "<!-- Made by `make differences`, which runs the tests of the references. -->",
        "",
        "# Differences from references",
        "",
        f"Measured on {date.today().isoformat()} with Python {platform.python_version()}, numpy {np.__version__}, on "
        f"{platform.machine()}.",
        "Four or five hospitals behind real doors, gate, masks and ledgers on; the reference saw the pooled rows. A difference",
        "is relative (from zero: in itself), the largest of all numbers compared, over all data sets and options of the test.",
        f"Comparisons that the reference itself limits to more than {CLOSEST:.0e} (tails of p-values, searches that stop early)",
        "are in the tests and not here. *Lossless* is what the method says of itself: equal to the pooled analysis on the grid",
        "that it releases.",
        "",
        "| method | lossless | compared | reference | comparisons | largest difference |",
        "|---|---|---|---|---|---|",
        *(row(one, found) for one in COMPARED),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(page(measured()), encoding="utf-8")
    print(PAGE.relative_to(ROOT))
