"""The exchange as an ASGI application: checks who calls before it reads what they send, and signs what it answers."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

from gagyo.errors import ExchangeFault, Tampered
from gagyo.exchange import refusals, signatures
from gagyo.exchange.call import Answer, Call, Caller, Counter
from gagyo.exchange.calls import CALLS, CallKind
from gagyo.exchange.envelope import PublicKeys
from gagyo.exchange.mailbox import letters, register
from gagyo.exchange.rates import RATES, STRANGERS, Rates
from gagyo.exchange.signatures import WINDOW

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_SECONDS = 60.0
"""A body of at most 1 MiB that takes longer is given up; the client sends that chunk again."""
SEEN_SECONDS = 30
LOG_SECONDS = 5.0


@dataclass
class Exchange:
    """The application. `log` is given one record for each refused call and for each event, never a body."""

    counter: Counter
    log: Callable[[dict[str, Any]], None]
    started: int = field(default_factory=lambda: int(time.time()))
    rates: Rates = field(default_factory=Rates)
    _seen: dict[str, float] = field(default_factory=dict)
    _refusals: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP call."""
        if scope["type"] != "http":
            return
        if scope["path"] == "/v1/health":
            await _send(send, Answer(200, b'{"ok": true}'), {})
            return
        body = _Body(scope, receive)
        answer = await self._answer(scope, body)
        await _send(send, answer, self._sign(answer, scope) | body.closing())

    async def _answer(self, scope: Scope, body: _Body) -> Answer:
        told = _Told(f"{scope['method']} {scope['path'][:100]}")
        try:
            return await self._answered(scope, body, told)
        except ExchangeFault as fault:
            answer = Answer(*refusals.to_json(fault))
            self._refused(told, fault.code, body)
        except Exception as error:
            # One call that this program did not foresee must not end the others; the text of an error may quote a body.
            answer = Answer(*refusals.to_json(ExchangeFault.of("hub_fault", found="500")))
            self._refused(told, f"hub_fault {type(error).__name__}", body)
        return answer

    async def _answered(self, scope: Scope, body: _Body, told: _Told) -> Answer:
        kind = CALLS.get((scope["method"], _pattern(scope["path"])))
        if kind is None:
            raise ExchangeFault.of("no_such_call", found=scope["path"][:100])
        headers = _headers(scope)
        signed = signatures.read(headers.get("signature-input", ""), headers.get("signature", ""), signatures.CALL)
        caller = await self._caller(scope, headers, kind, signed, told)
        rate = RATES[caller.role] if caller else STRANGERS
        with self.rates.call(caller.name if caller else "", rate):
            await self._check_fresh(signed)
            await self._note(caller)
            content = await body.read(kind.limit, headers.get("content-digest", ""))

            def charge(calls: int) -> None:
                self.rates.charge(caller.name if caller else "", rate, calls)

            call = Call(_query(scope), scope["path"].split("/")[3:], content, body.gone, charge)
            return await kind.answer(self.counter, Caller(signed.keyid, caller), call)

    async def _caller(
        self, scope: Scope, headers: dict[str, str], kind: CallKind, signed: signatures.Signed, told: _Told
    ) -> register.Enrolled | None:
        """Who signed this call: an institution that may make it, or None where the call is for strangers."""
        if kind.strangers:
            _check_signature(scope, headers, signed, _query(scope).get("key", ""))
            return None
        known = await self.counter.mailbox.read(lambda rows: register.member(rows, signed.keyid))
        if known is None or known.home:
            raise ExchangeFault.of("not_enrolled", found=signed.keyid)
        _check_signature(scope, headers, signed, known.keys.signing)
        told.institution = known.name
        _check_standing(known, kind)
        _prove(scope, known)
        return known

    async def _check_fresh(self, signed: signatures.Signed) -> None:
        now = int(time.time())
        # A process that has just begun does not know which nonces were used before.
        if abs(now - signed.created) > WINDOW or signed.created <= self.started:
            raise ExchangeFault.of("stale_signature", found=signed.created - now, expected=WINDOW)
        used = f"{signed.keyid} {signed.nonce}"
        if not await self.counter.mailbox.first_use([(used, signed.created + WINDOW)], now):
            raise ExchangeFault.of("replayed", found=signed.keyid)

    async def _note(self, caller: register.Enrolled | None) -> None:
        now = time.time()
        if caller is None or now - self._seen.get(caller.name, 0) < SEEN_SECONDS:
            return
        self._seen[caller.name] = now
        await self.counter.mailbox.write(lambda rows: letters.saw(rows, caller.name, int(now)), durable=False)

    def _sign(self, answer: Answer, scope: Scope) -> dict[str, str]:
        digest = signatures.content_digest(answer.body)
        call = _headers(scope).get("signature", "").removeprefix("gagyo=")
        components = signatures.answer_components(answer.status, digest, call)
        keys = self.counter.keys
        signed = signatures.sign(keys.sign, components, self.counter.name, int(time.time()))
        return {"content-digest": digest, **signed}

    def _refused(self, told: _Told, code: str, body: _Body) -> None:
        """Log a refusal; of those that repeat, one in `LOG_SECONDS` and how many there were."""
        now, kind = time.monotonic(), (told.institution, code)
        since, times = self._refusals.get(kind, (-LOG_SECONDS, 0))
        if now - since < LOG_SECONDS:
            self._refusals[kind] = (since, times + 1)
            return
        self._refusals[kind] = (now, 0)
        record = {"event": "refused", "institution": told.institution, "code": code, "call": told.call}
        self.log(record | {"bytes": body.size, **({"times": times + 1} if times else {})})


@dataclass
class _Told:
    """What the log may say of a call: which, and whose it is proven to be."""

    call: str
    institution: str = ""


@dataclass
class _Body:
    """The body of a call: not read before its sender is known, and never beyond the limit."""

    scope: Scope
    receive: Receive
    size: int = 0
    ended: bool = False

    async def read(self, limit: int, digest: str) -> bytes:
        """The whole body, equal to the signed digest."""
        if self._announced() > limit:
            raise ExchangeFault.of("too_large", found=self._announced(), expected=limit)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                content = b"".join([part async for part in self._parts(limit)])
        except TimeoutError:
            raise ExchangeFault.of("malformed", found="body") from None
        if not hmac.compare_digest(sha256(content).digest(), signatures.digest_of(digest)):
            raise ExchangeFault.of("bad_signature_call", found="Content-Digest")
        return content

    async def _parts(self, limit: int) -> AsyncIterator[bytes]:
        while not self.ended:
            message = await self.receive()
            part = message.get("body", b"")
            self.size += len(part)
            self.ended = not message.get("more_body", False)
            if message["type"] == "http.disconnect":
                raise ExchangeFault.of("malformed", found="body")
            if self.size > limit:
                raise ExchangeFault.of("too_large", found=self.size, expected=limit)
            yield part

    async def gone(self) -> None:
        """Return when the connection ends."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def _announced(self) -> int:
        text = _headers(self.scope).get("content-length", "0")
        return int(text) if text.isdecimal() and len(text) < 16 else 0

    def closing(self) -> dict[str, str]:
        """A header that ends the connection where a body comes that nobody will read."""
        headers = _headers(self.scope)
        unread = not self.ended and ("transfer-encoding" in headers or self._announced() > 0)
        return {"connection": "close"} if unread else {}


def _check_signature(scope: Scope, headers: dict[str, str], signed: signatures.Signed, key: str) -> None:
    components = signatures.call_components(
        scope["method"],
        scope["raw_path"].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        headers.get("content-digest", ""),
    )
    try:
        # Not PublicKeys.verify's memory of past checks: a nonce makes every call new.
        PublicKeys(key, "").check_once(signed.signature, signatures.signature_base(components, signed.params))
    except (Tampered, ValueError):
        raise ExchangeFault.of("bad_signature_call", found=signed.keyid) from None


def _check_standing(known: register.Enrolled, kind: CallKind) -> None:
    if known.state == "revoked":
        raise ExchangeFault.of("revoked", found=known.name)
    if known.state == "waiting" and not kind.waiting:
        raise ExchangeFault.of("not_enrolled", found=known.name)
    if time.time() >= known.until and not kind.waiting:
        raise ExchangeFault.of("keys_expired", found=known.name)
    if kind.roles and known.role not in kind.roles:
        raise ExchangeFault.of("not_allowed", found=known.name)


def _prove(scope: Scope, caller: register.Enrolled) -> None:
    """Tell the connection who uses it (connections.py closes those that nobody proves)."""
    if (proven := scope.get("gagyo.proven")) is not None:
        proven(caller.name)


def _pattern(path: str) -> str:
    """The path's fixed part: `/v1/<call>`."""
    return "/".join(path.split("/")[:3])


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _query(scope: Scope) -> dict[str, str]:
    try:
        parsed = parse_qs(scope["query_string"].decode("ascii"), keep_blank_values=True, max_num_fields=8)
    except (ValueError, UnicodeDecodeError):
        raise ExchangeFault.of("malformed", found="query") from None
    return {name: values[0] for name, values in parsed.items()}


async def _send(send: Send, answer: Answer, headers: dict[str, str]) -> None:
    listed = {"content-type": answer.kind, "content-length": str(len(answer.body)), **headers}
    if answer.status == 429:
        listed["retry-after"] = "1"
    encoded = [(name.encode(), value.encode()) for name, value in listed.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    await send({"type": "http.response.body", "body": answer.body})
