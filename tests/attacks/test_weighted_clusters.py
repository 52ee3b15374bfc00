"""Attacks by weights within clusters: the middle of a sandwich is made of each cluster's own weighted sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gagyo.federation.rows import Rows as Inside
from gagyo.methods import gee, glm
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Measure
from tests.attacks.test_offset import is_few, is_one
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import house

SIZE, WARDS = 1200, 10
WARD = "  ward: {type: integer, range: [0, 100], label: {en: Ward, ko: 병동, zh: 病房}}"
VARIABLES = "\n".join([number("x", 0.5, 100), number("y", -9, 9), number("w", 0.001, 10), boolean("t"), WARD])
STUDY = HEAD % (
    10,
    VARIABLES,
    '  a: {method: gee, cohort: all, formula: "y ~ x + t", family: gaussian, cluster: ward%s}\n',
)
RANDOM = np.random.default_rng(1)
NOISE, MANY = 1 + RANDOM.random(SIZE) * 1e-9, RANDOM.uniform(0.5, 8, SIZE)
INSIDE = np.arange(SIZE) // WARDS
"""Everybody's place in their ward."""


def people(w: np.ndarray) -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    data = {"x": random.uniform(20, 80, SIZE), "y": random.normal(size=SIZE).clip(-4, 4), "w": w}
    return data | {"ward": (np.arange(SIZE) % WARDS).astype(float), "t": (INSIDE % 2).astype(float)}


def sums(w: np.ndarray) -> dict[str, Measure]:
    """What one hospital sends: of estimating equations, and the middle of a model's sandwich."""
    variables = Study.parse(STUDY % "").variables
    rows = Inside("seoul", variables, people(w), [b"p%d" % one for one in range(SIZE)])
    told = {"formula": "y ~ x + t", "family": "gaussian", "weights": "w"}
    equations = told | {"cluster": "ward"}
    at = {"coefficients": np.zeros(3), "alpha": np.zeros(1)}
    M = np.eye(3)[np.triu_indices(3)]
    model = told | {"link": "identity", "offset": "", "coefficients": np.zeros(3), "errors": "CR1", "cluster": "ward"}
    return {
        "outcome": gee.outcome(rows, **equations)["sum"],
        "step": gee.step(rows, **equations, **at)["fit"],
        "meat": gee.meat(rows, **equations, **at, errors="sandwich", inverse=M)["meat"],
        "glm": glm.meat(rows, **model, inverse=M)["meat"],
    }


def own_few(measure: Measure) -> bool:
    return bool(((measure.own > 0) & (measure.own < 10)).any())


@pytest.mark.parametrize("w", [np.ones(SIZE), MANY, NOISE, 1 + INSIDE % 3.0])
def test_ordinary_weights_set_nobody_apart(w: np.ndarray) -> None:
    for name, one in sums(w).items():
        assert [is_few(one), own_few(one), is_one(one)] == [False] * 3, name


def test_of_a_ward_a_few_with_another_weight_are_seen() -> None:
    """Twelve at the hospital have one, which is no few, and four of them lie in one ward."""
    w = np.ones(SIZE)
    w[np.flatnonzero(np.arange(SIZE) % WARDS == 0)[:4]] += MANY[:4]
    w[np.arange(SIZE) % WARDS == 1] += MANY[:120]
    assert all(own_few(one) for one in sums(w).values())


def test_of_a_ward_a_few_with_one_of_few_weights_are_seen() -> None:
    w = 1 + INSIDE % 3.0
    w[np.flatnonzero((np.arange(SIZE) % WARDS == 0) & (w == 3))[4:]] = 2.0
    assert all(own_few(one) for one in sums(w).values())


def test_in_each_ward_one_weighs_otherwise() -> None:
    """Ten at the hospital do, who are no few, by which each ward's sum is another."""
    w = np.where(INSIDE == 0, 2.0, NOISE)
    assert all(is_one(one) for one in sums(w).values())


def test_one_is_most_of_a_wards_weighted_sum() -> None:
    w = np.where(np.arange(SIZE) % WARDS == 0, 0.001, 1 + MANY / 100)
    w[0] = 1.0
    assert all(is_one(one) for one in sums(w).values())


def test_a_few_of_all_and_a_few_of_a_trait_are_seen() -> None:
    few = np.ones(SIZE)
    few[:4] += MANY[:4]
    trait = 1 + INSIDE % 3.0
    trait[np.flatnonzero((INSIDE % 2 == 1) & (trait == 3))[4:]] = 2.0
    for w in (few, trait):
        assert all(is_few(one) for one in sums(w).values())


def test_whoever_is_set_apart_stops_the_equations(tmp_path: Path) -> None:
    """At two wards a hospital."""
    for w, stops in ((MANY, False), (np.where(np.arange(SIZE) < 4, 2.0, 1.0), True)):
        data = people(w) | {"ward": (np.arange(SIZE) // 4 % 2).astype(float), "t": (np.arange(SIZE) // 8 % 2) * 1.0}
        run = house(tmp_path / str(stops), STUDY % ", weights: w", divide(data, np.arange(SIZE) % 4)).run()
        assert list(run.stopped) == ["a"] * stops
