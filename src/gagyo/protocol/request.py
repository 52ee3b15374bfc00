"""The only record that travels to a hospital: names and numbers, never code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from gagyo.canonical import digest

COORDINATOR = "coordinator"


@dataclass(frozen=True)
class Summand:
    """One hospital's part in one secure sum: what its masks and its answer are bound to."""

    plan: str
    statement: str
    roster: tuple[str, ...]
    attempt: int
    site: str

    @property
    def request(self) -> str:
        """The digest of the request that asked for it."""
        return _request(self.statement, self.site, self.roster, self.attempt)

    def at(self, site: str) -> Summand:
        """Another hospital's part in the same sum."""
        return Summand(self.plan, self.statement, self.roster, self.attempt, site)


@lru_cache(maxsize=4096)
def _request(statement: str, site: str, roster: tuple[str, ...], attempt: int) -> str:
    # Remembered: each hospital of a roster names the requests of all the others, in both phases of a sum.
    return digest([statement, site, list(roster), attempt])


@dataclass(frozen=True)
class Request:
    """A question to one hospital.

    `plan` is the approved plan's digest; `step` names an installed function marked `@local` ("logistic.newton") or one
    of the steps of the secure sum ("open.people", "open.values"); `arguments` are names and numbers. `roster` are the
    hospitals whose values are summed; empty where each answers for itself. `receiver` is who the sum is opened to.
    `relay` carries other hospitals' signed answers, as they were given.
    """

    plan: str
    analysis: str
    cohort: str
    round: int
    site: str
    step: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    roster: tuple[str, ...] = ()
    attempt: int = 0
    receiver: str = COORDINATOR
    relay: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def statement(self) -> str:
        """The digest of what is asked of all hospitals alike: no addressee, roster or attempt."""
        common = (self.plan, self.analysis, self.cohort, self.round, self.step, self.receiver, self.arguments)
        return digest(list(common))

    def to(self, site: str) -> Request:
        """The same question to a hospital."""
        return self._same(replace(self, site=site))

    def relaying(self, **relay: Any) -> Request:
        """The same question with more that is relayed."""
        return self._same(replace(self, relay={**self.relay, **relay}))

    def _same(self, other: Request) -> Request:
        # Digested once for all hospitals: the arguments may be long.
        other.__dict__["statement"] = self.statement
        return other

    @property
    def summand(self) -> Summand:
        """What an answer in masks is bound to."""
        return Summand(self.plan, self.statement, self.roster, self.attempt, self.site)

    @cached_property
    def digest(self) -> str:
        """What answers are matched by; the same question to the same hospital always has the same digest."""
        return self.summand.request
