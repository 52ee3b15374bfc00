"""Statistics against independent references: R (tests/golden/r), scikit-learn, statsmodels and published numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import brier_score_loss, roc_auc_score
from statsmodels.stats.contingency_tables import Table2x2
from statsmodels.stats.proportion import proportion_confint

from gagyo.statistics import calibration, delong, ledell, metaanalysis, netbenefit, newton, riley, roc, shrinkage

GOLDEN = Path(__file__).parents[1] / "golden"


def golden(name: str) -> dict[str, Any]:
    """A reference that an R script of tests/golden/r wrote."""
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def close(found: Any, wanted: Any, tolerance: float = 1e-9) -> None:
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=1e-13)


def test_delong_equals_proc() -> None:
    r = golden("delong")
    cases = np.array(r["y"]) == 1
    areas = delong.delong(np.array([r["s100b"], r["ndka"]], float), cases)
    close(areas.auc, r["auc"])
    close(np.diag(areas.covariance), r["variance"])
    close(areas.covariance[0, 1], r["covariance"])
    value, error = delong.difference(areas)
    close(value / error, r["z"])
    close(delong.logit_interval(areas.auc[0], areas.covariance[0, 0]), r["logit"])


def test_weighted_pairs_equal_sklearn() -> None:
    data = load_breast_cancer()
    scores, cases = np.round(data.data[:, 1]), data.target == 0
    weights = np.random.default_rng(1).poisson(1, len(scores)).astype(float)
    concordant, pairs = delong.pairs(scores, cases, weights)
    close(concordant / pairs, roc_auc_score(cases, scores, sample_weight=weights))


@pytest.mark.parametrize("part", ["all", "large", "few", "alike", "two"])
def test_summary_equals_metafor(part: str) -> None:
    r = golden("metaanalysis")[part]
    found = metaanalysis.summarise(np.array(r["yi"]), np.sqrt(r["vi"]))
    close(found.tau2, r["tau2"], 1e-8)
    close([found.value, found.standard_error, found.lower, found.upper], [r["value"], r["se"], *r["ci"]], 1e-8)
    close([found.i2, found.q], [r["i2"], r["q"]], 1e-8)
    assert found.standard_error >= r["se_knha"] * (1 - 1e-9)
    if len(r["yi"]) < 5:
        assert found.prediction is None
    else:
        close(found.prediction, r["prediction"], 1e-8)


def test_logistic_fit_equals_r() -> None:
    r = golden("calibration")
    X, y, train = np.array(r["X"], float), np.array(r["case"], float), np.array(r["train"])
    found = newton.fit(X[train], y[train])
    assert found.estimable
    close(found.coefficients, r["coefficients"])
    close(found.covariance, r["covariance"], 1e-8)  # R evaluates it one step before the optimum
    close(found.likelihood, r["likelihood"])
    close(newton.fit(X, y, np.array(r["weights"], float)).coefficients, r["weighted"])


def test_calibration_equals_r() -> None:
    r = golden("calibration")
    lp, y, knots = np.array(r["lp"]), np.array(r["y"], float), np.array(r["knots"])
    citl, slope = calibration.in_the_large(lp, y), calibration.slope(lp, y)
    close([citl.value, citl.standard_error], r["citl"])
    close([slope.value, slope.standard_error], r["slope"])
    close(slope.value, r["val_slope"], 1e-5)  # val.prob stops its own iteration earlier
    close(calibration.spline_basis(lp, knots), r["basis"])
    p = 1 / (1 + np.exp(-lp))
    close(calibration.brier(p, y), r["brier"])
    close(calibration.brier(p, y), brier_score_loss(y, p))
    basis = np.column_stack([np.ones(len(lp)), calibration.spline_basis(lp, knots)])
    smooth = newton.fit(basis, y)
    close(smooth.coefficients, r["smooth"], 1e-8)
    band = calibration.recalibration_curve(np.array(r["grid"], float), knots, smooth.coefficients, smooth.covariance)
    close(np.array([band.observed, band.lower, band.upper]), [r["observed"], r["lower"], r["upper"]], 1e-8)


def test_brier_decomposition_adds_up() -> None:
    r = golden("calibration")
    p, y = 1 / (1 + np.exp(-np.array(r["lp"]))), np.array(r["y"], float)
    found = calibration.decompose(p, y)
    binned = np.minimum((p * 10).astype(int), 9)
    # With every prediction replaced by its bin's mean, Murphy's identity is exact.
    means = np.array([p[binned == b].mean() for b in binned])
    close(found.reliability - found.resolution + found.uncertainty, brier_score_loss(y, means))


def test_cross_validated_auc_equals_the_published_estimator() -> None:
    r = golden("ledell")
    scores, cases, fold = np.array(r["score"], float), np.array(r["y"]) == 1, np.array(r["fold"])
    found = ledell.cross_validated(scores, cases, fold)
    close([found.auc, found.standard_error], [r["auc"], r["se"]])
    close(found.folds, r["folds"])


def test_influence_of_one_cell_is_ledells() -> None:
    r = golden("ledell")
    scores, cases = np.array(r["score"], float), np.array(r["y"]) == 1
    one = np.zeros(len(scores), np.int64)
    right, others = ledell.cell_placements(scores, cases, one)
    variance = (ledell.influence(right, others, cases) ** 2).sum() / others[cases].sum() ** 2
    close(np.sqrt(variance), ledell.cross_validated(scores, cases, one).standard_error)


def test_binned_area_equals_sklearn_and_keeps_its_bound() -> None:
    data = load_breast_cancer()
    scores, cases = data.data[:, 1], data.target == 0
    bins = np.digitize(scores, np.quantile(scores, np.linspace(0, 1, 15)[1:-1]))
    counts = np.array([[np.sum((bins == b) & ~cases), np.sum((bins == b) & cases)] for b in range(14)], float)
    found = roc.binned_roc(counts)
    close(found.auc, roc_auc_score(cases, bins), 1e-12)
    close(np.trapezoid(found.true_positive, found.false_positive), found.auc, 1e-12)
    assert abs(found.auc - roc_auc_score(cases, scores)) <= found.bound


def test_vertical_average_has_the_average_area() -> None:
    rng = np.random.default_rng(3)
    curves = [roc.binned_roc(rng.integers(0, 9, (6, 2)).astype(float)) for _ in range(4)]
    weights = np.array([3.0, 1.0, 2.0, 2.0])
    x, y = roc.vertical_average(curves, weights)
    assert np.all(np.diff(x) >= 0)
    assert np.all(np.diff(y) >= -1e-12)
    close(np.trapezoid(y, x), np.average([one.auc for one in curves], weights=weights), 1e-12)


def test_wilson_equals_statsmodels() -> None:
    for events, people in ((0, 12), (7, 12), (12, 12), (181, 190)):
        close(roc.wilson(events, people)[1:], proportion_confint(events, people, method="wilson"))


def test_likelihood_ratios_are_risk_ratios_of_statsmodels() -> None:
    found = roc.accuracy(tp=87, fp=15, fn=13, tn=85)
    for ratio, table in ((found.lr_positive, [[87, 13], [15, 85]]), (found.lr_negative, [[13, 87], [85, 15]])):
        reference = Table2x2(table)
        close(ratio, [reference.riskratio, *reference.riskratio_confint()])


def test_net_benefit_is_the_mean_of_its_contributions() -> None:
    rng = np.random.default_rng(2)
    p, y = rng.uniform(size=300), rng.integers(0, 2, 300)
    z = np.where(p >= 0.3, np.where(y == 1, 1.0, -0.3 / 0.7), 0.0)
    found = netbenefit.net_benefit(np.array([0.3]), np.array([z[z == 1].sum()]), np.array([(z < 0).sum()]), 300)
    close(found.value, z.mean())
    close((found.upper - found.value) / 1.959963984540054, np.sqrt(z.var() / 300))


def test_riley_equals_the_published_example() -> None:
    """Chagas model of Riley et al. (2020) and pmsampsize: 24 parameters, prevalence 0.174, R2 0.288: 623, 662, 221."""
    found = riley.required(0.288, 24, 0.174)
    assert (found.shrinkage, found.optimism, found.overall_risk, found.people) == (623, 662, 221, 662)
    assert round(found.events_per_parameter, 1) == 4.8
    close(riley.greatest_r2(0.5), 0.75)


def test_shrinkage_and_r2_follow_from_statsmodels() -> None:
    data = load_breast_cancer()
    chosen = data.data[:, [1, 4, 5, 8]]
    X, y = sm.add_constant((chosen - chosen.mean(0)) / chosen.std(0)), (data.target == 0).astype(float)
    model = sm.Logit(y, X).fit(disp=0, method="newton", tol=1e-14)
    ratio = 2 * (newton.fit(X, y).likelihood - newton.fit(X[:, :1], y).likelihood)
    close(ratio, model.llr)
    close(shrinkage.heuristic(ratio, 4), 1 - 4 / model.llr)
    close(riley.cox_snell(ratio, len(y)), 1 - np.exp(2 * (model.llnull - model.llf) / len(y)))


def test_separated_and_aliased_data_are_told() -> None:
    data = load_breast_cancer()
    y = (data.target == 0).astype(float)
    X = np.column_stack([np.ones(60), data.data[:60, 0]])
    separated = newton.fit(X, (data.data[:60, 0] > np.median(data.data[:60, 0])).astype(float))
    assert separated.separated
    assert not separated.estimable
    twice = np.column_stack([np.ones(569), data.data[:, 1], 2 * data.data[:, 1] + 1, data.data[:, 4]])
    found = newton.fit(twice, y)
    assert found.aliased.tolist() == [False, False, True, False]
    close(found.coefficients[[0, 1, 3]], newton.fit(twice[:, [0, 1, 3]], y).coefficients)
