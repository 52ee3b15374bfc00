"""A hospital that signs two links of one number, after a restored folder or on purpose, is found by the coordinator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gagyo.errors import Tampered
from gagyo.exchange.envelope import Keys
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer
from gagyo.release.ledger import GENESIS, Entry, Seen
from gagyo.runtime.journal import Journal

KEYS = Keys.make()


def chain(said: str, length: int = 4) -> list[Entry]:
    """A ledger of links that say something each."""
    links: list[Entry] = []
    for number in range(length):
        head = links[-1].head if links else GENESIS
        links.append(Entry.make(number, head, {"said": f"{said} {number}"}, KEYS.sign))
    return links


ONE, OTHER = chain("one"), chain("other")


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2), (2, 2, 0, 3)])
def test_links_of_one_ledger_come_in_any_order(order: tuple[int, ...]) -> None:
    seen = Seen()
    for number in order:
        seen.note("seoul", ONE[number])
    assert len(seen) == len(set(order))
    seen.note("busan", OTHER[1])


@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 2), (2, 1)])
def test_a_second_link_of_a_number_or_one_that_follows_no_other_is_a_fork(first: int, second: int) -> None:
    seen = Seen()
    seen.note("seoul", ONE[first])
    with pytest.raises(Tampered) as found:
        seen.note("seoul", OTHER[second])
    assert found.value.findings[0].code == "forked_ledger"
    assert found.value.findings[0].values == {"found": "seoul", "expected": second}


class Saying:
    """A runtime in which a hospital answers with links that it is given."""

    name = "saying"

    def __init__(self, links: Sequence[Entry]) -> None:
        self._links = list(links)

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        return [Answer(one.digest, one.site, "relay", receipt=self._links.pop(0)) for one in requests]


def _asked(number: int) -> Request:
    about: dict[str, Any] = {
        "plan": "p",
        "analysis": "a",
        "cohort": "all",
        "step": "receive",
        "receiver": "coordinator",
    }
    return Request(**about, round=number, site="seoul", arguments={}, roster=(), attempt=0)


def test_what_contradicts_earlier_receipts_is_not_written_down(tmp_path: Path) -> None:
    path, keys = tmp_path / "journal.jsonl", Keys.make()
    journal = Journal(path, keys, Saying([ONE[0], ONE[1], OTHER[1], ONE[2]]))
    journal.ask([_asked(0)])
    journal.ask([_asked(1)])
    before = path.read_bytes()
    with pytest.raises(Tampered) as found:
        journal.ask([_asked(2)])
    assert found.value.findings[0].code == "forked_ledger"
    assert path.read_bytes() == before
    assert journal.ask([_asked(2)])[0].receipt == ONE[2], "and the run goes on with the ledger as it was"
    taken_up = Journal(path, keys, Saying([OTHER[3]]))
    with pytest.raises(Tampered):
        taken_up.ask([_asked(3)])
