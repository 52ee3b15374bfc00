"""An attack by subtraction: what one hospital withholds of itself, as sums over all less what the others tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.attacks import test_foreseen as imputed
from tests.attacks.test_hostile import told
from tests.attacks.test_scores import SCORE, SIZE, given, people, run
from tests.hospitals import SITES, house


@pytest.mark.parametrize("equation", [True, False])
def test_what_a_hospital_withholds_does_not_follow_from_sums_less_what_the_others_tell(
    tmp_path: Path, equation: bool
) -> None:
    """Attack: four of a hospital have the outcome, which it withholds; everyone's less the others' are four."""
    data = people()
    ill = np.flatnonzero((np.arange(SIZE) % 4 == SITES.index("busan")) & (data["y"] == 1))
    data["y"][ill[4:]] = 0.0
    model = {"m": "method: logistic, cohort: all, formula: 'y ~ x + v'"}
    by_model = model | {"a": "method: validate, cohort: all, model: m, folds: 0, leave_out: site"}
    going, _ = run(tmp_path, data, {"a": given("y ~ x", SCORE)} if equation else by_model)
    every = [one for one in told(going, "a") if isinstance(one, dict)]
    for site in SITES:
        known = [one[site]["cases"] for one in every[1:]]
        assert all((np.isnan(one) if site in ("busan", "beijing") else np.isfinite(one)).all() for one in known)
    first = every[0].values()
    assert not any(one[name].any() for one in first for name in ("cases", "expected", "scalars") if one.whole(name))
    assert any("busan, beijing" in str(note) for note in going.results["a"].notes)


def test_what_a_hospital_withholds_of_completed_data_does_not_follow_either(tmp_path: Path) -> None:
    """Attack: the same of a model of imputed data, also where hospitals are left out."""
    there = imputed.people({"v": np.arange(240)})
    ill = there["busan"].columns["d"]
    ill[np.flatnonzero(ill)[4:]] = 0.0
    going = house(tmp_path, imputed.text("v"), there).run()
    every = [one for one in told(going, "b") if isinstance(one, dict) and "cases" in one["seoul"].values]
    assert len(every) == 3, "what would be withheld, what is told, and what is of hospitals that are left out"
    for one in every[1:]:
        for site in SITES:
            silent = site in ("busan", "beijing")
            assert all(np.isnan(one[site][name]).all() == silent for name in ("cases", "ratio")), site
    assert not any(one[name].any() for one in every[0].values() for name in ("cases", "ratio") if one.whole(name))
    assert any("busan, beijing" in str(note) for note in going.results["b"].notes)
