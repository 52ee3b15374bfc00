"""Who may make up most of what a part has of a measurement: what is settled without everybody's mean is as with it."""

from __future__ import annotations

import numpy as np
import pytest

from gagyo.release import parts
from gagyo.release.few_values import MANY, Measured
from gagyo.release.parts import spread_in_parts

RANGE = (-50.0, 50.0)


def drawn(random: np.random.Generator, people: int) -> tuple[Measured, np.ndarray]:
    """A column that may be narrow, far from its range's middle, with missing values and people far from all others."""
    scale, centre = 10 ** random.uniform(-3, 1), random.uniform(-30, 30)
    x = np.clip(centre + scale * random.standard_normal(people), *RANGE)
    far = random.integers(0, people, random.integers(0, 3))
    x[far] = random.choice(RANGE, len(far))
    x[random.random(people) < random.choice([0, 0.2])] = np.nan
    share = random.choice([0.001, 0.02, 0.5], 2)
    return Measured(x, RANGE, None), random.random((people, 2)) < share


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("squares", [False, True])
def test_the_spread_is_the_same(seed: int, squares: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(seed)
    column, among = drawn(random, int(random.choice([7, 60, 900, 2 * MANY])))
    chosen = slice(None) if seed % 2 else random.random(len(column.x)) < 0.6
    short = spread_in_parts([column], among[chosen], chosen, squares)
    monkeypatch.setattr(Measured, "apart", lambda self, at, parts, power: np.zeros(parts.shape[1]))
    long = spread_in_parts([column], among[chosen], chosen, squares)
    for name in ("total", "largest", "second"):
        assert np.array_equal(getattr(short, name), getattr(long, name))


def test_it_is_settled_without_a_mean_where_many_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    column = Measured(random.standard_normal(2 * MANY), (-8.0, 8.0), None)
    monkeypatch.setattr(parts, "_raised", lambda size, power: pytest.fail("the mean was asked for"))
    assert not len(spread_in_parts([column], np.ones((2 * MANY, 1), bool)).total)


@pytest.mark.parametrize("power", [1, 2])
def test_two_people_are_as_far_from_any_centre_as_from_each_other(power: int) -> None:
    random = np.random.default_rng(power)
    column = Measured(random.standard_normal(31), RANGE, None)
    among = random.random((31, 3)) < 0.7
    least = column.apart(slice(None), among, power)
    for centre in random.uniform(-3, 3, 200):
        assert (least <= (np.abs(column.x - centre) ** power) @ among + 1e-12).all()


@pytest.mark.parametrize(("power", "least"), [(1, 6.0), (2, 18.0)])
def test_halfway_between_two_it_is_just_as_far(power: int, least: float) -> None:
    column = Measured(np.array([2.0, 8.0, 5.0]), RANGE, None)
    among = np.array([[True, True, False], [True, False, False], [True, True, True]])
    assert column.apart(slice(None), among, power).tolist() == [least, 0.0, 0.0]
    assert (np.abs(column.x[:2] - 5.0) ** power).sum() == least
