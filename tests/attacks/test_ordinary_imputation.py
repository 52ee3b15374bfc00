"""The gate lets ordinary multiple imputation through: 30 random well-posed studies of real columns, none is refused.

Well-posed as in `test_ordinary_studies`, and: a fifth or more lack each imputed variable, twelve or more at each
hospital; every cell of a category and the outcome holds ten people among those who lack nothing, as a regression of
these alone would need, and among those who lack each. Hospitals have levels of their own where each of them holds ten
people of each class of the outcome among those who have the variable, and no category is in the model (of its levels a
hospital may have three people); else they share one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import pytest

from tests.attacks.test_ordinary_studies import Drawn, _table, run, studies
from tests.contract.data import boolean

STUDIES = 30
TEN = 10


@cache
def imputing() -> tuple[Drawn, ...]:
    """The first models among the ordinary studies, with values of predictors deleted at random."""
    models = [one for one in studies()[0] if one.method != "describe" and _numbers(one)]
    drawn = (_deleted(one, seed) for seed, one in enumerate(models))
    return tuple(islice((one for one in drawn if _well_posed(one)), STUDIES))


def _well_posed(drawn: Drawn) -> bool:
    if "C(level)" not in drawn.predictors:
        return True
    lacking = [np.isnan(drawn.columns[name]) for name in drawn.predictors if name != "C(level)"]
    parts = [~np.any(lacking, axis=0), *(one for one in lacking if one.any())]
    groups = drawn.columns["yes"] if drawn.method == "logistic" else np.zeros(len(drawn.where))
    return bool(min(_table(drawn.columns["level"][part], groups[part]).min() for part in parts) >= TEN)


def _numbers(drawn: Drawn) -> list[str]:
    return [term for term in drawn.predictors if term != "C(level)"]


def _deleted(drawn: Drawn, seed: int) -> Drawn:
    random = np.random.default_rng(seed)
    columns = {name: column.copy() for name, column in drawn.columns.items()}
    # A yes/no predictor too, so that both kinds are imputed.
    measured = _numbers(drawn)
    columns["flag"] = (columns[measured[-1]] + random.normal(size=len(drawn.where)) * columns[measured[-1]].std()) > (
        np.median(columns[measured[-1]])
    )
    columns["flag"] = columns["flag"].astype(float)
    impute = [measured[0], "flag"] if seed % 2 else [str(name) for name in measured[:2]]
    for name in impute:
        for hospital in np.unique(drawn.where):
            there = np.flatnonzero(drawn.where == hospital)
            gone = random.choice(there, max(12, len(there) // 5), replace=False)
            columns[name][gone] = np.nan
    terms = [*drawn.predictors, *(["flag"] if "flag" in impute else [])]
    own = "own" if _may_be_own(columns, drawn, impute) else "pooled"
    text = drawn.text.partition("analyses:\n")[0].replace("cohorts:\n", boolean("flag") + "\ncohorts:\n")
    text += (
        f'analyses:\n  a: {{method: imputation, cohort: all, formula: "{drawn.outcome} ~ {" + ".join(terms)}", '
        f"model: {drawn.method}, impute: [{', '.join(impute)}], times: 5, sweeps: 2, hospitals: {own}}}\n"
    )
    return replace(drawn, text=text, columns=columns, predictors=tuple(terms))


def _may_be_own(columns: dict[str, np.ndarray], drawn: Drawn, impute: list[str]) -> bool:
    if "C(level)" in drawn.predictors:
        return False
    traits = [columns["yes"]] if drawn.outcome == "yes" else []
    traits += [columns["flag"]] if "flag" in impute else []
    for hospital in np.unique(drawn.where):
        there = drawn.where == hospital
        for name in impute:
            here = there & ~np.isnan(columns[name])
            sides = [(trait[here] == value).sum() for trait in traits for value in (0, 1)]
            lacking = [np.isnan(columns[other][here]).sum() for other in impute if other != name]
            if min([*sides, *(one for one in lacking if one), TEN]) < TEN:
                return False
    return True


def test_they_are_of_every_kind() -> None:
    found = imputing()
    assert len(found) == STUDIES
    for said in ("model: linear", "model: logistic", "hospitals: own", "hospitals: pooled", "flag]"):
        assert sum(said in one.text for one in found) >= 4, said


@pytest.mark.parametrize("part", range(6))
def test_no_ordinary_imputation_is_refused(part: int) -> None:
    for drawn in imputing()[part::6]:
        run(drawn)
