"""What a hospital has said under a plan: added up link by link, and the same as when the whole ledger is read again."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gagyo.exchange.envelope import Keys
from gagyo.protocol.request import Request
from gagyo.release.ledger import Ledger
from gagyo.site.admission import NotAdmitted
from gagyo.site.noting import note
from gagyo.site.said import Said

CHANNELS = ("each", "masked", "masked_people", "people", "pooled")


def link(draw: random.Random) -> dict[str, Any]:
    """A receipt as the door writes them, drawn."""
    refused = draw.random() < 0.3
    return note(draw.choice(CHANNELS), draw.choice(("p", "q")), draw.choice("ab"), {}) | {
        "code": draw.choice(("withheld", "bad_roster")) if refused else "",
        "step": draw.choice(("preflight", "describe.sums")),
        "request": f"r{draw.randrange(40)}",
        "receiver": draw.choice(("coordinator", "busan")),
        "numbers": draw.randrange(9),
        "fit": draw.choice(("", "f", "g")),
        "round": draw.randrange(2),
        "statement": f"s{draw.randrange(12)}",
        "roster": draw.choice((["busan", "seoul"], ["busan"])),
        "attempt": 0,
    }


def request(plan: str, **more: Any) -> Request:
    fields = {"analysis": "a", "cohort": "all", "round": 0, "site": "seoul", "step": "describe.sums"}
    return Request(plan=plan, **{**fields, **more})


@pytest.mark.parametrize("seed", range(5))
def test_what_is_added_up_equals_the_ledger_read_again(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    ledger = Ledger(tmp_path / "ledger.jsonl", Keys.make().sign)
    said = Said(ledger)
    for _ in range(12):
        ledger.record([link(draw) for _ in range(draw.randrange(1, 20))])
        for plan in ("p", "q", "unknown"):
            records = [entry.record for entry in ledger.entries if entry.record["plan"] == plan]
            refused = [one for one in records if one["code"] == "withheld" and one["step"] != "preflight"]
            about = {(one["analysis"], one["round"], one["receiver"], one["request"]) for one in refused}
            by_receiver = Counter(one[:3] for one in about)
            questions = {place[:2] for place in by_receiver}
            most = [max(by_receiver[*one, receiver] for receiver in ("coordinator", "busan")) for one in questions]
            assert said.refusals(plan) == sum(most)
            for receiver in ("coordinator", "busan"):
                mine = [one for one in records if one["receiver"] == receiver]
                spent = said.spending(plan, receiver)
                assert spent.each == sum(one["numbers"] for one in mine if one["channel"] == "each")
                assert spent.pooled == sum(one["numbers"] for one in mine if one["channel"] == "pooled")
                assert spent.fits == {one["fit"] for one in mine if one["channel"] == "pooled" and one["fit"]}
                for number in range(2):
                    shares = [
                        one for one in mine if one["channel"] in ("masked", "masked_people") and one["round"] == number
                    ]
                    asked = request(plan, round=number, receiver=receiver)
                    assert said.rounds_of(asked) == sum(one["analysis"] == "a" for one in shares)


@pytest.mark.parametrize("opening", ["people", "masked_people", "pooled"])
def test_a_statement_is_opened_over_one_roster(tmp_path: Path, opening: str) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl", Keys.make().sign)
    said = Said(ledger)
    asked = request("p", roster=("busan", "seoul"))
    for channel in ("masked", opening):
        said.check_not_opened(asked)
        about = {"statement": asked.statement, "roster": ["busan", "seoul"], "attempt": 0}
        ledger.record([note(channel, "p", "a", {}) | about])
    said.check_not_opened(asked)
    for other in ({"roster": ("busan", "daegu", "seoul")}, {"roster": ("busan", "seoul"), "attempt": 1}):
        with pytest.raises(NotAdmitted):
            said.check_not_opened(request("p", **other))


def test_another_attempt_at_a_question_is_no_further_round(tmp_path: Path) -> None:
    """A sum that is asked again over the hospitals that are left counts once against the rounds that the plan told."""
    ledger = Ledger(tmp_path / "ledger.jsonl", Keys.make().sign)
    said = Said(ledger)
    first = request("p", roster=("busan", "jeju", "seoul"), receiver="coordinator")
    again = request("p", roster=("busan", "seoul"), receiver="coordinator", attempt=1)
    assert first.statement == again.statement
    drawn = link(random.Random(0)) | {"plan": "p", "analysis": "a", "step": "describe.sums", "code": ""}
    ledger.record([drawn | {"channel": "masked", "receiver": "coordinator", "statement": first.statement}])
    assert said.rounds_before(again) == 0
    assert said.rounds_before(request("p", round=1, roster=again.roster, receiver="coordinator")) == 1


def test_one_question_of_several_that_are_left_out_is_one_refusal_and_several_of_one_not(
    tmp_path: Path,
) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl", Keys.make().sign)
    said = Said(ledger)

    def refused(request: str, receiver: str, number: int = 4) -> int:
        about = {"code": "withheld", "step": "validate.newton", "request": request, "receiver": receiver}
        ledger.record([note("", "p", "a", {}) | about | {"round": number}])
        return said.refusals("p")

    assert [refused(f"r{one}", one) for one in ("busan", "seoul", "tianjin")] == [1, 1, 1]
    assert refused("another", "seoul") == 2, "what one of them varies to learn of refusals"
    assert refused("another", "seoul") == 2
    assert refused("r", "coordinator", 5) == 3
