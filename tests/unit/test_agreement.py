"""Agreement against psych, a multinomial delta method and lm (tests/golden/r/agreement.R), and the papers' tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.statistics import agreement

R = json.loads((Path(__file__).parents[1] / "golden" / "agreement.json").read_text(encoding="utf-8"))


def close(found: Any, wanted: Any, tolerance: float = 1e-9) -> None:
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=1e-14)


@pytest.mark.parametrize("case", ["levels", "two"])
def test_kappas_of_two_raters(case: str) -> None:
    wanted, table = R[case], np.array(R[case]["table"], float)
    for kind in ("none", "linear", "quadratic"):
        found = agreement.cohen(table, kind)  # type: ignore[arg-type]
        close([found.value, found.standard_error], wanted["kappa"][kind])
    # psych weighs by the square of the distance.
    close([agreement.cohen(table).value, agreement.cohen(table, "quadratic").value], wanted["psych"])
    for found, name in ((agreement.gwet(table), "ac1"), (agreement.adjusted(table), "pabak")):
        close([found.value, found.standard_error], wanted[name])


def test_the_published_example_of_fleiss_cohen_and_everitt() -> None:
    """Table 1 of the paper: kappa 0.429 with 0.054 and 0.055 under no agreement; weighted 0.3483 with 0.049."""
    table = np.array([[106, 10, 4], [22, 28, 10], [2, 12, 6]], float)
    found = agreement.cohen(table)
    assert (round(found.value, 3), round(found.standard_error, 3)) == (0.429, 0.054)


def several(name: str) -> tuple[agreement.Several, np.ndarray]:
    counts = np.array(R[name]["counts"], float)
    m = int(counts[0].sum())
    pairs = (counts * (counts - 1)).sum(axis=0)
    return agreement.Several(len(counts), m, counts.sum(axis=0), pairs), counts


@pytest.mark.parametrize("name", ["fleiss", "several"])
def test_kappa_of_several_raters(name: str) -> None:
    sums, counts = several(name)
    found = agreement.fleiss(sums, float((sums.influence(counts) ** 2).sum()))
    close([found.value, found.standard_error], R[name]["kappa"])
    from scipy import stats

    close(found.p, 2 * stats.norm.sf(R[name]["z"]), 1e-7)
    close(agreement.of_level(sums), R[name]["level"])


def test_the_published_example_of_fleiss() -> None:
    sums, counts = several("fleiss")
    found = agreement.fleiss(sums, float((sums.influence(counts) ** 2).sum()))
    assert round(found.value, 2) == 0.43
    assert round(sums.observed, 4) == 0.5556
    assert round(sums.chance, 4) == 0.2199


def sums_of(x: np.ndarray) -> tuple[np.ndarray, float, float]:
    centred = x - x.mean(axis=0)
    middle = centred.mean(axis=1)
    return x.mean(axis=0), float((middle**2).sum()), float(((centred - middle[:, None]) ** 2).sum())


def karnofsky() -> np.ndarray:
    lines = (Path(__file__).parents[1] / "golden" / "data" / "karnofsky.csv").read_text().splitlines()[1:]
    return np.array([line.split(",")[:2] for line in lines], float)


@pytest.mark.parametrize("name", ["shrout", "karnofsky"])
def test_intraclass_correlations_are_psychs(name: str) -> None:
    x = np.array(R["shrout"]["ratings"], float) if name == "shrout" else karnofsky()
    means, between, within = sums_of(x)
    found = agreement.correlations(agreement.analysis(len(x), means, between, within))
    for what in ("value", "lower", "upper", "p"):
        close([getattr(one, what) for one in found], R[name][what], 1e-8)


def test_the_published_example_of_shrout_and_fleiss() -> None:
    x = np.array(R["shrout"]["ratings"], float)
    found = agreement.correlations(agreement.analysis(len(x), *sums_of(x)))
    assert [round(one.value, 2) for one in found] == [0.17, 0.29, 0.71, 0.44, 0.62, 0.91]


def test_limits_of_agreement_and_proportional_bias() -> None:
    x, wanted = karnofsky(), R["limits"]
    d, m = x[:, 0] - x[:, 1], x.mean(axis=1)
    dc, mc = d - d.mean(), m - m.mean()
    found = agreement.limits(len(x), d.mean(), float(dc @ dc), float(mc @ mc), float(mc @ dc))
    close(found.bias, [wanted["bias"], *wanted["interval"]])
    close(found.deviation, wanted["sd"])
    close([found.lower[0], found.upper[0]], wanted["limits"])
    close(found.upper[2] - found.upper[0], wanted["limit_reach"])
    close(found.slope, [wanted["slope"][0], *wanted["slope_interval"]])
    close([found.slope_error, found.p_slope], [wanted["slope"][1], wanted["slope"][3]], 1e-8)


def test_what_has_no_spread_is_no_number() -> None:
    assert np.isnan(agreement.cohen(np.array([[50.0, 0], [0, 0]])).value)
    perfect = agreement.cohen(np.array([[50.0, 0], [0, 30]]))
    assert (perfect.value, perfect.standard_error, perfect.upper) == (1.0, 0.0, 1.0)
