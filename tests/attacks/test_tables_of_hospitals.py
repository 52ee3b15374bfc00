"""Attacks on sums over hospitals as strata: each one's own table follows from them, so it must hold no small cell."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from gagyo.federation.rows import Rows
from gagyo.methods import compare, rank_tests
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Aggregate
from gagyo.release.case import Case
from gagyo.release.decision import Refusal, Release
from gagyo.release.gate import Gate
from gagyo.release.limits import Limits
from gagyo.statistics import comparisons
from tests.attacks.tables_of_sums import Floats, Fractions, Tables, consistent, remainders
from tests.contract.data import HEAD, boolean, columns, divide, number
from tests.hospitals import house

SEED = {3: 3, 4: 1, 6: 2}
"""Divisions of the people over hospitals in which one hospital has a small cell."""


def terms(tables: Tables) -> Floats:
    """What many tables add to Mantel and Haenszel's sums."""
    return np.array([comparisons.stratum(np.array([[d, b], [c, a]], float)) for a, b, c, d in tables])


PRODUCTS = (Fractions(0, int, lambda t: t[:, 0] * t[:, 3]), Fractions(1, int, lambda t: t[:, 1] * t[:, 2]))
"""R and S: of a d / n and of b c / n."""


def women() -> dict[str, np.ndarray]:
    """Diabetes, and whether older than the youngest band, of 532 women (real)."""
    data = columns("pima")
    return {"ill": data["diabetic"], "older": (data["ageband"] > 0).astype(float)}


TEXT = HEAD % (
    10,
    "\n".join([boolean("ill"), boolean("older")]),
    "  a: {method: compare, cohort: all, variables: [ill], by: older, stratified: true, homogeneity: true}\n",
)
STUDY = Study.parse(TEXT)


def parted(data: Mapping[str, np.ndarray], where: np.ndarray, study: Study = STUDY) -> list[Rows]:
    """Hospitals of people, by the number of each person's."""
    return [
        Rows(
            f"h{hospital}",
            study.variables,
            {name: column[where == hospital] for name, column in data.items()},
            [f"p{person}".encode() for person in np.flatnonzero(where == hospital)],
        )
        for hospital in np.unique(where)
    ]


def uneven(hospitals: int) -> list[Rows]:
    """The women at some hospitals of unequal size."""
    data, random = women(), np.random.default_rng(SEED[hospitals])
    share = random.dirichlet(np.full(hospitals, 20.0))
    return parted(data, random.choice(hospitals, len(data["ill"]), p=share))


def table_of(rows: Rows) -> np.ndarray:
    """a, b, c, d of one hospital."""
    ill, older = rows["ill"], rows["older"]
    return np.array([int(((ill == y) & (older == g)).sum()) for y in (1, 0) for g in (1, 0)])


def ruled(aggregate: Aggregate, people: int, hospitals: int) -> Release | Refusal:
    """The gate on what one hospital would add."""
    ruling = Gate().rule(Case("share", aggregate, people, 2, Limits(), hospitals=hospitals))
    assert isinstance(ruling, Release | Refusal)
    return ruling


ASKED = {"variables": ["ill"], "by": "older"}


@pytest.mark.parametrize("hospitals", [3, 4, 6])
def test_a_small_cell_of_one_hospital_follows_from_the_sums_so_that_it_adds_nothing(hospitals: int) -> None:
    there = uneven(hospitals)
    tables = np.array([table_of(rows) for rows in there])
    answers = [compare.strata(rows, **ASKED) for rows in there]
    sums = np.sum([one["ill.strata"].values for one in answers], axis=0)
    found = consistent([rows.n for rows in there], tables.sum(axis=0), sums, terms, PRODUCTS)
    known = [bool(np.all(found[:, number] == one)) for number, one in enumerate(tables)]
    small = tables.min(axis=1) < 10
    assert any(a and b for a, b in zip(known, small, strict=True)), "the attack finds a cell of a few people"
    for rows, answer, few in zip(there, answers, small, strict=True):
        assert isinstance(ruled(answer, rows.n, hospitals), Refusal) == few
        again = compare.homogeneity(rows, **ASKED, odds=np.array([1.7]))
        assert isinstance(ruled(again, rows.n, hospitals), Refusal) == few


@pytest.mark.parametrize(("few", "refused"), [(0, True), (1, True), (9, True), (10, False)])
def test_nobody_in_a_cell_is_as_telling_as_a_few(few: int, refused: bool) -> None:
    """Nobody of a group has the outcome: of each of them it is then known that they lack it."""
    cells = np.array([few, 40, 50, 60])
    data = {
        "ill": np.repeat([1.0, 1.0, 0.0, 0.0], cells),
        "older": np.repeat([1.0, 0.0, 1.0, 0.0], cells),
    }
    (rows,) = parted(data, np.zeros(cells.sum(), np.int64))
    assert isinstance(ruled(compare.strata(rows, **ASKED), rows.n, 4), Refusal) == refused


def test_an_ordinary_study_passes_and_one_with_a_small_cell_has_no_strata(tmp_path: Path) -> None:
    data = women() | {"older": (columns("pima")["age"] >= 28).astype(float)}
    turn = np.empty(len(data["ill"]), np.int64)
    turn[np.lexsort((data["older"], data["ill"]))] = np.arange(len(turn)) % 4
    run = house(tmp_path / "even", TEXT, divide(data, turn)).run()
    assert run.stopped == {}
    assert run.results["a"].estimate("ill.breslow_day").value is not None
    ill_young = np.flatnonzero((data["ill"] == 1) & (data["older"] == 0) & (turn == 0))
    turn[ill_young[9:]] = 1
    run = house(tmp_path / "small", TEXT, divide(data, turn)).run()
    found = run.results["a"]
    assert not [one.name for one in found.estimates if "mantel" in one.name or "breslow" in one.name]
    assert found.notes[-1].to("en").startswith("Comparison within hospitals: withheld.")
    assert [answer.site for answer in run.answers if answer.code == "withheld"] == ["seoul"]


RANKED = Study.parse(
    HEAD
    % (
        10,
        "\n".join([number("x", 0, 3000), boolean("g")]),
        "  a: {method: rank_tests, cohort: all, variables: [x], by: g, stratified: true}\n",
    )
)
BY_RANK = {"variables": ["x"], "by": "g"}


@pytest.mark.parametrize(("few", "refused"), [(0, True), (9, True), (10, False)])
def test_ranks_of_two_values_are_ruled_on_as_the_table_that_they_are(few: int, refused: bool) -> None:
    cells = np.array([few, 40, 50, 60])
    data = {"x": np.repeat([1.0, 1.0, 0.0, 0.0], cells), "g": np.repeat([1.0, 0.0, 1.0, 0.0], cells)}
    (rows,) = parted(data, np.zeros(cells.sum(), np.int64), RANKED)
    assert isinstance(ruled(rank_tests.strata(rows, **BY_RANK), rows.n, 4), Refusal) == refused


def tumours() -> dict[str, np.ndarray]:
    """Areas of tumours, those that are nobody else's, and whether malignant."""
    raw = load_breast_cancer()
    area, first = np.unique(raw.data[:, 3], return_index=True)
    return {"x": area, "g": (raw.target[first] == 0).astype(float)}


def test_a_hospitals_few_of_one_group_follow_from_the_variance_of_ranks() -> None:
    """Without ties it is a b / 12 (n + 1) of each hospital."""
    data, random = tumours(), np.random.default_rng(2)
    where = random.integers(0, 3, len(data["x"]))
    ill = np.flatnonzero((data["g"] == 1) & (where == 0))
    where[ill[4:]] = 1
    there = parted(data, where, RANKED)
    answers = [rank_tests.strata(rows, **BY_RANK) for rows in there]
    total = float(np.sum([one["x.strata"].values[1] for one in answers]))
    sizes = [np.arange(rows.n + 1) for rows in there]
    whole = [size * (rows.n - size) for size, rows in zip(sizes, there, strict=True)]
    kept = remainders(total, [12 * (rows.n + 1) for rows in there], whole)
    choices = product(*(size[which].tolist() for size, which in zip(sizes, kept, strict=True)))
    variances = (
        (one, sum(b * (r.n - b) / (12 * (r.n + 1)) for b, r in zip(one, there, strict=True))) for one in choices
    )
    everyone = int(data["g"].sum())
    found = [one for one, variance in variances if sum(one) == everyone and abs(variance - total) < 1e-9]
    assert found == [tuple(int(rows["g"].sum()) for rows in there)]
    assert found[0][0] == 4
    assert [isinstance(ruled(one, rows.n, 3), Refusal) for one, rows in zip(answers, there, strict=True)] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(("away", "refused"), [(9, True), (10, False)])
def test_a_hospitals_few_without_the_commonest_value_weigh_in_the_ties(away: int, refused: bool) -> None:
    """Of 200 people nearly all have no cost; the ties' cubes tell how many."""
    x = np.concatenate([np.zeros(200 - away), 1.0 + np.arange(away)])
    (rows,) = parted({"x": x, "g": (np.arange(200) % 2).astype(float)}, np.zeros(200, np.int64), RANKED)
    assert len(np.unique(x)) > rank_tests.FEW_VALUES
    assert isinstance(ruled(rank_tests.strata(rows, **BY_RANK), 200, 4), Refusal) == refused
