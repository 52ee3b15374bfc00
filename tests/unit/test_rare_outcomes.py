"""An outcome that fewer people have than may be counted: its fits stop with their reason, and the run goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import house

ANALYSES = """  logistic: {method: logistic, cohort: all, formula: 'y ~ x'}
  firth: {method: firth, cohort: all, formula: 'y ~ x'}
  quantiles: {method: quantiles, cohort: all, variables: [x]}
"""


def test_fits_of_an_outcome_that_few_have_stop_with_their_reason(tmp_path: Path) -> None:
    data = {"x": np.random.default_rng(1).normal(60, 12, 400), "y": (np.arange(400) < 4).astype(float)}
    text = HEAD % (10, "\n".join([number("x", 0, 120), boolean("y")]), ANALYSES)
    run = house(tmp_path, text, divide(data, np.arange(400) % 4)).run()
    codes = {name: [one.code for one in stopped.findings] for name, stopped in run.stopped.items()}
    assert codes == {"logistic": ["outcome_constant"], "firth": ["outcome_constant"]}
    assert set(run.results) == {"quantiles"}
