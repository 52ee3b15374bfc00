"""Bad lines: a proxy that wants a password, other authorities, TLS inspection, cuts in mid sending, no hub."""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gagyo.errors import ExchangeFault
from gagyo.exchange import line as line_module
from gagyo.exchange.certificates import Pair, make_authority, make_server
from gagyo.exchange.client import Client
from tests.exchange.hubs import Place, free_port, trust
from tests.faults import BadLine, ConnectProxy, Inspector, line


@pytest.fixture(scope="module")
def lead(place: Place) -> Client:
    client = place.client("lead", "coordinator")
    place.enrol("seoul")
    client.open_study("s", ["seoul"])
    return client


def code_of(client: Client, patience: float = 0.0) -> str:
    with pytest.raises(ExchangeFault) as fault:
        client.status(patience=patience)
    return fault.value.code


# A proxy.


def proxied(place: Place, proxy: ConnectProxy, password: str) -> Client:
    membership = place.enrol("behind", proxy=f"http://{proxy.user}:{password}@127.0.0.1:{proxy.port}")
    return place.client_of(membership)


def test_through_a_proxy_with_a_password(place: Place) -> None:
    with line(ConnectProxy(0)) as proxy:
        client = proxied(place, proxy, "p%3Aw%40rd")
        assert client.status()["state"] == "active"
        assert (proxy.tunnels, proxy.refused) == (1, 0)
        assert proxy.up_bytes > 0
        assert client.proxy == f"127.0.0.1:{proxy.port}", "what the doctor says of it holds no password"


def test_a_proxy_that_refuses_is_named(place: Place) -> None:
    with line(ConnectProxy(0)) as proxy:
        assert code_of(proxied(place, proxy, "wrong")) == "proxy_refused"
        assert proxy.tunnels == 0


def test_a_password_that_a_proxy_refuses_is_tried_once(place: Place) -> None:
    """Many directories lock an account after a few attempts."""
    with line(ConnectProxy(0)) as proxy:
        client = proxied(place, proxy, "wrong")
        assert [code_of(client, patience=30.0) for _ in range(3)] == ["proxy_refused"] * 3
        assert (proxy.tunnels, proxy.refused) == (0, 1)


def test_the_proxy_of_the_environment(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with line(ConnectProxy(0)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://site:p%3Aw%40rd@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "localhost")
        assert place.client("from-environment").status()["state"] == "active"
        assert proxy.tunnels == 1
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert place.client("not-from-environment").status()["state"] == "active"
        assert proxy.tunnels == 1


def test_a_proxy_address_that_is_none(place: Place) -> None:
    with pytest.raises(ExchangeFault) as fault:
        place.client("odd-proxy", proxy="ftp://x")
    assert fault.value.code == "bad_proxy"


# Certificates.


def test_a_hub_of_another_authority_is_refused(place: Place) -> None:
    membership = replace(place.enrol("wary"), ca=make_authority("somebody").certificate.decode())
    assert code_of(place.client_of(membership)) == "certificate_unknown"
    assert code_of(place.client_of(replace(membership, ca=""))) == "certificate_unknown", "the machine's trust"


def test_a_certificate_for_another_host_is_refused(place: Place) -> None:
    membership = place.enrol("other-host")
    client = place.client_of(replace(membership, hub=membership.hub.replace("127.0.0.1", "localhost")))
    assert code_of(client) == "certificate_unknown"


def context(pair: Pair, folder: Path) -> ssl.SSLContext:
    (folder / "inspector.pem").write_bytes(pair.certificate + pair.key)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(folder / "inspector.pem")
    return served


@pytest.fixture
def inspected(place: Place, tmp_path: Path) -> Iterator[tuple[Inspector, Client]]:
    """A client behind a company's TLS inspection, whose authority it was told to trust."""
    authority = make_authority("company")
    (tmp_path / "company.pem").write_bytes(authority.certificate)
    own = context(make_server(authority, "127.0.0.1"), tmp_path)
    with line(Inspector(place.hub.address[1], served=own, trusted=trust(place.hub))) as inspector:
        membership = place.enrol("inspected", extra_ca=str(tmp_path / "company.pem"))
        yield inspector, place.client_of(replace(membership, hub=f"https://127.0.0.1:{inspector.port}"))


def test_through_tls_inspection(inspected: tuple[Inspector, Client]) -> None:
    inspector, client = inspected
    assert client.status()["state"] == "active"
    assert b"signature-input" in bytes(inspector.seen)


def test_an_inspection_that_changes_an_answer_is_noticed(inspected: tuple[Inspector, Client]) -> None:
    inspector, client = inspected
    inspector.alter = lambda piece, up: piece if up else piece.replace(b'"letters":0', b'"letters":7')
    assert code_of(client) == "hub_forged"


def test_an_inspection_that_changes_a_call_is_noticed(inspected: tuple[Inspector, Client]) -> None:
    inspector, client = inspected
    inspector.alter = lambda piece, up: piece.replace(b"/v1/status", b"/v1/direct") if up else piece
    assert code_of(client) == "no_such_call"
    inspector.alter = lambda piece, up: piece.replace(b"GET /v1/status ", b"GET /v1/status?x ") if up else piece
    assert code_of(client) == "bad_signature_call"


def test_an_answer_of_another_call_is_no_answer(place: Place, inspected: tuple[Inspector, Client]) -> None:
    """Somebody keeps the answer to one call and gives it to another."""
    inspector, client = inspected
    kept: list[bytes] = []  # in pieces: the head of an answer may come before its body

    def keep(piece: bytes, up: bool) -> bytes:
        kept.extend([] if up else [piece])
        return piece

    def replay(piece: bytes, up: bool) -> bytes:
        if up:
            return piece
        old = b"".join(kept)
        kept.clear()
        return old

    inspector.alter = keep
    assert client.status()["state"] == "active"
    inspector.alter = replay
    assert code_of(client) == "hub_forged"


def test_something_else_that_answers_is_named(place: Place, inspected: tuple[Inspector, Client]) -> None:
    inspector, client = inspected
    page = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nlogin"
    inspector.alter = lambda piece, up: piece if up else page
    assert code_of(client) == "hub_unsigned"


# Cuts.


def through(place: Place, lead: Client, one: BadLine) -> Client:
    membership = replace(lead.membership, hub=f"https://127.0.0.1:{one.port}")
    return place.client_of(membership, patience=30)


def test_a_large_letter_over_a_line_that_is_cut_three_times(place: Place, lead: Client) -> None:
    """No byte goes twice but those of the chunk in flight."""
    size, mib = 12 << 20, 1 << 20
    body = os.urandom(size)
    with line(BadLine(place.hub.address[1], cuts=[3 * mib + 70_000, 6 * mib + 500_000, 10 * mib])) as one:
        name = through(place, lead, one).send("seoul", "s", body)
        assert one.cut_count == 3
        twice = one.up_bytes - size
        assert 0 < twice <= 3 * mib + 200_000, f"{twice} bytes were sent twice"
    receiver = place.client_of(place.enrol("seoul"))
    [taken] = receiver.receive(5)
    assert taken.body == body
    receiver.acknowledge([name])


def test_a_large_letter_is_taken_over_a_line_that_is_cut(place: Place, lead: Client) -> None:
    size, mib = 8 << 20, 1 << 20
    body = os.urandom(size)
    name = lead.send("seoul", "s", body)
    membership = place.enrol("seoul")
    with line(BadLine(place.hub.address[1], cuts_back=[2 * mib + 9_000, 5 * mib])) as one:
        receiver = place.client_of(replace(membership, hub=f"https://127.0.0.1:{one.port}"), patience=30)
        [taken] = receiver.receive(5)
        assert taken.body == body
        assert one.cut_count == 2
        assert one.down_bytes - size <= 2 * mib + 200_000
        receiver.acknowledge([name])


def test_a_sender_that_starts_again_sends_only_what_is_missing(place: Place, lead: Client) -> None:
    size, mib = 6 << 20, 1 << 20
    body = os.urandom(size)
    with line(BadLine(place.hub.address[1])) as one:
        told: list[int] = []

        def tell(name: str, sent: int, whole: int) -> None:
            told.append(sent)
            if sent >= 3 * mib:
                one.down = True
                one.cut()

        membership = replace(lead.membership, hub=f"https://127.0.0.1:{one.port}")
        with Client(membership, tell=tell, patience=0.5) as first, pytest.raises(ExchangeFault) as fault:
            first.send("seoul", "s", body)
        assert fault.value.code == "hub_unreachable"
        one.down = False
        before = one.up_bytes
        through(place, lead, one).send("seoul", "s", body)
        assert one.up_bytes - before <= 3 * mib + 100_000
    receiver = place.client_of(place.enrol("seoul"))
    [taken] = receiver.receive(5)
    assert taken.body == body
    receiver.acknowledge([taken.id])


def test_a_slow_and_a_delayed_line(place: Place, lead: Client) -> None:
    with line(BadLine(place.hub.address[1], delay=0.02, bandwidth=8e6)) as one:
        client, body = through(place, lead, one), os.urandom(1 << 20)
        client.send("seoul", "s", body)
        assert one.up_bytes > len(body), "it went over the line"
    receiver = place.client_of(place.enrol("seoul"))
    [taken] = receiver.receive(5)
    assert taken.body == body
    receiver.acknowledge([taken.id])


def test_a_hub_that_is_away_is_named_after_the_patience_and_not_later(place: Place) -> None:
    membership = replace(place.enrol("patient"), hub=f"https://127.0.0.1:{free_port()}")
    client = place.client_of(membership, patience=0.7)
    start = time.monotonic()
    with pytest.raises(ExchangeFault) as fault:
        client.receive(25)
    assert fault.value.code == "hub_unreachable"
    assert 0.1 < time.monotonic() - start < 2


def test_trouble_is_told_while_calls_are_still_tried_and_ends_with_the_first_answer(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "TROUBLE_SECONDS", 0.2)
    membership = place.enrol("troubled")
    with line(BadLine(place.hub.address[1])) as one:
        client = place.client_of(replace(membership, hub=f"https://127.0.0.1:{one.port}"), patience=30)
        assert client.status()["state"] == "active"
        one.down = True
        one.cut()
        told: list[str] = []
        asking = threading.Thread(target=lambda: told.append(str(client.status()["state"])))
        asking.start()
        until = time.monotonic() + 10
        while not client.trouble and time.monotonic() < until:
            time.sleep(0.02)
        assert (client.trouble, told) == ("hub_unreachable", [])
        one.down = False
        asking.join(10)
        assert (client.trouble, told) == ("", ["active"])


def test_closing_ends_a_call_that_waits_to_be_tried_again(place: Place) -> None:
    membership = replace(place.enrol("closing"), hub=f"https://127.0.0.1:{free_port()}")
    client = place.client_of(membership, patience=60)
    threading.Timer(0.3, client.close).start()
    start = time.monotonic()
    with pytest.raises(ExchangeFault):
        client.status()
    assert time.monotonic() - start < 5
