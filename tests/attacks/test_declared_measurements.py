"""Traits that a study declares as measurements are counted as what they are, by the values that are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gagyo.release.few_values import PLACES, Measured, both, combined, supported, supported_beside
from tests.attacks.test_hostile import among_few, described, told, whole, with_variables
from tests.hospitals import STUDY, Rows, breast, house

K = 10
PEOPLE = 569
Fill = Callable[[np.ndarray], np.ndarray]


def filled(**columns: Fill) -> dict[str, Rows]:
    """The hospitals with more columns, each made of the numbers 0, 1, 2, ... of all people in turn."""
    hospitals = breast()
    at = np.cumsum([len(one) for one in hospitals.values()])[:-1]
    for name, fill in columns.items():
        for one, part in zip(hospitals.values(), np.split(fill(np.arange(PEOPLE)).astype(float), at), strict=True):
            one.columns[name] = part
    return hospitals


def opened(tmp_path: Path, hospitals: dict[str, Rows], fit: str, **types: str) -> bool:
    """Whether a fit of these columns opens any sum that is made of values."""
    study = with_variables(STUDY, **types) + f"  fit: {fit}\n"
    run = house(tmp_path, study, hospitals).run()
    sums = [one for one in told(run, "fit") for name in one.values if name != "people"]
    return any(np.isfinite(one[name]).any() for one in sums for name in one.values if name != "people")


LINEAR = '{method: linear, cohort: all, formula: "radius ~ %s"}'
LOGISTIC = '{method: logistic, cohort: all, formula: "malignant ~ %s"}'
WIDE = "integer, range: [-5, 5]"


def every(step: int) -> Fill:
    return lambda person: person % step == 0


def together(few: int) -> Fill:
    """Those of every fourth person that do not have `every(3)`, but for the first few that do."""
    return lambda person: (person % 4 == 0) & ((person % 3 != 0) | (person < 12 * few))


PAIRS = [
    LINEAR % "a + b",
    LOGISTIC % "a + b + texture",
    LINEAR % "a + b + a:b",
    '{method: glm, cohort: all, family: binomial, link: probit, formula: "malignant ~ a + b + texture"}',
    '{method: mixed, cohort: all, formula: "radius ~ a + b + texture"}',
    '{method: gee, cohort: all, family: gaussian, formula: "radius ~ a + b + texture"}',
]


@pytest.mark.parametrize("formula", PAIRS)
@pytest.mark.parametrize("types", [(WIDE, WIDE), ("boolean", WIDE), (WIDE, "boolean")])
def test_people_with_two_traits_are_counted(tmp_path: Path, formula: str, types: tuple[str, str]) -> None:
    """The product of two 0/1 columns is the number of people with both, however they are declared."""
    declared = dict(zip("ab", types, strict=True))
    assert not opened(tmp_path / "few", filled(a=every(3), b=together(4)), formula, **declared)
    assert opened(tmp_path / "many", filled(a=every(3), b=every(2)), formula, **declared)


def test_the_sum_of_a_product_is_a_count(tmp_path: Path) -> None:
    """What the attack yields where the count is large: the number itself."""
    hospitals = filled(a=every(3), b=every(4))
    study = with_variables(STUDY, a=WIDE, b=WIDE) + f"  fit: {LINEAR % 'a:b'}\n"
    first = told(house(tmp_path, study, hospitals).run(), "fit")[0]
    assert first["sums"][1] == pytest.approx(np.sum(whole(hospitals, "a") * whole(hospitals, "b")), rel=1e-12)


@pytest.mark.parametrize("values", [(0, 1, 2), (1, 2, 10), (0, 5, 11), (0.5, 1.5, 7.25)])
@pytest.mark.parametrize("formula", [LINEAR % "v", LOGISTIC % "v + texture"])
def test_each_of_three_values_is_counted(tmp_path: Path, values: tuple[float, ...], formula: str) -> None:
    """How many people there are, the sum and the sum of squares give the people of each of three values."""
    number = "number, range: [-20, 20]"

    def of(few: int) -> Fill:
        third = np.vectorize(lambda person: values[2] if person % 8 == 0 and person < 8 * few else values[person % 2])
        return lambda person: third(person)

    assert not opened(tmp_path / "few", filled(v=of(5)), formula, v=number)
    assert opened(tmp_path / "many", filled(v=of(70)), formula, v=number)


def test_a_code_away_from_zero_is_counted_in_a_table(tmp_path: Path) -> None:
    """A disease coded 1 and 2 in a range from 0 to 9: the sum less the number of people is who has it."""
    hospitals = filled(code=lambda person: 1 + (person < 3))
    study = with_variables(STUDY, code="integer, range: [0, 9]") + described(variables="code")
    sums = told(house(tmp_path, study, hospitals).run(), "table")
    assert not sums or not among_few(sums[0]["code.sum"][0] - PEOPLE), "three people"


def test_values_that_share_a_place_are_counted_at_each_hospital(tmp_path: Path) -> None:
    """1 and 8 have one place among the counts over hospitals, where three people would hide behind the others."""
    fit = LINEAR % "v"
    number = "number, range: [0, 20]"
    assert not opened(tmp_path / "few", filled(v=lambda person: np.where(person < 3, 1 + PLACES, 1)), fit, v=number)
    assert opened(tmp_path / "many", filled(v=lambda person: np.where(person % 2, 1 + PLACES, 1)), fit, v=number)


def test_where_a_hospital_has_many_values_a_sum_is_no_count(tmp_path: Path) -> None:
    """One hospital has three people of a value, another has as many values as people: nothing follows from the sum."""
    fit = LINEAR % "v"
    few = filled(v=lambda person: person < 3)
    assert not opened(tmp_path / "few", few, fit, v="number, range: [0, 600]")
    last = list(few.values())[-1].columns["v"]
    last[:] = np.arange(len(last))
    assert opened(tmp_path / "many", few, fit, v="number, range: [0, 600]")


def test_doses_that_are_few_at_one_hospital_pass(tmp_path: Path) -> None:
    """An ordinary study: three doses as a number, one of them rare at one hospital and not over all."""
    hospitals = filled(dose=lambda person: np.array([50, 100, 200])[person % 3])
    first = next(iter(hospitals.values())).columns["dose"]
    first[np.flatnonzero(first == 200)[3:]] = 50
    for formula in (LINEAR % "dose", LOGISTIC % "dose + texture"):
        assert opened(tmp_path / formula[9:15], hospitals, formula, dose="number, range: [0, 400]")


def test_a_product_with_a_trait_that_is_rare_at_one_hospital_passes(tmp_path: Path) -> None:
    """A few people hold a few values of any measurement, which is no reason to call it a trait."""
    hospitals = filled(a=every(3))
    first = next(iter(hospitals.values())).columns["a"]
    first[np.flatnonzero(first)[3:]] = 0
    assert opened(tmp_path, hospitals, LINEAR % "a + texture + a:texture", a="boolean")


HALVES: dict[str, Fill] = {"a": lambda person: person % 2, "b": lambda person: person // 2 % 2}


def third(few: int) -> Fill:
    """Every second four people, but of those with both `HALVES` only the first few."""
    return lambda person: (person // 4 % 2) & ((person % 8 != 7) | (person < 8 * few))


def test_a_product_with_another_trait_is_counted(tmp_path: Path) -> None:
    """Every two of three traits have many people; the product of a column of two with the third has three."""
    fit, types = LINEAR % "a:d + b", {"a": "boolean", "b": "boolean", "d": WIDE}
    assert not opened(tmp_path / "few", filled(**HALVES, d=third(3)), fit, **types)
    assert opened(tmp_path / "many", filled(**HALVES, d=third(PEOPLE)), fit, **types)


def test_a_mixed_model_counts_them_at_each_hospital(tmp_path: Path) -> None:
    """Products within hospitals come apart into each one's counts: 47 people over all are not enough."""
    assert not opened(tmp_path, filled(a=every(3), b=every(4)), PAIRS[4], a=WIDE, b=WIDE)


def test_combinations_of_few_values_are_counted(tmp_path: Path) -> None:
    """Iterates of a fit without real measurements are equations in the people of each combination."""
    for kinds in (("boolean", "boolean", WIDE), (WIDE, "boolean", WIDE)):
        columns = dict(zip("abd", kinds, strict=True))
        rare = filled(**HALVES, d=third(3))
        pairs = [whole(rare, one) * whole(rare, other) for one, other in ("ab", "ad", "bd")]
        assert min(pair.sum() for pair in pairs) >= K, "every two are many"
        fit = LOGISTIC % "a + b + d"
        assert not opened(tmp_path / f"few {kinds[0]}", rare, fit, **columns)
        assert opened(tmp_path / f"many {kinds[0]}", filled(**HALVES, d=third(PEOPLE)), fit, **columns)


def test_a_measurement_decides_by_all_people_not_by_those_of_a_group() -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=200)
    column = Measured.of(x, (-9, 9))
    group = np.arange(200) < 3
    assert column.values is None
    assert (supported([column], group).people >= 3).all()


@pytest.mark.parametrize("seed", range(20))
def test_counts_are_the_tables_over_all_hospitals(seed: int) -> None:
    """However people are divided, the sums of the cells are the tables of all people together."""
    rng = np.random.default_rng(seed)
    n, ends = 300, (0.0, 40.0)
    values = rng.choice([0.0, 1.0, 2.0, 5.0, 11.0], 3, replace=False)
    x, traits = rng.choice(values, n), rng.random((n, 2)) < 0.4
    hospital = rng.integers(3, size=n)
    cells = [
        (
            supported([Measured.of(x[at], ends)]).people[3:],
            supported_beside(traits[at], [Measured.of(x[at], ends)]).people[8:].reshape(PLACES, 4),
            combined(traits[at], [Measured.of(x[at], ends)]).people,
        )
        for at in (hospital == one for one in range(3))
    ]
    single, beside, patterns = (np.sum(part, axis=0) for part in zip(*cells, strict=True))
    for value in values:
        here = x == value
        place = int(value) % PLACES
        assert single[place] == here.sum()
        assert beside[place].tolist() == [*(traits[here].sum(axis=0)), *((~traits[here]).sum(axis=0))]
    assert sorted(patterns[patterns > 0]) == sorted(
        np.unique(np.column_stack([traits, x]), axis=0, return_counts=True)[1]
    )


def test_of_many_columns_pairs_are_counted_here() -> None:
    a, b = np.repeat([0.0, 1.0], 20), np.tile([0.0, 0.0, 0.0, 1.0], 10)
    b[:20] = 0
    b[20:22] = 1
    two = [Measured.of(one, (0, 9)) for one in (a, b)]
    counts = sorted(((a == u) & (b == v)).sum() for u in (0, 1) for v in (0, 1))
    pooled = both(two)
    assert not pooled.own.size
    assert sorted(pooled.people[2:])[-3:] == counts[-3:]
    rng = np.random.default_rng(1)
    many = [Measured.of(rng.normal(size=40), (-9, 9)) for _ in range(12)]
    assert sorted(both([*two, *many]).own) == [one for one in counts if one]


# A measurement of many values that nearly all have none of, beside a trait or beside another such measurement.


def costs(few: int) -> dict[str, Rows]:
    """Every second person has a cost; of the fifty of a rare trait only some, and only some have a dose as well."""
    rng = np.random.default_rng(5)
    cost = np.where(rng.random(PEOPLE) < 0.5, rng.gamma(4, 1, PEOPLE) + 0.1, 0.0)
    rare = np.arange(PEOPLE) % 11 == 0
    cost[np.flatnonzero(rare)] = 0.0
    cost[np.flatnonzero(rare)[:few]] = rng.gamma(4, 1, few) + 0.1
    dose = np.where(cost == 0, rng.gamma(4, 1, PEOPLE) + 0.1, 0.0)
    dose[np.flatnonzero(cost > 0)[:few]] = 7.5
    ceiling = np.where(rare, 30.0, rng.uniform(0, 29, PEOPLE))
    ceiling[np.flatnonzero(rare)[:few]] = 11.25
    made = {"cost": cost, "rare": rare, "dose": dose, "ceiling": ceiling}
    return filled(**{name: lambda person, x=x: x[person] for name, x in made.items()})


MEASURED = {"cost": "number, range: [0, 30]", "dose": "number, range: [0, 30]", "ceiling": "number, range: [0, 30]"}
COSTS = {
    "covariate": LINEAR % "cost + rare",
    "outcome": '{method: linear, cohort: all, formula: "cost ~ texture + rare"}',
    "ceiling": LINEAR % "ceiling + rare",
    "two": LINEAR % "cost + dose",
    "outcome and covariate": '{method: linear, cohort: all, formula: "cost ~ dose"}',
    "logistic": LOGISTIC % "cost + rare",
    "penalised": '{method: penalised, cohort: all, formula: "radius ~ cost + rare", family: gaussian, folds: 0, '
    "penalty: 0.1}",
}


@pytest.mark.parametrize("few", [1, 3, 25])
@pytest.mark.parametrize("fit", COSTS)
def test_what_only_a_few_of_a_trait_have_is_not_a_sum_over_all_of_them(tmp_path: Path, few: int, fit: str) -> None:
    """Attack: a product of a trait's column and a cost that one of fifty has is this person's cost."""
    assert opened(tmp_path, costs(few), COSTS[fit], **MEASURED, rare="boolean") is (few >= K)


def test_without_the_rule_the_product_is_one_persons_cost() -> None:
    columns = [np.concatenate([one.columns[name] for one in costs(1).values()]) for name in ("cost", "rare")]
    cost, rare = columns
    mean = [one.mean() for one in columns]
    product = float((cost - mean[0]) @ (rare - mean[1])) + PEOPLE * mean[0] * mean[1]
    assert product == pytest.approx(cost[rare == 1].max())
    assert (cost > 0).sum() > 200


@pytest.mark.parametrize("few", [0, 5, 3000])
def test_who_has_some_of_two_measurements_is_counted_among_very_many_people(few: int) -> None:
    """Also where none of the first thousands has: these settle it only where they are many."""
    one, two = np.zeros(20_000), np.zeros(20_000)
    one[6_000:12_000], two[12_000 - few : 18_000] = np.linspace(1, 9, 6_000), np.linspace(1, 9, 6_000 + few)
    found = both([Measured.of(x, (0.0, 10.0)) for x in (one, two)])
    assert found.people[0] == few, "away from zero in both"
    assert found.people[1] > 1_000, "away from the greatest value"
    everyone = both([Measured.of(x + 1, (0.0, 10.0)) for x in (one, two)])
    assert everyone.people[0] > 1_000


@pytest.mark.parametrize("few", [0, 5, 3000])
def test_who_has_some_beside_a_trait_is_counted_among_very_many_people(few: int) -> None:
    """As above; the trait is one that nobody of the first thousands has, and beside it the measurement is rare."""
    cost, trait = np.linspace(0, 9, 20_000), np.zeros((20_000, 1), bool)
    trait[6_000:12_000] = True
    cost[6_000 : 12_000 - few] = 0.0
    found = supported_beside(trait, [Measured.of(cost, (0.0, 10.0))]).people[:4]
    assert found[0] == few, "with the trait, away from zero"
    assert found[2] == 6_000, "with the trait, away from the greatest value"
    assert min(found[1], found[3]) > 1_000, "without it"
