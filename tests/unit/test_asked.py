"""Questions are found again as they were asked, and only those that differ by rounding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gagyo.canonical import canonical
from gagyo.errors import Tampered
from gagyo.exchange.envelope import Keys
from gagyo.federation.asked import Questions, same_arguments
from gagyo.federation.wire import ASKED, question_of
from gagyo.protocol.request import Request
from gagyo.release.ledger import read
from gagyo.runtime.journal import Journal
from tests.hospitals import PREDICTORS, STUDY, breast, house

BETA = np.array([0.1, -2.5, 3e-7])


def question(beta: Any = BETA, step: str = "logistic.newton", turn: int = 3, **more: Any) -> Request:
    arguments = {"formula": "y ~ x", "coefficients": beta, **more}
    return Request("plan", "model", "all", turn, "seoul", step, arguments, roster=("seoul", "busan", "beijing"))


def opening(of: Request) -> Request:
    return Request("plan", "model", "all", 3, "seoul", "open.values", {"statement": of.statement}, roster=of.roster)


def test_a_question_that_differs_by_rounding_is_the_one_that_was_asked() -> None:
    asked, questions = question(), Questions()
    questions.note(asked)
    derived = question(BETA * (1 + 4e-16))
    assert derived.digest != asked.digest
    assert questions.asked(derived).digest == asked.digest
    assert questions.asked(opening(derived)) == opening(asked)
    assert questions.asked(asked) is asked


@pytest.mark.parametrize(
    "other",
    [
        question(BETA * (1 + 1e-6)),
        question(BETA, turn=4),
        question(BETA, step="logistic.other"),
        question(np.append(BETA, 1.0)),
        question(BETA, more=1),
    ],
)
def test_any_other_question_stays_what_it_is(other: Request) -> None:
    questions = Questions()
    questions.note(question())
    assert questions.asked(other) is other
    assert questions.asked(opening(other)) == opening(other)


def test_only_numbers_that_may_be_rounded_are_worth_noting() -> None:
    questions = Questions()
    assert questions.is_new(question())
    assert not questions.is_new(Request("plan", "a", "all", 0, "seoul", "receive", {"turn": 2, "others": ["busan"]}))
    questions.note(question())
    assert not questions.is_new(question())


def test_fractions_that_are_not_in_an_array_may_be_rounded_too() -> None:
    assert same_arguments({"tau": 0.1 + 0.2}, {"tau": 0.3})
    assert not same_arguments({"tau": 0.3000001}, {"tau": 0.3})
    assert not same_arguments({"tau": "0.3"}, {"tau": 0.3})


def test_a_journal_says_what_was_asked_once_a_question_and_under_the_hospitals_receipt(tmp_path: Path) -> None:
    text = f'  model: {{method: logistic, cohort: all, formula: "malignant ~ {PREDICTORS}"}}\n'
    going = house(tmp_path, STUDY + text, breast()).run()
    links = [entry.record for entry in read(tmp_path / "journal.jsonl")]
    found = [question_of(link) for link in links if ASKED in link]
    steps = [one.step for one in found if one is not None]
    assert steps.count("logistic.newton") == len({one.statement for one in found if one and one.step == steps[-1]})
    assert len(steps) < going.results["model"].rounds + 3
    Journal(tmp_path / "journal.jsonl", Keys.make())
    forged = json.loads(canonical(next(link for link in links if ASKED in link and "coefficients" in link[ASKED])))
    forged[ASKED]["formula"] = "malignant ~ texture"
    with pytest.raises(Tampered):
        question_of(forged)
    with pytest.raises(Tampered):
        question_of({**forged, ASKED: 7})
