"""What a hospital was sent before is named and not sent again; where it lacks it, it says that it is behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gagyo.errors import Tampered
from gagyo.federation.once import Behind, Incoming, Outgoing, answer_of, answer_record
from gagyo.federation.packing import pack, unpack
from gagyo.protocol.request import Request
from gagyo.release.decision import Answer
from gagyo.runtime.embedded import Embedded
from tests.hospitals import PREDICTORS, STUDY, breast, house

LOGISTIC = f'  model: {{method: logistic, cohort: all, formula: "malignant ~ {PREDICTORS}"}}\n'


class Heard:
    """A runtime that keeps every request and answer."""

    name = "embedded"

    def __init__(self, inner: Embedded) -> None:
        self.inner = inner
        self.asked: list[Request] = []
        self.answered: list[Answer] = []

    def ask(self, requests: list[Request]) -> list[Answer]:
        self.asked += [one.relaying(history=list(one.relay.get("history", ()))) for one in requests]  # as it is now
        answers = self.inner.ask(requests)
        self.answered += answers
        return answers


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Heard:
    kept: list[Heard] = []

    def wrap(inner: Embedded) -> Any:
        kept.append(Heard(inner))
        return kept[0]

    house(Path(tmp_path_factory.mktemp("once")), STUDY + LOGISTIC, breast(), wrap=wrap).run()
    return kept[0]


def to_one(heard: Heard, site: str = "busan") -> list[Request]:
    return [request for request in heard.asked if request.site == site]


def carried(record: Any) -> Any:
    return unpack(pack(record))


def test_requests_arrive_whole_though_each_answer_travels_once_and_ones_own_never(heard: Heard) -> None:
    outgoing, incoming, whole, once = Outgoing(), Incoming(), 0, 0
    for request, answer in zip(heard.asked, heard.answered, strict=True):
        if request.site != "busan":
            continue
        packed = pack(outgoing.record(request))
        got = incoming.request(unpack(packed))
        assert got.digest == request.digest
        assert [pack(answer_record(one)) for one in got.relay.get("shares", ())] == [
            pack(answer_record(one)) for one in request.relay.get("shares", ())
        ]
        assert pack(list(got.relay["history"])) == pack(list(request.relay["history"]))
        once += len(packed)
        whole += len(pack(Outgoing().record(request)))
        assert b"busan" not in b"".join(_answers(unpack(packed)["relay"]))
        incoming.gave(answer)
        outgoing.came(answer)
    assert once < whole / 4


def _answers(relay: Any) -> list[bytes]:
    """The hospitals of the answers that a request brings along."""
    opened = [one["record"] for one in relay["history"]["opened"] if one["record"]]
    lists = [relay.get("shares", []), relay.get("people", []), *(one[key] for one in opened for key in one)]
    return [one["site"].encode() for answers in lists for one in answers if not isinstance(one, str)]


def test_a_hospital_that_lost_its_place_says_so_and_goes_on_when_sent_whole(heard: Heard) -> None:
    requests, outgoing = to_one(heard), Outgoing()
    for request, answer in zip(heard.asked, heard.answered, strict=True):
        if request in requests[:-1]:
            outgoing.record(request)
            outgoing.came(answer)
    restarted = Incoming()
    with pytest.raises(Behind):  # it names answers that are not there
        restarted.request(carried(outgoing.record(requests[-1])))
    with pytest.raises(Behind):  # sent again, it names but how much was opened
        restarted.request(carried(outgoing.record(requests[-1])))
    outgoing.forget()
    got = restarted.request(carried(outgoing.record(requests[-1])))
    assert len(got.relay["history"]) == len(requests[-1].relay["history"])


def test_answers_arrive_as_they_were_given(heard: Heard) -> None:
    for answer in heard.answered:
        assert pack(answer_record(answer_of(carried(answer_record(answer))))) == pack(answer_record(answer))


@pytest.mark.parametrize("missing", ["plan", "relay", "arguments", "roster"])
def test_what_is_no_request_is_refused(heard: Heard, missing: str) -> None:
    record = carried(Outgoing().record(to_one(heard)[0]))
    for broken in ({k: v for k, v in record.items() if k != missing}, {**record, missing: 7}):
        with pytest.raises(Tampered):
            Incoming().request(broken)
