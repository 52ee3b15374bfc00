"""Rubin's rules against mice, and the draws of multiple imputation against their written definition."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from gagyo.statistics import draws, rubin

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "imputation.json").read_text("utf-8"))


def close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-8)


@pytest.mark.parametrize("one", GOLDEN["scalars"], ids=lambda one: f"m={len(one['q'])}")
def test_rubins_rules_are_those_of_pool_scalar(one: dict[str, Any]) -> None:
    complete = np.inf if one["dfcom"] is None else one["dfcom"]
    found = rubin.pool(np.array(one["q"])[:, None], np.array(one["u"])[:, None], complete)
    close([found.value[0], found.within[0], found.between[0]], [one["qbar"], one["ubar"], one["b"]])
    close(found.error[0] ** 2, one["t"])
    close([found.freedom[0], found.increase[0], found.missing[0]], [one["df"], one["riv"], one["fmi"]])
    close(found.by_chance[0], np.sqrt(one["b"] / len(one["q"])))


@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_ten_fits_of_imputed_women_are_pooled_as_pool_does(name: str) -> None:
    case = GOLDEN["cases"][name]
    fits, wanted = case["first"], case["ten"]
    found = rubin.pool(np.array([one["q"] for one in fits]), np.array([one["u"] for one in fits]), wanted["dfcom"][0])
    close(found.value, wanted["estimate"])
    close(found.error**2, wanted["t"])
    close(found.freedom, wanted["df"])
    close(found.increase, wanted["riv"])
    close(found.share, wanted["lambda"])
    close(found.missing, wanted["fmi"])


def test_an_interval_has_the_reach_of_its_degrees_of_freedom() -> None:
    found = rubin.pool(np.array([[1.0], [1.5], [0.9]]), np.array([[0.2], [0.3], [0.2]]), 100)
    reach, p = found.wald()
    close(reach, stats.t.ppf(0.975, found.freedom))
    close(p, 2 * stats.t.sf(found.value / found.error, found.freedom))
    assert found.freedom[0] < 100


def test_data_without_missing_values_have_the_freedom_of_the_complete_analysis() -> None:
    found = rubin.pool(np.full((5, 1), 2.0), np.full((5, 1), 0.5), 100)
    np.testing.assert_allclose(found.freedom, 101 / 103 * 100, rtol=1e-3)
    assert found.increase[0] == 0


def test_a_uniform_is_53_bits_of_sha_256() -> None:
    for j, found in enumerate(draws.uniforms("a text", 3)):
        bits = hashlib.sha256(f"a text {j}".encode()).hexdigest()[:16]
        assert found == ((int(bits, 16) >> 11) + 0.5) / 2**53


def test_draws_are_what_they_are_named() -> None:
    many = 4000
    uniform = draws.uniforms("u", many)
    assert 0 < uniform.min() < uniform.max() < 1
    assert stats.kstest(uniform, "uniform").pvalue > 0.001
    assert stats.kstest(draws.normals("n", many), "norm").pvalue > 0.001
    squares = np.array([draws.chi_square(f"c {j}", 7.0) for j in range(1000)])
    assert stats.kstest(squares, "chi2", (7.0,)).pvalue > 0.001
    close(draws.chi_square("c 1", 7.0), stats.chi2.ppf(draws.uniforms("c 1", 1)[0], 7.0))
