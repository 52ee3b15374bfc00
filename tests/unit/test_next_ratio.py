"""The next variance ratio of a mixed model: of clusters of one size the root itself, from anywhere."""

from __future__ import annotations

import pytest

from gagyo.statistics.mixed import next_ratio


@pytest.mark.parametrize("size", [2.0, 200.0, 5000.0])
@pytest.mark.parametrize("root", [0.01, 0.5])
@pytest.mark.parametrize("start", [0.0, 0.004, 0.3])
def test_equal_clusters_take_one_step(size: float, root: float, start: float) -> None:
    clusters = 1000
    between = clusters * (1 + size * root) / size

    def tried(ratio: float) -> tuple[float, float, float]:
        s = size / (1 + size * ratio)
        return ratio, clusters * s - between * s**2, 2 * between * s**3 - clusters * s**2

    earlier = [tried(0.0)] if start else []
    assert next_ratio([*earlier, tried(start)], clusters) == pytest.approx(root, rel=1e-6)
