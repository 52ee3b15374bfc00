"""Leave one hospital out: what the receiver of the others' sums, or the coordinator that carries them, may try."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gagyo.coordinator.folder import finish, open_folder
from gagyo.coordinator.verify import verify
from gagyo.errors import GagyoError
from gagyo.exchange.envelope import Keys, PublicKeys
from gagyo.federation import wire
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer
from gagyo.runtime.embedded import Embedded
from gagyo.runtime.journal import Journal
from tests.attacks.test_door import SITES, stopped_at
from tests.conftest import MODEL
from tests.hospitals import STUDY, House, breast, house

STUDY_LINES = MODEL + "  validation: {method: validate, model: model, folds: 0, leave_out: site}\n"


def at_the_others(folder: Path) -> tuple[House, Request, Request]:
    """A house at the first request that the left-out hospital's letter carries to another: the outer and the inner."""
    one, asked = stopped_at(folder, "relayed", STUDY_LINES)
    outer = next(request for request in asked if request.site == "busan")
    sender = PublicKeys(**one.plan.keys["seoul"])
    inner = wire.open_request(outer.relay["sealed"], one.sites["busan"].keys, sender, one.plan.digest)
    return one, outer, inner


def send(one: House, outer: Request, inner: Request, sender: Keys | None = None) -> Answer:
    """What Busan says to a letter, as only Seoul can read it; its own answer where it opens no letter."""
    public = PublicKeys(**one.plan.keys[inner.site])
    sealed = wire.sealed_request(inner, sender or one.sites["seoul"].keys, public)
    answer = one.sites["busan"].answer(replace(outer, relay={**outer.relay, "sealed": sealed}))
    if answer.outcome != "relay":
        return answer
    return wire.open_answer(answer.payload["sealed"], one.sites["seoul"].keys, one.plan.digest)


def test_an_honest_letter_is_answered_with_a_share(tmp_path: Path) -> None:
    one, outer, inner = at_the_others(tmp_path)
    assert (inner.receiver, inner.roster) == ("seoul", ("busan", "beijing", "tianjin"))
    assert send(one, outer, inner).outcome == "released"


def test_a_receiver_cannot_choose_coefficients_that_isolate_a_person(tmp_path: Path) -> None:
    """Outside the ellipsoid around the joint fit; the honest fits of real hospitals stay far inside."""
    one, outer, inner = at_the_others(tmp_path)
    for seed in range(9):
        beta = inner.arguments["coefficients"] + np.random.default_rng(seed).normal(size=(1, 5)) * [
            [50, 5, 500, 100, 500]
        ]
        answer = send(one, outer, replace(inner, arguments={**inner.arguments, "coefficients": beta}))
        assert (answer.outcome, answer.code) == ("refused", "not_derived")
    nearby = inner.arguments["coefficients"] + np.array([[0.05, 0.002, 0.2, 0.1, 0.2]])
    moved = replace(inner, arguments={**inner.arguments, "coefficients": nearby})
    assert send(one, outer, moved).outcome == "released", "a Newton step of an honest fit"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"receiver": "coordinator"}, "not_derived"),
        ({"receiver": "beijing"}, "not_derived"),
        ({"site": "beijing"}, "not_derived"),
        ({"roster": ("busan", "beijing")}, "bad_roster"),
        ({"roster": SITES}, "bad_roster"),
        ({"step": "logistic.newton"}, "not_derived"),
        ({"round": 99}, "not_derived"),
    ],
)
def test_letters_that_the_method_would_not_write(tmp_path: Path, change: dict[str, object], code: str) -> None:
    one, outer, inner = at_the_others(tmp_path)
    letter = replace(inner, **change)  # type: ignore[arg-type]
    sealed = wire.sealed_request(letter, one.sites["seoul"].keys, PublicKeys(**one.plan.keys["busan"]))
    answer = one.sites["busan"].answer(replace(outer, relay={**outer.relay, "sealed": sealed}))
    if answer.outcome == "relay":
        answer = wire.open_answer(answer.payload["sealed"], one.sites["seoul"].keys, one.plan.digest)
    assert (answer.outcome, answer.code) == ("refused", code)


def test_the_coordinator_cannot_write_a_hospitals_letters(tmp_path: Path) -> None:
    one, outer, inner = at_the_others(tmp_path)
    answer = send(one, outer, inner, Keys.open(tmp_path / "coordinator.keys"))
    assert (answer.outcome, answer.code) == ("refused", "bad_record")


def test_the_coordinator_cannot_read_the_letters_it_carries(tmp_path: Path) -> None:
    one, outer, inner = at_the_others(tmp_path)
    coordinator = Keys.open(tmp_path / "coordinator.keys")
    sealed = one.sites["busan"].answer(outer).payload["sealed"]
    for letter in (outer.relay["sealed"], sealed):
        with pytest.raises(GagyoError, match="cannot be opened"):
            coordinator.unseal(letter, one.plan.digest.encode())
    journal = (tmp_path / "journal.jsonl").read_bytes()
    assert inner.statement.encode() not in journal


def test_the_coordinator_cannot_choose_whom_a_hospital_is_left_out_of(tmp_path: Path) -> None:
    one, (asked, *_) = stopped_at(tmp_path, "receive", STUDY_LINES)
    fewer = replace(asked, arguments={"turn": 0, "others": ["busan", "beijing"]})
    answer = one.sites["seoul"].answer(fewer)
    assert (answer.outcome, answer.code) == ("refused", "bad_roster")


def test_a_hospital_that_loses_its_place_at_every_turn_ends_with_the_same_result(tmp_path: Path) -> None:
    """As where each of a courier's files is answered by a process of its own: the fit goes on from all its letters."""
    whole = house(tmp_path / "whole", STUDY + STUDY_LINES, breast()).run().results["validation"]
    one = house(tmp_path / "cut", STUDY + STUDY_LINES, breast())
    journal_inner = one.journal._inner
    assert isinstance(journal_inner, Embedded)
    honest, seen = journal_inner.ask, [0]

    def forgetful(requests: list[Request]) -> list[Answer]:
        for request in requests:
            if (request.step, request.site) == ("receive", "seoul"):
                seen[0] += 1
                assert seen[0] < 100, "the fit begins anew for ever"
                one.sites["seoul"].sessions.find(one.plan.digest).receiving.clear()
        return honest(requests)

    journal_inner.ask = forgetful  # type: ignore[method-assign, assignment]
    open_folder(tmp_path / "cut", one.plan)
    going = one.run()
    again = going.results["validation"]
    assert seen[0] > 1
    assert again.to_json() == whole.to_json()
    ledgers = {name: site.ledger.path for name, site in one.sites.items()}
    finish(tmp_path / "cut", going, "embedded", one.journal.answers, ledgers)
    audit = Journal(tmp_path / "cut" / "journal.jsonl", Keys.make())
    assert verify(tmp_path / "cut", audit).analyses == len(going.results), "the journal alone starts again as well"
    asked = seen[0]
    assert one.run().results["validation"].to_json() == whole.to_json()
    assert seen[0] == asked, "a run that is taken up again does not ask it a second time"
    for site in one.sites.values():
        shares = [entry.record for entry in site.ledger.entries if entry.record["channel"].startswith("masked")]
        given = [record["request"] for record in shares]
        assert {record["channel"] for record in shares} == {"masked", "masked_people"}
        assert len(given) == len(set(given)), "a share was released twice"


def test_letters_of_other_turns_are_no_place_to_go_on_from(tmp_path: Path) -> None:
    one, (asked, *_) = stopped_at(tmp_path, "receive", STUDY_LINES)
    for turn, turns in ((0, [{}]), (2, []), (1, [{}, {}])):
        arguments = {**asked.arguments, "turn": turn}
        answer = one.sites["seoul"].answer(replace(asked, arguments=arguments, relay={**asked.relay, "turns": turns}))
        assert (answer.outcome, answer.code) == ("refused", "not_derived")


def test_all_that_are_left_out_fit_side_by_side(tmp_path: Path) -> None:
    """A turn of every hospital's fit is asked together: a study does not take four times as long for four hospitals."""
    one = house(tmp_path, STUDY + STUDY_LINES, breast())
    inner = one.journal._inner
    assert isinstance(inner, Embedded)
    honest, turns = inner.ask, []

    def counted(requests: list[Request]) -> list[Answer]:
        turns.append([(request.step, request.site) for request in requests])
        return honest(requests)

    inner.ask = counted  # type: ignore[method-assign, assignment]
    assert "validation" in one.run().results
    received = [turn for turn in turns if turn and turn[0][0] == "receive"]
    relayed = [turn for turn in turns if turn and turn[0][0] == "relayed"]
    assert received[0] == [("receive", site) for site in SITES]
    assert sorted(relayed[0]) == sorted(("relayed", site) for site in SITES for _ in range(3))
    assert len(received) == max(sum(asked.count(("receive", site)) for asked in received) for site in SITES)
