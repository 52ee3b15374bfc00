"""Consistency across regions against mvtnorm, metafor (tests/golden/r/consistency.R) and published closed forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from gagyo.statistics import consistency

R = json.loads((Path(__file__).parents[1] / "golden" / "consistency.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", R["planned"], ids=lambda case: f"{case['shares']}")
def test_probabilities_at_planning_are_those_of_a_normal_distribution(case: dict[str, Any]) -> None:
    kept = [consistency.fraction_kept(share, case["power"], fraction=case["fraction"]) for share in case["shares"]]
    np.testing.assert_allclose(kept, case["kept"], rtol=1e-9)
    np.testing.assert_allclose(consistency.all_positive(case["shares"], case["power"]), case["all"], rtol=1e-9)


def test_published_values() -> None:
    assert round(consistency.fraction_kept(0.2, 0.9), 4) == 0.7841
    assert round(consistency.least_share(0.9), 5) == 0.22429
    assert round(consistency.least_share(0.8), 5) == 0.28407
    assert round(consistency.all_positive([1 / 3] * 3, 0.9), 5) == 0.91087
    assert round(consistency.all_positive([0.2, 0.4, 0.4], 0.9), 5) == 0.88941


def test_the_least_share_reaches_the_goal() -> None:
    found = [consistency.least_share(power, fraction=pi) for power, pi in ((0.9, 0.5), (0.8, 0.5), (0.9, 0.4))]
    np.testing.assert_allclose(found, R["share"], rtol=1e-9)
    assert consistency.fraction_kept(found[2], 0.9, fraction=0.4) == pytest.approx(0.8, rel=1e-12)


def bcg(fraction: float = 0.5, sign: float = 1.0) -> consistency.Consistency:
    of = R["bcg"]
    return consistency.observed(sign * np.array(of["values"]), np.array(of["errors"]), np.array(of["region"]), fraction)


def test_regions_and_interaction_of_the_bcg_trials_are_metafors() -> None:
    of, found = R["bcg"], bcg()
    np.testing.assert_allclose([one.value for one in found.regions], of["by"], rtol=1e-9)
    np.testing.assert_allclose([one.standard_error for one in found.regions], of["error"], rtol=1e-9)
    np.testing.assert_allclose([found.value, found.standard_error], [of["overall"], of["overall_error"]], rtol=1e-9)
    np.testing.assert_allclose([found.q, found.p], [of["q"], of["p"]], rtol=1e-8)
    np.testing.assert_allclose([one.ratio for one in found.regions], np.array(of["by"]) / of["overall"], rtol=1e-9)
    assert [one.kept for one in found.regions] == [one.ratio > 0.5 for one in found.regions]
    assert found.all == all(np.array(of["by"]) < 0)


def test_which_way_an_effect_points_changes_no_verdict() -> None:
    for one, other in zip(bcg().regions, bcg(sign=-1.0).regions, strict=True):
        assert (one.kept, one.ratio, one.p) == pytest.approx((other.kept, other.ratio, other.p))


def test_the_p_value_is_that_of_drawn_trials() -> None:
    """Where a region's true effect is exactly the fraction of the overall one, its p values are uniform."""
    random = np.random.default_rng(3)
    errors, where = np.array([0.1, 0.2, 0.15]), np.array([0, 1, 1])
    weights = 1 / errors**2
    low = 0.5 * weights[1:].sum() / (weights.sum() - 0.5 * weights[0])
    truth = np.array([low, 1.0, 1.0])
    drawn = [consistency.observed(random.normal(truth, errors), errors, where).regions[0].p for _ in range(4000)]
    assert stats.kstest(drawn, "uniform").pvalue > 0.001
