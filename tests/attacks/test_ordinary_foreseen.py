"""The gate lets ordinary validations of imputed data through, behind real doors: three random studies of real columns.

Well-posed as in `test_ordinary_imputation`, over any hospitals but one, and with four hospitals or more, so that each
can be left out. At each hospital twelve or more lack what is imputed, and ten are of each class; among any others who
lack it, and among those who do not, ten are of each class too. Where two variables are imputed they were one
examination: the same people lack both.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from gagyo.result import Interval
from tests.attacks.test_ordinary_studies import Drawn, _table, names_of, studies
from tests.hospitals import Rows, house

STUDIES = 3
TEN = 10


@cache
def foreseeing() -> tuple[Drawn, ...]:
    """The first logistic models among the ordinary studies that leave a hospital out, with values deleted at random."""
    models = (one for one in studies()[0] if one.method == "logistic" and one.where.max() >= 3)
    drawn = (_deleted(one, seed) for seed, one in enumerate(one for one in models if len(_numbers(one)) > 1))
    return tuple(islice((one for one in drawn if _well_posed(one)), STUDIES))


def _numbers(drawn: Drawn) -> list[str]:
    return [term for term in drawn.predictors if term != "C(level)"]


def _deleted(drawn: Drawn, seed: int) -> Drawn:
    random = np.random.default_rng(seed)
    columns = {name: column.copy() for name, column in drawn.columns.items()}
    impute = _numbers(drawn)[: 1 + seed % 2]
    for hospital in np.unique(drawn.where):
        there = np.flatnonzero(drawn.where == hospital)
        gone = random.choice(there, max(12, len(there) // 4), replace=False)
        for name in impute:
            columns[name][gone] = np.nan
    text = drawn.text.partition("analyses:\n")[0] + (
        f'analyses:\n  a: {{method: imputation, purpose: prediction, cohort: all, model: logistic, formula: "yes ~ '
        f'{" + ".join(drawn.predictors)}", impute: [{", ".join(impute)}], times: 3, sweeps: 2}}\n'
        "  b: {method: validate, cohort: all, model: a, folds: 0, leave_out: site}\n"
    )
    return replace(drawn, text=text, columns=columns)


def _well_posed(drawn: Drawn) -> bool:
    """Ten in every cell that any hospitals but one open, and of each class at each hospital."""
    yes, level = drawn.columns["yes"], drawn.columns["level"]
    lacks = np.isnan(np.column_stack([drawn.columns[name] for name in _numbers(drawn)])).any(axis=1)
    for hospital in np.unique(drawn.where):
        here, others = drawn.where == hospital, drawn.where != hospital
        classes = [np.bincount(yes[part].astype(int), minlength=2) for part in (here, others & lacks, others & ~lacks)]
        if min(one.min() for one in classes) < TEN:
            return False
        tables = [_table(level[part], yes[part]) for part in (others & lacks, others & ~lacks)]
        if "C(level)" in drawn.predictors and min(table.min() for table in tables) < TEN:
            return False
    return True


def test_they_are_of_every_kind() -> None:
    found = foreseeing()
    assert len(found) == STUDIES
    imputed = [one.text.partition("impute: [")[2].partition("]")[0].split(", ") for one in found]
    assert {len(names) for names in imputed} == {1, 2}
    assert len({len(np.unique(one.where)) for one in found}) > 1


@pytest.mark.parametrize("part", range(3))
def test_no_ordinary_validation_of_imputed_data_is_refused(tmp_path: Path, part: int) -> None:
    for number, drawn in enumerate(foreseeing()[part::3]):
        there = {}
        for index, name in enumerate(names_of(int(drawn.where.max()) + 1)):
            chosen = drawn.where == index
            columns = {key: column[chosen] for key, column in drawn.columns.items()}
            there[name] = Rows(columns, [f"p{person}".encode() for person in np.flatnonzero(chosen)])
        going = house(tmp_path / str(number), drawn.text, there).run()
        assert going.stopped == {}
        result = going.results["b"]
        for table, size in (("by_hospital", 6), ("external", 6)):
            rows = result.table(table).rows[: len(there)]
            assert all(sum(isinstance(cell, Interval) for cell in row) >= size // 2 for row in rows)
