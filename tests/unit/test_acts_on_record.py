"""What people did is in the hospital's ledger, and verifying a run finds what cannot have been."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from gagyo.cli.site_ledger import lines as ledger_lines
from gagyo.cli.speech import stands
from gagyo.coordinator.acts import check_acts
from gagyo.errors import Tampered
from gagyo.governance.approval import Statement, sign
from gagyo.release.ledger import Entry
from gagyo.site.inbox import Inbox, Wish
from gagyo.site.wishes import decide
from gagyo.text import LANGUAGES
from tests.attacks.test_reviews import KEYS, META, REFERS, goes_through
from tests.conftest import MODEL
from tests.hospitals import STUDY, House, breast, house


def told(house: House, site: str = "seoul") -> list[dict[str, Any]]:
    return [one.record["told"] for one in house.sites[site].ledger.entries if one.record["outcome"] == "noted"]


@pytest.fixture
def reviewed(tmp_path: Path) -> House:
    one = house(tmp_path, STUDY + META, breast(), {"seoul": REFERS})
    one.run()
    goes_through(one.sites["seoul"])
    return one


def test_approvals_and_withdrawals_are_in_the_chain_once(small_house: House) -> None:
    seoul = small_house.sites["seoul"]
    seoul.approve(small_house.plan)
    assert [one["doing"] for one in told(small_house)] == ["approve"]
    today = date.today()
    draft = Statement(
        *(small_house.plan.digest, "seoul", "custodian", "", today.isoformat()),
        *((today + timedelta(days=9)).isoformat(), ""),
        decision="withdraw",
    )
    stop = sign(draft, KEYS["custodian"])
    seoul._approvals._terms = REFERS.approvals
    seoul.decided.withdraw(small_house.plan.digest, [stop])
    last = told(small_house)[-1]
    assert last["doing"] == "withdraw"
    assert last["statements"][0]["person"] == "Park"
    assert check_acts("seoul", seoul.ledger.entries) == 2


def test_a_refused_plan_is_in_the_chain(small_house: House, tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox.sqlite")
    inbox.keep_plan(small_house.plan, "study", "lead")
    assert decide(small_house.sites["busan"], inbox, Wish(0, small_house.plan.digest, "refuse", "not now")) == ()
    assert told(small_house, "busan")[-1] == {"doing": "refuse", "reason": "not now", "statements": []}
    inbox.close()


def test_a_ledger_says_of_which_plan_a_line_is_and_why_it_was_refused(small_house: House) -> None:
    busan = small_house.sites["busan"]
    busan.decided.refuse("sha256:another", "not now")
    busan.decided.refuse("sha256:another")
    said = list(ledger_lines(busan.ledger.entries))
    assert said[:2] == [f"Plan {small_house.plan.digest}", "0. plan approved here"]
    assert said[-3:] == ["Plan sha256:another", "1. plan refused here: not now", "2. plan refused here"]


def test_a_refusal_is_listed_with_its_reason_and_without() -> None:
    assert stands("refused", "not now") == "refused: not now"
    assert stands("refused", "") == "refused"


def test_a_decision_that_comes_too_late_is_told_in_the_readers_language(small_house: House, tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox.sqlite")
    inbox.keep_plan(small_house.plan, "study", "lead")
    busan = small_house.sites["busan"]
    decide(busan, inbox, Wish(0, small_house.plan.digest, "refuse", "not now"))
    (late,) = decide(busan, inbox, Wish(1, small_house.plan.digest, "withdraw", ""))
    assert late.text("zh") == "该执行计划在本医院的状态为“已拒绝”，此状态下不能撤回。请用 `gagyo site inbox` 查看。"
    for language in LANGUAGES[1:]:
        assert not {"refused", "withdraw"} & set(re.findall("[a-z]+", late.text(language)))
    inbox.close()


def changed(entry: Entry, **change: Any) -> Entry:
    record = json.loads(json.dumps(entry.record))
    record["told"] |= change
    return replace(entry, record=record)


def test_a_review_on_record_that_skipped_its_votes_is_found(reviewed: House) -> None:
    entries = reviewed.sites["seoul"].ledger.entries
    assert check_acts("seoul", entries) == len(told(reviewed))
    votes = [one for one in entries if one.record["outcome"] == "noted" and one.record["told"]["doing"] == "vote"]
    for gone in votes:
        with pytest.raises(Tampered):
            check_acts("seoul", [one for one in entries if one is not gone])
    last = entries[-1]
    with pytest.raises(Tampered):
        check_acts("seoul", [*entries[:-1], changed(last, state="released")])
    with pytest.raises(Tampered):
        check_acts("seoul", [*entries[:-1], changed(last, doing="release")])


def test_an_approval_on_record_that_nobody_signed_is_found(tmp_path: Path) -> None:
    one = house(tmp_path, STUDY + MODEL, breast(), {"seoul": REFERS})
    seoul = one.sites["seoul"]
    until = (date.today() + timedelta(days=9)).isoformat()
    draft = Statement(one.plan.digest, "seoul", "custodian", "", date.today().isoformat(), until, "")
    signed = sign(replace(draft, data=seoul._store.approved_data(one.plan.digest)), KEYS["custodian"])
    seoul.approve(one.plan, [signed])
    entries = seoul.ledger.entries
    assert check_acts("seoul", entries) == 2
    statement = entries[-1].record["told"]["statements"][0]
    for change in ({"until": "2099-01-01"}, {"plan": "sha256:" + "0" * 64}, {"site": "busan"}):
        with pytest.raises(Tampered) as found:
            check_acts("seoul", [*entries[:-1], changed(entries[-1], statements=[{**statement, **change}])])
        assert found.value.findings[0].values["number"] == entries[-1].sequence
