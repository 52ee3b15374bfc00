"""Attacks on sums over hospitals as strata: each one's own table follows from them, so it must hold no small cell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from gagyo.federation.rows import Rows
from gagyo.methods import compare
from gagyo.protocol.study import Study
from gagyo.release.aggregate import Aggregate
from gagyo.release.case import Case
from gagyo.release.decision import Refusal, Release
from gagyo.release.gate import Gate
from gagyo.release.limits import Limits
from gagyo.statistics import comparisons
from tests.attacks.tables_of_sums import Floats, Tables, consistent
from tests.contract.data import HEAD, boolean, columns, divide
from tests.hospitals import house

SEED = {3: 3, 4: 1, 6: 2}
"""Divisions of the people over hospitals in which one hospital has a small cell."""


def terms(tables: Tables) -> Floats:
    """What many tables add to Mantel and Haenszel's sums."""
    return np.array([comparisons.stratum(np.array([[d, b], [c, a]], float)) for a, b, c, d in tables])


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


def parted(data: Mapping[str, np.ndarray], where: np.ndarray) -> list[Rows]:
    """Hospitals of people, by the number of each person's."""
    return [
        Rows(
            f"h{hospital}",
            STUDY.variables,
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
    found = consistent([rows.n for rows in there], tables.sum(axis=0), sums, terms)
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


def test_an_ordinary_study_passes_and_one_with_a_small_cell_stops(tmp_path: Path) -> None:
    data = women() | {"older": (columns("pima")["age"] >= 28).astype(float)}
    turn = np.empty(len(data["ill"]), np.int64)
    turn[np.lexsort((data["older"], data["ill"]))] = np.arange(len(turn)) % 4
    run = house(tmp_path / "even", TEXT, divide(data, turn)).run()
    assert run.stopped == {}
    assert run.results["a"].estimate("ill.breslow_day").value is not None
    ill_young = np.flatnonzero((data["ill"] == 1) & (data["older"] == 0) & (turn == 0))
    turn[ill_young[9:]] = 1
    run = house(tmp_path / "small", TEXT, divide(data, turn)).run()
    (finding,) = run.stopped["a"].findings
    assert finding.code == "answer_withheld"
    assert finding.values["found"] == "seoul"
