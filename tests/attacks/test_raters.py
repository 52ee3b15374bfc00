"""Attacks by the agreement of raters who are nearly the same: the few by whom two of them differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.site import compared
from tests.attacks.test_hostile import told
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import house

SIZE = 400
VARIABLES = "\n".join([*(number(name, 0, 200) for name in "abdx"), *(boolean(name) for name in ("t", "u", "w", "y"))])
AGREE = "method: agreement, variables: [%s]"


def people(few: int) -> dict[str, np.ndarray]:
    """Of a few people the measurements b and d differ, and the raters u and w."""
    random = np.random.default_rng(1)
    a, t = random.normal(60, 10, SIZE), random.random(SIZE) < 0.5
    b, u = a + random.normal(1, 3, SIZE), np.where(random.random(SIZE) < 0.85, t, ~t)
    d, w = b.copy(), u.copy()
    d[:few] += 5.0
    w[:few] = ~w[:few]
    data = {"a": a, "b": b, "d": d, "x": random.normal(100, 9, SIZE)}
    return data | {"t": t * 1.0, "u": u * 1.0, "w": w * 1.0, "y": (random.random(SIZE) < 0.5) * 1.0}


def asked(folder: Path, few: int, *analyses: str) -> Run:
    lines = "".join(f"  a{at}: {{cohort: all, {one}}}\n" for at, one in enumerate(analyses))
    return house(folder, HEAD % (10, VARIABLES, lines), divide(people(few), np.arange(SIZE) % 4)).run()


def test_without_the_rule_two_analyses_tell_what_was_measured_of_the_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compared, "pairs_of", lambda *_: {})
    run = asked(tmp_path, 1, AGREE % "a, b", AGREE % "a, d", AGREE % "t, u", AGREE % "t, w")
    sums, squares = (
        [one[key] for name in ("a0", "a1") for one in told(run, name) if key in one.values]
        for key in ("sums", "squares")
    )
    data, centres = people(1), np.array(sums) / SIZE
    change = (sums[1] - sums[0])[1]
    # Of squares about the raters' means, those of people's means about zero.
    raw = [4 * square[0] + SIZE * centre.sum() ** 2 for square, centre in zip(squares, centres, strict=True)]
    both = (raw[1] - raw[0] - change**2) / (2 * change)
    assert both == pytest.approx(data["a"][0] + data["b"][0], rel=1e-6)
    first, second = (next(one["table"] for one in told(run, name)) for name in ("a2", "a3"))
    assert np.argwhere(first != second)[0, 0] == data["t"][0], "the row of the table is what the other rater said"


TWO = {
    "measurements": (AGREE % "a, b", AGREE % "a, d"),
    "yes or no": (AGREE % "t, u", AGREE % "t, w"),
    "three raters": (AGREE % "t, u, y", AGREE % "t, w, y"),
    "a model, then agreement": ("method: linear, formula: 'x ~ a + d'", AGREE % "a, b"),
    "agreement, then a model": (AGREE % "t, u", "method: logistic, formula: 'y ~ t + w'"),
    "a table, then agreement": ("method: describe, by: t, variables: [w]", AGREE % "t, u"),
}


@pytest.mark.parametrize(("name", "few"), [*((name, 3) for name in TWO), ("measurements", 12), ("yes or no", 40)])
def test_raters_by_whom_two_analyses_differ_are_nobody_or_enough(tmp_path: Path, name: str, few: int) -> None:
    run = asked(tmp_path, few, *TWO[name])
    assert list(run.stopped) == (["a1"] if few < 10 else [])
    assert bool(told(run, "a1")) == (few >= 10)


def test_the_cell_of_a_table_after_agreement_stays_shut(tmp_path: Path) -> None:
    run = asked(tmp_path, 3, AGREE % "t, u", "method: describe, by: t, variables: [w]")
    assert all(np.isnan(one["w.cells"][:2]).all() for one in told(run, "a1") if "w.cells" in one.values)


def test_raters_of_one_analysis_may_agree_on_all_but_a_few(tmp_path: Path) -> None:
    """And another analysis then tells neither of them beside a third."""
    run = asked(tmp_path, 3, AGREE % "t, u, w", AGREE % "t, w")
    assert list(run.stopped) == ["a1"]
