"""Attacks on repeated measurements: who missed visits that others came to; and ordinary studies that pass."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.federation.rows import Rows as Inside
from gagyo.protocol.study import Study
from tests.attacks.test_imputation import asked_and_opened
from tests.contract.data import HEAD, boolean, category, divide, number
from tests.hospitals import Rows, house

Columns = dict[str, np.ndarray]
VISITS = ("score_0", "score_6", "score_12")
VARIABLES = "\n".join([number("age", 18, 110), number("extra", -50, 50), *(number(one, 0, 200) for one in VISITS)])
VARIABLES += "\n" + boolean("trained")
MEASURED = (
    "measured: {name: score, label: {en: Score, ko: 점수, zh: 评分},"
    " visits: {score_0: 0, score_6: 6, score_12: 12}}, time_unit: mo"
)


def analysis(
    formula: str = "age + trained * visit", more: str = "hospital: none", name: str = "a", of: str = "all"
) -> str:
    return f'  {name}: {{method: repeated, cohort: {of}, formula: "score ~ {formula}", {MEASURED}, {more}}}\n'


def text(analyses: str, cohorts: str = "") -> str:
    return (HEAD % (10, VARIABLES, analyses)).replace("  all: {}\n", "  all: {}\n" + cohorts)


def drawn(size: int = 600, seed: int = 1, lost: float = 0.15) -> Columns:
    """People at three visits, of whom a share is lost after the first, and as great a share of the others later."""
    random = np.random.default_rng(seed)
    age, trained = np.clip(random.normal(60, 12, size), 20, 100).round(), (random.random(size) < 0.5).astype(float)
    own = 80 + 0.2 * age + random.normal(0, 8, size)
    data = {"age": age, "trained": trained, "extra": random.normal(0, 5, size)}
    for at, name in enumerate(VISITS):
        data[name] = np.clip(own + at * (1 + trained) + random.normal(0, 5, size), 1, 199)
    turn = random.permutation(size)
    early, late = int(size * lost), int(size * lost * (2 - lost))
    first, second = turn[:early], turn[early:late]
    data["score_6"][first] = np.nan
    data["score_12"][np.concatenate([first, second])] = np.nan
    return data


def people(data: Columns) -> dict[str, Rows]:
    return divide(data, np.arange(len(data["age"])) % 4)


def stopped(folder: Path, study: str, there: Mapping[str, Rows], name: str = "a") -> list[str]:
    """Why an analysis stopped; empty where it came to its end."""
    going = house(folder, study, there).run()
    return [found.code for found in going.stopped[name].findings] if name in going.stopped else []


WITHHELD = ["repeated_withheld"]


def opened(study: str, there: Mapping[str, Rows]) -> list[tuple[Any, Any]]:
    """Every question of the analysis with its answer, no gate between."""
    parsed = Study.parse(study)
    inside = {name: Inside(name, parsed.variables, rows.columns, rows.persons, "k") for name, rows in there.items()}
    return asked_and_opened(parsed, inside)


# Ordinary studies.


@pytest.mark.parametrize("seed", range(4))
def test_ordinary_studies_pass(tmp_path: Path, seed: int) -> None:
    """Four hospitals of 150 people, of whom 15 % are lost after each visit."""
    there = people(drawn(seed=seed))
    for number_, one in enumerate([analysis(), analysis("age + trained * time", "hospital: none, covariance: slope")]):
        assert stopped(tmp_path / str(number_), text(one), there) == []


@pytest.mark.parametrize("seed", range(4))
def test_ordinary_studies_of_hospitals_pass(tmp_path: Path, seed: int) -> None:
    """With an effect of each hospital its own people count: ten or more of each pattern there."""
    there = people(drawn(seed=seed))
    assert stopped(tmp_path / "age", text(analysis("age + visit", "hospital: fixed")), there) == []
    larger = people(drawn(1200, seed=seed))
    assert stopped(tmp_path / "trained", text(analysis(more="hospital: fixed")), larger) == []


def test_people_who_missed_visits_may_be_left_out(tmp_path: Path) -> None:
    data = drawn()
    data["score_6"][np.flatnonzero(~np.isnan(data["score_12"]))[0]] = np.nan
    there = people(data)
    for hospital in ("none", "fixed"):
        one = analysis(more=f"hospital: {hospital}, incomplete: leave_out")
        assert stopped(tmp_path / hospital, text(one), there) == []


# A pattern of a few people.


def test_the_values_of_one_with_a_pattern_of_his_own_stay(tmp_path: Path) -> None:
    """Without the gate all that was measured of one person comes out to the last digit."""
    data = drawn()
    one = int(np.flatnonzero(~np.isnan(data["score_12"]))[7])
    data["score_6"][one] = np.nan
    there = people(data)
    products = opened(text(analysis()), there)[-1]
    # Patterns: all three visits, then each two of them; of 1, age, trained and the outcomes.
    centre, alone = products[0].arguments["centre"], products[1]["products"][21 + 15 : 21 + 15 + 15]
    found = [centre[1] + alone[1], centre[3] + alone[3], centre[3] + alone[4]]
    np.testing.assert_allclose(found, [data["age"][one], data["score_0"][one], data["score_12"][one]], rtol=1e-9)
    assert stopped(tmp_path, text(analysis()), there) == WITHHELD


@pytest.mark.parametrize("few", [4, 40])
def test_few_who_were_never_measured_are_what_all_less_the_others_leaves(tmp_path: Path, few: int) -> None:
    data = drawn()
    for name in VISITS:
        data[name][:few] = np.nan
    assert stopped(tmp_path, text(analysis()), people(data)) == (WITHHELD if few < 10 else [])


@pytest.mark.parametrize("few", [3, 30])
def test_a_trait_of_few_of_a_pattern_stays(tmp_path: Path, few: int) -> None:
    data = drawn(lost=0.0)
    kinds = [np.flatnonzero(data["trained"] == side) for side in (0, 1)]
    data["score_12"][np.concatenate([kinds[0][:60], kinds[1][:few]])] = np.nan
    assert stopped(tmp_path, text(analysis()), people(data)) == (WITHHELD if few < 10 else [])


@pytest.mark.parametrize("few", [3, 120])
def test_a_value_that_few_of_a_pattern_hold_stays(tmp_path: Path, few: int) -> None:
    """A scale of three values: how many hold each follows from their number, sum and sum of squares."""
    data = drawn(lost=0.0)
    for seed, name in enumerate(VISITS):
        data[name] = np.random.default_rng(seed).integers(1, 4, 600).astype(float)
    first = [np.flatnonzero(data["score_6"] == value) for value in (1, 2, 3)]
    data["score_12"][np.concatenate([first[0][:120], first[1][:120], first[2][:few]])] = np.nan
    one = analysis("age + visit", "hospital: none, covariance: intercept")
    assert stopped(tmp_path, text(one), people(data)) == (WITHHELD if few < 10 else [])


@pytest.mark.parametrize("far", [False, True])
def test_one_person_away_from_all_others_of_a_pattern_stays(tmp_path: Path, far: bool) -> None:
    """The pattern's sum of squares about the mean is nearly that person's, though many others of the hospital vary."""
    data = drawn(lost=0.0)
    random = np.random.default_rng(6)
    part = np.arange(80)
    for name in VISITS[:2]:
        data[name][part] = 93 + random.normal(0, 0.5, 80)
    data["score_12"][part] = np.nan
    data["score_6"][0] = 150 if far else 93
    assert stopped(tmp_path, text(analysis("age + visit")), people(data)) == (WITHHELD if far else [])


@pytest.mark.parametrize("few", [3, 40])
def test_few_of_a_pattern_between_knots_of_a_spline_stay(tmp_path: Path, few: int) -> None:
    """Beyond its last knot a spline is a line: who lies there is told from who lies before by its sums."""
    data = drawn(lost=0.0)
    lost, beyond = np.arange(160), np.arange(few)
    data["age"][lost] = 30 + lost % 40
    data["age"][beyond] = 72 + beyond % 9
    data["score_12"][lost] = np.nan
    one = analysis("rcs(age, 40, 55, 70) + visit")
    assert stopped(tmp_path, text(one), people(data)) == (WITHHELD if few < 10 else [])


# A hospital's own sums.


@pytest.mark.parametrize("few", [6, 24])
def test_few_of_a_hospital_who_were_lost_stay_where_hospitals_have_effects(tmp_path: Path, few: int) -> None:
    data = drawn(lost=0.0)
    at = np.arange(600) % 4
    gone = np.concatenate([np.flatnonzero(at == place)[: (few if place == 0 else 24)] for place in range(4)])
    data["score_12"][gone] = np.nan
    # Of so few nobody stands out by chance, or the sum over hospitals would be withheld too.
    data["age"][gone] = np.where(np.arange(len(gone)) % 2, 50, 70)
    for name in VISITS[:2]:
        data[name][gone] = np.where(np.arange(len(gone)) % 2, 90, 105) + np.arange(len(gone)) % 5
    there = people(data)
    assert stopped(tmp_path / "fixed", text(analysis("age + visit", "hospital: fixed")), there) == (
        WITHHELD if few < 10 else []
    )
    assert stopped(tmp_path / "none", text(analysis("age + visit")), there) == []


def test_a_trait_that_few_of_a_hospital_have_stays(tmp_path: Path) -> None:
    data = drawn(lost=0.0)
    there = np.flatnonzero(np.arange(600) % 4 == 2)
    data["trained"][there] = 0.0
    data["trained"][there[:4]] = 1.0
    fixed = analysis(more="hospital: fixed")
    assert stopped(tmp_path / "few", text(fixed), people(data)) == WITHHELD
    data["trained"][there[:40]] = 1.0
    assert stopped(tmp_path / "enough", text(fixed), people(data)) == []


@pytest.mark.parametrize("few", [4, 20])
def test_a_trait_that_few_of_those_lost_at_a_hospital_have_stays(tmp_path: Path, few: int) -> None:
    """Many of the hospital have it, and many of those lost at all hospitals."""
    data = drawn(1200, lost=0.0)
    gone = []
    for place in range(4):
        there = np.flatnonzero(np.arange(1200) % 4 == place)
        kinds = [there[data["trained"][there] == side] for side in (0, 1)]
        gone += [kinds[0][:40], kinds[1][: few if place == 1 else 40]]
    data["score_12"][np.concatenate(gone)] = np.nan
    found = stopped(tmp_path, text(analysis(more="hospital: fixed")), people(data))
    assert found == (WITHHELD if few < 10 else [])


def test_without_effects_of_hospitals_nothing_of_one_is_asked() -> None:
    def asked(hospital: str) -> list[bool]:
        return [one.each for one, _ in opened(text(analysis(more=f"hospital: {hospital}")), people(drawn()))]

    assert asked("none") == [False, False]
    assert asked("fixed") == [False, True, False]


# Together with other answers.


OTHER = '  b: {method: linear, cohort: last, formula: "score_12 ~ age + extra"}\n'


@pytest.mark.parametrize("few", [3, 60])
@pytest.mark.parametrize("first", [True, False])
def test_a_pattern_less_a_few_of_it_is_a_difference_of_sums(tmp_path: Path, few: int, first: bool) -> None:
    """A regression of the last visit is over all who came to it, but for a few at a hospital who lack another value."""
    data = drawn()
    came = np.flatnonzero(~np.isnan(data["score_12"]))
    data["extra"][came[came % 4 == 1][:few]] = np.nan
    both = [analysis("age + visit"), OTHER]
    there = people(data)
    assert stopped(tmp_path / "alone", text(OTHER, "  last: {}\n"), there, "b") == []
    study = text("".join(both if first else both[::-1]), "  last: {}\n")
    going = house(tmp_path, study, there).run()
    assert set(going.results) == ({"a", "b"} if few > 10 else {"b"}), "the cohorts are counted before any analysis"


def test_the_hospital_remembers_the_patterns_for_later_studies(tmp_path: Path) -> None:
    data = drawn()
    came = np.flatnonzero(~np.isnan(data["score_12"]))
    there = people(data)
    first = house(tmp_path, text(analysis("age + visit")), there)
    assert first.run().stopped == {}
    for site in first.sites.values():
        site.close()
    data["extra"][came[came % 4 == 1][:3]] = np.nan
    later = text(OTHER, "  last: {}\n").replace("study: contract", "study: later")
    (tmp_path / "journal.jsonl").unlink()
    assert house(tmp_path, later, people(data)).run().results == {}


def visits(*months: int) -> str:
    chosen = ", ".join(f"score_{month}: {month}" for month in months)
    return MEASURED.replace("score_0: 0, score_6: 6, score_12: 12", chosen)


@pytest.mark.parametrize("few", [3, 60])
def test_two_analyses_of_other_visits_are_a_difference_of_sums(tmp_path: Path, few: int) -> None:
    """All who came at twelve months came at six: who came at six alone is one pattern less the other."""
    data = drawn(lost=0.0)
    data["score_6"][:100] = np.nan
    data["score_12"][: 100 + few] = np.nan
    one, other = (analysis("age + visit", name=name) for name in "ab")
    study = text(one.replace(MEASURED, visits(0, 6)) + other.replace(MEASURED, visits(0, 12)))
    going = house(tmp_path, study, people(data)).run()
    assert set(going.results) == ({"a"} if few < 10 else {"a", "b"})


@pytest.mark.parametrize("few", [6, 24])
def test_few_of_a_hospital_at_the_first_level_stay_where_hospitals_have_effects(tmp_path: Path, few: int) -> None:
    """They are the hospital's people less those of the other levels; over all hospitals there are many."""
    data = drawn(lost=0.0)
    data["stage"] = np.arange(600) // 4 % 3 * 1.0
    there = np.flatnonzero((np.arange(600) % 4 == 0) & (data["stage"] == 0))
    data["stage"][there[few:]] = 1.0
    declared = VARIABLES + "\n" + category("stage", ("i", "ii", "iii"))
    for hospital, found in {"fixed": WITHHELD if few < 10 else [], "none": []}.items():
        line = analysis("age + stage + visit", f"hospital: {hospital}")
        assert stopped(tmp_path / hospital, HEAD % (10, declared, line), people(data)) == found
