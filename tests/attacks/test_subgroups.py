"""Attacks by subgroups of a validation that are cut at values, a person away from whatever else the plan tells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from gagyo.coordinator.run import Run
from gagyo.result import Interval
from tests.contract.data import HEAD, boolean, category, divide, number
from tests.hospitals import house

SIZE = 800
VARIABLES = "\n".join([number("age", 0, 120), number("b", 0, 100), boolean("y"), category("band", ("young", "old"))])
FIRST, PERSON = 63.9, 63.95
MODEL = "method: logistic, cohort: all, formula: 'y ~ age + b'"
VALIDATED = "method: validate, model: m, cohort: all, folds: 0, subgroups: [{variable: age, cuts: [%s]}]"


def drawn(between: int = 1) -> dict[str, np.ndarray]:
    """As many people as asked for are between 63.9 and 64, all with the outcome; nobody else is."""
    random = np.random.default_rng(2)
    age = random.normal(60, 12, SIZE).clip(18, 99).round(1)
    age[(age >= FIRST) & (age < 64)] += 1
    age[:between] = PERSON
    y = (random.random(SIZE) < special.expit((age - 60) / 15)).astype(float)
    y[:between] = 1
    return {"age": age, "b": random.normal(25, 4, SIZE), "y": y, "band": (age >= 64).astype(float)}


def ran(folder: Path, analyses: Mapping[str, str], between: int = 1, cohorts: Mapping[str, str] | None = None) -> Run:
    lines = "".join(f"  {name}: {{{one}}}\n" for name, one in analyses.items())
    where = "".join(f"  {name}: {{where: '{one}'}}\n" for name, one in (cohorts or {}).items())
    text = (HEAD % (10, VARIABLES, lines)).replace("  all: {}\n", "  all: {}\n" + where)
    return house(folder, text, divide(drawn(between), np.arange(SIZE) % 4)).run()


def under(run: Run, name: str) -> tuple[float, ...] | None:
    """People, cases and expected cases of a validation's first subgroup; None where they are withheld."""
    _, people, cases, _, ratio = run.results[name].table("subgroups").rows[0]
    return (people, cases, cases / ratio.value) if isinstance(ratio, Interval) else None


TWICE = {"m": MODEL, "v": VALIDATED % FIRST, "w": VALIDATED % 64}


def test_without_the_rule_two_validations_tell_a_persons_outcome_and_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gagyo.site.compared.subgroups_between", lambda *_: {})
    run, data = ran(tmp_path, TWICE), drawn()
    people, cases, expected = np.subtract(under(run, "w"), under(run, "v"))
    beta = [one.value for one in run.results["m"].estimates[:3]]
    assert (people, cases) == (1, data["y"][0])
    told = (special.logit(expected) - beta[0] - beta[1] * PERSON) / beta[2]
    assert told == pytest.approx(data["b"][0], rel=1e-6)


@pytest.mark.parametrize("between", [1, 9, 10])
def test_subgroups_of_two_validations_leave_nobody_or_enough(tmp_path: Path, between: int) -> None:
    run = ran(tmp_path, TWICE, between)
    assert run.stopped == {}, "the rest of the validation is told"
    assert under(run, "v") is not None
    assert (under(run, "w") is None) == (between < 10)


COHORT = {"young": "age < 64"}
TOLD = {
    "a cohort": "method: describe, cohort: young, variables: [b]",
    "a level": "method: linear, cohort: all, formula: 'b ~ band'",
    "a table": "method: describe, cohort: all, variables: [b], by: band",
}


@pytest.mark.parametrize("between", [1, 10])
@pytest.mark.parametrize("name", TOLD)
def test_what_is_told_after_subgroups_leaves_nobody_or_enough(tmp_path: Path, name: str, between: int) -> None:
    run = ran(tmp_path, {"m": MODEL, "v": VALIDATED % FIRST, "then": TOLD[name]}, between, COHORT)
    assert under(run, "v") is not None
    assert list(run.stopped) == (["then"] if between < 10 else [])


@pytest.mark.parametrize("between", [1, 10])
@pytest.mark.parametrize("name", TOLD)
def test_subgroups_after_what_was_told_leave_nobody_or_enough(tmp_path: Path, name: str, between: int) -> None:
    run = ran(tmp_path, {"then": TOLD[name], "m": MODEL, "v": VALIDATED % FIRST}, between, COHORT)
    assert run.stopped == {}
    assert (under(run, "v") is None) == (between < 10)


def test_a_few_without_the_outcome_between_subgroups_stay(tmp_path: Path) -> None:
    """Twelve people between are enough; that all but one of them are cases tells the one."""
    data = drawn(12)
    data["y"][0] = 0
    text = HEAD % (10, VARIABLES, "".join(f"  {name}: {{{one}}}\n" for name, one in TWICE.items()))
    assert under(house(tmp_path, text, divide(data, np.arange(SIZE) % 4)).run(), "w") is None


@pytest.mark.parametrize("cases", [0, 8, 12])
@pytest.mark.parametrize("groups", ["{variable: age, cuts: [50, 72]}", "band"])
def test_a_subgroup_with_few_cases_stays_and_the_others_from_which_it_follows(
    tmp_path: Path, groups: str, cases: int
) -> None:
    """Among the sums that are opened is how many cases each group has, also where no accuracy is told of so few."""
    data = drawn(0)
    old = np.flatnonzero(data["age"] >= 72)
    data["y"][old] = 0
    data["y"][[at for at in old if at % 4 < 2][:cases]] = 1
    data["band"] = (data["age"] >= 72).astype(float)
    validated = f"method: validate, model: m, cohort: all, folds: 0, subgroups: [{groups}]"
    lines = "".join(f"  {name}: {{{one}}}\n" for name, one in {"m": MODEL, "v": validated}.items())
    run = house(tmp_path, HEAD % (10, VARIABLES, lines), divide(data, np.arange(SIZE) % 4)).run()
    assert (under(run, "v") is None) == (0 < cases < 10)


def test_ordinary_age_groups_beside_cohorts_of_ages_pass(tmp_path: Path) -> None:
    groups = VALIDATED % "50, 64"
    analyses = {"m": MODEL, "v": groups, "w": groups, "old": "method: describe, cohort: old, variables: [b], by: y"}
    analyses |= {"n": MODEL.replace("all", "old"), "x": (VALIDATED % "72").replace("all", "old").replace("m,", "n,")}
    run = ran(tmp_path, analyses, 0, {"old": "age >= 64"})
    assert run.stopped == {}
    assert all(under(run, name) is not None for name in "vwx")
