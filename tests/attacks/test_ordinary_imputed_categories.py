"""The gate lets ordinary imputations of a category through: 24 random well-posed studies of real columns, none refused.

Well-posed as in `test_ordinary_imputation`: a fifth or more lack each imputed variable, twelve or more at each
hospital; ten people are in every cell of the category's levels and the outcome or a yes/no predictor, among those who
lack nothing and among those who have the category, and of each class among those who lack each. Hospitals have levels
of their own where each of them holds ten of each level, and of each class, among those who have each imputed variable;
else they share one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import pytest

from tests.attacks.test_ordinary_studies import Drawn, run, studies
from tests.contract.data import boolean

STUDIES = 12
TEN = 10
Columns = dict[str, np.ndarray]


@cache
def imputing() -> tuple[Drawn, ...]:
    """The first models among the ordinary studies, with the category and other predictors deleted at random."""
    models = (one for one in studies()[0] if one.method != "describe")
    drawn = (_deleted(one, seed) for seed, one in enumerate(models))
    return tuple(islice((one for one in drawn if _well_posed(one)), STUDIES))


def _deleted(drawn: Drawn, seed: int) -> Drawn:
    random = np.random.default_rng(seed)
    columns = {name: column.copy() for name, column in drawn.columns.items()}
    numbers = [term for term in drawn.predictors if term != "C(level)"]
    spread = columns[numbers[-1]].std()
    flag = columns[numbers[-1]] + random.normal(size=len(drawn.where)) * spread > np.median(columns[numbers[-1]])
    columns["flag"] = flag.astype(float)
    impute = (["level"], ["level", numbers[0]], ["flag", "level"])[seed % 3]
    terms = [*numbers, "C(level)", *(["flag"] if "flag" in impute else [])]
    for name in impute:
        for hospital in np.unique(drawn.where):
            there = np.flatnonzero(drawn.where == hospital)
            columns[name][random.choice(there, max(12, len(there) // 5), replace=False)] = np.nan
    traits = [columns[name] for name in _traits(drawn, terms)]
    own = "own" if _may_be_own(columns, traits, drawn.where, impute) else "pooled"
    text = drawn.text.partition("analyses:\n")[0].replace("cohorts:\n", boolean("flag") + "\ncohorts:\n")
    text += (
        f'analyses:\n  a: {{method: imputation, cohort: all, formula: "{drawn.outcome} ~ {" + ".join(terms)}", '
        f"model: {drawn.method}, impute: [{', '.join(impute)}], times: 4, sweeps: 2, hospitals: {own}}}\n"
    )
    return replace(drawn, text=text, columns=columns, predictors=tuple(terms))


def _traits(drawn: Drawn, terms: list[str] | tuple[str, ...]) -> list[str]:
    return [*(["yes"] if drawn.outcome == "yes" else []), *(["flag"] if "flag" in terms else [])]


def _well_posed(drawn: Drawn) -> bool:
    level, names = drawn.columns["level"], _traits(drawn, drawn.predictors)
    terms = ["level", *(term for term in drawn.predictors if term != "C(level)")]
    gone = {name: np.isnan(drawn.columns[name]) for name in terms}
    whole = ~np.logical_or.reduce([*gone.values()])
    tables = []
    for name in names:
        trait = drawn.columns[name]
        parts = [whole, ~gone["level"] & ~np.isnan(trait)]
        tables += [_cells(level[part], trait[part]) for part in parts]
        tables += [
            _cells(np.zeros(part.sum()), trait[part], 1) for part in gone.values() if part.any() and name == "yes"
        ]
    tables += [_cells(level[part], np.zeros(part.sum()), 3, 1) for part in (whole, ~gone["level"])]
    if len(names) == 2:
        yes, flag = (drawn.columns[name] for name in names)
        tables += [_cells(yes[part], flag[part], 2) for part in (whole, ~np.isnan(flag))]
    return bool(min(table.min() for table in tables) >= TEN)


def _cells(first: np.ndarray, second: np.ndarray, rows: int = 3, columns: int = 2) -> np.ndarray:
    return np.array([[int(((first == i) & (second == j)).sum()) for j in range(columns)] for i in range(rows)])


def _may_be_own(columns: Columns, traits: list[np.ndarray], where: np.ndarray, impute: list[str]) -> bool:
    return all(min(_sides(columns, traits, where == one, impute)) >= TEN for one in np.unique(where))


def _sides(columns: Columns, traits: list[np.ndarray], there: np.ndarray, impute: list[str]) -> Iterator[int]:
    """Of those of a hospital who have each variable, the people of each level and class, and who lack another one."""
    for name in impute:
        here = there & ~np.isnan(columns[name])
        yield from (int((columns["level"][here] == level).sum()) for level in range(3))
        yield from (int((trait[here] == value).sum()) for trait in traits for value in (0, 1))
        yield from (int(np.isnan(columns[other][here]).sum()) for other in impute if other != name)


def test_they_are_of_every_kind() -> None:
    found = imputing()
    assert len(found) == STUDIES
    for said in ("model: linear", "model: logistic", "hospitals: own", "hospitals: pooled", "flag, level]", "[level]"):
        assert sum(said in one.text for one in found) >= 3, (said, [sum(said in one.text for one in found)])


@pytest.mark.parametrize("part", range(2))
def test_no_ordinary_imputation_of_a_category_is_refused(part: int) -> None:
    for drawn in imputing()[part::2]:
        run(drawn)
