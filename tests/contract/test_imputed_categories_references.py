"""Categories imputed against the same draws on the pooled rows (exactly), multinomial fits and R's mice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gagyo.federation import rows as federation
from gagyo.federation.line import Line
from gagyo.methods._imputation_levels import chances, leveled
from gagyo.protocol.study import Study
from gagyo.result import Result
from gagyo.site.policy import Policy
from gagyo.statistics import rubin
from tests.attacks.test_imputation import asked_and_opened
from tests.contract.data import GOLDEN, LEVELS, NUMBERS, columns, divide, study
from tests.contract.ended import drawn
from tests.contract.imputation_pooled import Asked, fits
from tests.contract.test_imputation_references import at_hospitals, everyone, line, of_women, women
from tests.hospitals import Rows, house
from tests.mutations import ROOT

DATA = "pima_bands"
BAND = Asked("glu", ["band", "age"], ["band"], NUMBERS[DATA], times=6, sweeps=2, levels={"band": 4})
MIXED = replace(BAND, predictors=["band", "heavy", "skin", "age"], impute=["band", "heavy", "skin"], times=4)
CASES = {
    "alone": BAND,
    "one level for all": replace(BAND, own=False, seed=2),
    "beside numbers and yes or no": MIXED,
    "beside them with one level for all": replace(MIXED, own=False),
    "imputed last": replace(MIXED, impute=["skin", "heavy", "band"], seed=4),
    "auxiliary": replace(BAND, predictors=["skin", "age"], impute=["skin", "band"], auxiliary=["band", "npreg"]),
    "logistic": Asked(
        "diabetic",
        ["band", "glu", "age"],
        ["band"],
        NUMBERS[DATA],
        logistic=True,
        times=5,
        sweeps=2,
        levels={"band": 4},
    ),
}


def check_equal(result: Result, asked: Asked, people: dict[str, Rows], secrets: dict[str, bytes] | None = None) -> None:
    """Coefficients, errors, and the shares of levels among the imputed: to 1e-10."""
    values, variances, imputed = fits(asked, everyone(people, secrets))
    wanted = rubin.pool(values, variances, len(everyone(people).persons) - values.shape[1])
    np.testing.assert_allclose([one.value for one in result.estimates], wanted.value, rtol=1e-10)
    np.testing.assert_allclose([one.standard_error for one in result.estimates], wanted.error, rtol=1e-10)
    told = [row[5] for row in result.table("missing").rows if row[5] is not None]
    np.testing.assert_allclose(told, imputed.mean(axis=0), rtol=1e-10)


def people_of(asked: Asked) -> dict[str, Rows]:
    data = women(asked, DATA)
    return at_hospitals(data, data["hospital"])


@pytest.mark.parametrize("name", CASES)
def test_coefficients_are_those_of_the_same_draws_on_pooled_rows(tmp_path: Path, name: str) -> None:
    asked, people = CASES[name], people_of(CASES[name])
    # Five hundred women at four hospitals have cells of five at the least.
    policies = dict.fromkeys(people, Policy(minimum_people=5))
    going, secrets = drawn(tmp_path, study(DATA, line(asked)), people, policies, doors=asked is MIXED)
    assert going.stopped == {}
    check_equal(going.results["a"], asked, people, secrets)


@settings(max_examples=8, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1), shares=st.lists(st.floats(0.4, 1), min_size=4, max_size=4), own=st.booleans())
def test_however_people_are_divided_it_is_the_same_as_on_pooled_rows(seed: int, shares: list[float], own: bool) -> None:
    asked = replace(MIXED, times=2, own=own)
    data = women(asked, DATA)
    where = np.searchsorted(
        np.cumsum(shares)[:3] / np.sum(shares), np.random.default_rng(seed).random(len(data["glu"]))
    )
    people = divide({key: column for key, column in data.items() if key != "hospital"}, where)
    check_equal(of_women(asked, people, DATA), asked, people)


@pytest.mark.parametrize("own", [True, False])
def test_a_model_is_the_multinomial_fit_of_statsmodels(own: bool) -> None:
    """Coefficients and information at 1e-8, with a column for each hospital or one level for all."""
    asked = replace(CASES["logistic"], own=own, sweeps=1, times=2)
    people = people_of(asked)
    model = of_women(asked, people, DATA).kept.models[0]
    whole = everyone(people)
    seen = ~np.isnan(whole.columns["band"])
    middle = {name: sum(ends) / 2 for name, ends in asked.ranges.items()}
    slopes = [whole.columns[name] - middle.get(name, 0.0) for name in ("diabetic", "glu", "age")]
    levels = [whole.sites == one for one in people] if own else [np.ones(len(seen))]
    X = np.column_stack([*levels, *slopes] if not own else [*slopes, *levels])[seen]
    fit = sm.MNLogit(whole.columns["band"][seen], X).fit(method="newton", tol=1e-14, maxiter=100, disp=0)
    ours = 3 if own else 4
    wanted = fit.params[:ours].T.ravel()
    at = (np.arange(3)[:, None] * X.shape[1] + np.arange(ours)).ravel()
    covariance = fit.cov_params()[np.ix_(at, at)]
    for chain in range(2):
        np.testing.assert_allclose(model.fitted[chain], wanted, rtol=1e-8)
        np.testing.assert_allclose(np.linalg.inv(model.information[chain]), covariance, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", ["beside numbers and yes or no", "logistic"])
def test_a_plan_says_how_many_numbers_are_sent(name: str) -> None:
    asked = CASES[name]
    parsed = Study.parse(study(DATA, line(asked)))
    inside = {
        site: federation.Rows(site, parsed.variables, one.columns, one.persons, "contract 0")
        for site, one in people_of(asked).items()
    }
    seen: dict[tuple[str, int], int] = {}
    for ask, opened in asked_and_opened(parsed, inside):
        key = (ask.step.name, sum(values.size for values in opened.values.values()))
        seen[key] = seen.get(key, 0) + 1
    planned: dict[tuple[str, int], int] = {}
    for one in Line(parsed).methods["a"].sends():
        planned[one.step, one.numbers] = planned.get((one.step, one.numbers), 0) + one.rounds
    assert seen.keys() == planned.keys()
    assert all(seen[key] <= planned[key] for key in seen)


@pytest.mark.parametrize("counts", [[30, 20, 9, 14], [30, 0, 9, 14], [0, 20, 9, 14], [12, 0, 0, 0]])
def test_own_intercepts_expect_as_many_of_each_level_as_there_are(counts: list[int]) -> None:
    """Where nobody has a level its chance is nothing: the gate refuses such a hospital, which computes all the same."""
    random = np.random.default_rng(1)
    y = np.repeat(np.arange(4.0), counts)
    raw = random.normal(size=(len(y), 2)) + y[:, None] / 3
    beta = random.normal(size=6)
    here = leveled(raw, y, 4, True, beta)
    expected = chances(raw - here.middle, here.intercepts, beta).sum(axis=0)
    np.testing.assert_allclose(expected, counts, atol=1e-9)
    for values in (here.score, here.information, here.own, here.root):
        assert np.isfinite(values).all()
    np.testing.assert_allclose(here.own.sum(axis=0), np.diag(here.information), atol=1e-9)


@pytest.mark.parametrize("own", [True, False])
def test_the_score_is_the_gradient_of_the_likelihood_and_the_information_its_curvature(own: bool) -> None:
    random = np.random.default_rng(3)
    y, beta, step = random.integers(0, 3, 90).astype(float), random.normal(size=4) / 2, 1e-5
    raw = random.normal(size=(90, 2)) + np.array([3.0, -2.0])
    here = leveled(raw, y, 3, own, beta)
    for j, unit in enumerate(np.eye(4)):
        above, below = (leveled(raw, y, 3, own, beta + side * step * unit) for side in (1, -1))
        slope = (above.likelihood.sum() - below.likelihood.sum()) / (2 * step)
        curve = (above.score.sum(axis=0) - below.score.sum(axis=0)) / (2 * step)
        np.testing.assert_allclose(here.score[:, j].sum(), slope, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(here.information[j], -curve, rtol=1e-6, atol=1e-6)


CHAINS = 40
"""Enough to see a model that is not R's, and few enough for a test."""


def golden() -> dict[str, Any]:
    """What R's mice imputed and pooled (tests/golden/r/imputation_categories.R)."""
    found: dict[str, Any] = json.loads((GOLDEN / "imputation_categories.json").read_text())["cases"]
    return found


@pytest.mark.parametrize("name", ["band", "mixed", "logistic"])
def test_in_distribution_it_is_r_mice(name: str) -> None:
    """Means agree within Monte-Carlo error with `polyreg` and with the model whose parameters are drawn; variances with
    the latter: `polyreg` leaves its parameters where the fit is, and its data sets differ by less.
    """
    fixed, r = golden()["polyreg"][name], golden()["polydraw"][name]
    outcome, _, right = r["formula"].partition(" ~ ")
    impute = [r["impute"]] if isinstance(r["impute"], str) else r["impute"]
    asked = replace(
        BAND,
        outcome=outcome,
        predictors=right.split(" + "),
        impute=impute,
        logistic=name == "logistic",
        times=CHAINS,
        sweeps=3,
    )
    result = of_women(asked, people_of(asked), DATA)
    assert result.people == r["people"]
    value = np.array([one.value for one in result.estimates])
    for one in (r, fixed):
        error = np.sqrt(np.array(one["b"]) / one["m"] + np.array(r["b"]) / asked.times)
        assert np.all(np.abs(value - one["estimate"]) < 4 * error), (value - one["estimate"]) / error
    between, within = np.array(r["b"]), np.array(r["ubar"])
    variance = np.array([one.standard_error for one in result.estimates]) ** 2
    # The variance between so many chains has a relative error of sqrt(2 / (chains - 1)); four of these.
    expected, far = within + (1 + 1 / CHAINS) * between, 4 * np.sqrt(2 / (CHAINS - 1)) * between / within
    assert np.all(np.abs(variance / expected - 1) < far + 0.03)
    rows = [row[5] for row in result.table("missing").rows if row[0].text.to("en").startswith("band:")]
    lacking = next(row[2] for row in result.table("missing").rows if row[2] is not None)
    assert len(rows) == 4
    for one in (r, fixed):
        np.testing.assert_allclose(rows, one["shares"], atol=4 * 0.5 / np.sqrt(lacking * CHAINS) + 0.01)


def test_the_category_of_the_how_to_is_imputed(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "impute-missing-values.md").read_text(encoding="utf-8")
    whole, part = (one.partition("```")[0] for one in page.split("```yaml\n")[1:3])
    variables, _, analyses = part.partition("analyses:\n")
    text = whole.replace("cohorts:\n", variables.partition("variables:\n")[2] + "cohorts:\n")
    text = text.partition("analyses:\n")[0] + "analyses:\n" + analyses + "release: {minimum_people: 10}\n"
    data = women(BAND, DATA)
    data["bmi"] = columns("pima")["bmi"]
    going = house(tmp_path, text, at_hospitals(data, data["hospital"])).run()
    assert going.stopped == {}
    rows = going.results["by_band"].table("missing").rows
    assert rows[0][1:3] == (np.sum(~np.isnan(data["band"])), np.sum(np.isnan(data["band"])))
    assert sum(row[4] for row in rows[1:]) == pytest.approx(1)
    assert [one.name for one in going.results["by_band"].curves] == [f"course.band.{one}" for one in LEVELS["band"][1:]]
