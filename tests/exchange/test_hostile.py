"""A hostile institution, a stranger, and somebody on the way: refused, logged by name, and nobody else is disturbed."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gagyo.exchange.client import Client
from gagyo.exchange.envelope import Keys
from gagyo.exchange.membership import Membership
from gagyo.exchange.rates import RATES, Rate
from gagyo.exchange.signatures import WINDOW
from tests.exchange.hubs import Place, call_headers, trust


@pytest.fixture(scope="module")
def http(place: Place) -> Iterator[httpx.Client]:
    with httpx.Client(verify=trust(place.hub), base_url=place.hub.url, timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def evil(place: Place) -> Membership:
    return place.enrol("evil")


@pytest.fixture(scope="module")
def pair(place: Place) -> tuple[Client, Client]:
    """Two who go on with their work."""
    lead, seoul = place.client("lead", "coordinator"), place.client("seoul")
    lead.open_study("s", ["seoul"])
    return lead, seoul


def round_trip(pair: tuple[Client, Client]) -> float:
    """Seconds of a letter there and back."""
    lead, seoul = pair
    start = time.monotonic()
    body = os.urandom(11_000)
    name = lead.send("seoul", "s", body)
    assert [one.body for one in seoul.receive(10)] == [body]
    seoul.acknowledge([name])
    return time.monotonic() - start


def code_of(reply: httpx.Response) -> str:
    return str(reply.json()["code"])


def test_a_call_that_is_sent_twice_is_done_once(http: httpx.Client, place: Place, pair: tuple[Client, Client]) -> None:
    lead, _ = pair
    headers = call_headers(lead.membership, "GET", "/v1/status")
    assert http.get("/v1/status", headers=headers).status_code == 200
    again = http.get("/v1/status", headers=headers)
    assert (again.status_code, code_of(again)) == (401, "replayed")
    assert {"institution": "lead", "code": "replayed"}.items() <= place.log[-1].items()


@pytest.mark.parametrize("seconds", [-WINDOW - 30, WINDOW + 30, -(10**9)])
def test_an_old_or_future_signature_is_refused(http: httpx.Client, evil: Membership, seconds: int) -> None:
    headers = call_headers(evil, "GET", "/v1/status", created=int(time.time()) + seconds)
    reply = http.get("/v1/status", headers=headers)
    assert (reply.status_code, code_of(reply)) == (401, "stale_signature")


@pytest.mark.usefixtures("pair")
def test_another_key_another_body_another_path_and_no_signature(http: httpx.Client, evil: Membership) -> None:
    stranger = Membership(*("evil", "KR", "site", evil.hub, evil.hub_name, evil.hub_keys, Keys.make()))
    body = b'{"wait": 0}'
    outcomes = [
        http.get("/v1/status", headers=call_headers(stranger, "GET", "/v1/status")),
        http.post("/v1/box", headers=call_headers(evil, "POST", "/v1/box", body=body), content=b'{"wait": 9}'),
        http.get("/v1/directory", headers=call_headers(evil, "GET", "/v1/status")),
        http.get("/v1/status", params={"a": "b"}, headers=call_headers(evil, "GET", "/v1/status")),
        http.get("/v1/status", headers=call_headers(evil, "GET", "/v1/status", name="seoul")),
    ]
    assert [(one.status_code, code_of(one)) for one in outcomes] == [(401, "bad_signature_call")] * 5
    unknown = http.get("/v1/status", headers=call_headers(evil, "GET", "/v1/status", name="nobody"))
    assert code_of(unknown) == "not_enrolled"
    assert code_of(http.get("/v1/status")) == "malformed"
    assert code_of(http.get("/v1/nothing")) == "no_such_call"
    assert code_of(http.delete("/v1/letters")) == "no_such_call"


def test_nobody_reads_or_empties_another_box(http: httpx.Client, evil: Membership, pair: tuple[Client, Client]) -> None:
    lead, seoul = pair
    body = os.urandom(2 << 20)
    name = lead.send("seoul", "s", body)
    path = f"/v1/letters/{name}/0"
    reply = http.get(path, headers=call_headers(evil, "GET", path))
    assert (reply.status_code, code_of(reply)) == (404, "no_such_letter")
    asked = json.dumps({"wait": 0, "limit": 9, "acknowledged": [name], "box": "seoul"}).encode()
    reply = http.post(
        "/v1/box?box=seoul", headers=call_headers(evil, "POST", "/v1/box", "box=seoul", asked), content=asked
    )
    assert reply.json() == {"letters": []}
    [taken] = seoul.receive(5)
    assert taken.body == body
    seoul.acknowledge([name])


def test_nobody_writes_for_another(http: httpx.Client, evil: Membership, pair: tuple[Client, Client]) -> None:
    query = "recipient=seoul&study=s&sender=lead"
    reply = http.post(
        f"/v1/letters?{query}", headers=call_headers(evil, "POST", "/v1/letters", query, b"x"), content=b"x"
    )
    assert (reply.status_code, code_of(reply)) == (403, "not_allowed")
    from gagyo.exchange.letter import chunk_digest

    path, query = f"/v1/chunks/{chunk_digest(b'x')}", "sender=lead"
    reply = http.put(f"{path}?{query}", headers=call_headers(evil, "PUT", path, query, b"x"), content=b"x")
    assert (reply.status_code, code_of(reply)) == (403, "not_allowed")
    asked = json.dumps({"members": [], "studies": []}).encode()
    reply = http.post("/v1/partner", headers=call_headers(evil, "POST", "/v1/partner", "", asked), content=asked)
    assert code_of(reply) == "not_allowed"


def dial(place: Place) -> ssl.SSLSocket:
    raw = socket.create_connection(place.hub.address, timeout=20)
    return trust(place.hub).wrap_socket(raw, server_hostname="127.0.0.1")


def head(method: str, path: str, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: hub", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.mark.parametrize("announced", [True, False])
def test_a_gigabyte_is_refused_before_it_is_read(place: Place, evil: Membership, announced: bool) -> None:
    headers = call_headers(evil, "POST", "/v1/letters", "recipient=lead&study=s", b"x")
    headers |= {"content-length": str(1 << 30)} if announced else {"transfer-encoding": "chunked"}
    sent = 0
    with dial(place) as line:
        line.sendall(head("POST", "/v1/letters?recipient=lead&study=s", headers))
        piece = b"x" * (16 << 10)
        answer = b""
        line.settimeout(0.05)
        while b"\r\n\r\n" not in answer and sent < (1 << 30):
            try:
                if part := line.recv(4096):
                    answer += part
                continue
            except TimeoutError:
                pass
            if not announced:
                line.settimeout(5)
                line.sendall(b"4000\r\n" + piece + b"\r\n")
                line.settimeout(0.05)
                sent += len(piece)
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert b"connection: close" in answer.lower()
    assert sent <= 1 << 20
    assert {"institution": "evil", "code": "too_large"}.items() <= place.log[-1].items() or not announced


def test_a_flood_is_refused_and_others_are_not_slower(
    place: Place, evil: Membership, pair: tuple[Client, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RATES, "site", Rate(5, 40, 8))
    seen: list[int] = []

    def flood() -> None:
        with httpx.Client(verify=trust(place.hub), base_url=place.hub.url, timeout=20) as client:
            for _ in range(100):
                seen.append(client.get("/v1/status", headers=call_headers(evil, "GET", "/v1/status")).status_code)

    threads = [threading.Thread(target=flood) for _ in range(2)]
    for one in threads:
        one.start()
    while any(one.is_alive() for one in threads):
        assert round_trip(pair) < 3
        time.sleep(0.2)
    assert seen.count(429) > 100
    assert 40 <= seen.count(200) < 100
    told = [one for one in place.log if one.get("code") == "too_many"]
    assert told
    assert {one["institution"] for one in told} == {"evil"}
    assert len(told) < 10, "a flood does not fill the log either"


def test_too_many_open_polls_of_one_are_refused(
    place: Place, evil: Membership, pair: tuple[Client, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RATES, "site", Rate(300, 900, 4))
    asked = json.dumps({"wait": 2, "limit": 1}).encode()
    seen: list[int] = []

    def poll() -> None:
        with httpx.Client(verify=trust(place.hub), base_url=place.hub.url, timeout=20) as client:
            seen.append(
                client.post(
                    "/v1/box", headers=call_headers(evil, "POST", "/v1/box", "", asked), content=asked
                ).status_code
            )

    threads = [threading.Thread(target=poll) for _ in range(7)]
    for one in threads:
        one.start()
    assert round_trip(pair) < 2
    for one in threads:
        one.join()
    assert sorted(seen) == [200] * 4 + [429] * 3


def test_a_thousand_idle_connections_cost_little_and_the_oldest_are_closed(
    place: Place, pair: tuple[Client, Client]
) -> None:
    lines = [dial(place) for _ in range(1000)]
    try:
        assert round_trip(pair) < 2
        closed = 0
        for line in lines[:480]:
            line.settimeout(1)
            try:
                closed += line.recv(1) == b""
            except TimeoutError:
                break
            except OSError:
                closed += 1
        assert closed == 480
        lines[-1].sendall(b"GET /v1/health HTTP/1.1\r\nhost: hub\r\n\r\n")
        assert b"200" in lines[-1].recv(4096)
    finally:
        for line in lines:
            line.close()
    assert round_trip(pair) < 2


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_any_bytes_on_a_connection_disturb_nobody(place: Place, junk: bytes) -> None:
    with dial(place) as line:
        line.settimeout(5)
        line.sendall(junk + b"\r\n\r\n\r\n\r\n")
        line.shutdown(socket.SHUT_WR)
        try:
            while line.recv(4096):
                pass
        except OSError:
            pass
    with dial(place) as line:
        line.sendall(b"GET /v1/health HTTP/1.1\r\nhost: hub\r\n\r\n")
        assert b" 200 " in line.recv(4096)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = (
    "wait",
    "limit",
    "acknowledged",
    "letters",
    "recipient",
    "body",
    "sender",
    "size",
    "chunks",
    "study",
    "members",
    "open",
    "doing",
    "plans",
    "studies",
    "signing",
    "sealing",
)
MORE = ("secret", "possession", "signature")
RECORDS = st.dictionaries(st.sampled_from(FIELDS + MORE), JSON, max_size=6) | JSON
CALLS = (
    ("POST", "/v1/letters", "recipient=seoul&study=s"),
    ("POST", "/v1/parcels", "recipient=seoul&study=s"),
    ("PUT", "/v1/chunks/x", ""),
    ("POST", "/v1/box", ""),
    ("GET", "/v1/letters/x/0", ""),
    ("PUT", "/v1/studies", ""),
    ("PUT", "/v1/doing", ""),
    ("POST", "/v1/rotate", ""),
    ("POST", "/v1/partner", ""),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(CALLS), RECORDS, st.sampled_from(["site", "coordinator", "hub"]))
def test_a_body_of_any_shape_gets_an_answer_that_was_foreseen(
    http: httpx.Client, place: Place, call: tuple[str, str, str], record: object, role: str
) -> None:
    name = f"fuzz-{role}"
    if name not in ENROLLED:
        ENROLLED[name] = place.enrol(name, role)  # type: ignore[arg-type]
    method, path, query = call
    body = json.dumps(record).encode()
    headers = call_headers(ENROLLED[name], method, path, query, body)
    reply = http.request(method, f"{path}{'?' + query if query else ''}", headers=headers, content=body)
    assert reply.status_code < 500, reply.text


ENROLLED: dict[str, Membership] = {}
