"""The line to a hub: signed HTTPS calls that are tried again while a fault may pass, and answers that are checked."""

from __future__ import annotations

import random
import socket
import ssl
import threading
import time
import urllib.request
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from gagyo.errors import ExchangeFault, Tampered
from gagyo.exchange import refusals, signatures
from gagyo.exchange.bare_httpx import httpx
from gagyo.exchange.membership import Membership
from gagyo.exchange.records import record_of

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
STALE_SECONDS = 15.0
"""A hub that has just started refuses signatures of its first second, or two where clocks differ a little."""
TROUBLE_SECONDS = 5.0
"""How long a hub is not there before that is called trouble: one that is started anew is back by then."""
PASSWORD_SECONDS = 300.0
"""How long a password that a proxy refused is not tried again: many directories lock an account after a few tries."""


@dataclass(frozen=True)
class Reply:
    """A hub's answer, its signature checked."""

    status: int
    body: bytes

    def record(self) -> dict[str, Any]:
        """The body as a JSON object."""
        return record_of(self.body)


class Unreachable(Exception):
    """One attempt failed in a way that may pass; `code` and `found` tell how."""

    def __init__(self, code: str, found: str, pause: float = 0.0) -> None:
        super().__init__(code, found)
        self.code, self.found, self.pause = code, found, pause


class Line:
    """Signed calls to the hub of a membership. Thread safe; connections are kept.

    `clock_offset`: seconds that the hub's clock is ahead of this machine's, learned from its signed answers.
    """

    def __init__(self, membership: Membership, *, patience: float = 120.0) -> None:
        self.membership = membership
        self.patience = patience
        self.clock_offset = 0.0
        self._proxy = membership.proxy or _environment_proxy(membership.hub)
        self._closing = threading.Event()
        self._barred: tuple[float, ExchangeFault] | None = None
        self._away: tuple[float, str] | None = None
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._http = httpx.Client(
            verify=_trust(membership),
            proxy=_proxy(self._proxy),
            trust_env=False,
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=60),
        )

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        wait: float = 0.0,
        patience: float | None = None,
    ) -> Reply:
        """The hub's answer; `wait` is how long the hub itself may take.

        Raises:
            ExchangeFault: the hub's refusal; or, after `patience` seconds of faults that could have passed,
                `hub_unreachable`, `proxy_refused`, `certificate_unknown` or the temporary refusal. A password that a
                proxy refused is said at once, and not tried again for PASSWORD_SECONDS.
        """
        if self._barred and time.monotonic() < self._barred[0]:
            raise self._barred[1]
        give_up = time.monotonic() + (self.patience if patience is None else patience)
        pause, stale, stale_until = FIRST_PAUSE, 0, time.monotonic() + STALE_SECONDS
        while True:
            try:
                reply = self._once(method, path, urlencode(query or {}, quote_via=quote), body, wait)
                self._away = None
                return reply
            except ExchangeFault as fault:
                self._away = None
                late = fault.code == "stale_signature"
                stale += late
                if fault.code not in refusals.TEMPORARY and not (late and time.monotonic() < stale_until):
                    raise
                failed: ExchangeFault = fault
                least = 1.0 if fault.code == "too_many" else 0.3 * (stale > 1)
            except Unreachable as attempt:
                before = self._away  # read once: a call of another thread may be answered meanwhile
                self._away = (before[0] if before else time.monotonic(), attempt.code)
                failed = ExchangeFault.of(attempt.code, found=attempt.found, expected=self.membership.hub)
                least = attempt.pause
                if least >= PASSWORD_SECONDS:
                    self._barred = (time.monotonic() + least, failed)
                    raise failed from attempt
            wanted = max(least, pause * random.uniform(0.5, 1.0))
            if time.monotonic() + wanted > give_up or self._closing.wait(wanted if stale != 1 else 0.0):
                raise failed
            pause = min(pause * 2, LONGEST_PAUSE)

    @property
    def trouble(self) -> str:
        """Why the hub has not answered for some seconds, as a code, while it is still tried; empty while it does."""
        away = self._away
        return away[1] if away and time.monotonic() - away[0] > TROUBLE_SECONDS else ""

    @property
    def proxy(self) -> str:
        """Host and port of the proxy that calls go through, without user and password; empty where there is none."""
        given = _proxy(self._proxy)
        return f"{given.url.host}:{given.url.port or 80}" if given else ""

    def close(self) -> None:
        """Close the connections; calls that wait, for an answer or to be tried again, give up now."""
        self._closing.set()
        for one in list(self._sockets):
            with suppress(OSError):
                # Not SSLSocket's own shutdown, which takes the TLS state away from a thread that reads.
                socket.socket.shutdown(one, socket.SHUT_RDWR)
        self._http.close()

    def _once(self, method: str, path: str, query: str, body: bytes, wait: float) -> Reply:
        headers = self._signed(method, path, query, body)
        url = f"{self.membership.hub}{path}{'?' + query if query else ''}"
        timeout = httpx.Timeout(READ_SECONDS + wait, connect=CONNECT_SECONDS)
        try:
            answer = self._http.request(
                method, url, content=body, headers=headers, timeout=timeout, extensions={"trace": self._trace}
            )
        except httpx.ProxyError as error:
            wants_password = str(error).startswith("407")
            pause = PASSWORD_SECONDS if wants_password else 1.0
            raise Unreachable("proxy_refused", str(error)[:100], pause) from error
        except httpx.TransportError as error:
            raise _unreachable(error) from error
        except RuntimeError as error:
            if not self._closing.is_set():
                raise
            raise Unreachable("hub_unreachable", "closed") from error
        self._check(answer, headers["signature"])
        if answer.status_code >= 400:
            raise refusals.from_json(answer.status_code, _json(answer.content))
        return Reply(answer.status_code, answer.content)

    def _trace(self, event: str, told: Mapping[str, Any]) -> None:
        """Remember the sockets (httpx's trace extension): a thread that reads one is woken only through it."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._sockets.add(told["return_value"].get_extra_info("socket"))

    def _signed(self, method: str, path: str, query: str, body: bytes) -> dict[str, str]:
        digest = signatures.content_digest(body)
        components = signatures.call_components(method, path, query, digest)
        now = int(time.time() + self.clock_offset)
        signed = signatures.sign(self.membership.keys.sign, components, self.membership.name, now)
        return {"content-digest": digest, **signed}

    def _check(self, answer: httpx.Response, call_signature: str) -> None:
        """Whether the hub itself, and nobody on the way, answered this very call."""
        got = answer.headers
        if "signature" not in got:
            if answer.status_code == 407:
                raise Unreachable("proxy_refused", "HTTP 407", PASSWORD_SECONDS)
            raise Unreachable("hub_unsigned", f"HTTP {answer.status_code}", pause=0.5)
        signed = signatures.read(got.get("signature-input", ""), got["signature"], signatures.ANSWER)
        digest = signatures.content_digest(answer.content)
        components = signatures.answer_components(answer.status_code, digest, call_signature.removeprefix("gagyo="))
        base = signatures.signature_base(components, signed.params)
        try:
            self.membership.hub_keys.check_once(signed.signature, base)
        except (Tampered, ValueError):
            raise ExchangeFault.of("hub_forged", found=self.membership.hub) from None
        ahead = signed.created - time.time()
        # Times in signatures are whole seconds.
        if abs(ahead - self.clock_offset) > 2:
            self.clock_offset = ahead


def _json(body: bytes) -> Any:
    try:
        return record_of(body)
    except ExchangeFault:
        return {}


def _unreachable(error: httpx.TransportError) -> Unreachable:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unreachable("certificate_unknown", cause.verify_message, pause=1.0)
        cause = cause.__cause__ or cause.__context__
    return Unreachable("hub_unreachable", f"{type(error).__name__} {error}".strip()[:200])


def _trust(membership: Membership) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=membership.ca or None)
        if membership.extra_ca:
            context.load_verify_locations(membership.extra_ca)
    except (OSError, ValueError):
        raise ExchangeFault.of("bad_ca_file", found=membership.extra_ca or "ca.pem") from None
    return context


def _environment_proxy(hub: str) -> str:
    parts = urlsplit(hub)
    if parts.hostname is None or urllib.request.proxy_bypass(parts.hostname):
        return ""
    return urllib.request.getproxies().get(parts.scheme, "")


def _proxy(url: str) -> httpx.Proxy | None:
    if not url:
        return None
    try:
        return httpx.Proxy(url if "://" in url else f"http://{url}")
    except (ValueError, httpx.InvalidURL):
        raise ExchangeFault.of("bad_proxy", found=urlsplit(url).hostname or "") from None
