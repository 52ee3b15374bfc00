"""Attacks by the preflight: that a cohort is withheld, as it differs from another by one person, says who that is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gagyo.errors import Refused
from tests.attacks.test_feasibility import PEOPLE, count, hospital
from tests.attacks.test_reviews import TERMS, again, goes_through
from tests.contract.data import HEAD, boolean, divide, number
from tests.hospitals import House, house

SIZE = 400
VARIABLES = "\n".join([number("age", 0, 120), number("stay", 0, 400), boolean("ill"), number("x", 0, 100)])


def drawn() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    data = {"age": random.integers(20, 80, SIZE).astype(float), "stay": np.round(random.exponential(20, SIZE))}
    return data | {"ill": (random.random(SIZE) < 0.3).astype(float), "x": random.normal(50, 10, SIZE)}


def known(number_of: int) -> list[int]:
    """People of Seoul whom their age and their stay single out, which somebody may know of them."""
    data = drawn()
    both = data["age"] * 1000 + data["stay"]
    return [at for at in range(0, SIZE, 4) if np.count_nonzero(both == both[at]) == 1][:number_of]


def study(people: list[int]) -> str:
    """Everyone, and everyone but each person if that person is ill: as one writes an exclusion."""
    data = drawn()
    spoken = [f"not (age = {data['age'][at]:.0f} and stay = {data['stay'][at]:.0f} and ill)" for at in people]
    where = "".join(f"  c{at}: {{where: '{one}'}}\n" for at, one in enumerate(spoken))
    lines = "".join(f"  a{at}: {{method: describe, cohort: c{at}, variables: [x]}}\n" for at in range(len(people)))
    text = HEAD % (10, VARIABLES, "  first: {method: describe, cohort: all, variables: [x]}\n" + lines)
    return text.replace("  all: {}\n", "  all: {}\n" + where)


def asked(folder: Path, text: str) -> House:
    return house(folder, text, divide(drawn(), np.arange(SIZE) % 4))


def ill(number_of: int) -> list[int]:
    """Some people, all of whom are ill."""
    return [at for at in known(SIZE) if drawn()["ill"][at] == 1][:number_of]


def withheld(one: House) -> list[bool]:
    """Which cohorts but the first Seoul says to withhold."""
    told = next(answer for answer in one.run().answers if answer.site == "seoul" and "cohorts" in answer.payload)
    return [state == "withheld" for name, state in told.payload["cohorts"].items() if name != "all"]


def test_without_the_rule_each_cohort_says_whether_a_person_is_ill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gagyo.site.referrals.Referrals.check_cohorts", lambda *_: None)
    people = known(25)
    assert withheld(asked(tmp_path, study(people))) == [bool(drawn()["ill"][at]) for at in people]


def test_more_than_three_cohorts_that_differ_by_a_few_go_to_people_before_any_is_told(tmp_path: Path) -> None:
    one = asked(tmp_path, study(ill(4)))
    seoul = one.sites["seoul"]
    seoul.reviews._terms = TERMS
    with pytest.raises(Refused, match="referred"):
        one.run()
    assert not any(entry.record["outcome"] == "released" for entry in seoul.ledger.entries)
    assert seoul._store.cohorts() == {}, "what was not told does not count against others"
    goes_through(seoul)
    assert "a0" in again(one).stopped, "people let it be told; the gate is as strict as before"


def test_three_pass(tmp_path: Path) -> None:
    assert withheld(asked(tmp_path, study(ill(3)))) == [True] * 3


def test_cohorts_of_few_people_are_no_such_cohorts(tmp_path: Path) -> None:
    """That a subgroup is small at a hospital is ordinary."""
    small = "".join(f"  c{at}: {{where: 'age = {at + 30}'}}\n" for at in range(6))
    lines = "".join(f"  a{at}: {{method: describe, cohort: c{at}, variables: [x]}}\n" for at in range(6))
    text = (HEAD % (10, VARIABLES, lines)).replace("  all: {}\n", small)
    assert withheld(asked(tmp_path, text)) == [True] * 6


@pytest.mark.parametrize(("differing", "told"), [(3, True), (4, False)])
def test_a_count_that_nobody_approves_is_withheld_as_a_whole(tmp_path: Path, differing: int, told: bool) -> None:
    """Nobody would see a referral in time; of a later count it counts as never asked."""
    site = hospital(tmp_path)
    nearly = [f"where: texture > {at}" for at in (0.1, 0.3, 0.6, 0.8)[:differing]]
    found = count(tmp_path, site, "", *nearly)
    assert found == dict.fromkeys(found) | ({"a": [PEOPLE, 0, 0]} if told else {})
    later = count(tmp_path, site, "where: texture > 0.1")["a"]
    assert (later is None) if told else (later is not None and later[0] == PEOPLE - 1)
