"""The connections of a hub: those that no institution has proven are few and short, and none may have too many."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

UNPROVEN = 512
"""Connections that have not carried a signed call yet; with one more the oldest is closed."""
UNPROVEN_SECONDS = 15.0
OF_ONE = 320
"""Connections of one institution; with one more its oldest is closed."""


class Connections:
    """All connections of a process."""

    def __init__(self) -> None:
        self._unproven: OrderedDict[_Guarded, None] = OrderedDict()
        self._proven: defaultdict[str, OrderedDict[_Guarded, None]] = defaultdict(OrderedDict)

    def came(self, one: _Guarded) -> None:
        """A connection opened."""
        self._unproven[one] = None
        asyncio.get_running_loop().call_later(UNPROVEN_SECONDS, self._close_unproven, one)
        if len(self._unproven) > UNPROVEN:
            next(iter(self._unproven)).abort()

    def proved(self, one: _Guarded, name: str) -> None:
        """An institution signed a call on it."""
        if one.owner == name:
            return
        self.went(one)
        one.owner = name
        own = self._proven[name]
        own[one] = None
        if len(own) > OF_ONE:
            next(iter(own)).abort()

    def went(self, one: _Guarded) -> None:
        """A connection closed."""
        self._unproven.pop(one, None)
        if one.owner in self._proven:
            self._proven[one.owner].pop(one, None)
            if not self._proven[one.owner]:
                del self._proven[one.owner]

    def _close_unproven(self, one: _Guarded) -> None:
        if one in self._unproven:
            one.abort()


class _Guarded(H11Protocol):
    """One connection, known to the guard."""

    guard: Connections
    owner = ""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        inner: Callable[..., Any] = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["gagyo.proven"] = self._proven
            await inner(scope, receive, send)

        self.app = app

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.guard.came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.guard.went(self)
        super().connection_lost(exc)

    def abort(self) -> None:
        """Close at once."""
        self.guard.went(self)
        self.transport.abort()

    def _proven(self, name: str) -> None:
        self.guard.proved(self, name)


def guarded(guard: Connections) -> type[asyncio.Protocol]:
    """The protocol class for a server whose connections `guard` watches."""
    return type("Guarded", (_Guarded,), {"guard": guard})
