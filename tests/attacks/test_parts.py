"""Attacks by sums of a part of the people, one of whom makes up most: of a trait, of a fold, who lack a value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gagyo.coordinator.run import Run
from gagyo.federation.rows import Rows
from gagyo.methods._logistic_sums import sample_of
from gagyo.protocol.study import Study
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import house

SIZE = 10_000
EXTREME = 100.0
DECLARED = [number("x", -500, 500), number("y", -50, 50), number("z", -50, 50), boolean("t"), boolean("d")]
Columns = dict[str, np.ndarray]


def drawn(some: int, size: int = SIZE, extreme: float = EXTREME) -> Columns:
    """Some people have a trait; the first of them has an extreme value, as nobody else has."""
    random = np.random.default_rng(7)
    t = (np.arange(size) < some).astype(float)
    x = random.normal(10, 1, size)
    x[0] = extreme
    z = random.normal(size=size)
    d = (random.random(size) < 1 / (1 + np.exp(-2 * z))).astype(float)
    d[:some] = np.arange(some) // 4 % 2
    return {"x": x, "y": random.normal(size=size), "z": z, "t": t, "d": d}


def codes(folder: Path, data: Columns, *analyses: str) -> list[str]:
    """Why analyses are stopped."""
    going = ran(folder, data, *analyses)
    return sorted({found.code for why in going.stopped.values() for found in why.findings})


def ran(folder: Path, data: Columns, *analyses: str) -> Run:
    """Analyses of everybody, or of most, at four hospitals."""
    cohorts = ["most" if "cohort: most" in one else "all" for one in analyses]
    written = [one.removesuffix(", cohort: most") for one in analyses]
    lines = "".join(f"  a{at}: {{cohort: {cohorts[at]}, {one}}}\n" for at, one in enumerate(written))
    text = (HEAD % (10, "\n".join(DECLARED), lines)).replace("  all: {}\n", "  all: {}\n  most: {where: 'z < 35'}\n")
    return house(folder, text, divide(data, np.arange(len(data["x"])) % 4)).run()


def test_without_the_rule_a_product_tells_what_one_person_with_a_trait_has() -> None:
    """Attack: of twelve with a trait eleven are as everybody is, so that the rest of the sum is the twelfth's."""
    data = drawn(12)
    of_trait = data["x"] @ data["t"]  # a product of columns, which every fit opens
    assert of_trait - 11 * data["x"].mean() == pytest.approx(EXTREME, rel=0.05)


FITS = {
    "linear": "method: linear, formula: 'y ~ x + t'",
    "outcome": "method: linear, formula: 'x ~ y + t'",
    "probit": "method: glm, family: binomial, link: probit, formula: 'd ~ x + t'",
    "path": "method: penalised, family: binomial, folds: 0, penalty: 0.1, formula: 'd ~ x + t'",
}


@pytest.mark.parametrize("some", [24, 400])
@pytest.mark.parametrize("name", FITS)
def test_nobody_makes_up_most_of_what_people_with_a_trait_have(tmp_path: Path, name: str, some: int) -> None:
    withheld = codes(tmp_path, drawn(some), FITS[name])
    assert withheld == (["answer_withheld"] if some == 24 else [])


def test_nobody_makes_up_most_of_what_people_with_the_outcome_have(tmp_path: Path) -> None:
    assert codes(tmp_path, drawn(24), "method: logistic, formula: 't ~ x'") == ["answer_withheld"]


def test_an_extreme_value_without_the_trait_passes(tmp_path: Path) -> None:
    data = drawn(24)
    data["x"][[0, 5000]] = data["x"][[5000, 0]]
    assert codes(tmp_path, data, *FITS.values()) == []


def test_a_first_round_is_over_all_rows_where_a_part_of_a_sample_would_be_one_persons() -> None:
    """Of a tenth of the rows few have the trait, and somebody far from them; of all rows many do."""
    data = drawn(0, 80_000)
    data["t"] = (np.arange(80_000) % 200 == 0).astype(float)
    data["d"] = (np.arange(80_000) // 200 % 2).astype(float)
    study = Study.parse(HEAD % (10, "\n".join(DECLARED), f"  a0: {{cohort: all, {FITS['linear']}}}\n"))
    parts = []
    for far in (11.0, 200.0):
        data["x"][0] = far
        rows = Rows("s", study.variables, data, [b"%d" % at for at in range(80_000)])
        parts.append(sample_of(rows, rows.formula("d ~ x + t"), 8).part)
    assert parts[1] < parts[0]


@pytest.mark.parametrize(("folds", "withheld"), [(20, True), (4, False)])
def test_nobody_makes_up_most_of_what_a_fold_has(tmp_path: Path, folds: int, withheld: bool) -> None:
    """All people's sums less those of the training people are a fold's; so are sums of squares."""
    data = drawn(0, 480, 11.0) | {"t": np.arange(480) % 2.0}
    data["x"][1:] -= 10
    going = ran(
        tmp_path, data, "method: logistic, formula: 'd ~ x + z'", f"method: validate, model: a0, folds: {folds}"
    )
    assert going.stopped == {}
    notes = [note.to("en") for note in going.results["a1"].table("performance").notes]
    assert any(note.startswith("Cross-validation: withheld.") for note in notes) == withheld
    fold_models = [one.cursor.round for one in going._history if one.cursor.analysis == "a1" and one.refused]
    assert bool(fold_models) == withheld


IMPUTED = "method: imputation, formula: 'y ~ x + z', model: linear, impute: [z], times: 5, sweeps: 2, hospitals: pooled"


@pytest.mark.parametrize("extreme", [EXTREME, 13.0])
def test_nobody_makes_up_most_of_what_those_have_who_lack_a_value(tmp_path: Path, extreme: float) -> None:
    data = drawn(24, extreme=extreme)
    data["z"][:48] = np.nan
    assert codes(tmp_path, data, IMPUTED) == ([] if extreme < EXTREME else ["answer_withheld", "impute_lacking"])


@pytest.mark.parametrize("extreme", [EXTREME, 13.0])
@pytest.mark.parametrize("fit", ["method: linear, formula: 'y ~ x'", "method: linear, formula: 'y ~ x + d'"])
def test_nobody_makes_up_most_of_what_is_left_between_two_cohorts(tmp_path: Path, fit: str, extreme: float) -> None:
    """Everybody's sums less those of most are those of the others, twelve or so at each hospital."""
    data = drawn(48, extreme=extreme)
    data["z"][:48], data["z"][48:] = 40, np.minimum(data["z"][48:], 30)
    assert codes(tmp_path, data, fit, f"{fit}, cohort: most") == ([] if extreme < EXTREME else ["answer_withheld"])
