"""The breast demo against independent references: statsmodels on the pooled rows, scikit-learn on the same scores."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from gagyo.api import Finished, run_embedded
from gagyo.demo import prepare
from gagyo.demo.breast import SITES, divided
from tests.told import untold

PREDICTORS = ("texture", "smoothness", "compactness", "symmetry")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The demo, run once."""
    folder = tmp_path_factory.mktemp("breast")
    study, hospitals = prepare("breast", folder)
    return run_embedded(study, hospitals, folder)


def pooled() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, where = divided()
    X = sm.add_constant(rows.select(PREDICTORS).to_numpy())
    return X, rows["malignant"].to_numpy().astype(float), where


def test_the_division_is_the_stated_one() -> None:
    _, y, where = pooled()
    assert [(int((where == s).sum()), int(y[where == s].sum())) for s in range(4)] == [
        (199, 54),
        (77, 33),
        (224, 92),
        (69, 33),
    ]


def test_coefficients_and_errors_equal_statsmodels_on_the_pooled_rows(finished: Finished) -> None:
    X, y, _ = pooled()
    reference = sm.Logit(y, X).fit(method="newton", tol=1e-14, disp=0)
    estimates = finished.results["algorithm"].estimates
    np.testing.assert_allclose([one.value for one in estimates], reference.params, rtol=1e-8)
    np.testing.assert_allclose([one.standard_error for one in estimates], reference.bse, rtol=1e-8)


def test_each_hospitals_accuracy_equals_scikit_learn_on_the_same_scores(finished: Finished) -> None:
    X, y, where = pooled()
    equation = finished.results["algorithm"].equation
    assert equation is not None
    p = 1 / (1 + np.exp(-X @ np.array(equation.coefficients)))
    table = finished.results["validation"].table("by_hospital")
    at = {column.name: number for number, column in enumerate(table.columns)}
    for site, row in zip(range(4), table.rows, strict=True):
        here = where == site
        assert row[0].text.en == SITES[site]  # type: ignore[union-attr]
        told = [row[at["auc"]].value, row[at["brier"]], row[at["log_loss"]].value]  # type: ignore[union-attr]
        same = [measure(y[here], p[here]) for measure in (roc_auc_score, brier_score_loss, log_loss)]
        np.testing.assert_allclose(told, same, rtol=1e-10)


def test_nothing_left_a_hospital_that_the_plan_had_not_told(finished: Finished) -> None:
    ledgers = sorted((finished.folder / "ledgers").glob("*.jsonl"))
    assert len(ledgers) == len(finished.plan.study.sites)
    assert {ledger.stem: untold(finished.plan, ledger) for ledger in ledgers} == {one.stem: [] for one in ledgers}


def test_instability_is_told_or_said_to_be_withheld(finished: Finished) -> None:
    result = finished.results["validation"]
    drawn = "instability" in [curve.name for curve in result.curves]
    assert drawn != ("validate.instability_withheld" in [note.key for note in result.notes])
