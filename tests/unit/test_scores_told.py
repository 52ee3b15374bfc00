"""What a hospital looks for by name, and holds against what a method does, is what the methods call it."""

from __future__ import annotations

import pytest

from gagyo.federation.local import find_step
from gagyo.federation.weighing import Weighing
from gagyo.methods._validation import scores
from gagyo.site import divided, equations, scores_told


@pytest.mark.parametrize("kind", [scores_told.SCORES, divided.AT_CUTS, *scores_told.GRIDS])
def test_steps_that_hospitals_compare_are_steps_of_methods(kind: str) -> None:
    name = f"{'quantiles' if kind == 'value_bins' else 'validate'}.{kind}"
    assert find_step(name).name == name


def test_those_whom_a_fold_leaves_out_and_where_scores_are_held() -> None:
    assert scores.held_out(0, 3) == (divided.HELD_OUT, 0, 3)
    assert equations.LARGEST == scores.LARGEST


def test_weights_that_an_earlier_version_wrote_down_are_read() -> None:
    written = {"treatment": "t", "family": "inverse", "within": [0.1, 0.9], "kind": ["ate", False], "largest": None}
    assert Weighing.read(written) == Weighing("t", "inverse", (0.1, 0.9))
    now = Weighing("start", "trial", (90.0, 365.0), times=("start", "time"))
    assert Weighing.read(now.plain) == now
