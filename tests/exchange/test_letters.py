"""Letters over TLS: sent, taken, acknowledged; once, in order, large ones by chunks; studies, directory, status."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from gagyo.errors import ExchangeFault
from gagyo.exchange.client import Client
from gagyo.exchange.letter import SMALL, Sending, chunk_digest, divide, letter_id
from gagyo.exchange.letter_calls import HOLD_SECONDS
from gagyo.exchange.mailbox import letters
from gagyo.exchange.rates import RATES, Rate
from tests.exchange.hubs import Place


@pytest.fixture(scope="module")
def lead(place: Place) -> Client:
    return place.client("lead", "coordinator")


@pytest.fixture(scope="module")
def seoul(place: Place, lead: Client) -> Client:
    client = place.client("seoul")
    lead.open_study("s", ["seoul"])
    return client


def test_a_letter_goes_there_and_another_back(lead: Client, seoul: Client) -> None:
    name = lead.send("seoul", "s", b"question")
    assert name == letter_id("lead", "seoul", "s", [chunk_digest(b"question")])
    [taken] = seoul.receive(5)
    assert (taken.id, taken.sender, taken.study, taken.body) == (name, "lead", "s", b"question")
    back = seoul.send("lead", "s", b"answer")
    assert [one.body for one in lead.receive(5)] == [b"answer"]
    lead.acknowledge([back])
    assert seoul.receive(0, acknowledged=[name]) == []
    assert lead.receive(0) == []


def test_a_letter_comes_again_until_it_is_acknowledged_and_is_posted_once(lead: Client, seoul: Client) -> None:
    names = {lead.send("seoul", "s", b"the same") for _ in range(3)}
    assert len(names) == 1
    assert [one.id for one in seoul.receive(1)] == [one.id for one in seoul.receive(1)] == list(names)
    assert seoul.receive(0, acknowledged=list(names)) == []


def test_letters_come_in_their_order_and_as_many_as_asked(lead: Client, seoul: Client) -> None:
    names = [lead.send("seoul", "s", bytes([number]) * 30_000) for number in range(50)]
    assert [one.id for one in seoul.receive(1, limit=3)] == names[:3]
    taken: list[str] = []
    while fresh := [one.id for one in seoul.receive(0, limit=64, acknowledged=taken[-64:])]:
        taken += fresh
    assert taken == names


def test_an_empty_box_answers_after_the_wait_and_a_letter_wakes_it(lead: Client, seoul: Client) -> None:
    start = time.monotonic()
    assert seoul.receive(0.5) == []
    assert 0.45 < time.monotonic() - start < 3
    timer = threading.Timer(0.3, lambda: lead.send("seoul", "s", b"wakes"))
    timer.start()
    start = time.monotonic()
    [taken] = seoul.receive(20)
    assert time.monotonic() - start < 3
    timer.join()
    seoul.acknowledge([taken.id])


def test_answers_to_one_question_come_together_and_the_last_is_not_waited_for(lead: Client, seoul: Client) -> None:
    def send(count: int) -> threading.Thread:
        sending = threading.Thread(target=lambda: [lead.send("seoul", "s", bytes([n])) for n in range(count)])
        sending.start()
        return sending

    for enough in (3, 5):
        # Of three letters that come one after the other, all are taken; for five it is waited a moment, not for ever.
        thread, start = send(3), time.monotonic()
        taken: list[str] = []
        calls = 0
        while len(taken) < 3:
            taken += [one.id for one in seoul.receive(20, acknowledged=taken, enough=enough)]
            calls += 1
        assert time.monotonic() - start < 5
        assert calls <= 3
        thread.join()
        seoul.acknowledge(taken)
    assert seoul.receive(0, enough=4) == []
    with pytest.raises(ExchangeFault) as fault:
        seoul._line.call("POST", "/v1/box", body=b'{"wait": 0, "enough": "all"}')
    assert fault.value.code == "malformed"


def test_one_call_posts_acknowledges_and_waits(lead: Client, seoul: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    question = lead.send("seoul", "s", b"question")
    seoul.receive(5)
    calls: list[str] = []
    call = seoul._line.call

    def counted(method: str, path: str, *given: Any, **named: Any) -> Any:
        calls.append(path)
        return call(method, path, *given, **named)

    monkeypatch.setattr(seoul._line, "call", counted)
    small = [Sending("lead", "s", bytes([n]) * 1000) for n in range(3)]
    large = [Sending("lead", "s", bytes([n]) * (SMALL - 40_000)) for n in range(2)]
    assert seoul.receive(0, acknowledged=[question], sending=[*small, *large]) == []
    assert calls == ["/v1/letters", "/v1/box"], "what has no room goes by itself, the others together"
    came = lead.receive(5)
    assert sorted(one.body for one in came) == sorted(one.body for one in [*small, *large])
    # The same letters again, as after a cut, are posted once.
    seoul.receive(0, sending=small)
    lead.acknowledge([one.id for one in came])
    assert lead.receive(0) == []


def test_a_letter_that_may_not_be_posted_keeps_back_no_other(lead: Client, seoul: Client) -> None:
    waits = lead.send("seoul", "s", b"waits")
    ways = [("nobody", "s"), ("lead", "s"), ("lead", "not open"), ("seoul", "s"), ("lead", "s")]
    sending = [Sending(to, study, str(place).encode()) for place, (to, study) in enumerate(ways)]
    with pytest.raises(ExchangeFault) as fault:
        seoul.receive(0, acknowledged=[waits], sending=sending)
    assert (fault.value.code, fault.value.findings[0].values["found"]) == ("no_such_recipient", "nobody")
    came = lead.receive(5)
    assert [one.body for one in came] == [b"1", b"4"]
    lead.acknowledge([one.id for one in came])
    assert seoul.receive(0) == [], "what was acknowledged with them is gone"
    record = seoul._line.call("POST", "/v1/box", body=json.dumps(_along(sending)).encode()).record()
    assert record == {"letters": [], "refused": [0, 2, 3]}
    lead.acknowledge([one.id for one in lead.receive(5)])


def _along(sending: Sequence[Sending], **more: object) -> dict[str, object]:
    along = [
        {"recipient": one.recipient, "study": one.study, "body": base64.b64encode(one.body).decode()} for one in sending
    ]
    return {"wait": 0, "limit": 0, "letters": along, **more}


@pytest.mark.parametrize(
    "given",
    ["all", [7], ["text"], [{"recipient": "lead", "study": "s"}], [{"recipient": "lead", "study": "s", "body": "?"}]],
)
def test_letters_of_another_form_are_refused_and_nothing_is_done(lead: Client, seoul: Client, given: object) -> None:
    waits = lead.send("seoul", "s", b"waits")
    record = _along([Sending("lead", "s", b"x")], acknowledged=[waits])
    good = record["letters"]
    assert isinstance(good, list)
    record["letters"] = [*good, *given] if isinstance(given, list) else given
    with pytest.raises(ExchangeFault) as fault:
        seoul._line.call("POST", "/v1/box", body=json.dumps(record).encode())
    assert fault.value.code == "malformed"
    assert lead.receive(0) == []
    [taken] = seoul.receive(5)
    seoul.acknowledge([taken.id])


def test_letters_that_come_along_count_as_the_calls_they_save(
    lead: Client, seoul: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ExchangeFault) as fault:
        seoul._line.call("POST", "/v1/box", body=json.dumps(_along([Sending("lead", "s", b"x")] * 65)).encode())
    assert fault.value.code == "malformed"
    monkeypatch.setitem(RATES, "site", Rate(1, 30, 8))
    with pytest.raises(ExchangeFault) as fault:
        seoul._line.call(
            "POST", "/v1/box", body=json.dumps(_along([Sending("lead", "s", b"x")] * 40)).encode(), patience=0
        )
    assert fault.value.code == "too_many"
    assert lead.receive(0) == []


def test_letters_that_wait_are_held_back_for_others_for_a_moment_only(lead: Client, seoul: Client) -> None:
    name = lead.send("seoul", "s", b"alone")
    start = time.monotonic()
    [taken] = seoul.receive(20, enough=2)
    assert HOLD_SECONDS <= time.monotonic() - start < 5
    start = time.monotonic()
    assert [one.id for one in seoul.receive(20, enough=1)] == [name]
    seoul.acknowledge([taken.id])
    large = [lead.send("seoul", "s", bytes([n]) * 400_000) for n in range(3)]
    # Two of them fill an answer: nothing is waited for.
    assert [one.id for one in seoul.receive(20, enough=9)] == large[:2]
    seoul.acknowledge(large)


def test_closing_ends_a_long_poll_at_once(place: Place) -> None:
    client = place.client("leaving")
    outcome: list[str] = []

    def poll() -> None:
        try:
            client.receive(50)
        except ExchangeFault as fault:
            outcome.append(fault.code)

    thread = threading.Thread(target=poll)
    thread.start()
    time.sleep(0.4)
    start = time.monotonic()
    client.close()
    thread.join(20)
    assert time.monotonic() - start < 2
    assert outcome == ["hub_unreachable"]
    with pytest.raises(ExchangeFault):
        client.status()


@pytest.mark.parametrize("size", [0, 1, SMALL, SMALL + 1, 1 << 20, (1 << 20) + 1, (5 << 20) + 7])
def test_every_size_arrives(place: Place, lead: Client, seoul: Client, size: int) -> None:
    told: list[tuple[int, int]] = []
    sender = Client(lead.membership, tell=lambda name, sent, whole: told.append((sent, whole)))
    place.clients.append(sender)
    body = os.urandom(size)
    name = sender.send("seoul", "s", body)
    [taken] = seoul.receive(5)
    assert taken.body == body
    assert taken.id == name == letter_id("lead", "seoul", "s", [chunk_digest(one) for one in divide(body)])
    assert told[-1] == (size, size)
    assert told == sorted(told)
    seoul.acknowledge([name])
    assert place.hub.operate(lambda rows: rows("SELECT COUNT(*) FROM chunk")) == [(0,)]


def test_a_large_letter_that_is_sent_again_after_it_was_taken_comes_again_with_the_same_id(
    lead: Client, seoul: Client
) -> None:
    body = os.urandom(2 << 20)
    names = set()
    for _ in range(2):
        names.add(lead.send("seoul", "s", body))
        [taken] = seoul.receive(5)
        seoul.acknowledge([taken.id])
    assert len(names) == 1


def test_many_threads_share_a_client(lead: Client, seoul: Client) -> None:
    names: list[str] = []
    threads = [
        threading.Thread(target=lambda at=at: names.append(lead.send("seoul", "s", b"%d" % at))) for at in range(40)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    taken = {one.id for one in seoul.receive(1)}
    assert taken == set(names)
    assert len(taken) == 40
    seoul.acknowledge(sorted(taken))


def refused(call: object, *given: object, code: str) -> None:
    with pytest.raises(ExchangeFault) as fault:
        call(*given)  # type: ignore[operator]
    assert fault.value.code == code


def test_only_what_a_study_allows(place: Place, lead: Client, seoul: Client) -> None:
    busan = place.client("busan")
    refused(seoul.send, "busan", "s", b"x", code="not_allowed")
    refused(busan.send, "lead", "s", b"x", code="not_a_member")
    refused(lead.send, "busan", "s", b"x", code="not_a_member")
    refused(lead.send, "nobody", "s", b"x", code="no_such_recipient")
    refused(lead.send, "seoul", "t", b"x", code="study_not_open")
    refused(lead.send, "seoul", "s", b"x" * (300 << 20), code="too_large")
    refused(lead.send, "seoul", "", b"x", code="malformed")
    refused(seoul.open_study, "mine", ["busan"], code="not_allowed")
    refused(lead.open_study, "u", ["nobody"], code="no_such_recipient")
    other = place.client("other", "coordinator")
    refused(other.open_study, "s", ["busan"], code="not_allowed")
    refused(other.close_study, "s", code="not_allowed")


def test_who_is_taken_off_a_study_is_told_which_one(place: Place, lead: Client, seoul: Client) -> None:
    place.client("busan")
    lead.open_study("smaller", ["seoul", "busan"])
    assert seoul.send("lead", "smaller", b"x")
    lead.open_study("smaller", ["busan"])
    with pytest.raises(ExchangeFault) as fault:
        seoul.send("lead", "smaller", b"y")
    assert (fault.value.code, fault.value.findings[0].values["found"]) == ("not_a_member", "smaller")


def test_a_closed_study_accepts_nothing_until_it_is_opened_again(lead: Client, seoul: Client) -> None:
    lead.open_study("closing", ["seoul"])
    waiting = lead.send("seoul", "closing", b"before")
    lead.close_study("closing")
    refused(lead.send, "seoul", "closing", b"x", code="study_not_open")
    refused(seoul.send, "lead", "closing", b"x", code="study_not_open")
    assert [one.id for one in seoul.receive(0)] == [waiting], "what was accepted is still delivered"
    lead.open_study("closing", ["seoul"])
    assert seoul.send("lead", "closing", b"x")
    seoul.acknowledge([waiting])
    lead.acknowledge([one.id for one in lead.receive(1)])


def test_directory_and_status(place: Place, lead: Client, seoul: Client) -> None:
    found = lead.directory()
    assert found["seoul"].keys == seoul.membership.keys.public
    assert (found["seoul"].country, found["seoul"].role, found["seoul"].state) == ("KR", "site", "active")
    assert found["seoul"].last_seen is not None
    name = lead.send("seoul", "s", b"12345")
    state = seoul.status()
    assert state["box"] == {"letters": 1, "bytes": 5}
    assert abs(state["time"] - time.time()) < 5
    assert state["hub"] == place.hub.name
    seoul.acknowledge([name])


def test_a_hospital_says_what_its_service_does_and_nobody_else_does(place: Place, lead: Client) -> None:
    """By its own word while it calls; afterwards it is silent."""
    from gagyo.exchange import operator

    busan = place.client("busan-doing")

    def service() -> dict[str, Any] | None:
        (one,) = (one for one in operator.status(place.hub)["members"] if one["name"] == "busan-doing")
        return dict(one["service"]) if one["service"] else None

    assert service() is None
    busan.tell_doing("waiting", 2)
    found = service()
    assert found is not None
    assert (found["state"], found["plans"]) == ("waiting", 2)
    busan.tell_doing("computing", 0)
    assert (service() or {})["state"] == "computing"
    long_ago = int(time.time()) - operator.SILENT_SECONDS - 10
    place.hub.operate(lambda rows: letters.saw(rows, "busan-doing", long_ago))
    assert (service() or {}) == {"state": "silent", "since": long_ago, "plans": 0}
    busan.tell_doing("stopped", 0)
    place.hub.operate(lambda rows: letters.saw(rows, "busan-doing", long_ago))
    assert (service() or {})["state"] == "stopped", "an orderly end is no silence"
    with pytest.raises(ExchangeFault) as fault:
        lead.tell_doing("serving", 0)
    assert fault.value.code == "not_allowed"
    for doing, plans in (("resting", 0), ("serving", -1), ("serving", True)):
        with pytest.raises(ExchangeFault) as fault:
            busan.tell_doing(doing, plans)  # type: ignore[arg-type]
        assert fault.value.code == "malformed"
    busan.tell_doing("serving", 0)
    operator.revoke(place.hub, "busan-doing")
    assert service() is None, "whoever is refused serves nobody"


def test_a_revoked_institution_is_refused_and_others_go_on(place: Place, lead: Client, seoul: Client) -> None:
    from gagyo.exchange import operator

    gone = place.client("gone")
    lead.open_study("with-gone", ["gone", "seoul"])
    lead.send("gone", "with-gone", b"never read")
    operator.revoke(place.hub, "gone")
    refused(gone.receive, 0, code="revoked")
    refused(lead.send, "gone", "with-gone", b"x", code="no_such_recipient")
    name = lead.send("seoul", "with-gone", b"goes on")
    assert [one.body for one in seoul.receive(5)] == [b"goes on"]
    seoul.acknowledge([name])
    boxes = {one["name"]: one["letters"] for one in operator.members(place.hub)}
    assert boxes["gone"] == 0


def test_keys_that_expired_are_refused(place: Place) -> None:
    client = place.client("late")
    place.hub.operate(lambda rows: rows("UPDATE member SET until = 1 WHERE name = 'late'"))
    refused(client.receive, 0, code="keys_expired")
    assert client.status()["state"] == "active", "status tells it"


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_clock_that_is_a_day_off_is_learned_from_the_hub(
    place: Place, lead: Client, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    from gagyo.exchange import line

    class Clock:
        """The time module, with a wall clock that is wrong."""

        monotonic = staticmethod(time.monotonic)

        @staticmethod
        def time() -> float:
            return time.time() + hours * 3600

    client = place.client(f"clock{'behind' if hours < 0 else 'ahead'}")
    monkeypatch.setattr(line, "time", Clock)
    assert client.status()["state"] == "active"
    assert client.clock_offset == pytest.approx(-hours * 3600, abs=3)


def test_what_is_taken_at_once_is_bounded(lead: Client, seoul: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from gagyo.exchange import client

    monkeypatch.setattr(client, "TAKEN", 3 << 20)
    names = [lead.send("seoul", "s", os.urandom(2 << 20)) for _ in range(3)]
    first = [one.id for one in seoul.receive(5)]
    assert first == names[:2]
    rest = [one.id for one in seoul.receive(5, acknowledged=first)]
    assert rest == names[2:]
    seoul.acknowledge(rest)
