"""Attacks by sums of each fold: people are dealt out in one order, so that many numbers of folds tell of everybody."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from gagyo.federation.rows import Rows
from gagyo.protocol.study import Study
from tests.attacks.test_hostile import told
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import SITES, house

PEOPLE = 588
NAMES = ["x", "y", *(f"z{at}" for at in range(10))]
MANY = range(25, 50)
PATH = "method: penalised, family: gaussian, values: 2, formula: 'y ~ x'"
YES = "method: penalised, family: binomial, values: 2, formula: 'd ~ x'"
MODEL = "method: logistic, cohort: all, formula: 'd ~ x'"
VALIDATED = "method: validate, model: a0"


def drawn() -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    data = {name: random.choice([-1, 1], PEOPLE) * random.uniform(0.7, 1.3, PEOPLE) for name in NAMES}
    return data | {"d": np.asarray(random.random(PEOPLE) < 0.5, float)}


def text(analyses: Iterable[str]) -> str:
    """A study of all, of those whom another condition selects, and of those without the greatest x."""
    lines = "".join(f"  a{at}: {{{one}}}\n" for at, one in enumerate(analyses))
    declared = [*(number(name, -6, 6) for name in NAMES), boolean("d")]
    where = "  all: {}\n  same: {where: 'x < 6'}\n  most: {where: 'x < 1'}\n"
    return (HEAD % (10, "\n".join(declared), lines)).replace("  all: {}\n", where)


def stopped(folder: Path, analyses: Iterable[str]) -> list[str]:
    """Which analyses of four hospitals are stopped, each because hospitals withhold, before anything was opened."""
    going = house(folder, text(analyses), divide(drawn(), np.arange(PEOPLE) % 4)).run()
    assert {found.code for why in going.stopped.values() for found in why.findings} <= {"answer_withheld"}
    assert not any(told(going, name) for name in going.stopped)
    return list(going.stopped)


def folds_of(study: Study, sizes: list[int], folds: int) -> np.ndarray:
    """Who is in which fold (folds, people), the people of each hospital in their hidden order."""
    keys = [f"{study.study} {study.seed} {site}".encode() for site in SITES]
    starts = [int.from_bytes(hashlib.sha256(key).digest()[:4], "big") for key in keys]
    at = np.concatenate([start + np.arange(size) for start, size in zip(starts, sizes, strict=True)])
    return np.asarray(at % folds == np.arange(folds)[:, None], float)


def test_without_the_rule_everybodys_values_follow_from_many_numbers_of_folds() -> None:
    """Sums over every 25th, every 26th, ... and every 49th of an order that nobody knows: 588 equations in each column.

    They are what `penalised` opens of each fold: two sums, and the people, who are 11 or more.
    """
    members = np.vstack(
        [folds_of(Study.parse(text([f"{PATH}, cohort: all"])), [PEOPLE // 4] * 4, folds) for folds in MANY]
    )
    assert members.sum(axis=1).min() >= 10
    everyone = np.column_stack([drawn()["x"], drawn()["y"]])
    rows = np.linalg.lstsq(members, members @ everyone, rcond=None)[0]
    np.testing.assert_allclose(rows, everyone, atol=1e-6)


@pytest.mark.parametrize(
    ("analyses", "withheld"),
    [
        ([f"{PATH}, cohort: all, folds: {folds}" for folds in (25, 26)], ["a1"]),
        ([f"{PATH}, cohort: all, folds: 25", f"{PATH}, cohort: same, folds: 26"], ["a1"]),
        ([f"{PATH}, cohort: all, folds: {folds}" for folds in (13, 17, 19, 22)], ["a3"]),
        ([f"{YES}, cohort: all, folds: {folds}" for folds in (22, 23, 24)], ["a2"]),
        ([MODEL, *(f"{VALIDATED}, cohort: all, folds: {folds}" for folds in (22, 23, 24))], ["a3"]),
        ([MODEL, f"{PATH}, cohort: all, folds: 29", f"{VALIDATED}, cohort: all, folds: 23, repeats: 2"], ["a2"]),
    ],
)
def test_sums_by_fold_of_many_numbers_of_folds_are_over_enough_people(
    tmp_path: Path, analyses: list[str], withheld: list[str]
) -> None:
    """Every sum that follows from them is, also of the same people under another name and by another method."""
    assert stopped(tmp_path, analyses) == withheld


@pytest.mark.parametrize(
    "analyses",
    [
        [f"{PATH}, cohort: all, folds: {folds}" for folds in (5, 10, 3, 20)],
        [f"{PATH}, cohort: all, folds: 25", f"{YES}, cohort: all, folds: 25", f"{PATH}, cohort: same, folds: 5"],
        [f"{PATH}, cohort: all, folds: 25", f"{PATH}, cohort: most, folds: 18"],
        [MODEL, f"{VALIDATED}, cohort: all, folds: 10", f"{YES}, cohort: all, folds: 7"],
    ],
)
def test_a_few_numbers_of_folds_those_of_one_another_and_those_of_other_people_pass(
    tmp_path: Path, analyses: list[str]
) -> None:
    assert stopped(tmp_path, analyses) == []


def resampled(study: Study, replicates: int) -> np.ndarray:
    """Everybody's weight in each replicate: of identifiers and the plan alone, in a file without any of positions."""
    sites = divide(drawn(), np.arange(PEOPLE) % 4)
    rows = [Rows(site, study.variables, {}, sites[site].persons, f"{study.study} {study.seed}") for site in SITES]
    return np.hstack([[one.poisson(number) for number in range(replicates)] for one in rows])


def test_without_the_rule_everybodys_rows_follow_from_as_many_replicates() -> None:
    """A replicate's first score is a sum with known weights: of 1 and of x, times outcome less expected."""
    data = {name: np.concatenate([drawn()[name][at::4] for at in range(4)]) for name in ("x", "d")}
    rest = data["d"] - 0.5
    weights = resampled(Study.parse(text([MODEL])), PEOPLE + 10)
    one, of_x = np.linalg.lstsq(weights, weights @ np.column_stack([rest, rest * data["x"]]), rcond=None)[0].T
    np.testing.assert_allclose(of_x / one, data["x"], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "withheld"),
    [
        ("folds: 0, bootstrap: 100", False),
        ("folds: 10, repeats: 5, bootstrap: 100", False),
        ("folds: 20, repeats: 20, bootstrap: 300", True),
        ("folds: 10, repeats: 20, bootstrap: 398", True),
    ],
)
def test_resampling_opens_fewer_sums_than_there_are_people(tmp_path: Path, options: str, withheld: bool) -> None:
    assert stopped(tmp_path, [MODEL, f"{VALIDATED}, cohort: all, {options}"]) == (["a1"] if withheld else [])


def test_resampling_of_several_validations_counts_together(tmp_path: Path) -> None:
    several = [f"{VALIDATED}, cohort: all, folds: {folds}, repeats: 20" for folds in (15, 5, 20)]
    assert stopped(tmp_path, [MODEL, *several]) == ["a3"]
