"""Tests of terms: models without each are found in few rounds, also where a fit from nearby goes astray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from gagyo.demo.breast import MEASURES, wisconsin
from gagyo.federation.ask import Ask
from gagyo.methods._logistic_terms import term_tests
from gagyo.methods._logistic_told import Fit
from gagyo.methods._newton import aliased_columns, solve, triangle
from gagyo.methods.logistic import newton as newton_step
from gagyo.statistics import newton
from tests.hospitals import STUDY, house
from tests.hospitals import breast as patients

Floats = NDArray[np.float64]


def sums(X: Floats, y: Floats, beta: Floats) -> Floats:
    """Score, information and log-likelihood, as hospitals' sums are opened."""
    score, information, likelihood = newton.sums(X, y, None, X @ beta)
    return np.concatenate([score, information[triangle(len(beta))], [likelihood]])


def fitted(X: Floats, y: Floats) -> Fit:
    """The whole model, as it is handed on."""
    found = newton.fit(X, y)
    score, information, likelihood = newton.sums(X, y, None, X @ found.coefficients)
    solved = solve(score, information, aliased_columns(information))
    return Fit(found.coefficients, information, solved, likelihood, len(y), int(y.sum()), (), 1)


def asked(X: Floats, y: Floats) -> tuple[int, Floats]:
    """How often the hospitals are asked, and the tests of each column but the first."""
    null = np.zeros(X.shape[1])
    null[0] = special.logit(y.mean())
    talk: Any = term_tests(
        fitted(X, y), null, [[j] for j in range(1, X.shape[1])], lambda beta: Ask(newton_step, {"at": beta})
    )
    question, rounds = next(talk), 0
    try:
        while True:
            rounds += 1
            question = talk.send({"fit": np.array([sums(X, y, one) for one in question.arguments["at"]])})
    except StopIteration as end:
        return rounds, end.value


def breast() -> tuple[Floats, Floats]:
    """Four measures of 569 patients, and who has a malignant mass."""
    raw = wisconsin()
    measures = [raw[:, MEASURES[one]] for one in ("texture", "smoothness", "compactness", "symmetry")]
    X = np.column_stack([np.ones(len(raw)), *((one - one.mean()) / one.std() for one in measures)])
    return X, (raw[:, -1] == 0).astype(np.float64)


def nearly_separated() -> tuple[Floats, Floats]:
    """Two columns that leave few people on the wrong side: the likelihood is nothing like a parabola."""
    random = np.random.default_rng(1928)
    people, size = int(random.integers(20, 60)), random.choice([1, 3, 6])
    X = np.column_stack(
        [np.ones(people), random.normal(size=(people, 1)) + 0.4 * random.normal(size=(people, 2))],
    )
    chances = special.expit(size * (X[:, 1] * 2.5 + X[:, 2] * 2))
    return X, (random.random(people) < chances).astype(np.float64)


@pytest.mark.parametrize(("data", "most"), [(breast(), 4), (nearly_separated(), 9)], ids=["breast", "nearly separated"])
def test_chi_squares_are_those_of_models_fitted_by_themselves(data: tuple[Floats, Floats], most: int) -> None:
    X, y = data
    rounds, found = asked(X, y)
    whole = newton.fit(X, y).likelihood
    without = [newton.fit(np.delete(X, j, axis=1), y).likelihood for j in range(1, X.shape[1])]
    assert np.allclose(found[:, 0], 2 * (whole - np.array(without)), rtol=1e-10, atol=1e-10)
    assert (found[:, 1] == 1).all()
    assert rounds <= most, "from the null model it takes six rounds and more"


def test_a_model_without_terms_has_nothing_to_test(tmp_path: Path) -> None:
    model = '  model: {method: logistic, cohort: all, formula: "malignant ~ 1", likelihood_ratio: true}\n'
    found = house(tmp_path, STUDY + model, patients()).run().results["model"]
    assert found.estimates[0].value == pytest.approx(special.logit(212 / 569), rel=1e-12)
