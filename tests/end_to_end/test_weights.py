"""The weights demo against statsmodels and stacked equations on the pooled rows, with a column for each hospital."""

from __future__ import annotations

import re
import warnings
from functools import cache
from pathlib import Path

import lifelines
import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm

from gagyo.api import Finished, run_embedded, verify
from gagyo.demo import prepare
from gagyo.demo.weights import ARMS, divided
from gagyo.report import write
from tests.told import untold

KNOTS = (200.0, 340.0, 500.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def finished(folder: Path) -> Finished:
    """The demo, run once."""
    study, hospitals = prepare("weights", folder)
    return run_embedded(study, hospitals, folder)


@cache
def pooled() -> pl.DataFrame:
    """Everybody, with their hospital."""
    return pl.concat([rows.with_columns(pl.lit(number).alias("site")) for number, (_, rows) in enumerate(divided())])


def spline(x: np.ndarray) -> np.ndarray:
    """Harrell's restricted cubic spline of three knots: its one curved column."""
    first, second, third = KNOTS
    cubes = [np.clip(x - knot, 0, None) ** 3 for knot in KNOTS]
    late = third - second
    return (cubes[0] - cubes[1] * (third - first) / late + cubes[2] * (second - first) / late) / (third - first) ** 2


@cache
def propensity() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The design with a column for each hospital, the treated, and their probabilities by statsmodels."""
    data = pooled()
    names = ("age", "weight", "female", "white", "injected", "karnofsky", "symptoms")
    plain = [data[name].cast(pl.Float64).to_numpy() for name in names]
    arms = [(data["arm"] == arm).cast(pl.Float64).to_numpy() for arm in ARMS[1:]]
    cd4, cd8 = data["cd4"].to_numpy(), data["cd8"].to_numpy()
    sites = [(data["site"] == site).cast(pl.Float64).to_numpy() for site in range(4)]
    X = np.column_stack([*plain, *arms, cd4, spline(cd4), cd8, *sites])
    treated = data["experienced"].cast(pl.Float64).to_numpy()
    scaled = X / np.abs(X).max(axis=0)
    fit = sm.Logit(treated, scaled).fit(disp=False, method="newton", tol=1e-14, maxiter=50)
    return scaled, treated, fit.predict()


def stacked(weight: np.ndarray, slope: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means of treated and untreated, and their covariance: all equations at once, hospitals' columns too."""
    X, treated, score = propensity()
    arms = np.column_stack([treated, 1 - treated])
    means = (weight[:, None] * arms * y[:, None]).sum(axis=0) / (weight[:, None] * arms).sum(axis=0)
    away = arms * (y[:, None] - means)
    psi = np.column_stack([X * (treated - score)[:, None], weight[:, None] * away])
    q = X.shape[1]
    bread = np.zeros((q + 2, q + 2))
    bread[:q, :q] = X.T @ (X * (score * (1 - score))[:, None])
    bread[q:, :q] = -(away * slope[:, None]).T @ X
    bread[q:, q:] = np.diag((weight[:, None] * arms).sum(axis=0))
    inverse = np.linalg.inv(bread)
    return means, (inverse @ psi.T @ psi @ inverse.T)[q:, q:]


def test_the_sites_are_as_the_notice_says() -> None:
    assert [len(rows) for _, rows in divided()] == [738, 434, 607, 360]


def test_the_effect_in_everyone_is_that_of_the_pooled_equations(finished: Finished) -> None:
    _, treated, score = propensity()
    share = np.where(treated == 1, treated.mean(), 1 - treated.mean())
    own = np.where(treated == 1, score, 1 - score)
    slope = -np.where(treated == 1, 1.0, -1.0) * share * (1 - own) / own
    means, variance = stacked(share / own, slope, pooled()["cd4_later"].to_numpy())
    found = finished.results["everyone"].estimate("difference")
    wanted = means[0] - means[1], np.sqrt(variance[0, 0] + variance[1, 1] - 2 * variance[0, 1])
    np.testing.assert_allclose([found.value, found.standard_error], wanted, rtol=1e-8)


def test_the_risk_in_the_overlap_is_that_of_the_pooled_equations(finished: Finished) -> None:
    _, treated, score = propensity()
    weight = np.where(treated == 1, 1 - score, score)
    slope = np.where(treated == 1, -1.0, 1.0) * score * (1 - score)
    means, variance = stacked(weight, slope, pooled()["fell"].cast(pl.Float64).to_numpy())
    result = finished.results["risk"]
    gradient = np.array([1 / means[0], -1 / means[1]])
    ratio = result.estimate("risk_ratio")
    wanted = means[0] / means[1], np.sqrt(gradient @ variance @ gradient)
    np.testing.assert_allclose([ratio.value, ratio.standard_error], wanted, rtol=1e-8)
    arms = [result.estimate(f"mean.{name}") for name in ("treated", "untreated")]
    np.testing.assert_allclose([one.standard_error for one in arms], np.sqrt(np.diag(variance)), rtol=1e-8)


def test_the_doubly_robust_effect_is_that_of_the_pooled_rows(finished: Finished) -> None:
    X, treated, score = propensity()
    y = pooled()["cd4_later"].to_numpy()
    predicted = [X @ sm.OLS(y[treated == arm], X[treated == arm]).fit(method="qr").params for arm in (1, 0)]
    parts = predicted[0] + treated * (y - predicted[0]) / score
    parts = parts - predicted[1] - (1 - treated) * (y - predicted[1]) / (1 - score)
    found = finished.results["doubly"].estimate("difference")
    wanted = parts.mean(), parts.std() / np.sqrt(len(parts))
    np.testing.assert_allclose([found.value, found.standard_error], wanted, rtol=1e-8)


def test_balance_is_that_of_the_pooled_rows(finished: Finished) -> None:
    _, treated, score = propensity()
    weight = np.where(treated == 1, 1 / score, 1 / (1 - score)) * np.where(treated, treated.mean(), 1 - treated.mean())
    for name in ("age", "cd4", "white"):
        x = pooled()[name].cast(pl.Float64).to_numpy()
        sides = [treated == 1, treated == 0]
        spread = np.sqrt(np.mean([x[side].var(ddof=1) for side in sides]))
        before, after = (
            (np.average(x[sides[0]], weights=w[sides[0]]) - np.average(x[sides[1]], weights=w[sides[1]])) / spread
            for w in (np.ones_like(x), weight)
        )
        found = [finished.results["everyone"].estimate(f"{name}.smd_{when}").value for when in ("before", "after")]
        np.testing.assert_allclose(np.array(found, float), [before, after], rtol=1e-8, atol=1e-11)


def test_reports_in_three_languages_show_the_same_numbers_and_the_love_plot(finished: Finished, folder: Path) -> None:
    pages = [page.read_text(encoding="utf-8") for page in write(finished.document, folder)]
    assert len(pages) == 3
    effect = finished.results["everyone"].estimate("difference").value
    assert effect is not None
    for page in pages:
        assert f"\u2212{abs(effect):.1f} (" in page or f"\u2212{abs(effect):.1f}<" in page
        assert page.count("<svg") >= 5
    drawn = [re.findall(r"<circle[^>]*/>", page) for page in pages]
    assert len(drawn[0]) >= 26
    assert [len(one) for one in drawn] == [len(drawn[0])] * 3


def test_everything_is_derived_again_from_the_record(finished: Finished, folder: Path) -> None:
    assert finished.stopped == {}
    assert verify(folder).analyses == 5


def stabilised() -> tuple[pl.DataFrame, np.ndarray]:
    """Everybody, and their stabilised weights by statsmodels' propensities."""
    _, treated, score = propensity()
    share = treated.mean()
    return pooled(), np.where(treated == 1, share / score, (1 - share) / (1 - score))


def test_the_hazard_ratio_of_progression_is_that_of_lifelines(finished: Finished) -> None:
    data, weight = stabilised()
    columns = {name: data[name].cast(pl.Float64).to_numpy() for name in ("experienced", "progressed", "days", "site")}
    people = pd.DataFrame({**columns, "weight": weight})
    fit = lifelines.CoxPHFitter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its errors take the weights as given is why they are not compared
        options = {"precision": 1e-12, "r_precision": 1e-14}
        fit.fit(people, "days", "progressed", weights_col="weight", strata=["site"], robust=True, fit_options=options)
    ratio = finished.results["progression"].estimate("hazard_ratio").value
    np.testing.assert_allclose(ratio, float(np.exp(fit.params_["experienced"])), rtol=1e-8)


def test_the_curve_of_exact_times_lies_as_near_as_the_figure_says(finished: Finished) -> None:
    result, (data, weight) = finished.results["progression"], stabilised()
    (curve,) = (one for one in result.curves if one.name == "weighted_survival")
    (off,) = (float(note.values["off"]) for note in curve.notes if "off" in note.values)
    assert 0 < off < 0.02
    treated = data["experienced"].to_numpy()
    for series, group in zip(curve.series, (~treated, treated), strict=True):
        fit = lifelines.KaplanMeierFitter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit.fit(data["days"].to_numpy()[group], data["progressed"].to_numpy()[group], weights=weight[group])
        exact = fit.survival_function_at_times(series.x).to_numpy()
        assert np.abs(exact - np.array(series.y)).max() <= off + 5e-4


def test_no_bin_of_propensities_holds_a_few(finished: Finished) -> None:
    for name in ("everyone", "risk"):
        rows = finished.results[name].table("overlap").rows
        assert len(rows) > 4
        assert all(count == 0 or count >= 10 for row in rows for count in row[2:])


def test_the_study_of_the_how_to_is_a_study(tmp_path: Path) -> None:
    from gagyo.federation.line import Line
    from gagyo.protocol.study import Study

    page = Path(__file__).parents[2] / "docs" / "how-to" / "estimate-a-treatment-effect.md"
    text, more = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    assert list(Line(Study.parse(text)).methods) == ["effect", "overlap", "doubly"]
    followed = text.replace("  doubly:\n", f"{more}  doubly:\n")
    assert list(Line(Study.parse(followed)).methods) == ["effect", "overlap", "survival", "doubly"]


def test_nothing_left_a_hospital_that_the_plan_had_not_told(finished: Finished) -> None:
    ledgers = sorted((finished.folder / "ledgers").glob("*.jsonl"))
    assert len(ledgers) == len(finished.plan.study.sites)
    assert {ledger.stem: untold(finished.plan, ledger) for ledger in ledgers} == {one.stem: [] for one in ledgers}
