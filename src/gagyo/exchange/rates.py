"""How much one institution may ask of a hub: a token bucket for calls, and calls that are open at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from gagyo.errors import ExchangeFault
from gagyo.exchange.access import Role


@dataclass(frozen=True)
class Rate:
    """Calls a second on the long run, calls at once after a rest, and calls open at the same time."""

    calls: float
    burst: float
    open: int


RATES: dict[Role, Rate] = {
    "site": Rate(300, 900, 32),
    "coordinator": Rate(1500, 4500, 256),
    "hub": Rate(3000, 9000, 512),
}
STRANGERS = Rate(5, 20, 8)
"""For all that are not enrolled, together."""


@dataclass
class _Use:
    tokens: float
    at: float
    open: int = 0


@dataclass
class Rates:
    """The use of each institution in this process."""

    clock: Callable[[], float] = time.monotonic
    _uses: dict[str, _Use] = field(default_factory=dict)

    @contextmanager
    def call(self, name: str, rate: Rate) -> Iterator[None]:
        """One call, for as long as it is open; ExchangeFault `too_many` where it is one too many."""
        use = self._uses.setdefault(name, _Use(rate.burst, self.clock()))
        if use.open >= rate.open:
            raise _too_many(name, rate)
        self.charge(name, rate, 1)
        use.open += 1
        try:
            yield
        finally:
            use.open -= 1

    def charge(self, name: str, rate: Rate, calls: int) -> None:
        """Count what one call does in place of `calls` of them; ExchangeFault `too_many` as `call`."""
        use, now = self._uses.setdefault(name, _Use(rate.burst, self.clock())), self.clock()
        use.tokens = min(rate.burst, use.tokens + (now - use.at) * rate.calls)
        use.at = now
        if use.tokens < calls:
            raise _too_many(name, rate)
        use.tokens -= calls


def _too_many(name: str, rate: Rate) -> ExchangeFault:
    return ExchangeFault.of("too_many", found=name, expected=f"{rate.calls:g}")
