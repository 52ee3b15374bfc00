"""A hospital of many studies: its record opens at once, and what nobody can ask for again does not stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gagyo.errors import Tampered
from gagyo.exchange.envelope import Keys
from gagyo.release.decision import Answer
from gagyo.release.ledger import Entry, Ledger, check_chain, read
from gagyo.site import store as stores
from gagyo.site.store import Store
from tests.hospitals import PREDICTORS, STUDY, breast, house

KEYS = Keys.make()


def of_years(path: Path, plans: int = 50) -> None:
    ledger = Ledger(path, KEYS.sign)
    ledger.record([{"plan": f"p{number % plans}", "told": {"plan": "p7"}, "round": number} for number in range(500)])


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The lines of ledgers that are looked into."""
    lines: list[bytes] = []
    parse = Entry.parse.__func__  # type: ignore[attr-defined]

    def noting(cls: type[Entry], line: bytes) -> Any:
        lines.append(line)
        return parse(cls, line)

    monkeypatch.setattr(Entry, "parse", classmethod(noting))
    return lines


def test_a_ledger_is_looked_into_only_for_the_plan_that_is_asked_about(tmp_path: Path, parsed: list[bytes]) -> None:
    of_years(tmp_path / "ledger.jsonl")
    ledger = Ledger(tmp_path / "ledger.jsonl", KEYS.sign)
    assert len(ledger) == 500
    assert len(parsed) == 1, "the last link, which the next one follows"
    assert [link.record["round"] for link in ledger.about("p3")] == list(range(3, 500, 50))
    assert len(parsed) == 11
    ledger.record([{"plan": "p3", "round": 500}, {"plan": "p4", "round": 501}])
    assert [link.record["round"] for link in ledger.about("p3")][-2:] == [453, 500]
    assert ledger.about("none") == []
    assert len(parsed) == 11
    check_chain(ledger.entries, KEYS.public)
    assert ledger.entries == list(read(ledger.path))


def test_a_link_that_was_changed_is_found_where_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    of_years(path)
    path.write_bytes(path.read_bytes().replace(b'"plan":"p3","round":3,', b'"plan":"p3", "round":3,', 1))
    ledger = Ledger(path, KEYS.sign)
    assert len(ledger.about("p4")) == 10
    for look in (lambda: ledger.about("p3"), lambda: ledger.entries):
        with pytest.raises(Tampered):
            look()


def test_a_hospital_looks_for_unwritten_receipts_among_its_last_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, ledger = Store(tmp_path / "memory.sqlite"), Ledger(tmp_path / "ledger.jsonl", KEYS.sign)
    for number in range(100):
        receipt = ledger.prepare({"plan": "p", "round": number})
        store.keep(Answer(f"r{number}", "seoul", "released", payload={"n": number}).receipted(receipt))
        if number < 98:
            ledger.append(receipt)
    read_again: list[bytes] = []
    whole = stores.answer_from_bytes

    def noting(raw: bytes) -> Answer:
        read_again.append(raw)
        return whole(raw)

    monkeypatch.setattr(stores, "answer_from_bytes", noting)
    # Both were prepared for the same place: the first that was kept has it.
    assert [receipt.record["round"] for receipt in store.unwritten(len(ledger))] == [98, 99]
    assert len(read_again) == 3
    store.close()


def test_of_a_closed_plan_only_the_closing_answer_stays(tmp_path: Path) -> None:
    text = f'  model: {{method: logistic, cohort: all, formula: "malignant ~ {PREDICTORS}"}}\n'
    one = house(tmp_path, STUDY + text, breast())
    going = one.run()
    seoul = one.sites["seoul"]
    given = [answer for answer in going.answers if answer.site == "seoul"]
    closing = given[-1]
    kept = Store(tmp_path / "seoul" / "memory.sqlite")
    assert all(kept.answered(answer.request) for answer in given)
    links = len(seoul.ledger)
    seoul.forget_answers(one.plan.digest, closing.request)
    assert [answer.request for answer in given if kept.answered(answer.request)] == [closing.request]
    assert len(seoul.ledger) == links, "the ledger loses nothing"
    kept.close()
