"""An attack by several given equations of one score: a hospital's own accuracy of each is its table, in the end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, special

from gagyo.coordinator.run import Run
from gagyo.methods._validation.own import SCALARS
from gagyo.release.aggregate import NOBODY
from gagyo.site import own_compared
from tests.attacks.test_own_compared import own
from tests.attacks.test_scores import given
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import house

SIZE = 320
POINTS = np.arange(12.0)
VARIABLES = "\n".join([number("points", 0, 20), number("v", 0, 100), boolean("y")])
EQUATIONS = ((-2.2, 0.3), (-3.0, 0.62), (-1.5, 0.21), (-3.2, 0.45))


def people() -> dict[str, np.ndarray]:
    """A score of twelve values, as published ones have."""
    random = np.random.default_rng(5)
    points = np.clip(np.rint(random.normal(5.5, 2.4, SIZE)), 0, 11)
    y = random.random(SIZE) < special.expit((points - 5.5) / 3)
    return {"points": points, "v": random.normal(50, 10, SIZE), "y": y.astype(float)}


def validated(folder: Path, *equations: dict[str, float]) -> Run:
    formulas = (f"y ~ {' + '.join(name for name in one if name != 'Intercept')}" for one in equations)
    lines = "".join(
        f"  a{at}: {{{given(text, one)}}}\n" for at, (text, one) in enumerate(zip(formulas, equations, strict=True))
    )
    return house(folder, HEAD % (10, VARIABLES, lines), divide(people(), np.arange(SIZE) % 4)).run()


def of_points(number: int) -> list[dict[str, float]]:
    return [{"Intercept": level, "points": slope} for level, slope in EQUATIONS[:number]]


def sums_of(run: Run, name: str, equation: dict[str, float]) -> tuple[list[np.ndarray], list[float]]:
    """What one hospital's own accuracy says of how many there are of each score, without and with the outcome."""
    told = own(run, name)
    one, n = dict(zip(SCALARS, told["scalars"].ravel(), strict=True)), float(told["people"].ravel()[0])
    lp, seen = np.tile(equation["Intercept"] + equation["points"] * POINTS, 2), np.repeat([0.0, 1.0], len(POINTS))
    p, q = special.expit(lp), special.expit(lp + one["citl"])
    loss = np.logaddexp(0, np.where(seen == 1, -lp, lp))
    square = (n - 1) * n * one["log_loss_error"] ** 2 + n * one["log_loss"] ** 2
    each = [
        (np.ones(len(lp)), n),
        (seen, float(told["cases"].ravel()[0])),
        (p, float(told["expected"].ravel()[0])),
        ((p - seen) ** 2, n * one["brier"]),
        (loss, n * one["log_loss"]),
        (loss**2, square),
        (seen - q, 0.0),
        (q * (1 - q), one["citl_error"] ** -2),
    ]
    return [row for row, _ in each], [value for _, value in each]


def test_without_the_rule_four_equations_tell_a_hospitals_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_compared, "scored_again", lambda *_: NOBODY)
    run, rows, values = validated(tmp_path, *of_points(4)), [], []
    for at, equation in enumerate(of_points(4)):
        more, told = sums_of(run, f"a{at}", equation)
        rows, values = rows + more, values + told
    left, size, right = np.linalg.svd(np.array(rows), full_matrices=False)
    known = size > 1e-11 * size[0]
    matrix, value = right[known], (left.T @ np.array(values))[known] / size[known]
    near = np.vstack([matrix, -matrix]), np.concatenate([value, -value]) + 1e-6
    data = people()
    here = {name: column[0::4] for name, column in data.items()}
    few = certain = 0
    for cell, (seen, points) in enumerate((y, one) for y in (0.0, 1.0) for one in POINTS):
        true = int(((here["points"] == points) & (here["y"] == seen)).sum())
        ends = [sign * optimize.linprog(sign * np.eye(24)[cell], *near).fun for sign in (1, -1)]
        certain += 0 < true < 10 and np.allclose(ends, true, atol=0.4)
        few += 0 < true < 10
    assert few > 10
    assert certain > few / 2


def test_another_equation_of_the_same_points_tells_nothing_of_a_hospital(tmp_path: Path) -> None:
    run = validated(tmp_path, *of_points(2))
    assert [np.isfinite(own(run, name)["scalars"]).all() for name in ("a0", "a1")] == [True, False]
    assert not run.stopped, "what all hospitals have together is told"


def test_a_column_that_hardly_moves_them_makes_no_scores_unlike(tmp_path: Path) -> None:
    hidden = [{**one, "v": 1e-9 * (at + 1)} for at, one in enumerate(of_points(2))]
    assert np.isnan(own(validated(tmp_path, *hidden), "a1")["scalars"]).all()


def test_equations_of_several_measurements_are_told(tmp_path: Path) -> None:
    two = [{**one, "v": 0.02 * (at + 1)} for at, one in enumerate(of_points(2))]
    assert np.isfinite(own(validated(tmp_path, *two), "a1")["scalars"]).all()
